package gateway_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// The tests in this file are about what happens before anything of the answer has reached the client, while a better try is possible.

func TestBlockedPromptIsAnAnswerAndHarmsNoAccount(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		for n := range 25 {
			w.key(n + 1)
		}
		w.start()
		w.script("", googlesim.PromptBlocked("SAFETY"))
		c := w.completion(ask())
		if c.Finish != "content_filter" || c.Refusal == "" || c.Content != "" {
			w.Errorf("blocked prompt: %+v", c)
		}
		if c.PromptTokens != 9 {
			w.Errorf("usage of a blocked prompt: %d prompt tokens, want 9", c.PromptTokens)
		}
		w.wantCalls("", 1)
		if got := w.text(ask()); got == "" {
			w.Error("the request after it got no answer")
		}
		w.wantCalls("", 2)
		w.wantReady(25)
	})
}

func TestMinuteLimitCoolsTheGroupForThatModelAsLongAsGoogleSays(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.key(2)
		w.start()
		w.script("key-1", googlesim.RateMinute(model, 37*time.Second))
		a := ask()
		w.text(a)
		w.wantCalls("", 2)
		if got := a.Header().Get("X-Gemini-Proxy-Attempts"); got != "2" || a.record.Attempts != 2 {
			w.Errorf("X-Gemini-Proxy-Attempts %q, record %d", got, a.record.Attempts)
		}
		time.Sleep(36 * time.Second)
		w.text(ask())
		w.wantCalls("key-1", 1)
		w.text(w.ask(map[string]any{"model": "gemini-2.5-flash"}))
		if got := w.google.Count(googlesim.Match{Account: "key-1", Model: "gemini-2.5-flash"}); got != 1 {
			w.Errorf("another model of the limited group had %d calls, want 1", got)
		}
		time.Sleep(time.Second + time.Millisecond)
		w.text(ask())
		w.wantCalls("key-1", 3) // one refused, one for the other model, one now
	})
}

func TestDayLimitCoolsTheGroupUntilMidnightPacific(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.key(2)
		w.start()
		w.script("key-1", googlesim.QuotaDay(model))
		w.text(ask())
		w.wantCalls("", 2)
		midnight := nextMidnight(w)
		time.Sleep(time.Until(midnight) - time.Second)
		w.text(ask())
		w.wantCalls("key-1", 1)
		time.Sleep(time.Second)
		w.text(ask())
		w.wantCalls("key-1", 2)
	})
}

func nextMidnight(w *world) time.Time {
	pacific, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		w.Fatal(err)
	}
	now := time.Now().In(pacific)
	return time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, pacific)
}

func TestDayExhaustedPoolAnswersWithoutAskingGoogle(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		for n := range 3 {
			w.key(n + 1)
		}
		w.start()
		w.script("", googlesim.QuotaDay(model), googlesim.QuotaDay(model), googlesim.QuotaDay(model))
		w.wantError(ask(), http.StatusTooManyRequests, "insufficient_quota")
		w.wantCalls("", 3)
		time.Sleep(1500 * time.Millisecond)
		a := ask()
		if e := w.wantError(a, http.StatusTooManyRequests, "insufficient_quota"); e.Type != "insufficient_quota" {
			w.Errorf("type %q", e.Type)
		}
		w.wantCalls("", 3)
		want := int((time.Until(nextMidnight(w)) + time.Second - 1) / time.Second)
		if got := a.Header().Get("Retry-After"); got != strconv.Itoa(want) {
			w.Errorf("Retry-After %q, want %d", got, want)
		}
		if a.took > 50*time.Millisecond {
			w.Errorf("the refusal took %v", a.took)
		}
		if a.record.Attempts != 0 || a.Header().Get("X-Gemini-Proxy-Attempts") != "0" {
			w.Errorf("attempts %d, header %q", a.record.Attempts, a.Header().Get("X-Gemini-Proxy-Attempts"))
		}
	})
}

