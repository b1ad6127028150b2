package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// The tests in this file are about the client's side of an exchange: headers, comments, slow and lost connections, and the record.

func (w *world) serve(rw http.ResponseWriter, body map[string]any) *gateway.Record {
	r := request(http.MethodPost, chatPath, chat(body))
	return w.gateway.Route(r).Serve(rw, r, known)
}

func (w *world) wantHeaders(h http.Header, want map[string]string) {
	w.Helper()
	for name, value := range want {
		if got := h.Get(name); got != value {
			w.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}

func TestHeadersOfAnswers(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.key(2)
		w.start()
		about := map[string]string{
			"X-Gemini-Proxy-Model": flash, "X-Gemini-Proxy-Attempts": "2", "X-Gemini-Proxy-Ignored": "logit_bias, presence_penalty",
		}
		for name, c := range map[string]struct {
			body map[string]any
			want map[string]string
		}{
			"stream": {stream(), map[string]string{
				"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no",
				"Content-Length": "",
			}},
			"plain": {plain(), map[string]string{"Content-Type": "application/json", "X-Accel-Buffering": ""}},
		} {
			w.Log(name)
			w.script("", googlesim.Internal())
			c.body["model"], c.body["presence_penalty"], c.body["logit_bias"] = flash, 0.5, map[string]any{"1": 2}
			a := w.ask(c.body)
			w.text(a)
			w.wantHeaders(a.Header(), about)
			w.wantHeaders(a.Header(), c.want)
			if id := a.Header().Get("X-Request-Id"); !strings.HasPrefix(id, "req_") || id != a.record.RequestID {
				w.Errorf("X-Request-Id %q, record %q", id, a.record.RequestID)
			}
		}
	})
}

func TestHeadersOfErrors(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.start()
		w.script("", googlesim.BadRequest("no."), googlesim.RateMinute(model, 37*time.Second))
		a := ask()
		w.wantError(a, http.StatusBadRequest, "invalid_value")
		w.wantHeaders(a.Header(), map[string]string{
			"Content-Type": "application/json", "Content-Length": strconv.Itoa(a.Body.Len()),
			"X-Gemini-Proxy-Model": model, "X-Gemini-Proxy-Attempts": "1",
			"Retry-After": "", "X-Should-Retry": "",
		})
		a = ask()
		w.wantError(a, http.StatusTooManyRequests, "rate_limit_exceeded")
		w.wantHeaders(a.Header(), map[string]string{"Retry-After": "37", "Retry-After-Ms": "37000", "X-Should-Retry": ""})
		time.Sleep(700 * time.Millisecond)
		a = ask()
		w.wantError(a, http.StatusTooManyRequests, "rate_limit_exceeded")
		w.wantHeaders(a.Header(), map[string]string{
			"X-Gemini-Proxy-Attempts": "0", "X-Gemini-Proxy-Model": "", "Retry-After": "37", "Retry-After-Ms": "36300",
		})
		time.Sleep(time.Minute)
		w.script("", googlesim.QuotaDay(model))
		a = ask()
		w.wantError(a, http.StatusTooManyRequests, "insufficient_quota")
		w.wantHeaders(a.Header(), map[string]string{"X-Should-Retry": "false"})
	})
}

func TestHeadersWaitForTheFirstEventThatIsUnderstood(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		// Usage and signatures alone are nothing a client sees: what follows them is still answered with a status.
		w.script("", googlesim.Reply{Events: []string{
			`{"candidates":[{"content":{"role":"model","parts":[]}}],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9}}`,
			`{"candidates":[{"content":{"role":"model","parts":[{"text":"","thoughtSignature":"c2ln"}]}}]}`,
			`{"error":{"code":400,"message":"no.","status":"INVALID_ARGUMENT"}}`,
		}})
		w.wantError(w.ask(stream()), http.StatusBadRequest, "invalid_value")
	})
}

