package gemini

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
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
	e, err := Encode(req, b, model(t, name))
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

func user(parts ...translate.Part) translate.Message      { return say(translate.RoleUser, parts...) }
func assistant(parts ...translate.Part) translate.Message { return say(translate.RoleModel, parts...) }
func system(parts ...translate.Part) translate.Message    { return say(translate.RoleSystem, parts...) }
func toolSaid(parts ...translate.Part) translate.Message  { return say(translate.RoleTool, parts...) }

// talk numbers the messages as a client's list would.
func talk(messages ...translate.Message) *translate.Request {
	for i := range messages {
		messages[i].Origin = i
	}
	return &translate.Request{Messages: messages, Thinking: translate.ThinkingHidden}
}

func TestContents(t *testing.T) {
	hi := user(text("hi"))
	tests := []struct {
		name     string
		model    string
		backend  translate.Backend
		messages []translate.Message
		want     string
		system   string
	}{
		{
			name:     "leading system messages are the instruction, one part each",
			messages: []translate.Message{system(text("a"), text("")), system(text("b")), hi},
			want:     `[{"role":"user","parts":[{"text":"hi"}]}]`,
			system:   `{"parts":[{"text":"a"},{"text":"b"}]}`,
		}, {
			name:     "a conversation of system messages only is the user's",
			messages: []translate.Message{system(text("a"))},
			want:     `[{"role":"user","parts":[{"text":"a"}]}]`,
		}, {
			name: "gemma takes no instruction: it begins what the user says", model: "gemma-4-31b-it",
			messages: []translate.Message{system(text("a")), hi},
			want:     `[{"role":"user","parts":[{"text":"a"},{"text":"hi"}]}]`,
		}, {
			name:     "a picture in a system message is the user's",
			messages: []translate.Message{system(text("a"), picture("x")), hi},
			want:     `[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"eA=="}},{"text":"hi"}]}]`,
			system:   `{"parts":[{"text":"a"}]}`,
		}, {
			name:     "a later system message is marked text of the user's, in its place",
			messages: []translate.Message{hi, assistant(text("yo")), system(text("be brief")), user(text("go"))},
			want: `[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"yo"}]},
				{"role":"user","parts":[{"text":"<system>\nbe brief\n</system>"},{"text":"go"}]}]`,
		}, {
			name:     "neighbours of one role are merged, their parts are not",
			messages: []translate.Message{hi, user(text("there")), assistant(text("a")), assistant(signed("b", sig)), hi},
			want: `[{"role":"user","parts":[{"text":"hi"},{"text":"there"}]},
				{"role":"model","parts":[{"text":"a"},{"text":"b","thoughtSignature":"` + sig + `"}]},{"role":"user","parts":[{"text":"hi"}]}]`,
		}, {
			name:     "empty parts are dropped, an empty message is a space",
			messages: []translate.Message{user(text(""), text("hi")), assistant(text("")), assistant(text("a")), user(text(""))},
			want:     `[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"a"}]},{"role":"user","parts":[{"text":" "}]}]`,
		}, {
			name:     "nothing at all is a space",
			messages: []translate.Message{user(text("")), user()},
			want:     `[{"role":"user","parts":[{"text":" "}]}]`,
		}, {
			name:     "the model never speaks first or last",
			messages: []translate.Message{assistant(text("I am"))},
			want: `[{"role":"user","parts":[{"text":" "}]},{"role":"model","parts":[{"text":"I am"}]},
				{"role":"user","parts":[{"text":"Continue exactly from where you stopped; do not repeat."}]}]`,
		}, {
			name: "thoughts are not replayed; their signature signs the text, as does one on an empty part",
			messages: []translate.Message{hi, assistant(thought("hm", sig), text("a")), hi, assistant(text("b"), signed("", sig)), hi,
				assistant(thought("only", sig)), hi},
			want: `[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"a","thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"b","thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"text":"hi"},{"text":"hi"}]}]`,
		}, {
			name: "names tell several speakers apart",
			messages: []translate.Message{{Role: translate.RoleUser, Name: "ann", Parts: []translate.Part{text("hi"), text("you")}},
				{Role: translate.RoleUser, Name: "bob", Parts: []translate.Part{text("hi")}}},
			want: `[{"role":"user","parts":[{"text":"ann: hi"},{"text":"you"},{"text":"bob: hi"}]}]`,
		}, {
			name:     "one speaker needs no name",
			messages: []translate.Message{{Role: translate.RoleUser, Name: "ann", Parts: []translate.Part{text("hi")}}},
			want:     `[{"role":"user","parts":[{"text":"hi"}]}]`,
		}, {
			name:     "media by reference",
			messages: []translate.Message{user(translate.Part{Kind: translate.PartMedia, Media: &translate.Media{MIME: "video/mp4", URI: "gs://b/v"}})},
			want:     `[{"role":"user","parts":[{"fileData":{"mimeType":"video/mp4","fileUri":"gs://b/v"}}]}]`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := encoded(t, talk(tt.messages...), translate.GeminiAPI, cmpOr(tt.model, newest))
			if got, want := e.member(t, "contents"), compact(t, tt.want); got != want {
				t.Errorf("contents\n%s, want\n%s", got, want)
			}
			if got := e.member(t, "systemInstruction"); got != compact(t, tt.system) {
				t.Errorf("systemInstruction %s, want %s", got, tt.system)
			}
		})
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func TestCallsAndResults(t *testing.T) {
	hi := user(text("hi"))
	const hiJSON = `{"role":"user","parts":[{"text":"hi"}]}`
	tests := []struct {
		name     string
		model    string
		backend  translate.Backend
		messages []translate.Message
		want     string
	}{
		{
			name: "parallel results make one content in the order of the calls; the id goes with both",
			messages: []translate.Message{hi, assistant(text("ok"), call("a", "f", `{"x":1}`, sig), call("b", "g", ``, "")),
				toolSaid(result("b", `"two"`)), toolSaid(result("a", `{"one":1}`))},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"text":"ok"},
				{"functionCall":{"id":"a","name":"f","args":{"x":1}},"thoughtSignature":"` + sig + `"},{"functionCall":{"id":"b","name":"g","args":{}}}]},
				{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"one":1}}},
				{"functionResponse":{"id":"b","name":"g","response":{"output":"two"}}}]}]`,
		}, {
			name:     "ids made here are sent on neither part",
			messages: []translate.Message{hi, assistant(call(ownID, "f", `{}`, sig)), toolSaid(result(ownID, `[1,2]`))},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":[1,2]}}}]}]`,
		}, {
			name: "Vertex gets no ids", backend: translate.Vertex,
			messages: []translate.Message{hi, assistant(call("a", "f", `{}`, sig)), toolSaid(result("a", `1`))},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":1}}}]}]`,
		}, {
			name: "Code Assist gets no ids", backend: translate.CodeAssist,
			messages: []translate.Message{hi, assistant(call("a", "f", `{}`, sig)), toolSaid(result("a", `1`))},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":1}}}]}]`,
		}, {
			name:     "a missing result is made up",
			messages: []translate.Message{hi, assistant(call("a", "f", `{}`, sig), call("b", "f", `{}`, "")), toolSaid(result("b", `1`))},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"` + sig + `"},
				{"functionCall":{"id":"b","name":"f","args":{}}}]},
				{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"error":"Tool result missing."}}},
				{"functionResponse":{"id":"b","name":"f","response":{"output":1}}}]}]`,
		}, {
			name:     "calls at the very end are answered, so that no model turn is last",
			messages: []translate.Message{hi, assistant(call("a", "f", `{}`, sig))},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"error":"Tool result missing."}}}]}]`,
		}, {
			name: "nothing stands between a call and its result, and what the user says after stays apart",
			messages: []translate.Message{hi, assistant(call("a", "f", `{}`, sig)), system(text("s")), user(text("u")),
				toolSaid(result("a", `1`))},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"output":1}}}]},
				{"role":"user","parts":[{"text":"<system>\ns\n</system>"},{"text":"u"}]}]`,
		}, {
			name: "parallel calls in several messages are one step",
			messages: []translate.Message{hi, assistant(call("a", "f", `{}`, sig)), assistant(call("b", "g", `{}`, "")),
				toolSaid(result("a", `1`), result("b", `2`))},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"` + sig + `"},
				{"functionCall":{"id":"b","name":"g","args":{}}}]},
				{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"output":1}}},
				{"functionResponse":{"id":"b","name":"g","response":{"output":2}}}]}]`,
		}, {
			name:     "calls in several messages of which none is answered are steps of their own",
			messages: []translate.Message{hi, assistant(call("a", "f", `{}`, sig)), assistant(call("b", "g", `{}`, sig)), hi},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"error":"Tool result missing."}}}]},
				{"role":"model","parts":[{"functionCall":{"id":"b","name":"g","args":{}},"thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"functionResponse":{"id":"b","name":"g","response":{"error":"Tool result missing."}}}]},` + hiJSON + `]`,
		}, {
			name:     "words in a message after a call come after its result",
			messages: []translate.Message{hi, assistant(call("a", "f", `{}`, sig)), assistant(text("done")), toolSaid(result("a", `1`)), hi},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"output":1}}}]},
				{"role":"model","parts":[{"text":"done"}]},` + hiJSON + `]`,
		}, {
			name:     "words after an unanswered call come after its made-up result",
			messages: []translate.Message{hi, assistant(call("a", "f", `{}`, sig)), assistant(text("done")), hi},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"error":"Tool result missing."}}}]},
				{"role":"model","parts":[{"text":"done"}]},` + hiJSON + `]`,
		}, {
			name: "the same id in two rounds answers the nearest call; a repeated id is not sent",
			messages: []translate.Message{hi, assistant(call("c", "f", `{}`, sig)), toolSaid(result("c", `1`)),
				assistant(call("c", "g", `{}`, sig), call("c", "h", `{}`, "")), toolSaid(result("c", `2`)), toolSaid(result("c", `3`))},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"c","name":"f","args":{}},"thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"functionResponse":{"id":"c","name":"f","response":{"output":1}}}]},
				{"role":"model","parts":[{"functionCall":{"name":"g","args":{}},"thoughtSignature":"` + sig + `"},{"functionCall":{"name":"h","args":{}}}]},
				{"role":"user","parts":[{"functionResponse":{"name":"g","response":{"output":2}}},{"functionResponse":{"name":"h","response":{"output":3}}}]}]`,
		}, {
			name:     "of two results for one call the last counts",
			messages: []translate.Message{hi, assistant(call("a", "f", `{}`, sig)), toolSaid(result("a", `1`)), toolSaid(result("a", `2`))},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"output":2}}}]}]`,
		}, {
			name: "a result without an id goes by its function's name",
			messages: []translate.Message{hi, assistant(call("", "f", `{}`, sig), call("", "g", `{}`, "")),
				toolSaid(translate.Part{Kind: translate.PartResult, Result: &translate.Result{Name: "g", Output: jsontext.Value(`2`)}},
					translate.Part{Kind: translate.PartResult, Result: &translate.Result{Name: "f", Output: jsontext.Value(`1`)}})},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"` + sig + `"},{"functionCall":{"name":"g","args":{}}}]},
				{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":1}}},{"functionResponse":{"name":"g","response":{"output":2}}}]}]`,
		}, {
			name:     "a stray result without a name is the user's words",
			messages: []translate.Message{hi, toolSaid(result("zz", `"lost"`)), toolSaid(result("zz", `{"a":1}`))},
			want:     `[{"role":"user","parts":[{"text":"hi"},{"text":"[tool result] lost"},{"text":"[tool result] {\"a\":1}"}]}]`,
		}, {
			name: "a stray result with a name gets a made-up call",
			messages: []translate.Message{hi, toolSaid(translate.Part{Kind: translate.PartResult,
				Result: &translate.Result{CallID: "zz", Name: "f", Output: jsontext.Value(`1`)}})},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"zz","name":"f","args":{}},` + skipSig + `}]},
				{"role":"user","parts":[{"functionResponse":{"id":"zz","name":"f","response":{"output":1}}}]}]`,
		}, {
			name: "an error and an empty output",
			messages: []translate.Message{hi, assistant(call("a", "f", `{}`, sig), call("b", "f", `[1]`, "")),
				toolSaid(translate.Part{Kind: translate.PartResult, Result: &translate.Result{CallID: "a", Output: jsontext.Value(`{"code":7}`), Error: true}}),
				toolSaid(result("b", ``))},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"` + sig + `"},
				{"functionCall":{"id":"b","name":"f","args":{}}}]},
				{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"error":{"code":7}}}},
				{"functionResponse":{"id":"b","name":"f","response":{"output":""}}}]}]`,
		}, {
			name: "a tool's picture is part of the response",
			messages: []translate.Message{hi, assistant(call("a", "f", `{}`, sig)), toolSaid(translate.Part{Kind: translate.PartResult,
				Result: &translate.Result{CallID: "a", Output: jsontext.Value(`"see"`), Media: []translate.Media{{MIME: "image/png", Data: []byte("x")}}}})},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"output":"see"},
				"parts":[{"inlineData":{"mimeType":"image/png","data":"eA=="}}]}}]}]`,
		}, {
			name: "for older models it stands beside the responses, after all of them", model: older,
			messages: []translate.Message{hi, assistant(call("a", "f", `{}`, ""), call("b", "f", `{}`, "")), toolSaid(translate.Part{Kind: translate.PartResult,
				Result: &translate.Result{CallID: "a", Output: jsontext.Value(`"see"`), Media: []translate.Media{{MIME: "image/png", Data: []byte("x")}}}}), toolSaid(result("b", `1`))},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}}},{"functionCall":{"id":"b","name":"f","args":{}}}]},
				{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"output":"see"}}},
				{"functionResponse":{"id":"b","name":"f","response":{"output":1}}},{"inlineData":{"mimeType":"image/png","data":"eA=="}}]}]`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			backend := translate.Backend(cmpOr(string(tt.backend), string(translate.GeminiAPI)))
			e := encoded(t, talk(tt.messages...), backend, cmpOr(tt.model, newest))
			if got, want := e.member(t, "contents"), compact(t, tt.want); got != want {
				t.Errorf("contents\n%s, want\n%s", got, want)
			}
		})
	}
}

