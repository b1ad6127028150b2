package geminiproxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/quic-go/quic-go/http3"

	geminiproxy "github.com/gemini-proxy/caddy-gemini-proxy"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// The tests in this file run Caddy itself, in this process, so none of them is parallel. Its state is the process's own.

// storage is Caddy's, with its own certificate authority, for all tests.
var storage string

func TestMain(m *testing.M) {
	_ = geminiproxy.Handler{} // registered by being imported
	dir, err := os.MkdirTemp("", "gemini-proxy-test-")
	if err != nil {
		panic(err)
	}
	caddy.ConfigAutosavePath = filepath.Join(dir, "autosave.json")
	storage = filepath.Join(dir, "storage")
	code := m.Run()
	_ = caddy.Stop()
	os.RemoveAll(dir)
	os.Exit(code)
}

// site is a Caddy with the directive, in front of a simulated Google.
type site struct {
	*testing.T
	google *googlesim.Server
	port   string // HTTPS
	global string // more global options
	log    string // file of all logs
	dir    string
}

// secret is what must never be seen anywhere: the keys of the accounts contain it.
const secret = "sentinel-3f9a1c"

func newSite(t *testing.T, pace time.Duration) *site {
	sim := googlesim.New(googlesim.Options{Pace: pace})
	if _, err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	s := &site{T: t, google: sim, port: freePort(t), dir: t.TempDir()}
	s.log = filepath.Join(s.dir, "caddy.log")
	if err := errors.Join(caddy.Stop(), os.RemoveAll(keptAccounts())); err != nil { // other tests have the same keys
		t.Fatal(err)
	}
	for n := 1; n <= 3; n++ {
		key := secret + "-key-" + strconv.Itoa(n)
		sim.AddKey(key, "project-"+strconv.Itoa(n))
		t.Setenv("TEST_KEY_"+strconv.Itoa(n), key)
	}
	t.Setenv("ALICE_KEY", secret+"-alice")
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// keptAccounts is the directory where Caddy keeps what is known about accounts.
func keptAccounts() string { return filepath.Join(storage, "gemini_proxy", "accounts") }

func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// config is a whole configuration around the directives of the site.
func (s *site) config(directives string) []byte {
	s.Helper()
	text := fmt.Sprintf(`{
	admin off
	storage file_system %s
	skip_install_trust
	local_certs
	grace_period 5s
	log {
		output file %s
		level DEBUG
	}
	%s
}
https://localhost:%s {
	bind 127.0.0.1
	log
	%s
}
`, storage, s.log, s.global, s.port, strings.ReplaceAll(directives, "GOOGLE", s.google.URL()))
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		s.Fatalf("adapting: %v\n%s", err, text)
	}
	for _, w := range warnings {
		if !strings.Contains(w.Message, "not formatted") {
			s.Errorf("warning: %v", w)
		}
	}
	return adapted
}

// proxy is the directive with three API keys. All tests ask the same question, which would be one conversation.
const proxy = `
	gemini_proxy {
		affinity off
		credentials env TEST_KEY_*
		endpoint gemini_api GOOGLE
		anonymous
	}`

func (s *site) load(directives string) {
	s.Helper()
	s.run(s.config(directives))
}

// run loads a configuration and waits for Caddy to have issued itself a certificate, which it does in the background.
func (s *site) run(config []byte) {
	s.Helper()
	if err := caddy.Load(config, true); err != nil {
		s.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+s.port, insecure)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			s.Fatal(err)
		}
	}
}

// insecure trusts Caddy's own authority, which is made for the tests.
var insecure = &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}

// client is an HTTP client of the given version: 1, 2 or 3.
func (s *site) client(version int) *http.Client {
	if version == 3 {
		t := &http3.Transport{TLSClientConfig: insecure.Clone()}
		s.Cleanup(func() { t.Close() })
		return &http.Client{Transport: t}
	}
	t := &http.Transport{TLSClientConfig: insecure.Clone(), ForceAttemptHTTP2: version == 2}
	s.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t}
}

