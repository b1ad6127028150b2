package gateway_test

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// storm has Google answer half of the next n calls, at random, with a failure.
func (w *world) storm(n int, failure googlesim.Reply) {
	random := rand.New(rand.NewPCG(1, 2))
	replies := make([]googlesim.Reply, n)
	for i := range replies {
		if replies[i] = failure; random.IntN(2) == 0 {
			replies[i] = googlesim.Reply{Lead: googlesim.All}
		}
	}
	w.script("", replies...)
}

// Half of all answers are failures. Retries stay within a fifth of the requests; the others are told at once, and told the truth.
func TestRetriesOfAStormStayWithinTheBudget(t *testing.T) {
	const requests = 1000
	for _, test := range []struct {
		name    string
		failure googlesim.Reply
		status  int
		code    string
	}{
		{"500", googlesim.Internal(), http.StatusInternalServerError, ""},
		{"502", googlesim.HTML502(), http.StatusBadGateway, "upstream_error"},
		{"503", googlesim.HighDemand(), http.StatusServiceUnavailable, "server_is_overloaded"},
	} {
		t.Run(test.name, func(t *testing.T) {
			simulated(t, func(w *world) {
				for n := range 25 {
					w.key(n + 1)
				}
				w.policy = "headroom"
				w.start()
				w.storm(3*requests, test.failure)
				served, attempts := 0, 0
				for range requests {
					a := w.ask(plain())
					attempts += a.record.Attempts
					if a.Code == http.StatusOK {
						w.text(a)
						served++
					} else {
						w.wantError(a, test.status, test.code)
						if a.record.Attempts == 1 && a.took > 0 {
							w.Errorf("a request that is not tried again took %v", a.took)
						}
					}
					time.Sleep(time.Second)
				}
				calls := w.calls("")
				if calls != attempts {
					w.Errorf("Google had %d calls, the records say %d", calls, attempts)
				}
				if most := requests + requests/5; calls > most {
					w.Errorf("%d calls for %d requests, want at most %d", calls, requests, most)
				}
				// With overloaded models, some requests are told without a call; else the budget is there to be used.
				if test.status != http.StatusServiceUnavailable && (calls < requests+requests/6 || served < requests/2) {
					w.Errorf("%d calls for %d requests, of which %d were served", calls, requests, served)
				}
				w.wantReady(25)
			})
		})
	}
}

// Requests that failed at one moment are not tried again at one moment.
func TestTriesAfterAPauseAreSpreadOut(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		const requests = 50
		w.pool.Retries = requests // the first of them pay for all
		w.key(1)
		w.start()
		w.text(ask())
		w.google.ForgetCalls()
		failures := make([]googlesim.Reply, requests)
		for i := range failures {
			failures[i] = googlesim.HighDemand()
		}
		w.script("", failures...)
		began := time.Now()
		w.concurrently(requests, func() { w.text(ask()) })
		w.wantCalls("", 2*requests)
		moments := map[time.Duration]bool{}
		for _, c := range w.google.Calls(googlesim.Match{})[requests:] {
			after := c.Began.Sub(began)
			if after < time.Second || after > 1500*time.Millisecond {
				w.Errorf("tried again after %v", after)
			}
			moments[after] = true
		}
		if len(moments) < requests/2 {
			w.Errorf("%d requests were tried again at %d moments", requests, len(moments))
		}
	})
}

// A refusal that the pool learns from happens once, so going on to the next account is not limited.
func TestBudgetIsForFailuresThatTeachNothing(t *testing.T) {
	simulated(t, func(w *world) {
		const accounts = 40
		for n := range accounts {
			w.key(n + 1)
		}
		w.start()
		for n := range accounts - 1 {
			w.script("key-"+strconv.Itoa(n+1), googlesim.QuotaDay(model))
		}
		for range accounts/w.options.Attempts - 1 {
			w.wantError(w.ask(plain()), http.StatusTooManyRequests, "insufficient_quota")
		}
		w.text(w.ask(plain()))
		for n := range accounts {
			w.wantCalls("key-"+strconv.Itoa(n+1), 1)
		}
	})
}
