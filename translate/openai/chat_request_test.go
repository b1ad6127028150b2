package openai

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// with is a minimal request with further members.
func with(members string) string {
	body := `{"model":"m","messages":[{"role":"user","content":"hi"}]`
	if members != "" {
		body += "," + members
	}
	return body + "}"
}

func ptr[T any](v T) *T { return &v }

func TestSamplingIsReadWithNullAndUnsetValuesLeftOut(t *testing.T) {
	for body, want := range map[string]translate.Sampling{
		``:                                            {},
		`"temperature":0,"top_p":0`:                   {Temperature: ptr(0.0), TopP: ptr(0.0)},
		`"temperature":null,"seed":null`:              {},
		`"top_k":40,"seed":4294967301`:                {TopK: ptr(40), Seed: ptr(int64(4294967301))},
		`"top_k":-1`:                                  {},
		`"max_tokens":0`:                              {},
		`"max_tokens":-1`:                             {},
		`"max_tokens":null`:                           {},
		`"max_tokens":100.0`:                          {MaxTokens: ptr(100)},
		`"max_tokens":1e3`:                            {MaxTokens: ptr(1000)},
		`"max_tokens":1e300`:                          {MaxTokens: ptr(math.MaxInt32)},
		`"max_tokens":99999999999999999999999`:        {MaxTokens: ptr(math.MaxInt32)},
		`"max_tokens":5,"max_completion_tokens":7`:    {MaxTokens: ptr(7)},
		`"max_completion_tokens":7,"max_tokens":5`:    {MaxTokens: ptr(7)},
		`"max_completion_tokens":null,"max_tokens":5`: {MaxTokens: ptr(5)},
		`"seed":-9223372036854775808`:                 {Seed: ptr(int64(math.MinInt64))},
		`"frequency_penalty":-2,"presence_penalty":2`: {FrequencyPenalty: ptr(-2.0), PresencePenalty: ptr(2.0)},
		`"stop":"end"`:                                {Stop: []string{"end"}},
		`"stop":["a","","b"]`:                         {Stop: []string{"a", "b"}},
		`"stop":["a","b","c","d","e",""]`:             {Stop: []string{"a", "b", "c", "d", "e"}},
		`"stop":null`:                                 {},
		`"stop":[]`:                                   {},
		`"stop":""`:                                   {},
		`"n":1`:                                       {},
		`"n":3`:                                       {Candidates: 3},
		`"n":128`:                                     {Candidates: 128},
	} {
		request, _ := mustDecode(t, with(body))
		got := request.Sampling
		if len(got.Stop) == 0 {
			got.Stop = nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", body, got, want)
		}
	}
}

func TestModelAndStreamAreRepeatedAsSent(t *testing.T) {
	for body, want := range map[string]string{
		`{"messages":[{"role":"user"}]}`:                                    "",
		`{"model":null,"messages":[{"role":"user"}]}`:                       "",
		`{"model":"models/gemini-2.5-pro","messages":[{"role":"user"}]}`:    "models/gemini-2.5-pro",
		`{"model":"a","model":"b","messages":[{"role":"user"}]}`:            "b",
		`{"stream":true,"model":"gpt-4o","messages":[{"role":"user"}]}`:     "gpt-4o",
		"{\"model\":\"\xff\",\"messages\":[{\"role\":\"user\"}]}":           "\ufffd",
		`{"stream":null,"model":"x","messages":[{"role":"user"}],"a":[{}]}`: "x",
	} {
		request, _ := mustDecode(t, body)
		if request.Model != want || request.Stream != strings.Contains(body, `"stream":true`) {
			t.Errorf("%s: model %q, stream %v", body, request.Model, request.Stream)
		}
	}
}

