package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// The tests in this file are about requests for which no account is left, and one will be ready again.

// patient lets requests wait for ten seconds, with a comment every second.
func (w *world) patient() {
	w.options.MaxWait, w.options.KeepAlive = 10*time.Second, time.Second
	w.pool.Queue = 1000
}

// cool has an account's group be out of the model for so much longer, and known to be.
func (w *world) cool(account string, left time.Duration) {
	w.Helper()
	const all = 37 * time.Second
	w.script(account, googlesim.AssistRate(model, all, time.Now()))                // says when, but not how many there may be in a minute
	w.wantError(w.ask(plain()), http.StatusTooManyRequests, "rate_limit_exceeded") // nobody waits for so long
	time.Sleep(all - left)
	w.google.ForgetCalls()
}

// numbered is a body that can be told from others, and asked finds it among the calls.
func numbered(body map[string]any, n int) map[string]any {
	body["messages"] = []any{map[string]any{"role": "user", "content": "Question " + strconv.Itoa(n)}}
	return body
}

// questions are the numbers of the questions Google was asked, in order.
func (w *world) questions() (numbers []int) {
	for _, c := range w.google.Calls(googlesim.Match{Method: "streamGenerateContent"}) {
		var body struct {
			Contents []struct{ Parts []struct{ Text string } }
		}
		if err := json.Unmarshal(c.Body, &body); err != nil {
			w.Fatal(err)
		}
		var n int
		if _, err := fmt.Sscanf(body.Contents[0].Parts[0].Text, "Question %d", &n); err != nil {
			w.Fatal(err)
		}
		numbers = append(numbers, n)
	}
	return numbers
}

func (w *world) wantQueued(want int) {
	w.Helper()
	if got := w.options.Pool.Snapshot().Pool.Queued; got != want {
		w.Errorf("%d requests wait, want %d", got, want)
	}
}

func TestRequestWaitsForTheGroupThatComesBackInTime(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.patient()
		w.key(1)
		w.start()
		w.cool("key-1", 3*time.Second)
		a := ask()
		w.text(a)
		w.wantCalls("", 1)
		if a.took < 3*time.Second || a.took > 3100*time.Millisecond {
			w.Errorf("took %v", a.took)
		}
		least, most := 0, 0
		if a.record.Stream {
			least, most = 2, 3 // the third second ends when the answer comes
		}
		if n := comments(a.Body.String()); n < least || n > most {
			w.Errorf("%d comments in 3 s, want %d to %d", n, least, most)
		}
		if a.record.Attempts != 1 || a.record.Wait != a.took {
			w.Errorf("%d attempts, waited %v of %v", a.record.Attempts, a.record.Wait, a.took)
		}
		if got := a.Header().Get("X-Gemini-Proxy-Attempts"); !a.record.Stream && got != "1" {
			w.Errorf("X-Gemini-Proxy-Attempts %q", got)
		}
	})
}

func TestAThousandRequestsThatWaitAreAllServedOnce(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		const requests = 1000
		body := plain
		if isStream(w) {
			body = stream
		}
		w.patient()
		w.options.KeepAlive = 1500 * time.Millisecond
		w.key(1)
		w.start()
		w.cool("key-1", 3*time.Second)
		var all sync.WaitGroup
		for n := range requests {
			all.Go(func() {
				a := w.ask(numbered(body(), n))
				w.text(a)
				if a.record.Attempts != 1 || a.took < 3*time.Second || a.took > 4*time.Second {
					w.Errorf("request %d: %d attempts, took %v", n, a.record.Attempts, a.took)
				}
			})
		}
		time.Sleep(time.Second)
		w.wantQueued(requests)
		w.wantCalls("", 0)
		all.Wait()
		w.wantQueued(0)
		got := w.questions()
		slices.Sort(got)
		if len(got) != requests || len(slices.Compact(got)) != requests {
			w.Errorf("Google had %d calls for %d requests", len(got), requests)
		}
	})
}

// Another model is for those that are out of the one asked for, which a moment's wait is not.
func TestFallbackIsForMoreThanAMoment(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.patient()
		w.fallback(flash)
		w.key(1)
		w.start()
		w.script("key-1", googlesim.AssistRate(model, 37*time.Second, time.Now()))
		w.text(ask())
		w.wantAsked(model, flash)
		time.Sleep(36*time.Second + 500*time.Millisecond)
		w.google.ForgetCalls()
		w.text(ask())
		w.wantAsked(model)
	})
}

