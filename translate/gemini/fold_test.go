package gemini

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// told writes an event on one line.
func told(e translate.Event) string {
	var s string
	switch e.Kind {
	case translate.EventText:
		s = fmt.Sprintf("text %q", e.Text)
	case translate.EventThought:
		s = fmt.Sprintf("thought %q", e.Text)
	case translate.EventCall:
		s = fmt.Sprintf("call %s %s %s", e.Call.ID, e.Call.Name, e.Call.Args)
		if !e.Call.Signature.IsZero() {
			s += " " + e.Call.Signature.Carrier()
		}
	case translate.EventMedia:
		s = fmt.Sprintf("media %s %q", e.Media.MIME, e.Media.Data)
	case translate.EventCitation:
		s = fmt.Sprintf("citation %d-%d %s %s", e.Citation.Start, e.Citation.End, e.Citation.URI, e.Citation.Title)
	case translate.EventTier:
		s = "tier " + string(e.Tier)
	case translate.EventSignature:
		s = "signature"
	case translate.EventLogProbs:
		s = fmt.Sprintf("likely %v", e.LogProbs)
	case translate.EventBlocked:
		s = fmt.Sprintf("blocked %q", e.Text)
	case translate.EventFinish:
		s = fmt.Sprintf("finish %d", e.Finish)
	case translate.EventUsage:
		s = fmt.Sprintf("usage %d+%d", e.Usage.Prompt, e.Usage.Completion)
	}
	if !e.Signature.IsZero() {
		s += " " + e.Signature.Carrier()
	}
	if e.Candidate > 0 {
		s = fmt.Sprintf("%d: %s", e.Candidate, s)
	}
	return strings.ReplaceAll(s, "  ", " ")
}

// folded runs payloads through one Response and one Fold.
func folded(t testing.TB, req *translate.Request, payloads ...string) (events []string, state EndState, f *Fold) {
	t.Helper()
	f = NewFold(translate.GeminiAPI, model(t, newest), req)
	var r Response
	var list []translate.Event
	for _, p := range payloads {
		if err := r.Decode([]byte(p)); err != nil {
			t.Fatalf("%v in %s", err, p)
		}
		list = f.Add(list, &r)
	}
	list, state = f.End(list)
	for _, e := range list {
		events = append(events, told(e))
	}
	return events, state, f
}

// candidateOf is a payload of one candidate.
func candidateOf(parts, reason string) string {
	p := `{"candidates":[{"content":{"parts":[` + parts + `],"role":"model"}`
	if reason != "" {
		p += `,"finishReason":"` + reason + `"`
	}
	return p + `}]}`
}

const (
	done   = "finish 0"
	length = "finish 1"
	calls  = "finish 2"
	filter = "finish 3"
	free   = "usage 0+0"
)

