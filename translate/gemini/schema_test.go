package gemini

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// cleanSchema cleans one schema, which must not disturb the result for another.
func cleanSchema(use schemaUse, schema []byte) (jsontext.Value, error) {
	var c schemaCleaner
	clean, err := c.cleanFor(use, schema)
	before := string(clean)
	if _, err := c.clean([]byte(`{"oneOf":[{"type":"string"}]}`)); err != nil || string(clean) != before {
		panic("a second schema changed the first")
	}
	return clean, err
}

// The schema of a tool's argument and of a part of an answer becomes the same one, which then stays as it is.
func TestCleanSchema(t *testing.T) {
	tests := []struct{ name, schema, want string }{
		{
			"nothing to do", `{"type":"object","properties":{"a":{"type":["string","null"]}},"required":["a"],"additionalProperties":false}`,
			`{"type":"object","properties":{"a":{"type":["string","null"]}},"required":["a"],"additionalProperties":false}`,
		},
		{
			"keywords without a meaning", `{"$schema":"s","strict":true,"x-vendor":{"a":1},"type":"object","examples":[{}],"properties":{"a":{"deprecated":true,"type":"string","readOnly":true,"$id":"i"}},"made up":1}`,
			`{"type":"object","properties":{"a":{"type":"string"}}}`,
		},
		{
			"properties may be called anything", `{"type":"object","properties":{"$schema":{"type":"string"},"const":{"type":"string"},"x-a":{"strict":true},"properties":{"properties":{"strict":{"const":"a"}}}}}`,
			`{"type":"object","properties":{"$schema":{"type":"string"},"const":{"type":"string"},"x-a":{},"properties":{"type":"object","properties":{"strict":{"enum":["a"]}}}}}`,
		},
		{
			"values are not schemas", `{"default":{"const":1,"strict":2},"enum":["const"],"const":{"strict":1}}`,
			`{"default":{"const":1,"strict":2},"enum":["const"]}`,
		},
		{"keywords in disguise", `{"\u0074ype":"string","\u0063onst":"a"}`, `{"type":"string","enum":["a"]}`},
		{"const", `{"const":"a","type":"string"}`, `{"type":"string","enum":["a"]}`},
		{"const null", `{"const":null}`, `{"type":"null"}`},
		{"const null of a type", `{"const":null,"type":["null"]}`, `{"type":"null"}`},
		{"const true", `{"const":true}`, `{"type":"boolean","description":"(one of: true)"}`},
		{"const of an object is a value", `{"const":{"const":1}}`, `{"description":"(one of: {\"const\":1})"}`},
		{"const of a list is a value", `{"const":[1]}`, `{"description":"(one of: [1])"}`},
		{"enum of numbers", `{"type":"integer","enum":[1,2]}`, `{"type":"integer","enum":[1,2]}`},
		{"enum with null", `{"enum":["a",null],"type":["string","null"]}`, `{"enum":["a"],"type":["string","null"]}`},
		{"enum with null, of a type", `{"enum":["a",null],"type":"string"}`, `{"enum":["a"],"type":["string","null"]}`},
		{"enum with null, untyped", `{"enum":["a",null]}`, `{"enum":["a"],"type":["string","null"]}`},
		{"enum of numbers with null, untyped", `{"enum":[1,null]}`, `{"enum":[1],"type":["number","null"]}`},
		{"enum of null", `{"enum":[null]}`, `{"type":"null"}`},
		{"enum with nothing", `{"enum":["","a"]}`, `{"enum":["a"]}`},
		{"enum of nothing", `{"type":"string","enum":[""]}`, `{"type":"string"}`},
		{"enum of flags", `{"enum":[true,false],"description":"d"}`, `{"description":"d (one of: true | false)","type":"boolean"}`},
		{"enum of texts and numbers", `{"enum":["a",1]}`, `{"type":["string","number"],"description":"(one of: a | 1)"}`},
		{"enum of this and that", `{"enum":["a",false,{"x":1}]}`, `{"description":"(one of: a | false | {\"x\":1})"}`},
		{"enum that is none", `{"type":"string","enum":"a"}`, `{"type":"string"}`},
		{"types in capitals", `{"type":"OBJECT","properties":{"a":{"type":["STRING","Null"]}}}`, `{"type":"object","properties":{"a":{"type":["string","null"]}}}`},
		{"one type in a list", `{"type":["string","string"]}`, `{"type":"string"}`},
		{"types nobody knows", `{"type":"date"}`, `{"description":"(type: date)"}`},
		{"an object by its properties", `{"properties":{"a":{"type":"string"}}}`, `{"type":"object","properties":{"a":{"type":"string"}}}`},
		{"an object by what it may have besides", `{"additionalProperties":false}`, `{"type":"object","additionalProperties":false}`},
		{"an array by its items", `{"items":{"type":"string"}}`, `{"type":"array","items":{"type":"string"}}`},
		{"an array by its bounds", `{"maxItems":3}`, `{"type":"array","maxItems":3,"items":{}}`},
		{"an array of anything", `{"type":"array"}`, `{"type":"array","items":{}}`},
		{"an array that may be null", `{"type":["null","array"],"items":true}`, `{"type":["null","array"],"items":{}}`},
		{"an array of nothing", `{"type":"array","items":false}`, `{"type":"array","items":{}}`},
		{
			"places of the old drafts", `{"items":[{"const":1},{"strict":true}],"additionalItems":{"type":"string"}}`,
			`{"type":"array","prefixItems":[{"enum":[1]},{}],"items":{"type":"string"}}`,
		},
		{"places there are none of", `{"type":"array","items":[]}`, `{"type":"array","items":{}}`},
		{
			"parts of other types", `{"type":"string","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false,"items":{},"maxItems":2,"minItems":1}`,
			`{"type":"string"}`,
		},
		{
			"an object that may be null", `{"type":["object","null"],"properties":{"a":{"type":"string"}},"required":["a"]}`,
			`{"type":["object","null"],"properties":{"a":{"type":"string"}},"required":["a"]}`,
		},
		{"required without a property", `{"type":"object","properties":{"a":{},"b":{}},"required":["gone","b","b",7]}`, `{"type":"object","properties":{"a":{},"b":{}},"required":["b"]}`},
		{"required without any property", `{"type":"object","required":["gone"]}`, `{"type":"object"}`},
		{"required in the manner of the oldest draft", `{"type":"string","required":true}`, `{"type":"string"}`},
		{"an order of properties", `{"type":"object","properties":{"a":{},"b":{}},"propertyOrdering":["b","gone","a"]}`, `{"type":"object","properties":{"a":{},"b":{}},"propertyOrdering":["b","a"]}`},
		{"flags for schemas", `{"type":"object","properties":{"a":true,"b":false},"required":["a","b"],"additionalProperties":true}`, `{"type":"object","properties":{"a":{}},"required":["a"],"additionalProperties":true}`},
		{"bounds that exclude themselves", `{"type":"integer","exclusiveMinimum":0,"exclusiveMaximum":10}`, `{"type":"integer","minimum":1,"maximum":9}`},
		{"bounds between integers", `{"type":["integer","null"],"exclusiveMinimum":0.5,"exclusiveMaximum":-0.5}`, `{"type":["integer","null"],"minimum":1,"maximum":-1}`},
		{"bounds that exclude themselves, of numbers", `{"type":"number","exclusiveMinimum":0}`, `{"type":"number","minimum":0,"description":"(exclusiveMinimum: 0)"}`},
		{"bounds that exclude themselves, beside looser ones", `{"type":"integer","minimum":1,"exclusiveMinimum":1,"maximum":9,"exclusiveMaximum":9}`, `{"type":"integer","minimum":2,"maximum":8}`},
		{"bounds that exclude themselves, beside tighter ones", `{"type":"number","minimum":5,"exclusiveMinimum":1,"maximum":5,"exclusiveMaximum":9}`, `{"type":"number","minimum":5,"maximum":5}`},
		{
			"bounds of draft 4", `{"type":"integer","minimum":3,"exclusiveMinimum":true,"maximum":9,"exclusiveMaximum":false}`,
			`{"type":"integer","minimum":4,"maximum":9}`,
		},
		{"bounds beyond what can be counted", `{"type":"integer","exclusiveMinimum":9007199254740993}`, `{"type":"integer","minimum":9007199254740993,"description":"(exclusiveMinimum: 9007199254740993)"}`},
		{"bounds that are none", `{"type":"array","items":{"minimum":"1"},"minItems":-1,"maxItems":2.5}`, `{"type":"array","items":{}}`},
		{"many items", `{"type":"array","items":{},"maxItems":65,"description":"d"}`, `{"type":"array","items":{},"description":"d (maxItems: 65)"}`},
		{
			"what there are no words for", `{"type":"object","description":"d","not":{"required":["a"]},"if":{"required":["b"]},"then":{"required":["c"]},"else":true,"patternProperties":{"^a":{"type":"string"}}}`,
			`{"type":"object","description":"d (not: {\"required\":[\"a\"]}, if: {\"required\":[\"b\"]}, then: {\"required\":[\"c\"]}, else: true, patternProperties: {\"^a\":{\"type\":\"string\"}})"}`,
		},
		{
			"more of that", `{"type":"object","propertyNames":{"pattern":"^a"},"dependentRequired":{"a":["b"]},"unevaluatedProperties":false,"dependencies":{}}`,
			`{"type":"object","description":"(propertyNames: {\"pattern\":\"^a\"}, dependentRequired: {\"a\":[\"b\"]})"}`,
		},
		{
			"what has to be in an array", `{"type":"array","items":{},"contains":{"type":"string"},"minContains":2,"unevaluatedItems":false}`,
			`{"type":"array","items":{},"description":"(contains: {\"type\":\"string\"}, minContains: 2)"}`,
		},
		{"a hint of some length", `{"type":"string","not":{"enum":["` + strings.Repeat("é", 200) + `"]}}`, `{"type":"string","description":"(not: {\"enum\":[\"` + strings.Repeat("é", 91) + `…)"}`},
		{
			"OpenAPI's null", `{"type":"object","properties":{"a":{"type":"string","nullable":true},"b":{"enum":["x"],"nullable":true},"c":{"properties":{},"nullable":true},"d":{"type":"string","nullable":false},"e":{"nullable":true}}}`,
			`{"type":"object","properties":{"a":{"type":["string","null"]},"b":{"enum":["x"],"type":["string","null"]},"c":{"properties":{},"type":["object","null"]},"d":{"type":"string"},"e":{}}}`,
		},
		{"numbers and spelling stay", `{"maximum":1.50e3,"minimum":12345678901234567890,"title":"\u00e9\/"}`, `{"maximum":1.50e3,"minimum":12345678901234567890,"title":"\u00e9\/"}`},
		{"texts that are none", `{"type":"string","title":7,"description":null,"format":{}}`, `{"type":"string"}`},

		{"names twice", `{"type":"string","type":"number"}`, `{"type":"number"}`},
		{"shapes no schema has", `{"properties":["const"],"anyOf":{"const":1},"items":7,"additionalProperties":true,"$defs":null}`, `{"type":"object","additionalProperties":true,"enum":[1]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, use := range []schemaUse{forParameters, forAnswer} {
				checkRewrite(t, use, member(tt.schema), member(tt.want))
			}
		})
	}
}

// checkRewrite checks what becomes of a schema, and that nothing more becomes of that.
func checkRewrite(t *testing.T, use schemaUse, schema, want string) {
	t.Helper()
	input := []byte(schema)
	got, err := cleanSchema(use, input)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("use %d: %s,\nwant %s", use, got, want)
	}
	if string(input) != schema {
		t.Errorf("the input became %s", input)
	}
	if again, err := cleanSchema(use, got); err != nil || string(again) != string(got) {
		t.Errorf("use %d: %s becomes %s, %v", use, got, again, err)
	}
	checkFree(t, use, got)
}

// Google ignores these of a tool, as far as is known; what it ignores of an answer, the model has to be told.
func TestWhatGoogleIgnoresIsSaidOfAnswers(t *testing.T) {
	schema := member(`{"type":"string","description":"d","pattern":"^a","format":"email","minLength":1,"maxLength":9}`)
	checkRewrite(t, forParameters, schema, schema)
	checkRewrite(t, forAnswer, schema, member(`{"type":"string","description":"d (pattern: ^a, format: email, minLength: 1, maxLength: 9)"}`))
	schema = member(`{"type":"array","items":{"type":"number","multipleOf":2},"uniqueItems":true}`)
	checkRewrite(t, forParameters, schema, schema)
	checkRewrite(t, forAnswer, schema, member(`{"type":"array","items":{"type":"number","description":"(multipleOf: 2)"},"description":"(uniqueItems: true)"}`))
	checkRewrite(t, forParameters, member(`{"type":"string","pattern":7,"minLength":-1,"maxLength":1.5,"multipleOf":"2","uniqueItems":1}`), member(`{"type":"string"}`))
	schema = member(`{"type":"string","format":"email"}`)
	checkRewrite(t, forParameters, schema, schema)
	checkRewrite(t, forAnswer, schema, member(`{"type":"string","description":"(format: email)"}`))
	for _, format := range []string{"date-time", "date", "time", "duration", "enum", "int32", "double"} {
		schema := member(`{"type":"string","format":"` + format + `"}`)
		checkRewrite(t, forAnswer, schema, schema)
	}
	schema = member(`{"type":"object","minProperties":1,"maxProperties":2}`)
	checkRewrite(t, forAnswer, schema, member(`{"type":"object","description":"(minProperties: 1, maxProperties: 2)"}`))
}

func TestAlternatives(t *testing.T) {
	tests := []struct{ name, schema, want string }{
		{"that stand alone", `{"anyOf":[{"type":"string"},{"type":"number"}]}`, `{"anyOf":[{"type":"string"},{"type":"number"}]}`},
		{"that exclude each other", `{"oneOf":[{"type":"string"},{"type":"number"}]}`, `{"anyOf":[{"type":"string"},{"type":"number"}]}`},
		{"of two sorts", `{"anyOf":[{"type":"string"},{"type":"number"}],"oneOf":[{"const":1},{"const":"a"}]}`, `{"anyOf":[{"type":"string","description":"(oneOf: [{\"enum\":[1]},{\"enum\":[\"a\"]}])"},{"type":"number"}]}`},
		{"of which there is one", `{"anyOf":[{"type":"string"}],"description":"d"}`, `{"description":"d","type":"string"}`},
		{"of which there is none", `{"anyOf":[],"type":"string"}`, `{"type":"string"}`},
		{"of which one is impossible", `{"anyOf":[{"type":"string"},false,{"type":"number"}]}`, `{"anyOf":[{"type":"string"},{"type":"number"}]}`},
		{"of which one is anything", `{"anyOf":[{"type":"string"},true]}`, `{"anyOf":[{"type":"string"},{}]}`},
		{
			"of which one is null", `{"anyOf":[{"type":"string","minimum":3},{"type":"null"}],"title":"T","default":null,"description":"d"}`,
			`{"title":"T","default":null,"description":"d","type":["string","null"],"minimum":3}`,
		},
		{"of which one is null, of a type", `{"type":"number","description":"d","anyOf":[{"type":"number"},{"type":"null"}]}`, `{"description":"d","type":["number","null"]}`},
		{"all of which are null", `{"anyOf":[{"type":"null"},{"const":null}],"description":"d"}`, `{"description":"d","type":"null"}`},
		{"with null in OpenAPI's way", `{"anyOf":[{"type":"string"},{"type":"number"}],"nullable":true}`, `{"anyOf":[{"type":"string"},{"type":"number"},{"type":"null"}]}`},
		{
			"with words about them", `{"anyOf":[{"type":"string","description":"e"},{"type":"number"}],"description":"d","title":"T","default":1,"minimum":2}`,
			`{"anyOf":[{"type":"string","description":"d e (default: 1, minimum: 2)"},{"type":"number"}]}`,
		},
		{
			"with what they have in common", `{"type":"object","description":"d","properties":{"k":{"type":"string"}},"required":["k"],"oneOf":[{"properties":{"x":{"type":"string"}},"required":["x"]},{"properties":{"y":{"type":"string"}}},{"type":"null"}]}`,
			`{"anyOf":[{"properties":{"x":{"type":"string"},"k":{"type":"string"}},"required":["x","k"],"type":"object","description":"d"},{"properties":{"y":{"type":"string"},"k":{"type":"string"}},"type":"object","required":["k"]},{"type":"null"}]}`,
		},
		{
			"that are conditions", `{"type":"object","properties":{"a":{"type":"string"}},"anyOf":[{"required":["a"]},{"type":"object","required":["b"]}]}`,
			`{"type":"object","properties":{"a":{"type":"string"}},"description":"(anyOf: [{\"required\":[\"a\"]},{\"type\":\"object\",\"required\":[\"b\"]}])"}`,
		},
		{
			"and all of something", `{"allOf":[{"anyOf":[{"type":"string"},{"type":"number"}]},{"description":"d"}]}`,
			`{"anyOf":[{"type":"string","description":"d"},{"type":"number"}]}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, use := range []schemaUse{forParameters, forAnswer} {
				checkRewrite(t, use, member(tt.schema), member(tt.want))
			}
		})
	}
}

