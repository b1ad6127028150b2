package gateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// The tests in this file are about a second attempt beside one whose first token is late.

const usual = time.Second // the first token's time that the pool has learned in hedged

// hedged runs a rule, for a streamed and a plain answer, in a world of three keys whose pool knows when a first token is late.
func hedged(t *testing.T, test func(w *world, ask func() *answer)) {
	t.Helper()
	both(t, func(w *world, ask func() *answer) {
		w.pool.Hedge = 1
		for n := range 3 {
			w.key(n + 1)
		}
		w.start()
		stop := w.google.Always(googlesim.Match{}, googlesim.Reply{Lead: googlesim.All, Pace: usual}) // later events do not count
		for range 100 {
			w.text(ask())
		}
		stop()
		time.Sleep(time.Minute)
		w.google.ForgetCalls()
		if after, ok := w.options.Pool.HedgeAfter(model); !ok || after < usual || after > 2*usual {
			w.Fatalf("hedging after %v, %v", after, ok)
		}
		test(w, ask)
		synctest.Wait()
		w.wantNothingLeft()
	})
}

// wantNothingLeft checks that nothing is under way any more, here or at Google.
func (w *world) wantNothingLeft() {
	w.Helper()
	if n := w.options.Pool.Snapshot().Pool.InFlight; n != 0 {
		w.Errorf("%d calls are in flight", n)
	}
	if n := w.google.Active(); n != 0 {
		w.Errorf("%d calls are still being answered", n)
	}
}

// wantTries checks the accounts that were given the request, in the order in which they were done, and what came of them.
func (w *world) wantTries(a *answer, want ...string) {
	w.Helper()
	var got []string
	for _, try := range a.record.Tries {
		got = append(got, try.Account+" "+try.Outcome)
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		w.Errorf("tries: %q, want %q", got, want)
	}
}

func TestSecondAttemptAnswersWhenTheFirstIsLate(t *testing.T) {
	hedged(t, func(w *world, ask func() *answer) {
		errors := w.account(1).Errors
		w.script("key-1", googlesim.Slow(time.Minute, 0))
		a := ask()
		w.text(a)
		synctest.Wait() // Google notices that the other call is canceled
		if a.took < usual || a.took > 2*usual {
			w.Errorf("took %v", a.took)
		}
		w.wantCalls("key-1", 1)
		w.wantCalls("key-2", 1)
		w.wantCalls("", 2)
		if calls := w.google.Calls(googlesim.Match{Account: "key-1"}); !calls[0].Canceled {
			w.Error("the late call was not canceled")
		}
		if r := a.record; r.Hedge != gateway.HedgeWon || r.Attempts != 2 || r.Account != "env-2" || r.FirstToken != a.took {
			w.Errorf("record: %+v", r)
		}
		w.wantTries(a, "env-1 lost", "env-2 answered")
		w.wantHeaders(a.Header(), map[string]string{"X-Gemini-Proxy-Attempts": "2"})
		late := w.account(1)
		if late.State != "ready" || late.Errors != errors || late.Models[0].State != "ready" {
			w.Errorf("the late account: %+v", late)
		}
		if used := late.Models[0].RPM.Used; used != 1 {
			w.Errorf("%d calls of the late account count, want 1", used)
		}
	})
}

func TestFirstAttemptAnswersWhenItIsFasterAfterAll(t *testing.T) {
	hedged(t, func(w *world, ask func() *answer) {
		w.script("key-1", googlesim.Slow(3*usual, 0))
		w.script("key-2", googlesim.Slow(time.Minute, 0))
		a := ask()
		w.text(a)
		synctest.Wait()
		if a.took != 3*usual {
			w.Errorf("took %v", a.took)
		}
		w.wantCalls("", 2)
		if calls := w.google.Calls(googlesim.Match{Account: "key-2"}); !calls[0].Canceled {
			w.Error("the second call was not canceled")
		}
		if r := a.record; r.Hedge != gateway.HedgeLost || r.Attempts != 2 || r.Account != "env-1" {
			w.Errorf("record: %+v", r)
		}
		w.wantTries(a, "env-2 lost", "env-1 answered")
	})
}

func TestPunctualAttemptRunsAlone(t *testing.T) {
	hedged(t, func(w *world, ask func() *answer) {
		// The first token is there in time; how long the rest takes does not matter.
		w.script("key-1", googlesim.Reply{Lead: googlesim.All, Pace: usual / 2})
		a := ask()
		w.text(a)
		w.wantCalls("", 1)
		if a.record.Hedge != "" {
			w.Errorf("hedge: %q", a.record.Hedge)
		}
	})
}

