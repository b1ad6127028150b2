package gateway_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// The tests in this file are about how often and for how long a request is tried, on which models, and what is left of an attempt.

// asked are the models Google was asked for, in order.
func (w *world) asked() (models []string) {
	for _, c := range w.google.Calls(googlesim.Match{Method: "streamGenerateContent"}) {
		models = append(models, c.Model)
	}
	return models
}

func (w *world) wantAsked(want ...string) {
	w.Helper()
	if got := w.asked(); !slices.Equal(got, want) {
		w.Errorf("Google was asked for %q, want %q", got, want)
	}
}

// fallback declares what to try when accounts are out of the model.
func (w *world) fallback(models ...string) {
	w.options.Models = []gateway.Model{{Name: model, Fallback: models}}
}

const (
	flash = "gemini-2.5-flash"
	lite  = "gemini-2.5-flash-lite"
)

func TestAttemptsBoundTheCallsOfARequest(t *testing.T) {
	for _, attempts := range []int{1, 2, 4} {
		both(t, func(w *world, ask func() *answer) {
			w.options.Attempts = attempts
			for n := range 9 {
				w.key(n + 1)
			}
			w.start()
			w.google.Always(googlesim.Match{}, googlesim.QuotaDay(model))
			a := ask()
			w.wantError(a, http.StatusTooManyRequests, "insufficient_quota")
			w.wantCalls("", attempts)
			w.wantHeaders(a.Header(), map[string]string{"Retry-After": "1"}) // others are ready
			if got := a.Header().Get("X-Gemini-Proxy-Attempts"); got != strconv.Itoa(attempts) || a.record.Attempts != attempts {
				w.Errorf("X-Gemini-Proxy-Attempts %q, record %d, want %d", got, a.record.Attempts, attempts)
			}
		})
	}
}

func TestAttemptsOfFallbacksCountToo(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		for n := range 3 {
			w.key(n + 1)
		}
		w.fallback(flash)
		w.start()
		w.google.Always(googlesim.Match{}, googlesim.QuotaDay(model))
		w.wantError(ask(), http.StatusTooManyRequests, "insufficient_quota")
		w.wantAsked(model, model, model, flash)
	})
}

func TestRenewedTokenCostsAnAttempt(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.options.Attempts = 1
		w.user(1)
		w.start()
		w.script("user-1", googlesim.Unauthorized())
		w.wantError(ask(), http.StatusServiceUnavailable, "upstream_auth")
		w.wantCalls("", 1)
		w.text(ask()) // with another token
		if got := w.refreshes("user-1"); got != 2 {
			w.Errorf("%d refreshes: the refused token must be dropped even when no attempt is left", got)
		}
	})
}

func TestNoAttemptBeginsAfterTheTimeForThem(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.options.AttemptsFor = 10 * time.Second
		w.key(1)
		w.key(2)
		w.fallback(flash)
		w.start()
		slow := googlesim.RateMinute(model, 37*time.Second)
		slow.Delay = 10*time.Second + time.Millisecond
		w.script("key-1", slow)
		w.wantError(ask(), http.StatusTooManyRequests, "rate_limit_exceeded")
		w.wantAsked(model)
	})
}

func TestAttemptsBeginUntilTheTimeForThemEnds(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.options.AttemptsFor = 10 * time.Second
		w.key(1)
		w.key(2)
		w.start()
		slow := googlesim.RateMinute(model, 37*time.Second)
		slow.Delay = 10 * time.Second
		w.script("key-1", slow)
		w.text(ask())
	})
}

func TestPauseThatEndsTooLateForAnAttemptIsNotMade(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.options.AttemptsFor = 3 * time.Second
		w.key(1)
		w.start()
		w.google.Always(googlesim.Match{}, googlesim.HighDemand()) // tried again after one second, and after three more
		a := ask()
		w.wantError(a, http.StatusServiceUnavailable, "server_is_overloaded")
		w.wantCalls("", 2)
		if a.took > 2*time.Second {
			w.Errorf("took %v", a.took)
		}
	})
}

