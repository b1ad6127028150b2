package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// control gives tests in other languages watched gateways of their own, which run until the test given here is over:
//
//	POST   /gateways               starts one: {"url": its address, "control": its path here}
//	POST   /gateways/{id}/restart  see watched.restart
//	GET    /gateways/{id}/calls    see watched.upstream
//	DELETE /gateways/{id}/calls    begins anew to remember what Google is asked
type control struct {
	t *testing.T

	mu       sync.Mutex
	gateways []*watched
}

// startControl returns the address of a control.
func startControl(t *testing.T) string {
	c := &control{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /gateways", c.create)
	mux.HandleFunc("POST /gateways/{id}/restart", c.with(func(g *watched) (any, error) { return nil, g.restart() }))
	mux.HandleFunc("GET /gateways/{id}/calls", c.with(func(g *watched) (any, error) { return g.upstream() }))
	mux.HandleFunc("DELETE /gateways/{id}/calls", c.with(func(g *watched) (any, error) {
		g.google.ForgetCalls()
		return nil, nil
	}))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func (c *control) create(w http.ResponseWriter, _ *http.Request) {
	g, err := newWatched(c.t)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	c.mu.Lock()
	id := len(c.gateways)
	c.gateways = append(c.gateways, g)
	c.mu.Unlock()
	reply(w, map[string]string{"url": g.url, "control": "/gateways/" + strconv.Itoa(id)})
}

// with finds the gateway that a request is about.
func (c *control) with(do func(*watched) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		c.mu.Lock()
		known := err == nil && id >= 0 && id < len(c.gateways)
		var g *watched
		if known {
			g = c.gateways[id]
		}
		c.mu.Unlock()
		if !known {
			http.NotFound(w, r)
			return
		}
		answer, err := do(g)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		reply(w, answer)
	}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a client that is gone notices itself
}