func TestCommentsSayWhatIsKnownSoFar(t *testing.T) {
	simulated(t, func(w *world) {
		w.options.KeepAlive = time.Second
		w.key(1)
		w.start()
		w.google.Always(googlesim.Match{}, googlesim.Slow(1500*time.Millisecond, 0))
		a := w.ask(stream())
		w.text(a)
		w.wantHeaders(a.Result().Header, map[string]string{
			"X-Gemini-Proxy-Attempts": "1", "X-Gemini-Proxy-Model": model, "Content-Type": "text/event-stream; charset=utf-8",
		})
	})
}

func comments(text string) int { return strings.Count(text, ": keep-alive\n\n") }

func TestCommentsFillEverySilenceOfAStreamAndOnlyThose(t *testing.T) {
	const silence = 3500 * time.Millisecond
	for name, c := range map[string]struct {
		keepAlive time.Duration
		body      map[string]any
		reply     googlesim.Reply
		want      int
	}{
		"before the answer":      {time.Second, stream(), googlesim.Slow(silence, 0), 3},
		"within the answer":      {time.Second, stream(), googlesim.Reply{Lead: googlesim.All, Pace: silence}, -3},
		"events often enough":    {time.Second, stream(), googlesim.Reply{Lead: googlesim.All, Pace: 900 * time.Millisecond}, 0},
		"switched off":           {0, stream(), googlesim.Slow(silence, 0), 0},
		"not a stream":           {time.Second, plain(), googlesim.Slow(silence, 0), 0},
		"within a pause of ours": {800 * time.Millisecond, stream(), googlesim.HighDemand(), 1},
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(w *world) {
				w.options.KeepAlive = c.keepAlive
				w.key(1)
				w.start()
				w.script("", c.reply)
				a := w.ask(c.body)
				w.text(a)
				switch n := comments(a.Body.String()); {
				case c.want >= 0 && n != c.want:
					w.Errorf("%d comments, want %d: %s", n, c.want, a.Body)
				case c.want < 0 && (n == 0 || n%-c.want != 0 || n == -c.want): // in each of several silences
					w.Errorf("%d comments, want %d in each silence: %s", n, -c.want, a.Body)
				}
			})
		})
	}
}

func TestErrorIsAnsweredWithAStatusUntilCommentsBegin(t *testing.T) {
	simulated(t, func(w *world) {
		w.options.KeepAlive = time.Second
		w.key(1)
		w.start()
		slow := googlesim.BadRequest("no.")
		slow.Delay = 999 * time.Millisecond
		w.script("", slow)
		w.wantError(w.ask(stream()), http.StatusBadRequest, "invalid_value")
		slow.Delay = 1001 * time.Millisecond
		w.script("", slow)
		w.wantInBand(w.ask(stream()), "invalid_value")
	})
}

// slowRecorder is a client that takes its time to read.
type slowRecorder struct {
	*httptest.ResponseRecorder
	each time.Duration
}

func (r *slowRecorder) Write(b []byte) (int, error) {
	time.Sleep(r.each)
	return r.ResponseRecorder.Write(b)
}

func TestSlowClientIsNotTakenForAStalledGoogle(t *testing.T) {
	simulated(t, func(w *world) {
		w.options.Idle, w.options.FirstToken, w.options.KeepAlive = 10*time.Second, 10*time.Second, 5*time.Second
		w.key(1)
		w.start()
		texts := strings.Split(strings.Repeat("word by word ", 30), " ")
		w.script("", googlesim.Answer(texts...))
		slow := &slowRecorder{httptest.NewRecorder(), 11 * time.Second}
		record := w.serve(slow, stream())
		c := w.completion(&answer{ResponseRecorder: slow.ResponseRecorder, record: record})
		if c.Content != strings.Join(texts, "") || record.Attempts != 1 {
			w.Errorf("%d attempts: %+v", record.Attempts, c)
		}
	})
}

// failingRecorder is a client whose connection breaks after a number of writes or flushes.
type failingRecorder struct {
	*httptest.ResponseRecorder
	writes, flushes int
	flushError      error
	bothered        int // writes after the connection broke
}

var errBrokenPipe = errors.New("broken pipe")

