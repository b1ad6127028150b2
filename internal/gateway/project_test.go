package gateway_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// Several keys of one project were given, and nothing says so but Google's refusals. Once each was refused the pool counts them as one:
// a minute's quota is spent once, and nothing is asked in vain.
func TestKeysOfOneProjectAreFoundOut(t *testing.T) {
	simulated(t, func(w *world) {
		const keys, rpm = 3, 5
		for n := range keys {
			secret := "key-" + strconv.Itoa(n+1)
			w.google.AddKey(secret, "shared")
			w.add(n+1, secret, google.Settings{})
		}
		w.google.SetLimits("", model, googlesim.Limits{RPM: rpm})
		w.google.SetClassicQuotas("shared")
		w.policy = "headroom"
		w.start()
		for minute := range 4 {
			before, served := w.calls(""), 0
			for range 2 * rpm {
				if a := w.ask(plain()); a.Code == http.StatusOK {
					served++
				}
			}
			if served != rpm {
				w.Errorf("minute %d: %d requests served, want %d", minute, served, rpm)
			}
			refused := w.calls("") - before - served
			if most := map[int]int{0: keys}[minute]; refused > most {
				w.Errorf("minute %d: Google refused %d calls, want at most %d", minute, refused, most)
			}
			time.Sleep(time.Minute + time.Second)
		}
		status := w.send(t.Context(), http.MethodGet, "/v1/status", "", true).Body.String()
		if !strings.Contains(status, "these 3 accounts share one project") || strings.Count(status, `"quota_group":"`+w.account(1).Label+`"`) != keys {
			w.Errorf("status does not say that the keys share a project: %s", status)
		}
		if strings.Contains(status, "3487") {
			w.Errorf("status names the project: %s", status)
		}
	})
}
