package gemini

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// bombs are schemas whose references would be of exponential size, were they all followed.
func bombs() []string {
	var both, all strings.Builder
	for i := range 40 {
		fmt.Fprintf(&both, `"d%d":{"properties":{"a":{"$ref":"#/$defs/d%d"},"b":{"$ref":"#/$defs/d%d"}}},`, i, i+1, i+1)
		fmt.Fprintf(&all, `"d%d":{"anyOf":[{"allOf":[{"$ref":"#/$defs/d%d"}]},{"$ref":"#/$defs/d%d"}],"properties":{"p%d":{}}},`, i, i+1, i+1, i)
	}
	return []string{
		`{"$ref":"#/$defs/d0","$defs":{` + both.String() + `"d40":{"type":"string"}}}`,
		`{"$ref":"#/$defs/d0","$defs":{` + all.String() + `"d40":{"type":"object"}}}`,
		`{"allOf":[{"$ref":"#"},{"$ref":"#"}],"anyOf":[{"$ref":"#"},{"allOf":[{"$ref":"#"}]}]}`,
		`{"properties":{"a":{"$ref":"#/properties/b"},"b":{"allOf":[{"$ref":"#/properties/a"}]}}}`,
	}
}

// oddSchemas hold what every rule is about.
func oddSchemas() []string {
	return append(
		bombs(),
		`{"type":"object","properties":{"const":{"const":[1,{"a":null}]}},"anyOf":[{"$schema":""},false],"x-y":1}`,
		`{"const":1,"enum":[2],"items":[{"items":{}}],"additionalItems":{"type":"string"}}`,
		`{"properties":{"a":{"$ref":"#/properties/b/items","title":""},"b":{"allOf":[{"$ref":"#"}],"required":["a"]}},"$defs":{"":{"$anchor":"x"}}}`,
		`{"type":"object","properties":{"minimum":{"minimum":1,"type":["string","null"],"enum":["a",1,null,""]}},"allOf":[{"$ref":"#/properties/minimum"}]}`,
		`{"anyOf":[{"type":"null"},{"items":[{"$ref":"#"},true]}],"properties":{"a":{"additionalProperties":{"format":"x"}}},"nullable":true}`,
		`{"type":["object","array","string"],"description":"d","properties":{"a":false},"required":["a"],"prefixItems":[{"const":1}]}`,
		`{"properties":{"a":{"type":"integer","exclusiveMinimum":1.5,"exclusiveMaximum":7},"b":{"minimum":1,"exclusiveMinimum":true,"multipleOf":2}}}`,
		`{"type":"object","properties":{"n":{"$ref":"#/definitions/N","nullable":true,"default":1}},"required":["n"],"definitions":{"N":{"properties":{"k":{"type":"array","items":{"$ref":"#/definitions/N"}}},"required":["k"]}}}`,
		`{"$ref":"#/components/schemas/A","components":{"schemas":{"A":{"type":"array","items":{"$ref":"#/components/schemas/A"},"maxItems":200}}}}`,
		`{"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"x":{}},"required":["k","x"]},{"$ref":"#/$defs/B"}],"$defs":{"B":{"properties":{"k":{"const":"b"}},"required":["k"]}}}`,
		`{"properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}],"title":"T","default":null},"b":{"type":"object","properties":{"x":{}},"anyOf":[{"required":["x"]},{"required":["y"]}]}}}`,
		`{"properties":{"a":{"not":{"type":"string"},"if":{"a":1},"patternProperties":{"^a":{}},"propertyNames":{"pattern":"x"},"dependentRequired":{"a":["b"]}}}}`,
		`{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true,"format":"email"},"b":{"type":["array","null"],"maxItems":3}},"propertyOrdering":["b","c"]}`,
	)
}

// Whatever a client sends for a schema, what becomes of it is in Google's dialect, says the same to anybody who cleans it again, and is
// not much longer.
func FuzzCleanSchema(f *testing.F) {
	for _, schema := range oddSchemas() {
		f.Add([]byte(schema))
	}
	f.Fuzz(checkCleaned)
}