func TestSignatures(t *testing.T) {
	hi := user(text("hi"))
	step := func(signature translate.Signature) []translate.Message {
		first := call("a", "f", `{}`, "")
		first.Call.Signature = signature
		return []translate.Message{assistant(first, call("b", "f", `{}`, "")), toolSaid(result("a", `1`), result("b", `1`))}
	}
	of := func(origin translate.SignatureOrigin, value string) translate.Signature {
		return translate.Signature{Origin: origin, Value: value}
	}
	tests := []struct {
		name      string
		model     string
		backend   translate.Backend
		signature translate.Signature
		want      string // on the first call
	}{
		{"of the same backend", newest, translate.GeminiAPI, of(translate.OriginGeminiAPI, sig), sig},
		{"of unknown origin", newest, translate.Vertex, of(translate.OriginUnknown, sig), sig},
		{"URL alphabet", newest, translate.Vertex, of(translate.OriginCloud, "a-_z"), "a-_z"},
		{"missing", newest, translate.GeminiAPI, translate.Signature{}, unsigned},
		{"missing, model unknown", "gemini-9-muon", translate.GeminiAPI, translate.Signature{}, unsigned},
		{"of another backend", newest, translate.GeminiAPI, of(translate.OriginCloud, sig), unsigned},
		{"of another backend, reverse", newest, translate.CodeAssist, of(translate.OriginGeminiAPI, sig), unsigned},
		{"no base64", newest, translate.GeminiAPI, of(translate.OriginUnknown, "not base64!"), unsigned},
		{"impossible length", newest, translate.GeminiAPI, of(translate.OriginUnknown, "abcde"), unsigned},
		{"too long", newest, translate.GeminiAPI, of(translate.OriginUnknown, strings.Repeat("a", translate.MaxSignature+4)), unsigned},
		{"missing, older model", older, translate.GeminiAPI, translate.Signature{}, ""},
		{"older model", older, translate.GeminiAPI, of(translate.OriginGeminiAPI, sig), sig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := encoded(t, talk(append([]translate.Message{hi}, step(tt.signature)...)...), tt.backend, tt.model)
			got := signaturesOf(t, e)
			if want := []string{tt.want, ""}; !reflect.DeepEqual(got, want) {
				t.Errorf("signatures of the calls %q, want %q", got, want)
			}
		})
	}

	t.Run("every step of the current turn, none before it", func(t *testing.T) {
		var messages []translate.Message
		messages = append(messages, hi)
		messages = append(messages, step(translate.Signature{})...)
		messages = append(messages, assistant(text("done")), hi)
		messages = append(messages, step(translate.Signature{})...)
		messages = append(messages, step(of(translate.OriginUnknown, sig))...)
		messages = append(messages, step(translate.Signature{})...)
		got := signaturesOf(t, encoded(t, talk(messages...), translate.GeminiAPI, newest))
		if want := []string{"", "", unsigned, "", sig, "", unsigned, ""}; !reflect.DeepEqual(got, want) {
			t.Errorf("signatures of the calls %q, want %q", got, want)
		}
	})
	t.Run("a thought's signature signs the first call after it", func(t *testing.T) {
		messages := []translate.Message{hi, assistant(thought("hm", sig), call("a", "f", `{}`, ""), call("b", "f", `{}`, "")),
			toolSaid(result("a", `1`), result("b", `1`))}
		got := signaturesOf(t, encoded(t, talk(messages...), translate.GeminiAPI, newest))
		if want := []string{sig, ""}; !reflect.DeepEqual(got, want) {
			t.Errorf("signatures of the calls %q, want %q", got, want)
		}
	})
}

