package googlesim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const streamPath = "/v1beta/models/" + three + ":streamGenerateContent?alt=sse"

// scripted is a server with one key and a script for it.
func scripted(t *testing.T, replies ...Reply) *testServer {
	s := newTestServer(t, Options{})
	s.AddKey("key", "p")
	s.Script(Match{}, replies...)
	return s
}

// TestFailuresHaveGooglesBodies checks each constructor's status, status name and the signs by which it is recognised, and that
// its body is JSON.
func TestFailuresHaveGooglesBodies(t *testing.T) {
	now := noon().now
	for _, one := range []struct {
		name   string
		reply  Reply
		status int
		says   []string
	}{
		{"minute", RateMinute(three, 37*time.Second), 429, []string{
			`"RESOURCE_EXHAUSTED"`, "PerMinute", `"retryDelay": "37s"`,
			"retry in 37s.",
		}},
		{"day", QuotaDay(three), 429, []string{"GenerateRequestsPerDayPerProjectPerModel-FreeTier", `"retryDelay": "0s"`}},
		{"limit zero", LimitZero(three), 429, []string{"limit: 0, model", `"quotaValue": "0"`}},
		{"billing", Billing(), 429, []string{"check your plan and billing", "google.rpc.Help"}},
		{"bare", Exhausted(), 429, []string{"Resource has been exhausted (e.g. check quota)."}},
		{"shared", SharedCapacity(), 429, []string{"error-code-429"}},
		{"classic", VertexQuota("p", 0), 429, []string{`"RATE_LIMIT_EXCEEDED"`, `"quota_limit_value": "0"`, "project_number:3487"}},
		{
			"assist rate", AssistRate(three, 539477544*time.Nanosecond, now), 429,
			[]string{
				"Your quota will reset after 0s.", `"quotaResetDelay": "539.477544ms"`, `"retryDelay": "0.539477544s"`,
				"cloudcode-pa",
			},
		},
		{"assist day", AssistExhausted(three, 19*time.Hour, now), 429, []string{"QUOTA_EXHAUSTED", "after 19h0m0s.", `"68400s"`}},
		{"capacity", Capacity(503, three, 9*time.Second), 503, []string{
			"MODEL_CAPACITY_EXHAUSTED", `"retryDelay": "9s"`,
			"No capacity available for model",
		}},
		{"capacity without delay", Capacity(429, three, 0), 429, []string{"MODEL_CAPACITY_EXHAUSTED"}},
		{"demand", HighDemand(), 503, []string{`"UNAVAILABLE"`, "currently experiencing high demand"}},
		{"key", KeyInvalid("AQ.x"), 400, []string{"API_KEY_INVALID", "Invalid API key: AQ.x"}},
		{"unauthorized", Unauthorized(), 401, []string{`"UNAUTHENTICATED"`}},
		{"location", LocationUnsupported(), 400, []string{"FAILED_PRECONDITION"}},
		{
			"model", ModelMissing(Vertex, "p", "m"), 404,
			[]string{"Publisher Model `projects/p/locations/global/publishers/google/models/m`"},
		},
		{
			"too long", InputTooLong(1200293, 1048576), 400,
			[]string{"The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."},
		},
		{"request", BadRequest("x"), 400, []string{`"message": "x"`, "INVALID_ARGUMENT"}},
		{"internal", Internal(), 500, []string{"Internal error encountered."}},
		{"deadline", Deadline(), 504, []string{"DEADLINE_EXCEEDED"}},
		{"cancelled", Cancelled(), 499, []string{`"CANCELLED"`}},
		{"no licence", Forbidden("SUBSCRIPTION_REQUIRED"), 403, []string{"(#3501)", `"reason": "forbidden"`}},
		{"leaked", Forbidden("LEAKED"), 403, []string{"reported as leaked"}},
	} {
		t.Run(one.name, func(t *testing.T) {
			got := scripted(t, one.reply).post(t, streamPath, withKey("key"), talk(user(hello)))
			if got.status != one.status || !jsontext.Value(got.body).IsValid() {
				t.Errorf("%d %s", got.status, got.body)
			}
			for _, part := range one.says {
				if !strings.Contains(got.body, part) {
					t.Errorf("%s does not say %s", got.body, part)
				}
			}
		})
	}
	for reason, f := range forbiddens {
		body := Forbidden(reason).Body
		if f.domain != "" && !strings.Contains(body, `"reason": "`+reason+`"`) || !strings.Contains(body, "PERMISSION_DENIED") {
			t.Error(body)
		}
	}
}

