package gemini

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestReferences(t *testing.T) {
	tests := []struct{ name, schema, want string }{
		{
			"definitions at the root", `{"$ref":"#/$defs/A","$defs":{"A":{"properties":{"b":{"$ref":"#/$defs/B"}}},"B":{"type":"string"},"unused":{"type":"number"}}}`,
			`{"type":"object","properties":{"b":{"$ref":"#/$defs/B"}},"$defs":{"B":{"type":"string"}}}`,
		},
		{
			"definitions of the older drafts", `{"properties":{"a":{"$ref":"#/definitions/A"}},"definitions":{"A":{"const":1}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"enum":[1]}}}`,
		},
		{
			"definitions that are not at the root", `{"properties":{"a":{"$ref":"#/properties/a/$defs/A","$defs":{"A":{"type":"string"}}},"b":{"$ref":"#/$defs/A"}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"},"b":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"string"}}}`,
		},
		{
			"anything within the schema", `{"properties":{"a":{"type":"array","items":{"type":"string"}},"b":{"$ref":"#/properties/a/items"}}}`,
			`{"type":"object","properties":{"a":{"type":"array","items":{"type":"string"}},"b":{"$ref":"#/$defs/items"}},"$defs":{"items":{"type":"string"}}}`,
		},
		{
			"names that would have to be escaped, and are taken", `{"properties":{"a":{"$ref":"#/$defs/x~1y"},"b":{"$ref":"#/$defs/x%20y"},"c":{"$ref":"#/$defs/x_y"},"d":{"$ref":"#/properties/x_y"},"x_y":{"type":"null"}},
			"$defs":{"x/y":{"type":"string"},"x y":{"type":"number"},"x_y":{"type":"boolean"}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/x_1y"},"b":{"$ref":"#/$defs/x_20y"},"c":{"$ref":"#/$defs/x_y"},"d":{"$ref":"#/$defs/x_y_2"},"x_y":{"type":"null"}},"$defs":{"x_1y":{"type":"string"},"x_20y":{"type":"number"},"x_y":{"type":"boolean"},"x_y_2":{"type":"null"}}}`,
		},
		{
			"anchors", `{"properties":{"a":{"$ref":"#here"}},"$defs":{"A":{"$anchor":"here","type":"string"}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/here"}},"$defs":{"here":{"type":"string"}}}`,
		},
		{
			"definitions of OpenAPI", `{"properties":{"a":{"$ref":"#/components/schemas/A"},"b":{"$ref":"#/$defs/B"}},"components":{"schemas":{"A":{"type":"string"},"B":{"type":"number"}}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"},"b":{"$ref":"#/$defs/B"}},"$defs":{"A":{"type":"string"},"B":{"type":"number"}}}`,
		},
		{
			"ids", `{"properties":{"a":{"$ref":"https://example.com/A"}},"$defs":{"x":{"$id":"https://example.com/A","type":"string"}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"string"}}}`,
		},
		{
			"circles without a property", `{"properties":{"a":{"$ref":"#/$defs/A"}},"required":["a"],"$defs":{"A":{"type":"array","items":{"$ref":"#/$defs/B","description":"d"}},"B":{"type":"array","items":{"$ref":"#/$defs/A"}}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"required":["a"],"$defs":{"A":{"type":"array","items":{"description":"d (like #/$defs/B)"}}}}`,
		},
		{
			"a part of itself by allOf", `{"$ref":"#/$defs/N","$defs":{"N":{"type":"object","properties":{"v":{"type":"string"},"n":{"allOf":[{"$ref":"#/$defs/N"},{"properties":{"x":{}}}]}}}}}`,
			`{"type":"object","properties":{"v":{"type":"string"},"n":{"$ref":"#/$defs/N"}},"$defs":{"N":{"type":"object","properties":{"v":{"type":"string"},"n":{"$ref":"#/$defs/N"}}}}}`,
		},
		{
			"a part of itself by alternatives", `{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"object","properties":{"a":{"type":"object","properties":{"x":{}},"anyOf":[{"$ref":"#/$defs/A"},{"$ref":"#/$defs/B"}]}}},"B":{"properties":{"b":{}}}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"object","properties":{"a":{"anyOf":[{"$ref":"#/$defs/A"},{"type":"object","properties":{"b":{},"x":{}}}]}}}}}`,
		},
		{
			"nowhere, and elsewhere", `{"properties":{"a":{"$ref":"#/$defs/none","description":"d","title":"t"},"b":{"$ref":"https://example.com/s.json"}}}`,
			`{"type":"object","properties":{"a":{"description":"d ($ref: #/$defs/none)"},"b":{"description":"($ref: https://example.com/s.json)"}}}`,
		},
		{
			"what may stand beside one", `{"properties":{"a":{"$ref":"#/$defs/A","title":"t","description":"d","default":{"$ref":1},"type":"object","nullable":true}},"$defs":{"A":{"type":"object"}}}`,
			`{"type":"object","properties":{"a":{"anyOf":[{"$ref":"#/$defs/A","description":"d (default: {\"$ref\":1})"},{"type":"null"}]}},"$defs":{"A":{"type":"object"}}}`,
		},
		{
			"one described by way of allOf", `{"properties":{"a":{"allOf":[{"$ref":"#/$defs/A"}],"description":"d","title":"t","default":1}},"$defs":{"A":{"type":"object"}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/A","description":"d (default: 1)"}},"$defs":{"A":{"type":"object"}}}`,
		},
		{
			"all of them", `{"allOf":[{"$ref":"#/$defs/A"},{"properties":{"c":{"type":"string"}},"required":["c"]}],"properties":{"b":{"type":"string"}},"required":["b"],"$defs":{"A":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"number"}}}}}`,
			`{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"string"},"c":{"type":"string"}},"required":["b","c"]}`,
		},
		{
			"a circle that is required", `{"$ref":"#/$defs/N","$defs":{"N":{"properties":{"v":{"type":"string"},"next":{"$ref":"#/$defs/N"}},"required":["v","next"]}}}`,
			`{"type":"object","properties":{"v":{"type":"string"},"next":{"$ref":"#/$defs/N"}},"required":["v","next"],"$defs":{"N":{"type":"object","properties":{"v":{"type":"string"},"next":{"$ref":"#/$defs/N"}},"required":["v"]}}}`,
		},
		{
			"a larger circle, and what only leads to it", `{"properties":{"a":{"$ref":"#/$defs/A"}},"required":["a"],"$defs":{"A":{"properties":{"b":{"$ref":"#/$defs/B"},"c":{"$ref":"#/$defs/C"}},"required":["b","c"]},
			"B":{"properties":{"l":{"items":{"properties":{"a":{"$ref":"#/$defs/A"}},"required":["a"]}}}},"C":{"type":"string"}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"required":["a"],"$defs":{"A":{"type":"object","properties":{"b":{"$ref":"#/$defs/B"},"c":{"$ref":"#/$defs/C"}},"required":["c"]},"B":{"type":"object","properties":{"l":{"type":"array","items":{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}}}}}},"C":{"type":"string"}}}`,
		},
		{
			"itself", `{"properties":{"kids":{"type":"array","items":{"$ref":"#"}},"twin":{"$ref":"#/"}},"required":["kids","twin"]}`,
			`{"type":"object","properties":{"kids":{"type":"array","items":{"$ref":"#"}},"twin":{"$ref":"#"}}}`,
		},
		{"nothing but itself", `{"allOf":[{"$ref":"#"},{"type":"object"}]}`, `{"type":"object","properties":{}}`},
		{
			"properties named like references", `{"properties":{"$ref":{"type":"string"},"allOf":{"$ref":"#/$defs/$defs"},"$defs":{"type":"null"}},"$defs":{"$defs":{"type":"number"}}}`,
			`{"type":"object","properties":{"$ref":{"type":"string"},"allOf":{"$ref":"#/$defs/_defs"},"$defs":{"type":"null"}},"$defs":{"_defs":{"type":"number"}}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := cleanSchema(forParameters, []byte(tt.schema))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("%s,\nwant %s", got, tt.want)
			}
			if again, err := cleanSchema(forParameters, got); err != nil || string(again) != string(got) {
				t.Errorf("%s becomes %s, %v", got, again, err)
			}
		})
	}
}

// What Google says of references in tools, that a description may stand beside them, it does not say of those in answers.
func TestReferencesInAnswersStandAlone(t *testing.T) {
	checkRewrite(t, forAnswer,
		`{"type":"object","properties":{"a":{"$ref":"#/definitions/A","description":"d","title":"t"},"b":{"$ref":"#/gone","description":"d"}},"definitions":{"A":{"type":"string"}}}`,
		`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"},"b":{"description":"d ($ref: #/gone)"}},"$defs":{"A":{"type":"string"}}}`)
	checkRewrite(t, forAnswer, `{"$ref":"#/$defs/A","$defs":{"A":{"type":"string"}}}`, `{"$ref":"#/$defs/A","$defs":{"A":{"type":"string"}}}`)
}

// No schema of a size that clients may send takes long, whatever it refers to.
func TestSchemasThatAreABurden(t *testing.T) {
	many := func(n int, one string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, one, i, i+1)
		}
		return b.String()
	}
	const n = 10_000
	tests := map[string]string{
		"a chain of references":      `{"$ref":"#/$defs/d0","$defs":{` + many(n, `"d%d":{"properties":{"p":{"$ref":"#/$defs/d%d"}},"required":["p"]},`) + `"z":{}}}`,
		"a chain of allOf":           `{"$ref":"#/$defs/d0","$defs":{` + many(n, `"d%d":{"type":"object","allOf":[{"$ref":"#/$defs/d%d"},{}]},`) + `"z":{}}}`,
		"many parts":                 `{"allOf":[` + many(n, `{"properties":{"p%d":{"const":%d}},"required":["a"]},`) + `{}]}`,
		"many pointers":              `{"properties":{` + many(n, `"p%d":{"items":{"title":"%d"}},`) + many(n, `"r%[1]d":{"$ref":"#/properties/p%[1]d/items"},`) + `"z":{}}}`,
		"one name for many":          `{"properties":{` + many(250, `"p%d":{"items":{"type":"string","title":"%d"}},`) + many(250, `"r%[1]d":{"$ref":"#/properties/p%[1]d/items"},`) + `"z":{}}}`,
		"many keywords":              `{"allOf":[{` + many(n, `"k%d":%d,`) + `"z":1},{` + many(n, `"l%d":%d,`) + `"z":1}]}`,
		"each twice the next":        `{"$ref":"#/$defs/d0","$defs":{` + many(n, `"d%[1]d":{"properties":{"p":{"$ref":"#/$defs/d%[2]d"},"q":{"$ref":"#/$defs/d%[2]d"}},"required":["p"]},`) + `"z":{}}}`,
		"one great circle":           `{"$ref":"#/$defs/d0","$defs":{` + many(n, `"d%[1]d":{"properties":{"p":{"$ref":"#/$defs/d%[2]d"},"q":{"$ref":"#/$defs/d0"}},"required":["q"]},`) + `"z":{}}}`,
		"a root of many kinds":       `{"oneOf":[` + many(n, `{"properties":{"k":{"const":%d},"a%d":{}},"required":["k"]},`) + `{"properties":{}}]}`,
		"much beside alternatives":   `{"properties":{"u":{"properties":{` + many(4000, `"p%d":{"title":"%d"},`) + `"z":{}},"anyOf":[` + many(4000, `{"properties":{"k%d":{"const":%d}}},`) + `{}]}}}`,
		"copies within copies":       `{"properties":{"a":` + strings.Repeat(`{"properties":{"a":`, 30) + `{}` + strings.Repeat(`}}`, 30) + `,` + many(n, `"r%d":{"anyOf":[{"$ref":"#/properties/a"},{"$ref":"#/properties/a/properties/a"},{"title":"%d"}]},`) + `"z":{}}}`,
		"many that are required":     `{"type":"object","properties":{` + many(n, `"p%d":{"title":"%d"},`) + `"z":{}},"required":[` + many(n, `"p%[1]d",`) + `"z"]}`,
		"many values":                `{"properties":{"a":{"allOf":[{"enum":[` + many(n, `"p%[1]d",`) + `"z"]},{"enum":[` + many(n, `"p%[2]d",`) + `"z"]}]}}}`,
		"nots":                       strings.Repeat(`{"not":`, 9000) + `{}` + strings.Repeat(`}`, 9000),
		"many objects of many kinds": `{"anyOf":[{"$ref":"#/$defs/x"},` + many(50, `{"properties":{"p%d":{},"q%d":{}},"required":["p"]},`) + `{}],"$defs":{"x":{"properties":{` + many(n, `"p%d":{"const":%d},`) + `"z":{}}}}}`,
	}
	for name, schema := range tests {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			clean, err := cleanSchema(forParameters, []byte(schema))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(clean), `"#/$defs/items`); n > maxPointers {
				t.Errorf("%d references to what is no definition were followed", n)
			}
			for _, stage := range []SchemaStage{SchemaFull, SchemaLite, SchemaProto} {
				checkGrowth(t, []byte(schema), stage.apply(t, clean, forParameters))
			}
			// Linear is some milliseconds; what is not takes minutes. The limit is for a slow machine under the race detector.
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("%d bytes took %v", len(schema), took)
			}
		})
	}
}

