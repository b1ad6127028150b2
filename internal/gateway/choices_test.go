package gateway_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// askFor asks for n answers of a model that gives one to a call.
func askFor(w *world, n int, more map[string]any) *answer {
	body := map[string]any{"n": n}
	if isStream(w) {
		maps.Copy(body, stream())
	}
	maps.Copy(body, more)
	return w.ask(body)
}

// choices are those of a complete answer.
func choices(w *world, a *answer) []conformance.Choice {
	w.Helper()
	if a.Code != http.StatusOK {
		w.Fatalf("status %d: %s", a.Code, a.Body)
	}
	c := conformance.Completion{}
	if isStream(w) {
		c = conformance.CheckStream(w, a.Body.Bytes(), true)
	} else {
		c = conformance.ParseCompletion(w, a.Body.Bytes())
	}
	if c.Usage == nil || c.Usage.PromptTokens != 7 || c.Usage.CompletionTokens != 3*len(c.Choices) {
		w.Errorf("usage %+v of %d choices", c.Usage, len(c.Choices))
	}
	return c.Choices
}

func sung(text string) googlesim.Reply {
	return googlesim.Reply{Events: []string{says(`{"text":"`+text+`"}`, ""), counted(says(`{"text":"!"}`, "STOP"))}, Pace: time.Second}
}

func TestSeveralAnswersAreSeveralCallsWhereAModelGivesOne(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		w.script("", sung("a"), sung("b"), sung("c"))
		a := askFor(w, 3, map[string]any{"seed": 5})
		var texts []string
		for _, c := range choices(w, a) {
			texts = append(texts, c.Message.Content)
			if c.FinishReason != "stop" {
				w.Errorf("choice %d: %q", c.Index, c.FinishReason)
			}
		}
		if slices.Sort(texts); !slices.Equal(texts, []string{"a!", "b!", "c!"}) {
			w.Errorf("%q", texts)
		}
		if a.took > 3*time.Second {
			w.Errorf("they came one after the other: %v", a.took)
		}
		if r := a.record; r.Attempts != 3 || len(r.Tries) != 3 || r.Usage.Completion != 9 || r.Usage.Prompt != 7 || r.FinishReason != "stop" ||
			r.Account != "env-1" || r.UpstreamModel != model || r.FirstToken != time.Second {
			w.Errorf("record %+v", r)
		}
		if a.Header().Get("X-Gemini-Proxy-Model") != model {
			w.Errorf("headers %v", a.Header())
		}
		seeds := map[int]bool{}
		for _, call := range w.google.Calls(googlesim.Match{Method: "streamGenerateContent"}) {
			var body struct {
				GenerationConfig struct{ Seed, CandidateCount int } `json:"generationConfig"`
			}
			if err := json.Unmarshal(call.Body, &body); err != nil {
				w.Fatal(err)
			}
			seeds[body.GenerationConfig.Seed] = true
		}
		if !maps.Equal(seeds, map[int]bool{5: true, 6: true, 7: true}) {
			w.Errorf("seeds %v", seeds)
		}
	})
}

// A model may turn out to give one answer to a call, whatever the catalogue says.
func TestSeveralAnswersAreSeveralCallsWhereGoogleSaysSo(t *testing.T) {
	for _, refusal := range []string{"Multiple candidates is not enabled for this model", "Only one candidate can be specified in the current model"} {
		both(t, func(w *world, _ func() *answer) {
			w.key(1)
			w.start()
			w.script("", googlesim.BadRequest(refusal), sung("a"), sung("b"))
			if got := choices(w, askFor(w, 2, map[string]any{"model": flash})); len(got) != 2 {
				w.Errorf("%+v", got)
			}
			w.wantCalls("", 3)
		})
	}
}