func TestGroupWithoutQuotaForAModelIsNotAskedForHours(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.key(2)
		w.start()
		w.script("key-1", googlesim.LimitZero(model))
		w.text(ask())
		w.wantCalls("", 2)
		time.Sleep(6*time.Hour - time.Second)
		w.text(ask())
		w.wantCalls("key-1", 1)
		if m := w.account(1).Models; len(m) != 1 || m[0].Reason != "not_entitled" {
			w.Errorf("status of the model: %+v", m)
		}
		time.Sleep(2 * time.Second)
		w.text(ask())
		w.wantCalls("key-1", 2)
	})
}

func TestOverloadedModelIsPacedThenHonest(t *testing.T) {
	for name, fault := range map[string]googlesim.Reply{
		"503 in words":          googlesim.HighDemand(),
		"429 with a reason":     googlesim.Capacity(http.StatusTooManyRequests, model, 0),
		"503 with reason, wait": googlesim.Capacity(http.StatusServiceUnavailable, model, 2*time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, ask func() *answer) {
				for n := range 5 {
					w.key(n + 1)
				}
				w.start()
				stop := w.google.Always(googlesim.Match{Model: model}, fault)
				a := ask()
				w.wantError(a, http.StatusServiceUnavailable, "server_is_overloaded")
				if calls := w.calls(""); calls < 2 || calls > 3 {
					w.Errorf("%d calls, want one or two more tries", calls)
				}
				if a.took < time.Second {
					w.Errorf("tries were not paced: all done after %v", a.took)
				}
				if retry, err := strconv.Atoi(a.Header().Get("Retry-After")); err != nil || retry < 1 || retry > 30 {
					w.Errorf("Retry-After %q", a.Header().Get("Retry-After"))
				}
				w.wantReady(5)
				calls := w.calls("")
				w.wantError(ask(), http.StatusServiceUnavailable, "server_is_overloaded")
				w.wantCalls("", calls) // the model rests for everybody
				w.text(w.ask(map[string]any{"model": "gemini-2.5-flash"}))
				stop()
				time.Sleep(31 * time.Second)
				w.text(ask())
			})
		})
	}
}

func TestOverloadedModelFallsBack(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.options.Models = []gateway.Model{{Name: model, Fallback: []string{"gemini-2.5-flash"}}}
		w.start()
		w.google.Always(googlesim.Match{Model: model}, googlesim.HighDemand())
		a := ask()
		if c := w.completion(a); c.Model != model || c.Content == "" {
			w.Errorf("answer of the fallback: %+v", c)
		}
		if got := a.Header().Get("X-Gemini-Proxy-Model"); got != "gemini-2.5-flash" {
			w.Errorf("X-Gemini-Proxy-Model %q", got)
		}
		w.wantAsked(model, model, "gemini-2.5-flash") // one more try tells chance from an overload: more would only cost time
	})
}

func TestFaultOfTheRequestIsToldAndHarmsNoAccount(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.key(2)
		w.start()
		w.script("", googlesim.BadRequest("GenerateContentRequest.contents[0].parts[0].text: is not to Google's liking."))
		e := w.wantError(ask(), http.StatusBadRequest, "invalid_value")
		if e.Type != "invalid_request_error" || e.Param == nil || *e.Param != "messages[0]" {
			w.Errorf("error: %+v", e)
		}
		w.wantCalls("", 1)
		w.wantReady(2)
	})
}

func TestTooLongPromptIsNamedAsOpenAINamesIt(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.key(2)
		w.start()
		w.script("", googlesim.InputTooLong(1200293, 1048576))
		e := w.wantError(ask(), http.StatusBadRequest, "context_length_exceeded")
		if !strings.Contains(e.Message, "maximum context length is 1048576 tokens") || !strings.Contains(e.Message, "1200293") {
			w.Errorf("message: %s", e.Message)
		}
		w.wantCalls("", 1)
		w.wantReady(2)
	})
}

func TestModelMissingAtOneAccountIsAskedElsewhere(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		for n := range 6 {
			w.key(n + 1)
		}
		w.start()
		w.script("key-1", googlesim.ModelMissing(googlesim.Developer, "project-1", model))
		w.text(ask())
		w.wantCalls("", 2)
		if m := w.account(1).Models; len(m) != 1 || m[0].Reason != "not_entitled" {
			w.Errorf("status: %+v", m)
		}
		w.google.Always(googlesim.Match{}, googlesim.ModelMissing(googlesim.Developer, "project-1", model))
		w.wantError(ask(), http.StatusNotFound, "model_not_found")
		if calls := w.calls(""); calls > 2+4 {
			w.Errorf("%d calls for a model nobody has", calls-2)
		}
	})
}