func TestFallbacksAreTriedInOrderWhenTheAccountsAreOutOfTheModel(t *testing.T) {
	for name, fault := range map[string]googlesim.Reply{
		"day": googlesim.QuotaDay(model), "minute": googlesim.RateMinute(model, time.Minute), "never": googlesim.LimitZero(model),
		"missing": googlesim.ModelMissing(googlesim.Developer, "project-1", model),
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, ask func() *answer) {
				w.key(1)
				w.fallback(flash, lite)
				w.start()
				w.google.Always(googlesim.Match{Model: model}, fault)
				stop := w.google.Always(googlesim.Match{Model: flash}, fault)
				a := ask()
				if c := w.completion(a); c.Content == "" || c.Model != model {
					w.Errorf("answer: %+v", c)
				}
				w.wantAsked(model, flash, lite)
				if a.record.UpstreamModel != lite || a.record.Model != model || a.record.Error != "" {
					w.Errorf("record: %+v", a.record)
				}
				w.google.ForgetCalls()
				w.text(ask()) // what is known now is not asked again
				w.wantAsked(lite)
				stop()
			})
		})
	}
}

func TestFailedFallbackDoesNotHideWhyTheModelFailed(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.fallback(flash, lite)
		w.start()
		w.google.Always(googlesim.Match{Model: model}, googlesim.QuotaDay(model))
		w.google.Always(googlesim.Match{Model: flash}, googlesim.BadRequest("not with this model."))
		w.google.Always(googlesim.Match{Model: lite}, googlesim.BadRequest("not with this model."))
		w.wantError(ask(), http.StatusTooManyRequests, "insufficient_quota")
		w.wantAsked(model, flash, lite)
	})
}

func TestFallbackThatBreaksOffIsToldAsItIs(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.fallback(flash, lite)
		w.start()
		w.google.Always(googlesim.Match{Model: model}, googlesim.QuotaDay(model))
		w.google.Always(googlesim.Match{Model: flash}, googlesim.ResetAfter(2))
		if text := w.wantInBand(w.ask(stream()), "upstream_incomplete"); text == "" {
			w.Error("the text before the break is lost")
		}
		w.wantAsked(model, flash)
	})
}

func TestRequestAtFaultDoesNotFallBack(t *testing.T) {
	for name, fault := range map[string]googlesim.Reply{
		"request": googlesim.BadRequest("no."), "too long": googlesim.InputTooLong(2, 1), "broken": googlesim.EmptyStream(),
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, ask func() *answer) {
				w.key(1)
				w.fallback(flash)
				w.start()
				w.google.Always(googlesim.Match{Model: model}, fault)
				if a := ask(); a.Code == http.StatusOK {
					w.Errorf("answer: %s", a.Body)
				}
				if slices.Contains(w.asked(), flash) {
					w.Errorf("Google was asked for %q", w.asked())
				}
			})
		})
	}
}

func TestNothingIsTriedOnceTheAnswerHasBegun(t *testing.T) {
	for name, fault := range map[string]googlesim.Reply{
		"overloaded": googlesim.HighDemand(), "limited": googlesim.RateMinute(model, time.Minute), "refused": googlesim.Unauthorized(),
		"internal": googlesim.Internal(),
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(w *world) {
				w.key(1)
				w.key(2)
				w.fallback(flash)
				w.start()
				w.script("", googlesim.MidStream(2, fault))
				a := w.ask(stream())
				if n := strings.Count(a.Body.String(), `"error":`); n != 1 || strings.Contains(a.Body.String(), "[DONE]") {
					w.Errorf("%d errors: %s", n, a.Body)
				}
				w.wantAsked(model)
			})
		})
	}
}

func TestUnreachableGoogleIsTriedTwiceMore(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		for n := range 5 {
			w.key(n + 1)
		}
		w.start()
		w.google.Always(googlesim.Match{}, googlesim.Reset()) // the connection ends before an answer: not the same as an empty one
		w.wantError(ask(), http.StatusBadGateway, "upstream_error")
		w.wantCalls("", 3)
		w.wantReady(5)
	})
}

func TestClientThatLeavesDuringAPauseEndsTheRequest(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.fallback(flash)
		w.start()
		w.google.Always(googlesim.Match{}, googlesim.HighDemand())
		for _, body := range []map[string]any{stream(), plain()} {
			calls := w.calls("")
			ctx, leave := context.WithCancel(w.Context())
			time.AfterFunc(300*time.Millisecond, leave)
			a := w.askWith(ctx, body)
			if a.took != 300*time.Millisecond || a.record.Error != "client_gone" {
				w.Errorf("the exchange took %v and ended with %q", a.took, a.record.Error)
			}
			w.wantCalls("", calls+1)
			time.Sleep(time.Minute)
		}
	})
}