// What is beyond the bounds is left out; what is within them is not.
func TestBoundsOfReferences(t *testing.T) {
	chain := func(n int, one string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, one, i, i+1)
		}
		return b.String()
	}
	for _, tt := range []struct {
		name, within, beyond string
		stage                SchemaStage
		lost                 string // of what is beyond
	}{
		{
			"allOf that leads on and on",
			`{"allOf":[{"$ref":"#/$defs/d0"}],"$defs":{` + chain(60, `"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{}]},`) + `"d60":{"title":"end"}}}`,
			`{"allOf":[{"$ref":"#/$defs/d0"}],"$defs":{` + chain(70, `"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{}]},`) + `"d70":{"title":"end"}}}`,
			SchemaFull, `"end"`,
		},
		{
			"references that lead on and on",
			`{"$ref":"#/$defs/d0","$defs":{` + chain(60, `"d%d":{"$ref":"#/$defs/d%d"},`) + `"d60":{"properties":{"end":{}}}}}`,
			`{"$ref":"#/$defs/d0","$defs":{` + chain(70, `"d%d":{"$ref":"#/$defs/d%d"},`) + `"d70":{"properties":{"end":{}}}}}`,
			SchemaProto, `"end"`,
		},
	} {
		if got := staged(t, tt.stage, tt.within, false); !strings.Contains(got, tt.lost) {
			t.Errorf("%s: %s, without %s", tt.name, got, tt.lost)
		}
		if got := staged(t, tt.stage, tt.beyond, false); strings.Contains(got, tt.lost) {
			t.Errorf("%s: %s, with %s", tt.name, got, tt.lost)
		}
	}
}
