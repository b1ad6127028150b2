package openai

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// strictly is the error of a body that a strict gateway has to refuse, and a lenient one to accept; nil where a strict one accepts it, too.
func strictly(t *testing.T, body string) *translate.Error {
	t.Helper()
	mustDecode(t, body)
	request, _, err := Chat{Strict: true}.Decode(nil, []byte(body))
	if err == nil {
		if !request.Strict {
			t.Error("the request does not say that it is strict")
		}
		return nil
	}
	e, ok := errors.AsType[*translate.Error](err)
	if !ok || e.Status != http.StatusBadRequest {
		t.Fatalf("%s: %v", body, err)
	}
	return e
}

func TestAStrictGatewayRefusesWhatWouldHaveNoEffect(t *testing.T) {
	notes := make([]string, 17)
	for i := range notes {
		notes[i] = fmt.Sprintf(`"k%d":"v"`, i)
	}
	for _, c := range []struct{ members, code, param string }{
		{`"logit_bias":{"50256":-100}`, "unsupported_parameter", "logit_bias"},
		{`"verbosity":"low"`, "unsupported_parameter", "verbosity"},
		{`"min_p":0.1`, "unsupported_parameter", "min_p"},
		{`"labels":{"a":7}`, "unsupported_parameter", "labels"},
		{`"thinking":7`, "unsupported_parameter", "thinking"},
		{`"google":{"thought_tag_marker":"no tag"}`, "unsupported_parameter", "google"},
		{`"store":"yes"`, "invalid_type", "store"},
		{`"user":7`, "invalid_type", "user"},
		{`"metadata":"m"`, "invalid_type", "metadata"},
		{`"prompt_cache_key":{}`, "invalid_type", "prompt_cache_key"},
		{`"web_search_options":{"search_context_size":"low"}`, "unsupported_parameter", "web_search_options.search_context_size"},
		{oneTool + `,"functions":[{"name":"g"}]`, "unsupported_parameter", "functions"},
		{`"messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f"}},{"id":"b","function":{"name":"f"}}]},
			{"role":"tool","tool_call_id":"b","content":"1"},{"role":"user","content":"hi"}]`, "", "messages"},
		{`"messages":[{"role":"assistant","function_call":{"name":"f"}},{"role":"user","content":"hi"}]`, "", "messages"},
		{`"some_new_field":1`, "unknown_parameter", "some_new_field"},
		{`"x\r\ny":1`, "unknown_parameter", "x\r\ny"},
		{`"tools":[{"type":"file_search"}]`, "unsupported_value", "tools[0].type"},
		{`"stop":["1","2","3","4","5"]`, "array_above_max_length", "stop"},
		{`"stream_options":{"include_usage":true}`, "", "stream_options"},
		{`"metadata":{` + strings.Join(notes, ",") + `}`, "object_above_max_properties", "metadata"},
		{`"metadata":{"user_id":"u",` + strings.Join(notes[:16], ",") + `}`, "object_above_max_properties", "metadata"},
	} {
		e := strictly(t, with(c.members))
		if e == nil || e.Code != c.code || e.Param != c.param {
			t.Errorf("%s: %v, want %s about %s", c.members, e, c.code, c.param)
		}
	}
}

func TestAStrictGatewayAcceptsWhatChangesNoAnswer(t *testing.T) {
	for _, members := range []string{
		`"metadata":{"a":"b"},"store":true,"user":"u","safety_identifier":"s","prompt_cache_retention":"24h"`,
		`"prediction":{"type":"content","content":"x"},"service_tier":"scale","provider":{"order":["x"]}`,
		`"logit_bias":{},"logit_bias":null,"verbosity":null,"some_new_field":null`,
		`"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":true}`,
		`"temperature":1,"seed":1,"stop":["1","2","3","4"],"n":1,"reasoning_effort":"low","parallel_tool_calls":false`,
		`"messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f"}},{"id":"b","function":{"name":"f"}}]},
			{"role":"tool","tool_call_id":"b","content":"1"},{"role":"tool","tool_call_id":"a","content":"1"},
			{"role":"assistant","function_call":{"name":"f"}},{"role":"function","name":"f","content":"2"}]`,
		`"user":null,"store":null,"google":{"thought_tag_marker":"think"}`,
		`"messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"},"x":1}],"y":2}]`,
	} {
		if e := strictly(t, with(members)); e != nil {
			t.Errorf("%s: %v", members, e)
		}
	}
}