func TestManyAnswersAreWorkedOnAFewAtATime(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.key(2)
		w.start()
		slow := sung("a")
		slow.Delay = time.Minute
		// One of those that have had to wait for their turn fails, and is tried again as any would be.
		w.script("", slices.Concat(slices.Repeat([]googlesim.Reply{slow}, 16), []googlesim.Reply{googlesim.Internal()})...)
		w.google.Always(googlesim.Match{}, slow)
		var atOnce atomic.Int64
		time.AfterFunc(30*time.Second, func() { atOnce.Store(int64(w.google.Active())) })
		if got := choices(w, askFor(w, 20, nil)); len(got) != 20 || atOnce.Load() != 8 {
			w.Errorf("%d answers, of which %d at once", len(got), atOnce.Load())
		}
		w.wantCalls("", 21)
	})
}

// A call that fails before it has said anything is made again, whatever the others have said.
func TestEachOfSeveralAnswersIsTriedAgainOnItsOwn(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.key(2)
		w.start()
		w.script("", sung("a"), googlesim.Reply{Status: 500, Delay: 1500 * time.Millisecond, Body: `{"error":{"code":500,"status":"INTERNAL"}}`}, sung("b"))
		if got := choices(w, askFor(w, 2, nil)); len(got) != 2 || got[0].Message.Content+got[1].Message.Content != "a!b!" &&
			got[0].Message.Content+got[1].Message.Content != "b!a!" {
			w.Errorf("%+v", got)
		}
		w.wantCalls("", 3)
	})
}

func TestSeveralAnswersFailTogether(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		w.script("",
			googlesim.Reply{Status: 400, Body: `{"error":{"code":400,"message":"Request contains an invalid argument.","status":"INVALID_ARGUMENT"}}`},
			googlesim.Reply{Events: []string{says(`{"text":"a"}`, "")}, Pace: time.Second, End: googlesim.EndHang})
		a := askFor(w, 2, nil)
		w.wantError(a, http.StatusBadRequest, "invalid_value")
		time.Sleep(100 * time.Millisecond) // in which the other connection closes
		if w.google.Active() != 0 || a.record.Error == "" || a.took > time.Second {
			w.Errorf("%d calls go on; recorded %q after %v", w.google.Active(), a.record.Error, a.took)
		}
	})
}

func TestOneOfSeveralStreamsThatBreaksOffEndsAll(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		broken := googlesim.Reply{Events: []string{says(`{"text":"a"}`, "")}, Pace: time.Second, End: googlesim.EndReset}
		w.script("", broken, broken)
		a := w.ask(map[string]any{"n": 2, "stream": true})
		events := conformance.Events(w, a.Body.Bytes())
		if last := string(events[len(events)-1]); !strings.Contains(last, `"upstream_incomplete"`) {
			w.Errorf("the stream ends with %s", last)
		}
	})
}

func TestAStreamOfSeveralAnswersIsKeptAlive(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		late := sung("a")
		late.Delay = 20 * time.Second
		w.script("", late, late)
		a := w.ask(map[string]any{"n": 2, "stream": true})
		if !strings.HasPrefix(a.Body.String(), ": keep-alive\n\n") || !strings.HasSuffix(a.Body.String(), "data: [DONE]\n\n") {
			w.Errorf("%s", a.Body)
		}
	})
}

func TestAllCallsEndWhenTheClientOfSeveralAnswersGoes(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		hang := googlesim.Reply{Events: []string{says(`{"text":"a"}`, "")}, End: googlesim.EndHang}
		w.script("", hang, hang, hang)
		ctx, cancel := context.WithTimeout(w.Context(), 3*time.Second)
		defer cancel()
		body := map[string]any{"n": 3}
		if isStream(w) {
			maps.Copy(body, stream())
		}
		a := w.askWith(ctx, body)
		if a.took != 3*time.Second || a.record.Error != "client_gone" {
			w.Errorf("%v, %q", a.took, a.record.Error)
		}
		time.Sleep(100 * time.Millisecond)
		if n := w.google.Active(); n != 0 {
			w.Errorf("%d calls go on", n)
		}
	})
}
