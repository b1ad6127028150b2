package google

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// check compares an error with its row. Synctest's clock begins with the year 2000.
func (row *errorRow) check(t *testing.T, e *Error) {
	t.Helper()
	f := e.Fault
	if f.Kind != row.kind || f.Reason != row.reason || f.Delay != row.delay {
		t.Errorf("fault: kind %d, %s, delay %v; want kind %d, %s, delay %v", f.Kind, f.Reason, f.Delay, row.kind, row.reason, row.delay)
	}
	if e.Client.Status != row.client || e.Client.Code != row.code || e.Client.Message == "" || e.Client.RetryAfter != f.Delay {
		t.Errorf("client: %+v; want %d %s", e.Client, row.client, row.code)
	}
	if strings.Contains(e.Client.Message, "project-1") {
		t.Errorf("the client is shown whose project it was: %s", e.Client.Message)
	}
	if (e.Client.Kind == translate.ErrServer) != (row.client >= 500 && row.code != "server_is_overloaded" && row.code != "timeout") {
		t.Errorf("client: kind %d does not go with %d %s", e.Client.Kind, row.client, row.code)
	}
}

func TestEveryAnswerHasItsFaultAndItsClientError(t *testing.T) {
	for _, row := range errorRows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				row.check(t, parseError(answer{status: row.status, body: []byte(row.body)}))
			})
		})
	}
}

// wrap quotes a body as the message of another error, n times over.
func wrap(body string, n int) string {
	for range n {
		body = errorBody(body, "INTERNAL", "")
	}
	return body
}

func TestErrorsMeanTheSameInEveryWrapping(t *testing.T) {
	wrappings := map[string]func(body string) (status int, wrapped string){
		"a list of one":     func(body string) (int, string) { return 0, "[" + body + "]" },
		"a list with holes": func(body string) (int, string) { return 0, "[,," + body + ",,\n,]" },
		"an event": func(body string) (int, string) {
			return 0, "data: " + strings.ReplaceAll(body, "\n", "\ndata: ") + "\r\n\r\n"
		},
		"a list in an event":      func(body string) (int, string) { return 0, "data: [" + strings.ReplaceAll(body, "\n", "") + "]\n\n" },
		"a message":               func(body string) (int, string) { return 500, wrap(body, 1) },
		"a message in a message":  func(body string) (int, string) { return 500, wrap(body, 5) },
		"a byte order mark":       func(body string) (int, string) { return 0, "\xef\xbb\xbf" + body },
		"an odd @type":            func(body string) (int, string) { return 0, strings.ReplaceAll(body, `"@type"`, `"@type "`) },
		"stray commas in details": func(body string) (int, string) { return 0, strings.ReplaceAll(body, "},", "},,") },
		"within a stream":         func(body string) (int, string) { return -1, body },
	}
	rows := map[string]bool{
		"a minute's quota": true, "key refused": true, "no licence": true, "too long": true, "Code Assist, gone": true, "overloaded": true,
	}
	for name, wrapping := range wrappings {
		for _, row := range errorRows {
			if !rows[row.name] {
				continue
			}
			t.Run(name+"/"+row.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					status, body := wrapping(row.body)
					if status == 0 {
						status = row.status
					}
					e := parseError(answer{status: max(status, 0), body: []byte(body)})
					row.check(t, e)
					if e.Fault.Status != row.status {
						t.Errorf("status %d; want %d", e.Fault.Status, row.status)
					}
				})
			})
		}
	}
}

func TestErrorsWrappedDeeperThanTheBoundAreJudgedByTheirStatus(t *testing.T) {
	e := parseError(answer{status: 500, body: []byte(wrap(keyInvalidBody, maxNesting+1))})
	if e.Fault.Kind != rotator.FaultTransient {
		t.Errorf("kind %d", e.Fault.Kind)
	}
}