func (s *site) request(ctx context.Context, method, path, body string) *http.Request {
	s.Helper()
	r, err := http.NewRequestWithContext(ctx, method, "https://127.0.0.1:"+s.port+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.Host = "localhost"
	r.Header.Set("Content-Type", "application/json")
	return r
}

const (
	question  = `"messages":[{"role":"user","content":"Tell me a story of some length, please, with an end to it."}]}`
	ask       = "{" + question
	askStream = `{"stream":true,` + question
)

// events reads a stream and reports each event's data as it comes.
func events(r io.Reader, each func(data string)) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			each(data)
		}
	}
	return lines.Err()
}

func TestStreamReachesTheClientChunkByChunk(t *testing.T) {
	const pace = 60 * time.Millisecond
	for name, c := range map[string]struct {
		version int
		extra   string
	}{
		"HTTP/1.1": {version: 1}, "HTTP/2": {version: 2}, "HTTP/3": {version: 3},
		"encode": {version: 1, extra: "encode gzip zstd"}, "encode HTTP/2": {version: 2, extra: "encode gzip zstd"},
		"log_append": {version: 1, extra: "log_append model {http.gemini_proxy.model}"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, pace)
			s.load(c.extra + proxy)
			r := s.request(t.Context(), http.MethodPost, "/v1/chat/completions", askStream)
			r.Header.Set("Accept-Encoding", "gzip, zstd")
			answer, err := s.client(c.version).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.ProtoMajor != c.version || answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Encoding") != "" {
				t.Fatalf("%s %s, Content-Encoding %q", answer.Proto, answer.Status, answer.Header.Get("Content-Encoding"))
			}
			// Google pauses before each event, so events that were held back somewhere would come together.
			var came []time.Time
			if err := events(answer.Body, func(data string) {
				if strings.Contains(data, `"content":"`) && !strings.Contains(data, `"role"`) {
					came = append(came, time.Now())
				}
			}); err != nil {
				t.Fatal(err)
			}
			if len(came) < 3 {
				t.Fatalf("only %d pieces of text", len(came))
			}
			if spread := came[len(came)-1].Sub(came[0]); spread < pace*time.Duration(len(came)-1)/2 {
				t.Errorf("%d pieces came within %v", len(came), spread)
			}
		})
	}
}

func TestReloadDoesNotDisturbAStream(t *testing.T) {
	other := strings.Replace(proxy, "TEST_KEY_*", "TEST_KEY_3", 1)
	for name, next := range map[string]string{"same accounts": "header X-Reloaded yes\n" + proxy, "account removed": other} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 80*time.Millisecond)
			s.load(strings.Replace(proxy, "TEST_KEY_*", "TEST_KEY_1", 1))
			answer, err := s.client(2).Do(s.request(t.Context(), http.MethodPost, "/v1/chat/completions", askStream))
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			last, n := "", 0
			if err := events(answer.Body, func(data string) {
				if n++; n == 2 {
					s.load(next)
				}
				last = data
			}); err != nil {
				t.Fatal(err)
			}
			if last != "[DONE]" || n < 4 {
				t.Errorf("the stream ended after %d events with %q", n, last)
			}
			again, err := s.client(2).Do(s.request(t.Context(), http.MethodPost, "/v1/chat/completions", ask))
			if err != nil {
				t.Fatal(err)
			}
			again.Body.Close()
			if again.StatusCode != http.StatusOK {
				t.Errorf("after the reload: %s", again.Status)
			}
		})
	}
}

func TestValidatingAsksNobody(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := newSite(t, 0)
	t.Setenv("OAUTH_CLIENT_ID", "client")
	t.Setenv("OAUTH_CLIENT_SECRET", "client-secret")
	t.Setenv("GCP_SERVICE_ACCOUNT_1", `{"refresh_token":"`+secret+`"}`)
	adapted := s.config(strings.ReplaceAll(`
	gemini_proxy {
		credentials env GCP_SERVICE_ACCOUNT_*
		credentials env TEST_KEY_*
		endpoint gemini_api NOBODY
		endpoint code_assist NOBODY
		endpoint oauth NOBODY
		anonymous
	}`, "NOBODY", "http://"+silent.Addr().String()))
	var config caddy.Config
	if err := json.Unmarshal(adapted, &config); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := caddy.Validate(&config); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("validating took %v", took)
	}
	silent.(*net.TCPListener).SetDeadline(time.Now().Add(50 * time.Millisecond))
	if conn, err := silent.Accept(); err == nil {
		conn.Close()
		t.Error("validating connected to Google")
	}
}