func checkCleaned(t *testing.T, schema []byte) {
	for _, use := range []schemaUse{forParameters, forAnswer} {
		input := bytes.Clone(schema)
		once, err := cleanSchema(use, input)
		if err != nil {
			return
		}
		if !bytes.Equal(input, schema) {
			t.Fatalf("%q became %q", schema, input)
		}
		if again, err := cleanSchema(use, input); err != nil || !bytes.Equal(again, once) {
			t.Fatalf("%q became %q, and then %q (%v)", schema, once, again, err)
		}
		checkGrowth(t, schema, once)
		checkFree(t, use, once)
		twice, err := cleanSchema(use, once)
		if err != nil || !bytes.Equal(twice, once) {
			t.Fatalf("%s became\n%s, and that\n%s (%v)", schema, once, twice, err)
		}
	}
}

// randomSchema is a schema of all keywords, in all the ways that they go together.
func randomSchema(r *rand.Rand, depth int) any {
	if depth > 3 || r.IntN(12) == 0 {
		return []any{true, false, map[string]any{}, map[string]any{"type": "string"}, map[string]any{"type": "null"}, 7, nil}[r.IntN(7)]
	}
	names := []string{"a", "b", "type", "enum", "$ref", "properties", "x y"}
	name := func() string { return names[r.IntN(len(names))] }
	sub := func() any { return randomSchema(r, depth+1) }
	list := func() any {
		all := make([]any, r.IntN(4))
		for i := range all {
			all[i] = sub()
		}
		return all
	}
	members := func() any {
		all := map[string]any{}
		for range r.IntN(4) {
			all[name()] = sub()
		}
		return all
	}
	types := []any{"string", "number", "integer", "boolean", "array", "object", "null", "OBJECT", "any", 7}
	values := []any{nil, "", "a", "b", 1, 2.5, true, map[string]any{"const": 1}, []any{}}
	pick := func(from []any) any { return from[r.IntN(len(from))] }
	some := func(from []any) any {
		all := make([]any, r.IntN(4))
		for i := range all {
			all[i] = pick(from)
		}
		return all
	}
	makers := map[string]func() any{
		"type": func() any {
			if r.IntN(3) == 0 {
				return some(types)
			}
			return pick(types)
		},
		"$ref": func() any {
			return []string{
				"#", "#/$defs/a", "#/definitions/b", "#/components/schemas/a", "#/properties/a", "#/properties/b/items", "#/anyOf/1",
				"#here", "https://example.com/a", "#/$defs/x%20y", "#/nowhere", "",
			}[r.IntN(12)]
		},
		"enum": func() any { return some(values) }, "const": func() any { return pick(values) }, "default": func() any { return pick(values) },
		"required":   func() any { return some([]any{"a", "b", "type", "enum", "none", 7}) },
		"components": func() any { return map[string]any{"schemas": members()} },
		"$anchor":    func() any { return "here" }, "$id": func() any { return "https://example.com/a" },
		"items": func() any { return pick([]any{sub(), list()}) }, "dependentRequired": func() any { return map[string]any{"a": []any{"b"}} },
		"exclusiveMinimum": func() any { return pick([]any{true, false, 1, 2.5, -3, 1e30}) },
		"exclusiveMaximum": func() any { return pick([]any{true, 10, 2.5}) },
		"nullable":         func() any { return pick([]any{true, false, "x"}) },
		"propertyOrdering": func() any { return some([]any{"a", "b"}) },
		"format":           func() any { return pick([]any{"date-time", "email", 7}) }, "pattern": func() any { return pick([]any{"^a", 7, nil}) },
		"description": func() any { return pick([]any{"d", "", 7, "(d)"}) }, "title": func() any { return pick([]any{"t", 7}) },
		"uniqueItems": func() any { return pick([]any{true, false, 1}) }, "x-vendor": func() any { return map[string]any{} }, "strict": func() any { return true },
	}
	for _, keyword := range []string{"minimum", "maximum", "minItems", "maxItems", "minLength", "multipleOf", "minContains"} {
		makers[keyword] = func() any { return pick([]any{1, 50, 200, 2.5, "x", -1, 1e9}) }
	}
	for _, keyword := range []string{"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"} {
		makers[keyword] = members
	}
	for _, keyword := range []string{"anyOf", "oneOf", "allOf", "prefixItems"} {
		makers[keyword] = list
	}
	for _, keyword := range []string{"additionalProperties", "additionalItems", "not", "if", "then", "propertyNames", "unevaluatedProperties", "contains"} {
		makers[keyword] = sub
	}
	all := slices.Sorted(maps.Keys(makers))
	often := []string{"type", "properties", "anyOf", "$ref", "items", "required", "enum", "description", "allOf", "$defs"}
	schema := map[string]any{}
	for range 1 + r.IntN(5) {
		keyword := all[r.IntN(len(all))]
		if r.IntN(2) == 0 {
			keyword = often[r.IntN(len(often))]
		}
		schema[keyword] = makers[keyword]()
	}
	return schema
}

