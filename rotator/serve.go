package rotator

import (
	"math"
	"time"
)

// maxPassed bounds the tickets that are passed over, one after the other, to find one that is small enough for what is left.
const maxPassed = 256

// round is one walk through a line.
type round struct {
	now      time.Time
	newest   *Ticket // that has just come, and was not tried yet; nil for none
	passed   int
	smallest int64      // prompt that did not fit: larger ones need not be tried
	why      *Exhausted // the last got nothing
	back     int64      // when there will be something for one of those
	nothing  bool       // there is for nobody
	aside    []*flow    // clients of which no ticket can be served now
}

// serve hands out what there is, in order, and sends away whom nothing will be there for in time. newest is a ticket that has just
// come, and is tried even if the walk does not get so far; it may be nil.
func (n *line) serve(now time.Time, newest *Ticket) {
	r := round{now: now, newest: newest, smallest: math.MaxInt64, back: math.MaxInt64}
	for !n.order.empty() && !r.over() {
		n.visit(&r, n.active.things[n.order.order[0].id])
	}
	complete := r.nothing || !r.over()
	for _, f := range r.aside {
		n.rank(f)
	}
	if r.newest != nil && !r.nothing {
		n.try(&r, r.newest)
	}
	n.dismiss(&r, complete)
	n.arm()
}

// over reports whether to go no further.
func (r *round) over() bool { return r.nothing || r.passed >= maxPassed }

// visit serves the next ticket of a client that there is something for, or else puts the client aside for this round.
func (n *line) visit(r *round, f *flow) {
	for t := f.head; t != nil && !r.over(); {
		next := t.next
		if n.try(r, t) {
			return // it may be another's turn now
		}
		t = next
	}
	if f.head != nil && !r.over() {
		n.order.drop(f.number)
		r.aside = append(r.aside, f)
	}
}

// try reports whether a ticket could be served. One that there will be nothing for in time is refused.
func (n *line) try(r *round, t *Ticket) bool {
	r.passed++
	tried := !t.query.Tried.empty()
	if !tried && t.query.Tokens >= r.smallest && t != r.newest {
		return false
	}
	if t == r.newest {
		r.newest = nil
	}
	e := n.lines.offer(t, r.now)
	if e == nil {
		n.charge(t)
		n.leave(t)
		r.passed = 0
		return true
	}
	r.why, r.nothing = e, e.nothing
	if e.RetryAfter > 0 {
		r.back = min(r.back, r.now.Add(e.RetryAfter).UnixNano())
	}
	if !tried && e.Cause != CauseTooLarge {
		r.smallest = min(r.smallest, t.query.Tokens)
	}
	if !e.mended(r.now, t.until) {
		n.refuse(t, e)
		r.passed--
	}
	return false
}

// dismiss refuses whom patience has ended for, and whom nothing will be there for before it does, which is only known after a complete
// round.
func (n *line) dismiss(r *round, complete bool) {
	if r.why == nil {
		return // everybody was served
	}
	now := r.now.UnixNano()
	n.cause, n.back = r.why.Cause, r.back
	until := now
	if complete {
		until = max(until, r.back-1)
	}
	if r.nothing && !r.why.Cause.passes() {
		until = math.MaxInt64
	}
	for !n.empty() {
		t := n.tickets.things[n.ends.order[0].id]
		if t.until > until {
			break
		}
		n.refuse(t, &Exhausted{Model: n.model, Cause: n.cause, RetryAfter: n.wait(r.now)})
	}
}

// refuse sends a ticket away.
func (n *line) refuse(t *Ticket, e *Exhausted) {
	n.leave(t)
	t.note(time.Now(), e)
	t.refusal = e
	close(t.ready)
}

// wait is how long until something is expected back; 0 for never.
func (n *line) wait(now time.Time) time.Duration {
	if n.back == math.MaxInt64 {
		return 0
	}
	return max(time.Duration(n.back-now.UnixNano()), 0)
}

// arm sets the timer to when there is something to do.
func (n *line) arm() {
	switch {
	case n.empty() && n.timer != nil:
		n.timer.Stop()
	case n.empty():
	default:
		next := min(n.back, n.tickets.things[n.ends.order[0].id].until)
		wait := time.Until(time.Unix(0, next))
		if n.timer == nil {
			n.timer = time.AfterFunc(wait, n.tick)
			return
		}
		n.timer.Reset(wait)
	}
}

// tick is called by the timer.
func (n *line) tick() {
	n.lines.mu.Lock()
	defer n.lines.unlock()
	if !n.empty() {
		n.serve(time.Now(), nil)
	}
}
