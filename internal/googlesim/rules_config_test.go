package googlesim

import (
	"fmt"
	"strings"
	"testing"
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
			free(`{"type":"array","items":{"$ref":"#/$defs/Q"},"$defs":{"Q":true}}`), "reference to undefined schema at items",
		},
		{
			"many items", "", three, params(`{"type":"OBJECT","properties":{"a":` + list(500) + `,"b":` + list(461) + `}}`),
			params(`{"type":"OBJECT","properties":{"a":` + list(500) + `,"b":` + list(460) + `}}`), bareMessage,
		},
		{
			"many items in JSON Schema", "", three, free(`{"properties":{"a":` + list(961) + `}}`),
			free(`{"properties":{"a":` + list(960) + `}}`), bareMessage,
		},
		{"JSON Schema that is none", "", three, free(`"x"`), free(`{}`), bareMessage},
	}
}

func asIs(schema string) string { return schema }

func configCases() []ruleCase {
	level := func(l string) string { return config(`"thinkingConfig":{"thinkingLevel":"` + l + `"}`) }
	budget := func(n int) string { return config(fmt.Sprintf(`"thinkingConfig":{"thinkingBudget":%d}`, n)) }
	shape := `"responseMimeType":"application/json"`
	return []ruleCase{
		{"hot", "", two, config(`"temperature":2.1`), config(`"temperature":2`), "temperature must be in the range [0.0, 2.0]."},
		{
			"six stop sequences", "", two, config(`"stopSequences":["a","b","c","d","e","f"]`),
			config(`"stopSequences":["a","b","c","d","e"]`),
			"it has 6 stopSequence values but the supported range is from 1 (inclusive) to 6 (exclusive)",
		},
		{"penalty on 2.5", "", two, config(`"presencePenalty":1`), talk(user(hello)), penaltyMessage},
		{"penalty on 4", "", four, config(`"frequencyPenalty":1`), config(`"temperature":1`), penaltyMessage},
		{"penalty on 4 of Vertex", Vertex, four, config(`"frequencyPenalty":1`), config(`"topP":1`), penaltyMessage},
		{"two candidates from 3 on", "", three, config(`"candidateCount":2`), config(`"candidateCount":1`), candidatesMessage},
		{
			"nine candidates", "", two, config(`"candidateCount":9`), config(`"candidateCount":8`),
			"candidate_count must be in the range [1, 8].",
		},
		{
			"logprobs on 2.5", "", two, config(`"responseLogprobs":true`), config(`"responseLogprobs":false`),
			"Logprobs is not enabled for models/gemini-2.5-flash",
		},
		{"logprobs alone", Vertex, two, config(`"logprobs":2`), config(`"logprobs":2,"responseLogprobs":true`), logprobsAloneMessage},
		{"no output", "", two, config(`"maxOutputTokens":0`), config(`"maxOutputTokens":65536`), "it has a maxOutputTokens value of 0"},
		{"too much output", "", two, config(`"maxOutputTokens":65537`), config(`"maxOutputTokens":1`), "to 65537 (exclusive)"},
		{
			"pictures from a text model", "", two, config(`"responseModalities":["TEXT","IMAGE"]`), config(`"responseModalities":["TEXT"]`),
			"Model does not support the requested response modalities: image",
		},
		{"unknown form", "", two, config(`"responseMimeType":"text/html"`), config(shape), "allowed mimetypes are"},
		{
			"two schemas", "", two, config(shape + `,"responseSchema":` + object + `,"responseJsonSchema":{}`),
			config(shape + `,"responseSchema":` + object),
			schemaTwiceMessage,
		},
		{
			"schema without form", "", two, config(`"responseJsonSchema":{}`), config(shape + `,"responseJsonSchema":{}`),
			schemaMIMEMessage,
		},
		{
			"legacy schema without form", "", two, config(`"responseSchema":` + object),
			config(shape + `,"responseSchema":` + object), schemaMIMEMessage,
		},
		{
			"bad legacy response schema", "", two, config(shape + `,"responseSchema":{"type":"ARRAY"}`),
			config(shape + `,"responseSchema":` + object),
			"* GenerateContentRequest.generation_config.response_schema.items: missing field",
		},
		{
			"JSON with functions before 3", "", two,
			with(`"generationConfig":{` + shape + `},"tools":[{"functionDeclarations":[{"name":"f"}]}]`),
			config(shape), "Function calling with a response mime type: 'application/json' is unsupported",
		},
		{
			"level left open and budget", "", three, config(`"thinkingConfig":{"thinkingLevel":9}`),
			config(`"thinkingConfig":{"thinkingLevel":0,"thinkingBudget":9}`), "ThinkingLevel), 9",
		},
		{
			"level and budget", "", three, config(`"thinkingConfig":{"thinkingLevel":"LOW","thinkingBudget":9}`), budget(9),
			"You can only set only one of thinking budget and thinking level.",
		},
		{"level on 2.5", "", two, level("LOW"), budget(-1), "Thinking level is not supported for this model."},
		{
			"thinking on 2.0", "", old, config(`"thinkingConfig":{"includeThoughts":true}`), talk(user(hello)),
			"thinking_config is not supported.",
		},
		{
			"level the model lacks", "", pro3, level("MEDIUM"), level("low"),
			"Thinking level MEDIUM is not supported for this model. Please retry with other thinking level.",
		},
		{
			"level the model lacks on Vertex", Vertex, pro3, level("MEDIUM"), level("HIGH"),
			"Unable to submit request because thinking_level MEDIUM is not supported by this model.",
		},
		{"MINIMAL on 4", "", four, level("MINIMAL"), level("LOW"), "Thinking level MINIMAL is not supported"},
		{"XHIGH on argon", "", four, level("XHIGH"), level("HIGH"), "Thinking level XHIGH is not supported"},
		{"budget on 4", "", four, budget(128), level("MEDIUM"), budgetOn4Message},
		{"budget 0 on pro", "", twoP, budget(0), budget(128), "Budget 0 is invalid. This model only works in thinking mode."},
		{
			"budget 0 on pro of Vertex", Vertex, twoP, budget(0), budget(-1),
			"Unable to submit request because The model does not support setting thinking_budget to 0",
		},
		{
			"budget beyond", "", twoP, budget(52428), budget(32768),
			"The thinking budget (52428) is invalid. Please choose a value between 128 and 32768.",
		},
		{
			"small budget on flash-lite", "", "gemini-2.5-flash-lite", budget(511), budget(0),
			"Please choose a value between 512 and 24576.",
		},
	}
}