func TestRefusalsNameCodeAndParam(t *testing.T) {
	for _, c := range []struct{ body, code, param, message string }{
		{`{"model":"m"}`, "missing_required_parameter", "messages", "Missing required parameter: 'messages'."},
		{`null`, "missing_required_parameter", "messages", ""},
		{`{"messages":[]}`, "empty_array", "messages", "empty array"},
		{`{"messages":{}}`, "invalid_type", "messages", "expected an array, but got an object instead"},
		{`{"messages":["hi"]}`, "invalid_type", "messages[0]", "expected an object, but got a string"},
		{with(`"model":7`), "invalid_type", "model", "expected a string, but got a number"},
		{with(`"stream":"yes"`), "invalid_type", "stream", "expected a boolean, but got a string"},
		{with(`"temperature":"hot"`), "invalid_type", "temperature", "expected a decimal"},
		{with(`"temperature":2.5`), "decimal_above_max_value", "temperature", "Expected a value <= 2, but got 2.5 instead"},
		{with(`"temperature":-0.1`), "decimal_below_min_value", "temperature", "Expected a value >= 0"},
		{with(`"top_p":1.01`), "decimal_above_max_value", "top_p", ""},
		{with(`"frequency_penalty":-3`), "decimal_below_min_value", "frequency_penalty", ""},
		{with(`"presence_penalty":3`), "decimal_above_max_value", "presence_penalty", ""},
		{with(`"max_completion_tokens":0`), "integer_below_min_value", "max_completion_tokens", ""},
		{with(`"max_tokens":1.5`), "invalid_type", "max_tokens", "expected an integer"},
		{with(`"max_tokens":"many"`), "invalid_type", "max_tokens", "expected an integer, but got a string"},
		{with(`"n":0`), "integer_below_min_value", "n", ""},
		{with(`"n":129`), "integer_above_max_value", "n", ""},
		{with(`"stop":["` + strings.Repeat(`x","`, 16) + `x"]`), "array_above_max_length", "stop", "maximum length 16, but got an array with length 17"},
		{with(`"stream_options":true`), "invalid_type", "stream_options", "expected an object, but got a boolean"},
		{with(`"stream_options":{"include_usage":"yes"}`), "invalid_type", "stream_options.include_usage", "expected a boolean"},
		{with(`"service_tier":7`), "invalid_type", "service_tier", "expected a string"},
		{with(`"web_search_options":true`), "invalid_type", "web_search_options", "expected an object"},
		{with(`"logprobs":"yes"`), "invalid_type", "logprobs", "expected a boolean"},
		{with(`"parallel_tool_calls":1`), "invalid_type", "parallel_tool_calls", "expected a boolean"},
		{with(`"tools":{}`), "invalid_type", "tools", "expected an array"},
		{with(`"functions":{}`), "invalid_type", "functions", "expected an array"},
		{with(`"function_call":[]`), "invalid_type", "function_call", "one of a string or object"},
		{with(`"modalities":"text"`), "invalid_type", "modalities", "expected an array"},
		{with(`"modalities":[1]`), "invalid_type", "modalities[0]", "expected a string"},
		{with(`"audio":"alloy"`), "invalid_type", "audio", "expected an object"},
		{with(`"reasoning_effort":1`), "invalid_type", "reasoning_effort", "expected a string"},
		{with(`"seed":1.5`), "invalid_type", "seed", "expected an integer"},
		{with(`"n":"2"`), "invalid_type", "n", "expected an integer"},
		{with(`"top_p":[]`), "invalid_type", "top_p", "expected a decimal"},
		{with(`"presence_penalty":"1"`), "invalid_type", "presence_penalty", "expected a decimal"},
		{with(`"stop":7`), "invalid_type", "stop", "one of a string or array of strings"},
		{with(`"stop":["a",7]`), "invalid_type", "stop[1]", ""},
		{with(`"top_logprobs":3`), "invalid_value", "top_logprobs", ""},
		{with(`"logprobs":false,"top_logprobs":3`), "invalid_value", "top_logprobs", ""},
		{with(`"logprobs":true,"top_logprobs":21`), "integer_above_max_value", "top_logprobs", ""},
		{with(`"logprobs":true,"top_logprobs":-1`), "integer_below_min_value", "top_logprobs", ""},
		{with(`"modalities":["text","video"]`), "unsupported_value", "modalities", "video"},
		{with(`"audio":{"voice":"alloy","format":"mp3"}`), "unsupported_value", "audio.format", "mp3"},
		{with(`"audio":{"voice":"alloy","format":"midi"}`), "invalid_value", "audio.format", "'midi'"},
		{with(`"audio":{"voice":7}`), "invalid_type", "audio.voice", "one of a string or object"},
		{with(`"safety_settings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"SOME"}]`), "invalid_value", "safety_settings", "SOME"},
		{with(`"google":{"safety_settings":[{"category":"MALICE","threshold":"OFF"}]}`), "invalid_value", "google.safety_settings", "MALICE"},
		{with(`"response_format":"json"`), "invalid_type", "response_format", "expected an object"},
		{with(`"response_format":{}`), "missing_required_parameter", "response_format.type", ""},
		{with(`"response_format":{"type":"yaml"}`), "invalid_value", "response_format.type", "'yaml'"},
		{with(`"response_format":{"type":"json_schema"}`), "missing_required_parameter", "response_format.json_schema", ""},
		{
			with(`"response_format":{"type":"json_schema","json_schema":{"schema":{}}}`), "missing_required_parameter",
			"response_format.json_schema.name", "",
		},
		{
			with(`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":7}}`), "invalid_type",
			"response_format.json_schema.schema", "",
		},
		{with(`"reasoning_effort":"extreme"`), "invalid_value", "reasoning_effort", "'extreme'"},
		{with(`"reasoning":{"effort":"extreme"}`), "invalid_value", "reasoning.effort", ""},
		{
			with(`"google":{"thinking_config":{"thinking_level":"extreme"}}`), "invalid_value",
			"google.thinking_config.thinking_level", "",
		},
		{with(`"tools":[{"type":"teleport"}]`), "invalid_value", "tools[0].type", "'teleport'"},
		{with(`"tools":[{"type":"custom","custom":{}}]`), "missing_required_parameter", "tools[0].custom.name", ""},
		{with(`"tools":[{"type":"custom"}]`), "missing_required_parameter", "tools[0].name", ""},
		{
			with(`"tools":[{"type":"function","function":{"name":"a"}},{"elsewhere":{}}]`), "missing_required_parameter",
			"tools[1].type", "",
		},
		{with(`"tools":[{"type":"function"}]`), "missing_required_parameter", "tools[0].function", ""},
		{with(`"tools":[{"type":"function","function":{}}]`), "missing_required_parameter", "tools[0].function.name", ""},
		{with(`"tools":[{"type":"function","function":{"name":7}}]`), "invalid_type", "tools[0].function.name", ""},
		{`{"input":[{"role":"user","content":[{"type":"hologram"}]}]}`, "invalid_value", "input[0].content[0].type", "'hologram'"},
		{`{"input":["hi"]}`, "invalid_type", "input[0]", ""},
		{`{"input":[{"type":"function_call","call_id":"c"}]}`, "missing_required_parameter", "input[0].tool_calls[0].function.name", ""},
		{`{"input":7}`, "missing_required_parameter", "messages", ""},
		{`{"input":[]}`, "missing_required_parameter", "messages", ""},
		{with(`"functions":[{}]`), "missing_required_parameter", "functions[0].name", ""},
		{with(`"tool_choice":"required"`), "", "tool_choice", "only allowed when 'tools' are specified"},
		{with(`"tool_choice":{"type":"function","function":{"name":"a"}}`), "", "tool_choice", ""},
		{with(oneTool + `,"tool_choice":"always"`), "invalid_value", "tool_choice", "'always'"},
		{with(oneTool + `,"tool_choice":7`), "invalid_type", "tool_choice", "one of a string or object"},
		{with(oneTool + `,"tool_choice":{"type":"function"}`), "missing_required_parameter", "tool_choice.function.name", ""},
		{with(oneTool + `,"tool_choice":{"type":"custom"}`), "missing_required_parameter", "tool_choice.custom.name", ""},
		{
			with(oneTool + `,"tool_choice":{"type":"function","function":{"name":"other"}}`), "invalid_value", "tool_choice",
			"Tool choice 'other' not found in 'tools' parameter.",
		},
	} {
		e := refused(t, c.body)
		if e.Code != c.code || e.Param != c.param || !strings.Contains(e.Message, c.message) {
			t.Errorf("%s:\n got %q %q %q\nwant %q %q …%q…", c.body, e.Code, e.Param, e.Message, c.code, c.param, c.message)
		}
	}
}

