package gateway_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// Nothing is configured. Google's refusals of the first day say all about its quotas, so on the days after it none is wasted, and none
// is asked for in vain.
func TestQuotasAreLearnedFromRefusals(t *testing.T) {
	simulated(t, func(w *world) {
		const accounts, rpm, rpd = 5, 5, 20
		for n := range accounts {
			w.key(n + 1)
		}
		w.google.SetLimits("", model, googlesim.Limits{RPM: rpm, RPD: rpd, TPM: 250_000})
		w.policy = "headroom"
		w.start()
		for day := range 4 {
			before, served := w.calls(""), 0
			for range 10 { // more than a minute has room for, and more minutes than the day has
				for range 2 * accounts * rpm {
					if a := w.ask(plain()); a.Code == http.StatusOK {
						served++
					}
				}
				time.Sleep(time.Minute)
			}
			if served != accounts*rpd {
				w.Errorf("day %d: %d requests served, want %d", day, served, accounts*rpd)
			}
			refused := w.calls("") - before - served
			if most := map[int]int{0: 2 * accounts}[day]; refused > most {
				w.Errorf("day %d: Google refused %d calls, want at most %d", day, refused, most)
			}
			for n := range accounts {
				m := w.account(n + 1).Models[0]
				if m.RPM.Limit != rpm || m.RPD.Limit != rpd || m.RPD.Used != rpd {
					w.Errorf("day %d: status shows %+v", day, m)
				}
			}
			a := w.ask(plain())
			w.wantError(a, http.StatusTooManyRequests, "insufficient_quota")
			if a.record.Attempts != 0 {
				w.Error("Google was asked although the pool knew the answer")
			}
			wait, err := strconv.Atoi(a.Header().Get("Retry-After"))
			if err != nil {
				w.Fatal(err)
			}
			time.Sleep(time.Duration(wait) * time.Second)
		}
	})
}

// Google Cloud names a quota in another way than the Developer API.
func TestQuotasOfVertexAreLearned(t *testing.T) {
	simulated(t, func(w *world) {
		w.user(1)
		w.google.SetLimits("", model, googlesim.Limits{RPM: 3})
		w.start()
		for minute := range 3 {
			for range 3 {
				w.text(w.ask(plain()))
			}
			w.wantError(w.ask(plain()), http.StatusTooManyRequests, "rate_limit_exceeded")
			w.wantCalls("", 3*(minute+1)+1)
			time.Sleep(time.Minute + time.Second)
		}
		if got := w.account(1).Models[0].RPM.Limit; got != 3 {
			w.Errorf("status shows a limit of %d", got)
		}
	})
}
