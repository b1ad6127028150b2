package rotator

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// bell is rung when what pools share has changed: it has all look again that wait, in whatever pool. While nobody waits, that is one
// atomic read.
type bell struct {
	mu sync.Mutex // for writers
	// waiting is never changed in place, so that reading it takes no lock.
	waiting atomic.Pointer[[]*lines]
}

// add has a pool's lines told from now on.
func (b *bell) add(w *lines) {
	b.change(func(all []*lines) []*lines { return append(all, w) })
}

// remove ends that.
func (b *bell) remove(w *lines) {
	b.change(func(all []*lines) []*lines { return slices.DeleteFunc(all, func(one *lines) bool { return one == w }) })
}

func (b *bell) change(change func([]*lines) []*lines) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*lines
	if old := b.waiting.Load(); old != nil {
		all = slices.Clone(*old)
	}
	all = change(all)
	b.waiting.Store(&all)
}

// ring calls look for the lines of all pools in which somebody waits.
func (b *bell) ring(look func(*line, time.Time)) {
	waiting := b.waiting.Load()
	if waiting == nil {
		return
	}
	for _, w := range *waiting {
		w.each(look)
	}
}

// settled is rung after a call. If it has given something back, then its group has it for all models that share it, and in all pools.
func (b *bell) settled(l *Lease, gaveBack bool) {
	b.ring(func(n *line, now time.Time) {
		if ix := n.lines.pool.index(n.model, now); gaveBack && ix != l.index { // that one was told
			ix.giveBackTo(l.choice.facts, now)
		}
		n.serve(now, nil)
	})
}

// recovered is rung when an account is usable sooner than was known.
func (b *bell) recovered(a *Account) {
	b.ring(func(n *line, now time.Time) {
		n.lines.news = append(n.lines.news, n.lines.pool.index(n.model, now).reviewAccount(a, now)...)
		n.serve(now, nil)
	})
}

// giveBackTo is giveBack for the lane with those facts.
func (ix *index) giveBackTo(f *facts, now time.Time) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	for i := range ix.lanes {
		if ix.lanes[i].facts == f {
			ix.regain(int32(i), now)
		}
	}
}

// reviewAccount looks again at an account that was put away. It returns what is to be told about it.
func (ix *index) reviewAccount(a *Account, now time.Time) []Change {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	for i := range ix.members {
		if m := &ix.members[i]; m.outage != nil && m.candidate.Account == a {
			ix.reviewMember(int32(i), now)
		}
	}
	news := ix.news
	ix.news = nil
	return news
}
