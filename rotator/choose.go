package rotator

import (
	"math"
	"time"
)

// choice is a candidate chosen for one call.
type choice struct {
	candidate *Candidate
	lane      int32
	member    int32
	facts     *facts
	booking   booking
	why       why
}

// why is why a candidate was chosen.
type why uint8

const (
	byPolicy   why = iota
	byAffinity     // it served the conversation before
	byHedge        // its group has plenty
)

// choose finds a candidate for a call and counts the call against its group, or says why there is none. The changes are to be told
// once no lock is held.
func (ix *index) choose(now time.Time, q *Query, c *choice) (*Exhausted, []Change) {
	home := int32(-1)
	if q.Conversation != 0 && !q.Opening {
		home = ix.home(now, q)
	}
	ix.mu.Lock()
	if nanos := now.UnixNano(); nanos-ix.used.Load() >= grain {
		ix.used.Store(nanos)
	}
	ix.wakeUp(now)
	var exhausted *Exhausted
	if home < 0 || !ix.stay(now, q, home, c) {
		exhausted = ix.find(now, q, c)
	}
	news := ix.news
	if news != nil {
		ix.news = nil
	}
	ix.mu.Unlock()
	if exhausted == nil && q.Conversation != 0 {
		ix.settleDown(now, q, c)
	}
	return exhausted, news
}

// maxLooks bounds how often a call is looked for again because something was back sooner than thought.
const maxLooks = 8

// find searches until there is a candidate, or no more to be brought back.
func (ix *index) find(now time.Time, q *Query, c *choice) *Exhausted {
	for look := 1; ; look++ {
		if ix.search(now, q, c) {
			return nil
		}
		e, again := ix.exhausted(now, q, look < maxLooks)
		if !again {
			ix.runDry(now, e)
			return e
		}
	}
}

// runDry has it told, once, that there is nothing left for the model.
func (ix *index) runDry(now time.Time, e *Exhausted) {
	if ix.out || ix.count[classReady]+ix.count[classNarrow]+ix.count[classProbing] > 0 ||
		e.Cause != CauseRate && e.Cause != CauseQuota && e.Cause != CauseDisabled {
		return
	}
	ix.out = true
	change := Change{State: StateExhausted, Model: ix.model, Reason: e.Cause.String()}
	if e.RetryAfter > 0 {
		change.Until = now.Add(e.RetryAfter)
	}
	ix.news = append(ix.news, change)
}

// search keeps away from everything that was tried, and comes closer only if there is nothing else.
func (ix *index) search(now time.Time, q *Query, c *choice) bool {
	if ix.tooLarge(q.Tokens) {
		return false
	}
	for a := q.Tried.strictest(); a <= avoidFault; a++ {
		if ix.next(&ix.ready, now, q, a, c) || ix.next(&ix.narrow, now, q, a, c) {
			return true
		}
		if q.Tried.empty() {
			break
		}
	}
	return false
}

func (ix *index) tooLarge(tokens int64) bool { return ix.limits.TPM > 0 && tokens > ix.limits.TPM }

// finding is what came of trying to take a lane.
type finding uint8

const (
	taken    finding = iota
	tried            // the request keeps away from it, or is too large for it at any time
	moved            // it was put aside, or further back
	tooSmall         // there is no room in it, nor in any behind it
)

// next takes the first lane of a queue that can serve the call.
func (ix *index) next(from *shelves, now time.Time, q *Query, a avoidance, c *choice) bool {
	var aside []entry
	silent := func(backend int32) bool { return a == avoidHost && q.Tried.backend(ix.names[backend]) }
	found := moved
	for found != taken && found != tooSmall {
		head, ok := from.first(ix.laneBusy, silent)
		if !ok {
			break
		}
		if found = ix.take(head, now, q, a, c); found == tried {
			from.drop(head.id)
			aside = append(aside, head)
		}
	}
	for _, e := range aside {
		from.set(e)
	}
	return found == taken
}