func TestFold(t *testing.T) {
	req := &translate.Request{Tools: []translate.Tool{{Name: "f"}, {Name: "my tool"}}}
	tests := []struct {
		name     string
		payloads []string
		want     []string
		state    EndState
	}{
		{
			name: "text and thoughts, deltas as they come",
			payloads: []string{
				candidateOf(`{"text":"hm","thought":true}`, ""), candidateOf(`{"text":"a"},{"text":"b"}`, ""),
				candidateOf(`{"text":"c"}`, "STOP"),
			},
			want: []string{`thought "hm"`, `text "a"`, `text "b"`, `text "c"`, done, free},
		},
		{
			name:     "a picture the model tried while it thought is none of the answer",
			payloads: []string{candidateOf(`{"thought":true,"inlineData":{"mimeType":"image/png","data":"AA=="}},{"text":"a"}`, "STOP")},
			want:     []string{`text "a"`, done, free},
		},
		{
			name:     "STOP on every chunk and text after it: one finish, last",
			payloads: []string{candidateOf(`{"text":"a"}`, "STOP"), candidateOf(`{"text":"b"}`, "STOP"), candidateOf(`{"text":"c"}`, "")},
			want:     []string{`text "a"`, `text "b"`, `text "c"`, done, free},
		},
		{
			name: "calls in one chunk and over several; empty text with a signature",
			payloads: []string{
				candidateOf(`{"text":"x"},{"functionCall":{"id":"1","name":"f","args":{"a":1}},"thoughtSignature":"c2ln"},{"functionCall":{"name":"f"}}`, ""),
				candidateOf(`{"functionCall":{"name":"f","args":{"b":2}}}`, ""), candidateOf(`{"text":"","thoughtSignature":"Zm9v"}`, "STOP"),
			},
			want: []string{`text "x"`, `call 1 f {"a":1} gt1.g.c2ln`, `call f {}`, `call f {"b":2}`, `signature gt1.g.Zm9v`, calls, free},
		},
		{
			name:     "names come back as the client declared them",
			payloads: []string{candidateOf(`{"functionCall":{"name":"my_tool"}},{"functionCall":{"name":"default_api:f"}},{"functionCall":{"name":"other"}}`, "STOP")},
			want:     []string{`call my tool {}`, `call f {}`, `call other {}`, calls, free},
		},
		{
			name:     "a call beats the token limit",
			payloads: []string{candidateOf(`{"functionCall":{"name":"f"}}`, ""), candidateOf(``, "MAX_TOKENS")},
			want:     []string{`call f {}`, calls, free},
		},
		{
			name:     "the token limit with nothing to show",
			payloads: []string{`{"candidates":[{"content":{"role":"model"},"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":7,"thoughtsTokenCount":19,"totalTokenCount":26}}`},
			want:     []string{length, "usage 7+19"},
		},
		{name: "a long answer that could go on", payloads: []string{candidateOf(`{"text":"a"}`, "CONTINUATION")}, want: []string{`text "a"`, length, free}},
		{name: "a filter keeps the text so far", payloads: []string{candidateOf(`{"text":"a"}`, ""), candidateOf(``, "SAFETY")}, want: []string{`text "a"`, filter, free}},
		{name: "a filter with nothing", payloads: []string{`{"candidates":[{"finishReason":"RECITATION"}]}`}, want: []string{filter, free}},
		{name: "an unknown reason with text", payloads: []string{candidateOf(`{"text":"a"}`, "FAKE_ENUM")}, want: []string{`text "a"`, done, free}},
		{name: "an unknown reason without", payloads: []string{candidateOf(``, "FAKE_ENUM")}, state: EndUnusable},
		{name: "STOP with nothing", payloads: []string{candidateOf(`{"text":""}`, "STOP")}, state: EndUnusable},
		{name: "STOP with thoughts only", payloads: []string{candidateOf(`{"text":"hm","thought":true}`, "STOP")}, want: []string{`thought "hm"`}, state: EndUnusable},
		{name: "a malformed call", payloads: []string{candidateOf(``, "MALFORMED_FUNCTION_CALL")}, state: EndUnusable},
		{name: "a malformed call after text", payloads: []string{candidateOf(`{"text":"a"}`, "MALFORMED_FUNCTION_CALL")}, want: []string{`text "a"`}, state: EndUnusable},
		{
			name: "a malformed call beside a good one", payloads: []string{candidateOf(`{"functionCall":{"name":"f"}}`, "MALFORMED_FUNCTION_CALL")},
			want: []string{`call f {}`, calls, free},
		},
		{name: "no finish reason", payloads: []string{candidateOf(`{"text":"a"}`, "")}, want: []string{`text "a"`}, state: EndIncomplete},
		{name: "no candidate", payloads: []string{`{"usageMetadata":{"promptTokenCount":5,"totalTokenCount":5}}`}, state: EndEmpty},
		{name: "nothing at all", state: EndEmpty},
		{
			name:     "the prompt was refused",
			payloads: []string{`{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":5,"totalTokenCount":5}}`},
			want:     []string{`blocked "The request was blocked by Gemini (SAFETY)."`, filter, "usage 5+0"},
		},
		{
			name:     "refused with nothing but a message",
			payloads: []string{`{"candidates":[],"promptFeedback":{"blockReasonMessage":"No."}}`},
			want:     []string{`blocked "The request was blocked by Gemini: No."`, filter, free},
		},
		{
			name: "an unspecified reason is none, in both spellings",
			payloads: []string{
				`{"promptFeedback":{"blockReason":"BLOCK_REASON_UNSPECIFIED"}}`, `{"promptFeedback":{"blockReason":"BLOCKED_REASON_UNSPECIFIED"}}`,
				candidateOf(`{"text":"a"}`, "STOP"),
			},
			want: []string{`text "a"`, done, free},
		},
		{
			name:     "a refusal while the answer was under way ends it once",
			payloads: []string{candidateOf(`{"text":"a"}`, ""), `{"promptFeedback":{"blockReason":"OTHER"}}`, `{"promptFeedback":{"blockReason":"OTHER"}}`},
			want:     []string{`text "a"`, `blocked "The request was blocked by Gemini (OTHER)."`, filter, free},
		},
		{
			name:     "pictures, in both alphabets",
			payloads: []string{candidateOf(`{"inlineData":{"mimeType":"image/png","data":"+/8="},"thoughtSignature":"c2ln"},{"inlineData":{"mimeType":"image/png","data":"-_8"}}`, "STOP")},
			want:     []string{`media image/png "\xfb\xff" gt1.g.c2ln`, `media image/png "\xfb\xff"`, done, free},
		},
		{
			name:     "code the model ran is fenced, on lines of its own",
			payloads: []string{candidateOf(`{"text":"run:"},{"executableCode":{"language":"PYTHON","code":"print(1)"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1\n"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK"}}`, "STOP")},
			want:     []string{`text "run:"`, "text \"\\n```python\\nprint(1)\\n```\\n\"", "text \"```output\\n1\\n```\\n\"", "text \"```output\\n```\\n\"", done, free},
		},
		{
			name: "log probabilities follow their text",
			payloads: []string{
				`{"candidates":[{"logprobsResult":{"chosenCandidates":[{"token":"a","tokenId":7,"logProbability":-0.5},{"token":"b"}],"topCandidates":[{"candidates":[
				{"token":"a","logProbability":-0.5},{"token":"c","logProbability":-2}]}],"logProbabilitySum":-0.5},"content":{"parts":[{"text":"ab"}]}}]}`,
				`{"candidates":[{"logprobsResult":{"topCandidates":[{}]}}]}`, `{"candidates":[{"logprobsResult":7,"finishReason":"STOP"}]}`,
			},
			want: []string{`text "ab"`, `likely [{a -0.5 [{a -0.5 []} {c -2 []}]} {b 0 []}]`, done, free},
		},
		{
			name: "the tier is told once, in the Developer API's words",
			payloads: []string{
				`{"usageMetadata":{"serviceTier":"priority"}}`, `{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}],"usageMetadata":{"serviceTier":"priority"}}`,
			},
			want: []string{`tier priority`, `text "a"`, done, free},
		},
		{
			name:     "and in Vertex's, after the answer",
			payloads: []string{candidateOf(`{"text":"a"}`, "STOP"), `{"usageMetadata":{"trafficType":"ON_DEMAND_FLEX"}}`},
			want:     []string{`text "a"`, `tier flex`, done, free},
		},
		{
			name:     "the usual tier goes without saying",
			payloads: []string{`{"usageMetadata":{"serviceTier":"standard","trafficType":"ON_DEMAND"}}`, candidateOf(`{"text":"a"}`, "STOP")},
			want:     []string{`text "a"`, done, free},
		},
		{
			name: "what is unknown is passed over",
			payloads: []string{
				`{"candidates":[{"content":{"parts":[{"hologram":{"x":[1]}},{},{"toolCall":{"id":"1"}},null,7]},"newField":{}},null],"x":[{}]}`,
				`{"candidates":[{"content":null}]}`, `{"candidates":[{"content":{"parts":null}}]}`, `{}`, `null`, candidateOf(`{"text":"a"},{"text":7}`, "STOP"),
			},
			want: []string{`text "a"`, done, free},
		},
		{
			name:     "several candidates",
			payloads: []string{`{"candidates":[{"index":1,"content":{"parts":[{"text":"b"}]},"finishReason":"STOP"},{"content":{"parts":[{"text":"a"}]},"finishReason":"MAX_TOKENS"}]}`},
			want:     []string{`1: text "b"`, `text "a"`, length, "1: " + done, free},
		},
		{
			name:     "an index nobody asked for",
			payloads: []string{`{"candidates":[{"index":128,"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}`},
			want:     []string{`text "a"`, done, free},
		},
		{
			name:     "Code Assist's wrapper, and an event without a response",
			payloads: []string{`{"traceId":"x"}`, `{"response":` + candidateOf(`{"text":"a"}`, "STOP") + `,"traceId":"x"}`, `{"remainingCredits":[]}`},
			want:     []string{`text "a"`, done, free},
		},
		{
			name: "arguments in pieces",
			payloads: []string{
				candidateOf(`{"functionCall":{"name":"f","willContinue":true},"thoughtSignature":"c2ln"}`, ""),
				candidateOf(`{"functionCall":{"partialArgs":[{"jsonPath":"$.city","stringValue":"Par","willContinue":true}],"willContinue":true}}`, ""),
				candidateOf(`{"functionCall":{"partialArgs":[{"jsonPath":"$.city","stringValue":"is"},{"jsonPath":"$.n","numberValue":1.50}],"willContinue":true}}`, ""),
				candidateOf(`{"functionCall":{"partialArgs":[{"jsonPath":"$['a b'].list[0].ok","boolValue":true},{"jsonPath":"$.a","nullValue":"NULL_VALUE"},{"jsonPath":"$.tags[]"}],"willContinue":true}}`, ""),
				candidateOf(`{"functionCall":{}}`, ""), candidateOf(`{"functionCall":{"name":"f"}}`, "STOP"),
			},
			want: []string{`call f {"city":"Paris","n":1.50,"a b":{"list":[{"ok":true}]},"a":null,"tags":[]} gt1.g.c2ln`, `call f {}`, calls, free},
		},
		{
			name: "pieces that are too deep, out of order, or for no place are dropped",
			payloads: []string{candidateOf(`{"functionCall":{"name":"f","partialArgs":[{"jsonPath":"$.l[5]","numberValue":1},{"jsonPath":"$.l[0]","numberValue":2},
				{"jsonPath":"$.d`+strings.Repeat("[0]", maxArgDepth)+`","numberValue":3},{"jsonPath":"$[0]","numberValue":3},{"jsonPath":"$","numberValue":4},{"jsonPath":"l","numberValue":5},
				{"jsonPath":"$.a[x]","numberValue":6},{"jsonPath":"$['a","numberValue":7},{"jsonPath":"$..b","numberValue":8},{"jsonPath":"$.a[","numberValue":9},
				{"jsonPath":"$.m","numberValue":10}]}}`, "STOP")},
			want: []string{`call f {"l":[2],"m":10}`, calls, free},
		},
		{
			name:     "arguments in pieces, all in one chunk",
			payloads: []string{candidateOf(`{"functionCall":{"name":"f","partialArgs":[{"jsonPath":"$.x","numberValue":2}]}}`, "STOP")},
			want:     []string{`call f {"x":2}`, calls, free},
		},
		{
			name:     "a call in pieces ends where the next begins, and at the end of the answer",
			payloads: []string{candidateOf(`{"functionCall":{"name":"f","willContinue":true}}`, ""), candidateOf(`{"functionCall":{"name":"my_tool","willContinue":true}}`, "STOP")},
			want:     []string{`call f {}`, `call my tool {}`, calls, free},
		},
		{
			name:     "a call in pieces that never ended",
			payloads: []string{candidateOf(`{"functionCall":{"name":"f","willContinue":true}}`, "")},
			state:    EndIncomplete,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, state, f := folded(t, req, tt.payloads...)
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("events\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			if state != tt.state {
				t.Errorf("state %d, want %d", state, tt.state)
			}
			if (f.Err() == nil) != (state == EndComplete) {
				t.Errorf("state %d with error %v", state, f.Err())
			}
		})
	}
}