// FuzzRandomSchemas finds what bytes changed at random seldom do: keywords that do not go together.
func FuzzRandomSchemas(f *testing.F) {
	for seed := range uint64(600) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		schema, err := json.Marshal(randomSchema(rand.New(rand.NewPCG(seed, 3)), 0))
		if err != nil {
			t.Fatal(err)
		}
		checkCleaned(t, schema)
		checkStages(t, schema)
	})
}

// The stages that refusals lead to keep the same rules.
func FuzzSchemaStages(f *testing.F) {
	for _, schema := range oddSchemas() {
		f.Add([]byte(schema))
	}
	f.Fuzz(checkStages)
}

func checkStages(t *testing.T, schema []byte) {
	for _, use := range []schemaUse{forParameters, forAnswer} {
		clean, err := cleanSchema(use, schema)
		if err != nil || clean.Kind() != '{' {
			return
		}
		for _, stage := range []SchemaStage{SchemaFull, SchemaLite, SchemaProto} {
			once := stage.apply(t, clean, use)
			if once == nil {
				continue
			}
			if again := stage.apply(t, clean, use); !bytes.Equal(again, once) {
				t.Fatalf("stage %d: %q became %q, and then %q", stage, clean, once, again)
			}
			checkGrowth(t, schema, once)
			if stage == SchemaProto {
				checkProto(t, once)
			} else {
				checkFree(t, use, once)
			}
			recleaned, err := cleanSchema(use, once)
			if err != nil {
				t.Fatal(err)
			}
			if twice := stage.apply(t, recleaned, use); !bytes.Equal(twice, once) {
				t.Fatalf("stage %d: %s became\n%s, and that\n%s", stage, schema, once, twice)
			}
		}
	}
}

func (stage SchemaStage) apply(t *testing.T, schema jsontext.Value, use schemaUse) jsontext.Value {
	before := string(schema)
	free, proto := stage.fields(schema, use == forParameters)
	if string(schema) != before {
		t.Fatalf("stage %d changed its input", stage)
	}
	if free != nil {
		return free
	}
	return proto
}

// checkGrowth checks that a schema has not become much longer.
func checkGrowth(t *testing.T, before, after []byte) {
	if limit := 4 * (len(before) + freeCopies); len(after) > limit {
		t.Fatalf("%d bytes became %d", len(before), len(after))
	}
}

// checkFree checks that a schema is in Google's dialect of JSON Schema. It knows nothing of how schemas are rewritten.
func checkFree(t *testing.T, use schemaUse, text []byte) {
	t.Helper()
	if !json.Valid(text) {
		t.Fatalf("no JSON: %q", text)
	}
	var root map[string]any
	if json.Unmarshal(text, &root) != nil {
		return // no object, which is not sent
	}
	c := freeCheck{T: t, use: use, text: text, root: root, defs: map[string]any{}}
	c.defs, _ = root["$defs"].(map[string]any)
	if kind := root["type"]; use == forParameters && len(root) > 0 && root["anyOf"] == nil && (kind != "object" || root["properties"] == nil) {
		t.Fatalf("no arguments: %s", text)
	}
	c.schema(root, 0)
	if c.items > maxItemsTotal {
		t.Fatalf("%d items in all: %s", c.items, text)
	}
	for _, schema := range c.defs {
		c.schema(schema, 1)
	}
	for name, schema := range c.defs {
		if !c.used["#/$defs/"+name] {
			t.Fatalf("nobody refers to %s: %s", name, text)
		}
		c.escapes(name, schema, map[string]bool{})
	}
	c.escapes("#", root, map[string]bool{})
}

