package gateway_test

import (
	"encoding/json"
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
	for i, seed := range seeds {
		body, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, uint8(i))
		f.Add(body, uint8(i+5))
	}
	f.Fuzz(func(t *testing.T, body []byte, which uint8) {
		g := gateways[int(which)%len(gateways)]
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
