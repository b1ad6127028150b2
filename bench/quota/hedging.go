package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// The requests of the experiment with hedging, one a second on average. Slow answers begin later by slowness.
const (
	hedgeRequests = 3000
	hedgeShare    = 0.05
	slowness      = 20 * time.Second
)

// hedgeRun is the requests once.
type hedgeRun struct {
	slow  float64 // share of slow answers
	hedge float64

	calls, won, failed int
	firsts             []time.Duration // until the first token
}

func hedgeRuns() []*hedgeRun {
	return []*hedgeRun{{slow: 0.02}, {slow: 0.02, hedge: hedgeShare}, {slow: 0.05}, {slow: 0.05, hedge: hedgeShare}}
}

func (h *hedgeRun) play(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{projects: groups, keys: 1, hedge: h.hedge})
		defer w.close()
		random := newRandom(4, 0)
		w.google.Script(googlesim.Match{Method: "streamGenerateContent"}, h.answers(random)...)
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

// answers are those to as many calls as there may be. Ordinary ones begin after half a second to a second and a half.
func (h *hedgeRun) answers(random *rand.Rand) []googlesim.Reply {
	replies := make([]googlesim.Reply, 2*hedgeRequests)
	for i := range replies {
		r := googlesim.Reply{Lead: googlesim.All, Pace: 20 * time.Millisecond}
		r.Delay = 500*time.Millisecond + time.Duration(random.Int64N(int64(time.Second)))
		if random.Float64() < h.slow {
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
	out.row(fmt.Sprintf("%.0f%%", 100*h.slow), fmt.Sprintf("%.0f%%", 100*h.hedge), number(hedgeRequests), number(h.calls),
		percent(h.calls-hedgeRequests, hedgeRequests), number(h.won), late(0.5), late(0.9), late(0.95), late(0.99), late(1))
}

// hedgeMisses are the promises not kept: hedging never makes more calls than its share, and where that is enough for all slow answers, the
// slowest hundredth of requests does not wait for them any more.
func hedgeMisses(runs []*hedgeRun) []string {
	var all []string
	miss := func(kept bool, h *hedgeRun, format string, args ...any) {
		if !kept {
			all = append(all, fmt.Sprintf("hedge %v, slow %v: ", h.hedge, h.slow)+fmt.Sprintf(format, args...))
		}
	}
	for _, h := range runs {
		late := percentile(h.firsts, 0.99)
		miss(h.failed == 0, h, "%d requests failed", h.failed)
		miss(share(h.calls-hedgeRequests, hedgeRequests) <= h.hedge, h, "%d calls for %d requests", h.calls, hedgeRequests)
		miss(h.hedge > 0 || late > slowness, h, "nothing is slow: p99 is %v", late)
		miss(h.hedge == 0 || h.slow > h.hedge/2 || late < slowness/4, h, "p99 is %v", late)
	}
	return all
}
