package gateway_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// long is the model whose answers may take several calls.
const long = "gemini-4-argon"

// lengthy runs a rule for a long answer, streamed and plain: 100 tokens at most, of which Google gives 20 in a call.
func lengthy(t *testing.T, test func(w *world, ask func() *answer)) {
	t.Helper()
	both(t, func(w *world, _ func() *answer) {
		w.google.CallOutput(20)
		body := plain()
		if isStream(w) {
			body = stream()
		}
		body["model"], body["max_tokens"] = long, 100
		body["messages"] = []any{map[string]any{"role": "user", "content": "Wie heißt 東京 auf Deutsch, and what else is there to say about it 🙂?"}}
		test(w, func() *answer { return w.ask(body) })
	})
}

func TestLongAnswerIsTakenFromTheSameAccountInSeveralCalls(t *testing.T) {
	lengthy(t, func(w *world, ask func() *answer) {
		w.policy = "round_robin"
		w.key(1)
		w.key(2)
		w.start()
		w.google.CallOutput(0)
		whole := w.completion(ask())
		w.google.CallOutput(20)
		w.google.ForgetCalls()
		a := ask()
		c := w.completion(a)
		if c.Content != whole.Content || c.Finish != "stop" || c.PromptTokens != whole.PromptTokens {
			w.Errorf("in several calls %+v\nin one %+v", c, whole)
		}
		calls := w.google.Calls(googlesim.Match{})
		if len(calls) < 3 || slices.ContainsFunc(calls, func(c googlesim.Call) bool { return c.Account != calls[0].Account }) {
			w.Fatalf("%d calls of %s and others", len(calls), calls[0].Account)
		}
		first, second := members(w, calls[0].Body), members(w, calls[1].Body)
		if first["continuationToken"] != nil || second["continuationToken"] == nil {
			w.Errorf("tokens %v and %v", first["continuationToken"], second["continuationToken"])
		}
		delete(second, "continuationToken")
		if string(first["contents"]) != string(second["contents"]) || len(first) != len(second) {
			w.Errorf("another question: %s", calls[1].Body)
		}
		if u := a.record.Usage; u.Completion < 20*(len(calls)-1) || a.record.Attempts != 1 || a.record.FinishReason != "stop" {
			w.Errorf("record %+v after %d calls", a.record, len(calls))
		}
		index := 1
		if calls[0].Account == "key-2" {
			index = 2
		}
		if got := w.account(index).Requests; got < int64(len(calls)) {
			w.Errorf("the account has %d requests after %d calls", got, len(calls))
		}
	})
}

func members(t testing.TB, body []byte) (m map[string]json.RawMessage) {
	t.Helper()
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestLongAnswerEndsWithTheTokensAskedFor(t *testing.T) {
	lengthy(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		body := plain()
		body["model"], body["max_tokens"] = long, 30
		c := conformance.ParseCompletion(w, w.ask(body).Body.Bytes())
		if got := c.Choices[0].FinishReason; got != "length" || c.Usage.CompletionTokens != 30 {
			w.Errorf("finished with %s and %+v", got, c.Usage)
		}
		w.wantCalls("", 2)
	})
}

func TestAnswerIsNotGoneOnWithUnlessMoreWasAskedFor(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		for _, body := range []map[string]any{{}, {"max_tokens": 5}} {
			w.script("", googlesim.Reply{Events: []string{`{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"CONTINUATION",` +
				`"continuationToken":"AAAA"}],"usageMetadata":{"promptTokenCount":2,"candidatesTokenCount":5,"totalTokenCount":7}}`}})
			body["model"] = long
			if c := w.completion(w.ask(body)); c.Content != "a" || c.Finish != "length" {
				w.Errorf("%v: %+v", body, c)
			}
		}
		w.wantCalls("", 2)
	})
}

func TestLongAnswerOfWhichTheRestCannotBeHadHasReachedItsLength(t *testing.T) {
	for name, failure := range map[string]googlesim.Reply{
		"refused":   googlesim.RateMinute(long, 37*time.Second),
		"reset":     googlesim.Reset(),
		"no answer": googlesim.Stall(),
		"empty":     googlesim.EmptyStream(),
	} {
		t.Run(name, func(t *testing.T) {
			lengthy(t, func(w *world, ask func() *answer) {
				w.key(1)
				w.key(2)
				w.start()
				w.script("", googlesim.Reply{Lead: googlesim.All}, failure)
				a := ask()
				if c := w.completion(a); c.Content == "" || c.Finish != "length" || strings.HasSuffix(c.Content, "left it.") {
					w.Errorf("%+v", c)
				}
				w.wantCalls("", 2)
				if name == "refused" {
					w.wantReady(1)
					w.completion(ask())
					if got := w.google.Count(googlesim.Match{Account: "key-1"}); got != 2 {
						w.Errorf("an account without quota was asked again: %d calls", got)
					}
				}
			})
		})
	}
}

func TestLongAnswerThatBreaksOffInALaterCallIsNoCompleteOne(t *testing.T) {
	simulated(t, func(w *world) {
		w.google.CallOutput(20)
		w.key(1)
		w.start()
		w.script("", googlesim.Reply{Lead: googlesim.All}, googlesim.ResetAfter(1))
		body := stream()
		body["model"], body["max_tokens"] = long, 100
		if text := w.wantInBand(w.ask(body), "upstream_incomplete"); text == "" {
			w.Error("the text before the break is lost")
		}
		w.wantCalls("", 2)
	})
}

func TestLongAnswerStaysWithinTheConfiguredLimit(t *testing.T) {
	lengthy(t, func(w *world, ask func() *answer) {
		w.limits = []rotator.Limit{{Model: "*", RPM: 2}}
		w.key(1)
		w.start()
		if c := w.completion(ask()); c.Finish != "length" {
			w.Errorf("%+v", c)
		}
		w.wantCalls("", 2)
		w.wantError(ask(), http.StatusTooManyRequests, "rate_limit_exceeded")
		w.wantCalls("", 2)
	})
}