func TestWhatIsNoJSONObjectGetsOpenAIsSentence(t *testing.T) {
	for _, body := range []string{
		``, ` `, `{`, `[]`, `"text"`, `7`, `{"messages":[{"role":"user"}]} x`, `{"messages":[{"role":"user"}]}{}`, `{'a':1}`,
		`{"messages":[{"role":"user","content":"` + "\n" + `"}]}`, strings.Repeat("[", 100_000), `{"a":` + strings.Repeat("[", 20_000),
	} {
		e := refused(t, body)
		if e.Code != "" || e.Param != "" || !strings.HasPrefix(e.Message, "We could not parse the JSON body of your request.") {
			t.Errorf("%.40q: %q %q %q", body, e.Code, e.Param, e.Message)
		}
	}
}

func TestResponseFormats(t *testing.T) {
	for body, want := range map[string]translate.Format{
		`"response_format":null`:                                                            {},
		`"response_format":{"type":"text"}`:                                                 {},
		`"response_format":{"type":"json_object"}`:                                          {Kind: translate.FormatJSON},
		`"response_format":{"type":"json_schema","json_schema":{"name":"n"}}`:               {Kind: translate.FormatJSON, Name: "n"},
		`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":null}}`: {Kind: translate.FormatJSON, Name: "n"},
		`"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object","const":1}}}`: {
			Kind: translate.FormatSchema, Name: "n", Schema: []byte(`{"type":"object","const":1}`),
		},
	} {
		request, _ := mustDecode(t, with(body))
		if !reflect.DeepEqual(request.Format, want) {
			t.Errorf("%s: %+v", body, request.Format)
		}
	}
}

