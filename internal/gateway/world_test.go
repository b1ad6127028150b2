package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/openai"
)

// model is what the tests ask for unless they say otherwise.
const model = "gemini-3-flash-preview"

// simulated runs a test in a bubble of fake time, against a simulated Google behind an in-memory network: a cooldown of 37 seconds or
// a day's quota passes in no time.
func simulated(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		test(w)
	})
}

// endpoints are the simulated Google's.
var endpoints = google.Endpoints{
	GeminiAPI: "http://gemini.test", Vertex: "http://vertex.test", CodeAssist: "http://assist.test", OAuth: "http://oauth.test",
}

// world is a gateway, the simulated Google it talks to, and the pool between them.
type world struct {
	*testing.T
	google    *googlesim.Server
	network   *network
	client    *google.Client
	web       *web // where clients have their pictures
	options   gateway.Options
	pool      rotator.Options // beside policy and limits
	limits    []rotator.Limit
	policy    string
	accounts  []rotator.Candidate
	groups    map[string]*rotator.Group
	transport *http.Transport
	gateway   *gateway.Gateway
}

func newWorld(t *testing.T) *world {
	sim := googlesim.New(googlesim.Options{})
	n := newNetwork(sim)
	w := &world{T: t, google: sim, network: n, groups: map[string]*rotator.Group{}, policy: "fill_first"}
	w.transport = &http.Transport{DialContext: n.dial, DisableCompression: false}
	w.client = google.New(google.Options{Endpoints: endpoints, HTTP: w.transport, UserAgent: "caddy-gemini-proxy/test"})
	w.options = gateway.Options{
		Google: w.client, Catalogue: gemini.NewCatalogue(), Chat: openai.Chat{}, DefaultModel: model,
		MaxBody: 1 << 20, Attempts: 4, AttemptsFor: time.Minute,
		KeepAlive: 15 * time.Second, FirstToken: 5 * time.Minute, Idle: 2 * time.Minute,
	}
	w.web = newWeb()
	w.options.Fetch = w.web.client
	return w
}

func (w *world) close() {
	for _, a := range w.accounts {
		a.Account.Close()
	}
	w.transport.CloseIdleConnections()
	w.network.close()
	w.web.close()
}

// key declares an API key, called key-<n>, of a project of its own, called project-<n>.
func (w *world) key(n int) {
	secret, project := "key-"+strconv.Itoa(n), "project-"+strconv.Itoa(n)
	w.google.AddKey(secret, project)
	w.add(n, secret, google.Settings{Project: project})
}

// user declares an OAuth user, called user-<n>, of the OAuth client named client, with a Vertex project of its own.
func (w *world) user(n int) {
	u := w.googleUser(n)
	u.Project = "project-" + strconv.Itoa(n)
	w.google.AddUser(u)
	w.add(n, `{"type":"authorized_user","refresh_token":"`+u.RefreshToken+`"}`, google.Settings{
		ClientID: u.ClientID, ClientSecret: u.ClientSecret, Project: u.Project,
	})
}

// assist declares a Code Assist user, called user-<n>, whose project must be discovered.
func (w *world) assist(n int, c googlesim.Assist) {
	u := w.googleUser(n)
	u.Assist = c
	w.google.AddUser(u)
	w.add(n, `{"refresh_token":"`+u.RefreshToken+`"}`, google.Settings{ClientID: u.ClientID, ClientSecret: u.ClientSecret})
}

func (w *world) googleUser(n int) googlesim.User {
	name := strconv.Itoa(n)
	return googlesim.User{Name: "user-" + name, RefreshToken: "1//refresh-" + name, ClientID: "client", ClientSecret: "client-secret"}
}

// add puts a credential into the pool that start makes.
func (w *world) add(index int, text string, settings google.Settings) {
	w.Helper()
	secret, err := google.ParseSecret(text)
	if err != nil {
		w.Fatal(err)
	}
	c, err := w.client.Credential(secret, settings)
	if err != nil {
		w.Fatal(err)
	}
	c.Index, c.Label = index, "env-"+strconv.Itoa(index)
	group, ok := w.groups[c.QuotaGroup]
	if !ok {
		group = rotator.NewGroup()
		w.groups[c.QuotaGroup] = group
	}
	w.accounts = append(w.accounts, rotator.Candidate{Credential: c, Account: rotator.NewAccount(c.ID), Group: group})
}

// start makes the gateway once everything is declared.
func (w *world) start() {
	w.Helper()
	policy, err := rotator.NewPolicy(w.policy, nil)
	if err != nil {
		w.Fatal(err)
	}
	w.pool.Policy, w.pool.Limits, w.pool.Models = policy, w.limits, rotator.NewModels()
	w.pool.CooldownMin, w.pool.CooldownMax = 5*time.Second, time.Hour
	w.options.Pool = rotator.NewPool(w.accounts, w.pool)
	w.reconfigure()
}