func TestErrorsWithinAStreamHaveTheStatusOfTheirCodeOrName(t *testing.T) {
	for body, want := range map[string]int{
		`{"error":{"code":503,"status":"UNAVAILABLE"}}`:           503,
		`{"error":{"code":"429","message":"x"}}`:                  429,
		`{"error":{"status":"CANCELLED"}}`:                        499,
		`{"error":{"status":"PERMISSION_DENIED","code":200}}`:     403,
		`{"error":{"code":14,"status":"UNAVAILABLE"}}`:            503,
		`{"error":{"message":"something"}}`:                       500,
		`{"error":"something"}`:                                   500,
		`{"code":404,"message":"x","status":"NOT_FOUND"}`:         404,
		`{"message":"x","status":"NEW_STATUS_OF_THE_FUTURE"}`:     500,
		`{"error":{"code":{"odd":true},"status":"INTERNAL"}}`:     500,
		`{"error":{"code":400,"details":{"odd":[1]},"errors":7}}`: 400,
	} {
		if got := parseError(answer{body: []byte(body)}).Fault.Status; got != want {
			t.Errorf("%s: %d; want %d", body, got, want)
		}
	}
}

func TestQuotaFactsAreKept(t *testing.T) {
	f := parseError(answer{status: 429, body: []byte(perDayBody)}).Fault
	if !f.PerDay || !f.PerMinute || f.Model != "gemini-3-flash" || len(f.Violations) != 2 {
		t.Errorf("%+v", f)
	}
	if v := f.Violations[1]; v.Value != 20 || v.QuotaID != "GenerateRequestsPerDayPerProjectPerModel-FreeTier" ||
		v.Metric != "generativelanguage.googleapis.com/generate_content_free_tier_requests" || v.Dimensions["model"] != "gemini-3-flash" {
		t.Errorf("%+v", v)
	}
	f = parseError(answer{status: 429, body: []byte(fmt.Sprintf(regionQuotaBody, "60"))}).Fault
	if f.PerDay || !f.PerMinute || f.Consumer != "348715329010" || len(f.Violations) != 1 || f.Violations[0].Value != 60 ||
		f.Violations[0].Quota != rotator.QuotaRPM {
		t.Errorf("%+v", f)
	}
	f = parseError(answer{status: 429, body: []byte(errorBody("Quota exceeded for metric: x, limit: 3, model: gemini-2.5-pro\n", "", ""))}).Fault
	if f.Model != "gemini-2.5-pro" {
		t.Errorf("model %q", f.Model)
	}
	for message, want := range map[string]string{
		"No capacity available for model gemini-3-pro-preview on the server": "gemini-3-pro-preview",
		"Requests ending with a model turn are not supported.":               "",
	} {
		if f = parseError(answer{status: 400, body: []byte(errorBody(message, "", ""))}).Fault; f.Model != want {
			t.Errorf("%s: model %q", message, f.Model)
		}
	}
	noValue := `{"error":{"code":429,"details":[{"violations":[{"quotaId":"FooPerMinute"}]}]}}`
	if f = parseError(answer{status: 429, body: []byte(noValue)}).Fault; f.Kind != rotator.FaultRateShort || f.Violations[0].Value != -1 {
		t.Errorf("a quota without a value is not a quota of none: %+v", f)
	}
	zero := `{"error":{"code":429,"details":[{"violations":[{"quotaId":"FooPerMinute","quotaValue":"0"}]}]}}`
	if f = parseError(answer{status: 429, body: []byte(zero)}).Fault; f.Kind != rotator.FaultNotEntitled {
		t.Errorf("%+v", f)
	}
}

func TestResetMomentIsKeptWhenItIsStillToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := parseError(answer{status: 429, body: []byte(assistGoneBody)}).Fault
		if want := time.Date(2000, 1, 1, 9, 22, 21, 0, time.UTC); !f.Until.Equal(want) {
			t.Errorf("until %v; want %v", f.Until, want)
		}
		if f = parseError(answer{status: 429, body: []byte(assistShortBody)}).Fault; !f.Until.IsZero() {
			t.Errorf("a moment that has passed was kept: %v", f.Until)
		}
	})
}

func TestUnauthorizedKeysAreDeadAndTokensAreNot(t *testing.T) {
	body := []byte(errorBody("API keys are not supported by this API.", "UNAUTHENTICATED", "CREDENTIALS_MISSING"))
	if e := parseError(answer{status: 401, body: body, isKey: true}); e.Fault.Kind != rotator.FaultDead || e.Client.Status != 503 {
		t.Errorf("key: %+v, %+v", e.Fault, e.Client)
	}
	if e := parseError(answer{status: 401, body: body}); e.Fault.Kind != rotator.FaultUnauthorized || e.Client.Status != 503 {
		t.Errorf("token: %+v, %+v", e.Fault, e.Client)
	}
}