func TestNoSecretIsSeenAnywhere(t *testing.T) {
	s := newSite(t, 0)
	adminPort := freePort(t)
	directives := `
	client_keys {
		alice {env.ALICE_KEY}
	}` + strings.Replace(proxy, "anonymous", "", 1)
	adapted := bytes.Replace(s.config(directives), []byte(`"admin":{"disabled":true}`),
		[]byte(`"admin":{"listen":"127.0.0.1:`+adminPort+`"}`), 1)
	s.run(adapted)
	s.google.RevokeKey(secret + "-key-1") // Google's refusals repeat keys
	client := s.client(2)
	seen := map[string][]byte{"adapt": adapted}
	for _, target := range []string{"POST /v1/chat/completions", "GET /v1/models", "GET /v1/status", "GET /v1/nothing"} {
		method, path, _ := strings.Cut(target, " ")
		for range 4 {
			r := s.request(t.Context(), method, path, ask)
			r.Header.Set("Authorization", "Bearer "+os.Getenv("ALICE_KEY"))
			seen[target] = append(seen[target], fetch(t, client, r)...)
		}
	}
	for _, path := range []string{"/config/", "/gemini_proxy/accounts", "/reverse_proxy/upstreams", "/metrics", "/debug/vars", "/debug/pprof/goroutine?debug=2"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+adminPort+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		seen[path] = fetch(t, http.DefaultClient, r)
	}
	for name, path := range map[string]string{"autosave": caddy.ConfigAutosavePath, "log": s.log} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		seen[name] = text
	}
	for name, text := range seen {
		if i := bytes.Index(text, []byte(secret)); i >= 0 {
			t.Errorf("%s shows a secret: …%s…", name, text[max(0, i-80):min(len(text), i+80)])
		}
	}
	if !bytes.Contains(seen["log"], []byte(`"gemini_proxy":{"surface":"chat"`)) {
		t.Error("the access log has no entry of the gateway's: was this a test at all?")
	}
	if bytes.Contains(seen["log"], []byte("a story of some length")) {
		t.Error("the log shows a prompt")
	}
}

func fetch(t *testing.T, client *http.Client, r *http.Request) []byte {
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	header, _ := json.Marshal(answer.Header)
	return append(body, header...)
}

func TestGuardsRunBeforeTheGateway(t *testing.T) {
	s := newSite(t, 0)
	s.load(`
	@stranger not header X-Pass yes
	respond @stranger 401
	` + proxy)
	client := s.client(1)
	for pass, want := range map[string]int{"": http.StatusUnauthorized, "yes": http.StatusOK} {
		r := s.request(t.Context(), http.MethodPost, "/v1/chat/completions", ask)
		r.Header.Set("X-Pass", pass)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("X-Pass %q: %s", pass, answer.Status)
		}
	}
	if n := s.google.Count(googlesim.Match{}); n != 1 {
		t.Errorf("Google had %d calls, want 1", n)
	}
}

func TestBodyLimitOfAnotherHandlerIs413(t *testing.T) {
	s := newSite(t, 0)
	s.load("request_body {\n max_size 1KB\n }\n" + proxy)
	body := io.MultiReader(strings.NewReader(ask[:len(ask)-1]), strings.NewReader(`,"user":"`+strings.Repeat("x", 4096)+`"}`)) // chunked
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://127.0.0.1:"+s.port+"/v1/chat/completions", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "localhost"
	answer, err := s.client(1).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusRequestEntityTooLarge || !bytes.Contains(text, []byte(`"code":"request_too_large"`)) {
		t.Errorf("%s: %s", answer.Status, text)
	}
}

func TestOtherRequestsGoToTheNextHandler(t *testing.T) {
	s := newSite(t, 0)
	s.load(proxy + "\nreverse_proxy GOOGLE")
	answer, err := s.client(1).Do(s.request(t.Context(), http.MethodGet, "/v1beta/models", ""))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.Header.Get("X-Request-Id") != "" || answer.Header.Get("Via") == "" {
		t.Errorf("a foreign path was not handed on: %s %v", answer.Status, answer.Header)
	}
}

