package gateway_test

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// report is an answer of Google's that some gateway or client is publicly known to have got wrong, under the number of one report.
type report struct {
	name   string
	body   map[string]any // of the request, beside the question
	events []string
	want   conformance.Choice // of which the index, the role and the ids of calls go without saying
	usage  [3]int             // prompt, completion, reasoning
}

// says is an event of one candidate.
func says(parts, finish string) string {
	event := `{"candidates":[{"content":{"role":"model","parts":[` + parts + `]}`
	if finish != "" {
		event += `,"finishReason":"` + finish + `"`
	}
	return event + `}]}`
}

func text(content, finish string) conformance.Choice {
	return conformance.Choice{FinishReason: finish, Message: conformance.Message{Content: content}}
}

// calls is an answer of calls, each a name and arguments, of which the first carries a signature unless that is empty.
func calls(signature string, functions ...conformance.Function) conformance.Choice {
	c := conformance.Choice{FinishReason: "tool_calls"}
	for _, f := range functions {
		c.Message.ToolCalls = append(c.Message.ToolCalls, conformance.ToolCall{Type: "function", Function: f})
	}
	c.Message.ToolCalls[0].ExtraContent.Google.ThoughtSignature = signature
	return c
}

func image(url string) conformance.Choice {
	c := text("", "stop")
	c.Message.Images = make([]conformance.Image, 1)
	c.Message.Images[0].ImageURL.URL = url
	return c
}

func cited(content string, sources ...conformance.Annotation) conformance.Choice {
	c := text(content, "stop")
	c.Message.Annotations = sources
	return c
}

func source(start, end int, url, title string) (a conformance.Annotation) {
	a.URLCitation.Start, a.URLCitation.End, a.URLCitation.URL, a.URLCitation.Title = start, end, url, title
	return a
}

func blocked(why string) conformance.Choice {
	c := text("", "content_filter")
	c.Message.Refusal = why
	return c
}

// declares is a request's tool.
func declares(name string) map[string]any {
	return map[string]any{"tools": []any{map[string]any{"type": "function", "function": map[string]any{"name": name}}}}
}

const signature = "CiQB0AAA"