// TestUnaryOutputIsCappedOnGemini4 checks the one rule that knows whether the call streams.
func TestUnaryOutputIsCappedOnGemini4(t *testing.T) {
	s := newTestServer(t, Options{})
	s.AddKey("key", "p")
	for _, one := range []struct {
		method string
		tokens int
		status int
	}{
		{"generateContent", 32_768, 200}, {"generateContent", 32_769, 400}, {"streamGenerateContent", 65_536, 200},
	} {
		body := config(fmt.Sprintf(`"maxOutputTokens":%d`, one.tokens))
		if got := s.post(t, "/v1beta/models/"+four+":"+one.method, withKey("key"), body); got.status != one.status {
			t.Errorf("%s with %d tokens: %d %s", one.method, one.tokens, got.status, got.body)
		}
	}
}

// TestCallIDsAreAcceptedWhereTheOptionSaysSo checks CloudCallIDs.
func TestCallIDsAreAcceptedWhereTheOptionSaysSo(t *testing.T) {
	s := newTestServer(t, Options{CloudCallIDs: true})
	s.addCloudUser("user", "p")
	for _, b := range []Backend{Vertex, CodeAssist} {
		if got := s.ask(t, ruleCase{backend: b, model: two}, identified("one", "one")); got.status != 200 {
			t.Errorf("%s: %s", b, got.body)
		}
	}
}

// FuzzValidate checks that no body, however odd, brings the simulator down.
func FuzzValidate(f *testing.F) {
	for _, group := range [][]ruleCase{fieldCases(), turnCases(), signatureCases(), toolCases(), schemaCases(), configCases()} {
		for _, one := range group {
			f.Add(one.bad)
			f.Add(one.good)
		}
	}
	s := New(Options{})
	f.Fuzz(func(t *testing.T, body string) {
		for _, b := range []Backend{Developer, Vertex} {
			c := &exchange{Backend: b, Method: "streamGenerateContent", Model: three, payload: []byte(body)}
			if c.parse() != nil {
				continue
			}
			if m, refused := s.admit(c); refused == nil {
				compose(c, m, s.now()).events()
			}
		}
	})
}
