package googlesim

import (
	"fmt"
	"strings"
)

// property is a question with one function that has one property "a" of that schema.
func property(schema string) string {
	return params(`{"type":"OBJECT","properties":{"a":` + schema + `}}`)
}

// free is a question with one function whose parameters are in the JSON dialect.
func free(schema string) string {
	return functions(`{"name":"f","parametersJsonSchema":` + schema + `}`)
}

func nested(dialect func(string) string, depth int) string {
	return dialect(strings.Repeat(`{"type":"OBJECT","properties":{"a":`, depth) + `{"type":"STRING"}` + strings.Repeat("}}", depth))
}

func schemaCases() []ruleCase {
	const at = "GenerateContentRequest.tools[0].function_declarations[0].parameters"
	text := property(`{"type":"STRING"}`)
	list := func(most int) string {
		return fmt.Sprintf(`{"type":"ARRAY","items":{"type":"STRING"},"maxItems":%d}`, most)
	}
	return []ruleCase{
		{
			"additionalProperties", "", two, params(`{"type":"OBJECT","additionalProperties":false}`),
			free(`{"type":"object","additionalProperties":false}`),
			`Unknown name "additionalProperties" at 'tools[0].function_declarations[0].parameters': Cannot find field.`,
		},
		{
			"$schema", "", two, params(`{"$schema":"x","type":"OBJECT"}`), free(`{"$schema":"x","type":"object"}`),
			`Unknown name "$schema"`,
		},
		{
			"properties of a string", "", two, property(`{"type":"STRING","properties":{"b":{"type":"STRING"}}}`), text,
			at + ".properties[a].properties: only allowed for OBJECT type",
		},
		{
			"object without properties", "", two, params(`{"type":"OBJECT","properties":{"go_back":{"type":"OBJECT","properties":{}}}}`),
			params(`{"type":"OBJECT","properties":{}}`), at + `.properties["go_back"].properties: should be non-empty for OBJECT type`,
		},
		{
			"array without items", "", two, property(`{"type":"ARRAY"}`), property(`{"type":"ARRAY","items":{"type":"STRING"}}`),
			at + ".properties[a].items: missing field",
		},
		{"items of a string", "", two, property(`{"type":"STRING","items":{"type":"STRING"}}`), text, "only allowed for ARRAY type"},
		{
			"empty enum value", "", two, property(`{"type":"STRING","enum":[""]}`), property(`{"type":"STRING","enum":["x"]}`),
			at + ".properties[a].enum[0]: cannot be empty",
		},
		{
			"enum of numbers", "", two, property(`{"type":"INTEGER","enum":[1]}`),
			free(`{"properties":{"a":{"type":"integer","enum":[1]}}}`),
			`properties[0].value.enum[0]' (TYPE_STRING), 1`,
		},
		{
			"enum of an integer", "", two, property(`{"type":"INTEGER","enum":["1"]}`), property(`{"type":"STRING","enum":["1"]}`),
			"enum: only allowed for STRING type",
		},
		{
			"required but not there", "", two, params(`{"type":"OBJECT","properties":{"a":{"type":"STRING"}},"required":["b"]}`),
			params(`{"type":"OBJECT","properties":{"a":{"type":"STRING"}},"required":["a"]}`),
			at + ".required[0]: property is not defined",
		},
		{
			"any_of with more on Vertex", Vertex, two, property(`{"description":"x","anyOf":[{"type":"STRING"}]}`),
			property(`{"anyOf":[{"type":"STRING"}]}`),
			"Unable to submit request because `f` functionDeclaration `parameters.a` schema specified other fields alongside any_of. When " +
				"using any_of, it must be the only field set.",
		},
		{
			"no type on Vertex", Vertex, two, property(`{"description":"x"}`), text,
			"Unable to submit request because `f` functionDeclaration `parameters.a` schema didn't specify the schema type field",
		},
		{
			"format of a string", "", two, property(`{"type":"STRING","format":"email"}`),
			property(`{"type":"STRING","format":"date-time"}`),
			"only 'enum' and 'date-time' are supported for STRING type",
		},
		{
			"parameters that are a string", "", two, params(`{"type":"STRING"}`), params(object),
			"`parameters` schema should be of type OBJECT",
		},
		{
			"$ref with company", "", three, free(`{"$defs":{"Q":{}},"properties":{"a":{"$ref":"#/$defs/Q","type":"object"}}}`),
			free(`{"$defs":{"Q":{}},"properties":{"a":{"$ref":"#/$defs/Q","description":"x"}}}`),
			"$ref 'Q' was set alongside unsupported fields. If a schema node has $ref set, then only description and default can be set alongside it",
		},
		{
			"$ref to nothing", "", three, free(`{"properties":{"a":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/Q"}]}}}`),
			free(`{"properties":{"a":{"anyOf":[{"type":"null"},{"$ref":"#"}]}}}`),
			"reference to undefined schema at properties.a.anyOf.1",
		},
		{"deep parameters", "", three, nested(params, 33), nested(params, 32), functionDepthMessage},
		{"deep parameters in JSON Schema", "", three, nested(free, 33), nested(free, 32), functionDepthMessage},
		{
			"deep response schema", "", three, config(`"responseMimeType":"application/json","responseJsonSchema":` + nested(asIs, 33)),
			config(`"responseMimeType":"application/json","responseJsonSchema":` + nested(asIs, 5)),
			"A schema in GenerationConfig in the request exceeds the maximum allowed nesting depth.",
		},
		{
			"option of any_of", "", two, property(`{"anyOf":[{"type":"STRING"},{"type":"ARRAY"}]}`),
			property(`{"anyOf":[{"type":"STRING"},{"type":"NULL"}]}`), at + ".properties[a].any_of[1].items: missing field",
		},
		{
			"deep in items", "", two, property(`{"type":"ARRAY","items":{"type":"ARRAY"}}`),
			property(`{"type":"ARRAY","items":{"type":"ARRAY","items":{"type":"NUMBER"}}}`), at + ".properties[a].items.items: missing field",
		},
		{
			"$ref to nothing in a list of types", "", three, free(`{"type":"array","items":{"$ref":"#/$defs/Q"}}`),
			free(`{"type":"array","items":{"$ref":"#/$defs/Q"},"$defs":{"Q":{}}}`), "reference to undefined schema at items",
		},
		{
			"many items", "", three, params(`{"type":"OBJECT","properties":{"a":` + list(500) + `,"b":` + list(461) + `}}`),
			params(`{"type":"OBJECT","properties":{"a":` + list(500) + `,"b":` + list(460) + `}}`), bareMessage,
		},
		{
			"many items in two functions", "", three,
			functions(`{"name":"f","parametersJsonSchema":` + list(500) + `},{"name":"g","parameters":{"type":"OBJECT","properties":{"a":` + list(461) + `}}}`),
			functions(`{"name":"f","parametersJsonSchema":` + list(500) + `},{"name":"g","parameters":{"type":"OBJECT","properties":{"a":` + list(460) + `}}}`),
			bareMessage,
		},
		{
			"many items in JSON Schema", "", three, free(`{"properties":{"a":` + list(961) + `}}`),
			free(`{"properties":{"a":` + list(960) + `}}`), bareMessage,
		},
		{"JSON Schema that is none", "", three, free(`"x"`), free(`{}`), bareMessage},
	}
}

