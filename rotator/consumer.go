package rotator

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
	"weak"
)

// Projects is which quota groups are one: Google names the project that it counts a call for (the consumer) when it refuses one, and
// groups of a backend for which it names the same project are counted as one from then on. That may be all keys that were made in one
// project, which nothing else about them tells. It holds facts about the world, so all pools that share groups share one. It is safe
// for concurrent use.
type Projects struct {
	// joins is how many groups have been joined: pools make their order anew when it moves.
	joins atomic.Uint64

	mu     sync.Mutex
	groups map[project]weak.Pointer[Group] // a group lives as long as its accounts
}

// project is a Google Cloud project, by ID or number, as one backend counts it.
type project struct{ backend, consumer string }

const (
	maxProjects     = 1 << 14 // remembered at once
	maxConsumerName = 128     // bytes
)

// NewProjects returns a Projects that knows of none.
func NewProjects() *Projects { return &Projects{groups: make(map[project]weak.Pointer[Group])} }

// learn remembers for which project an account's calls are counted, and joins its group to those that are known to be the same. An
// empty consumer teaches nothing.
func (p *Projects) learn(c *Candidate, consumer string, now time.Time) {
	if consumer == "" || len(consumer) > maxConsumerName {
		return
	}
	named := c.Group.charge(consumer)
	joined := c.Group.join(p.group(project{c.Backend, consumer}, c.Group.whole()), now.UnixNano())
	if joined {
		p.joins.Add(1)
	}
	if named || joined {
		c.Account.urgent()
	}
}

// charge remembers for which project the group's calls are counted. It reports whether none was known: if Google names several for one
// group, because an operator has put them together, one will do to find the group again.
func (g *Group) charge(consumer string) bool {
	g = g.lock()
	defer g.mu.Unlock()
	if g.consumer != "" {
		return false
	}
	g.consumer = consumer
	g.changes.Add(1)
	return true
}

// group returns the group that is known to be a project's; the one given if there is none.
func (p *Projects) group(key project, g *Group) *Group {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.groups[key].Value(); known != nil {
		return known
	}
	if len(p.groups) >= maxProjects {
		maps.DeleteFunc(p.groups, func(_ project, g weak.Pointer[Group]) bool { return g.Value() == nil })
	}
	if len(p.groups) < maxProjects {
		p.groups[key] = weak.Make(g)
	}
	return g
}

// joining is held while two groups become one, because that alone takes the locks of two.
var joining sync.Mutex

// join has the group counted as part of another from now on, with all that is known about both: calls that were counted for either
// were calls of the one project, so they add up. It reports whether they were two. Leases of before settle harmlessly.
func (g *Group) join(other *Group, now int64) bool {
	joining.Lock()
	defer joining.Unlock()
	from, into := g.whole(), other.whole()
	if from == into {
		return false
	}
	into.mu.Lock()
	defer into.mu.Unlock()
	from.mu.Lock()
	defer from.mu.Unlock()
	from.joined.Store(into)
	into.take(from.models, now)
	from.models = nil
	from.changes.Add(1)
	into.changes.Add(1)
	return true
}

// take adds the models of a group that is joined. The caller holds the locks of both.
func (g *Group) take(models map[string]*facts, now int64) {
	for model, f := range models {
		switch own := g.models[model]; own {
		case nil:
			g.models[model] = f
		case f:
		default:
			own.absorb(f, now)
			f.evicted.Store(true)
			// Models that share a bucket in one of the groups share it in both.
			for name, shared := range models {
				if shared == f {
					models[name] = own
				}
			}
			g.rename(f, own)
		}
	}
	for len(g.models) > maxFacts {
		g.forget()
	}
}

// rename has all models with some facts have others instead. The caller holds the lock.
func (g *Group) rename(from, to *facts) {
	for name, f := range g.models {
		if f == from {
			g.models[name] = to
		}
	}
}

// whole is the group that this one is counted as: itself, unless it was joined to another.
func (g *Group) whole() *Group {
	w := g
	for next := w.joined.Load(); next != nil; next = w.joined.Load() {
		w = next
	}
	if w != g {
		g.joined.Store(w) // the way is shorter the next time
	}
	return w
}

// lock returns the group that this one is counted as, locked.
func (g *Group) lock() *Group {
	for {
		w := g.whole()
		w.mu.Lock()
		if w.joined.Load() == nil {
			return w
		}
		w.mu.Unlock() // joined meanwhile
	}
}