func TestWrongClientKeysAre401(t *testing.T) {
	s := newSite(t, 0)
	s.load(`
	client_keys {
		alice {env.ALICE_KEY}
	}` + strings.Replace(proxy, "anonymous", "", 1))
	good := os.Getenv("ALICE_KEY")
	for _, version := range []int{1, 2, 3} {
		client := s.client(version)
		for name, c := range map[string]struct {
			header, value string
			want          int
		}{
			"bearer": {"Authorization", "Bearer " + good, 200}, "x-api-key": {"X-Api-Key", good, 200},
			"none": {"X-None", "", 401}, "empty bearer": {"Authorization", "Bearer ", 401}, "bare bearer": {"Authorization", "Bearer", 401},
			"wrong": {"Authorization", "Bearer " + good + "x", 401}, "prefix": {"Authorization", "Bearer " + good[:5], 401},
			"empty key": {"X-Api-Key", "", 401},
		} {
			r := s.request(t.Context(), http.MethodPost, "/v1/chat/completions", ask)
			r.Header.Set(c.header, c.value)
			answer, err := client.Do(r)
			if err != nil {
				t.Fatalf("HTTP/%d %s: %v", version, name, err)
			}
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if answer.StatusCode != c.want {
				t.Errorf("HTTP/%d %s: %s", version, name, answer.Status)
			}
			if c.want == 401 && !bytes.Contains(text, []byte(`"code":"invalid_api_key"`)) {
				t.Errorf("HTTP/%d %s: %s", version, name, text)
			}
		}
	}
	if n := s.google.Count(googlesim.Match{}); n != 6 {
		t.Errorf("Google had %d calls, want the 6 of known clients", n)
	}
}

// raw sends bytes no client library would, and returns the status line.
func (s *site) raw(text string) string {
	http1 := insecure.Clone()
	http1.NextProtos = []string{"http/1.1"}
	conn, err := tls.Dial("tcp", "127.0.0.1:"+s.port, http1)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	go io.WriteString(conn, text)
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		s.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func TestHeadersNoClientSendsAreRefused(t *testing.T) {
	s := newSite(t, 0)
	s.load("client_keys {\n alice {env.ALICE_KEY}\n}" + strings.Replace(proxy, "anonymous", "", 1))
	const line = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
	for name, c := range map[string]struct{ header, want string }{
		"NUL in the key": {"Authorization: Bearer a\x00b\r\n", "400"},
		"1 MiB header":   {"X-Api-Key: " + strings.Repeat("k", 1<<20+8192) + "\r\n", "431"},
	} {
		if got := s.raw(line + c.header + "\r\n{}"); !strings.Contains(got, " "+c.want+" ") && !strings.Contains(got, " 401 ") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if n := s.google.Count(googlesim.Match{}); n != 0 {
		t.Errorf("Google had %d calls", n)
	}
}

func TestClientThatStopsReadingIsLetGo(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			s := newSite(t, 0)
			s.load("timeouts {\n write_timeout 300ms\n }\n" + proxy)
			long := strings.Repeat("a story of some length ", 1<<20/23)
			s.google.Always(googlesim.Match{}, googlesim.Answer(slices.Repeat([]string{long}, 40)...)) // more than the kernel holds
			answer, err := s.client(version).Do(s.request(t.Context(), http.MethodPost, "/v1/chat/completions", askStream))
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close() // and is not read
			for deadline := time.Now().Add(10 * time.Second); s.google.Active() > 0; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the call to Google still waits for its client")
				}
			}
			if n := s.google.Count(googlesim.Match{}); n != 1 {
				t.Errorf("Google had %d calls, want 1", n)
			}
			if calls := s.google.Calls(googlesim.Match{}); !calls[0].Canceled {
				t.Error("Google's answer was read to its end: was this a test at all?")
			}
		})
	}
}

func TestWriteTimeoutIsWarnedOfOnce(t *testing.T) {
	const warning = "the server's write timeout cuts answers off"
	for global, want := range map[string]int{"": 0, "servers {\n\t\ttimeouts {\n\t\t\twrite 30s\n\t\t}\n\t}": 1} {
		s := newSite(t, 0)
		s.global = global
		s.load(proxy)
		for range 3 {
			answer, err := s.client(1).Do(s.request(t.Context(), http.MethodPost, "/v1/chat/completions", ask))
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
		}
		log, err := os.ReadFile(s.log)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Count(log, []byte(warning)); got != want {
			t.Errorf("options %q: %d warnings, want %d", global, got, want)
		}
	}
}
