package gemini

import (
	"fmt"
	"strings"
	"testing"
)

// staged is a schema at a stage, and whether it is in the newer dialect.
func staged(t testing.TB, stage SchemaStage, schema string, parameters bool) string {
	t.Helper()
	clean, err := cleanSchema(map[bool]schemaUse{true: forParameters, false: forAnswer}[parameters], []byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	free, proto := stage.fields(clean, parameters)
	if (stage == SchemaProto) != (free == nil) || stage != SchemaProto && proto != nil {
		t.Fatalf("stage %d is %s and %s", stage, free, proto)
	}
	return string(free) + string(proto)
}

// member is the schema of an object with one property, of that schema.
func member(schema string) string { return `{"type":"object","properties":{"m":` + schema + `}}` }

func TestLightSchemas(t *testing.T) {
	long := strings.Repeat("é", 600)
	many := make([]string, maxEnum+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"v%d"`, i)
	}
	tests := []struct{ name, schema, want string }{
		{
			"nothing to do", `{"type":"object","title":"t","properties":{"a":{"type":["string","null"],"format":"date","default":"x","description":"d"}},"required":["a"]}`,
			`{"type":"object","title":"t","properties":{"a":{"type":["string","null"],"format":"date","default":"x","description":"d"}},"required":["a"]}`,
		},
		{
			"bounds", `{"type":"integer","minimum":1,"exclusiveMaximum":10,"multipleOf":2,"description":"How many"}`,
			`{"type":"integer","description":"How many (minimum: 1, multipleOf: 2, maximum: 9)"}`,
		},
		{
			"bounds of strings and lists", `{"properties":{"a":{"type":"string","pattern":"^a\"","minLength":1},"b":{"items":{"maxLength":5},"maxItems":9,"uniqueItems":true}}}`,
			`{"type":"object","properties":{"a":{"type":"string","description":"(pattern: ^a\", minLength: 1)"},"b":{"type":"array","items":{"description":"(maxLength: 5)"},"description":"(maxItems: 9, uniqueItems: true)"}}}`,
		},
		{"a bound that is none", `{"uniqueItems":false,"type":"array"}`, `{"type":"array","items":{}}`},
		{
			"properties named like bounds", `{"properties":{"maxItems":{"type":"string"},"enum":{"maxItems":3},"description":{"pattern":"x"}}}`,
			`{"type":"object","properties":{"maxItems":{"type":"string"},"enum":{"type":"array","items":{},"description":"(maxItems: 3)"},"description":{"description":"(pattern: x)"}}}`,
		},
		{"values named like bounds", `{"default":{"maxItems":3},"enum":["minimum"]}`, `{"default":{"maxItems":3},"enum":["minimum"]}`},
		{
			"names twice", `{"type":"string","type":"object","properties":{"a":{"type":"string"},"b":{},"a":{"type":"null"}}}`,
			`{"type":"object","properties":{"a":{"type":"null"},"b":{}}}`,
		},
		{"enumerations that are short", `{"enum":[` + strings.Join(many[1:], ",") + `]}`, `{"enum":[` + strings.Join(many[1:], ",") + `]}`},
		{
			"every place a schema can be", `{"type":["array","object"],"prefixItems":[{"minimum":1}],"items":{"minimum":1},"properties":{"a":{"anyOf":[{"minimum":1},{"type":"number"}]}},"additionalProperties":{"minimum":1}}`,
			`{"type":["array","object"],"prefixItems":[{"description":"(minimum: 1)"}],"items":{"description":"(minimum: 1)"},"properties":{"a":{"anyOf":[{"description":"(minimum: 1)"},{"type":"number"}]}},"additionalProperties":{"description":"(minimum: 1)"}}`,
		},
		{"a description that is long, of nothing that is left out", `{"description":"` + long + `"}`, `{"description":"` + strings.Repeat("é", 498) + `…"}`},
		{"a description that is long", `{"description":"` + long + `","minimum":1}`, `{"description":"` + strings.Repeat("é", 492) + `… (minimum: 1)"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, want := staged(t, SchemaLite, member(tt.schema), true), member(tt.want); got != want {
				t.Errorf("%s,\nwant %s", got, want)
			}
		})
	}
	t.Run("enumerations that are long", func(t *testing.T) {
		got := staged(t, SchemaLite, `{"type":"string","enum":[`+strings.Join(many, ",")+`]}`, false)
		if want := `{"type":"string","description":"(one of: v0 | v1 | `; !strings.HasPrefix(got, want) || len(got) > 300 {
			t.Errorf("%s, want %s…", got, want)
		}
	})
}