// reconfigure makes another gateway of options that have changed. The pool stays, and what it has learned.
func (w *world) reconfigure() {
	w.Helper()
	var err error
	if w.gateway, err = gateway.New(w.options); err != nil {
		w.Fatal(err)
	}
}

// answer is what a client got.
type answer struct {
	*httptest.ResponseRecorder
	record *gateway.Record
	took   time.Duration
}

// ask sends a chat completion request as an identified client. body is completed with the model and a question unless it names them.
func (w *world) ask(body map[string]any) *answer { return w.askWith(context.Background(), body) }

func (w *world) askWith(ctx context.Context, body map[string]any) *answer {
	return w.send(ctx, http.MethodPost, chatPath, chat(body), true)
}

// askAs sends a request of another client than alice, whose all others are.
func (w *world) askAs(client string, body map[string]any) *answer {
	return w.sendAs(w.Context(), gateway.Client{ID: client, Identified: true}, http.MethodPost, chatPath, chat(body))
}

// known is a client that may use the gateway.
var known = gateway.Client{ID: "alice", Identified: true}

const chatPath = "/v1/chat/completions"

func chat(body map[string]any) string {
	body = maps.Clone(body)
	if _, ok := body["messages"]; !ok {
		body["messages"] = []any{map[string]any{"role": "user", "content": "Hello"}}
	}
	if _, ok := body["model"]; !ok {
		body["model"] = model
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // the tests' own bodies
	}
	return string(text)
}

func (w *world) send(ctx context.Context, method, path, body string, identified bool) *answer {
	return w.sendAs(ctx, gateway.Client{ID: known.ID, Identified: identified}, method, path, body)
}

func (w *world) sendAs(ctx context.Context, client gateway.Client, method, path, body string) *answer {
	r := request(method, path, body).WithContext(ctx)
	route := w.gateway.Route(r)
	if route == nil {
		w.Fatalf("%s %s is no route of the gateway's", method, path)
	}
	start := time.Now()
	recorder := httptest.NewRecorder()
	record := route.Serve(recorder, r, client)
	return &answer{ResponseRecorder: recorder, record: record, took: time.Since(start)}
}

func request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// plain and stream are the two ways to ask the same.
func plain() map[string]any { return map[string]any{} }
func stream() map[string]any {
	return map[string]any{"stream": true, "stream_options": map[string]any{"include_usage": true}}
}

// both runs a rule for a streamed and a plain answer, each in a world of its own.
func both(t *testing.T, test func(w *world, ask func() *answer)) {
	t.Helper()
	for name, body := range map[string]func() map[string]any{"plain": plain, "stream": stream} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(w *world) {
				test(w, func() *answer { return w.ask(body()) })
			})
		})
	}
}

// isStream reports whether it is the streamed answer's turn in both.
func isStream(w *world) bool { return strings.HasSuffix(w.Name(), "stream") }

// calls is how many generate calls Google has had, from one account or, with "", from all.
func (w *world) calls(account string) int {
	return w.google.Count(googlesim.Match{Account: account, Method: "streamGenerateContent"})
}

func (w *world) wantCalls(account string, want int) {
	w.Helper()
	if got := w.calls(account); got != want {
		w.Errorf("Google had %d calls from %q, want %d", got, account, want)
	}
}

// script has Google answer the next calls of an account ("" for any) in this way.
func (w *world) script(account string, replies ...googlesim.Reply) {
	w.google.Script(googlesim.Match{Account: account, Method: "streamGenerateContent"}, replies...)
}

// clientError is the error a client would read.
type clientError struct {
	Message, Type string
	Param, Code   *string
}

func (a *answer) clientError(t testing.TB) clientError {
	t.Helper()
	var body struct{ Error *clientError }
	if err := json.Unmarshal(a.Body.Bytes(), &body); err != nil || body.Error == nil {
		t.Fatalf("not an error object: %v: %s", err, a.Body)
	}
	return *body.Error
}

func (e clientError) code() string {
	if e.Code == nil {
		return ""
	}
	return *e.Code
}

// wantError checks the status and code of an error answered with an HTTP status.
func (w *world) wantError(a *answer, status int, code string) clientError {
	w.Helper()
	if a.Code != status {
		w.Fatalf("status %d, want %d: %s", a.Code, status, a.Body)
	}
	e := a.clientError(w)
	if e.code() != code {
		w.Errorf("code %q, want %q: %s", e.code(), code, a.Body)
	}
	return e
}