func (r *failingRecorder) Write(b []byte) (int, error) {
	if r.writes < 0 || r.flushes < 0 {
		r.bothered++
	}
	if r.writes--; r.writes < 0 {
		return 0, errBrokenPipe
	}
	return r.ResponseRecorder.Write(b)
}

func (r *failingRecorder) FlushError() error {
	if r.flushes--; r.flushes < 0 {
		return r.flushError
	}
	return nil
}

func TestLostConnectionEndsTheCallAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		client *failingRecorder
		reply  googlesim.Reply
	}{
		"write":   {&failingRecorder{writes: 1, flushes: 99}, googlesim.Reply{Lead: googlesim.All, Pace: time.Second}},
		"flush":   {&failingRecorder{writes: 99, flushes: 1, flushError: errBrokenPipe}, googlesim.Reply{Lead: googlesim.All, Pace: time.Second}},
		"later":   {&failingRecorder{writes: 2, flushes: 99}, googlesim.Reply{Lead: googlesim.All, Pace: time.Second}},
		"comment": {&failingRecorder{writes: 0}, googlesim.Slow(time.Hour, 0)},
		"pause":   {&failingRecorder{writes: 0}, googlesim.HighDemand()},
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(w *world) {
				w.options.KeepAlive = 900 * time.Millisecond
				w.key(1)
				w.fallback(flash)
				w.start()
				w.script("", c.reply)
				c.client.ResponseRecorder = httptest.NewRecorder()
				start := time.Now()
				record := w.serve(c.client, stream())
				if took := time.Since(start); record.Error != "client_gone" || took > 5*time.Second {
					w.Errorf("ended with %q after %v", record.Error, took)
				}
				if c.client.bothered != 0 {
					w.Errorf("%d writes to a connection that is lost", c.client.bothered)
				}
				synctest.Wait()
				if n := w.google.Active(); n != 0 {
					w.Errorf("%d calls are still being answered", n)
				}
				w.wantCalls("", 1)
				if a := w.account(1); a.State != "ready" || a.InFlight != 0 {
					w.Errorf("account: %+v", a)
				}
			})
		})
	}
}

func TestWriterThatCannotFlushGetsTheWholeStream(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		client := &failingRecorder{ResponseRecorder: httptest.NewRecorder(), writes: 999, flushError: http.ErrNotSupported}
		record := w.serve(client, stream())
		w.text(&answer{ResponseRecorder: client.ResponseRecorder, record: record})
	})
}

func TestGoneClientIsLoggedAs499(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		w.script("", googlesim.Stall())
		ctx, leave := context.WithCancel(w.Context())
		time.AfterFunc(time.Second, leave)
		if a := w.askWith(ctx, plain()); a.Code != 499 || a.Body.Len() != 0 {
			w.Errorf("%d %s", a.Code, a.Body)
		}
	})
}

func TestRecordOfAnAnswer(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(7)
		w.start()
		w.google.Always(googlesim.Match{}, googlesim.Slow(2*time.Second, 0))
		r := ask().record
		if r.Surface != "chat" || r.Model != model || r.UpstreamModel != model || r.Account != "env-7" || r.Attempts != 1 ||
			r.FirstToken != 2*time.Second || r.FinishReason != "stop" || r.Usage.Prompt == 0 || r.Usage.Completion == 0 || r.Error != "" {
			w.Errorf("record: %+v", r)
		}
		if streamed := isStream(w); r.Stream != streamed {
			w.Errorf("record says stream: %v", r.Stream)
		}
	})
}

func TestFirstTokenOfTheRecordIsTheFirst(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		w.google.Always(googlesim.Match{}, googlesim.Reply{Lead: googlesim.All, Pace: time.Second})
		if r := w.ask(stream()).record; r.FirstToken != time.Second {
			w.Errorf("first token after %v", r.FirstToken)
		}
	})
}

