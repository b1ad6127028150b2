package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// Each promise that is broken is noticed, and nothing else.
func TestMisses(t *testing.T) {
	known, unknown := scenarios(spring, 1)[0], scenarios(spring, 1)[1]
	fine := func(s scenario) *outcome {
		return &outcome{
			scenario: s, asked: 1500, capacity: 1000, served: 995, calls: 1000, turned: 505, refused: map[refusal]int{}, shares: []float64{5, 5},
		}
	}
	for _, c := range []struct {
		miss   string // part of what is said; empty for nothing
		of     scenario
		change func(o *outcome)
	}{
		{"", known, func(*outcome) {}},
		{"", unknown, func(o *outcome) { o.refused[refusal{"a", "rpd"}], o.refused[refusal{"a", "rpm"}] = 1, 1 }},
		{"nothing was measured", known, func(o *outcome) { o.calls = 994 }},
		{"994 of 1000 served", known, func(o *outcome) { o.served = 994 }},
		{"1 calls refused although", known, func(o *outcome) { o.refused[refusal{"a", "rpd"}] = 1 }},
		{"told 2 times", unknown, func(o *outcome) { o.refused[refusal{"a", "rpd"}] = 2 }},
		{"told 2 times", unknown, func(o *outcome) { o.burst, o.refused[refusal{"a", "rpd"}] = 60, 2 }},
		{"", unknown, func(o *outcome) { o.late = 10 }},
		{"11 of 1000 calls", unknown, func(o *outcome) { o.late = 11 }},
		{"before a restart", unknown, func(o *outcome) { o.dies, o.late = true, 1 }},
		{"Jain's index is 0.9878", known, func(o *outcome) { o.shares = []float64{5, 4} }},
		{"1 clients turned away while", known, func(o *outcome) { o.wrongly = 1 }},
		{"1 clients turned away after 4", known, func(o *outcome) { o.spent = 1 }},
		{"", unknown, func(o *outcome) { o.spent = 1 }},
		{"1 tokens refreshed", known, func(o *outcome) { o.early = 1 }},
		{"", known, func(o *outcome) { o.beyond, o.wrongly, o.refused[refusal{"a", "rpm"}] = true, 1, 1 }},
		{"994 of 1000 served", known, func(o *outcome) { o.beyond, o.served = true, 994 }},
		{"1 requests failed", known, func(o *outcome) { o.failed = 1 }},
	} {
		o := fine(c.of)
		c.change(o)
		missed := o.misses()
		if c.miss == "" && len(missed) > 0 || c.miss != "" && (len(missed) != 1 || !strings.Contains(missed[0], c.miss)) {
			t.Errorf("got %q, want one with %q", missed, c.miss)
		}
	}
}

// Room counts as missed exactly when a call of the same size would have been within the quotas, to the end of max_wait.
func TestRoomBefore(t *testing.T) {
	for _, c := range []struct {
		name   string
		second int // of the minute, at which the client is turned away
		tokens int64
		later  int // seconds after that another request takes what there is; -1 for never
		rpd    int64
		want   bool
	}{
		{"room now", 10, 50, -1, 2, true},
		{"room now, for a call under way", 10, 50, 0, 2, false},
		{"no room for so many tokens", 10, 950, -1, 2, false},
		{"room in the next minute, unused", 55, 950, -1, 2, true},
		{"room in the next minute, for somebody else", 55, 950, 8, 2, false},
		{"room in the next minute, for somebody else after max_wait", 55, 950, 14, 2, true},
		{"room in the next minute, too late", 45, 950, -1, 2, false},
		{"the day is over", 55, 950, -1, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(spring))
				real := googlesim.Limits{RPM: 2, RPD: c.rpd, TPM: 1000}
				d := days{world: newWorld(t, setup{projects: 1, keys: 1, real: real})}
				defer d.close()
				spend := func() {
					if got := d.ask("client", prompt{tokens: 100}.body()); !got.served() {
						t.Error(got.Error)
					}
				}
				time.Sleep(time.Duration(c.second) * time.Second)
				spend()
				if c.later >= 0 {
					time.AfterFunc(time.Duration(c.later)*time.Second, spend)
				}
				if got := d.roomBefore(time.Now().Add(maxWait), c.tokens); got != c.want {
					t.Errorf("room: %t", got)
				}
				time.Sleep(maxWait)
			})
		})
	}
}
