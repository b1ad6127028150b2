package geminiproxy_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/admin"
)

// unset takes a variable out of the environment for the test.
func unset(t *testing.T, name string) {
	t.Setenv(name, "") // puts it back in the end
	os.Unsetenv(name)
}

// runs loads the configuration of 'caddy gemini-proxy run' without its admin endpoint, and returns its port.
func runs(t *testing.T) (port string, err error) {
	t.Helper()
	t.Setenv("GEMINI_API_KEY", secret+"-key")
	port = freePort(t)
	config, err := admin.RunConfig("127.0.0.1:" + port)
	if err != nil {
		t.Fatal(err)
	}
	config.Admin.Disabled = true
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return port, caddy.Load(text, true)
}

func TestRunServesWhoMayBeServed(t *testing.T) {
	type request struct {
		name, host, path string
		header           [2]string
		want             int
	}
	for _, c := range []struct {
		name, key string
		requests  []request
	}{
		{"without a key", "", []request{
			{"a client", "", "/v1/models", [2]string{}, http.StatusOK},
			{"by name", "localhost:8080", "/v1/models", [2]string{}, http.StatusOK},
			{"by IPv6", "[::1]:8080", "/v1/models", [2]string{}, http.StatusOK},
			{"a local page", "", "/v1/models", [2]string{"Sec-Fetch-Site", "same-origin"}, http.StatusOK},
			{"a page from elsewhere", "", "/v1/models", [2]string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
			{"a name that resolves here", "evil.example:8080", "/v1/models", [2]string{}, http.StatusForbidden},
			{"another path", "", "/", [2]string{}, http.StatusNotFound},
		}},
		{"with a key", secret + "-gateway", []request{
			{"no key", "", "/v1/models", [2]string{}, http.StatusUnauthorized},
			{"an empty key", "", "/v1/models", [2]string{"X-Api-Key", ""}, http.StatusUnauthorized},
			{"another key", "", "/v1/models", [2]string{"Authorization", "Bearer x"}, http.StatusUnauthorized},
			{"the key", "ai.example.com", "/v1/models", [2]string{"Authorization", "Bearer " + secret + "-gateway"}, http.StatusOK},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			unset(t, "GATEWAY_KEY")
			if c.key != "" {
				t.Setenv("GATEWAY_KEY", c.key)
			}
			port, err := runs(t)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range c.requests {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+r.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				request.Host = r.host
				if r.header[0] != "" {
					request.Header.Set(r.header[0], r.header[1])
				}
				answer, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Fatal(r.name, err)
				}
				answer.Body.Close()
				if answer.StatusCode != r.want {
					t.Errorf("%s: %s, want %d", r.name, answer.Status, r.want)
				}
			}
		})
	}
}

func TestRunAsksForAKeyBeyondThisMachine(t *testing.T) {
	for listen, alone := range map[string]bool{
		"127.0.0.1:8080": true, "127.8.0.1:8080": true, "localhost:8080": true, "[::1]:8080": true,
		":8080": false, "0.0.0.0:8080": false, "[::]:8080": false, "192.0.2.1:8080": false, "localhost.example:8080": false, "8080": false,
	} {
		unset(t, "GATEWAY_KEY")
		if _, err := admin.RunConfig(listen); (err == nil) != alone {
			t.Errorf("%s without a key: %v", listen, err)
		}
	}
	t.Setenv("GATEWAY_KEY", secret)
	config, err := admin.RunConfig(":8080")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(config); err != nil || strings.Contains(string(text), secret) || strings.Contains(string(text), "anonymous") {
		t.Errorf("the configuration shows the key, or serves anybody: %s", text)
	}
}

func TestRunWithAnEmptyKeyDoesNotStart(t *testing.T) {
	t.Setenv("GATEWAY_KEY", "")
	if _, err := runs(t); err == nil {
		t.Error("it starts")
	}
}