func TestBrokenConnectionIsTriedElsewhere(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.key(2)
		w.start()
		w.script("", googlesim.Reset())
		w.text(ask())
		w.wantCalls("key-1", 1)
		w.wantCalls("key-2", 1)
		w.wantReady(2)
	})
}

func TestGoogleOutOfReachIsAnHonestErrorAndSoonAQuickOne(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		for n := range 3 {
			w.key(n + 1)
		}
		w.start()
		w.network.close()
		a := ask()
		if a.Code < 500 || a.Code > 504 {
			w.Errorf("status %d: %s", a.Code, a.Body)
		}
		a.clientError(w)
		w.wantReady(3)

		ask() // enough failures in a row for the host to be left alone
		a = ask()
		w.wantError(a, http.StatusServiceUnavailable, "upstream_unavailable")
		if a.record.Attempts != 0 || a.Header().Get("Retry-After") == "" {
			w.Errorf("%d attempts, Retry-After %q", a.record.Attempts, a.Header().Get("Retry-After"))
		}
		w.wantReady(3)
	})
}

func TestServerErrorsAreTriedElsewhereAtMostTwice(t *testing.T) {
	for name, c := range map[string]struct {
		fault  googlesim.Reply
		status int
		calls  int
	}{
		"500":      {googlesim.Internal(), http.StatusInternalServerError, 3},
		"502 HTML": {googlesim.HTML502(), http.StatusBadGateway, 3},
		"504":      {googlesim.Deadline(), http.StatusGatewayTimeout, 2},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, ask func() *answer) {
				for n := range 5 {
					w.key(n + 1)
				}
				w.start()
				w.script("", c.fault)
				w.text(ask())
				w.wantCalls("key-1", 1)
				w.wantCalls("key-2", 1)
				w.google.Always(googlesim.Match{}, c.fault)
				a := ask()
				if a.Code != c.status {
					w.Errorf("status %d, want %d: %s", a.Code, c.status, a.Body)
				}
				a.clientError(w)
				w.wantCalls("", 2+c.calls)
				w.wantReady(5)
			})
		})
	}
}

func TestErrorAsFirstEventIsLikeAnHTTPError(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.key(2)
		w.start()
		w.script("key-1", googlesim.FirstEvent(googlesim.RateMinute(model, 37*time.Second)))
		w.text(ask())
		w.wantCalls("", 2)
		w.text(ask())
		w.wantCalls("key-1", 1)
		w.google.Always(googlesim.Match{}, googlesim.FirstEvent(googlesim.BadRequest("no.")))
		w.wantError(ask(), http.StatusBadRequest, "invalid_value")
		w.wantCalls("key-2", 3)
	})
}

func TestEmptyAnswerIsRetriedOnce(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.key(2)
		w.start()
		w.script("", googlesim.EmptyStream())
		w.text(ask())
		w.wantCalls("", 2)
		w.google.Always(googlesim.Match{}, googlesim.EmptyStream())
		a := ask()
		if a.Code != http.StatusBadGateway {
			w.Errorf("status %d: %s", a.Code, a.Body)
		}
		w.wantCalls("", 4)
		w.wantReady(2)
	})
}

// litellm#16651, #21744, hermes-agent#83886: a call that the model got wrong is never an empty answer that stopped.
func TestUnusableAnswerIsRetriedOnceThenToldInGooglesWords(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.key(2)
		w.start()
		malformed := googlesim.Unusable("MALFORMED_FUNCTION_CALL", "Malformed function call: print(weather(")
		w.script("", malformed)
		w.text(ask())
		w.wantCalls("", 2)
		w.google.Always(googlesim.Match{}, malformed)
		e := w.wantError(ask(), http.StatusBadGateway, "malformed_function_call")
		if !strings.Contains(e.Message, "Malformed function call") {
			w.Errorf("message: %s", e.Message)
		}
		w.wantCalls("", 4)
	})
}