// signaturesOf are the signatures of all calls in a body, empty where a call has none.
func signaturesOf(t *testing.T, e *Encoded) (signatures []string) {
	var body struct {
		Contents []struct {
			Parts []struct {
				FunctionCall     json.RawMessage
				ThoughtSignature string
			}
		}
	}
	if err := json.Unmarshal(e.Body, &body); err != nil {
		t.Fatal(err)
	}
	for _, c := range body.Contents {
		for _, p := range c.Parts {
			if p.FunctionCall != nil {
				signatures = append(signatures, p.ThoughtSignature)
			}
		}
	}
	return signatures
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
		{name: "empty stops are none", set: func(r *translate.Request) { r.Sampling.Stop = []string{""} }},
		{name: "a top_p of 0", set: func(r *translate.Request) { r.Sampling.TopP = new(0.0) }, want: `{"topP":0.000001}`},
		{name: "more tokens than the model has", set: func(r *translate.Request) { r.Sampling.MaxTokens = new(1 << 20) }, want: `{"maxOutputTokens":65536}`},
		{name: "a seed of 32 bits", set: func(r *translate.Request) { r.Sampling.Seed = new(int64(-7)) }, want: `{"seed":-7}`},
		{name: "a seed of 64 bits", set: func(r *translate.Request) { r.Sampling.Seed = new(int64(1<<40 + 5)) }, want: `{"seed":261}`},
		{
			name: "penalties of 0 are none",
			set: func(r *translate.Request) {
				r.Sampling.PresencePenalty, r.Sampling.FrequencyPenalty = new(0.0), new(0.0)
			},
		}, {
			name: "penalties",
			set: func(r *translate.Request) {
				r.Sampling.PresencePenalty, r.Sampling.FrequencyPenalty = new(0.5), new(-1.0)
			},
			want: `{"presencePenalty":0.5,"frequencyPenalty":-1}`,
		}, {
			name: "penalties on the Developer API's 2.5", model: older,
			set: func(r *translate.Request) {
				r.Sampling.PresencePenalty, r.Sampling.FrequencyPenalty = new(0.5), new(1.0)
			},
			ignored: []string{"presence_penalty", "frequency_penalty"},
		}, {
			name: "penalties on Vertex's 2.5", model: older, backend: translate.Vertex,
			set:  func(r *translate.Request) { r.Sampling.PresencePenalty = new(0.5) },
			want: `{"presencePenalty":0.5}`,
		}, {
			name: "penalties on Gemini 4", model: "gemini-4-argon", backend: translate.Vertex,
			set:     func(r *translate.Request) { r.Sampling.FrequencyPenalty = new(0.5) },
			ignored: []string{"frequency_penalty"},
		}, {
			name: "JSON", set: func(r *translate.Request) { r.Format.Kind = translate.FormatJSON },
			want: `{"responseMimeType":"application/json"}`,
		}, {
			name: "JSON of a schema", set: func(r *translate.Request) { r.Format = schema },
			want: `{"responseMimeType":"application/json","responseJsonSchema":{"type":"object","properties":{"a":{"enum":[1]}}}}`,
		}, {
			name: "JSON beside tools", set: func(r *translate.Request) { r.Format.Kind, r.Tools = translate.FormatJSON, tool },
			want: `{"responseMimeType":"application/json"}`,
		}, {
			name: "JSON beside tools on 2.5 is asked for in words", model: older,
			set: func(r *translate.Request) { r.Format, r.Tools = schema, tool },
		}, {
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
		{"some", translate.ToolChoice{Mode: translate.ChoiceAuto, Names: []string{"f g"}}, false,
			`{"functionCallingConfig":{"mode":"VALIDATED","allowedFunctionNames":["f_g"]}}`},
		{"required", translate.ToolChoice{Mode: translate.ChoiceRequired}, false, `{"functionCallingConfig":{"mode":"ANY"}}`},
		{"one", translate.ToolChoice{Mode: translate.ChoiceRequired, Names: []string{"f g"}}, false,
			`{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f_g"]}}`},
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
		{"too many stops", "stop", func(r *translate.Request) { r.Sampling.Stop = []string{"a", "b", "c", "d", "e", "f"} }},
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
			_, err := Encode(req, translate.GeminiAPI, model(t, newest))
			var e *translate.Error
			if !errors.As(err, &e) || e.Kind != translate.ErrInvalid || e.Status != 400 || e.Param != tt.param {
				t.Errorf("error %v, want a 400 about %s", err, tt.param)
			}
		})
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
		"":          "",
		"nonsense[": "",
	}
	for path, want := range tests {
		if got := e.Param(path); got != want {
			t.Errorf("Param(%q) = %q, want %q", path, got, want)
		}
	}
}
