package gateway_test

import (
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// strict is the simulated Google without a network between.
type strict struct{ *googlesim.Server }

func (s strict) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result(), nil
}

// Each backend has an account for every gateway in front of it.
var secrets = map[string]string{
	"gemini_api":  "AIzaKey",
	"vertex":      `{"type":"authorized_user","client_id":"client","client_secret":"secret","refresh_token":"1//vertex"}`,
	"code_assist": `{"client_id":"client","client_secret":"secret","refresh_token":"1//assist"}`,
}

func newStrict() strict {
	sim := googlesim.New(googlesim.Options{TrustSignatures: true}) // the ones that fuzzing makes up are nobody's fault
	sim.Behave(googlesim.Quirks{AssistModels: true})
	sim.AddKey(secrets["gemini_api"], "project")
	user := googlesim.User{Name: "vertex", RefreshToken: "1//vertex", ClientID: "client", ClientSecret: "secret", Project: "project"}
	sim.AddUser(user)
	user.Name, user.RefreshToken, user.Project = "assist", "1//assist", ""
	user.Assist = googlesim.Assist{Tier: "standard-tier", Licensed: true, ManagedProject: "managed"}
	sim.AddUser(user)
	return strict{sim}
}

// gateways are one for each backend and each model that requests without one get.
func (s strict) gateways(f *testing.F) (all []*gateway.Gateway) {
	f.Helper()
	for _, backend := range []string{"gemini_api", "vertex", "code_assist"} {
		settings := google.Settings{ClientID: "client", ClientSecret: "secret"}
		if backend == "vertex" {
			settings.Project = "project"
		}
		for _, model := range askedModels {
			o := oneAccount(f, s, secrets[backend], settings, gemini.NewCatalogue())
			o.DefaultModel, o.Fetch = model, newWeb().client
			g, err := gateway.New(o)
			if err != nil {
				f.Fatal(err)
			}
			all = append(all, g)
		}
	}
	return all
}

// own are beginnings of what Google may say of things that clients name in words of its own, or of what no translation could change.
var own = []string{
	"Unsupported MIME type: ", "Invalid or unsupported file uri: ", "Invalid cached content name: ", "CachedContent can not be used with",
	"* GenerateContentRequest.safety_settings[",
}

// Whatever a client sends, it gets a complete answer or is told what is wrong, and Google is asked nothing that it refuses: a request
// that would make no sense to it is mended or refused before.
func FuzzRequests(f *testing.F) {
	seeds, err := filepath.Glob("testdata/requests/*.json")
	if err != nil || len(seeds) < 10 {
		f.Fatalf("only %d seeds, %v", len(seeds), err)
	}
	sim := newStrict()
	gateways := sim.gateways(f)
	var all mixture
	for i, seed := range seeds {
		body, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		all.add(f, body)
		f.Add(body, uint8(i), uint64(0))
		f.Add(body, uint8(i+5), uint64(i))
	}
	for seed := range uint64(100) {
		f.Add([]byte{}, uint8(seed), seed+1)
	}
	f.Fuzz(func(t *testing.T, body []byte, which uint8, seed uint64) {
		g := gateways[int(which)%len(gateways)]
		if seed > 0 {
			body = all.mix(rand.New(rand.NewPCG(seed, 11)), body)
		}
		w := httptest.NewRecorder()
		r := request(http.MethodPost, chatPath, string(body))
		g.Route(r).Serve(w, r, known)
		refused := sim.Calls(googlesim.Match{})
		refused = slices.DeleteFunc(refused, func(c googlesim.Call) bool { return c.Status != http.StatusBadRequest })
		sim.ForgetCalls()
		answer := w.Body.String()
		switch {
		case w.Code == http.StatusOK && strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream"):
			conformance.CheckStream(t, w.Body.Bytes(), strings.Contains(answer, `"usage":{`))
		case w.Code == http.StatusOK:
			conformance.ParseCompletion(t, w.Body.Bytes())
		case w.Code != http.StatusBadRequest && w.Code != http.StatusNotFound && w.Code != http.StatusRequestEntityTooLarge:
			t.Fatalf("%d %s", w.Code, answer)
		default:
			checkError(t, w.Body.Bytes())
		}
		for _, c := range refused {
			if w.Code == http.StatusOK || !slices.ContainsFunc(own, func(words string) bool { return strings.Contains(answer, words) }) {
				t.Errorf("%d %s\nfor what Google refused: %s", w.Code, answer, c.Body)
			}
		}
	})
}

// mixture is everything that the seeds hold, to make other requests of.
type mixture struct {
	messages, tools []json.RawMessage
	names           []string // of options
	options         []json.RawMessage
}

func (m *mixture) add(f *testing.F, body []byte) {
	f.Helper()
	var parts map[string]json.RawMessage
	var lists struct{ Messages, Tools []json.RawMessage }
	if err := errors.Join(json.Unmarshal(body, &parts), json.Unmarshal(body, &lists)); err != nil {
		f.Fatal(err)
	}
	m.messages, m.tools = append(m.messages, lists.Messages...), append(m.tools, lists.Tools...)
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if name != "messages" && name != "tools" {
			m.names, m.options = append(m.names, name), append(m.options, parts[name])
		}
	}
}

// mix changes a request: it takes a few options, and perhaps a conversation and tools, from others. A body that is none becomes one.
func (m *mixture) mix(r *rand.Rand, body []byte) []byte {
	var parts map[string]any
	if json.Unmarshal(body, &parts) != nil || parts == nil {
		parts = map[string]any{}
	}
	for range r.IntN(6) {
		i := r.IntN(len(m.options))
		parts[m.names[i]] = m.options[i]
	}
	some := func(list []json.RawMessage, most int) []json.RawMessage {
		picked := make([]json.RawMessage, 1+r.IntN(most))
		for i := range picked {
			picked[i] = list[r.IntN(len(list))]
		}
		return picked
	}
	if r.IntN(3) > 0 {
		parts["messages"] = some(m.messages, 12)
		delete(parts, "input")
	}
	if r.IntN(3) > 0 {
		parts["tools"] = some(m.tools, 6)
	}
	mixed, _ := json.Marshal(parts) // what was JSON is JSON
	return mixed
}

// checkError checks that an answer is an error in OpenAI's form, which says something.
func checkError(t *testing.T, body []byte) {
	t.Helper()
	var e struct {
		Error *struct {
			Message, Type *string
			Param, Code   json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &e); err != nil || e.Error == nil || e.Error.Message == nil || *e.Error.Message == "" ||
		e.Error.Type == nil || e.Error.Param == nil || e.Error.Code == nil {
		t.Errorf("no error of OpenAI's form: %s", body)
	}
}