func TestTokensGoogleCountedReplaceTheEstimate(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.start()
		w.script("", googlesim.Reply{Events: []string{
			`{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":4321,"totalTokenCount":4322}}`,
		}})
		w.text(ask())
		if m := w.account(1).Models; len(m) != 1 || m[0].TPM.Used != 4321 || m[0].RPM.Used != 1 {
			w.Errorf("counted: %+v", m)
		}
	})
}

func TestTokensOfABrokenAnswerCount(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		w.script("", googlesim.Reply{End: googlesim.EndReset, Events: []string{
			`{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}],"usageMetadata":{"promptTokenCount":4321,"totalTokenCount":4322}}`,
			`{"candidates":[{"content":{"parts":[{"text":"!"}]}}]}`, // not every event has the count
		}})
		a := w.ask(stream())
		if m := w.account(1).Models; len(m) != 1 || m[0].TPM.Used != 4321 {
			w.Errorf("counted: %+v", m)
		}
		if a.record.Usage.Prompt != 4321 {
			w.Errorf("record: %+v", a.record)
		}
	})
}

func TestCallThatWasNotMadeIsNotCounted(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.user(1)
		w.start()
		w.google.DisableRefresh("user-1")
		a := ask()
		w.wantError(a, http.StatusServiceUnavailable, "upstream_auth")
		if got := a.Header().Get("X-Gemini-Proxy-Attempts"); got != "0" || a.record.Attempts != 0 {
			w.Errorf("X-Gemini-Proxy-Attempts %q, record %d", got, a.record.Attempts)
		}
		for _, m := range w.account(1).Models {
			if m.RPM.Used != 0 || m.TPM.Used != 0 {
				w.Errorf("counted: %+v", m)
			}
		}
	})
}

func TestEveryWayOutGivesTheAccountBack(t *testing.T) {
	for name, fault := range map[string]googlesim.Reply{
		"answer": googlesim.Answer("Hi"), "request at fault": googlesim.BadRequest("no."), "limited": googlesim.QuotaDay(model),
		"empty": googlesim.EmptyStream(), "reset": googlesim.ResetAfter(1), "refused": googlesim.Unauthorized(), "stalled": googlesim.StallAfter(1),
		"overloaded": googlesim.HighDemand(), "dead": googlesim.Forbidden("TOS_VIOLATION"), "internal": googlesim.Internal(),
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, ask func() *answer) {
				w.key(1)
				w.user(2)
				w.start()
				w.google.Always(googlesim.Match{Method: "streamGenerateContent"}, fault)
				ask()
				synctest.Wait()
				if n := w.options.Pool.Snapshot().Pool.InFlight; n != 0 {
					w.Errorf("%d calls are in flight", n)
				}
				if n := w.google.Active(); n != 0 {
					w.Errorf("%d calls are still being answered", n)
				}
			})
		})
	}
}

func TestRequestIsEncodedForTheModelAndBackendThatGetIt(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.user(2)
		w.fallback(flash)
		w.start()
		w.script("", googlesim.QuotaDay(model), googlesim.QuotaDay(model))
		// These two models are told how hard to think in different words, and Google refuses the other's.
		w.text(w.ask(map[string]any{"reasoning_effort": "low"}))
		w.wantAsked(model, model, flash)

		w.script("key-1", googlesim.Internal())
		a := w.ask(map[string]any{"model": flash, "presence_penalty": 0.5})
		w.text(a)
		if a.record.Account != "env-2" || a.Header().Get("X-Gemini-Proxy-Ignored") != "" {
			w.Errorf("%s ignored %q, but Vertex AI takes it", a.record.Account, a.Header().Get("X-Gemini-Proxy-Ignored"))
		}
	})
}