// ChatterUI#227: extra members at any level are no reason to refuse a request.
func TestUnknownMembersAtAnyLevelAreIgnored(t *testing.T) {
	const x = `"zzz":{"deep":[{}]},"extra_content":7`
	mustDecode(t, `{"model":"m",`+x+`,"stream_options":{`+x+`},"response_format":{"type":"json_schema",`+x+`,"json_schema":{"name":"n",`+x+`,
		"schema":{"type":"object"}}},"tools":[{"type":"function",`+x+`,"function":{"name":"f",`+x+`}}],
		"tool_choice":{"type":"function",`+x+`,"function":{"name":"f",`+x+`}},"web_search_options":{`+x+`,"user_location":{`+x+`}},
		"audio":{"voice":{"id":"v",`+x+`},`+x+`},"messages":[{"role":"user",`+x+`,"content":[{"type":"text","text":"hi",`+x+`}]},
		{"role":"assistant","tool_calls":[{"id":"c","type":"function",`+x+`,"function":{"name":"f","arguments":"{}",`+x+`}}]},
		{"role":"tool","tool_call_id":"c",`+x+`,"content":"ok"}]}`)
}

func TestLogProbsAreAskedFor(t *testing.T) {
	for body, want := range map[string]*int{
		``:                                  nil,
		`"logprobs":false`:                  nil,
		`"logprobs":null,"top_logprobs":0`:  nil,
		`"logprobs":true`:                   ptr(0),
		`"logprobs":true,"top_logprobs":20`: ptr(20),
	} {
		request, _ := mustDecode(t, with(body))
		if got := request.Sampling.LogProbs; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v", body, got)
		}
	}
}

func TestWhatAnAnswerIsMadeOf(t *testing.T) {
	const text, image, audio = translate.ModalityText, translate.ModalityImage, translate.ModalityAudio
	for body, want := range map[string]translate.Output{
		``:                              {},
		`"modalities":["text","image"]`: {Modalities: []translate.Modality{text, image}},
		`"modalities":["text","audio"],"audio":{"voice":"alloy","format":"pcm16"}`: {
			Modalities: []translate.Modality{text, audio}, Voice: "alloy", AudioFormat: "pcm16",
		},
		`"audio":{"voice":{"id":"Kore"},"format":"wav"}`: {Voice: "Kore", AudioFormat: "wav"},
		`"audio":null`: {},
		`"image_config":{"aspect_ratio":"16:9","image_size":"2K"}`:                             {AspectRatio: "16:9", ImageSize: "2K"},
		`"google":{"aspect_ratio":"1:1"},"image_config":{"aspect_ratio":"16:9"}`:               {AspectRatio: "1:1"},
		`"extra_body":{"google":{"image_config":{"imageSize":"4K"}}}`:                          {ImageSize: "4K"},
		`"generationConfig":{"responseModalities":["IMAGE"],"imageConfig":{"imageSize":"1K"}}`: {Modalities: []translate.Modality{image}, ImageSize: "1K"},
	} {
		if request, _ := mustDecode(t, with(body)); !reflect.DeepEqual(request.Output, want) {
			t.Errorf("%s: %+v", body, request.Output)
		}
	}
}

