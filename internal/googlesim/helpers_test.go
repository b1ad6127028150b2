package googlesim

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// testServer is a Server called without a network.
type testServer struct {
	*Server
	client *http.Client
	users  map[string]User
}

func newTestServer(t *testing.T, o Options) *testServer {
	t.Helper()
	s := &testServer{Server: New(o), users: map[string]User{}}
	s.client = &http.Client{Transport: s.Transport()}
	return s
}

// addCloudUser declares a user of that name with a Code Assist licence and a project.
func (s *testServer) addCloudUser(name, project string) {
	s.addUser(User{Name: name, Project: project, Assist: Assist{Licensed: true, Tier: standardTier}})
}

func (s *testServer) addUser(u User) {
	u.RefreshToken, u.ClientID, u.ClientSecret = "1//"+u.Name, "client", "secret"
	s.users[u.Name] = u
	s.AddUser(u)
}

type answered struct {
	status int
	header http.Header
	body   string
	err    error // of the connection, after what body holds
}

func (s *testServer) do(t *testing.T, method, path string, header http.Header, body string) answered {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://google.test"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	response, err := s.client.Do(r)
	if err != nil {
		return answered{err: err}
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return answered{response.StatusCode, response.Header, string(data), err}
}

func (s *testServer) post(t *testing.T, path string, header http.Header, body string) answered {
	t.Helper()
	return s.do(t, http.MethodPost, path, header, body)
}

// grant asks for an access token with a form.
func (s *testServer) grant(t *testing.T, form url.Values) answered {
	t.Helper()
	return s.post(t, "/token", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, form.Encode())
}

// refresh is the form of the refresh-token grant of a user.
func (s *testServer) refresh(name string) url.Values {
	u := s.users[name]
	return url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {u.RefreshToken}, "client_id": {u.ClientID}, "client_secret": {u.ClientSecret},
	}
}

// bearer is the header with a fresh access token of a user's.
func (s *testServer) bearer(name string) http.Header {
	s.accounts.mu.Lock()
	who := s.accounts.refresh[s.users[name].RefreshToken]
	s.accounts.mu.Unlock()
	return http.Header{"Authorization": {"Bearer " + s.accounts.mint(who, s.now(), s.opts.TokenLifetime)}}
}

func withKey(name string) http.Header { return http.Header{"X-Goog-Api-Key": {name}} }

// decode reads a JSON answer.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}
