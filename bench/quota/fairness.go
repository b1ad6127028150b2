package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// The clients of the experiment with fairness. The groups serve 125 requests a minute, of which twelve and a half are each client's
// turn: the polite ones ask for less, the flood for ten times of everything.
const (
	polite        = 9
	politePause   = 10 * time.Second
	floodPause    = 50 * time.Millisecond
	fairnessTakes = 10 * time.Minute
)

// crowd is what one kind of client got.
type crowd struct {
	name                          string
	asked, served, turned, failed int
	waits                         []time.Duration // of requests served
}

// playFairness has a flood begin, and a minute later the polite.
func playFairness(t *testing.T) (flood, others *crowd) {
	flood, others = &crowd{name: "flood"}, &crowd{name: fmt.Sprint(polite, " others")}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{projects: groups, keys: 1, real: googlesim.Limits{RPM: rpm}})
		defer w.close()
		var mu sync.Mutex
		var requests sync.WaitGroup
		ends := time.Now().Add(fairnessTakes)
		client := func(c *crowd, id string, pause time.Duration) {
			random := rand.New(rand.NewPCG(3, uint64(len(id))))
			for time.Sleep(time.Duration(random.ExpFloat64() * float64(pause))); time.Now().Before(ends); {
				requests.Go(func() {
					got := w.ask(id, prompt{tokens: 100}.body())
					mu.Lock()
					defer mu.Unlock()
					c.note(got)
				})
				time.Sleep(time.Duration(random.ExpFloat64() * float64(pause)))
			}
		}
		requests.Go(func() { client(flood, "flood", floodPause) })
		time.Sleep(time.Minute)
		for n := range polite {
			requests.Go(func() { client(others, fmt.Sprint("polite-", n), politePause) })
		}
		requests.Wait()
	})
	return flood, others
}

func (c *crowd) note(got reply) {
	c.asked++
	switch {
	case got.served():
		c.served++
		c.waits = append(c.waits, got.Wait)
	case got.status == http.StatusTooManyRequests:
		c.turned++
	default:
		c.failed++
	}
}

func (c *crowd) row(out table) {
	out.row(c.name, number(c.asked), number(c.served), percent(c.served, c.asked), number(c.turned),
		seconds(percentile(c.waits, 0.5)), seconds(percentile(c.waits, 0.99)))
}