type freeCheck struct {
	*testing.T
	use   schemaUse
	text  []byte
	root  map[string]any
	defs  map[string]any
	used  map[string]bool
	items int
}

// dialect are the keywords Google's documentation names; it ignores the rest of tools' parameters, of which these do no harm.
var dialect = map[schemaUse]string{
	forAnswer: " type format title description enum items prefixItems minItems maxItems minimum maximum anyOf properties additionalProperties" +
		" required propertyOrdering default ",
	forParameters: " multipleOf uniqueItems minLength maxLength pattern minProperties maxProperties ",
}

func (c *freeCheck) schema(v any, depth int) {
	c.Helper()
	s, ok := v.(map[string]any)
	if !ok {
		c.Fatalf("%v is no schema: %s", v, c.text)
	}
	if depth > maxSchemaDepth+1 {
		c.Fatalf("too deep: %s", c.text)
	}
	if ref, ok := s["$ref"].(string); ok {
		c.reference(s, ref)
		return
	}
	for keyword := range s {
		known := strings.Contains(dialect[forAnswer], " "+keyword+" ") || keyword == "$defs" && depth == 0 ||
			c.use == forParameters && strings.Contains(dialect[forParameters], " "+keyword+" ")
		if !known {
			c.Fatalf("%q is no keyword: %s", keyword, c.text)
		}
	}
	c.types(s)
	c.values(s)
	for keyword, part := range s {
		switch keyword {
		case "properties":
			for _, p := range part.(map[string]any) {
				c.schema(p, depth+1)
			}
		case "anyOf", "prefixItems":
			for _, p := range part.([]any) {
				c.schema(p, depth+1)
			}
		case "items":
			c.schema(part, depth+1)
		case "additionalProperties":
			if _, flag := part.(bool); !flag {
				c.schema(part, depth+1)
			}
		}
	}
}

func (c *freeCheck) reference(s map[string]any, ref string) {
	if c.used == nil {
		c.used = map[string]bool{}
	}
	c.used[ref] = true
	name, defined := strings.CutPrefix(ref, "#/$defs/")
	if _, there := c.defs[name]; ref != "#" && (!defined || !there) {
		c.Fatalf("%s leads nowhere: %s", ref, c.text)
	}
	for keyword := range s {
		if keyword[0] != '$' && (keyword != "description" || c.use != forParameters) {
			c.Fatalf("%s beside %s: %s", keyword, ref, c.text)
		}
	}
}

// types checks that a schema's types are some, and its keywords those of the types.
func (c *freeCheck) types(s map[string]any) {
	var types []string
	switch kind := s["type"].(type) {
	case nil:
	case string:
		types = []string{kind}
	case []any:
		for _, one := range kind {
			types = append(types, one.(string))
		}
		if len(types) < 2 || len(slices.Compact(slices.Sorted(slices.Values(types)))) != len(types) {
			c.Fatalf("types %q: %s", types, c.text)
		}
	default:
		c.Fatalf("type %v: %s", kind, c.text)
	}
	for _, one := range types {
		if !slices.Contains([]string{"string", "number", "integer", "boolean", "array", "object", "null"}, one) {
			c.Fatalf("type %s: %s", one, c.text)
		}
	}
	of := func(kind string, keywords ...string) {
		for _, keyword := range keywords {
			if s[keyword] != nil && !slices.Contains(types, kind) {
				c.Fatalf("%s of %q: %s", keyword, types, c.text)
			}
		}
	}
	of("object", "properties", "required", "additionalProperties", "propertyOrdering")
	of("array", "items", "prefixItems", "minItems", "maxItems")
	if slices.Contains(types, "array") && s["items"] == nil && s["prefixItems"] == nil {
		c.Fatalf("an array of what: %s", c.text)
	}
	if options, ok := s["anyOf"].([]any); s["anyOf"] != nil {
		rest := maps.Clone(s)
		delete(rest, "$defs")
		if !ok || len(options) < 2 || len(rest) > 1 {
			c.Fatalf("alternatives that do not stand alone: %s", c.text)
		}
	}
}

