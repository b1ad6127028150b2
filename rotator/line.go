package rotator

import "time"

// Ticket is a place in the line of those that wait for an account. It is safe for concurrent use.
type Ticket struct {
	lines *lines
	ready chan struct{}

	// What follows is guarded by lines.mu.

	line  *line // nil when it never had to wait
	query Query // its Tried is a copy, for whoever frees something
	tried *Tried
	began time.Time
	until int64 // when patience ends; Unix nanoseconds

	flow       *flow // nil when it does not wait
	next, prev *Ticket
	place      place
	again      bool  // it has the place it had before
	number     int32 // in line.tickets

	lease   *Lease
	taken   bool
	refusal *Exhausted
}

// Wait waits for an account for a call, for as long as patience lasts. It returns at once: with a ticket, or with an *Exhausted when
// nothing will be ready in time, when too many wait already, or when the cause is one that waiting does not mend.
//
// Requests for one model wait in one line. Clients take turns in it, each for its share of calls and prompt tokens, whatever number of
// requests they have there; the requests of one client are served in the order they came. A prompt that is too large for what is left
// does not hold up smaller ones. A request that waits again, with the same Tried, has its first place again; that its earlier calls
// failed for the quota of a group is forgotten.
func (p *Pool) Wait(q Query, patience time.Duration) (*Ticket, error) {
	q.Tried.forgive()
	t, refusal := p.lines.join(&q, patience)
	if refusal != nil {
		return nil, refusal
	}
	return t, nil
}

// Ready is closed when there is a lease or when there will be none, at the latest when patience ends.
func (t *Ticket) Ready() <-chan struct{} { return t.ready }

// Lease returns what the ticket got, once it is ready. The lease must be settled. The error is always an *Exhausted.
func (t *Ticket) Lease() (*Lease, error) {
	<-t.ready
	t.lines.mu.Lock()
	defer t.lines.mu.Unlock()
	if t.lease == nil {
		return nil, t.refusal
	}
	t.taken = true
	if t.tried != nil {
		t.tried.place = t.place
	}
	return t.lease, nil
}

// Leave gives back the place, or the lease that nobody took. It does nothing once Lease has returned one, and later calls do nothing.
func (t *Ticket) Leave() {
	if lease := t.lines.leave(t); lease != nil {
		lease.Settle(Outcome{})
	}
}

// note takes notes of what came of it.
func (t *Ticket) note(now time.Time, refusal *Exhausted) {
	if t.query.Trace != nil {
		t.lines.pool.note(&t.query, step{at: now, what: toWait, waited: now.Sub(t.began)}, t.lease, refusal)
	}
}

// join gives a call a ticket, with a lease already if it can be served in its turn, or says why it is not worth while to wait.
func (w *lines) join(q *Query, patience time.Duration) (*Ticket, *Exhausted) {
	w.mu.Lock()
	defer w.unlock()
	now := time.Now()
	t := &Ticket{lines: w, ready: make(chan struct{}), query: *q, tried: q.Tried, began: now, until: now.Add(patience).UnixNano()}
	if q.Tried != nil {
		tried := *q.Tried
		t.query.Tried = &tried
	}
	if n := w.models[q.Model]; n == nil || n.empty() {
		if e := w.offer(t, now); e == nil {
			return t, nil
		} else if !e.mended(now, t.until) || w.pool.options.Queue <= 0 {
			t.note(now, e)
			return nil, e
		}
	}
	t.line = w.line(q.Model)
	t.line.enter(t)
	t.line.serve(now, t)
	if t.flow != nil {
		w.crowdOut(t, now)
	}
	return t, t.refusal
}

// crowdOut makes room when more wait than may. Whoever has the most places loses the newest; that is whoever came last, unless others
// have more than it, or if that would not be enough.
func (w *lines) crowdOut(t *Ticket, now time.Time) {
	for w.crowded() && w.pool.index(t.query.Model, now).dare(now) {
		t.line.serve(now, nil)
	}
	if t.flow == nil || !w.crowded() {
		return
	}
	victim := t
	if most := w.clients.things[w.crowd.order[0].id]; most.places > t.flow.client.places {
		if newest := w.newest(most); w.kept-newest.query.Bytes <= w.pool.options.QueueBytes {
			victim = newest
		}
	}
	n := victim.line
	n.refuse(victim, &Exhausted{Model: n.model, Cause: CauseCrowded, RetryAfter: n.wait(now)})
	n.arm()
}

// leave takes a ticket out. It returns the lease that is left over.
func (w *lines) leave(t *Ticket) *Lease {
	w.mu.Lock()
	defer w.unlock()
	if t.flow != nil {
		t.line.refuse(t, &Exhausted{Model: t.query.Model, Cause: t.line.cause})
		t.line.arm()
		return nil
	}
	if t.taken {
		return nil
	}
	lease := t.lease
	if lease != nil {
		t.lease, t.refusal = nil, &Exhausted{Model: t.query.Model, Cause: CauseCrowded}
	}
	return lease
}

// mended reports whether what a call lacks will be there by a moment.
func (e *Exhausted) mended(now time.Time, by int64) bool {
	return e.Cause.passes() && e.RetryAfter > 0 && now.Add(e.RetryAfter).UnixNano() <= by
}

// passes reports whether waiting mends it, once somebody is expected back.
func (c Cause) passes() bool {
	return c == CauseDisabled || c == CauseQuota || c == CauseRate || c == CauseTried
}
