package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// The conversations of the experiment with Google's prompt cache. All have one system prompt, as the users of one program do.
const (
	conversations = 200
	turns         = 10
	systemTokens  = 1500
	turnTokens    = 400 // of each question, and of each answer as the client repeats it
)

// affinityRun is the conversations once, at a gateway with so many projects.
type affinityRun struct {
	name     string
	projects int
	drift    bool // affinity is off

	asked, served  int
	prompt, cached int // tokens, as Google told them
	shares         []float64
}

func affinityRuns() []*affinityRun {
	return []*affinityRun{
		{name: "affinity off", projects: groups, drift: true},
		{name: "affinity 1h", projects: groups},
		{name: "one project", projects: 1},
	}
}

// play has all conversations within about ten minutes.
func (a *affinityRun) play(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{projects: a.projects, keys: 1, real: googlesim.Limits{RPM: 10_000}, drift: a.drift})
		defer w.close()
		var mu sync.Mutex
		var talks sync.WaitGroup
		for n := range conversations {
			random := newRandom(2, n)
			talks.Go(func() {
				c := newConversation(n)
				time.Sleep(time.Duration(random.Int64N(int64(5 * time.Minute))))
				for range turns {
					time.Sleep(10*time.Second + time.Duration(random.Int64N(int64(50*time.Second))))
					got := w.ask(fmt.Sprint(n), strings.NewReader(c.next()))
					mu.Lock()
					a.note(got)
					mu.Unlock()
				}
			})
		}
		talks.Wait()
		served := map[string]float64{}
		for _, call := range w.calls() {
			served[call.Project]++
		}
		for p := range w.projects {
			a.shares = append(a.shares, served[project(p)])
		}
	})
}

func (a *affinityRun) note(got reply) {
	a.asked++
	if got.served() {
		a.served++
	}
	a.prompt += got.Usage.Prompt
	a.cached += got.Usage.Cached
}

// conversation is what a client repeats with every turn.
type conversation struct {
	number   int
	Model    string    `json:"model"`
	Messages []message `json:"messages"`
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func newConversation(n int) *conversation {
	system := message{"system", filler[:systemTokens*bytesPerToken]}
	return &conversation{number: n, Model: model, Messages: []message{system}}
}

// next is the request of the next turn.
func (c *conversation) next() string {
	if len(c.Messages) > 1 {
		c.Messages = append(c.Messages, message{"assistant", filler[:turnTokens*bytesPerToken]})
	}
	question := fmt.Sprintf("Conversation %d, message %d. %s", c.number, len(c.Messages), filler[:turnTokens*bytesPerToken])
	c.Messages = append(c.Messages, message{"user", question})
	body, err := json.Marshal(c)
	if err != nil {
		panic(err) // cannot happen: it is text
	}
	return string(body)
}

func (a *affinityRun) row(out table) {
	out.row(a.name, number(a.asked), number(a.served), number(a.prompt), number(a.cached), percent(a.cached, a.prompt),
		fmt.Sprintf("%.4f", jain(a.shares)))
}

// affinityMisses compares the share of cached tokens with that of one project, which is all that can be had: with affinity nearly all
// of it, without much less.
func affinityMisses(runs []*affinityRun) []string {
	var all []string
	for _, a := range runs {
		if a.asked != conversations*turns || a.served != a.asked {
			all = append(all, fmt.Sprintf("%s: %d asked, %d served", a.name, a.asked, a.served))
		}
	}
	off, on, best := share(runs[0].cached, runs[0].prompt), share(runs[1].cached, runs[1].prompt), share(runs[2].cached, runs[2].prompt)
	if on < 0.95*best || off > 0.75*on {
		all = append(all, fmt.Sprintf("cached with affinity %.2f, without %.2f, with one project %.2f", on, off, best))
	}
	return all
}