func TestRecordNamesEveryError(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		w.google.Always(googlesim.Match{}, googlesim.Internal())
		for name, c := range map[string]struct {
			a    *answer
			want string
		}{
			"without a code": {w.ask(plain()), "server_error"},
			"malformed":      {w.send(w.Context(), http.MethodPost, chatPath, "{", true), "invalid_request_error"},
			"no key":         {w.send(w.Context(), http.MethodPost, chatPath, "{}", false), "invalid_api_key"},
			"no such model":  {w.send(w.Context(), http.MethodGet, "/v1/models/gpt-9", "", true), "model_not_found"},
			"method":         {w.send(w.Context(), http.MethodPut, "/v1/models", "", true), "method_not_supported"},
		} {
			if got := c.a.record.Error; got != c.want {
				w.Errorf("%s: record says %q, want %q", name, got, c.want)
			}
		}
	})
}

func TestThoughtsAreShownAsTheOperatorSays(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.options.Thinking = translate.ThinkingReasoning
		w.key(1)
		w.start()
		if c := w.completion(ask()); c.Reasoning == "" {
			w.Errorf("no thoughts: %+v", c)
		}
	})
}

func TestMethods(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		for _, path := range []string{"/v1/models", "/v1/models/" + model, "/v1/status", "/v1/health"} {
			if a := w.send(w.Context(), http.MethodHead, path, "", true); a.Code != http.StatusOK {
				w.Errorf("HEAD %s: %d", path, a.Code)
			}
			a := w.send(w.Context(), http.MethodDelete, path, "", true)
			w.wantError(a, http.StatusMethodNotAllowed, "method_not_supported")
			w.wantHeaders(a.Header(), map[string]string{"Allow": "GET, HEAD"})
		}
		a := w.send(w.Context(), http.MethodHead, chatPath, "", true)
		w.wantError(a, http.StatusMethodNotAllowed, "method_not_supported")
		w.wantHeaders(a.Header(), map[string]string{"Allow": "POST"})
	})
}

// failingBody is a request body that cannot be read to its end.
type failingBody struct{ err error }

func (b failingBody) Read([]byte) (int, error) { return 0, b.err }

func TestBodies(t *testing.T) {
	const limit = 500
	errTooLarge := errors.New("too large for the handler in front")
	exactly := func(n int) string {
		body := chat(map[string]any{"user": ""})
		return strings.Replace(body, `"user":""`, `"user":"`+strings.Repeat("x", n-len(body))+`"`, 1)
	}
	simulated(t, func(w *world) {
		w.options.MaxBody = limit
		w.options.BodyStatus = func(err error) (int, bool) { return http.StatusRequestEntityTooLarge, err == errTooLarge }
		w.key(1)
		w.start()
		for name, c := range map[string]struct {
			body     io.Reader
			typ, enc string
			want     int
		}{
			"at the limit":              {strings.NewReader(exactly(limit)), "application/json", "", 200},
			"over the limit":            {strings.NewReader(exactly(limit + 1)), "application/json", "", 413},
			"at the limit, chunked":     {io.MultiReader(strings.NewReader(exactly(limit))), "application/json", "", 200},
			"over the limit, chunked":   {io.MultiReader(strings.NewReader(exactly(limit + 1))), "application/json", "", 413},
			"limited by net/http":       {failingBody{&http.MaxBytesError{Limit: 1}}, "application/json", "", 413},
			"limited by a middleware":   {failingBody{errTooLarge}, "application/json", "", 413},
			"broken off":                {failingBody{io.ErrUnexpectedEOF}, "application/json", "", 400},
			"no type":                   {strings.NewReader(chat(plain())), "", "", 200},
			"what curl sends":           {strings.NewReader(chat(plain())), "application/x-www-form-urlencoded", "", 200},
			"with a charset":            {strings.NewReader(chat(plain())), "application/json; charset=utf-8", "", 200},
			"a kind of JSON":            {strings.NewReader(chat(plain())), "application/vnd.api+json", "", 200},
			"a form with files":         {strings.NewReader(chat(plain())), "multipart/form-data; boundary=x", "", 415},
			"no JSON":                   {strings.NewReader(chat(plain())), "image/png", "", 415},
			"a type that is none":       {strings.NewReader(chat(plain())), "application/json; =", "", 415},
			"compressed":                {strings.NewReader(chat(plain())), "application/json", "gzip", 415},
			"said to be not compressed": {strings.NewReader(chat(plain())), "application/json", "identity", 200},
		} {
			r := httptest.NewRequest(http.MethodPost, chatPath, c.body)
			r.Header.Set("Content-Type", c.typ)
			r.Header.Set("Content-Encoding", c.enc)
			recorder := httptest.NewRecorder()
			w.gateway.Route(r).Serve(recorder, r, known)
			if recorder.Code != c.want {
				w.Errorf("%s: %d, want %d: %s", name, recorder.Code, c.want, recorder.Body)
			}
		}
	})
}

