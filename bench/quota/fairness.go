package main

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// The clients of the experiment with fairness. The projects serve 125 requests a minute, of which twelve and a half are each client's
// turn: the polite ones ask for less, the flood for ten times of everything.
const (
	polite        = 9
	politePause   = 10 * time.Second
	fullPause     = time.Minute / (groups * rpm)
	floodPause    = fullPause / 10
	fairnessTakes = 10 * time.Minute
)

// fairnessRun is these clients once.
type fairnessRun struct {
	name string
	// sudden is that the flood begins all at once, and so takes the requests of a minute in the first seconds of it, from then on in every
	// minute. Otherwise it takes them evenly for a minute, and then grows.
	sudden        bool
	flood, others crowd
}

func fairnessRuns() []*fairnessRun {
	return []*fairnessRun{{name: "grows"}, {name: "is sudden", sudden: true}}
}

// crowd is what one kind of client got.
type crowd struct {
	asked, served, turned, failed int
	waits                         []time.Duration // of requests served
}

// play has the flood begin, and a minute later the polite.
func (f *fairnessRun) play(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{projects: groups, keys: 1, real: googlesim.Limits{RPM: rpm}})
		defer w.close()
		var mu sync.Mutex
		var requests sync.WaitGroup
		client := func(c *crowd, id string, pause, takes time.Duration) {
			random := newRandom(3, int(id[len(id)-1]))
			ends := time.Now().Add(takes)
			for {
				time.Sleep(time.Duration(random.ExpFloat64() * float64(pause)))
				if !time.Now().Before(ends) {
					return
				}
				talk := random.IntN(talks)
				requests.Go(func() {
					got := w.ask(id, prompt{talk: talk, tokens: 100}.body())
					mu.Lock()
					defer mu.Unlock()
					c.note(got)
				})
			}
		}
		requests.Go(func() {
			if !f.sudden {
				client(&f.flood, "flood", fullPause, time.Minute)
			}
			client(&f.flood, "flood", floodPause, fairnessTakes)
		})
		time.Sleep(time.Minute)
		for n := range polite {
			requests.Go(func() { client(&f.others, fmt.Sprint("polite-", n), politePause, fairnessTakes) })
		}
		requests.Wait()
	})
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

func (f *fairnessRun) rows(out table) {
	f.flood.row(out, f.name, "flood")
	f.others.row(out, f.name, fmt.Sprint(polite, " others"))
}

func (c *crowd) row(out table, setup, client string) {
	out.row(setup, client, number(c.asked), number(c.served), percent(c.served, c.asked), number(c.turned),
		seconds(percentile(c.waits, 0.5)), seconds(percentile(c.waits, 0.99)))
}

// misses are the promises not kept: nobody who asks for less than a fair share is turned away because somebody else floods. Where the
// flood is sudden, that cannot be: the quota of a minute is gone before the others come.
func (f *fairnessRun) misses() []string {
	var all []string
	if !f.sudden && share(f.others.served, f.others.asked) < 0.99 {
		all = append(all, fmt.Sprintf("beside a flood, %d of %d requests of others are served", f.others.served, f.others.asked))
	}
	if f.flood.turned == 0 || f.flood.served == 0 || f.others.asked == 0 || f.flood.failed+f.others.failed > 0 {
		all = append(all, fmt.Sprintf("this is no flood: %+v", f))
	}
	return all
}
