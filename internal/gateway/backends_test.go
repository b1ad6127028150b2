package gateway_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// What one of Google's services has no field for may be what another has. Which account is next in line must not decide whether a
// request is answered.
func TestRequestGoesToTheBackendThatCanExpressIt(t *testing.T) {
	inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
		w.key(2)
		w.key(3)
		w.user(4)
		w.start()
		for range 8 {
			w.completion(ask(map[string]any{"model": flash, "logprobs": true}))
			w.completion(ask(show("gs://bucket/a.png")))
		}
		if n := w.google.Count(googlesim.Match{Backend: googlesim.Developer}); n != 0 {
			w.Errorf("%d calls to a backend that gives no log probabilities and reads no buckets", n)
		}
	})
}

// A refusal of every backend comes at once, however many accounts there are, and though some may be ready later.
func TestWhatNoBackendCanExpressIsRefusedAtOnce(t *testing.T) {
	for name, backends := range map[string]func(w *world){
		"one": func(*world) {}, "two": func(w *world) { w.user(4) },
	} {
		t.Run(name, func(t *testing.T) {
			inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
				w.key(2)
				backends(w)
				w.patient()
				w.start()
				w.script("key-1", googlesim.RateMinute(flash, 5*time.Second))
				w.text(ask(map[string]any{"model": flash}))
				before, began := w.calls(""), time.Now()
				w.wantError(ask(map[string]any{"model": flash, "modalities": []string{"audio"}}), http.StatusBadRequest, "unsupported_value")
				if waited := time.Since(began); waited > 0 {
					w.Errorf("the client waited %v", waited)
				}
				if n := w.calls("") - before; n != 0 {
					w.Errorf("%d calls", n)
				}
			})
		})
	}
}