// TestOddShapes checks what arrives of answers that come in the wrong form or not at all.
func TestOddShapes(t *testing.T) {
	whole := scripted(t).post(t, streamPath, withKey("key"), talk(user(hello))).body
	events := strings.SplitAfter(whole, "\r\n\r\n")
	if len(events) < 4 {
		t.Fatal(whole)
	}
	const inBand = `data: {"error":{"code":503,`
	for _, one := range []struct {
		name  string
		reply Reply
		check func(answered) bool
	}{
		{"reset", Reset(), func(a answered) bool { return a.status == 0 && errors.Is(a.err, syscall.ECONNRESET) }},
		{"reset after two", ResetAfter(2), func(a answered) bool {
			return a.status == 200 && a.body == events[0]+events[1] && errors.Is(a.err, io.ErrUnexpectedEOF)
		}},
		{"no finish", NoFinish(2), func(a answered) bool { return a.err == nil && a.body == events[0]+events[1] }},
		{"empty", EmptyStream(), func(a answered) bool { return a.status == 200 && a.body == "" && a.err == nil }},
		{"first event", FirstEvent(HighDemand()), func(a answered) bool { return a.status == 200 && strings.HasPrefix(a.body, inBand) }},
		{"in the middle", MidStream(1, HighDemand()), func(a answered) bool { return strings.HasPrefix(a.body, events[0]+inBand) }},
		{"in the middle, bare", MidStreamBare(1, HighDemand()), func(a answered) bool {
			return strings.HasPrefix(a.body, events[0]+"{\n  \"error\": {\n    \"code\": 503,")
		}},
		{"blocked", PromptBlocked("SAFETY"), func(a answered) bool { return strings.Contains(a.body, `{"blockReason": "SAFETY"}`) }},
		{"malformed call", Unusable("MALFORMED_FUNCTION_CALL", "call(x"), func(a answered) bool {
			return strings.Contains(a.body, `"finishReason": "MALFORMED_FUNCTION_CALL"`) && strings.Contains(a.body,
				`"finishMessage": "call(x"`)
		}},
		{"array", AsArray(HighDemand()), func(a answered) bool { return a.status == 503 && strings.HasPrefix(a.body, "[{") }},
		{"commas", WithCommas(RateMinute(three, time.Second)), func(a answered) bool {
			return strings.Contains(a.body, "},,\n") && !jsontext.Value(a.body).IsValid()
		}},
		{"in the message", InMessage(HighDemand()), func(a answered) bool {
			return strings.Contains(a.body,
				`"message": "{\n  \"error\": {`)
		}},
		{"page", HTML502(), func(a answered) bool {
			return a.status == 502 && strings.HasPrefix(a.header.Get("Content-Type"), "text/html") && strings.Contains(a.body, "<html")
		}},
		{"text", Answer("Hel", "lo"), func(a answered) bool {
			return strings.Count(a.body, "data: ") == 2 && strings.Contains(a.body, `"text": "lo"`) && strings.Count(a.body, "STOP") == 1
		}},
		{
			"frames",
			Reply{Frames: []string{": comment\n", "data: {}\n\n"}},
			func(a answered) bool { return a.body == ": comment\ndata: {}\n\n" },
		},
		{"all", Slow(0, 0), func(a answered) bool { return a.body == whole }},
	} {
		t.Run(one.name, func(t *testing.T) {
			if got := scripted(t, one.reply).post(t, streamPath, withKey("key"), talk(user(hello))); !one.check(got) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestScriptsAreUsedUpInOrder checks targets, order and counts.
func TestScriptsAreUsedUpInOrder(t *testing.T) {
	s := newTestServer(t, Options{})
	s.AddKey("a", "p")
	s.AddKey("b", "q")
	s.Script(Match{Account: "a"}, Internal(), Deadline())
	s.Script(Match{Model: "gemini-3*"}, HighDemand())
	stop := s.Always(Match{Project: "q"}, Exhausted())
	ask := func(key, model string) int {
		return s.post(t, "/v1beta/models/"+model+":generateContent", withKey(key), talk(user(hello))).status
	}
	got := []int{ask("a", two), ask("b", two), ask("a", three), ask("a", three), ask("a", three), ask("b", two)}
	if want := []int{500, 429, 504, 503, 200, 429}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	stop()
	if got := ask("b", two); got != 200 {
		t.Errorf("after the end of the script: %d", got)
	}
	if n := s.Pending(); n != 0 {
		t.Errorf("%d replies are left", n)
	}
}

// TestScriptedSuccessesAreJudgedToo checks that a script for an answer does not let a bad request pass.
func TestScriptedSuccessesAreJudgedToo(t *testing.T) {
	s := scripted(t, Answer("x"), Answer("y"))
	if got := s.post(t, streamPath, withKey("key"), `{"x":1}`); got.status != 400 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := s.post(t, streamPath, withKey("unknown"), talk(user(hello))); got.status != 400 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestScriptsOfOtherMethods checks the token endpoint and Code Assist's wrapping.
func TestScriptsOfOtherMethods(t *testing.T) {
	s := newTestServer(t, Options{})
	s.addCloudUser("ann", "p")
	s.Script(Match{Backend: OAuth, Account: "ann"}, TokenError(500, "internal_failure", "x"), Slow(0, 0))
	for _, want := range []int{500, 200} {
		if got := s.grant(t, s.refresh("ann")); got.status != want {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	s.Script(Match{Method: "generateContent"}, Reply{Body: "{}"}, Slow(0, 0))
	for _, part := range []string{"{}", `"finishReason": "STOP"`} {
		body := `{"model":"` + three + `","project":"p","request":` + talk(user(hello)) + `}`
		if got := s.post(t, "/v1internal:generateContent", s.bearer("ann"), body); !strings.Contains(got.body, part) {
			t.Errorf("%s does not say %s", got.body, part)
		}
	}
	s.Script(Match{Method: "loadCodeAssist"}, Reply{Body: "{}"})
	if got := s.post(t, "/v1internal:loadCodeAssist", s.bearer("ann"), "{}"); got.body != "{}" {
		t.Error(got.body)
	}
	s.Script(Match{}, Answer("x"), Answer("y"))
	for _, method := range []string{"streamGenerateContent?alt=sse", "generateContent"} {
		body := `{"model":"` + three + `","project":"p","request":` + talk(user(hello)) + `}`
		if got := s.post(t, "/v1internal:"+method, s.bearer("ann"), body); !strings.Contains(strings.ReplaceAll(got.body, ": ",
			":"), `{"response":{"candidates":`) {
			t.Errorf("%s: %s", method, got.body)
		}
	}
}

// TestDelaysAndStalls checks time: when headers and events come, and that a client that leaves is noticed.
func TestDelaysAndStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripted(t, Slow(3*time.Second, time.Second), Stall(), StallAfter(1), Reply{
			EarlyHeaders: true, Delay: time.Minute,
			Lead: All,
		})
		start := time.Now()
		open := func(limit time.Duration) (*http.Response, error) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			t.Cleanup(cancel)
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://google.test"+streamPath,
				strings.NewReader(talk(user(hello))))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = withKey("key")
			return s.client.Do(r)
		}
		response, err := open(time.Hour)
		if err != nil || time.Since(start) != 4*time.Second {
			t.Fatalf("headers after %v: %v", time.Since(start), err)
		}
		body, _ := io.ReadAll(response.Body)
		if n := strings.Count(string(body), "data: "); time.Since(start) != time.Duration(3+n)*time.Second {
			t.Errorf("%d events took %v", n, time.Since(start))
		}
		response.Body.Close()

		start = time.Now()
		if _, err := open(time.Minute); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("a stall ended after %v with %v", time.Since(start), err)
		}
		synctest.Wait()
		if calls := s.Calls(Match{}); len(calls) != 2 || calls[0].Canceled || !calls[1].Canceled || calls[1].Status != 0 ||
			s.Active() != 0 {
			t.Errorf("%+v", calls)
		}

		response, err = open(time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); !errors.Is(err, context.DeadlineExceeded) || strings.Count(string(body),
			"data: ") != 1 {
			t.Errorf("%q, %v", body, err)
		}
		response.Body.Close()

		start = time.Now()
		response, err = open(time.Hour)
		if err != nil || time.Since(start) != 0 {
			t.Fatalf("early headers after %v: %v", time.Since(start), err)
		}
		response.Body.Close()
		synctest.Wait()
		if s.Active() != 0 {
			t.Errorf("%d calls go on after their client left", s.Active())
		}
	})
}

// TestCallsAreRemembered checks what is kept of a call.
func TestCallsAreRemembered(t *testing.T) {
	s := newTestServer(t, Options{})
	s.AddKey("key", "p")
	s.addCloudUser("ann", "q")
	h := withKey("key")
	h.Set("User-Agent", "tester")
	s.post(t, streamPath, h, talk(user(hello)))
	s.post(t, "/v1internal:generateContent", s.bearer("ann"), `{"model":"`+two+`","project":"q","request":`+talk(user(hello))+`}`)
	s.grant(t, s.refresh("ann"))
	s.post(t, streamPath, withKey("unknown"), "{}")
	all := s.Calls(Match{})
	if len(all) != 4 {
		t.Fatalf("%d calls", len(all))
	}
	for i, want := range []string{
		"gemini_api streamGenerateContent key p gemini-3-flash-preview 200", "code_assist generateContent ann q gemini-2.5-flash 200",
		"oauth token ann   200", "gemini_api streamGenerateContent   gemini-3-flash-preview 400",
	} {
		c := all[i]
		if got := fmt.Sprint(c.Backend, " ", c.Method, " ", c.Account, " ", c.Project, " ", c.Model, " ", c.Status); got != want {
			t.Errorf("call %d is %q, want %q", i, got, want)
		}
	}
	if all[0].Header.Get("User-Agent") != "tester" || string(all[0].Body) != talk(user(hello)) || all[0].Query != "alt=sse" {
		t.Errorf("%+v", all[0])
	}
	if n := s.Count(Match{Account: "ann", Backend: CodeAssist}); n != 1 {
		t.Errorf("%d calls of ann's", n)
	}
	s.ForgetCalls()
	if n := s.Count(Match{}); n != 0 {
		t.Errorf("%d calls after forgetting", n)
	}
}

// TestMemoryOfCallsIsBounded checks both bounds.
func TestMemoryOfCallsIsBounded(t *testing.T) {
	var l callLog
	r, err := http.NewRequest(http.MethodPost, "http://google.test/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	begin := func(size int) *Call {
		c := &exchange{payload: make([]byte, size)}
		l.begin(c, r, time.Time{})
		return c.record
	}
	first := begin(maxCallBytes)
	second := begin(1)
	if first.Body != nil || len(second.Body) != 1 || l.bytes != 1 {
		t.Errorf("%d bytes are kept", l.bytes)
	}
	for range maxCalls + 10 {
		begin(1)
	}
	kept := 0
	for _, c := range l.calls {
		kept += len(c.Body)
	}
	if len(l.calls) > maxCalls || len(l.calls) < maxCalls/2 || kept != l.bytes || kept != len(l.calls) {
		t.Errorf("%d calls with %d bytes, counted as %d", len(l.calls), kept, l.bytes)
	}
}

// TestStartServesOnLoopback checks the network side: streaming, and a connection that breaks in the middle.
func TestStartServesOnLoopback(t *testing.T) {
	s, keys := Demo()
	url, err := s.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !strings.HasPrefix(url, "http://127.0.0.1:") || s.URL() != url || len(keys) != 25 {
		t.Errorf("%s, %s, %d keys", url, s.URL(), len(keys))
	}
	if _, err := s.Start(); err == nil {
		t.Error("started twice")
	}
	whole := strings.Count(scripted(t).post(t, streamPath, withKey("key"), talk(user(hello))).body, "data: ")
	s.Script(Match{Account: keys[0]}, Slow(0, 0), ResetAfter(1), Reset())
	for i, want := range []struct {
		events int
		err    error
	}{{whole, nil}, {1, io.ErrUnexpectedEOF}, {0, syscall.ECONNRESET}} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+streamPath, strings.NewReader(talk(user(hello))))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = withKey(keys[0])
		response, err := http.DefaultClient.Do(r)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(response.Body)
			response.Body.Close()
		}
		if n := strings.Count(string(body), "data: "); !errors.Is(err, want.err) || n != want.events {
			t.Errorf("call %d: %d events, %v", i, n, err)
		}
	}
}