func TestServiceIsAskedForInGooglesWords(t *testing.T) {
	const setting = `[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"OFF"}]`
	settings := []translate.SafetySetting{{Category: "HARM_CATEGORY_HARASSMENT", Threshold: "OFF"}}
	for _, place := range []string{`"safety_settings":%s`, `"safetySettings":%s`, `"google":{"safety_settings":%s}`, `"extra_body":{"google":{"safety_settings":%s}}`} {
		if request, _ := mustDecode(t, with(fmt.Sprintf(place, setting))); !slices.Equal(request.Safety, settings) {
			t.Errorf("%s: %v", place, request.Safety)
		}
	}
	if request, _ := mustDecode(t, with(`"labels":{"b":"1","a":"2"}`)); string(request.Labels) != `{"b":"1","a":"2"}` {
		t.Errorf("labels %s", request.Labels)
	}
	if request, _ := mustDecode(t, with(`"labels":{}`)); request.Labels != nil {
		t.Errorf("labels %s", request.Labels)
	}
	for _, place := range []string{`"cached_content":"cachedContents/c"`, `"google":{"cached_content":"cachedContents/c"}`} {
		if request, _ := mustDecode(t, with(place)); request.CachedContent != "cachedContents/c" {
			t.Errorf("%s: %q", place, request.CachedContent)
		}
	}
	for tier, want := range map[string]translate.ServiceTier{
		"auto": "", "default": "", "flex": translate.TierFlex, "priority": translate.TierPriority, "fast": translate.TierPriority, "scale": "",
	} {
		if request, _ := mustDecode(t, with(`"service_tier":"`+tier+`"`)); request.Tier != want {
			t.Errorf("%s: %q", tier, request.Tier)
		}
	}
}

func TestGoogleOwnKnobsCountWhereOpenAIsAreSilent(t *testing.T) {
	request, _ := mustDecode(t, with(`"temperature":0.5,"stop":["a"],"generationConfig":{"temperature":1,"topP":0.9,"topK":7,"maxOutputTokens":9,
		"stopSequences":["b"],"seed":3,"presencePenalty":1,"frequencyPenalty":-1,"candidateCount":2,"thinkingConfig":{"thinkingLevel":"LOW"}}`))
	want := translate.Sampling{
		Temperature: ptr(0.5), TopP: ptr(0.9), TopK: ptr(7), MaxTokens: ptr(9), Stop: []string{"a"}, Seed: ptr(int64(3)),
		PresencePenalty: ptr(1.0), FrequencyPenalty: ptr(-1.0), Candidates: 2,
	}
	if !reflect.DeepEqual(request.Sampling, want) || request.Reasoning.Effort != translate.EffortLow {
		t.Errorf("%+v %+v", request.Sampling, request.Reasoning)
	}
	if e := refused(t, with(`"generationConfig":{"temperature":3}`)); e.Param != "temperature" {
		t.Errorf("%v", e)
	}
}

// mustSay is the body's messages in a few words.
func mustSay(t *testing.T, body string) string {
	t.Helper()
	request, _ := mustDecode(t, body)
	var said []string
	for _, m := range request.Messages {
		for _, p := range m.Parts {
			word := fmt.Sprint(m.Role, ":", p.Text)
			if p.Call != nil {
				word = fmt.Sprint(m.Role, ":", p.Call.ID, " ", p.Call.Name, string(p.Call.Args))
			}
			if p.Result != nil {
				word = fmt.Sprint(m.Role, ":", p.Result.CallID, "=", string(p.Result.Output))
			}
			said = append(said, word)
		}
	}
	return strings.Join(said, "|")
}