func TestACallNobodyDeclaredIsUnexpected(t *testing.T) {
	got, state, _ := folded(t, &translate.Request{}, candidateOf(`{"functionCall":{"name":"f"}}`, "UNEXPECTED_TOOL_CALL"))
	if state != EndUnusable || len(got) != 1 {
		t.Errorf("state %d, events %v", state, got)
	}
	got, state, _ = folded(t, &translate.Request{}, candidateOf(`{"functionCall":{"name":"f"}}`, "STOP"))
	if state != EndComplete || got[1] != calls {
		t.Errorf("state %d, events %v", state, got)
	}
}

func TestErrSaysWhatGoogleSaid(t *testing.T) {
	tests := []struct {
		payload, code, message string
	}{
		{
			`{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"Malformed function call: print("}]}`,
			"malformed_function_call", "Malformed function call: print(",
		},
		{`{"candidates":[{"finishReason":"TOO_MANY_TOOL_CALLS"}]}`, "malformed_function_call", "The model returned an unusable tool call (TOO_MANY_TOOL_CALLS)."},
		{`{"candidates":[{"finishReason":"OTHER","finishMessage":"Internal."}]}`, "model_no_output", "Internal."},
		{`{"candidates":[{"finishReason":"STOP"}]}`, "model_no_output", "The model returned no output (STOP)."},
		{`{}`, "model_no_output", "The model returned an empty answer."},
		{`{"candidates":[{}]}`, "upstream_incomplete", "The upstream stream ended unexpectedly."},
	}
	for _, tt := range tests {
		_, _, f := folded(t, &translate.Request{}, tt.payload)
		if e := f.Err(); e == nil || e.Status != 502 || e.Code != tt.code || e.Message != tt.message {
			t.Errorf("%s: %v, want %s: %s", tt.payload, e, tt.code, tt.message)
		}
	}
}