func TestWhatHasNoEffectIsNamed(t *testing.T) {
	for body, want := range map[string][]string{
		``: nil,
		`"logit_bias":{"50256":-100},"prediction":{"type":"content","content":"x"},"verbosity":"low"`: {"logit_bias", "prediction", "verbosity"},
		`"store":false,"metadata":{},"user":"","logit_bias":null,"tools":[],"logprobs":false`:         nil,
		`"store":true,"metadata":{"a":"b"},"user":"u"`:                                                {"metadata", "store", "user"},
		`"metadata":{"user_id":"u"},"prompt_cache_key":"k","session_id":"s"`:                          nil,
		`"metadata":{"user_id":"u","a":"b"}`:                                                          {"metadata"},
		`"metadata":{"user_id":1},"prompt_cache_key":1,"session_id":{}`:                               {"prompt_cache_key", "session_id", "metadata"},
		`"service_tier":"auto"`:                                                             nil,
		`"service_tier":"default"`:                                                          nil,
		`"service_tier":"flex"`:                                                             nil,
		`"service_tier":"scale"`:                                                            {"service_tier"},
		`"parallel_tool_calls":false`:                                                       nil,
		`"modalities":["text","image"]`:                                                     nil, // not before it is known which model answers
		`"web_search_options":{"a":1}`:                                                      {"web_search_options"},
		`"web_search_options":{"search_context_size":"low"}`:                                {"web_search_options.search_context_size"},
		`"enable_thinking":true`:                                                            nil,
		`"enable_thinking":"yes"`:                                                           {"enable_thinking"},
		`"chat_template_kwargs":{"a":1,"thinking":true}`:                                    {"chat_template_kwargs"},
		`"chat_template_kwargs":{"thinking":true}`:                                          nil,
		`"thinking":{"type":"deep"},"reasoning":{"effort":"low","depth":1}`:                 {"reasoning", "thinking"},
		`"thinking":{"type":"enabled"},"reasoning":{"effort":"low"}`:                        nil,
		`"google":{"thinking_config":{"depth":1}}`:                                          {"google"},
		`"generationConfig":{"thinkingConfig":{"depth":1}}`:                                 {"generationConfig"},
		`"extra_body":{"top_k":1}`:                                                          {"extra_body"},
		`"input":"x","text":{"verbosity":"low"},"max_output_tokens":1`:                      {"input", "max_output_tokens", "text"}, // beside messages
		`"google":{"thought_tag_marker":"t"}`:                                               nil,
		`"google":{"thought_tag_marker":"<t>"}`:                                             {"google"},
		oneTool + `,"functions":[{"name":"g"}],"function_call":"auto"`:                      {"functions", "function_call"},
		`"functions":[{"name":"g"}],"function_call":"auto"`:                                 nil,
		`"generationConfig":{"topK":1,"x":1}`:                                               {"generationConfig"},
		`"extra_body":{"google":{"novelty":1}}`:                                             {"extra_body"},
		`"tools":[{"type":"mcp"},{"type":"web_search"},{"type":"computer_use_preview"}]`:    {"tools[0]", "tools[2]"},
		`"min_p":0.1,"repetition_penalty":1,"keep_alive":"5m","provider":{"order":[]}`:      {"min_p", "repetition_penalty", "keep_alive", "provider"},
		`"thinking":true,"google":7`:                                                        {"thinking", "google"},
		`"some_new_field":1,"a b":1,"x\r\ny":1,"":1`:                                        {"some_new_field"},
		`"stream_options":{"include_usage":true}`:                                           {"stream_options"}, // usage is part of every answer that is not streamed
		`"stream_options":null`:                                                             nil,
		`"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}`: nil,
		`"stream":true,"stream_options":{"include_obfuscation":true}`:                       {"stream_options.include_obfuscation"},
		`"usage":{"include":true}`:                                                          nil,
	} {
		request, _ := mustDecode(t, with(body))
		if !slices.Equal(request.Ignored, want) {
			t.Errorf("%s: %q, want %q", body, request.Ignored, want)
		}
	}
}