func TestContextLengthIsToldInNumbers(t *testing.T) {
	for message, want := range map[string][2]int{
		"The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).":                             {1200293, 1048576},
		"Unable to submit request because the input token count is 1250074 but model only supports up to 1048576. Reduce it.": {1250074, 1048576},
		"The input token count exceeds the maximum number of tokens allowed.":                                                 {0, 0},
	} {
		e := parseError(answer{status: 400, body: []byte(errorBody(message, "INVALID_ARGUMENT", ""))})
		if c := e.Client; c.Code != "context_length_exceeded" || c.TokenCount != want[0] || c.TokenLimit != want[1] || e.Path != "contents" {
			t.Errorf("%s: %+v, path %q", message, c, e.Path)
		}
	}
	e := parseError(answer{status: 400, body: []byte(tooLongBody)})
	if want := "This model's maximum context length is 1048576 tokens. However, your messages resulted in 1200293 tokens."; e.Client.Message != want {
		t.Error(e.Client.Message)
	}
}

func TestFieldAtFaultIsFound(t *testing.T) {
	for message, want := range map[string]string{
		`Invalid JSON payload received. Unknown name "additionalProperties" at 'tools[0].function_declarations[8].parameters.properties[1].value.items': Cannot find field.`: "tools[0].function_declarations[8].parameters.properties[1].value.items",
		`* GenerateContentRequest.contents[0].parts: contents.parts must not be empty.`:                                                                                      "contents[0].parts",
		`GenerateContentRequest.contents[2].parts[0].function_response.name: Name cannot be empty.`:                                                                          "contents[2].parts[0].function_response.name",
		`* GenerateContentRequest.tools[0].function_declarations[1].parameters.properties["go_back"].properties: should be non-empty for OBJECT type`:                        `tools[0].function_declarations[1].parameters.properties["go_back"].properties`,
		`Invalid value at 'generation_config.temperature' (TYPE_DOUBLE), "hot"`:                                                                                              "generation_config.temperature",
		`Invalid JSON payload received. Unknown name "id" at 'request.contents[7].parts[0].function_response': Cannot find field.`:                                           "contents[7].parts[0].function_response",
		`Invalid value at 'generationConfig.stopSequences[0]'`:                                                                                                               "generationConfig.stopSequences[0]",
		`Request contains an invalid argument.`:                                                                                                                              "",
		`Unable to submit request because it must have a text parameter`:                                                                                                     "",
		"CachedContent can not be used with GenerateContent request setting system_instruction, tools or tool_config.":                                                       "CachedContent",
	} {
		if e := parseError(answer{status: 400, body: []byte(errorBody(message, "INVALID_ARGUMENT", ""))}); e.Path != want {
			t.Errorf("%s: %q; want %q", message, e.Path, want)
		}
	}
	body := `{"error":{"code":400,"message":"contents.parts must not be empty.","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"contents[3].parts[0].text","description":"x"}]}]}}`
	if e := parseError(answer{status: 400, body: []byte(body)}); e.Path != "contents[3].parts[0].text" {
		t.Errorf("field violation: %q", e.Path)
	}
}

func TestRequestFaultsKeepGooglesSentence(t *testing.T) {
	const sentence = "Requests ending with a model turn are not supported."
	e := parseError(answer{status: 400, body: []byte(errorBody(sentence, "INVALID_ARGUMENT", ""))})
	if e.Client.Message != sentence || e.Fault.Message != sentence {
		t.Errorf("%q, %q", e.Client.Message, e.Fault.Message)
	}
	legacy := `{"error":{"code":400,"errors":[{"message":"` + sentence + `","domain":"global","reason":"badRequest"}]}}`
	if e = parseError(answer{status: 400, body: []byte(legacy)}); e.Client.Message != sentence || e.Fault.Reason != "badRequest" {
		t.Errorf("older form: %q, %s", e.Client.Message, e.Fault.Reason)
	}
	template := `{"error":{"code":400,"message":"$grpcMessage","status":"INVALID_ARGUMENT","details":[{"detail":"secret thoughts"}]}}`
	if e = parseError(answer{status: 400, body: []byte(template)}); e.Client.Message != "The model's service refused the request (INVALID_ARGUMENT)." {
		t.Errorf("unfilled template: %q", e.Client.Message)
	}
}