func TestVertexIsToldOfTheTierInAHeader(t *testing.T) {
	for backend, want := range map[string]string{"Vertex": "flex", "Developer": "", "usual": ""} {
		both(t, func(w *world, _ func() *answer) {
			if backend == "Developer" {
				w.key(1)
			} else {
				w.user(1)
			}
			w.start()
			tier := "flex"
			if backend == "usual" {
				tier = "default"
			}
			q := reportedRequest{body: `"service_tier":"` + tier + `"`}
			q.ask(w)
			calls := w.google.Calls(googlesim.Match{Method: "streamGenerateContent"})
			if got := calls[0].Header.Get("X-Vertex-Ai-Llm-Shared-Request-Type"); got != want {
				w.Errorf("%s: %q, want %q", backend, got, want)
			}
		})
	}
}

func TestVertexIsAskedWhereTheCredentialSays(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.user(1)
		w.accounts[0].Location = "europe-west4"
		w.start()
		w.text(ask())
		if c := w.google.Calls(googlesim.Match{Method: "streamGenerateContent"})[0]; c.Location != "europe-west4" || c.Project != "project-1" {
			w.Errorf("asked in %q for %q", c.Location, c.Project)
		}
	})
}

// tracked is a transport that knows which of its calls have ended. Its calls are slow to notice that they are canceled.
type tracked struct {
	http.RoundTripper
	calls, bodies atomic.Int32
}

func (c *tracked) RoundTrip(r *http.Request) (*http.Response, error) {
	c.calls.Add(1)
	defer c.calls.Add(-1)
	resp, err := c.RoundTripper.RoundTrip(r)
	if err != nil {
		time.Sleep(time.Second)
		return nil, err
	}
	c.bodies.Add(1)
	resp.Body = trackedBody{resp.Body, sync.OnceFunc(func() { c.bodies.Add(-1) })}
	return resp, nil
}

type trackedBody struct {
	io.ReadCloser
	closed func()
}

func (b trackedBody) Close() error {
	b.closed()
	return b.ReadCloser.Close()
}

func TestNothingOfACallOutlivesItsRequest(t *testing.T) {
	for name, reply := range map[string]googlesim.Reply{
		"answer": googlesim.Answer("Hi"), "failure": googlesim.BadRequest("no."), "failure as an event": googlesim.FirstEvent(googlesim.BadRequest("no.")),
		"broken": googlesim.ResetAfter(1), "never answered": googlesim.Stall(), "stalled": googlesim.StallAfter(1),
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, _ func() *answer) {
				calls := &tracked{RoundTripper: w.transport}
				w.options.Google = google.New(google.Options{Endpoints: endpoints, HTTP: calls})
				w.key(1)
				w.start()
				w.google.Always(googlesim.Match{}, reply)
				body := plain()
				if isStream(w) {
					body = stream()
				}
				ctx, leave := context.WithTimeout(w.Context(), 10*time.Second)
				defer leave()
				w.askWith(ctx, body)
				if calls, bodies := calls.calls.Load(), calls.bodies.Load(); calls != 0 || bodies != 0 {
					w.Errorf("%d calls and %d bodies are left", calls, bodies)
				}
			})
		})
	}
}

type panicking struct{}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic("out of order") }

func TestPanicWhileCallingGoogleEndsOnlyItsRequest(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.options.Google = google.New(google.Options{HTTP: panicking{}})
		w.start()
		func() {
			defer func() {
				if p, ok := recover().(error); !ok || !strings.Contains(p.Error(), "out of order") || !strings.Contains(p.Error(), "RoundTrip") {
					w.Errorf("recovered from %v, want the panic and where it was", p)
				}
			}()
			ask()
			w.Error("no panic reached the server")
		}()
		if a := w.account(1); a.InFlight != 0 {
			w.Errorf("%d calls are in flight", a.InFlight)
		}
	})
}

func TestAnswerTooLargeForOnePieceIsRefused(t *testing.T) {
	gateway.SetMaxAnswer(t, 1000)
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		w.google.Always(googlesim.Match{}, googlesim.Answer(strings.Repeat("x", 600), strings.Repeat("x", 401)))
		w.wantError(w.ask(plain()), http.StatusBadGateway, "answer_too_large")
		w.wantCalls("", 1)
		w.text(w.ask(stream()))
	})
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		w.script("", googlesim.Answer(strings.Repeat("x", 600), strings.Repeat("x", 400)))
		w.text(w.ask(plain()))
	})
}