func TestAllOf(t *testing.T) {
	tests := []struct{ name, schema, want string }{
		{"properties", `{"allOf":[{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},{"properties":{"a":{"type":"number"},"b":{}},"required":["b","a"]}]}`, `{"type":"object","properties":{"a":{"type":"string"},"b":{}},"required":["a","b"]}`},
		{"bounds", `{"allOf":[{"type":"integer","minimum":1,"maximum":9},{"minimum":3,"maximum":20}]}`, `{"type":"integer","minimum":3,"maximum":9}`},
		{"bounds of lists", `{"type":"array","items":{},"maxItems":9,"allOf":[{"minItems":2,"maxItems":4},{"minItems":1}]}`, `{"type":"array","items":{},"maxItems":4,"minItems":2}`},
		{"enumerations", `{"allOf":[{"enum":["a","b","c"]},{"enum":["c","b","d"]}]}`, `{"enum":["b","c"]}`},
		{"enumerations that exclude each other", `{"allOf":[{"enum":["a"]},{"enum":["b"]}]}`, `{"enum":["a"]}`},
		{"what else differs", `{"type":"string","allOf":[{"type":"number","title":"T"},{"title":"U"}]}`, `{"type":"string","title":"T"}`},
		{"parts in parts", `{"allOf":[{"allOf":[{"type":"string"}]},true,{"oneOf":[{"description":"d"}]}]}`, `{"type":"string","description":"d"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, use := range []schemaUse{forParameters, forAnswer} {
				checkRewrite(t, use, member(tt.schema), member(tt.want))
			}
		})
	}
}

// The arguments of a function are one object, whatever else there may be.
func TestRootsOfParameters(t *testing.T) {
	tests := []struct{ name, schema, want string }{
		{"without properties", `{"type":"object"}`, `{"type":"object","properties":{}}`},
		{"without anything", `{"type":"object","properties":{}}`, `{"type":"object","properties":{}}`},
		{"in words", `{"description":"d"}`, `{"type":"object","description":"d","properties":{}}`},
		{"that may be null", `{"type":["object","null"],"properties":{"a":{"type":"string"}}}`, `{"type":"object","properties":{"a":{"type":"string"}}}`},
		{"of any members", `{"type":"object","additionalProperties":{"type":"string"}}`, `{"type":"object","additionalProperties":{"type":"string"},"properties":{}}`},
		{
			"of several kinds", `{"description":"d","oneOf":[{"type":"object","properties":{"k":{"const":"a"},"x":{"type":"string"}},"required":["k","x"]},{"properties":{"k":{"const":"b"},"x":{"type":"number"}},"required":["k"]},{"type":"null"}]}`,
			`{"type":"object","description":"d (required: x | nothing)","properties":{"k":{"enum":["a","b"]},"x":{"anyOf":[{"type":"string"},{"type":"number"}]}},"required":["k"]}`,
		},
		{
			"of kinds that are defined", `{"type":"object","properties":{"o":{"type":"string"}},"required":["o"],"anyOf":[{"$ref":"#/$defs/A"},{"required":["o"]}],"$defs":{"A":{"type":"object","properties":{"a":{"type":"string"},"o":{"type":"number"}}}}}`,
			`{"type":"object","properties":{"o":{"type":"string"},"a":{"type":"string"}},"required":["o"]}`,
		},
		{
			"of kinds that are the same", `{"anyOf":[{"properties":{"a":{"type":"string"}}},{"properties":{"a":{"type":"string"}}}]}`,
			`{"type":"object","properties":{"a":{"type":"string"}}}`,
		},
		{
			"of kinds within kinds", `{"anyOf":[{"oneOf":[{"properties":{"a":{}}},{"properties":{"b":{}}}]},{"allOf":[{"properties":{"c":{}}}]}]}`,
			`{"type":"object","properties":{"a":{},"b":{},"c":{}}}`,
		},
		{"all of several", `{"allOf":[{"properties":{"a":{"type":"string"}}},{"properties":{"b":{"type":"string"}},"required":["b"]}]}`, `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["b"]}`},
		{
			"not all of whose kinds are objects", `{"anyOf":[{"type":"object","properties":{"a":{"type":"string"}}},{"type":"string"}]}`,
			`{"anyOf":[{"type":"object","properties":{"a":{"type":"string"}}},{"type":"string"}]}`,
		},
		{
			"somewhere else", `{"$ref":"#/$defs/A","description":"d","$defs":{"A":{"$ref":"#/$defs/B"},"B":{"type":"object","description":"e","properties":{"a":{"type":"string"}}}}}`,
			`{"type":"object","description":"d","properties":{"a":{"type":"string"}}}`,
		},
		{"nowhere", `{"$ref":"#/$defs/A","description":"d"}`, `{"type":"object","description":"d","properties":{}}`},
		{"no objects", `{"type":"array","items":{"type":"string"}}`, `{}`},
		{"no objects either", `{"enum":["a"]}`, `{}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkRewrite(t, forParameters, tt.schema, tt.want) })
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
			fmt.Fprintf(&b, `"p%d":{"type":"array","items":{},"maxItems":%d},`, i, n)
		}
		return `{"type":"object","properties":{` + b.String() + `"maxItems":{"type":"array","items":{},"maxItems":1}}}`
	}
	var c schemaCleaner
	for i, tt := range []struct {
		bounds []int
		kept   string // whether each is, or is said in words
	}{
		{[]int{64, 64, 64, 64, 64, 64}, "++++++"}, // 385
		{[]int{200, 65, 64, 64}, "--++"},          // 514
		{[]int{64, 64, 64, 64, 64, 59}, "++++++"}, // 894, and 3 more to come
		{[]int{4, 2}, "-+"},                       // 901
		{[]int{1e9}, "-"},
	} {
		got, err := c.parameters([]byte(schema(tt.bounds...)))
		if err != nil {
			t.Fatal(err)
		}
		for j, kept := range tt.kept {
			want := fmt.Sprintf(`"p%d":{"type":"array","items":{},"maxItems":%d}`, j, tt.bounds[j])
			if kept == '-' {
				want = fmt.Sprintf(`"p%d":{"type":"array","items":{},"description":"(maxItems: %d)"}`, j, tt.bounds[j])
			}
			if !strings.Contains(string(got), want) {
				t.Errorf("schema %d: %s, want %s in it", i, got, want)
			}
		}
	}
}

func TestDeepSchemasAreCut(t *testing.T) {
	nested := func(n int, end string) string {
		return strings.Repeat(`{"type":"array","items":`, n) + end + strings.Repeat(`}`, n)
	}
	checkRewrite(t, forAnswer, nested(maxSchemaDepth, `{"type":"string"}`), nested(maxSchemaDepth, `{"type":"string"}`))
	checkRewrite(t, forAnswer, nested(maxSchemaDepth+1, `{"type":"string"}`), nested(maxSchemaDepth+1, tooDeep))
	checkRewrite(t, forAnswer, nested(1000, `{"const":1}`), nested(maxSchemaDepth+1, tooDeep))
}
