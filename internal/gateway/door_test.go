package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// The tests in this file are about requests that are refused, or answered, without asking Google.

func TestUnidentifiedClientGets401AndGoogleIsNotAsked(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		for _, path := range []string{"/v1/chat/completions", "/v1/models", "/v1/models/" + model, "/v1/status", "/chat/completions"} {
			method := http.MethodGet
			if strings.HasSuffix(path, "completions") {
				method = http.MethodPost
			}
			a := w.send(w.Context(), method, path, `{"messages":[]}`, false)
			w.wantError(a, http.StatusUnauthorized, "invalid_api_key")
			if a.Header().Get("WWW-Authenticate") != "Bearer" {
				w.Errorf("%s: WWW-Authenticate %q", path, a.Header().Get("WWW-Authenticate"))
			}
		}
		w.wantCalls("", 0)
	})
}

func TestHealthIsOpenAndTellsNothing(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		if a := w.send(w.Context(), http.MethodGet, "/v1/health", "", false); a.Code != http.StatusOK || a.Body.String() != `{"status":"ok"}` {
			w.Errorf("health: %d %s", a.Code, a.Body)
		}
		w.google.RevokeKey("key-1")
		w.ask(plain())
		if a := w.send(w.Context(), http.MethodGet, "/v1/health", "", false); a.Code != http.StatusServiceUnavailable {
			w.Errorf("health without a usable account: %d %s", a.Code, a.Body)
		}
		a := w.ask(plain())
		w.wantError(a, http.StatusServiceUnavailable, "no_credentials")
		if got := a.Header().Get("Retry-After"); got != "30" {
			w.Errorf("Retry-After %q: nobody knows when, but clients need a number", got)
		}
	})
}

func TestBadBodiesAreRefusedInOpenAIsForm(t *testing.T) {
	simulated(t, func(w *world) {
		w.options.MaxBody = 1 << 20
		w.key(1)
		w.start()
		big := `{"messages":[{"role":"user","content":"` + strings.Repeat("x", 1<<20) + `"}]}`
		for name, c := range map[string]struct {
			body   string
			status int
			code   string
		}{
			"malformed": {`{"messages": [`, http.StatusBadRequest, ""},
			"empty":     {``, http.StatusBadRequest, ""},
			"bomb":      {`{"metadata":` + strings.Repeat("[", 100_000), http.StatusBadRequest, ""},
			"too large": {big, http.StatusRequestEntityTooLarge, "request_too_large"},
		} {
			w.Log(name)
			e := w.wantError(w.send(w.Context(), http.MethodPost, chatPath, c.body, true), c.status, c.code)
			if e.Type != "invalid_request_error" || e.Message == "" {
				w.Errorf("error: %+v", e)
			}
		}
		w.wantCalls("", 0)
	})
}

func TestUnknownModelIs404AndGoogleIsNotAsked(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		w.wantError(w.ask(map[string]any{"model": "gpt-9"}), http.StatusNotFound, "model_not_found")
		w.wantError(w.send(w.Context(), http.MethodGet, "/v1/models/gpt-9", "", true), http.StatusNotFound, "model_not_found")
		w.wantCalls("", 0)
	})
}

func TestModelNamesAreEchoedAndResolved(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.options.Models = []gateway.Model{{Name: "gpt-4o", Upstream: "gemini-2.5-flash"}}
		w.start()
		for asked, upstream := range map[string]string{
			"": model, "gpt-4o": "gemini-2.5-flash", "models/gemini-2.5-pro": "gemini-2.5-pro", "gemini-9-flash": "gemini-9-flash",
		} {
			w.google.ForgetCalls()
			a := w.ask(map[string]any{"model": asked})
			if asked != "gemini-9-flash" {
				want := asked
				if want == "" {
					want = model
				}
				if c := w.completion(a); c.Model != want {
					w.Errorf("asked for %q, the answer says %q", asked, c.Model)
				}
			}
			calls := w.google.Calls(googlesim.Match{Method: "streamGenerateContent"})
			if len(calls) == 0 || calls[0].Model != upstream {
				w.Errorf("asked for %q, Google was asked for %+v", asked, calls)
			}
		}
	})
}

func TestRoutes(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		for target, want := range map[string]int{
			"GET /v1/models": 200, "GET /v1/models/": 200, "GET /models": 200, "GET /v1/models/" + model: 200,
			"GET /v1/models/google%2F" + model: 200, "GET /v1/models/models/" + model: 200,
			"GET /v1/status": 200, "GET /v1/status/": 200, "POST /v1/models": 405, "GET /v1/chat/completions": 405,
			"GET /status": 0, "GET /health": 0, "GET /v1": 0, "GET /v1x/models": 0, "GET /v1models": 0, "POST /v1/embeddings": 0, "GET /": 0,
			"POST /v1/../v1/chat/completions": 0,
		} {
			method, path, _ := strings.Cut(target, " ")
			if route := w.gateway.Route(request(method, path, "")); route == nil {
				if want != 0 {
					w.Errorf("%s is no route", target)
				}
				continue
			}
			if a := w.send(w.Context(), method, path, "", true); a.Code != want {
				w.Errorf("%s: %d, want %d: %s", target, a.Code, want, a.Body)
			}
		}
	})
}

func TestNamesThatAreNoModelsAre404WithoutACall(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		for _, name := range []string{
			"gemini-" + strings.Repeat("x", 1000), "gemini-3/../flash", "gemini-3 flash", "gemini-3?alt=json", "gemini-3#x", "gemini-3%2e",
			"gemini-\u00fc", "gemini-\u2028", "GEMINI-3", "gemini-\r\nX-Evil: 1",
		} {
			a := w.ask(map[string]any{"model": name})
			w.wantError(a, http.StatusNotFound, "model_not_found")
			if a.Body.Len() > 1000 || a.Header().Get("X-Gemini-Proxy-Model") != "" {
				w.Errorf("%.40q: %d bytes, X-Gemini-Proxy-Model %.40q", name, a.Body.Len(), a.Header().Get("X-Gemini-Proxy-Model"))
			}
		}
		w.wantCalls("", 0)
		if m := w.account(1).Models; len(m) != 0 {
			w.Errorf("the pool remembers %+v", m)
		}
	})
}

func TestConfigurationThatNamesNoModelIsRefused(t *testing.T) {
	for name, change := range map[string]func(o *gateway.Options){
		"default model": func(o *gateway.Options) { o.DefaultModel = "nope" },
		"upstream":      func(o *gateway.Options) { o.Models = []gateway.Model{{Name: "a", Upstream: "gpt-5"}} },
		"name alone":    func(o *gateway.Options) { o.Models = []gateway.Model{{Name: "a"}} },
		"fallback":      func(o *gateway.Options) { o.Models = []gateway.Model{{Name: model, Fallback: []string{"nope"}}} },
	} {
		o := gateway.Options{Catalogue: gemini.NewCatalogue(), DefaultModel: model}
		if _, err := gateway.New(o); err != nil {
			t.Fatal(err)
		}
		change(&o)
		if _, err := gateway.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestModelNobodyHasLeavesTheAccountsReady(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.key(2)
		w.start()
		w.wantError(w.ask(map[string]any{"model": "gemini-9-ultra"}), http.StatusNotFound, "model_not_found")
		w.wantReady(2)
		if a := w.send(w.Context(), http.MethodGet, "/v1/health", "", false); a.Code != http.StatusOK {
			w.Errorf("health: %d", a.Code)
		}
	})
}
