package googlesim

import (
	"fmt"
	"testing"
)

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
		{"two candidates of Gemma", "", gemma, config(`"candidateCount":2`), config(`"candidateCount":1`), candidatesMessage},
		{"no top_k", "", two, config(`"topK":0`), config(`"topK":1`), "* GenerateContentRequest.generation_config.top_k: " + topKMessage},
		{
			"stop sequence that is empty", "", two, config(`"stopSequences":["a",""]`), config(`"stopSequences":["a"," "]`),
			"* GenerateContentRequest.generation_config.stop_sequences[1]: cannot be empty",
		},
		{
			"a category twice", "", two,
			with(`"safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"OFF"},{"category":1,"threshold":"BLOCK_NONE"}]`),
			with(`"safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"OFF"},{"category":2,"threshold":"OFF"}]`),
			"* GenerateContentRequest.safety_settings[1]: " + safetyTwiceMessage,
		},
		{
			"no category", "", two, with(`"safetySettings":[{"threshold":"OFF"}]`), with(`"safetySettings":[{"category":1,"threshold":1}]`),
			"* GenerateContentRequest.safety_settings[0]: " + safetyVagueMessage,
		},
		{
			"category left open", Vertex, two, with(`"safetySettings":[{"category":0,"threshold":"OFF"}]`), with(`"safetySettings":[]`),
			safetyVagueMessage,
		},
		{
			"no threshold", "", two, with(`"safetySettings":[{"category":1}]`), with(`"safetySettings":[{"category":1,"threshold":2}]`),
			safetyVagueMessage,
		},
		{
			"threshold left open", "", two, with(`"safetySettings":[{"category":1,"threshold":0}]`), talk(user(hello)), safetyVagueMessage,
		},
		{
			"unknown threshold", "", two, with(`"safetySettings":[{"category":1,"threshold":"BLOCK_ALL"}]`), talk(user(hello)),
			`Invalid value at 'safety_settings[0].threshold'`,
		},
		{"aspect of no picture", "", three, config(`"imageConfig":{"aspectRatio":"1:1"}`), talk(user(hello)), picturesOnlyMessage},
		{"voice of no sound", "", three, config(`"speechConfig":{"languageCode":"en-US"}`), talk(user(hello)), soundOnlyMessage},
		{
			"JSON with search before 3", "", two, with(`"generationConfig":{` + shape + `},"tools":[{"googleSearch":{}}]`),
			with(`"generationConfig":{"responseMimeType":"text/plain"},"tools":[{"googleSearch":{}}]`),
			"Tool use with a response mime type: 'application/json' is unsupported",
		},
		{
			"thoughts of a model that does not think", "", two, config(`"thinkingConfig":{"thinkingBudget":0,"includeThoughts":true}`),
			config(`"thinkingConfig":{"thinkingBudget":0,"includeThoughts":false}`), noThoughtsMessage,
		},
		{"budget below dynamic", "", two, budget(-2), budget(-1), "The thinking budget (-2) is invalid."},
		{"budget below dynamic on 3", "", three, budget(-2), budget(0), "The thinking budget (-2) is invalid."},
		{"budget beyond on 3", "", three, budget(32769), budget(32768), "Please choose a value between 0 and 32768."},
		{"logprobs on Code Assist", CodeAssist, two, config(`"responseLogprobs":true`), talk(user(hello)), "Logprobs is not enabled for"},
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
	for _, group := range [][]ruleCase{fieldCases(), turnCases(), signatureCases(), toolCases(), schemaCases(), jsonSchemaCases(), configCases(), partCases()} {
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