func TestNobodyHedgesUnlessTold(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.key(2)
		w.start()
		for range 100 {
			w.text(ask())
		}
		w.google.ForgetCalls()
		w.script("key-1", googlesim.Slow(time.Minute, 0))
		w.text(ask())
		w.wantCalls("", 1)
	})
}

func failingAfter(d time.Duration, failure googlesim.Reply) googlesim.Reply {
	failure.Delay = d
	return failure
}

func TestOneAttemptGoesOnAloneWhenTheOtherFails(t *testing.T) {
	for name, c := range map[string]struct {
		first, second googlesim.Reply
		tries         []string
		hedge         gateway.Hedge
	}{
		"the first": {
			failingAfter(3*usual, googlesim.RateMinute(model, time.Minute)), googlesim.Slow(5*usual, 0),
			[]string{"env-1 RATE_LIMIT_EXCEEDED", "env-2 answered"}, gateway.HedgeWon,
		},
		"the second": {
			googlesim.Slow(5*usual, 0), failingAfter(usual, googlesim.RateMinute(model, time.Minute)),
			[]string{"env-2 RATE_LIMIT_EXCEEDED", "env-1 answered"}, gateway.HedgeLost,
		},
	} {
		t.Run(name, func(t *testing.T) {
			hedged(t, func(w *world, ask func() *answer) {
				w.script("key-1", c.first)
				w.script("key-2", c.second)
				a := ask()
				w.text(a)
				w.wantCalls("", 2)
				if a.record.Hedge != c.hedge {
					w.Errorf("hedge %q, want %q", a.record.Hedge, c.hedge)
				}
				failed, _, _ := strings.Cut(strings.TrimPrefix(c.tries[0], "env-"), " ")
				for i, want := range []string{"1", "2"} {
					if s := w.account(i + 1).Models[0].State; (s == "cooling") != (failed == want) {
						w.Errorf("account %s is %s", want, s)
					}
				}
				if len(a.record.Tries) != 2 || !strings.HasSuffix(a.record.Tries[1].Outcome, "answered") ||
					a.record.Tries[0].Account != c.tries[0][:5] || a.record.Tries[0].Status != http.StatusTooManyRequests {
					w.Errorf("tries: %+v", a.record.Tries)
				}
			})
		})
	}
}

func TestBothAttemptsThatFailAreRetriedElsewhere(t *testing.T) {
	hedged(t, func(w *world, ask func() *answer) {
		w.script("key-1", failingAfter(3*usual, googlesim.RateMinute(model, time.Minute)))
		w.script("key-2", failingAfter(4*usual, googlesim.RateMinute(model, time.Minute)))
		a := ask()
		w.text(a)
		if a.record.Attempts != 3 || a.record.Account != "env-3" || a.record.Hedge != gateway.HedgeLost {
			w.Errorf("record: %+v", a.record)
		}
		w.wantCalls("", 3)
		for n := 1; n <= 2; n++ {
			if s := w.account(n).Models[0].State; s != "cooling" {
				w.Errorf("account %d is %s", n, s)
			}
		}
	})
}

func TestBothAttemptsThatFailCountAsTwo(t *testing.T) {
	hedged(t, func(w *world, ask func() *answer) {
		w.options.Attempts = 2
		w.google.Always(googlesim.Match{}, failingAfter(5*usual, googlesim.Internal()))
		w.reconfigure()
		a := ask()
		if a.Code != http.StatusInternalServerError || a.record.Attempts != 2 {
			w.Errorf("status %d after %d attempts", a.Code, a.record.Attempts)
		}
		w.wantCalls("", 2)
	})
}

func TestAttemptOfALastTryIsNotHedged(t *testing.T) {
	hedged(t, func(w *world, ask func() *answer) {
		w.options.Attempts = 1
		w.reconfigure()
		w.script("key-1", googlesim.Slow(10*usual, 0))
		w.text(ask())
		w.wantCalls("", 1)
	})
}