func TestRequestsOfAClientAreServedInTheOrderTheyCame(t *testing.T) {
	simulated(t, func(w *world) {
		const requests = 20
		w.patient()
		w.options.MaxWait, w.options.AttemptsFor = time.Hour, time.Hour
		w.key(1)
		w.limits = []rotator.Limit{{Model: model, RPM: 1}}
		w.start()
		var all sync.WaitGroup
		var want []int
		for n := range requests {
			want = append(want, n)
			all.Go(func() { w.text(w.ask(numbered(plain(), n))) })
			synctest.Wait()
		}
		all.Wait()
		if got := w.questions(); !slices.Equal(got, want) {
			w.Errorf("served in the order %v", got)
		}
	})
}

func TestFloodOfOneClientKeepsNobodyElseWaiting(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		const perMinute, places, flood, others = 60, 100, 500, 30
		body := plain
		if isStream(w) {
			body = stream
		}
		w.patient()
		w.options.KeepAlive, w.options.MaxWait, w.options.AttemptsFor = 0, 125*time.Second, 5*time.Minute
		w.pool.Queue = places
		w.limits = []rotator.Limit{{Model: model, RPM: perMinute}}
		w.key(1)
		w.start()
		var all sync.WaitGroup
		var mu sync.Mutex
		served, refused := 0, 0
		for range flood {
			all.Go(func() {
				a := w.askAs("mallory", body())
				mu.Lock()
				defer mu.Unlock()
				if a.Code == http.StatusOK {
					served++
					return
				}
				refused++
				w.wantError(a, http.StatusTooManyRequests, "rate_limit_exceeded")
				if retry, err := strconv.Atoi(a.Header().Get("Retry-After")); err != nil || retry < 1 || retry > 125 {
					w.Errorf("Retry-After %q", a.Header().Get("Retry-After"))
				}
				if a.took > 10*time.Second {
					w.Errorf("refused after %v", a.took)
				}
			})
		}
		time.Sleep(5 * time.Second)
		w.wantQueued(places)
		for n := range others {
			all.Go(func() {
				a := w.askAs("client-"+strconv.Itoa(n), body())
				w.text(a)
				if a.took > time.Minute {
					w.Errorf("client %d was served after %v", n, a.took)
				}
			})
		}
		all.Wait()
		if served < perMinute || served > perMinute+places-others || served+refused != flood {
			w.Errorf("of the flood %d were served and %d refused", served, refused)
		}
		w.wantCalls("", served+others)
	})
}

func TestRequestThatCannotBeServedInTimeIsToldAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		arrange func(w *world)
		retry   string
	}{
		"too late":                {func(w *world) { w.options.MaxWait = 2 * time.Second }, "3"},
		"no waiting":              {func(w *world) { w.options.MaxWait = 0 }, "3"},
		"no line":                 {func(w *world) { w.pool.Queue = 0 }, "3"},
		"too late for an attempt": {func(w *world) { w.options.AttemptsFor = 2 * time.Second }, "3"},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, ask func() *answer) {
				w.patient()
				w.key(1)
				c.arrange(w)
				w.start()
				w.cool("key-1", 3*time.Second)
				a := ask()
				w.wantError(a, http.StatusTooManyRequests, "rate_limit_exceeded")
				w.wantHeaders(a.Header(), map[string]string{"Retry-After": c.retry, "Retry-After-Ms": "3000"})
				w.wantCalls("", 0)
				if a.took > 0 || a.record.Wait > 0 {
					w.Errorf("took %v, waited %v", a.took, a.record.Wait)
				}
			})
		})
	}
}

func TestLineThatIsFullTakesNobodyIn(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.patient()
		w.pool.Queue = 1
		w.key(1)
		w.start()
		w.cool("key-1", 3*time.Second)
		var first sync.WaitGroup
		first.Go(func() { w.text(ask()) })
		synctest.Wait()
		a := ask()
		w.wantError(a, http.StatusTooManyRequests, "rate_limit_exceeded")
		w.wantHeaders(a.Header(), map[string]string{"Retry-After": "3"})
		if a.took > 0 {
			w.Errorf("took %v", a.took)
		}
		first.Wait()
		w.wantCalls("", 1)
	})
}