// take gives the call to a lane if the request does not keep away from it.
func (ix *index) take(head entry, now time.Time, q *Query, a avoidance, c *choice) finding {
	l := &ix.lanes[head.id]
	if q.Tried.group(l.group, a) {
		return tried
	}
	m, found := ix.pick(l, now, q.Tried, a)
	if found != taken {
		if found == moved {
			ix.move(head.id, classDisabled, 0)
		}
		return found
	}
	return ix.book(head, m, now.UnixNano(), q.Tokens, c)
}

// book counts the call against a lane, and as one under way, if the lane's facts allow it, else it puts the lane where it belongs.
func (ix *index) book(head, m entry, now, tokens int64, c *choice) finding {
	l := &ix.lanes[head.id]
	f := l.current(ix.model)
	after, short, ok := f.reserve(now, tokens, &ix.limits, &c.booking)
	switch {
	case short.state != "":
		ix.move(head.id, classOf(short), short.until)
		return moved
	case short.never && l.class == classReady:
		return tried // as far as this call goes; others may well use it
	case !ok:
		return ix.squeeze(head.id, short)
	}
	ix.out = false
	ix.turn++
	l.last = ix.turn
	ix.note(l, after)
	ix.busy[head.id].Add(1)
	c.lane, c.member, c.facts = head.id, l.from+m.id, f
	c.candidate = ix.members[c.member].candidate
	c.candidate.inFlight.Add(1) // before it is ranked
	if l.class == classReady {
		ix.floor = head.rank
		ix.enqueue(head.id)
	}
	if l.to-l.from > 1 { // else there is no order to keep
		ix.use(l, m, now)
	}
	return taken
}

// use moves a member back in its lane after it was chosen.
func (ix *index) use(l *lane, head entry, now int64) {
	m := &ix.members[l.from+head.id]
	m.load, m.last = addCall(m.load, now), ix.turn
	l.floor = head.rank
	ix.enqueueMember(l, l.from+head.id)
}

// pick finds the lane's first member that the call may use. Otherwise it is tried when there are members that the request keeps
// away from, and moved when none is usable.
func (ix *index) pick(l *lane, now time.Time, t *Tried, a avoidance) (entry, finding) {
	var aside []entry
	found, at := moved, entry{}
	for !l.ready.empty() {
		head := l.ready.first(func(id int32) int32 { return int32(ix.members[l.from+id].candidate.inFlight.Load()) })
		c := ix.members[l.from+head.id].candidate
		if o := c.unusable(now); o != nil {
			ix.putAway(l, l.from+head.id, o)
			ix.noteOutage(c, o)
			continue
		}
		if !t.account(c.Account, a) {
			found, at = taken, head
			break
		}
		found = tried
		l.ready.drop(head.id)
		aside = append(aside, head)
	}
	for _, e := range aside {
		l.ready.set(e)
	}
	return at, found
}

// noteOutage has an outage told that came about without a call, when a token was refreshed ahead of its expiry.
func (ix *index) noteOutage(c *Candidate, o *outage) {
	if change, first := o.announce(c); first {
		ix.news = append(ix.news, change)
	}
}

// squeeze puts a lane among those with too little room for some calls. There, the one with the most room is at the head: if that
// has too little, then all have.
func (ix *index) squeeze(id int32, s shortage) finding {
	l := &ix.lanes[id]
	if l.class == classNarrow && l.room == s.room {
		return tooSmall
	}
	l.room = s.room
	ix.move(id, classNarrow, s.until)
	return moved
}

func (ix *index) laneBusy(id int32) int32 { return ix.busy[id].Load() }