func asIs(schema string) string { return schema }

// jsonSchemaCases are about what the JSON dialect takes of the keywords it knows.
func jsonSchemaCases() []ruleCase {
	of := func(schema string) string { return free(`{"type":"object","properties":{"a":` + schema + `}}`) }
	tree := func(required, children string) string {
		return free(`{"$ref":"#/$defs/N","$defs":{"N":{"type":"object","properties":{"v":{"type":"string"},"next":` + children +
			`},"required":[` + required + `]}}}`)
	}
	return []ruleCase{
		{
			"type that is none", "", three, of(`{"type":"text"}`), of(`{"type":"STRING"}`),
			"Invalid value of type in the schema at properties.a",
		},
		{"type among several that is none", "", three, of(`{"type":["string","nil"]}`), of(`{"type":["string","null"]}`), "Invalid value of type"},
		{"enum value that is empty", "", three, of(`{"enum":["a",""]}`), of(`{"enum":["a",1]}`), "enum values must be numbers or strings"},
		{"enum value that is no string", "", three, of(`{"enum":[true]}`), of(`{"enum":["true"]}`), "in the schema at properties.a"},
		{"enum that is no list", "", three, of(`{"enum":"a"}`), of(`{"enum":["a"]}`), "Invalid value of enum"},
		{
			"required but not there in JSON Schema", "", three, of(`{"properties":{"b":{}},"required":["c"]}`),
			of(`{"properties":{"b":{}},"required":["b"]}`), "required property 'c' is not defined in the schema at properties.a",
		},
		{"properties that are no object", "", three, of(`{"properties":[]}`), of(`{"properties":{}}`), "Invalid value of properties"},
		{"any_of that is no list", "", three, of(`{"anyOf":{}}`), of(`{"anyOf":[{}]}`), "Invalid value of anyOf"},
		{"description that is no text", "", three, of(`{"description":1}`), of(`{"description":"1"}`), "Invalid value of description"},
		{"property of anything", "", three, of(`true`), of(`{"additionalProperties":true}`), "Invalid value of a subschema in the schema at properties.a"},
		{"items of anything", "", three, of(`{"items":false}`), of(`{"items":{}}`), "properties.a.items"},
		{"$ref to elsewhere", "", three, of(`{"$ref":"https://example.com/schema"}`), of(`{"$ref":"#"}`), "reference to undefined schema at properties.a"},
		{
			"$ref by a relative address", "", three, free(`{"$defs":{"Q":{}},"properties":{"a":{"$ref":"$defs/Q"}}}`),
			free(`{"$defs":{"Q":{}},"properties":{"a":{"$ref":"#/$defs/Q"}}}`), "reference to undefined schema at properties.a",
		},
		{
			"$ref to itself", "", three, of(`{"$ref":"#/properties/a"}`), of(`{"type":"string"}`), "reference to undefined schema at properties.a",
		},
		{"required that leads back", "", three, tree(`"next"`, `{"$ref":"#/$defs/N"}`), tree(`"v"`, `{"$ref":"#/$defs/N"}`), schemaCyclesMessage},
		{
			"required that leads back or is null", "", three, tree(`"next"`, `{"anyOf":[{"type":"null"},{"$ref":"#/$defs/N"}]}`),
			tree(``, `{"anyOf":[{"type":"null"},{"$ref":"#/$defs/N"}]}`), schemaCyclesMessage,
		},
		{
			"list that leads back", "", three, tree(`"next"`, `{"type":"array","items":{"$ref":"#/$defs/N"}}`),
			tree(``, `{"type":"array","items":{"$ref":"#/$defs/N"}}`), schemaCyclesMessage,
		},
		{
			"leads back further in", "", three, of(`{"properties":{"b":{"additionalProperties":{"$ref":"#/properties/a"}}},"required":["b"]}`),
			of(`{"properties":{"b":{"additionalProperties":{"$ref":"#/properties/a"}}}}`), schemaCyclesMessage,
		},
	}
}