// What bounds those that wait is not only how many they are.
func TestLineTakesInNoMoreThanItsBytes(t *testing.T) {
	for size, want := range map[int]int{400: 2, 4000: 1} {
		both(t, func(w *world, _ func() *answer) {
			w.patient()
			w.pool.QueueBytes = 3000
			w.key(1)
			w.start()
			w.cool("key-1", 3*time.Second)
			var all sync.WaitGroup
			for range 2 {
				all.Go(func() {
					body := plain()
					body["messages"] = []any{map[string]any{"role": "user", "content": strings.Repeat("x", size)}}
					if a := w.ask(body); a.Code != http.StatusOK {
						w.wantError(a, http.StatusTooManyRequests, "rate_limit_exceeded")
					}
				})
				synctest.Wait()
			}
			w.wantQueued(want)
			all.Wait()
			w.wantCalls("", want)
		})
	}
}

func TestDayExhaustedPoolIsNotWaitedFor(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.patient()
		w.key(1)
		w.key(2)
		w.start()
		w.script("", googlesim.QuotaDay(model), googlesim.QuotaDay(model))
		w.wantError(ask(), http.StatusTooManyRequests, "insufficient_quota")
		w.google.ForgetCalls()
		a := ask()
		w.wantError(a, http.StatusTooManyRequests, "insufficient_quota")
		w.wantCalls("", 0)
		if a.took > 50*time.Millisecond {
			w.Errorf("the refusal took %v", a.took)
		}
	})
}

func TestThoseThatWaitInVainAreToldAtOnce(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.patient()
		w.options.KeepAlive, w.options.MaxWait, w.options.AttemptsFor = 0, 2*time.Minute, 5*time.Minute
		w.limits = []rotator.Limit{{Model: model, RPM: 1}}
		w.key(1)
		w.start()
		w.text(ask())
		w.script("", googlesim.QuotaDay(model))
		time.Sleep(50 * time.Second)
		for range 3 {
			go func() {
				a := ask()
				w.wantError(a, http.StatusTooManyRequests, "insufficient_quota")
				if a.took > 15*time.Second { // the first of them finds out; the others would have had turns in the minutes after
					w.Errorf("took %v", a.took)
				}
			}()
		}
		time.Sleep(time.Minute)
		w.wantQueued(0)
		w.wantCalls("", 2)
	})
}

func TestFailureAfterAWaitIsToldInTheStream(t *testing.T) {
	simulated(t, func(w *world) {
		w.patient()
		w.key(1)
		w.start()
		w.cool("key-1", 3*time.Second)
		w.script("", googlesim.QuotaDay(model))
		w.wantInBand(w.ask(stream()), "insufficient_quota")
		w.wantCalls("", 1)
	})
}

func TestClientThatLeavesTheLineGivesItsPlaceBack(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.patient()
		w.pool.Queue = 1
		w.key(1)
		w.start()
		w.cool("key-1", 3*time.Second)
		ctx, leave := context.WithCancel(w.Context())
		time.AfterFunc(500*time.Millisecond, leave)
		body := plain()
		if isStream(w) {
			body = stream()
		}
		a := w.askWith(ctx, body)
		if a.took != 500*time.Millisecond || a.record.Error != "client_gone" || a.record.Wait != a.took {
			w.Errorf("took %v, waited %v, ended with %q", a.took, a.record.Wait, a.record.Error)
		}
		w.wantQueued(0)
		w.text(ask()) // or there would be no place
		w.wantCalls("", 1)
		if n := w.account(1).InFlight; n != 0 {
			w.Errorf("%d calls are in flight", n)
		}
	})
}

func TestLostConnectionGivesThePlaceInLineBack(t *testing.T) {
	simulated(t, func(w *world) {
		w.patient()
		w.key(1)
		w.start()
		w.cool("key-1", 3*time.Second)
		client := &failingRecorder{ResponseRecorder: newTimedRecorder().ResponseRecorder, writes: 1, flushes: 99}
		start := time.Now()
		record := w.serve(client, stream())
		if took := time.Since(start); took != 2*time.Second || record.Error != "client_gone" {
			w.Errorf("took %v, ended with %q", took, record.Error)
		}
		w.wantQueued(0)
		time.Sleep(10 * time.Second)
		w.wantCalls("", 0)
	})
}

func TestAllWaitsOfARequestAreBoundedTogether(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.patient()
		w.options.KeepAlive = 0
		w.key(1)
		w.start()
		w.cool("key-1", 3*time.Second)
		w.script("", googlesim.RateMinute(model, 5*time.Second), googlesim.RateMinute(model, 5*time.Second))
		a := ask()
		w.wantError(a, http.StatusTooManyRequests, "rate_limit_exceeded")
		w.wantHeaders(a.Header(), map[string]string{"Retry-After": "5", "X-Gemini-Proxy-Attempts": "2"})
		if a.record.Wait < 8*time.Second || a.record.Wait > 8100*time.Millisecond {
			w.Errorf("waited %v", a.record.Wait)
		}
		w.wantCalls("", 2)
	})
}

