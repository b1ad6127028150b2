package guests

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
)

func provisionedKeys(t *testing.T, keys map[string][]string) *ClientKeys {
	t.Helper()
	c := &ClientKeys{Keys: keys}
	if err := c.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	return c
}

// guarded serves behind client_keys, with the handlers the directive makes. It answers with the user's ID, or with an error that a
// handler behind the guard returns when asked for /teapot.
func guarded(t *testing.T, keys map[string][]string) *httptest.Server {
	t.Helper()
	auth := caddyauth.Authentication{Providers: map[string]caddyauth.Authenticator{"client_keys": provisionedKeys(t, keys)}}
	behind := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if r.URL.Path == "/teapot" {
			return caddyhttp.Error(http.StatusUnauthorized, errors.New("not by client_keys"))
		}
		user, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).GetString("http.auth.user.id")
		_, err := io.WriteString(w, user)
		return err
	})
	chain := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error { return auth.ServeHTTP(w, r, behind) })
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
		err := new(KeyRefusal).ServeHTTP(w, r, chain)
		if failed, ok := errors.AsType[caddyhttp.HandlerError](err); ok { // as Caddy does
			w.WriteHeader(failed.StatusCode)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// ask sends a request over HTTP/1.1 or HTTP/2 and returns the answer with its body.
func ask(t *testing.T, server *httptest.Server, proto int, target string, headers map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	transport := server.Client().Transport.(*http.Transport).Clone()
	if proto == 1 {
		transport.ForceAttemptHTTP2 = false
		transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.ProtoMajor != proto {
		t.Fatalf("HTTP/%d was spoken, not HTTP/%d", resp.ProtoMajor, proto)
	}
	return resp, string(body)
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

var testKeys = map[string][]string{"alice": {"key-a", "key-a-old"}, "bob": {"key-b"}}

func TestAKeyIsTakenFromWhereClientsSendIt(t *testing.T) {
	server := guarded(t, testKeys)
	for _, test := range []struct {
		name, target string
		headers      map[string]string
		user         string // empty: refused
	}{
		{name: "bearer", headers: map[string]string{"Authorization": "Bearer key-a"}, user: "alice"},
		{name: "bearer in lower case", headers: map[string]string{"Authorization": "bearer key-b"}, user: "bob"},
		{name: "bearer with two blanks", headers: map[string]string{"Authorization": "Bearer  key-b"}, user: "bob"},
		{name: "second key of a label", headers: map[string]string{"Authorization": "Bearer key-a-old"}, user: "alice"},
		{name: "x-api-key", headers: map[string]string{"x-api-key": "key-b"}, user: "bob"},
		{name: "x-goog-api-key", headers: map[string]string{"x-goog-api-key": "key-b"}, user: "bob"},
		{name: "api-key", headers: map[string]string{"api-key": "key-b"}, user: "bob"},
		{name: "query", target: "?key=key-b", user: "bob"},
		{name: "basic password", headers: map[string]string{"Authorization": basic("whoever", "key-a")}, user: "alice"},
		{name: "one of several", headers: map[string]string{"Authorization": "Bearer other", "x-api-key": "key-b"}, user: "bob"},

		{name: "nothing"},
		{name: "wrong", headers: map[string]string{"Authorization": "Bearer key-c"}},
		{name: "empty bearer", headers: map[string]string{"Authorization": "Bearer "}},
		{name: "bearer without blank", headers: map[string]string{"Authorization": "Bearer"}},
		{name: "no scheme", headers: map[string]string{"Authorization": "key-a"}},
		{name: "other scheme", headers: map[string]string{"Authorization": "Token key-a"}},
		{name: "prefix of a key", headers: map[string]string{"Authorization": "Bearer key-"}},
		{name: "key and more", headers: map[string]string{"Authorization": "Bearer key-a key-b"}},
		{name: "basic user", headers: map[string]string{"Authorization": basic("key-a", "")}},
		{name: "empty header", headers: map[string]string{"x-api-key": ""}},
		{name: "empty query", target: "?key="},
		{name: "label instead of key", headers: map[string]string{"Authorization": "Bearer alice"}},
		{name: "NUL in query", target: "?key=key-a%00"},
		{name: "NUL in password", headers: map[string]string{"Authorization": basic("", "key-a\x00")}},
	} {
		for proto := 1; proto <= 2; proto++ {
			resp, body := ask(t, server, proto, "/v1/models"+test.target, test.headers)
			if test.user == "" && resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s, HTTP/%d: status %d, user %q", test.name, proto, resp.StatusCode, body)
			}
			if test.user != "" && (resp.StatusCode != http.StatusOK || body != test.user) {
				t.Errorf("%s, HTTP/%d: status %d, user %q, want %q", test.name, proto, resp.StatusCode, body, test.user)
			}
		}
	}
}

func TestARefusalIsInTheFormAPIClientsRead(t *testing.T) {
	server := guarded(t, testKeys)
	for proto := 1; proto <= 2; proto++ {
		resp, body := ask(t, server, proto, "/v1/models", map[string]string{"Authorization": "Bearer key-c", "Accept": "*/*"})
		var envelope struct {
			Error struct {
				Message, Type, Code *string
				Param               json.RawMessage
			}
		}
		if err := json.Unmarshal([]byte(body), &envelope); err != nil {
			t.Fatalf("HTTP/%d: %v in %q", proto, err, body)
		}
		e := envelope.Error
		if e.Message == nil || *e.Message == "" || e.Type == nil || *e.Type != "invalid_request_error" || e.Code == nil ||
			*e.Code != "invalid_api_key" || string(e.Param) != "null" {
			t.Errorf("HTTP/%d: %s", proto, body)
		}
		if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
			t.Errorf("HTTP/%d: Content-Type %q", proto, got)
		}
		if got := resp.Header.Get("WWW-Authenticate"); got != "Bearer" {
			t.Errorf("HTTP/%d: WWW-Authenticate %q", proto, got)
		}
		if resp.Header.Get("X-Request-ID") == "" {
			t.Errorf("HTTP/%d: no X-Request-Id", proto)
		}
		if strings.Contains(body, "key-c") {
			t.Errorf("HTTP/%d: the answer repeats the key", proto)
		}
	}
}

func TestABrowserIsAskedForAPassword(t *testing.T) {
	resp, body := ask(t, guarded(t, testKeys), 2, "/v1/status", map[string]string{"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
	if resp.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic realm=") || body != "" {
		t.Errorf("status %d, WWW-Authenticate %q, body %q", resp.StatusCode, resp.Header.Get("WWW-Authenticate"), body)
	}
}

func TestOnlyTheRefusalOfClientKeysIsAnswered(t *testing.T) {
	resp, body := ask(t, guarded(t, testKeys), 2, "/teapot", map[string]string{"x-api-key": "key-a"})
	if resp.StatusCode != http.StatusUnauthorized || body != "" || resp.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("another handler's 401 was answered: %v %q", resp.Header, body)
	}
}

func TestHeadersThatGosClientWouldNotSendLetNobodyIn(t *testing.T) {
	server := httptest.NewServer(guarded(t, testKeys).Config.Handler)
	defer server.Close()
	for name, test := range map[string]struct {
		header string
		want   int
	}{
		"1 MiB":           {"Authorization: Bearer " + strings.Repeat("x", 1<<20+8192), http.StatusRequestHeaderFieldsTooLarge},
		"NUL":             {"Authorization: Bearer key-a\x00", http.StatusBadRequest}, // by HTTP's own rules
		"just the scheme": {"Authorization: Bearer ", http.StatusUnauthorized},
	} {
		if status := rawStatus(t, server, test.header); status != test.want {
			t.Errorf("%s: status %d, want %d", name, status, test.want)
		}
	}
}

// rawStatus sends a header as it is, over HTTP/1.1, and returns the status of the answer.
func rawStatus(t *testing.T, server *httptest.Server, header string) int {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go fmt.Fprintf(conn, "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n", header)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestKeysThatCannotGuardAreRefusedAtTheStart(t *testing.T) {
	t.Setenv("TEST_KEY", "")
	t.Setenv("TEST_BLANK", "  ")
	for name, test := range map[string]struct {
		keys map[string][]string
		says []string
	}{
		"empty variable":   {map[string][]string{"alice": {"key-a"}, "bob": {"{env.TEST_KEY}"}}, []string{"bob", "{env.TEST_KEY}"}},
		"unset variable":   {map[string][]string{"bob": {"{env.TEST_UNSET_KEY}"}}, []string{"bob", "{env.TEST_UNSET_KEY}"}},
		"blank variable":   {map[string][]string{"bob": {"key-b", "{env.TEST_BLANK}"}}, []string{"bob", "key 2", "empty"}},
		"empty key":        {map[string][]string{"bob": {""}}, []string{"bob", "empty"}},
		"no key":           {map[string][]string{"bob": {}}, []string{"bob"}},
		"nobody":           {nil, []string{"no keys"}},
		"empty label":      {map[string][]string{"": {"key-a"}}, []string{"label"}},
		"two with one key": {map[string][]string{"alice": {"key-a"}, "bob": {"key-a"}}, []string{"alice", "bob"}},
		"missing file":     {map[string][]string{"bob": {"{file./no/such/key}"}}, []string{"bob", "{file./no/such/key}"}},
		"braces":           {map[string][]string{"bob": {"{" + sentinel + "}"}}, []string{"bob"}},
	} {
		err := (&ClientKeys{Keys: test.keys}).Provision(caddy.Context{})
		for _, says := range test.says {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: the error does not say %q: %v", name, says, err)
			}
		}
		if err != nil && (strings.Contains(err.Error(), "key-a") || strings.Contains(err.Error(), sentinel)) {
			t.Errorf("%s: the error shows a key: %v", name, err)
		}
	}
}

func TestKeysComeFromPlaceholders(t *testing.T) {
	t.Setenv("TEST_KEY", " key-from-env\n")
	c := provisionedKeys(t, map[string][]string{"alice": {"{env.TEST_KEY}"}})
	r := httptest.NewRequest(http.MethodGet, "/?key="+url.QueryEscape("key-from-env"), nil)
	if user, ok, err := c.Authenticate(httptest.NewRecorder(), r); !ok || err != nil || user.ID != "alice" {
		t.Errorf("%v %v %v", user, ok, err)
	}
}

func TestClientKeysReadsItsBlock(t *testing.T) {
	for block, want := range map[string]string{
		"client_keys {\n alice {env.A} {env.B}\n bob key\n}": `{"keys":{"alice":["{env.A}","{env.B}"],"bob":["key"]}}`,
		"client_keys":                          "error: client_keys needs a block",
		"client_keys {\n}":                     "error: client_keys needs a block",
		"client_keys secret {\n alice a\n}":    "error: client_keys takes a block of labels and keys, no arguments",
		"client_keys {\n alice\n}":             "error: client_keys: 'alice' needs at least one key",
		"client_keys {\n alice a\n alice b\n}": "error: client_keys: 'alice' already specified",
	} {
		var c ClientKeys
		got := "error: "
		if err := c.UnmarshalCaddyfile(caddyfile.NewTestDispenser(block)); err != nil {
			got += err.Error()
		} else if text, err := json.Marshal(c); err == nil {
			got = string(text)
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", block, got, want)
		}
	}
}
