package gemini

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// cleanSchema cleans one schema, which must not disturb the result for another.
func cleanSchema(schema []byte) (jsontext.Value, error) {
	var c schemaCleaner
	clean, err := c.clean(schema)
	before := string(clean)
	if _, err := c.clean([]byte(`{"type":"string"}`)); err != nil || string(clean) != before {
		panic("a second schema changed the first")
	}
	return clean, err
}

func TestCleanSchema(t *testing.T) {
	tests := []struct{ name, schema, want string }{
		{
			"nothing to do", `{"type":"object","properties":{"a":{"type":["string","null"]}},"required":["a"],"additionalProperties":false}`,
			`{"type":"object","properties":{"a":{"type":["string","null"]}},"required":["a"],"additionalProperties":false}`,
		},
		{
			"keywords without a meaning", `{"$schema":"s","strict":true,"x-vendor":{"a":1},"type":"object","examples":[{}],"properties":{"a":{"deprecated":true,"type":"string","readOnly":true}}}`,
			`{"type":"object","properties":{"a":{"type":"string"}}}`,
		},
		{
			"properties may be called anything", `{"properties":{"$schema":{"type":"string"},"const":{"type":"string"},"x-a":{"strict":true},"properties":{"properties":{"strict":{"const":"a"}}}}}`,
			`{"properties":{"$schema":{"type":"string"},"const":{"type":"string"},"x-a":{},"properties":{"properties":{"strict":{"enum":["a"]}}}}}`,
		},
		{
			"values are not schemas", `{"default":{"const":1,"strict":2},"enum":["const"],"required":["strict"],"const":{"strict":1}}`,
			`{"default":{"const":1,"strict":2},"enum":["const"],"required":["strict"]}`,
		},
		{"const", `{"const":"a","type":"string"}`, `{"type":"string","enum":["a"]}`},
		{"const null", `{"const":null}`, `{"type":"null"}`},
		{"const null of a type", `{"const":null,"type":["null"]}`, `{"type":["null"]}`},
		{"const true", `{"const":true}`, `{"description":"(one of: true)","type":"boolean"}`},
		{"const of an object is a value", `{"const":{"const":1}}`, `{"description":"(one of: {\"const\":1})"}`},
		{"const of a list is a value", `{"const":[1]}`, `{"description":"(one of: [1])"}`},
		{"enum of texts and numbers", `{"enum":["a",1,"true","\"","\\"]}`, `{"enum":["a",1,"true","\"","\\"]}`},
		{"enum with null", `{"enum":["a",null],"type":["string","null"]}`, `{"enum":["a"],"type":["string","null"]}`},
		{
			"enum with null, untyped", `{"properties":{"a":{"enum":["a",null]},"b":{"enum":[1,null]},"c":{"enum":[null]}}}`,
			`{"properties":{"a":{"enum":["a"],"type":["string","null"]},"b":{"enum":[1],"type":["number","null"]},"c":{"type":"null"}}}`,
		},
		{"enum with nothing", `{"enum":["","a"]}`, `{"enum":["a"]}`},
		{"enum of nothing", `{"type":"string","enum":[""]}`, `{"type":"string"}`},
		{"enum of flags", `{"enum":[true,false],"description":"d"}`, `{"description":"d (one of: true | false)","type":"boolean"}`},
		{"enum of this and that", `{"enum":["a",false,{"x":1}]}`, `{"description":"(one of: a | false | {\"x\":1})"}`},
		{
			"every place a schema can be", `{"$defs":{"d":{"const":1}},"definitions":{"d":{"const":1}},"items":{"const":1},"prefixItems":[{"const":1}],
			"anyOf":[{"const":1},true],"oneOf":[{"const":1}],"additionalProperties":{"const":1},"not":{"const":1},"patternProperties":{"^a":{"const":1}}}`,
			`{"$defs":{"d":{"enum":[1]}},"definitions":{"d":{"enum":[1]}},"items":{"enum":[1]},"prefixItems":[{"enum":[1]}],
			"anyOf":[{"enum":[1]},true],"oneOf":[{"enum":[1]}],"additionalProperties":{"enum":[1]},"not":{"enum":[1]},"patternProperties":{"^a":{"enum":[1]}}}`,
		},
		{"items of the old drafts", `{"items":[{"const":1},{"strict":true}]}`, `{"items":[{"enum":[1]},{}]}`},
		{
			"shapes no schema has", `{"properties":["const"],"anyOf":{"const":1},"items":7,"additionalProperties":true,"$defs":null}`,
			`{"properties":["const"],"anyOf":{"enum":[1]},"items":7,"additionalProperties":true,"$defs":null}`,
		},
		{"numbers and spelling stay", `{"maximum":1.50e3,"minimum":12345678901234567890,"title":"\u00e9\/"}`, `{"maximum":1.50e3,"minimum":12345678901234567890,"title":"\u00e9\/"}`},
		{"names twice", `{"type":"string","type":"number"}`, `{"type":"string","type":"number"}`},
		{"no object", `true`, `true`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			input := []byte(tt.schema)
			got, err := cleanSchema(input)
			if err != nil {
				t.Fatal(err)
			}
			if compact(t, string(got)) != compact(t, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if string(input) != tt.schema {
				t.Errorf("the input became %s", input)
			}
		})
	}
}