func TestRequestWaitsAfterARefusalOfItsOwn(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.patient()
		w.key(1)
		w.start()
		w.script("", googlesim.RateMinute(model, 5*time.Second))
		a := ask()
		w.text(a)
		if a.record.Attempts != 2 || a.record.Wait < 5*time.Second {
			w.Errorf("%d attempts, waited %v", a.record.Attempts, a.record.Wait)
		}
		w.wantCalls("", 2)
	})
}

func TestWaitingDoesNotExceedTheAttempts(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.patient()
		w.options.KeepAlive, w.options.Attempts = 0, 2
		w.key(1)
		w.start()
		w.google.Always(googlesim.Match{}, googlesim.RateMinute(model, time.Second))
		a := ask()
		w.wantError(a, http.StatusTooManyRequests, "rate_limit_exceeded")
		w.wantCalls("", 2)
	})
}

func TestFallbackIsAskedBeforeAnybodyWaits(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.patient()
		w.key(1)
		w.start()
		w.cool("key-1", 3*time.Second)
		w.fallback(flash)
		w.start()
		a := ask()
		w.text(a)
		w.wantAsked(flash)
		if a.took > 0 {
			w.Errorf("took %v", a.took)
		}
	})
}

func TestModelAskedForIsWaitedForWhenFallbacksAreOutToo(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.patient()
		w.fallback(flash)
		w.key(1)
		w.start()
		w.script("", googlesim.RateMinute(model, 3*time.Second), googlesim.QuotaDay(flash))
		a := ask()
		if c := w.completion(a); c.Content == "" || a.record.UpstreamModel != model {
			w.Errorf("%s answered: %+v", a.record.UpstreamModel, c)
		}
		w.wantAsked(model, flash, model)
		if a.record.Wait < 3*time.Second || a.record.Wait > 3100*time.Millisecond {
			w.Errorf("waited %v", a.record.Wait)
		}
	})
}

func TestFallbackIsNotWaitedForWhenAnotherIsReady(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.patient()
		w.fallback(flash, lite)
		w.key(1)
		w.start()
		w.script("", googlesim.QuotaDay(model), googlesim.RateMinute(flash, 3*time.Second))
		a := ask()
		w.text(a)
		w.wantAsked(model, flash, lite)
		if a.took > 0 {
			w.Errorf("took %v", a.took)
		}
	})
}

// What ended the tries of a model is no lack of accounts, so there is nothing to wait for.
func TestOverloadedModelIsNotWaitedFor(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.patient()
		w.options.KeepAlive = 0
		w.fallback(flash)
		w.key(1)
		w.start()
		w.google.Always(googlesim.Match{}, googlesim.HighDemand())
		a := ask()
		w.wantError(a, http.StatusServiceUnavailable, "server_is_overloaded")
		if a.record.Wait > 0 {
			w.Errorf("waited %v", a.record.Wait)
		}
		w.google.ForgetCalls()
		a = ask()
		w.wantError(a, http.StatusServiceUnavailable, "server_is_overloaded")
		if slices.Contains(w.asked(), model) || a.record.Wait > 0 {
			w.Errorf("asked for %q, waited %v", w.asked(), a.record.Wait)
		}
	})
}

// A model whose tries the pool's budget has ended is not tried once more after the fallbacks.
func TestModelIsNotTriedAgainAfterItsFallbacksUnlessItWasWaitedFor(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.patient()
		w.options.KeepAlive = 0
		w.fallback(flash)
		w.key(1)
		w.start()
		w.google.Always(googlesim.Match{}, googlesim.HighDemand())
		alone := 0 // calls for the model that were not repeated
		for range 30 {
			w.google.ForgetCalls()
			w.wantError(ask(), http.StatusServiceUnavailable, "server_is_overloaded")
			asked := w.asked()
			if first := slices.Index(asked, flash); first < 0 || slices.Contains(asked[first:], model) {
				w.Errorf("asked for %q", asked)
			} else if first == 1 {
				alone++
			}
			time.Sleep(16 * time.Second)
		}
		if alone == 0 {
			w.Error("the budget was never spent")
		}
	})
}
