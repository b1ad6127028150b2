package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/fetch"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// web is every server with a name, in memory: they show a picture unless a path has a handler. Addresses are dialed as in earnest.
type web struct {
	paths   map[string]http.HandlerFunc
	network *network
	client  *fetch.Client
	served  atomic.Int64
}

const pngMagic = "\x89PNG\r\n\x1a\n"

func newWeb() *web {
	w := &web{paths: map[string]http.HandlerFunc{}}
	w.network = newNetwork(w)
	w.client = fetch.New(fetch.Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if _, err := netip.ParseAddrPort(address); err == nil {
			return fetch.Public(nil).DialContext(ctx, network, address)
		}
		return w.network.dial(ctx, network, address)
	}})
	return w
}

func (w *web) close() {
	w.client.CloseIdleConnections()
	w.network.close()
}

func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.served.Add(1)
	if handle, ok := w.paths[r.URL.Path]; ok {
		handle(rw, r)
		return
	}
	rw.Header().Set("Content-Type", "application/octet-stream")
	_, _ = rw.Write([]byte(pngMagic))
}

// show is a request with pictures by URL.
func show(urls ...string) map[string]any {
	content := []any{map[string]any{"type": "text", "text": "What is this?"}}
	for _, url := range urls {
		content = append(content, map[string]any{"type": "image_url", "image_url": map[string]any{"url": url}})
	}
	return map[string]any{"messages": []any{map[string]any{"role": "user", "content": content}}}
}

// sent is a generate request that Google had.
type sent struct {
	Contents []struct {
		Role  string
		Parts []map[string]json.RawMessage
	}
}

// lastRequest is the latest generate request that Google had, of whichever backend.
func (w *world) lastRequest() (s sent) {
	w.Helper()
	calls := w.google.Calls(googlesim.Match{Method: "streamGenerateContent"})
	if len(calls) == 0 {
		w.Fatal("Google was not asked")
	}
	body := calls[len(calls)-1].Body
	var wrapped struct{ Request json.RawMessage }
	if err := json.Unmarshal(body, &wrapped); err == nil && wrapped.Request != nil {
		body = wrapped.Request
	}
	if err := json.Unmarshal(body, &s); err != nil {
		w.Fatal(err)
	}
	return s
}

// litellm#4262: a picture by URL reaches the model as data, of the type it has and not of the one its server or name claims.
func TestPicturesByURLAreSentAsData(t *testing.T) {
	simulated(t, func(w *world) {
		w.user(1)
		w.start()
		w.web.paths["/jpeg.png"] = func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/html")
			_, _ = rw.Write([]byte("\xff\xd8\xff\xe0 and so on"))
		}
		w.text(w.ask(show("http://pictures.example/a", "http://pictures.example/jpeg.png", "http://pictures.example/a", "gs://bucket/a.png")))
		parts := w.lastRequest().Contents[0].Parts
		for i, want := range []string{
			`"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}`, `"inlineData":{"mimeType":"image/jpeg","data":"/9j/4CBhbmQgc28gb24="}`,
			`"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}`, `"fileData":{"mimeType":"image/png","fileUri":"gs://bucket/a.png"}`,
		} {
			if got, _ := json.Marshal(parts[i+1]); string(got) != "{"+want+"}" {
				w.Errorf("part %d: %s", i+1, got)
			}
		}
		if got := w.web.served.Load(); got != 2 {
			w.Errorf("%d downloads of two pictures", got)
		}
	})
}

func TestPicturesAreDownloadedOnceHoweverManyAccountsAreTried(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.user(2)
		w.assist(3, googlesim.Assist{Licensed: true, Tier: "standard-tier"})
		w.start()
		w.script("", googlesim.Reply{Status: 503}, googlesim.Reply{Status: 503})
		w.text(w.ask(show("http://pictures.example/a")))
		if w.calls("") != 3 || w.web.served.Load() != 1 {
			w.Errorf("%d downloads for %d calls", w.web.served.Load(), w.calls(""))
		}
	})
}