func TestOperatorsSeeWhereToVerifyAnAccountAndClientsDoNot(t *testing.T) {
	e := parseError(answer{status: 403, body: []byte(verifyBody)})
	if !strings.Contains(e.Fault.Message, "https://accounts.google.com/verify?x=1") {
		t.Error(e.Fault.Message)
	}
	if strings.Contains(e.Client.Message, "accounts.google.com") {
		t.Error(e.Client.Message)
	}
}

// owners are the parts of recorded answers that say whose account was used.
var owners = []string{
	"key1234", "project 12345678", "project=12345678", "348715329010", "test-project-id-1234", "console.developers", "AIza", "AIzv", "ya29", "@", "projects/p",
	"accounts.google.com", "project_number", "ORIGINAL ERROR", "DebugInfo",
}

func TestNothingSaysWhoseAccountWasUsed(t *testing.T) {
	for _, row := range errorRows {
		e := parseError(answer{status: row.status, body: []byte(row.body)})
		for _, owner := range owners {
			if strings.Contains(e.Client.Message, owner) || strings.Contains(e.Client.Param, owner) {
				t.Errorf("%s: the client sees %q in %q", row.name, owner, e.Client.Message)
			}
		}
		if strings.Contains(e.Error(), "key1234") || strings.Contains(e.Error(), "AIza") || strings.Contains(e.Error(), "ORIGINAL") {
			t.Errorf("%s: the operator sees a key or debug information: %v", row.name, e)
		}
	}
}

func TestBrokenConnectionsByWhatEndedThem(t *testing.T) {
	live := t.Context()
	gone, leave := context.WithCancel(live)
	leave()
	late, cancel := context.WithTimeout(live, -time.Second)
	defer cancel()
	idle, stop := context.WithCancelCause(live)
	stop(errors.New("nothing came for two minutes"))
	reset := errors.New("connection reset by peer")
	for _, test := range []struct {
		name    string
		ctx     context.Context
		started bool
		err     error
		kind    rotator.FaultKind
		reason  string
		client  int
		code    string
	}{
		{"before the answer", live, false, reset, rotator.FaultTransient, "CONNECTION_FAILED", 502, "upstream_error"},
		{"in the answer", live, true, io.ErrUnexpectedEOF, rotator.FaultIncomplete, "CONNECTION_BROKEN", 502, "upstream_incomplete"},
		{"slow network", live, false, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, rotator.FaultTransient, "TIMEOUT", 504, "timeout"},
		{"client gone", gone, false, context.Canceled, rotator.FaultCanceled, "CANCELED", 499, "request_canceled"},
		{"client gone in the answer", gone, true, context.Canceled, rotator.FaultCanceled, "CANCELED", 499, "request_canceled"},
		{"deadline", late, false, context.DeadlineExceeded, rotator.FaultTransient, "TIMEOUT", 504, "timeout"},
		{"idle", idle, true, context.Canceled, rotator.FaultIncomplete, "TIMEOUT", 502, "upstream_incomplete"},
	} {
		e := broken(test.ctx, test.started, test.err)
		if e.Fault.Kind != test.kind || e.Fault.Reason != test.reason || e.Client.Status != test.client || e.Client.Code != test.code {
			t.Errorf("%s: %+v, %+v", test.name, e.Fault, e.Client)
		}
	}
	if e := broken(live, false, reset); !errors.Is(e, reset) {
		t.Error("the cause is lost")
	}
}

func FuzzParseError(f *testing.F) {
	for _, row := range errorRows {
		f.Add(row.status, []byte(row.body), false)
	}
	f.Add(0, []byte("[[[{{{"), true)
	f.Add(429, []byte(wrap("{", 3)), true)
	f.Fuzz(func(t *testing.T, status int, body []byte, isKey bool) {
		e := parseError(answer{status: status, body: body, isKey: isKey})
		if e.Fault == nil || e.Client == nil || e.Client.Message == "" || e.Client.Status < 400 || e.Client.Status > 599 {
			t.Errorf("%+v, %+v", e.Fault, e.Client)
		}
		if e.Client.Status == 401 || e.Client.Status == 403 && e.Client.Code != "unsupported_country_region_territory" {
			t.Errorf("the client takes its own key for bad: %+v", e.Client)
		}
		if len(e.Client.Message) > maxMessage+100 || len(e.Fault.Message) > maxMessage+100 {
			t.Error("a message without a bound")
		}
		if e.Fault.Delay < 0 || e.Fault.Delay > maxDelay {
			t.Errorf("delay %v", e.Fault.Delay)
		}
	})
}
