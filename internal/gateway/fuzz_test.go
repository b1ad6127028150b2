package gateway_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/openai"
)

// canned is a Google that answers every call with the same bytes, which come in pieces of one size.
type canned struct {
	body  []byte
	piece int
}

func (c *canned) RoundTrip(*http.Request) (*http.Response, error) {
	h := http.Header{"Content-Type": {"text/event-stream"}}
	body := io.NopCloser(&piecewise{bytes.NewReader(c.body), c.piece})
	return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h, Body: body}, nil
}

// piecewise reads a few bytes at a time.
type piecewise struct {
	io.Reader
	size int
}

func (p *piecewise) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), p.size)]) }

// oneAccount are the options of a gateway in front of some Google, with one account and one attempt, that has seen nothing yet.
func oneAccount(t testing.TB, way http.RoundTripper, secret string, settings google.Settings, catalogue *gemini.Catalogue) gateway.Options {
	t.Helper()
	client := google.New(google.Options{Endpoints: endpoints, HTTP: way})
	parsed, err := google.ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	credential, err := client.Credential(parsed, settings)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := rotator.NewPolicy("fill_first", nil)
	if err != nil {
		t.Fatal(err)
	}
	account := rotator.NewAccount(credential.ID)
	t.Cleanup(account.Close)
	return gateway.Options{
		Google: client, Catalogue: catalogue, Chat: openai.Chat{}, DefaultModel: model, Lessons: gemini.NewLessons(),
		Pool: rotator.NewPool([]rotator.Candidate{{Credential: credential, Account: account, Group: rotator.NewGroup()}},
			rotator.Options{Policy: policy, Models: rotator.NewModels()}),
		MaxBody: 1 << 20, Attempts: 1, AttemptsFor: time.Minute, FirstToken: time.Minute, Idle: time.Minute,
	}
}

// Whatever Google sends, and wherever the network cuts it, a client gets an answer that obeys OpenAI's schema and every rule of its SDKs, or
// an error in OpenAI's form: never something in between.
func FuzzAnswers(f *testing.F) {
	questions := []string{
		`{"stream":true,"stream_options":{"include_usage":true},"reasoning_effort":"low"`,
		`{"stream":true,"tools":[{"type":"function","function":{"name":"f"}}],"parallel_tool_calls":false`,
		`{"stream":true,"n":2,"model":"gemini-2.5-flash","stop":["a","b","c","d","e","f"]`,
		`{"tools":[{"type":"function","function":{"name":"f"}}]`,
		`{"response_format":{"type":"json_object"},"n":2,"model":"gemini-2.5-flash"`,
		`{"stream":true,"functions":[{"name":"f"}],"max_tokens":100000,"model":"gemini-4-argon"`,
	}
	for i, r := range reports {
		var sse strings.Builder
		for _, event := range r.events {
			sse.WriteString("data: " + strings.NewReplacer("\n", "", "\t", "").Replace(event) + []string{"\n\n", "\r\n\r\n"}[i%2])
		}
		f.Add([]byte(sse.String()), uint8(i), uint8(i%len(questions)))
	}
	f.Add([]byte("data: "+says(`{"text":"a"}`, "")+"\n\n{\"error\":{\"code\":503,\"message\":\"busy\",\"status\":\"UNAVAILABLE\"}}\n"), uint8(7), uint8(0))
	f.Add([]byte("data: "+says(`{"text":"a"}`, "")+"\n\n"), uint8(1), uint8(3))
	f.Add([]byte(`data: {"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"CONTINUATION","continuationToken":"AA=="}]}`), uint8(9), uint8(5))
	f.Add([]byte(`data: {"candidates":[{"index":1,"content":{"parts":[{"text":"b"},{"inlineData":{"mimeType":"audio/L16;rate=24000","data":"AAAA"}}]},`+
		`"finishReason":"STOP","logprobsResult":{"chosenCandidates":[{"token":"b","logProbability":-1e-9}]}},{"content":{"parts":[{"text":"a"}]},`+
		`"finishReason":"MAX_TOKENS"}]}`), uint8(3), uint8(2))
	check, checkFailure := func(*testing.T, *answer) {}, checkError
	if conformance.AtHand(f, conformance.Specification) { // the SDKs' rules hold where it is not, too
		v := conformance.NewValidator(f)
		check = func(t *testing.T, a *answer) { checkSchema(t, v, a) }
		checkFailure = func(t *testing.T, body []byte) { v.Check(t, "ErrorResponse", body) }
	}
	catalogue := gemini.NewCatalogue()
	f.Fuzz(func(t *testing.T, body []byte, piece, question uint8) {
		g, err := gateway.New(oneAccount(t, &canned{body, int(piece) + 1}, "AIzaKey", google.Settings{}, catalogue))
		if err != nil {
			t.Fatal(err)
		}
		q := questions[int(question)%len(questions)]
		r := request(http.MethodPost, chatPath, q+`,"messages":[{"role":"user","content":"hi"}]}`)
		w := httptest.NewRecorder()
		g.Route(r).Serve(w, r, known)
		a := &answer{ResponseRecorder: w}
		switch {
		case w.Code != http.StatusOK:
			checkFailure(t, w.Body.Bytes())
		case !strings.HasPrefix(q, `{"stream"`):
			conformance.ParseCompletion(t, w.Body.Bytes())
			check(t, a)
		case bytes.HasSuffix(w.Body.Bytes(), []byte("data: [DONE]\n\n")):
			conformance.CheckStream(t, w.Body.Bytes(), strings.Contains(q, "include_usage"))
			check(t, a)
		default:
			checkFailure(t, conformance.CheckBroken(t, w.Body.Bytes(), strings.Contains(q, "include_usage")))
		}
	})
}
