package gateway_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func (w *world) statusFor(accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(w.Context(), http.MethodGet, "/v1/status", nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	a := httptest.NewRecorder()
	w.gateway.Route(r).Serve(a, r, known)
	return a
}

func TestStatusIsAPageForThosePreferringOne(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		for accept, want := range map[string]string{
			browser:            "text/html; charset=utf-8",
			"*/*":              "application/json",
			"application/json": "application/json",
		} {
			a := w.statusFor(accept)
			if got := a.Header().Get("Content-Type"); got != want || a.Code != http.StatusOK {
				w.Errorf("Accept %q: %d %s, want %s", accept, a.Code, got, want)
			}
			if a.Header().Get("Vary") != "Accept" || a.Header().Get("Cache-Control") != "no-store" {
				w.Errorf("Accept %q: what a cache is told is %v", accept, a.Header())
			}
		}
	})
}

// A browser runs only what the policy names, and the page needs nothing from elsewhere.
func TestStatusPageContainsAllItNeeds(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		a := w.statusFor(browser)
		page, policy := a.Body.String(), a.Header().Get("Content-Security-Policy")
		for _, tag := range []string{"style", "script"} {
			parts := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1)
			if len(parts) != 1 {
				w.Fatalf("%d elements %s", len(parts), tag)
			}
			sum := sha256.Sum256([]byte(parts[0][1]))
			if want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
				w.Errorf("the policy %q lacks %q", policy, want)
			}
		}
		if !strings.HasPrefix(policy, "default-src 'none'; connect-src 'self';") {
			w.Errorf("the policy allows more than it must: %q", policy)
		}
		if foreign := regexp.MustCompile(`(?i)(https?:|src=|href=|@import|innerHTML|\{\{)[^\n]*`).FindString(page); foreign != "" {
			w.Errorf("the page has %q", foreign)
		}
	})
}