// Google's own compatible endpoint answers with lists of errors, of which no client reads anything.
func TestErrorsAreObjectsWhateverGoogleSends(t *testing.T) {
	refusal := googlesim.BadRequest("no.")
	for name, fault := range map[string]googlesim.Reply{
		"object": refusal, "list": googlesim.AsArray(refusal), "list in a stream": googlesim.FirstEvent(googlesim.AsArray(refusal)),
		"HTML": googlesim.HTML502(), "nothing": {Status: http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, ask func() *answer) {
				w.key(1)
				w.start()
				w.google.Always(googlesim.Match{}, fault)
				a := ask()
				var body struct {
					Error map[string]any `json:"error"`
				}
				if err := json.Unmarshal(a.Body.Bytes(), &body); err != nil || a.Code < http.StatusBadRequest {
					w.Fatalf("%d %s", a.Code, a.Body)
				}
				for _, member := range []string{"message", "type", "param", "code"} {
					if _, ok := body.Error[member]; !ok {
						w.Errorf("no %s in %s", member, a.Body)
					}
				}
			})
		})
	}
}

func TestErrorBodiesInOddShapesMeanTheSame(t *testing.T) {
	plain := googlesim.RateMinute(model, 37*time.Second)
	for name, fault := range map[string]googlesim.Reply{
		"array": googlesim.AsArray(plain), "doubled commas": googlesim.WithCommas(plain), "in a message": googlesim.InMessage(plain),
		"array in a stream": googlesim.FirstEvent(googlesim.AsArray(plain)),
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, ask func() *answer) {
				w.key(1)
				w.key(2)
				w.start()
				w.script("key-1", fault)
				w.text(ask())
				time.Sleep(36 * time.Second)
				w.text(ask())
				w.wantCalls("key-1", 1)
				time.Sleep(2 * time.Second)
				w.text(ask())
				w.wantCalls("key-1", 2)
			})
		})
	}
}

func TestSilenceIsFilledWithCommentsAndFailoverStaysSilent(t *testing.T) {
	simulated(t, func(w *world) {
		w.options.KeepAlive = time.Second
		w.key(1)
		w.key(2)
		w.start()
		slow := googlesim.RateMinute(model, 37*time.Second)
		slow.Delay = 4 * time.Second
		w.script("key-1", slow)
		timed := newTimedRecorder()
		r := request(http.MethodPost, chatPath, chat(stream()))
		record := w.gateway.Route(r).Serve(timed, r, known)
		if record.Attempts != 2 {
			w.Errorf("%d attempts", record.Attempts)
		}
		if first := timed.writes[0]; first.text != ": keep-alive\n\n" || first.after != time.Second {
			w.Errorf("first write: %q after %v", first.text, first.after)
		}
		if n := strings.Count(timed.Body.String(), ": keep-alive\n\n"); n < 3 || n > 4 {
			w.Errorf("%d comments in 4 s of silence", n)
		}
		if c := w.completion(&answer{ResponseRecorder: timed.ResponseRecorder, record: record}); c.Content == "" || c.Finish != "stop" {
			w.Errorf("answer after the silence: %+v", c)
		}
	})
}

func TestFailureAfterCommentsIsToldInTheStream(t *testing.T) {
	simulated(t, func(w *world) {
		w.options.KeepAlive = time.Second
		w.key(1)
		w.start()
		slow := googlesim.QuotaDay(model)
		slow.Delay = 3 * time.Second
		w.script("key-1", slow)
		a := w.ask(stream())
		if a.Code != http.StatusOK {
			w.Fatalf("status %d, but the headers were gone", a.Code)
		}
		w.wantInBand(a, "insufficient_quota")
	})
}

func TestSlowFirstTokenIsTriedElsewhere(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.options.FirstToken = 20 * time.Second
		w.key(1)
		w.key(2)
		w.start()
		w.script("key-1", googlesim.Stall())
		a := ask()
		w.text(a)
		if a.took < 20*time.Second || a.took > 25*time.Second {
			w.Errorf("took %v", a.took)
		}
		if a.record.Attempts != 2 {
			w.Errorf("%d attempts: a call that Google did not answer is one, too", a.record.Attempts)
		}
		w.wantCalls("", 2)
	})
}