func TestClientThatLeavesEndsBothAttempts(t *testing.T) {
	hedged(t, func(w *world, _ func() *answer) {
		w.google.Always(googlesim.Match{}, googlesim.Stall())
		ctx, leave := context.WithTimeout(w.Context(), 5*usual)
		defer leave()
		body := plain()
		if isStream(w) {
			body = stream()
		}
		a := w.askWith(ctx, body)
		if a.took != 5*usual || a.record.Error != "client_gone" || a.record.Attempts != 2 {
			w.Errorf("took %v: %+v", a.took, a.record)
		}
		w.wantCalls("", 2)
	})
}

func TestSlowFirstTokensOfBothAttemptsAreTriedElsewhere(t *testing.T) {
	hedged(t, func(w *world, ask func() *answer) {
		w.options.FirstToken = 20 * time.Second
		w.reconfigure()
		w.script("key-1", googlesim.Stall())
		w.script("key-2", googlesim.Stall())
		a := ask()
		w.text(a)
		if a.took < 20*time.Second+usual || a.took > 20*time.Second+3*usual || a.record.Attempts != 3 {
			w.Errorf("took %v, %d attempts", a.took, a.record.Attempts)
		}
	})
}

func TestLostConnectionEndsBothAttempts(t *testing.T) {
	hedged(t, func(w *world, _ func() *answer) {
		w.options.KeepAlive = 10 * usual
		w.reconfigure()
		w.google.Always(googlesim.Match{}, googlesim.Slow(time.Minute, 0))
		start := time.Now()
		record := w.serve(&failingRecorder{ResponseRecorder: httptest.NewRecorder()}, stream())
		if took := time.Since(start); took != 10*usual || record.Error != "client_gone" || record.Attempts != 2 {
			w.Errorf("took %v: %+v", took, record)
		}
	})
}

// How long an attempt that was overtaken would have taken is not known, but that it was late is: were it forgotten, only fast ones would
// be remembered, and less and less would count as late.
func TestAttemptsThatWereOvertakenCountAsLate(t *testing.T) {
	hedged(t, func(w *world, ask func() *answer) {
		w.google.Always(googlesim.Match{Account: "key-1"}, googlesim.Slow(time.Minute, 0))
		w.google.Always(googlesim.Match{}, googlesim.Slow(usual, 0))
		for range 30 {
			w.text(ask())
		}
		if after, _ := w.options.Pool.HedgeAfter(model); after < 2*usual {
			w.Errorf("hedging after %v", after)
		}
	})
}

// panickingSecond is a transport that panics when a second call begins while one is under way.
type panickingSecond struct {
	http.RoundTripper
	calls atomic.Int32
}

func (p *panickingSecond) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.calls.Add(1) == 2 {
		panic("out of order")
	}
	return p.RoundTripper.RoundTrip(r)
}

func TestPanicOfOneAttemptLeavesNothingOfTheOther(t *testing.T) {
	hedged(t, func(w *world, ask func() *answer) {
		w.options.Google = google.New(google.Options{Endpoints: endpoints, HTTP: &panickingSecond{RoundTripper: w.transport}})
		w.reconfigure()
		w.script("key-1", googlesim.Stall())
		defer func() {
			if p := recover(); p == nil {
				w.Error("no panic reached the server")
			}
		}()
		ask()
	})
}

// Neither the loser nor a late winner may keep the winner's client waiting, however slowly the loser's transport lets go.
func TestWinnerDoesNotWaitForTheLoserToEnd(t *testing.T) {
	hedged(t, func(w *world, _ func() *answer) {
		calls := &tracked{RoundTripper: w.transport}
		w.options.Google = google.New(google.Options{Endpoints: endpoints, HTTP: calls})
		w.reconfigure()
		w.script("key-1", googlesim.Stall())
		timed := newTimedRecorder()
		w.serve(timed, stream())
		if first := timed.writes[0].after; first < usual || first >= 2*usual {
			w.Errorf("the first write came after %v", first)
		}
		if calls, bodies := calls.calls.Load(), calls.bodies.Load(); calls != 0 || bodies != 0 {
			w.Errorf("%d calls and %d bodies are left", calls, bodies)
		}
	})
}

func TestCommentsTellOfBothAttempts(t *testing.T) {
	hedged(t, func(w *world, _ func() *answer) {
		w.options.KeepAlive = 10 * usual
		w.reconfigure()
		w.google.Always(googlesim.Match{}, googlesim.Slow(15*usual, 0))
		a := w.ask(stream())
		w.text(a)
		w.wantHeaders(a.Header(), map[string]string{"X-Gemini-Proxy-Attempts": "2"})
	})
}