// What the model said aloud is referred to by an id, and nothing is kept here that has one.
func TestSpokenMessagesAreNamedAsLost(t *testing.T) {
	const body = `{"messages":[{"role":"user","content":"a"},{"role":"assistant","audio":{"id":"audio_1"}},` +
		`{"role":"assistant","content":"b","audio":null},{"role":"user","content":"c"}]}`
	request, _ := mustDecode(t, body)
	if want := []string{"messages[1].audio"}; !slices.Equal(request.Ignored, want) {
		t.Errorf("%q, want %q", request.Ignored, want)
	}
	if e := strictly(t, body); e == nil || e.Code != "unsupported_parameter" || e.Param != "messages[1].audio" {
		t.Errorf("of a strict client: %v", e)
	}
}

func TestWhatHasNoEffectInABodyOfTheResponsesAPIIsNamed(t *testing.T) {
	for body, want := range map[string][]string{
		`"text":{"format":{"type":"text"}},"max_output_tokens":9`: nil,
		`"text":{"format":{"type":"text"},"verbosity":"low"}`:     {"text"},
		`"text":"short"`: {"text"},
	} {
		request, _ := mustDecode(t, `{"input":"hi",`+body+`}`)
		if !slices.Equal(request.Ignored, want) {
			t.Errorf("%s: %q, want %q", body, request.Ignored, want)
		}
	}
}

func TestConversationIsWhatTheClientCallsIt(t *testing.T) {
	for body, want := range map[string]string{
		``: "",
		`"prompt_cache_key":"key","session_id":"session","metadata":{"user_id":"user"},"user":"u"`: "key",
		`"prompt_cache_key":"","session_id":"session","metadata":{"user_id":"user"}`:               "session",
		`"metadata":{"user_id":"user"}`:                                    "user",
		`"prompt_cache_key":null,"session_id":7,"metadata":{"user_id":{}}`: "",
		`"metadata":"user","user":"u"`:                                     "",
	} {
		if request, _ := mustDecode(t, with(body)); request.Conversation != want {
			t.Errorf("%s: %q, want %q", body, request.Conversation, want)
		}
	}
}

func TestIgnoredNamesAreBounded(t *testing.T) {
	members := map[string]int{strings.Repeat("a", maxIgnoredName+1): 1, strings.Repeat("b", maxIgnoredName): 1}
	for i := range 100 {
		members["field_"+strings.Repeat("y", i%50)+string(rune('a'+i%26))] = i + 1
	}
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	request, _ := mustDecode(t, with(strings.Trim(string(text), "{}")))
	if n := len(request.Ignored); n != maxIgnored || slices.Contains(request.Ignored, strings.Repeat("a", maxIgnoredName+1)) ||
		!slices.Contains(request.Ignored, strings.Repeat("b", maxIgnoredName)) {
		t.Errorf("%d names: %q", n, request.Ignored)
	}
}

