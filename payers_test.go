package geminiproxy

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
)

func init() { caddy.RegisterModule(new(changing)) }

// changing is a source whose secrets the test changes while it is in use.
type changing struct {
	caddyfile.CredentialOptions

	mu      sync.Mutex
	secrets []string
	changes chan chan struct{} // each is closed when the change has been taken note of
	ended   chan struct{}
}

// current is the one there is, because Caddy makes it.
var current *changing

func (*changing) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.gemini_proxy.credentials.changing", New: func() caddy.Module {
		current = &changing{secrets: []string{"first", "second"}, changes: make(chan chan struct{}), ended: make(chan struct{})}
		return current
	}}
}

func (c *changing) Secrets() (found []caddyfile.Secret) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, secret := range c.secrets {
		found = append(found, caddyfile.Secret{Value: secret, Origin: "a test", Number: i + 1})
	}
	return found
}

func (c *changing) Watch(ctx context.Context, changed func()) {
	defer close(c.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case done := <-c.changes:
			changed()
			close(done)
		}
	}
}

// change gives the source other secrets, and returns when the handler knows.
func (c *changing) change(secrets ...string) {
	c.mu.Lock()
	c.secrets = secrets
	c.mu.Unlock()
	done := make(chan struct{})
	c.changes <- done
	<-done
}

// paid asks the handler a few times, and returns which keys it used.
func paid(t *testing.T, h *Handler, used *sync.Map) (keys []string) {
	t.Helper()
	used.Clear()
	for range 6 {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/chat/completions",
			strings.NewReader(`{"messages":[{"role":"user","content":"Hello"}]}`))
		w := httptest.NewRecorder()
		if err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })); err != nil {
			t.Fatal(err)
		}
		if w.Code != http.StatusOK {
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
	}
	used.Range(func(key, _ any) bool { keys = append(keys, key.(string)); return true })
	slices.Sort(keys)
	return keys
}

func TestCredentialsMayChangeWhileTheyAreUsed(t *testing.T) {
	var used sync.Map
	google := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		used.Store(r.Header.Get("X-Goog-Api-Key"), true)
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, `data: {"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}]}`+"\r\n\r\n")
	}))
	defer google.Close()
	h, unload, err := load(t, fmt.Sprintf(`{
		"credentials": [{"source": "changing"}], "policy": {"policy": "round_robin"}, "affinity": 0, "anonymous": true,
		"endpoint": {"gemini_api": %q}
	}`, google.URL))
	if err != nil {
		t.Fatal(err)
	}
	source := current
	all := []string{"first", "second", "third", "fourth"}
	for _, step := range []struct {
		what    string
		secrets []string
		want    []string
	}{
		{"as it began", []string{"first", "second"}, []string{"first", "second"}},
		{"one more", []string{"first", "second", "third"}, []string{"first", "second", "third"}},
		{"one that is none", []string{"first", "not a key"}, []string{"first", "second", "third"}},
		{"another one", []string{"fourth", "third"}, []string{"fourth", "third"}},
		{"back again", []string{"first", "second"}, []string{"first", "second"}},
	} {
		source.change(step.secrets...)
		if got := paid(t, h, &used); !slices.Equal(got, step.want) {
			t.Errorf("%s: %q were used, want %q", step.what, got, step.want)
		}
		for _, key := range all {
			want := 0
			if slices.Contains(step.want, key) {
				want = 1
			}
			if n := references(t, key); n != want {
				t.Errorf("%s: %s is held %d times, want %d", step.what, key, n, want)
			}
		}
	}
	unload()
	<-source.ended
	for _, key := range all {
		if n := references(t, key); n != 0 {
			t.Errorf("in the end %s is held %d times", key, n)
		}
	}
}

// A change may be noticed just as the configuration ends.
func TestCredentialsThatChangeAsTheHandlerGoesAreNotHeld(t *testing.T) {
	for range 20 {
		_, unload, err := load(t, `{"credentials": [{"source": "changing"}]}`)
		if err != nil {
			t.Fatal(err)
		}
		source := current
		var wg sync.WaitGroup
		wg.Go(func() {
			source.mu.Lock()
			source.secrets = []string{"second", "third"}
			source.mu.Unlock()
			select {
			case source.changes <- make(chan struct{}):
			case <-source.ended:
			}
		})
		unload()
		wg.Wait()
		<-source.ended
		for _, key := range []string{"first", "second", "third"} {
			if n := references(t, key); n != 0 {
				t.Errorf("%s is still held %d times", key, n)
			}
		}
	}
}
