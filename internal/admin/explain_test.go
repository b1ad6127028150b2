package admin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/observe"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

var began = time.Date(2026, 11, 23, 8, 12, 0, 0, time.UTC)

// ended is an exchange that the gateway has just ended.
func ended(id string) *gateway.Record {
	record := &gateway.Record{
		RequestID: id, Surface: "chat", Model: "gpt-4o", UpstreamModel: "gemini-3-flash-preview", Account: "env-3", Attempts: 2, Start: began,
		Duration: 1500 * time.Millisecond, Wait: 250 * time.Millisecond, FirstToken: 900 * time.Millisecond, FinishReason: "stop",
		Hedge: gateway.HedgeWon,
		Tries: []gateway.Try{
			{Account: "env-1", Model: "gemini-3-flash-preview", Began: began.Add(250 * time.Millisecond), DurationMS: 40, Called: true,
				Outcome: "RATE_LIMIT_EXCEEDED", Status: 429},
			{Account: "env-2", Model: "gemini-3-flash-preview", Began: began.Add(300 * time.Millisecond), DurationMS: 2, Outcome: "INVALID_GRANT", Status: 400},
			{Account: "env-3", Model: "gemini-3-flash-preview", Began: began.Add(310 * time.Millisecond), DurationMS: 1190, Called: true,
				Hedge: true, Outcome: gateway.OutcomeAnswered},
		},
	}
	observe.Exchange(httptest.NewRequest(http.MethodPost, "/v1/chat/completions", nil), record)
	return record
}

func TestAnExchangeIsExplainedByItsID(t *testing.T) {
	record := ended("req_EXPLAINED")
	ended("req_ANOTHER")
	w := ask(http.MethodGet, pathExplain+"req_EXPLAINED", "")
	var got gateway.Explanation
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %s", w.Code, err, w.Body)
	}
	if got.RequestID != record.RequestID || len(got.Tries) != 3 || got.Tries[0].Outcome != "RATE_LIMIT_EXCEEDED" || got.WaitMS != 250 {
		t.Errorf("%+v", got)
	}
	for _, c := range []struct {
		method, id string
		status     int
	}{
		{http.MethodGet, "req_NOBODY", http.StatusNotFound},
		{http.MethodGet, "", http.StatusNotFound},
		{http.MethodGet, "req_EXPLAINED/more", http.StatusNotFound},
		{http.MethodPost, "req_EXPLAINED", http.StatusMethodNotAllowed},
	} {
		if w := ask(c.method, pathExplain+c.id, ""); w.Code != c.status || strings.Contains(w.Body.String(), "req_") {
			t.Errorf("%s %q: %d %s, want %d", c.method, c.id, w.Code, w.Body, c.status)
		}
	}
}

func TestExplainTellsItToPeople(t *testing.T) {
	ended("req_PEOPLE")
	address := running(t)
	want := `
request            req_PEOPLE
began              2026-11-23T08:12:00Z
took               1.5s
first token after  900ms
waited in line     250ms
asked for          gpt-4o
answered by        gemini-3-flash-preview
account            env-3
calls to Google    2
second attempt     won
ended with         stop

What came of it:
AFTER  ACCOUNT  MODEL                   TOOK   OUTCOME
250ms  env-1    gemini-3-flash-preview  40ms   RATE_LIMIT_EXCEEDED (HTTP 429)
300ms  env-2    gemini-3-flash-preview  2ms    INVALID_GRANT (HTTP 400), without a call
310ms  env-3    gemini-3-flash-preview  1.19s  answered, as second attempt
`
	if out, err := run(t, explainCommand, "req_PEOPLE", "--address", address); err != nil || "\n"+out != want {
		t.Errorf("%v, got\n%swant%s", err, out, want)
	}
	out, err := run(t, explainCommand, "req_PEOPLE", "--json", "--address", address)
	var e gateway.Explanation
	if err != nil || json.Unmarshal([]byte(out), &e) != nil || e.RequestID != "req_PEOPLE" {
		t.Errorf("%v\n%s", err, out)
	}
	for _, args := range [][]string{{"req_NOBODY"}, {}, {"req_PEOPLE", "req_PEOPLE"}, {"../accounts"}} {
		if out, err := run(t, explainCommand, append(args, "--address", address)...); err == nil {
			t.Errorf("%q: %s", args, out)
		}
	}
}

func TestExplainTellsHowAccountsWereChosen(t *testing.T) {
	e := gateway.Explanation{RequestID: "req_1", Began: began, Model: "m", Error: "rate_limit_exceeded", Choices: []rotator.TraceStep{
		{At: began, What: "acquire", Model: "m", Account: "env-1", Why: "policy", Groups: map[string]int{"ready": 2, "minute": 1},
			Skipped: []rotator.TraceSkip{{Account: "env-2", Reason: "rate_short", Until: began.Add(time.Minute)}, {Account: "env-3", Reason: "disabled"}}},
		{At: began.Add(time.Second), What: "wait", Model: "m", Why: "rate limit", Waited: 0.5, RetryAfter: 2.5},
	}}
	want := `
request          req_1
began            2026-11-23T08:12:00Z
took             0s
asked for        m
calls to Google  0
error            rate_limit_exceeded

How accounts were chosen:
AFTER  STEP     MODEL  ACCOUNT  WHY                                            QUOTA GROUPS       PASSED OVER
0s     acquire  m      env-1    policy                                         1 minute, 2 ready  env-2 (rate_short until 2026-11-23T08:13:00Z), env-3 (disabled)
1s     wait     m      -        rate limit, after 500ms in line, back in 2.5s  -                  -
`
	var out strings.Builder
	if err := printExplanation(&out, &e); err != nil || "\n"+out.String() != want {
		t.Errorf("%v, got\n%swant%s", err, out.String(), want)
	}
}