func TestSchemasInTheOlderDialect(t *testing.T) {
	tests := []struct{ name, schema, want string }{
		{
			"an object", `{"type":"object","title":"T","description":"d","additionalProperties":false,"default":{},"properties":{"b":{"type":"string","default":"x"},"a":{"type":"integer","format":"int64"}},"required":["a","c"]}`,
			`{"type":"OBJECT","description":"d","properties":{"b":{"type":"STRING"},"a":{"type":"INTEGER","format":"int64"}},"propertyOrdering":["b","a"],"required":["a"]}`,
		},
		{
			"properties named like keywords", `{"properties":{"type":{"type":"string"},"properties":{"properties":{"enum":{"type":"number"}}},"title":{"type":"boolean"},"default":{"type":"string"},"$ref":{"type":"string"},"anyOf":{"type":"string"}}}`,
			`{"type":"OBJECT","properties":{"type":{"type":"STRING"},"properties":{"type":"OBJECT","properties":{"enum":{"type":"NUMBER"}}},"title":{"type":"BOOLEAN"},"default":{"type":"STRING"},"$ref":{"type":"STRING"},"anyOf":{"type":"STRING"}},"propertyOrdering":["type","properties","title","default","$ref","anyOf"]}`,
		},
		{
			"types that are guessed", `{"properties":{"a":{"properties":{"x":{"type":"string"}}},"b":{"items":{"type":"string"}},"c":{"enum":["x"]},"d":{"enum":[1,2]},"e":{"enum":[true]},"f":{},"g":true,"h":false,"i":{"enum":[1,"x"]}}}`,
			`{"type":"OBJECT","properties":{"a":{"type":"OBJECT","properties":{"x":{"type":"STRING"}}},"b":{"type":"ARRAY","items":{"type":"STRING"}},"c":{"type":"STRING","enum":["x"]},"d":{"type":"NUMBER","description":"(one of: 1 | 2)"},"e":{"type":"BOOLEAN","description":"(one of: true)"},"f":{"type":"STRING"},"g":{"type":"STRING"},"i":{"anyOf":[{"type":"STRING","description":"(one of: 1 | x)"},{"type":"NUMBER"}]}},"propertyOrdering":["a","b","c","d","e","f","g","i"]}`,
		},
		{
			"null", `{"properties":{"a":{"type":["string","null"]},"b":{"anyOf":[{"type":"number"},{"type":"null"}],"description":"d"},"c":{"type":"null"},"d":{"type":"string","nullable":true},"e":{"enum":["x",null,""]}}}`,
			`{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true},"b":{"type":"NUMBER","description":"d","nullable":true},"c":{"type":"NULL"},"d":{"type":"STRING","nullable":true},"e":{"type":"STRING","nullable":true,"enum":["x"]}},"propertyOrdering":["a","b","c","d","e"]}`,
		},
		{
			"several types", `{"properties":{"a":{"type":["string","integer","null"],"description":"d"}}}`,
			`{"type":"OBJECT","properties":{"a":{"anyOf":[{"type":"STRING","description":"d","nullable":true},{"type":"INTEGER","nullable":true}]}}}`,
		},
		{
			"alternatives stand alone", `{"properties":{"a":{"description":"d","type":"object","properties":{"k":{"type":"string"}},"oneOf":[{"properties":{"x":{"type":"string"}}},{"properties":{"y":{"type":"string"}}}]}}}`,
			`{"type":"OBJECT","properties":{"a":{"anyOf":[{"type":"OBJECT","description":"d","properties":{"x":{"type":"STRING"},"k":{"type":"STRING"}},"propertyOrdering":["x","k"]},{"type":"OBJECT","properties":{"y":{"type":"STRING"},"k":{"type":"STRING"}},"propertyOrdering":["y","k"]}]}}}`,
		},
		{
			"alternatives that are conditions", `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"anyOf":[{"required":["a"]},{"required":["b"]}]}`,
			`{"type":"OBJECT","description":"(required: a | b)","properties":{"a":{"type":"STRING"},"b":{"type":"STRING"}},"propertyOrdering":["a","b"]}`,
		},
		{
			"alternatives within alternatives", `{"properties":{"a":{"anyOf":[{"anyOf":[{"type":"string"},{"type":"number"}]},{"type":"boolean"}]}}}`,
			`{"type":"OBJECT","properties":{"a":{"anyOf":[{"type":"STRING"},{"type":"NUMBER"},{"type":"BOOLEAN"}]}}}`,
		},
		{
			"all of them", `{"allOf":[{"$ref":"#/$defs/B"},{"properties":{"c":{"type":"string"}},"required":["c"]}],"properties":{"a":{"type":"string"}},"required":["a"],"$defs":{"B":{"properties":{"b":{"type":"number"},"a":{"type":"number"}}}}}`,
			`{"type":"OBJECT","properties":{"a":{"type":"STRING"},"b":{"type":"NUMBER"},"c":{"type":"STRING"}},"propertyOrdering":["a","b","c"],"required":["a","c"]}`,
		},
		{
			"references", `{"properties":{"a":{"$ref":"#/$defs/A~1B","description":"this one"},"b":{"$ref":"#/properties/a"},"c":{"$ref":"#/definitions/none"},"d":{"$ref":"https://example.com/x"},"e":{"items":[{"type":"number"}]},"f":{"$ref":"#/properties/e/items/0"},"g":{"$ref":"#/$defs/A%7E1B"}},"$defs":{"A/B":{"type":"integer","description":"a number"}}}`,
			`{"type":"OBJECT","properties":{"a":{"type":"INTEGER","description":"this one a number"},"b":{"type":"INTEGER","description":"this one a number"},"c":{"type":"STRING","description":"($ref: #/definitions/none)"},"d":{"type":"STRING","description":"($ref: https://example.com/x)"},"e":{"type":"ARRAY","items":{"type":"NUMBER"}},"f":{"type":"NUMBER"},"g":{"type":"INTEGER","description":"a number"}},"propertyOrdering":["a","b","c","d","e","f","g"]}`,
		},
		{
			"definitions that are not at the root", `{"properties":{"a":{"$ref":"#/$defs/D"},"b":{"$defs":{"D":{"type":"boolean"}},"type":"string"}}}`,
			`{"type":"OBJECT","properties":{"a":{"type":"BOOLEAN"},"b":{"type":"STRING"}},"propertyOrdering":["a","b"]}`,
		},
		{
			"a tree", `{"$ref":"#/$defs/N","$defs":{"N":{"properties":{"v":{"type":"string"},"kids":{"type":"array","items":{"$ref":"#/$defs/N"}}}}}}`,
			`{"type":"OBJECT","properties":{"v":{"type":"STRING"},"kids":{"type":"ARRAY","items":{"type":"OBJECT","properties":{"v":{"type":"STRING"},"kids":{"type":"ARRAY","items":{"type":"OBJECT","properties":{"key":{"type":"STRING"}}}}},"propertyOrdering":["v","kids"]}}},"propertyOrdering":["v","kids"]}`,
		},
		{"itself", `{"properties":{"a":{"$ref":"#"}}}`, `{"type":"OBJECT","properties":{"a":{"type":"OBJECT","properties":{"key":{"type":"STRING"}}}}}`},
		{
			"members of any name", `{"properties":{"a":{"type":"object","additionalProperties":{"type":"number"}},"b":{"type":"object"},"c":{"type":"object","properties":{},"additionalProperties":true}}}`,
			`{"type":"OBJECT","properties":{"a":{"type":"OBJECT","properties":{"key":{"type":"NUMBER"}}},"b":{"type":"OBJECT","properties":{"key":{"type":"STRING"}}},"c":{"type":"OBJECT","properties":{"key":{"type":"STRING"}}}},"propertyOrdering":["a","b","c"]}`,
		},
		{
			"lists", `{"properties":{"a":{"type":"array"},"b":{"type":"array","prefixItems":[{"type":"string"},{"type":"number"}],"items":false},"c":{"type":"array","items":true}}}`,
			`{"type":"OBJECT","properties":{"a":{"type":"ARRAY","items":{"type":"STRING"}},"b":{"type":"ARRAY","items":{"anyOf":[{"type":"STRING"},{"type":"NUMBER"}]}},"c":{"type":"ARRAY","items":{"type":"STRING"}}},"propertyOrdering":["a","b","c"]}`,
		},
		{
			"formats", `{"properties":{"a":{"type":"string","format":"date-time"},"b":{"type":"string","format":"email","description":"d"},"c":{"type":"number","format":"double"},"d":{"type":"integer","format":"uint8"}}}`,
			`{"type":"OBJECT","properties":{"a":{"type":"STRING","format":"date-time"},"b":{"type":"STRING","description":"d (format: email)"},"c":{"type":"NUMBER","format":"double"},"d":{"type":"INTEGER","description":"(format: uint8)"}},"propertyOrdering":["a","b","c","d"]}`,
		},
		{
			"objects of several kinds", `{"anyOf":[{"type":"object","properties":{"a":{"type":"string"},"k":{"const":"a"}},"required":["a","k"]},{"type":"object","properties":{"b":{"type":"string"},"k":{"const":"b"}},"required":["b","k"]},{"type":"string"}]}`,
			`{"type":"OBJECT","properties":{"a":{"type":"STRING"},"k":{"type":"STRING","enum":["a"]},"b":{"type":"STRING"}},"propertyOrdering":["a","k","b"],"required":["k"]}`,
		},
		{"no object", `{"type":"string"}`, ``},
		{"an object without properties", `{"type":"object"}`, ``},
		{"an object of any members", `{"type":"object","additionalProperties":{"type":"string"}}`, ``},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := staged(t, SchemaProto, tt.schema, true); got != tt.want {
				t.Errorf("%s,\nwant %s", got, tt.want)
			}
		})
	}
}

