package rotator

import (
	"slices"
	"sync"
	"time"
)

// A hedge is a second call for a request whose first is late, of which the faster one answers the client. What is late is what few calls
// for the model are: the pool watches how long they take until their first token.
const (
	hedgeQuantile = 0.95
	minPaces      = 20               // observations without which nothing is known
	maxPaces      = 128              // the latest, of each model
	paceLasts     = 10 * time.Minute // how long an observation counts
	reckonEvery   = 8                // observations: the quantile moves little from one to the next
	minHedgeAfter = 100 * time.Millisecond
	maxHedges     = 10 // can be saved up: a long calm must not pay for a storm
	maxSpares     = 4  // groups asked whether they have plenty; the policy has put the one with the most first
)

// FirstToken tells how long a call for a model took until the first token of its answer: or at least, when it was given up before.
func (p *Pool) FirstToken(model string, took time.Duration) {
	if p.options.Hedge > 0 {
		p.paces.note(model, took, time.Now())
	}
}

// HedgeAfter returns when a call for a model is late enough to hedge it, counted from its beginning. It reports false while hedging is
// off, and while too little is known.
func (p *Pool) HedgeAfter(model string) (time.Duration, bool) {
	if p.options.Hedge <= 0 {
		return 0, false
	}
	return p.paces.late(model, time.Now())
}

// Hedge chooses an account of another quota group for a second call of a request, besides the one under way. There is none when the
// share of requests that may be hedged is used up, when anybody waits, and when no group has plenty: the second call must cost nobody
// else theirs. The lease must be settled.
func (p *Pool) Hedge(q Query, first *Lease) (*Lease, bool) {
	now := time.Now()
	if p.options.Hedge <= 0 || p.lines.waiting.Load() > 0 || !p.options.Models.overloaded(q.Model, now).IsZero() || !p.hedges.Spend() {
		return nil, false
	}
	ix := p.index(q.Model, now)
	var chosen choice
	found, news := ix.spare(now, &q, first.choice.facts, &chosen)
	p.tell(news)
	if !found {
		p.hedges.refund()
		return nil, false
	}
	lease := p.lease(ix, &chosen, &q, now)
	if q.Trace != nil {
		p.note(&q, step{at: now, what: toHedge}, lease, nil)
	}
	return lease, true
}

// spare finds a candidate in a group that has plenty, and is not the one with those facts.
func (ix *index) spare(now time.Time, q *Query, busy *facts, c *choice) (found bool, news []Change) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.wakeUp(now)
	var aside []entry
	for !found && len(aside) < maxSpares {
		head, ok := ix.ready.first(ix.laneBusy, passNone)
		if !ok {
			break
		}
		f := ix.lanes[head.id].current(ix.model)
		outcome := tried
		if f != busy && f.ample(now.UnixNano(), q.Tokens, &ix.limits) {
			outcome = ix.take(head, now, q, avoidAll, c)
		}
		if found = outcome == taken; outcome == tried {
			ix.ready.drop(head.id)
			aside = append(aside, head)
		}
	}
	for _, e := range aside {
		ix.ready.set(e)
	}
	c.why = byHedge
	news, ix.news = ix.news, nil
	return found, news
}

// ample reports whether more than half is left of everything that is limited, after a call of so many tokens.
func (f *facts) ample(now, tokens int64, l *rules) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	limit := f.learned.within(now, l)
	if s := f.missing(now, &limit); s.state != "" {
		return false
	}
	if f.hinted() && f.probes(now, tokens, &limit).past != 0 {
		return false
	}
	half := func(used, limit int64) bool { return limit <= 0 || 2*used < limit }
	return half(f.minute.calls, limit.RPM) && half(f.day.calls, limit.RPD) &&
		half(f.minute.tokens+tokens, limit.TPM) && half(f.day.tokens+tokens, limit.TPD)
}

// paces is how long calls take until their first token, by model. It is safe for concurrent use.
type paces struct {
	mu     sync.Mutex
	models map[string]*pace
}

// pace is the latest observations of a model.
type pace struct {
	ring     [maxPaces]paceSeen
	n        int           // observations so far
	reckoned int           // the n of the last reckoning
	late     time.Duration // what it came to; 0 for too little to tell
	until    int64         // when it must be reckoned anew
}

type paceSeen struct {
	at   int64 // Unix nanoseconds
	took time.Duration
}

func (s *paces) note(model string, took time.Duration, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.models[model]
	if p == nil {
		if len(s.models) >= maxIndexes {
			s.forget()
		}
		p = &pace{}
		s.models[model] = p
	}
	p.ring[p.n%maxPaces] = paceSeen{now.UnixNano(), took}
	p.n++
}

// forget drops the model that was observed last the longest ago. The caller holds the lock.
func (s *paces) forget() {
	var oldest string
	var at int64
	for model, p := range s.models {
		if last := p.ring[(p.n-1)%maxPaces].at; oldest == "" || last < at {
			oldest, at = model, last
		}
	}
	delete(s.models, oldest)
}

func (s *paces) late(model string, now time.Time) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.models[model]
	if p == nil {
		return 0, false
	}
	since := p.n - p.reckoned
	if nanos := now.UnixNano(); since >= reckonEvery || p.late == 0 && since > 0 || p.until <= nanos {
		p.reckon(nanos)
	}
	return p.late, p.late > 0
}

// reckon works out the quantile anew, and for how long that counts: until one of its observations is too old.
func (p *pace) reckon(now int64) {
	took := make([]time.Duration, 0, maxPaces)
	p.reckoned, p.late, p.until = p.n, 0, now+int64(paceLasts)
	for _, seen := range p.ring[:min(p.n, maxPaces)] {
		if ends := seen.at + int64(paceLasts); ends > now {
			took = append(took, seen.took)
			p.until = min(p.until, ends)
		}
	}
	if len(took) < minPaces {
		return
	}
	slices.Sort(took)
	p.late = max(took[int(hedgeQuantile*float64(len(took)-1)+0.5)], minHedgeAfter)
}
