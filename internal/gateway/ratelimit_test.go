package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

func TestAnswersTellWhatThePoolHasLeft(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.key(2)
		w.limits = []rotator.Limit{{Model: model, RPM: 2, TPM: 1000}}
		w.start()
		w.wantHeaders(ask().Header(), map[string]string{
			"X-Ratelimit-Limit-Requests": "4", "X-Ratelimit-Remaining-Requests": "3", "X-Ratelimit-Reset-Requests": "1m1s",
			"X-Ratelimit-Limit-Tokens": "2000", "X-Ratelimit-Reset-Tokens": "1m1s",
		})
		time.Sleep(15 * time.Second)
		ask()
		ask()
		time.Sleep(500 * time.Millisecond)
		ask()
		time.Sleep(500 * time.Millisecond)
		refused := ask()
		w.wantError(refused, http.StatusTooManyRequests, "rate_limit_exceeded")
		w.wantHeaders(refused.Header(), map[string]string{
			"X-Ratelimit-Limit-Requests": "4", "X-Ratelimit-Remaining-Requests": "0", "X-Ratelimit-Reset-Requests": "1m0s",
		})
	})
}

func TestAnswersAreSilentAboutLimitsNobodyKnows(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.limits = []rotator.Limit{{Model: model, TPM: 1000}}
		w.start()
		for header := range ask().Header() {
			if strings.HasPrefix(header, "X-Ratelimit-") && strings.HasSuffix(header, "-Requests") {
				w.Errorf("a header %s", header)
			}
		}
	})
}