func TestAnswersInTheOlderDialectMayBeAnything(t *testing.T) {
	for schema, want := range map[string]string{
		`{"type":"array","items":{"type":"string"}}`:       `{"type":"ARRAY","items":{"type":"STRING"}}`,
		`{"anyOf":[{"type":"string"},{"type":"integer"}]}`: `{"anyOf":[{"type":"STRING"},{"type":"INTEGER"}]}`,
		`{"enum":["a","b"]}`:                               `{"type":"STRING","enum":["a","b"]}`,
		`{"type":"object"}`:                                ``,
	} {
		if got := staged(t, SchemaProto, schema, false); got != want {
			t.Errorf("%s is %s, want %s", schema, got, want)
		}
	}
}

func TestDeepSchemasAreCutInTheOlderDialect(t *testing.T) {
	deep := strings.Repeat(`{"type":"object","properties":{"a":`, 30) + `{"type":"string"}` + strings.Repeat(`}}`, 30)
	got := staged(t, SchemaProto, deep, true)
	want := strings.Repeat(`{"type":"OBJECT","properties":{"a":`, maxProtoDepth) + `{"type":"OBJECT","properties":{"key":{"type":"STRING"}}}` +
		strings.Repeat(`}}`, maxProtoDepth)
	if got != want {
		t.Errorf("%s,\nwant %s", got, want)
	}
}

// What alternatives have in common is repeated for each of them, but not without end.
func TestAlternativesAreBounded(t *testing.T) {
	var common, options strings.Builder
	for i := range 500 {
		fmt.Fprintf(&common, `"property_%d":{"type":"string"},`, i)
		fmt.Fprintf(&options, `{"properties":{"o%d":{"type":"string"}}},`, i)
	}
	schema := `{"type":"object","properties":{` + common.String() + `"z":{}},"anyOf":[` + options.String() + `{"properties":{"z":{}}}]}`
	if got := staged(t, SchemaProto, schema, false); len(got) > (3+1)*2*len(schema) || !strings.Contains(got, "property_499") {
		t.Errorf("%d bytes became %d", len(schema), len(got))
	}
	types := `{"anyOf":[` + strings.Repeat(`{"type":["string","number","integer","boolean"],"description":"d"},`, 300) + `{"type":"null"}]}`
	if got := staged(t, SchemaProto, types, false); len(got) > (3+1)*2*len(types) {
		t.Errorf("%d bytes became %d", len(types), len(got))
	}
}
