package gateway_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// recordedAnswers are the generateContent answers that Google gave with status 200.
func recordedAnswers(t *testing.T) (list []conformance.Recording) {
	for _, r := range conformance.Recordings(t) {
		real := slices.Contains([]string{"recorded", "recorded_stripped", "fixture_official"}, r.Provenance)
		if r.Generates() && real && r.Status == http.StatusOK && (r.SSE != "" || string(r.Response) != "null") {
			list = append(list, r)
		}
	}
	return list
}

// framesOf is an answer as the body of a stream.
func framesOf(t testing.TB, r *conformance.Recording) string {
	if r.SSE != "" {
		return r.SSE
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, r.Response); err != nil {
		t.Fatal(err)
	}
	return "data: " + compact.String() + "\r\n\r\n"
}

// wire is as much of Google's answer as the expectations need. It shares no code with what is tested.
type wire struct {
	Error      json.RawMessage
	Candidates []struct {
		Index   int
		Content struct {
			Parts []struct {
				Text         *string
				Thought      bool
				FunctionCall *struct {
					Name         string
					Args         json.RawMessage
					PartialArgs  json.RawMessage
					WillContinue bool
				}
			}
		}
		FinishReason string
	}
	PromptFeedback *struct{ BlockReason, BlockReasonMessage string }
	UsageMetadata  *struct {
		PromptTokenCount, CandidatesTokenCount, ThoughtsTokenCount, ToolUsePromptTokenCount, TotalTokenCount int
	}
}

// expectation is what a client must get of a recorded answer.
type expectation struct {
	text    map[int]string
	calls   int
	blocked bool
	failed  bool // an error in the answer, or no end to it
	last    *wire
}

func expect(frames string) expectation {
	e := expectation{text: map[int]string{}}
	finished := false
	for _, data := range dataOf(frames) {
		var w wire
		if err := json.Unmarshal([]byte(data), &w); err != nil || w.Error != nil {
			e.failed = true
			continue
		}
		if f := w.PromptFeedback; f != nil && (f.BlockReason != "" || f.BlockReasonMessage != "") {
			e.blocked, finished = true, true
		}
		for _, c := range w.Candidates {
			finished = finished || c.FinishReason != ""
			for _, p := range c.Content.Parts {
				switch {
				case p.Text != nil && !p.Thought:
					e.text[c.Index] += *p.Text
				case p.FunctionCall != nil && p.FunctionCall.Name != "":
					e.calls++
				}
			}
		}
		if w.UsageMetadata != nil {
			e.last = &w
		}
	}
	e.failed = e.failed || !finished
	return e
}

// dataOf splits a recorded stream into the JSON of its events, and whatever stands between them.
func dataOf(frames string) []string {
	var list []string
	for _, block := range strings.Split(strings.ReplaceAll(frames, "\r\n", "\n"), "\n\n") {
		if block = strings.TrimSpace(block); block != "" {
			list = append(list, strings.TrimPrefix(block, "data: "))
		}
	}
	return list
}

// noOutput are recorded answers in which there is nothing a client could use, and no limit or filter that explains it: they are errors
// by intention, not by accident.
func (e *expectation) noOutput() bool {
	return !e.blocked && e.calls == 0 && strings.Join(slices.Collect(values(e.text)), "") == ""
}

func values(m map[int]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

func TestRecordedAnswersReachTheClientWhole(t *testing.T) {
	answers := recordedAnswers(t)
	validator := conformance.NewValidator(t)
	if len(answers) < 700 {
		t.Fatalf("only %d recorded answers", len(answers))
	}
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.start()
		errors := 0
		for _, r := range answers {
			frames := framesOf(w, &r)
			want := expect(frames)
			reply := googlesim.Reply{Header: http.Header{"Content-Type": {"text/event-stream"}}, Frames: []string{frames}}
			stop := w.google.Always(googlesim.Match{}, reply)
			a := ask()
			stop()
			failed := a.Code != http.StatusOK || bytes.Contains(a.Body.Bytes(), []byte(`data: {"error":`))
			if failed {
				errors++
				if !want.failed && !want.noOutput() {
					w.Errorf("%s: an answer became an error: %s", r.ID, a.Body)
				}
				continue
			}
			if want.failed {
				w.Errorf("%s: a broken answer passed for a complete one", r.ID)
				continue
			}
			checkSchema(w, validator, a)
			compare(w, r.ID, a, want)
		}
		w.Logf("%d recorded answers, %d of them errors for the client", len(answers), errors)
	})
}

func checkSchema(t testing.TB, v *conformance.Validator, a *answer) {
	if !strings.HasPrefix(a.Header().Get("Content-Type"), "text/event-stream") {
		v.Check(t, "CreateChatCompletionResponse", a.Body.Bytes())
		return
	}
	for _, event := range conformance.Events(t, a.Body.Bytes()) {
		if string(event) != "[DONE]" {
			v.Check(t, "CreateChatCompletionStreamResponse", event)
		}
	}
}

func compare(t testing.TB, id string, a *answer, want expectation) {
	t.Helper()
	var c conformance.Completion
	if strings.HasPrefix(a.Header().Get("Content-Type"), "text/event-stream") {
		c = conformance.CheckStream(t, a.Body.Bytes(), true)
	} else {
		c = conformance.ParseCompletion(t, a.Body.Bytes())
	}
	calls := 0
	for _, choice := range c.Choices {
		calls += len(choice.Message.ToolCalls)
		// Code the model ran is shown in the text between its own words, so these only need to be there in order.
		if !inOrder(choice.Message.Content, want.text[choice.Index]) {
			t.Errorf("%s: text of choice %d: %q, want %q", id, choice.Index, choice.Message.Content, want.text[choice.Index])
		}
		if choice.FinishReason == "tool_calls" != (len(choice.Message.ToolCalls) > 0) && !want.blocked {
			t.Errorf("%s: finish reason %s with %d calls", id, choice.FinishReason, len(choice.Message.ToolCalls))
		}
	}
	if calls != want.calls {
		t.Errorf("%s: %d calls, want %d", id, calls, want.calls)
	}
	if want.last == nil {
		return
	}
	u := want.last.UsageMetadata
	prompt := u.PromptTokenCount + u.ToolUsePromptTokenCount
	completion := u.CandidatesTokenCount + u.ThoughtsTokenCount
	if u.ThoughtsTokenCount > 0 && u.PromptTokenCount+u.CandidatesTokenCount == u.TotalTokenCount {
		completion = u.CandidatesTokenCount // thoughts included already
	}
	if c.Usage.PromptTokens != prompt || c.Usage.CompletionTokens != completion || c.Usage.TotalTokens != prompt+completion {
		t.Errorf("%s: usage %+v, want %d + %d", id, *c.Usage, prompt, completion)
	}
}

// inOrder reports whether the words of want are all in got, in that order, and nothing of it is missing.
func inOrder(got, want string) bool {
	if got == want {
		return true
	}
	if !strings.Contains(got, "```") {
		return false
	}
	rest := got
	for _, word := range strings.Fields(want) {
		_, after, ok := strings.Cut(rest, word)
		if !ok {
			return false
		}
		rest = after
	}
	return true
}
