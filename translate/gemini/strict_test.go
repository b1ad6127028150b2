package gemini

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// strictGoogle is the simulated Google with one credential for each backend.
type strictGoogle struct {
	http  http.Client
	token string
}

func newStrictGoogle(t testing.TB) *strictGoogle {
	s := googlesim.New(googlesim.Options{TrustSignatures: true})
	t.Cleanup(s.Close)
	s.AddKey("key", "project")
	s.AddUser(googlesim.User{
		Name: "user", Project: "project", RefreshToken: "1//user", ClientID: "client", ClientSecret: "secret",
		Assist: googlesim.Assist{Licensed: true, Tier: "standard-tier"},
	})
	g := &strictGoogle{http: http.Client{Transport: s.Transport()}}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"1//user"}, "client_id": {"client"}, "client_secret": {"secret"}}
	response, err := g.http.PostForm("http://google.test/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&token); err != nil || token.AccessToken == "" {
		t.Fatalf("token %+v, %v", token, err)
	}
	g.token = token.AccessToken
	return g
}

// ask sends a body as the streaming call of a backend and returns the status and the answer.
func (g *strictGoogle) ask(t testing.TB, b translate.Backend, model string, body []byte) (int, string) {
	t.Helper()
	path := "/v1beta/models/" + model + ":streamGenerateContent?alt=sse"
	switch b {
	case translate.Vertex:
		path = "/v1beta1/projects/project/locations/global/publishers/google/models/" + model + ":streamGenerateContent?alt=sse"
	case translate.CodeAssist:
		path = "/v1internal:streamGenerateContent?alt=sse"
		body = fmt.Appendf(nil, `{"model":%q,"project":"project","request":%s}`, model, body)
	}
	request, err := http.NewRequest(http.MethodPost, "http://google.test"+path, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if b == translate.GeminiAPI {
		request.Header.Set("X-Goog-Api-Key", "key")
	} else {
		request.Header.Set("Authorization", "Bearer "+g.token)
	}
	response, err := g.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

// Whatever a client says, the strict simulator of Google takes what the encoder makes of it, on every backend and of every generation.
func TestTheStrictSimulatorTakesWhatIsEncoded(t *testing.T) {
	g := newStrictGoogle(t)
	models := map[translate.Backend][]string{
		translate.GeminiAPI: {
			"gemini-3-flash-preview", "gemini-3.8-flash", "gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.5-flash-lite",
			"gemini-4-argon", "gemini-4-neon", "gemma-4-31b-it", "gemini-3.6-flash",
		},
		translate.Vertex:     {"gemini-3-flash-preview", "gemini-3.8-flash", "gemini-2.5-flash", "gemini-4-carbon"},
		translate.CodeAssist: {"gemini-3-flash-preview", "gemini-3.1-pro-preview", "gemini-2.5-pro"},
	}
	for b, names := range models {
		for _, name := range names {
			m := model(t, name)
			for seed := range uint64(80) {
				req := randomRequest(rand.New(rand.NewPCG(seed, 7)))
				e, err := Encode(req, b, m, Remedies{})
				if err != nil {
					t.Fatal(err)
				}
				if status, answer := g.ask(t, b, name, e.Body); status != http.StatusOK {
					t.Fatalf("%s, %s, seed %d: %d %s\n%s", b, name, seed, status, answer, e.Body)
				}
			}
		}
	}
}