func TestParameterSchemasThatSayNothingAreLeftOut(t *testing.T) {
	for _, schema := range []string{``, `null`, `true`, `""`, `[]`, `{}`, ` { } `, `{"$schema":"s"}`} {
		var c schemaCleaner
		if got, err := c.parameters(jsontext.Value(schema)); got != nil || err != nil {
			t.Errorf("parameters(%s) = %s, %v", schema, got, err)
		}
	}
}

// Google refuses requests that allow too many items in all, without saying why.
func TestItemsAreBounded(t *testing.T) {
	schema := func(bounds ...int) string {
		var b strings.Builder
		for i, n := range bounds {
			fmt.Fprintf(&b, `"p%d":{"type":"array","maxItems":%d},`, i, n)
		}
		return `{"type":"object","properties":{` + b.String() + `"maxItems":{"maxItems":1}}}`
	}
	var c schemaCleaner
	for i, tt := range []struct {
		bounds []int
		kept   []int // -1: in words only
	}{
		{[]int{100, 300}, []int{100, 300}},      // 401
		{[]int{50, 400, 99}, []int{50, -1, 99}}, // 551
		{[]int{250, 97}, []int{250, 97}},        // 899
		{[]int{5, 2}, []int{-1, -1}},            // 900
		{[]int{1e9}, []int{-1}},
	} {
		got, err := c.clean([]byte(schema(tt.bounds...)))
		if err != nil {
			t.Fatal(err)
		}
		for j, n := range tt.kept {
			want := fmt.Sprintf(`"p%d":{"type":"array","maxItems":%d}`, j, tt.bounds[j])
			if n < 0 {
				want = fmt.Sprintf(`"p%d":{"type":"array","description":"(maxItems: %d)"}`, j, tt.bounds[j])
			}
			if !strings.Contains(string(got), want) {
				t.Errorf("schema %d: %s, want %s in it", i, got, want)
			}
		}
	}
}

func TestDeepSchemasAreCut(t *testing.T) {
	deep := strings.Repeat(`{"items":`, 1000) + `{"const":1}` + strings.Repeat(`}`, 1000)
	got, err := cleanSchema([]byte(deep))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat(`{"items":`, maxSchemaDepth+1) + `{"type":"object"}` + strings.Repeat(`}`, maxSchemaDepth+1)
	if string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func FuzzCleanSchema(f *testing.F) {
	f.Add([]byte(`{"type":"object","properties":{"const":{"const":[1,{"a":null}]}},"anyOf":[{"$schema":""},false],"x-y":1}`))
	f.Add([]byte(`{"const":1,"enum":[2],"items":[{"items":{}}]}`))
	f.Add([]byte(`{"properties":{"a":{"$ref":"#/properties/b/items","title":""},"b":{"allOf":[{"$ref":"#"}],"required":["a"]}},"$defs":{"":{"$anchor":"x"}}}`))
	for _, schema := range bombs() {
		f.Add([]byte(schema))
	}
	f.Fuzz(func(t *testing.T, schema []byte) {
		once, err := cleanSchema(schema)
		if err != nil {
			return
		}
		if !json.Valid(once) {
			t.Fatalf("%q became %q, which is no JSON", schema, once)
		}
		limit := 2*len(schema) + len(`{"type":"object"}`)
		if bytes.Contains(once, []byte(`$defs`)) || bytes.Contains(schema, []byte(`allOf`)) {
			limit *= maxInlined
		}
		if len(once) > limit {
			t.Fatalf("%d bytes became %d: %s", len(schema), len(once), once)
		}
		twice, err := cleanSchema(once)
		if err != nil || string(twice) != string(once) {
			t.Fatalf("%q became %q, and then %q (%v)", schema, once, twice, err)
		}
	})
}