func TestUsage(t *testing.T) {
	tests := []struct {
		name     string
		payloads []string
		want     translate.Usage
	}{
		{"none", []string{`{}`}, translate.Usage{}},
		{
			"everything, tool use included (recorded)",
			[]string{`{"usageMetadata":{"promptTokenCount":21,"candidatesTokenCount":126,"totalTokenCount":485,"toolUsePromptTokenCount":243,"thoughtsTokenCount":95}}`},
			translate.Usage{Prompt: 264, Completion: 221, Reasoning: 95},
		},
		{
			"the last one wins, never the sum",
			[]string{
				`{"usageMetadata":{"promptTokenCount":89,"candidatesTokenCount":5,"totalTokenCount":94}}`,
				`{"usageMetadata":{"promptTokenCount":121,"candidatesTokenCount":7,"totalTokenCount":128}}`,
			},
			translate.Usage{Prompt: 121, Completion: 7},
		},
		{
			"one without counters does not erase it",
			[]string{`{"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":5,"totalTokenCount":14}}`, `{"usageMetadata":{"trafficType":"ON_DEMAND"}}`},
			translate.Usage{Prompt: 9, Completion: 5},
		},
		{
			"candidates that include the thoughts",
			[]string{`{"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":30,"thoughtsTokenCount":20,"totalTokenCount":40}}`},
			translate.Usage{Prompt: 10, Completion: 30, Reasoning: 20},
		},
		{
			"cached and audio are parts of their wholes",
			[]string{`{"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":60,"candidatesTokenCount":8,"totalTokenCount":108,
				"promptTokensDetails":[{"modality":"TEXT","tokenCount":70},{"modality":"AUDIO","tokenCount":30}],
				"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":"8"}]}}`},
			translate.Usage{Prompt: 100, Cached: 60, PromptAudio: 30, Completion: 8, CompletionAudio: 8},
		},
		{
			"counters as strings, fractions and nonsense",
			[]string{`{"usageMetadata":{"promptTokenCount":"12","candidatesTokenCount":3.0,"totalTokenCount":15,"thoughtsTokenCount":"many","cachedContentTokenCount":-4,
				"toolUsePromptTokenCount":null,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":{}},7]}}`},
			translate.Usage{Prompt: 12, Completion: 3},
		},
		{
			"counters beyond belief",
			[]string{`{"usageMetadata":{"promptTokenCount":99999999999999999999,"totalTokenCount":1e300}}`},
			translate.Usage{Prompt: 1<<31 - 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, f := folded(t, &translate.Request{}, tt.payloads...)
			if got := f.Usage(); got != tt.want {
				t.Errorf("usage %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestVisible(t *testing.T) {
	tests := map[string]bool{
		`{"usageMetadata":{"totalTokenCount":1}}`:                            false,
		`{"usageMetadata":{"serviceTier":"flex"}}`:                           false,
		candidateOf(`{"text":""}`, ""):                                       false,
		candidateOf(`{"text":"","thoughtSignature":"c2ln"}`, ""):             false,
		candidateOf(``, "MALFORMED_FUNCTION_CALL"):                           false,
		candidateOf(`{"functionCall":{"name":"f","willContinue":true}}`, ""): false,
		candidateOf(`{"text":"a"}`, ""):                                      true,
		candidateOf(`{"text":"a","thought":true}`, ""):                       true,
		candidateOf(`{"functionCall":{"name":"f"}}`, ""):                     true,
		`{"promptFeedback":{"blockReason":"SAFETY"}}`:                        true,
	}
	for payload, want := range tests {
		if _, _, f := folded(t, &translate.Request{}, payload); f.Visible() != want {
			t.Errorf("%s: visible %v", payload, !want)
		}
	}
}

func TestCitationsCountCodePoints(t *testing.T) {
	grounding := func(supports string) string {
		return `{"candidates":[{"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a","title":"A"}},
			{"maps":{"uri":"https://b"}},{"image":{"sourceUri":"https://c"}},{"news":{}}],"groundingSupports":[` + supports + `]}}]}`
	}
	hundred := candidateOf(`{"text":"Heute 67°F"}`, "")
	tests := []struct {
		name     string
		payloads []string
		want     []string
	}{
		{
			"bytes become code points; a missing start is 0; every source of a segment counts",
			[]string{hundred, candidateOf(`{"text":" — warm. 😀 Bye"}`, ""), grounding(`{"segment":{"endIndex":11},"groundingChunkIndices":[0,1]},
				{"segment":{"startIndex":12,"endIndex":21},"groundingChunkIndices":[2]},{"segment":{"startIndex":27,"endIndex":30},"groundingChunkIndices":[0]}`)},
			[]string{"citation 0-10 https://a A", "citation 0-10 https://b ", "citation 11-18 https://c ", "citation 21-24 https://a A"},
		}, {
			"what points nowhere is left out",
			[]string{hundred, grounding(`{"groundingChunkIndices":[0]},{"segment":{"endIndex":3},"groundingChunkIndices":[9,-1,3]},{"segment":{"startIndex":3,"endIndex":999},"groundingChunkIndices":[0]}`)},
			[]string{"citation 3-10 https://a A"},
		}, {
			"segments of later parts, and repetition",
			[]string{
				candidateOf(`{"text":"hm","thought":true},{"text":"über"}`, ""), candidateOf(`{"text":" uns"}`, ""),
				grounding(`{"segment":{"endIndex":1},"groundingChunkIndices":[1]}`), grounding(`{"segment":{"partIndex":1,"startIndex":6,"endIndex":9},"groundingChunkIndices":[0]}`),
			},
			[]string{"citation 5-8 https://a A"},
		},
	}
	tests = append(tests, struct {
		name     string
		payloads []string
		want     []string
	}{
		"a part that goes on over several events is one part",
		[]string{
			candidateOf(`{"text":"äb"}`, ""), candidateOf(`{"text":"cd"},{"text":"efg"}`, ""),
			grounding(`{"segment":{"partIndex":1,"startIndex":1,"endIndex":3},"groundingChunkIndices":[0]}`),
		},
		[]string{"citation 5-7 https://a A"},
	})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			events, state, _ := folded(t, &translate.Request{}, tt.payloads...)
			var got []string
			for _, e := range events {
				if strings.HasPrefix(e, "citation") {
					got = append(got, e)
				}
			}
			if state != EndComplete || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("state %d, citations %q, want %q", state, got, tt.want)
			}
			if tail := events[len(events)-2:]; !strings.HasPrefix(tail[0], "finish") || tail[1] != free {
				t.Errorf("the answer ends with %q", tail)
			}
		})
	}
}

func TestResponseReuse(t *testing.T) {
	var r Response
	decode := func(payload string) {
		t.Helper()
		if err := r.Decode([]byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	decode(`{"candidates":[{"index":3,"content":{"parts":[{"text":"a","thought":true,"thoughtSignature":"x"},{"functionCall":{"name":"f"}}]},
		"finishReason":"STOP","finishMessage":"m","groundingMetadata":{}},{"index":1}],"promptFeedback":{"blockReason":"B"},
		"usageMetadata":{"promptTokenCount":1,"thoughtsTokenCount":2},"error":{"code":1},"modelVersion":"m1","responseId":"r1"}`)
	decode(`{"candidates":[{"content":{"parts":[{},{}]}}]}`)
	want := []Candidate{{Parts: []Part{{}, {}}}}
	if !reflect.DeepEqual(r.Candidates, want) {
		t.Errorf("candidates %+v, want %+v", r.Candidates, want)
	}
	if r.Feedback != (PromptFeedback{}) || r.Usage != (UsageMetadata{}) || r.Error != nil {
		t.Errorf("left over: %+v %+v %s", r.Feedback, r.Usage, r.Error)
	}
	if r.ModelVersion != "m1" || r.ResponseID != "r1" {
		t.Errorf("version %q, id %q: they hold until they change", r.ModelVersion, r.ResponseID)
	}
}

func TestDecodeErrors(t *testing.T) {
	var r Response
	for _, payload := range []string{
		``, `{`, `{"candidates":[{"content"`, `{"a":1}x`, `{"a":1}{}`, `{"candidates":[}`, `{"error":`, `{1:2}`,
		`{"response":{"candidates":]}`, strings.Repeat(`{"response":`, 20_000),
	} {
		if err := r.Decode([]byte(payload)); err == nil {
			t.Errorf("Decode(%.40q) gave no error", payload)
		}
	}
	if err := r.Decode([]byte(candidateOf(`{"text":"a"}`, "STOP"))); err != nil || r.Candidates[0].Parts[0].Text != "a" {
		t.Errorf("after the errors: %v, %+v", err, r.Candidates)
	}
}

func TestErrorsInsideAStreamAreSetAside(t *testing.T) {
	payload := []byte(`{"error":{"code":503,"message":"busy"}}`)
	for _, p := range [][]byte{payload, []byte(`{"response":` + string(payload) + `}`)} {
		var r Response
		if err := r.Decode(p); err != nil {
			t.Fatal(err)
		}
		clear(p) // the payload's memory is the caller's again
		if string(r.Error) != `{"code":503,"message":"busy"}` {
			t.Errorf("error %s", r.Error)
		}
	}
}

func TestNothingDecodedAliasesThePayload(t *testing.T) {
	payload := []byte(candidateOf(`{"text":"abc"},{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"g","partialArgs":[{"jsonPath":"$.n","numberValue":12}]}},{"inlineData":{"mimeType":"image/png","data":"+/8="}}`, "STOP"))
	var r Response
	if err := r.Decode(payload); err != nil {
		t.Fatal(err)
	}
	clear(payload)
	f := NewFold(translate.Vertex, model(t, newest), &translate.Request{})
	var got []string
	for _, e := range f.Add(nil, &r) {
		got = append(got, told(e))
	}
	want := []string{`text "abc"`, `call f {"a":1}`, `call g {"n":12}`, `media image/png "\xfb\xff"`}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}