// completion is what an SDK would make of a complete answer, streamed or not. It fails the test when the answer is anything else.
type completion struct {
	Model, Content, Refusal, Reasoning, Finish string
	Calls                                      []conformance.Function
	PromptTokens                               int
}

func (w *world) completion(a *answer) completion {
	w.Helper()
	if a.Code != http.StatusOK {
		w.Fatalf("status %d: %s", a.Code, a.Body)
	}
	var c conformance.Completion
	if strings.HasPrefix(a.Header().Get("Content-Type"), "text/event-stream") {
		c = conformance.CheckStream(w, a.Body.Bytes(), true)
	} else {
		c = conformance.ParseCompletion(w, a.Body.Bytes())
	}
	if len(c.Choices) != 1 || c.Usage == nil {
		w.Fatalf("%d choices, usage %v: %s", len(c.Choices), c.Usage, a.Body)
	}
	m := c.Choices[0].Message
	flat := completion{
		Model: c.Model, Content: m.Content, Refusal: m.Refusal, Reasoning: m.Reasoning, Finish: c.Choices[0].FinishReason,
		PromptTokens: c.Usage.PromptTokens,
	}
	for _, call := range m.ToolCalls {
		flat.Calls = append(flat.Calls, call.Function)
	}
	return flat
}

// text is the content of a complete answer that has some.
func (w *world) text(a *answer) string {
	w.Helper()
	c := w.completion(a)
	if c.Content == "" {
		w.Errorf("an answer without text: %s", a.Body)
	}
	return c.Content
}

// wantInBand checks that a stream ended with an error event and nothing after it, and returns the text before.
func (w *world) wantInBand(a *answer, code string) string {
	w.Helper()
	if a.Code != http.StatusOK {
		w.Fatalf("status %d: %s", a.Code, a.Body)
	}
	events := conformance.Events(w, a.Body.Bytes())
	var text strings.Builder
	for i, event := range events {
		var data struct {
			Error   *clientError
			Choices []struct {
				Delta        struct{ Content string }
				FinishReason *string `json:"finish_reason"`
			}
		}
		if err := json.Unmarshal(event, &data); err != nil {
			w.Fatalf("event %d is not JSON: %s", i, event)
		}
		switch last := i == len(events)-1; {
		case last && (data.Error == nil || data.Error.code() != code):
			w.Errorf("the stream ends with %s, want an error %s", event, code)
		case !last && (data.Error != nil || len(data.Choices) != 1 || data.Choices[0].FinishReason != nil):
			w.Errorf("event %d: %s", i, event)
		case !last:
			text.WriteString(data.Choices[0].Delta.Content)
		}
	}
	return text.String()
}

// account is what status says of the account with an index.
func (w *world) account(index int) rotator.AccountSnapshot {
	w.Helper()
	for _, a := range w.options.Pool.Snapshot().Accounts {
		if a.Index == index {
			return a
		}
	}
	w.Fatalf("no account %d", index)
	return rotator.AccountSnapshot{}
}

// wantReady checks how many accounts are ready for everything.
func (w *world) wantReady(want int) {
	w.Helper()
	if got := w.options.Pool.Snapshot().Pool.Ready; got != want {
		w.Errorf("%d accounts are ready, want %d", got, want)
	}
}

// refreshes is how often an account's token was asked for.
func (w *world) refreshes(account string) int {
	return w.google.Count(googlesim.Match{Backend: googlesim.OAuth, Account: account})
}

func (w *world) concurrently(n int, f func()) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(f)
	}
	wg.Wait()
}

// timedRecorder notes when each write came.
type timedRecorder struct {
	*httptest.ResponseRecorder
	began  time.Time
	writes []timedWrite
}

type timedWrite struct {
	after time.Duration
	text  string
}

func newTimedRecorder() *timedRecorder {
	return &timedRecorder{ResponseRecorder: httptest.NewRecorder(), began: time.Now()}
}

func (r *timedRecorder) Write(b []byte) (int, error) {
	r.writes = append(r.writes, timedWrite{time.Since(r.began), string(b)})
	return r.ResponseRecorder.Write(b)
}

// network is a listener and a dialer that meet in memory, so that time in a bubble stands still while nobody moves.
type network struct {
	server *http.Server
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	served sync.WaitGroup
}

func newNetwork(h http.Handler) *network {
	n := &network{conns: make(chan net.Conn), closed: make(chan struct{}), server: &http.Server{Handler: h}}
	n.served.Go(func() { _ = n.server.Serve(n) })
	return n
}

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case n.conns <- there:
		return here, nil
	case <-n.closed:
		return nil, errors.New("network: connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *network) close() {
	_ = n.server.Close()
	n.served.Wait()
}

// Accept, Close and Addr make it a net.Listener.
func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *network) Addr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "google.test" }