// litellm#34029, CLIProxyAPI#658, codex-proxy#707: Cursor sends bodies of the Responses API to the chat route.
func TestABodyOfTheResponsesAPIIsReadAsAChat(t *testing.T) {
	const body = `{"model":"m","instructions":"be brief","max_output_tokens":99,"reasoning":{"effort":"high","summary":"auto"},"input":[
		{"role":"developer","content":"d"},
		{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]},
		{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x"},
		{"role":"assistant","content":[{"type":"output_text","text":"yes"}]},
		{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{\"a\":1}"},
		{"type":"custom_tool_call","call_id":"c2","name":"patch","input":"*** Begin"},
		{"type":"function_call_output","call_id":"c1","output":"done"},
		{"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text","text":"ok"}]},
		{"type":"item_reference","id":"msg_1"}],
		"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true},
		{"type":"custom","name":"patch","description":"Apply","format":{"type":"grammar","syntax":"lark","definition":"start: x"}}],
		"tool_choice":{"type":"custom","name":"patch"},"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"}}},
		"store":false,"include":["reasoning.encrypted_content"]}`
	const said = `2:be brief|2:d|0:hi|1:yes|1:c1 f{"a":1}|1:c2 patch{"input":"*** Begin"}|3:c1="done"|3:c2="ok"`
	if got := mustSay(t, body); got != said {
		t.Errorf("messages\n%s\nwant\n%s", got, said)
	}
	request, _ := mustDecode(t, body)
	tools := []translate.Tool{
		{Name: "f", Schema: []byte(`{"type":"object"}`), Strict: true},
		{Name: "patch", Description: "Apply\nInput format: lark\nstart: x", Freeform: true, Origin: 1},
	}
	if !reflect.DeepEqual(request.Tools, tools) {
		t.Errorf("tools %+v", request.Tools)
	}
	if want := (translate.Format{Kind: translate.FormatSchema, Name: "n", Schema: []byte(`{"type":"object"}`)}); !reflect.DeepEqual(request.Format, want) {
		t.Errorf("format %+v", request.Format)
	}
	if want := (translate.Reasoning{Effort: translate.EffortHigh, Show: ptr(true)}); !reflect.DeepEqual(request.Reasoning, want) {
		t.Errorf("reasoning %+v", request.Reasoning)
	}
	if request.Sampling.MaxTokens == nil || *request.Sampling.MaxTokens != 99 || !slices.Equal(request.ToolChoice.Names, []string{"patch"}) {
		t.Errorf("%+v %+v", request.Sampling, request.ToolChoice)
	}
	for body, want := range map[string]string{
		`{"input":"hi"}`:               "0:hi",
		`{"messages":[],"input":"hi"}`: "0:hi",
		`{"messages":[{"role":"user","content":"a"}],"input":"b","instructions":"i"}`: "2:i|0:a",
	} {
		if got := mustSay(t, body); got != want {
			t.Errorf("%s: %s", body, got)
		}
	}
	if e := strictly(t, body); e != nil {
		t.Error(e)
	}
}

func TestSearchIsGivenAndToldWhereTheUserIs(t *testing.T) {
	search := []translate.Builtin{{Kind: translate.BuiltinSearch, Param: "web_search_options"}}
	for options, want := range map[string]string{
		`{}`:                                "2:s|0:hi",
		`{"search_context_size":"low"}`:     "2:s|0:hi",
		`{"user_location":null}`:            "2:s|0:hi",
		`{"user_location":{"city":"Bonn"}}`: "2:s|2:The user is in Bonn.|0:hi",
		`{"user_location":{"type":"approximate","approximate":{"city":"Bonn","country":"DE","timezone":"Europe/Berlin"}}}`: "2:s|" +
			"2:The user is in Bonn, DE (time zone Europe/Berlin).|0:hi",
		`{"user_location":{"approximate":{"timezone":"Europe/Berlin"}}}`: "2:s|2:The user's time zone is Europe/Berlin.|0:hi",
	} {
		body := `{"messages":[{"role":"system","content":"s"},{"role":"user","content":"hi"}],"web_search_options":` + options + `}`
		if got := mustSay(t, body); got != want {
			t.Errorf("%s: %s", options, got)
		}
		if request, _ := mustDecode(t, body); !slices.Equal(request.Builtins, search) {
			t.Errorf("%s: %v", options, request.Builtins)
		}
	}
	if got := mustSay(t, `{"messages":[{"role":"system","content":"s"}],"web_search_options":{"user_location":{"city":"Bonn"}}}`); got !=
		"2:s|2:The user is in Bonn." {
		t.Error(got)
	}
}

func TestParallelCallsCanBeDeclined(t *testing.T) {
	for value, want := range map[string]bool{"true": false, "null": false, "false": true} {
		if request, _ := mustDecode(t, with(oneTool+`,"parallel_tool_calls":`+value)); request.OneCall != want {
			t.Errorf("%s: %v", value, request.OneCall)
		}
	}
}