var reports = []report{
	{
		name: "ai-gateway#2399: a call, then an empty text with STOP, is a call",
		events: []string{
			says(`{"functionCall":{"name":"f","args":{"x":1}},"thoughtSignature":"`+signature+`"}`, ""), says(`{"text":""}`, "STOP"),
		},
		want: calls("gt1.g."+signature, conformance.Function{Name: "f", Arguments: `{"x":1}`}),
	}, {
		name:   "hermes-agent#62937: two calls in one event stay two",
		events: []string{says(`{"functionCall":{"name":"f","args":{"x":1}}},{"functionCall":{"name":"g","args":{"y":[2]}}}`, "STOP")},
		want:   calls("", conformance.Function{Name: "f", Arguments: `{"x":1}`}, conformance.Function{Name: "g", Arguments: `{"y":[2]}`}),
	}, {
		name: "hermes-agent#57939: calls of one name in two events are not merged",
		events: []string{
			says(`{"functionCall":{"name":"f","args":{"x":1}}}`, ""), says(`{"text":""}`, ""), says(`{"functionCall":{"name":"f","args":{"x":2}}}`, "STOP"),
		},
		want: calls("", conformance.Function{Name: "f", Arguments: `{"x":1}`}, conformance.Function{Name: "f", Arguments: `{"x":2}`}),
	}, {
		name: "ogx#5122: usage in every event is told once",
		events: []string{
			`{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":1,"totalTokenCount":11}}`,
			`{"candidates":[{"content":{"parts":[{"text":"b"}]}}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":4,"totalTokenCount":14}}`,
			`{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":7,"totalTokenCount":17}}`,
		},
		want:  text("ab", "stop"),
		usage: [3]int{10, 7, 0},
	}, {
		name: "any-llm#1367, CLIProxyAPI#5744: thoughts are part of the completion, results of Google's tools of the prompt",
		events: []string{`{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":80,
			"toolUsePromptTokenCount":237,"candidatesTokenCount":173,"thoughtsTokenCount":60,"totalTokenCount":550}}`},
		want:  text("a", "stop"),
		usage: [3]int{317, 233, 60},
	}, {
		name:   "LiteLLM: the text before a filter ended it is kept",
		events: []string{says(`{"text":"partial"}`, ""), says(``, "SAFETY")},
		want:   text("partial", "content_filter"),
	}, {
		name:   "LiteLLM: a blocked prompt is an answer of one choice",
		events: []string{`{"promptFeedback":{"blockReason":"SAFETY"}}`},
		want:   blocked("The request was blocked by Gemini (SAFETY)."),
	}, {
		name:   "litellm#18160: the first call is signed and no other, beside a short id",
		events: []string{says(`{"functionCall":{"name":"f"},"thoughtSignature":"`+strings.Repeat("QUJD", 1000)+`"},{"functionCall":{"name":"g"}}`, "STOP")},
		want: calls("gt1.g."+strings.Repeat("QUJD", 1000), conformance.Function{Name: "f", Arguments: `{}`},
			conformance.Function{Name: "g", Arguments: `{}`}),
	}, {
		name:   "vercel#12402: a signature on an empty text is kept, and the text is no delta",
		events: []string{says(`{"text":"a"}`, ""), says(`{"text":"","thoughtSignature":"`+signature+`"}`, "STOP")},
		want: conformance.Choice{FinishReason: "stop", Message: conformance.Message{
			Content: "a", ExtraContent: signedBy("gt1.g." + signature),
		}},
	}, {
		name:   "any-llm#1202: names come without Google's own prefix",
		body:   declares("Bash"),
		events: []string{says(`{"functionCall":{"name":"default_api:Bash"}},{"functionCall":{"name":"default_api.Bash"}}`, "STOP")},
		want:   calls("", conformance.Function{Name: "Bash", Arguments: `{}`}, conformance.Function{Name: "Bash", Arguments: `{}`}),
	}, {
		name:   "vercel#3392, #14968: a call without arguments has the empty object",
		events: []string{says(`{"functionCall":{"name":"f"}},{"functionCall":{"name":"g","args":{}}},{"functionCall":{"name":"h","args":null}}`, "STOP")},
		want: calls("", conformance.Function{Name: "f", Arguments: `{}`}, conformance.Function{Name: "g", Arguments: `{}`},
			conformance.Function{Name: "h", Arguments: `{}`}),
	}, {
		name: "vercel#4934, #5061, #3637: what is empty or new is passed over",
		events: []string{
			`{"candidates":[{"content":{}}]}`, says(`{}`, ""), `{"candidates":[]}`, `{"candidates":[{}]}`, says(`{"text":"a"}`, "A_NEW_REASON"),
		},
		want: text("a", "stop"),
	}, {
		name:   "CLIProxyAPI: two texts in one event are both told",
		events: []string{says(`{"text":"one "},{"text":"two"}`, "STOP")},
		want:   text("one two", "stop"),
	}, {
		name: "vercel#9867, #12002, #13123: sources count characters, need no title, and may come before the end",
		events: []string{
			says(`{"text":"67°F in Zürich 🙂."}`, ""),
			`{"candidates":[{"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a.example/","title":"A"}},{"web":{"uri":"https://b.example/"}}],
				"groundingSupports":[{"segment":{"endIndex":5,"text":"67°F"},"groundingChunkIndices":[0,1]},{"groundingChunkIndices":[0]},
				{"segment":{"startIndex":9,"endIndex":21,"text":"Zürich 🙂"},"groundingChunkIndices":[1]}]}}]}`,
			`{"candidates":[{"finishReason":"STOP","groundingMetadata":{"groundingChunks":[]}}]}`,
		},
		want: cited("67°F in Zürich 🙂.", source(0, 4, "https://a.example/", "A"), source(0, 4, "https://b.example/", ""),
			source(8, 16, "https://b.example/", "")),
	}, {
		name:   "vercel#10471: a picture is told once, as a data URL",
		events: []string{says(`{"inlineData":{"mimeType":"image/png","data":"iVBORw0K"}}`, ""), says(`{"text":""}`, "STOP")},
		want:   image("data:image/png;base64,iVBORw0K"),
	}, {
		name:   "OmniRoute#8211: a good call beside a malformed one is used",
		body:   declares("f"),
		events: []string{says(`{"functionCall":{"name":"f","args":{"x":1}}}`, "MALFORMED_FUNCTION_CALL")},
		want:   calls("", conformance.Function{Name: "f", Arguments: `{"x":1}`}),
	}, {
		name:   "CLIProxyAPI: the token limit is length",
		events: []string{says(`{"text":"a"}`, "MAX_TOKENS")},
		want:   text("a", "length"),
	}, {
		name:   "a call that is whole beats the token limit",
		events: []string{says(`{"functionCall":{"name":"f"}}`, ""), says(``, "MAX_TOKENS")},
		want:   calls("", conformance.Function{Name: "f", Arguments: `{}`}),
	},
}

