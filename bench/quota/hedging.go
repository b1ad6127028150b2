package main

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// The requests of the experiment with hedging, one a second on average. Of Google's answers, slowShare begin later by slowness.
const (
	hedgeRequests = 3000
	hedgeShare    = 0.05
	slowShare     = 0.05
	slowness      = 20 * time.Second
)

// hedgeRun is the requests once.
type hedgeRun struct {
	name  string
	hedge float64

	calls, won, failed int
	firsts             []time.Duration // until the first token
}

func hedgeRuns() []*hedgeRun {
	return []*hedgeRun{{name: "hedge off"}, {name: "hedge 5", hedge: hedgeShare}}
}

func (h *hedgeRun) play(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{projects: groups, keys: 1, hedge: h.hedge})
		defer w.close()
		random := newRandom(4, 0)
		w.google.Script(googlesim.Match{Method: "streamGenerateContent"}, slowAnswers(random)...)
		var mu sync.Mutex
		var requests sync.WaitGroup
		for n := range hedgeRequests {
			time.Sleep(time.Duration(random.ExpFloat64() * float64(time.Second)))
			requests.Go(func() {
				got := w.ask("client", prompt{talk: n, tokens: 100, stream: true}.body())
				mu.Lock()
				defer mu.Unlock()
				h.note(got)
			})
		}
		requests.Wait()
		h.calls = len(w.calls())
	})
}

// slowAnswers are the answers to as many calls as there may be. Ordinary ones begin after half a second to a second and a half.
func slowAnswers(random *rand.Rand) []googlesim.Reply {
	replies := make([]googlesim.Reply, 2*hedgeRequests)
	for i := range replies {
		r := googlesim.Reply{Lead: googlesim.All, Pace: 20 * time.Millisecond}
		r.Delay = 500*time.Millisecond + time.Duration(random.Int64N(int64(time.Second)))
		if random.Float64() < slowShare {
			r.Delay += slowness
		}
		replies[i] = r
	}
	return replies
}

func (h *hedgeRun) note(got reply) {
	if !got.served() {
		h.failed++
		return
	}
	if got.Hedge == gateway.HedgeWon {
		h.won++
	}
	h.firsts = append(h.firsts, got.FirstToken)
}

func (h *hedgeRun) row(out table) {
	late := func(share float64) string { return seconds(percentile(h.firsts, share)) }
	out.row(h.name, number(hedgeRequests), number(h.calls), percent(h.calls-hedgeRequests, hedgeRequests), number(h.won),
		late(0.5), late(0.9), late(0.95), late(0.99), late(1))
}