// endless is a body without an end, of which no more than the limit may be read.
type endless struct {
	*testing.T
	left int
}

func (b *endless) Read(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		b.Error("the body is read on and on")
		return 0, io.EOF
	}
	return len(p), nil
}

func TestBodyWithoutAnEndIsNotReadBeyondTheLimit(t *testing.T) {
	simulated(t, func(w *world) {
		w.options.MaxBody = 10_000
		w.key(1)
		w.start()
		r := httptest.NewRequest(http.MethodPost, chatPath, &endless{w.T, 10_001})
		recorder := httptest.NewRecorder()
		w.gateway.Route(r).Serve(recorder, r, known)
		if recorder.Code != http.StatusRequestEntityTooLarge {
			w.Errorf("%d: %s", recorder.Code, recorder.Body)
		}
	})
}

// unread is a body that must not be read.
type unread struct{ *testing.T }

func (b unread) Read([]byte) (int, error) {
	b.Error("the body was read")
	return 0, io.EOF
}

func TestBodyThatIsRefusedAnywayIsNotRead(t *testing.T) {
	simulated(t, func(w *world) {
		w.options.MaxBody = 100
		w.key(1)
		w.start()
		for name, c := range map[string]struct {
			length     int64
			identified bool
			want       int
		}{"a stranger's": {2, false, 401}, "declared too large": {101, true, 413}} {
			r := httptest.NewRequest(http.MethodPost, chatPath, unread{w.T})
			r.ContentLength = c.length
			recorder := httptest.NewRecorder()
			w.gateway.Route(r).Serve(recorder, r, gateway.Client{Identified: c.identified})
			if recorder.Code != c.want {
				w.Errorf("%s: %d", name, recorder.Code)
			}
		}
	})
}

func TestModelListIsTheCatalogueWithTheOperatorsNames(t *testing.T) {
	simulated(t, func(w *world) {
		w.options.Models = []gateway.Model{{Name: "gpt-4o", Upstream: flash}, {Name: model, Fallback: []string{flash}}, {Name: "zz", Upstream: model}}
		w.key(1)
		w.start()
		body := w.send(w.Context(), http.MethodGet, "/v1/models", "", true).Body.String()
		for id, want := range map[string]int{"gpt-4o": 1, model: 1, flash: 1, "zz": 1, "gpt-9": 0} {
			if got := strings.Count(body, `"id":"`+id+`"`); got != want {
				w.Errorf("%s is listed %d times, want %d", id, got, want)
			}
		}
		if strings.Index(body, `"id":"gpt-4o"`) < strings.Index(body, `"id":"`+model+`"`) {
			w.Error("the list is not in alphabetical order")
		}
		for path, id := range map[string]string{"gpt-4o": "gpt-4o", "models/" + flash: flash} {
			if a := w.send(w.Context(), http.MethodGet, "/v1/models/"+path, "", true); !strings.Contains(a.Body.String(), `"id":"`+id+`"`) {
				w.Errorf("%s: %s", path, a.Body)
			}
		}
		if status := w.send(w.Context(), http.MethodGet, "/v1/status", "", true); status.Header().Get("Cache-Control") != "no-store" ||
			!strings.Contains(status.Body.String(), `"object":"gemini_proxy.status"`) {
			w.Errorf("status: %v %s", status.Header(), status.Body)
		}
	})
}