func TestEventsThatSayNothingAreNoFirstToken(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.options.FirstToken, w.options.Idle = 20*time.Second, 15*time.Second
		w.key(1)
		w.key(2)
		w.start()
		const nothing = `{"candidates":[{"content":{"role":"model","parts":[]}}]}`
		w.script("key-1", googlesim.Reply{Events: []string{nothing, nothing, nothing, nothing}, Pace: 10 * time.Second})
		a := ask()
		w.text(a)
		if a.took != 20*time.Second {
			w.Errorf("took %v", a.took)
		}
		w.wantCalls("", 2)
	})
}

func TestPoolThatCannotServeSaysWhyWithoutAskingGoogle(t *testing.T) {
	for name, c := range map[string]struct {
		arrange func(w *world)
		status  int
		code    string
	}{
		"prompt over the limit of a minute": {func(w *world) {
			w.limits = []rotator.Limit{{Model: "*", TPM: 1}}
		}, http.StatusRequestEntityTooLarge, "request_too_large"},
		"model that no account may serve": {func(w *world) {
			w.accounts[0].Models = []string{"gemini-2.5-*"}
		}, http.StatusNotFound, "model_not_found"},
		"model that no account has": {func(w *world) {
			w.google.Always(googlesim.Match{}, googlesim.ModelMissing(googlesim.Developer, "project-1", model))
		}, http.StatusNotFound, "model_not_found"},
		"model that no account has a quota for": {func(w *world) {
			w.google.Always(googlesim.Match{}, googlesim.LimitZero(model))
		}, http.StatusTooManyRequests, "insufficient_quota"},
		"requests of a minute spent": {func(w *world) {
			w.limits = []rotator.Limit{{Model: "*", RPM: 1}}
		}, http.StatusTooManyRequests, "rate_limit_exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, ask func() *answer) {
				w.key(1)
				c.arrange(w)
				w.start()
				if first := ask(); first.Code != http.StatusOK {
					w.wantError(first, c.status, c.code) // the same as later, whether it was learned now or known
				}
				w.google.ForgetCalls()
				a := ask()
				w.wantError(a, c.status, c.code)
				w.wantCalls("", 0)
				if a.record.Attempts != 0 {
					w.Errorf("%d attempts", a.record.Attempts)
				}
			})
		})
	}
}

func TestConfiguredLimitIsNeverExceeded(t *testing.T) {
	simulated(t, func(w *world) {
		w.limits = []rotator.Limit{{Model: model, RPM: 5, RPD: 20, TPM: 250_000}}
		w.policy = "headroom"
		for n := range 5 {
			w.key(n + 1)
			w.google.SetLimits("project-"+strconv.Itoa(n+1), "*", googlesim.Limits{RPM: 5, RPD: 20, TPM: 250_000})
		}
		w.start()
		served := 0
		for range 3 {
			w.concurrently(40, func() { w.ask(plain()) })
			served += 25
			w.wantCalls("", served)
			time.Sleep(time.Minute + time.Second)
		}
		for _, c := range w.google.Calls(googlesim.Match{Method: "streamGenerateContent"}) {
			if c.Status != http.StatusOK {
				w.Fatalf("Google refused a call of %s: %d", c.Account, c.Status)
			}
		}
	})
}

func TestLimitedGroupAmongManyIsAskedOnce(t *testing.T) {
	simulated(t, func(w *world) {
		const limited = 500
		for n := 1; n <= limited+1; n++ {
			w.key(n)
			if n <= limited {
				w.google.SetLimits("project-"+strconv.Itoa(n), "*", googlesim.Limits{RPD: googlesim.NoQuota})
			}
		}
		w.start()
		requests := 0
		for ; requests < 200; requests++ {
			a := w.ask(plain())
			if a.record.Attempts > 4 {
				w.Fatalf("%d attempts", a.record.Attempts)
			}
			if a.Code == http.StatusOK {
				break
			}
			if a.Code != http.StatusTooManyRequests {
				w.Fatalf("status %d: %s", a.Code, a.Body)
			}
		}
		for n := 1; n <= limited; n++ {
			if calls := w.calls("key-" + strconv.Itoa(n)); calls > 1 {
				w.Fatalf("limited key %d was asked %d times", n, calls)
			}
		}
		if requests >= 200 {
			w.Error("the one group with quota was never found")
		}
	})
}
