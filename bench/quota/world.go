package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/openai"
)

// model is what every request asks for.
const model = "gemini-3-flash-preview"

// Defaults of the directive.
const (
	maxWait     = 10 * time.Second
	queue       = 1000
	affinityFor = time.Hour
	attempts    = 4
)

// setup is what experiments vary. What it does not name is as the directive has it by default.
type setup struct {
	projects int
	keys     int              // of each project; the gateway is not told which are of one
	users    bool             // each project has an OAuth user on Vertex AI instead
	real     googlesim.Limits // what Google allows each project
	sliding  bool             // Google counts over the last sixty seconds, not from full minute to full minute
	classic  bool             // Google refuses calls in the classic form, which names the project
	limits   []rotator.Limit  // what the operator has configured
	drift    bool             // affinity is off
	hedge    float64
}

// world is a gateway as the directive makes it, and the simulated Google behind it. All time in it is a bubble's.
type world struct {
	setup
	t        *testing.T
	google   *googlesim.Server
	client   *google.Client
	shared   *rotator.Projects
	accounts []rotator.Candidate
	gateway  *gateway.Gateway
}

func newWorld(t *testing.T, s setup) *world {
	w := &world{setup: s, t: t, google: googlesim.New(googlesim.Options{Pace: 100 * time.Millisecond, SlidingMinute: s.sliding})}
	w.google.SetLimits("", "*", s.real)
	for p := range s.projects {
		if s.classic {
			w.google.SetClassicQuotas(project(p))
		}
		for k := range s.keys {
			w.google.AddKey(key(p, k), project(p))
		}
		if s.users {
			w.google.AddUser(googlesim.User{
				RefreshToken: refreshToken(p), ClientID: clientID, ClientSecret: clientSecret, Project: project(p),
			})
		}
	}
	w.client = google.New(google.Options{HTTP: distant{w.google.Transport()}})
	w.hire()
	w.open()
	return w
}

func project(p int) string { return fmt.Sprintf("project-%02d", p+1) }

func key(p, k int) string { return fmt.Sprintf("AQ.simulated-key-%02d-%02d", p+1, k+1) }

// The OAuth client and its users.
const (
	clientID     = "simulated-client"
	clientSecret = "simulated-secret"
)

func refreshToken(p int) string { return fmt.Sprintf("1//simulated-refresh-token-%02d", p+1) }

// hire makes the accounts, of which nothing is known but the configuration.
func (w *world) hire() {
	w.accounts, w.shared = nil, rotator.NewProjects()
	for p := range w.projects {
		for k := range w.keys {
			w.add(key(p, k), google.Settings{})
		}
		if w.users {
			w.add(fmt.Sprintf(`{"type":"authorized_user","refresh_token":%q}`, refreshToken(p)),
				google.Settings{ClientID: clientID, ClientSecret: clientSecret, Project: project(p)})
		}
	}
}

// add makes the account of one secret.
func (w *world) add(text string, s google.Settings) {
	secret, err := google.ParseSecret(text)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := w.client.Credential(secret, s)
	if err != nil {
		w.t.Fatal(err)
	}
	c.Index, c.Weight = len(w.accounts)+1, 1
	c.Label = fmt.Sprintf("env-%d", c.Index)
	w.accounts = append(w.accounts, rotator.Candidate{Credential: c, Account: rotator.NewAccount(c.ID), Group: rotator.NewGroup()})
}

// open makes the pool and the gateway.
func (w *world) open() {
	pool := rotator.Options{
		Limits: w.limits, CooldownMin: 5 * time.Second, CooldownMax: time.Hour, Projects: w.shared, Queue: queue, Hedge: w.hedge,
	}
	if !w.drift {
		pool.Affinity, pool.AffinityFor = rotator.NewAffinity(), affinityFor
	}
	var err error
	w.gateway, err = gateway.New(gateway.Options{
		Pool: rotator.NewPool(w.accounts, pool), Google: w.client, Catalogue: gemini.NewCatalogue(), Chat: openai.Chat{},
		DefaultModel: model, MaxBody: 32 << 20, Attempts: attempts, AttemptsFor: time.Minute, MaxWait: maxWait, Affinity: !w.drift,
		KeepAlive: 15 * time.Second, FirstToken: 5 * time.Minute, Idle: 2 * time.Minute,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// restart is the process being killed while nothing is under way, and begun again with what a store has kept of the accounts.
func (w *world) restart() {
	stored := make([][]byte, len(w.accounts))
	for i := range w.accounts {
		var err error
		if stored[i], err = json.Marshal(w.accounts[i].Export()); err != nil {
			w.t.Fatal(err)
		}
	}
	w.close()
	w.hire()
	for i := range w.accounts {
		var state rotator.AccountState
		if err := json.Unmarshal(stored[i], &state); err != nil {
			w.t.Fatal(err)
		}
		w.accounts[i].Restore(&state, w.shared)
	}
	w.open()
}

// close ends the accounts and what they have under way.
func (w *world) close() {
	for _, a := range w.accounts {
		a.Account.Close()
	}
	synctest.Wait()
}

// A call takes this long to arrive, some longer than others, so that many are under way at once and Google counts them in another
// order than they were sent, and sometimes in another minute.
const (
	nearest  = 20 * time.Millisecond
	farthest = 100 * time.Millisecond
)

// distant is a network.
type distant struct{ http.RoundTripper }

func (d distant) RoundTrip(r *http.Request) (*http.Response, error) {
	travel := time.NewTimer(nearest + rand.N(farthest-nearest)) //nolint:gosec // chance, not secrecy
	defer travel.Stop()
	select {
	case <-travel.C:
		return d.RoundTripper.RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// calls are those that Google has had for an answer.
func (w *world) calls() []googlesim.Call {
	return w.google.Calls(googlesim.Match{Method: "streamGenerateContent"})
}

// reply is what a client got.
type reply struct {
	*gateway.Record
	status int
}

func (r reply) served() bool { return r.Error == "" }

// ask sends a chat completion request.
func (w *world) ask(client string, body io.Reader) reply {
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", body)
	r.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	record := w.gateway.Route(r).Serve(recorder, r, gateway.Client{ID: client, Identified: true})
	return reply{record, recorder.Code}
}
