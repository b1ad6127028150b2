package gemini

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

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
			// SillyBunny#647
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
			messages: []translate.Message{
				hi, assistant(thought("hm", sig), text("a")), hi, assistant(text("b"), signed("", sig)), hi,
				assistant(thought("only", sig)), hi,
			},
			want: `[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"a","thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"b","thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"text":"hi"},{"text":"hi"}]}]`,
		}, {
			name: "names tell several speakers apart",
			messages: []translate.Message{
				{Role: translate.RoleUser, Name: "ann", Parts: []translate.Part{text("hi"), text("you")}},
				{Role: translate.RoleUser, Name: "bob", Parts: []translate.Part{text("hi")}},
			},
			want: `[{"role":"user","parts":[{"text":"ann: hi"},{"text":"you"},{"text":"bob: hi"}]}]`,
		}, {
			name:     "one speaker needs no name",
			messages: []translate.Message{{Role: translate.RoleUser, Name: "ann", Parts: []translate.Part{text("hi")}}},
			want:     `[{"role":"user","parts":[{"text":"hi"}]}]`,
		}, {
			name:     "media by reference",
			messages: []translate.Message{user(translate.Part{Kind: translate.PartMedia, Media: &translate.Media{MIME: "video/mp4", URI: "https://youtu.be/v"}})},
			want:     `[{"role":"user","parts":[{"fileData":{"mimeType":"video/mp4","fileUri":"https://youtu.be/v"}}]}]`,
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
			messages: []translate.Message{
				hi, assistant(text("ok"), call("a", "f", `{"x":1}`, sig), call("b", "g", ``, "")),
				toolSaid(result("b", `"two"`)), toolSaid(result("a", `{"one":1}`)),
			},
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
			messages: []translate.Message{
				hi, assistant(call("a", "f", `{}`, sig)), system(text("s")), user(text("u")),
				toolSaid(result("a", `1`)),
			},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"output":1}}}]},
				{"role":"user","parts":[{"text":"<system>\ns\n</system>"},{"text":"u"}]}]`,
		}, {
			name: "parallel calls in several messages are one step",
			messages: []translate.Message{
				hi, assistant(call("a", "f", `{}`, sig)), assistant(call("b", "g", `{}`, "")),
				toolSaid(result("a", `1`), result("b", `2`)),
			},
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
			messages: []translate.Message{
				hi, assistant(call("c", "f", `{}`, sig)), toolSaid(result("c", `1`)),
				assistant(call("c", "g", `{}`, sig), call("c", "h", `{}`, "")), toolSaid(result("c", `2`)), toolSaid(result("c", `3`)),
			},
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
			messages: []translate.Message{
				hi, assistant(call("", "f", `{}`, sig), call("", "g", `{}`, "")),
				toolSaid(translate.Part{Kind: translate.PartResult, Result: &translate.Result{Name: "g", Output: jsontext.Value(`2`)}},
					translate.Part{Kind: translate.PartResult, Result: &translate.Result{Name: "f", Output: jsontext.Value(`1`)}}),
			},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"` + sig + `"},{"functionCall":{"name":"g","args":{}}}]},
				{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":1}}},{"functionResponse":{"name":"g","response":{"output":2}}}]}]`,
		}, {
			name:     "a stray result without a name is the user's words",
			messages: []translate.Message{hi, toolSaid(result("zz", `"lost"`)), toolSaid(result("zz", `{"a":1}`))},
			want:     `[{"role":"user","parts":[{"text":"hi"},{"text":"[tool result] lost"},{"text":"[tool result] {\"a\":1}"}]}]`,
		}, {
			name: "a stray result with a name gets a made-up call",
			messages: []translate.Message{hi, toolSaid(translate.Part{
				Kind:   translate.PartResult,
				Result: &translate.Result{CallID: "zz", Name: "f", Output: jsontext.Value(`1`)},
			})},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"zz","name":"f","args":{}},` + skipSig + `}]},
				{"role":"user","parts":[{"functionResponse":{"id":"zz","name":"f","response":{"output":1}}}]}]`,
		}, {
			name: "an error and an empty output",
			messages: []translate.Message{
				hi, assistant(call("a", "f", `{}`, sig), call("b", "f", `[1]`, "")),
				toolSaid(translate.Part{Kind: translate.PartResult, Result: &translate.Result{CallID: "a", Output: jsontext.Value(`{"code":7}`), Error: true}}),
				toolSaid(result("b", ``)),
			},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"` + sig + `"},
				{"functionCall":{"id":"b","name":"f","args":{}}}]},
				{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"error":{"code":7}}}},
				{"functionResponse":{"id":"b","name":"f","response":{"output":""}}}]}]`,
		}, {
			name: "a tool's picture is part of the response",
			messages: []translate.Message{hi, assistant(call("a", "f", `{}`, sig)), toolSaid(translate.Part{
				Kind:   translate.PartResult,
				Result: &translate.Result{CallID: "a", Output: jsontext.Value(`"see"`), Media: []translate.Media{{MIME: "image/png", Data: []byte("x")}}},
			})},
			want: `[` + hiJSON + `,{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"` + sig + `"}]},
				{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"output":"see"},
				"parts":[{"inlineData":{"mimeType":"image/png","data":"eA=="}}]}}]}]`,
		}, {
			name: "for older models it stands beside the responses, after all of them", model: older,
			messages: []translate.Message{hi, assistant(call("a", "f", `{}`, ""), call("b", "f", `{}`, "")), toolSaid(translate.Part{
				Kind:   translate.PartResult,
				Result: &translate.Result{CallID: "a", Output: jsontext.Value(`"see"`), Media: []translate.Media{{MIME: "image/png", Data: []byte("x")}}},
			}), toolSaid(result("b", `1`))},
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
		// vercel#15560, litellm#16893, CLIProxyAPI#2098, code_puppy#165
		{"missing", newest, translate.GeminiAPI, translate.Signature{}, unsigned},
		{"missing, model unknown", "gemini-9-muon", translate.GeminiAPI, translate.Signature{}, unsigned},
		// LiteLLM took models for new by a substring that names no version but one
		{"missing, model newer than any known", "gemini-4-pro", translate.GeminiAPI, translate.Signature{}, unsigned},
		{"missing, model without a version", "gemini-flash-latest", translate.GeminiAPI, translate.Signature{}, unsigned},
		// gemini-cli keeps the two apart, as their encryption differs
		{"of another backend", newest, translate.GeminiAPI, of(translate.OriginCloud, sig), unsigned},
		{"of another backend, reverse", newest, translate.CodeAssist, of(translate.OriginGeminiAPI, sig), unsigned},
		// proxypal#146, antigravity-claude-proxy#18
		{"another provider's", newest, translate.GeminiAPI, of(translate.OriginUnknown, "claude#"+sig), unsigned},
		{"no base64", newest, translate.GeminiAPI, of(translate.OriginUnknown, "not base64!"), unsigned},
		{"impossible length", newest, translate.GeminiAPI, of(translate.OriginUnknown, "abcde"), unsigned},
		{"impossible padding", newest, translate.GeminiAPI, of(translate.OriginUnknown, "abcdef="), unsigned},
		{"two alphabets", newest, translate.GeminiAPI, of(translate.OriginUnknown, "ab+_"), unsigned},
		{"of the same family", newest, translate.GeminiAPI, translate.Signature{Family: "3", Value: sig}, sig},
		{"of another family", newest, translate.GeminiAPI, translate.Signature{Family: "4", Value: sig}, unsigned},
		{"for a model that has none", "gemma-4-31b-it", translate.GeminiAPI, of(translate.OriginGeminiAPI, sig), ""},
		{"too long", newest, translate.GeminiAPI, of(translate.OriginUnknown, strings.Repeat("a", translate.MaxSignature+4)), unsigned},
		{"missing, older model", older, translate.GeminiAPI, translate.Signature{}, ""},
		{"older model", older, translate.GeminiAPI, of(translate.OriginGeminiAPI, sig), sig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := encoded(t, talk(append([]translate.Message{hi}, step(tt.signature)...)...), tt.backend, tt.model)
			got := signaturesOf(t, e)
			// vercel#17649: a parallel call carries nothing, and nothing in its stead
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
		messages := []translate.Message{
			hi, assistant(thought("hm", sig), call("a", "f", `{}`, ""), call("b", "f", `{}`, "")),
			toolSaid(result("a", `1`), result("b", `1`)),
		}
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