// exhausted says why nothing was found for a call, and when something will be. Or else, if that is of use, it reports that something is
// back sooner than thought.
func (ix *index) exhausted(now time.Time, q *Query, use bool) (e *Exhausted, again bool) {
	e = &Exhausted{Model: ix.model}
	if len(ix.lanes) == 0 {
		e.nothing = true
		return e, false
	}
	if ix.tooLarge(q.Tokens) {
		e.Cause = CauseTooLarge
		return e, false
	}
	e.RetryAfter, again = ix.soonest(now, q)
	if again && use {
		return nil, true
	}
	waiting := ix.count[classNarrow] + ix.count[classProbing] + ix.count[classMinute] + ix.count[classDay]
	switch {
	case ix.count[classReady] > 0 && !q.Tried.empty():
		e.Cause = CauseTried
	case ix.count[classReady] > 0 && waiting == 0:
		e.Cause, e.RetryAfter = CauseTooLarge, 0 // for each of them, or it would have been taken
	case ix.count[classNarrow]+ix.count[classProbing]+ix.count[classMinute] > 0:
		e.Cause = CauseRate
	case ix.count[classDay] > 0:
		e.Cause = CauseQuota
	case ix.count[classNotEntitled] > 0:
		e.Cause = CauseNotEntitled
	case ix.count[classAbsent] > 0:
		e.Cause = CauseAbsent
	default:
		e.Cause = CauseDisabled
	}
	e.nothing = ix.count[classReady]+ix.count[classNarrow] == 0
	return e, false
}

// maxScan bounds the lanes of each backend asked when they will have room for a call, of which those with the most room come first.
const maxScan = 64

// soonest is how long until a lane that was put aside is back, or until a narrow one has room for the call; 0 for never. It reports
// whether one turned out to be back already; that it has brought back.
func (ix *index) soonest(now time.Time, q *Query) (wait time.Duration, again bool) {
	nanos := now.UnixNano()
	at, again := ix.nextWake(now)
	roomy := int32(-1)
	for i := range ix.narrow.queues {
		narrow := ix.narrow.queues[i].order
		for _, e := range narrow[:min(len(narrow), maxScan)] {
			l := &ix.lanes[e.id]
			fits := l.current(ix.model).fits(nanos, q.Tokens, &ix.limits)
			if fits > nanos {
				at = min(at, fits)
			} else if !q.Tried.group(l.group, avoidFault) {
				roomy, again = e.id, true
			}
		}
	}
	if roomy >= 0 {
		ix.move(roomy, classReady, 0)
	}
	if at == math.MaxInt64 {
		return 0, again
	}
	return time.Duration(at - nanos), again
}

// nextWake is when the first of what was put aside is really back, and whether it is already: facts may have changed since.
func (ix *index) nextWake(now time.Time) (at int64, again bool) {
	nanos, lanes := now.UnixNano(), int32(len(ix.lanes))
	for !ix.wake.empty() {
		id := ix.wake.order[0].id
		if id >= lanes {
			m, l := &ix.members[id-lanes], &ix.lanes[ix.owner[id-lanes]]
			if m.candidate.unusable(now) == nil {
				ix.reviewMember(id-lanes, now)
				again = true
				continue
			}
			if l.class == classDisabled || m.until >= l.until {
				return m.until, again
			}
			m.until = l.until // before that it is of no use
			ix.wake.set(entry{rank: float64(m.until), id: id})
			continue
		}
		l := &ix.lanes[id]
		if _, found := ix.pick(l, now, nil, avoidFault); found != taken {
			ix.move(id, classDisabled, 0)
			continue
		}
		s := l.current(ix.model).shortage(nanos, &ix.limits)
		if s.state != "" && s.until == l.until {
			return s.until, again
		}
		ix.review(id, nanos)
		again = again || s.state == ""
	}
	return math.MaxInt64, again
}

// retryAfter is how long until some call can be served; 0 when one can be now, and when none ever will be.
func (ix *index) retryAfter(now time.Time) time.Duration {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.wakeUp(now)
	for head, ok := ix.ready.first(ix.laneBusy, passNone); ok; head, ok = ix.ready.first(ix.laneBusy, passNone) {
		l := &ix.lanes[head.id]
		if _, found := ix.pick(l, now, nil, avoidFault); found != taken {
			ix.move(head.id, classDisabled, 0)
			continue
		}
		s := l.current(ix.model).shortage(now.UnixNano(), &ix.limits)
		if s.state == "" {
			return 0
		}
		ix.move(head.id, classOf(s), s.until)
	}
	if ix.count[classNarrow] > 0 {
		return 0
	}
	wait, again := ix.soonest(now, &Query{})
	if again {
		return 0
	}
	return wait
}