func signedBy(carrier string) (e conformance.Extra) {
	e.Google.ThoughtSignature = carrier
	return e
}

// tell has Google answer a streamed and a plain request with the report's events.
func (r *report) tell(t *testing.T, check func(w *world, a *answer, c conformance.Completion)) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		reply := googlesim.Reply{Events: slices.Clone(r.events)}
		for i, event := range reply.Events {
			reply.Events[i] = strings.NewReplacer("\n", "", "\t", "").Replace(event)
		}
		w.script("", reply)
		body, parse := plain(), conformance.ParseCompletion
		if isStream(w) {
			body = stream()
			parse = func(tb testing.TB, sse []byte) conformance.Completion { return conformance.CheckStream(tb, sse, true) }
		}
		maps.Copy(body, r.body)
		a := w.ask(body)
		if a.Code != http.StatusOK {
			w.Fatalf("status %d: %s", a.Code, a.Body)
		}
		check(w, a, parse(w, a.Body.Bytes()))
	})
}

func TestReportedAnswersReachTheClient(t *testing.T) {
	for _, r := range reports {
		t.Run(r.name, func(t *testing.T) {
			r.tell(t, func(w *world, a *answer, c conformance.Completion) {
				want := r.want
				want.Message.Role = "assistant"
				got := c.Choices[0]
				for i := range got.Message.ToolCalls {
					got.Message.ToolCalls[i].ID = "" // checked already
				}
				if len(got.Message.Annotations) == 0 {
					got.Message.Annotations = nil
				}
				if len(c.Choices) != 1 || !reflect.DeepEqual(got, want) {
					w.Errorf("answer %+v\n  want %+v\n%s", got, want, a.Body)
				}
				u := c.Usage
				if got := [3]int{u.PromptTokens, u.CompletionTokens, u.CompletionTokensDetails.ReasoningTokens}; got != r.usage {
					w.Errorf("usage %v, want %v", got, r.usage)
				}
			})
		})
	}
}

func TestReportedAnswersObeyOpenAIsSchemas(t *testing.T) {
	v := conformance.NewValidator(t)
	for _, r := range reports {
		r.tell(t, func(w *world, a *answer, _ conformance.Completion) { checkSchema(w, v, a) })
	}
}

// CLIProxyAPI#1643, rig#1761
func TestCachedTokensArePartOfThePrompt(t *testing.T) {
	r := report{events: []string{`{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}],"usageMetadata":{
		"promptTokenCount":12013,"cachedContentTokenCount":11243,"candidatesTokenCount":1,"totalTokenCount":12014}}`}}
	r.tell(t, func(w *world, _ *answer, c conformance.Completion) {
		if c.Usage.PromptTokens != 12013 || c.Usage.PromptTokensDetails.CachedTokens != 11243 {
			w.Errorf("usage %+v", c.Usage)
		}
	})
}

// vercel#18662
func TestRateLimitSaysWhenToComeBack(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.start()
		limited := googlesim.RateMinute(model, 34*time.Second)
		limited.Body = strings.ReplaceAll(limited.Body, `"34s"`, `"34.07s"`)
		w.script("", limited)
		a := ask()
		w.wantError(a, http.StatusTooManyRequests, "rate_limit_exceeded")
		if after, exact := a.Header().Get("Retry-After"), a.Header().Get("Retry-After-Ms"); after != "35" || exact != "34070" {
			w.Errorf("Retry-After %q, in milliseconds %q", after, exact)
		}
	})
}