func TestReasoningPrecedence(t *testing.T) {
	for body, want := range map[string]translate.Reasoning{
		``:                                {},
		`"reasoning_effort":null`:         {},
		`"reasoning_effort":"none"`:       {Effort: translate.EffortNone},
		`"reasoning_effort":"xhigh"`:      {Effort: translate.EffortXHigh},
		`"include_reasoning":false`:       {Show: ptr(false)},
		`"reasoning":{"max_tokens":2000}`: {Budget: ptr(2000)},
		`"reasoning":{"effort":"low","exclude":true}`:                                         {Effort: translate.EffortLow, Show: ptr(false)},
		`"reasoning":{"enabled":true}`:                                                        {Show: ptr(true)},
		`"reasoning":{"enabled":true,"exclude":true}`:                                         {Show: ptr(false)},
		`"reasoning":{"enabled":false,"effort":"high"}`:                                       {Effort: translate.EffortNone},
		`"thinking":{"type":"enabled","budget_tokens":1024}`:                                  {Budget: ptr(1024), Show: ptr(true)},
		`"thinking":{"type":"enabled"}`:                                                       {Show: ptr(true)},
		`"thinking":{"type":"adaptive"},"reasoning_effort":"high"`:                            {Effort: translate.EffortHigh, Show: ptr(true)},
		`"thinking":{"type":"disabled"}`:                                                      {Effort: translate.EffortNone},
		`"thinking":{"type":"disabled"},"reasoning_effort":"high"`:                            {Effort: translate.EffortNone},
		`"thinking":"yes","reasoning_effort":"high"`:                                          {Effort: translate.EffortHigh},
		`"reasoning":{"effort":"low"},"reasoning_effort":"high"`:                              {Effort: translate.EffortLow},
		`"enable_thinking":true`:                                                              {Show: ptr(true)},
		`"enable_thinking":false`:                                                             {Effort: translate.EffortNone},
		`"enable_thinking":false,"reasoning_effort":"high"`:                                   {Effort: translate.EffortHigh},
		`"chat_template_kwargs":{"enable_thinking":false}`:                                    {Effort: translate.EffortNone},
		`"chat_template_kwargs":{"thinking":true}`:                                            {Show: ptr(true)},
		`"generationConfig":{"thinkingConfig":{"thinkingBudget":5}}`:                          {Budget: ptr(5)},
		`"reasoning_effort":"low","generationConfig":{"thinkingConfig":{"thinkingBudget":5}}`: {Effort: translate.EffortLow},
		`"reasoning":{"effort":"low","summary":"auto"}`:                                       {Effort: translate.EffortLow, Show: ptr(true)},
		`"google":{"thinking_config":{"thinking_budget":-1,"include_thoughts":true}},"thinking":{"type":"disabled"}`: {
			Budget: ptr(-1), Show: ptr(true),
		},
		`"google":{"thinkingConfig":{"thinkingBudget":-5}}`:                             {Budget: ptr(-1)},
		`"google":{"thinkingConfig":{"thinkingBudget":0}}`:                              {Budget: ptr(0)},
		`"google":{"thinking_config":{"thinkingLevel":"HIGH","includeThoughts":false}}`: {Effort: translate.EffortHigh, Show: ptr(false)},
		`"google":{"thinking_config":{"thinking_level":"THINKING_LEVEL_UNSPECIFIED"}}`:  {},
		`"extra_body":{"google":{"thinking_config":{"include_thoughts":true}}},"reasoning_effort":"low"`: {
			Effort: translate.EffortLow, Show: ptr(true),
		},
		`"extra_body":{"google":{"thinking_config":{"thinking_level":"low"}}},"google":{"thinking_config":{"thinking_level":"high"}}`: {
			Effort: translate.EffortLow,
		},
	} {
		request, _ := mustDecode(t, with(body))
		if !reflect.DeepEqual(request.Reasoning, want) {
			show := func(r translate.Reasoning) string { text, _ := json.Marshal(r); return string(text) }
			t.Errorf("%s:\n got %s\nwant %s", body, show(request.Reasoning), show(want))
		}
	}
}