// values checks what a schema says of values.
func (c *freeCheck) values(s map[string]any) {
	for _, keyword := range []string{"title", "description", "format"} {
		if v := s[keyword]; v != nil {
			_ = v.(string)
		}
	}
	if enum, ok := s["enum"].([]any); ok {
		for _, v := range enum {
			if fmt.Sprintf("%T", v) != fmt.Sprintf("%T", enum[0]) || v == "" || v == nil || v == true || v == false {
				c.Fatalf("enum %v: %s", enum, c.text)
			}
		}
	}
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	for _, name := range required {
		if properties[name.(string)] == nil {
			c.Fatalf("%v is required and not there: %s", name, c.text)
		}
	}
	if n, ok := s["maxItems"].(float64); ok {
		if c.items += int(n); n > maxItems {
			c.Fatalf("%v items: %s", n, c.text)
		}
	}
}

// escapes checks that every circle of references has a property that may be missing.
func (c *freeCheck) escapes(name string, v any, within map[string]bool) {
	s, _ := v.(map[string]any)
	if ref, ok := s["$ref"].(string); ok {
		if within[ref] {
			c.Fatalf("%s is a part of itself that must be there: %s", ref, c.text)
		}
		within = maps.Clone(within)
		within[ref] = true
		target := any(c.root)
		if name, ok := strings.CutPrefix(ref, "#/$defs/"); ok {
			target = c.defs[name]
		}
		if len(within) < 40 { // as many as the bombs have
			c.escapes(ref, target, within)
		}
		return
	}
	required, _ := s["required"].([]any)
	for keyword, part := range s {
		switch keyword {
		case "properties":
			for name, p := range part.(map[string]any) {
				if slices.Contains(required, any(name)) {
					c.escapes(name, p, within)
				}
			}
		case "anyOf", "prefixItems":
			for _, p := range part.([]any) {
				c.escapes(name, p, within)
			}
		case "items", "additionalProperties":
			c.escapes(name, part, within)
		}
	}
}

// checkProto checks that a schema is one of Google's Schema messages that it takes.
func checkProto(t *testing.T, schema []byte) {
	t.Helper()
	var s struct {
		Type             string
		Format           string
		Description      string
		Nullable         bool
		Enum             []string
		Items            json.RawMessage
		Properties       map[string]json.RawMessage
		PropertyOrdering []string
		Required         []string
		AnyOf            []json.RawMessage
	}
	strict := json.NewDecoder(bytes.NewReader(schema))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&s); err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	switch {
	case (s.Type == "") != (len(s.AnyOf) > 1), len(s.AnyOf) > 0 && strings.Count(string(schema[:9]), "anyOf") != 1:
		t.Fatalf("neither a type nor alternatives that stand alone: %s", schema)
	case (s.Type == typeObject) != (len(s.Properties) > 0), (s.Type == typeArray) != (s.Items != nil):
		t.Fatalf("a type without its parts, or parts of another: %s", schema)
	case len(s.Enum) > 0 && s.Type != typeString, slices.Contains(s.Enum, ""):
		t.Fatalf("an enumeration of %s: %s", s.Type, schema)
	}
	for _, name := range s.Required {
		if _, ok := s.Properties[name]; !ok {
			t.Fatalf("%q is required and not there: %s", name, schema)
		}
	}
	parts := s.AnyOf
	if s.Items != nil {
		parts = append(parts, s.Items)
	}
	for _, p := range s.Properties {
		parts = append(parts, p)
	}
	for _, p := range parts {
		checkProto(t, p)
	}
}
