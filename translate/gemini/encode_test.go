package gemini

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

const (
	newest  = "gemini-3.8-flash"
	older   = "gemini-2.5-flash"
	sig     = "c2lnbmF0dXJl"
	ownID   = "call_gpABCDEFGHIJKLMNOPQRSTUV"
	skipSig = `"thoughtSignature":"skip_thought_signature_validator"`
)

var catalogue = NewCatalogue()

func model(t testing.TB, name string) *Model {
	t.Helper()
	m, ok := catalogue.Find(name)
	if !ok {
		t.Fatalf("no model %q", name)
	}
	return m
}

func encoded(t testing.TB, req *translate.Request, b translate.Backend, name string) *Encoded {
	t.Helper()
	e, err := Encode(req, b, model(t, name), Remedies{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// member is one member of the body.
func (e *Encoded) member(t testing.TB, name string) string {
	t.Helper()
	var body map[string]json.RawMessage
	if err := json.Unmarshal(e.Body, &body); err != nil {
		t.Fatalf("%v in %s", err, e.Body)
	}
	return string(body[name])
}

func compact(t testing.TB, text string) string {
	t.Helper()
	if text == "" {
		return ""
	}
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return b.String()
}

func text(s string) translate.Part { return translate.Part{Kind: translate.PartText, Text: s} }

func thought(s, signature string) translate.Part {
	return translate.Part{Kind: translate.PartThought, Text: s, Signature: translate.Signature{Value: signature}}
}

func signed(s, signature string) translate.Part {
	return translate.Part{Kind: translate.PartText, Text: s, Signature: translate.Signature{Value: signature}}
}

func call(id, name, args, signature string) translate.Part {
	return translate.Part{Kind: translate.PartCall, Call: &translate.Call{
		ID: id, Name: name, Args: jsontext.Value(args), Signature: translate.Signature{Value: signature},
	}}
}

func result(id, output string) translate.Part {
	return translate.Part{Kind: translate.PartResult, Result: &translate.Result{CallID: id, Output: jsontext.Value(output)}}
}

func picture(data string) translate.Part {
	return translate.Part{Kind: translate.PartMedia, Media: &translate.Media{MIME: "image/png", Data: []byte(data)}}
}

func say(role translate.Role, parts ...translate.Part) translate.Message {
	return translate.Message{Role: role, Parts: parts}
}

func user(parts ...translate.Part) translate.Message { return say(translate.RoleUser, parts...) }

func assistant(parts ...translate.Part) translate.Message { return say(translate.RoleModel, parts...) }

func system(parts ...translate.Part) translate.Message { return say(translate.RoleSystem, parts...) }

func toolSaid(parts ...translate.Part) translate.Message { return say(translate.RoleTool, parts...) }

// talk numbers the messages as a client's list would.
func talk(messages ...translate.Message) *translate.Request {
	for i := range messages {
		messages[i].Origin = i
	}
	return &translate.Request{Messages: messages, Thinking: translate.ThinkingHidden}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func TestGenerationConfig(t *testing.T) {
	schema := translate.Format{Kind: translate.FormatSchema, Schema: jsontext.Value(`{"type":"object","$schema":"x","properties":{"a":{"const":1}}}`)}
	tool := []translate.Tool{{Name: "f"}}
	tests := []struct {
		name    string
		model   string
		backend translate.Backend
		set     func(r *translate.Request)
		want    string
		ignored []string
	}{
		{name: "nothing said, nothing sent", set: func(r *translate.Request) {}},
		{
			name: "sampling as it is",
			set: func(r *translate.Request) {
				r.Sampling = translate.Sampling{Temperature: new(0.0), TopP: new(0.5), TopK: new(40), MaxTokens: new(100), Stop: []string{"", "x"}}
			},
			want: `{"temperature":0,"topP":0.5,"topK":40,"maxOutputTokens":100,"stopSequences":["x"]}`,
		},
		{
			name: "as many stops as Google takes",
			set:  func(r *translate.Request) { r.Sampling.Stop = []string{"a", "", "b", "c", "d", "e", "f"} },
			want: `{"stopSequences":["a","b","c","d","e"]}`,
		},
		{name: "empty stops are none", set: func(r *translate.Request) { r.Sampling.Stop = []string{""} }},
		{name: "a top_p of 0", set: func(r *translate.Request) { r.Sampling.TopP = new(0.0) }, want: `{"topP":0.000001}`},
		{name: "more tokens than the model has", set: func(r *translate.Request) { r.Sampling.MaxTokens = new(1 << 20) }, want: `{"maxOutputTokens":65536}`},
		{name: "one answer", set: func(r *translate.Request) { r.Sampling.Candidates = 1 }},
		{
			name: "several answers", model: "gemini-2.5-flash", set: func(r *translate.Request) { r.Sampling.Candidates = 8 },
			want: `{"candidateCount":8}`,
		},
		{name: "a seed of 32 bits", set: func(r *translate.Request) { r.Sampling.Seed = new(int64(-7)) }, want: `{"seed":-7}`},
		{name: "a seed of 64 bits", set: func(r *translate.Request) { r.Sampling.Seed = new(int64(1<<40 + 5)) }, want: `{"seed":261}`},
		{
			name: "penalties of 0 are none",
			set: func(r *translate.Request) {
				r.Sampling.PresencePenalty, r.Sampling.FrequencyPenalty = new(0.0), new(0.0)
			},
		},
		{
			name: "penalties",
			set: func(r *translate.Request) {
				r.Sampling.PresencePenalty, r.Sampling.FrequencyPenalty = new(0.5), new(-1.0)
			},
			want: `{"presencePenalty":0.5,"frequencyPenalty":-1}`,
		},
		{
			name: "penalties on the Developer API's 2.5", model: older,
			set: func(r *translate.Request) {
				r.Sampling.PresencePenalty, r.Sampling.FrequencyPenalty = new(0.5), new(1.0)
			},
			ignored: []string{"presence_penalty", "frequency_penalty"},
		},
		{
			name: "penalties on Vertex's 2.5", model: older, backend: translate.Vertex,
			set:  func(r *translate.Request) { r.Sampling.PresencePenalty = new(0.5) },
			want: `{"presencePenalty":0.5}`,
		},
		{
			name: "penalties on Gemini 4", model: "gemini-4-argon", backend: translate.Vertex,
			set:     func(r *translate.Request) { r.Sampling.FrequencyPenalty = new(0.5) },
			ignored: []string{"frequency_penalty"},
		},
		{
			name: "JSON", set: func(r *translate.Request) { r.Format.Kind = translate.FormatJSON },
			want: `{"responseMimeType":"application/json"}`,
		},
		{
			name: "JSON of a schema", set: func(r *translate.Request) { r.Format = schema },
			want: `{"responseMimeType":"application/json","responseJsonSchema":{"type":"object","properties":{"a":{"enum":[1]}}}}`,
		},
		{
			name: "JSON beside tools", set: func(r *translate.Request) { r.Format.Kind, r.Tools = translate.FormatJSON, tool },
			want: `{"responseMimeType":"application/json"}`,
		},
		{
			name: "JSON beside tools on 2.5 is asked for in words", model: older,
			set: func(r *translate.Request) { r.Format, r.Tools = schema, tool },
		},
		{
			name: "JSON of gemma is asked for in words", model: "gemma-4-31b-it",
			set: func(r *translate.Request) { r.Format = schema },
		},
		{
			name: "all of it for Code Assist", backend: translate.CodeAssist,
			set: func(r *translate.Request) {
				r.Sampling = translate.Sampling{Temperature: new(1.0), Seed: new(int64(1))}
				r.Format, r.Tools, r.Thinking, r.Reasoning.Effort = schema, tool, translate.ThinkingReasoning, translate.EffortLow
			},
			want: `{"temperature":1,"seed":1,"responseMimeType":"application/json","responseJsonSchema":{"type":"object","properties":{"a":{"enum":[1]}}},
				"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"LOW"}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := talk(user(text("hi")))
			tt.set(req)
			e := encoded(t, req, translate.Backend(cmpOr(string(tt.backend), string(translate.GeminiAPI))), cmpOr(tt.model, newest))
			if got := e.member(t, "generationConfig"); got != compact(t, tt.want) {
				t.Errorf("generationConfig %s, want %s", got, compact(t, tt.want))
			}
			if !reflect.DeepEqual(e.Ignored, tt.ignored) {
				t.Errorf("ignored %q, want %q", e.Ignored, tt.ignored)
			}
		})
	}
}

func TestJSONInWords(t *testing.T) {
	req := talk(system(text("be kind")), user(text("hi")))
	req.Tools = []translate.Tool{{Name: "f"}}
	req.Format = translate.Format{Kind: translate.FormatSchema, Schema: jsontext.Value(`{"type":"object"}`)}
	got := encoded(t, req, translate.GeminiAPI, older).member(t, "systemInstruction")
	if !strings.Contains(got, `{"text":"be kind"},{"text":"Answer with a single JSON value`) || !strings.Contains(got, `{\"type\":\"object\"}`) {
		t.Errorf("systemInstruction %s", got)
	}
}

func TestTools(t *testing.T) {
	req := talk(user(text("hi")))
	req.Tools = []translate.Tool{
		{Name: "f", Description: "old"},
		{Name: "9 lives", Schema: jsontext.Value(`{"$schema":"s","type":"object","properties":{}}`)},
		{Name: "g", Schema: jsontext.Value(`{}`)},
		{Name: "h", Schema: jsontext.Value(`null`)},
		{Name: "f", Description: "new", Schema: jsontext.Value(`{"type":"object","properties":{"strict":{"type":"string"}},"strict":true}`)},
	}
	want := compact(t, `[{"functionDeclarations":[
		{"name":"_9_lives","parametersJsonSchema":{"type":"object","properties":{}}},{"name":"g"},{"name":"h"},
		{"name":"f","description":"new","parametersJsonSchema":{"type":"object","properties":{"strict":{"type":"string"}}}}]}]`)
	for _, b := range []translate.Backend{translate.GeminiAPI, translate.Vertex, translate.CodeAssist} {
		if got := encoded(t, req, b, newest).member(t, "tools"); got != want {
			t.Errorf("%s: tools\n%s, want\n%s", b, got, want)
		}
	}
}

func TestToolChoice(t *testing.T) {
	tests := []struct {
		name   string
		choice translate.ToolChoice
		strict bool
		want   string
	}{
		{"unset", translate.ToolChoice{}, true, ``},
		{"none", translate.ToolChoice{Mode: translate.ChoiceNone}, false, `{"functionCallingConfig":{"mode":"NONE"}}`},
		{"auto", translate.ToolChoice{Mode: translate.ChoiceAuto}, false, `{"functionCallingConfig":{"mode":"AUTO"}}`},
		{"auto with a strict tool", translate.ToolChoice{Mode: translate.ChoiceAuto}, true, `{"functionCallingConfig":{"mode":"VALIDATED"}}`},
		{
			"some",
			translate.ToolChoice{Mode: translate.ChoiceAuto, Names: []string{"f g"}},
			false,
			`{"functionCallingConfig":{"mode":"VALIDATED","allowedFunctionNames":["f_g"]}}`,
		},
		{"required", translate.ToolChoice{Mode: translate.ChoiceRequired}, false, `{"functionCallingConfig":{"mode":"ANY"}}`},
		{
			"one",
			translate.ToolChoice{Mode: translate.ChoiceRequired, Names: []string{"f g"}},
			false,
			`{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f_g"]}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := talk(user(text("hi")))
			req.Tools = []translate.Tool{{Name: "f g", Strict: tt.strict}}
			req.ToolChoice = tt.choice
			if got := encoded(t, req, translate.GeminiAPI, newest).member(t, "toolConfig"); got != tt.want {
				t.Errorf("toolConfig %s, want %s", got, tt.want)
			}
			req.Tools = nil
			if got := encoded(t, req, translate.GeminiAPI, newest).member(t, "toolConfig"); got != "" {
				t.Errorf("toolConfig %s without tools", got)
			}
		})
	}
}

func TestRequestsThatCannotBeEncoded(t *testing.T) {
	many := make([]translate.Tool, maxTools+1)
	for i := range many {
		many[i].Name = "f" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	tests := []struct {
		name, param string
		set         func(r *translate.Request)
	}{
		{"a file in a bucket, of which only the cloud's services know", "messages[0].content[1].image_url.url", func(r *translate.Request) {
			r.Messages[0].Parts = append(r.Messages[0].Parts, translate.Part{Kind: translate.PartMedia, Media: &translate.Media{
				MIME: "image/png", URI: "gs://bucket/a.png", Param: "messages[0].content[1].image_url.url",
			}})
		}},
		{"log probabilities that are not to be had", "logprobs", func(r *translate.Request) { r.Sampling.LogProbs = new(2) }},
		{"sound from a model that has none", "modalities", func(r *translate.Request) {
			r.Output.Modalities = []translate.Modality{translate.ModalityText, translate.ModalityAudio}
		}},
		{"what would have no effect, of a strict client", "image_config", func(r *translate.Request) {
			r.Strict, r.Output.ImageSize = true, "2K"
		}},
		{"more answers than the model gives", "n", func(r *translate.Request) { r.Sampling.Candidates = 2 }},
		{"too many tools", "tools", func(r *translate.Request) { r.Tools = many }},
		{"a tool's schema is no JSON", "tools[7].function.parameters", func(r *translate.Request) {
			r.Tools = []translate.Tool{{Name: "f", Schema: jsontext.Value(`{"a":`), Origin: 7}}
		}},
		{"the answer's schema is no JSON", "response_format", func(r *translate.Request) {
			r.Format = translate.Format{Kind: translate.FormatSchema, Schema: jsontext.Value(`{]`)}
		}},
		{"arguments are no JSON", "messages", func(r *translate.Request) {
			r.Messages = []translate.Message{assistant(call("a", "f", `{"a":`, ""))}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := talk(user(text("hi")))
			tt.set(req)
			_, err := Encode(req, translate.GeminiAPI, model(t, newest), Remedies{})
			var e *translate.Error
			if !errors.As(err, &e) || e.Kind != translate.ErrInvalid || e.Status != 400 || e.Param != tt.param {
				t.Errorf("error %v, want a 400 about %s", err, tt.param)
			}
		})
	}
}

func TestFilesAreReadByTheServicesThatKnowOfThem(t *testing.T) {
	for uri, services := range map[string][]translate.Backend{
		"gs://bucket/a.png": {translate.Vertex, translate.CodeAssist},
		"https://generativelanguage.googleapis.com/v1beta/files/abc": {translate.GeminiAPI},
		"https://www.youtube.com/watch?v=x":                          {translate.GeminiAPI, translate.Vertex, translate.CodeAssist},
	} {
		for _, b := range []translate.Backend{translate.GeminiAPI, translate.Vertex, translate.CodeAssist} {
			media := translate.Part{Kind: translate.PartMedia, Media: &translate.Media{URI: uri}}
			_, err := Encode(talk(user(text("hi"), media)), b, model(t, newest), Remedies{})
			if (err == nil) != slices.Contains(services, b) {
				t.Errorf("%s on %s: %v", uri, b, err)
			}
		}
	}
}

func TestFiveStopsAreAllowed(t *testing.T) {
	req := talk(user(text("hi")))
	req.Sampling.Stop = []string{"a", "b", "", "c", "d", "e"}
	if got := encoded(t, req, translate.GeminiAPI, newest).member(t, "generationConfig"); got != `{"stopSequences":["a","b","c","d","e"]}` {
		t.Errorf("generationConfig %s", got)
	}
}

func TestFoldedSeedsAreStable(t *testing.T) {
	for _, seed := range []int64{math.MaxInt64, math.MinInt64, math.MaxInt32 + 1, math.MinInt32 - 1} {
		if got := foldSeed(seed); got < 0 || got != foldSeed(seed) {
			t.Errorf("foldSeed(%d) = %d", seed, got)
		}
	}
}

func TestParam(t *testing.T) {
	req := talk(system(text("s")), system(text("t")), assistant(text("a")), user(text("b")), user(text("c")),
		assistant(call("x", "f", `{}`, "")), toolSaid(result("x", `1`)))
	req.Tools = []translate.Tool{{Name: "f", Origin: 0}, {Name: "g", Origin: 2}, {Name: "f", Origin: 3}}
	e := encoded(t, req, translate.GeminiAPI, newest)
	tests := map[string]string{
		// The first content is a made-up user turn.
		"contents[0].parts[0]":      "",
		"contents[1]":               "messages[2]",
		"contents[2].parts[1].text": "messages[4]",
		"contents[2]":               "messages[3]",
		"GenerateContentRequest.contents[3].parts[0].function_call": "messages[5]",
		"request.contents[4].parts[0].function_response.name":       "messages[6]",
		"contents[9].parts[0]":        "",
		"contents[2].parts[9]":        "",
		"system_instruction.parts[1]": "messages[1]",
		"systemInstruction":           "messages[0]",
		"tools[0].function_declarations[0].parameters.properties[1]":    "tools[2].function.parameters",
		"tools[0].functionDeclarations[1].parametersJsonSchema.type":    "tools[3].function.parameters",
		"tools[0].function_declarations[1].name":                        "tools[3].function.name",
		"tools[0].function_declarations[1]":                             "tools[3]",
		"tools[0].function_declarations[9]":                             "tools",
		"generation_config.response_json_schema.properties[a]":          "response_format",
		"generationConfig.stopSequences[0]":                             "stop",
		"GenerateContentRequest.generation_config.max_output_tokens":    "max_tokens",
		"generation_config.thinking_config.thinking_budget":             "reasoning_effort",
		"tool_config.function_calling_config.allowed_function_names[0]": "tool_choice",
		"CachedContent": "cached_content",
		"labels":        "labels",
		"":              "",
		"nonsense[":     "",
	}
	for path, want := range tests {
		if got := e.Param(path); got != want {
			t.Errorf("Param(%q) = %q, want %q", path, got, want)
		}
	}
}