// The addresses, names and redirects that must not be reached are package fetch's to test; here it is what becomes of them.
func TestPicturesInsideAreRefusedBeforeAnythingIsAsked(t *testing.T) {
	for _, url := range []string{
		"http://127.0.0.1/a.png", "http://169.254.169.254/latest/meta-data/", "https://10.0.0.1/a.png", "http://192.168.0.1/", "http://[::1]/",
		"http://[fd00::1]/", "http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/", "http://0.0.0.0/", "http://pictures.example/redirect",
		"http://pictures.example/to-file", "file:///etc/passwd", "ftp://pictures.example/a.png", "http://u:p@pictures.example/", "http://pictures.example:6379/",
	} {
		simulated(t, func(w *world) {
			w.key(1)
			w.start()
			w.web.paths["/redirect"] = func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, "http://169.254.169.254/", http.StatusFound)
			}
			w.web.paths["/to-file"] = func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Location", "file:///etc/passwd")
				rw.WriteHeader(http.StatusFound)
			}
			body := show("http://pictures.example/fine", url)
			body["stream"] = true
			a := w.ask(body)
			e := w.wantError(a, http.StatusBadRequest, "invalid_image_url")
			if e.Param == nil || *e.Param != "messages[0].content[2].image_url.url" || e.Type != "invalid_request_error" {
				w.Errorf("%s: %s", url, a.Body)
			}
			if a.record.Error != "invalid_image_url" || w.google.Count(googlesim.Match{}) != 0 {
				w.Errorf("%s: recorded %q, and Google had %d calls", url, a.record.Error, w.google.Count(googlesim.Match{}))
			}
		})
	}
}

func TestWhatIsNoPictureIsRefused(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		w.web.paths["/page"] = func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "image/png")
			_, _ = rw.Write([]byte("<html>Please sign in</html>"))
		}
		w.web.paths["/missing"] = http.NotFound
		for path, says := range map[string]string{"/page": "neither a picture", "/missing": "404"} {
			e := w.wantError(w.ask(show("http://pictures.example"+path)), http.StatusBadRequest, "invalid_image_url")
			if !strings.Contains(e.Message, says) || strings.Contains(e.Message, "sign in") {
				w.Errorf("%s: %s", path, e.Message)
			}
		}
		document := func(path string) *answer {
			return w.ask(map[string]any{"messages": []any{map[string]any{"role": "user", "content": []any{
				map[string]any{"type": "document_url", "document_url": "http://pictures.example" + path},
			}}}})
		}
		w.web.paths["/notes.md"] = func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("# Notes")) }
		w.text(document("/notes.md"))
		if e := w.wantError(document("/missing"), http.StatusBadRequest, "invalid_value"); *e.Param != "messages[0].content[0].document_url" {
			w.Errorf("%+v", e)
		}
	})
}

func TestPicturesTogetherMayBeAsLargeAsABody(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.options.MaxBody = 1000
		w.start()
		w.web.paths["/half"] = func(rw http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(rw, "%-500s", pngMagic) }
		w.web.paths["/more"] = func(rw http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(rw, "%-501s", pngMagic) }
		w.text(w.ask(show("http://pictures.example/half")))
		w.wantError(w.ask(show("http://pictures.example/half", "http://pictures.example/more")), http.StatusBadRequest, "invalid_image_url")
	})
}

// While a picture is waited for, no account is: it would be kept from others.
func TestAClientThatLeavesWhileItsPicturesComeCostsNothing(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		w.web.paths["/slow"] = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		ctx, leave := context.WithTimeout(w.Context(), time.Second)
		defer leave()
		a := w.askWith(ctx, show("http://pictures.example/slow"))
		if a.took != time.Second || a.record.Error != "client_gone" {
			w.Errorf("%q after %v", a.record.Error, a.took)
		}
		w.wantCalls("", 0)
	})
}

// litellm#23712, vercel#12777: pictures that tools return by URL are seen too.
func TestPicturesOfToolsByURLAreSentAsData(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		w.text(w.ask(map[string]any{"messages": []any{
			map[string]any{"role": "user", "content": "look"},
			map[string]any{"role": "assistant", "content": nil, "tool_calls": []any{map[string]any{
				"id": "c", "type": "function", "function": map[string]any{"name": "shot", "arguments": "{}"},
			}}},
			map[string]any{"role": "tool", "tool_call_id": "c", "content": []any{
				map[string]any{"type": "image_url", "image_url": map[string]any{"url": "http://pictures.example/a"}},
			}},
		}}))
		if response := string(w.lastRequest().Contents[2].Parts[0]["functionResponse"]); !strings.Contains(response, `"data":"iVBORw0KGgo="`) {
			w.Errorf("%s", response)
		}
	})
}
