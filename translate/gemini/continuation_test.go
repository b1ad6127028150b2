package gemini

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// interrupted is the end of a call after which more follows.
func interrupted(text, token, usage string) string {
	return `{"candidates":[{"content":{"parts":[{"text":"` + text + `"}]},"finishReason":"CONTINUATION","continuationToken":"` + token + `"}],
		"usageMetadata":{` + usage + `}}`
}

func TestAnswerInSeveralCallsIsOneAnswer(t *testing.T) {
	grounded := func(text, support, finish string) string {
		return `{"candidates":[{"content":{"parts":[{"text":"` + text + `"}]},` + finish + `"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a"}}],
			"groundingSupports":[{"segment":{` + support + `},"groundingChunkIndices":[0]}]}}]}`
	}
	f := NewFold(translate.GeminiAPI, model(t, newest), &translate.Request{Sampling: translate.Sampling{MaxTokens: new(1000)}})
	var r Response
	var events []translate.Event
	add := func(payloads ...string) {
		t.Helper()
		for _, p := range payloads {
			if err := r.Decode([]byte(p)); err != nil {
				t.Fatal(err)
			}
			events = f.Add(events, &r)
		}
	}
	add(candidateOf(`{"text":"hm","thought":true}`, ""), grounded("Zür", `"partIndex":1,"endIndex":4`, ""),
		interrupted("ich", "dG9r", `"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":6,"thoughtsTokenCount":3,"totalTokenCount":19`))
	if got := f.Continuation(); got != "dG9r" {
		t.Fatalf("token %q", got)
	}
	f.Resume()
	if !f.Resuming() || f.Continuation() != "" || f.PromptTokens() != 0 {
		t.Errorf("resuming %v, token %q, prompt %d", f.Resuming(), f.Continuation(), f.PromptTokens())
	}
	add(grounded(" ist schön", `"startIndex":5,"endIndex":11`, `"finishReason":"STOP",`),
		`{"usageMetadata":{"promptTokenCount":19,"candidatesTokenCount":5,"thoughtsTokenCount":1,"totalTokenCount":25}}`)
	if f.Resuming() || f.PromptTokens() != 19 {
		t.Errorf("resuming %v, prompt %d", f.Resuming(), f.PromptTokens())
	}
	events, state := f.End(events)
	var got []string
	for _, e := range events {
		got = append(got, told(e))
	}
	want := []string{`thought "hm"`, `text "Zür"`, `text "ich"`, `text " ist schön"`, "citation 0-3 https://a ", "citation 11-16 https://a ", done, "usage 10+15"}
	if state != EndComplete || !reflect.DeepEqual(got, want) {
		t.Errorf("state %d\n%s\nwant\n%s", state, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if u := f.Usage(); u.Reasoning != 4 || u.Cached != 4 {
		t.Errorf("usage %+v", u)
	}
}

func TestInterruptedAnswerCanStillEnd(t *testing.T) {
	f := NewFold(translate.GeminiAPI, model(t, newest), &translate.Request{Sampling: translate.Sampling{MaxTokens: new(1000)}})
	var r Response
	if err := r.Decode([]byte(interrupted("a", "dG9r", `"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2`))); err != nil {
		t.Fatal(err)
	}
	f.Add(nil, &r)
	f.Resume()
	events, state := f.End(nil)
	if state != EndComplete || told(events[0]) != length || told(events[1]) != "usage 1+1" {
		t.Errorf("state %d, %v", state, events)
	}
	f.Add(nil, &Response{})
	if _, state := f.End(nil); state != EndIncomplete {
		t.Errorf("a later call that broke off is state %d", state)
	}
}

func TestContinuationIsOnlyWhatWasAskedFor(t *testing.T) {
	const usage = `"promptTokenCount":1,"candidatesTokenCount":5,"thoughtsTokenCount":2,"totalTokenCount":8`
	more := translate.Sampling{MaxTokens: new(8)}
	for name, c := range map[string]struct {
		sampling translate.Sampling
		payloads []string
		want     string
	}{
		"more was asked for":       {more, []string{interrupted("a", "dG9r", usage)}, "dG9r"},
		"nothing was said of it":   {translate.Sampling{}, []string{interrupted("a", "dG9r", usage)}, ""},
		"that was all":             {translate.Sampling{MaxTokens: new(7)}, []string{interrupted("a", "dG9r", usage)}, ""},
		"no token":                 {more, []string{interrupted("a", "", usage)}, ""},
		"the model is done":        {more, []string{strings.Replace(interrupted("a", "dG9r", usage), "CONTINUATION", "STOP", 1)}, ""},
		"the tokens are spent":     {more, []string{strings.Replace(interrupted("a", "dG9r", usage), "CONTINUATION", "MAX_TOKENS", 1)}, ""},
		"within a call's pieces":   {more, []string{candidateOf(`{"functionCall":{"name":"f","willContinue":true}}`, ""), interrupted("", "dG9r", usage)}, ""},
		"a prompt that is blocked": {more, []string{interrupted("a", "dG9r", usage), `{"promptFeedback":{"blockReason":"OTHER"}}`}, ""},
	} {
		_, _, f := folded(t, &translate.Request{Sampling: c.sampling}, c.payloads[:len(c.payloads)-1]...)
		var r Response
		if err := r.Decode([]byte(c.payloads[len(c.payloads)-1])); err != nil {
			t.Fatal(err)
		}
		if name == "within a call's pieces" { // the end of the answer, which folded makes, would be the end of the call too
			f = NewFold(translate.GeminiAPI, model(t, newest), &translate.Request{Sampling: c.sampling})
			var first Response
			_ = first.Decode([]byte(c.payloads[0]))
			f.Add(nil, &first)
		}
		f.Add(nil, &r)
		if got := f.Continuation(); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestRestIsAskedForWithTheSameRequest(t *testing.T) {
	req := talk(user(text("hi")))
	e := encoded(t, req, translate.GeminiAPI, "gemini-4-argon")
	before := slices.Clone(e.Body)
	if got, want := string(e.Continue(`a+/"=`)), strings.TrimSuffix(string(before), "}")+`,"continuationToken":"a+/\"="}`; got != want {
		t.Errorf("%s", got)
	}
	if !slices.Equal(before, e.Body) {
		t.Errorf("the request is now %s", e.Body)
	}
}

func TestOutputIsAskedForAsFarAsItCanBeHad(t *testing.T) {
	for _, c := range []struct {
		name    string
		model   string
		backend translate.Backend
		wanted  int
		want    string
	}{
		{"less than a call gives", "gemini-4-argon", translate.GeminiAPI, 100, `{"maxOutputTokens":100}`},
		{"several calls", "gemini-4-argon", translate.GeminiAPI, 300_000, `{"maxOutputTokens":300000}`},
		{"several calls on Vertex", "gemini-4-hydrogen", translate.Vertex, 300_000, `{"maxOutputTokens":300000}`},
		{"more than there is", "gemini-4-argon", translate.GeminiAPI, 2_000_000, `{"maxOutputTokens":1048572}`},
		{"Code Assist has none of it", "gemini-4-argon", translate.CodeAssist, 300_000, `{"maxOutputTokens":65536}`},
		{"nor has Gemini 3", "gemini-3.8-flash", translate.GeminiAPI, 300_000, `{"maxOutputTokens":65536}`},
	} {
		req := talk(user(text("hi")))
		req.Sampling.MaxTokens = &c.wanted
		if got := encoded(t, req, c.backend, c.model).member(t, "generationConfig"); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
	req := talk(user(text(strings.Repeat("word ", 100_000))))
	req.Sampling.MaxTokens = new(1 << 20)
	got := encoded(t, req, translate.GeminiAPI, "gemini-4-argon").member(t, "generationConfig")
	if got <= `{"maxOutputTokens":800000}` || got >= `{"maxOutputTokens":900000}` {
		t.Errorf("beside a prompt of 100,000 tokens: %s", got)
	}
}
