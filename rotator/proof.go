package rotator

import (
	"math"
	"sync/atomic"
	"time"
)

// When the first call of a group is refused because a limit is reached, so are all others that are under way. So while a limit is
// unknown, and none like it was named to another group, no more calls are under way at once than Google has been seen to take of one
// group, in a minute and in a day; beyond that a call is made once those before it have been answered. Then one refusal teaches a limit.
// What one group has shown goes for all of its backend. The more they have shown, the more may be under way beyond it: it is
// small limits that bursts meet. And nobody is turned away for this caution: see dare.

// What is common practice, or unverified.
const (
	// leastRPM and leastRPD are the smallest limits of which Google's users report.
	leastRPM, leastRPD = 5, 20
	// Up to so many calls each counts. Beyond that as many again may be under way in advance, and from proofPlenty on any number.
	proofEach, proofPlenty = 25, 1000
	// refusedWithin is how long Google takes at most to refuse a call for its quota. One that has heard nothing for longer was taken: the
	// first token can take much longer.
	refusedWithin = int64(250 * time.Millisecond)
)

// proofs are the most calls of a minute of the clock's, and of a day, that Google was seen to take of one group. They are safe for
// concurrent use.
type proofs struct{ minute, day proof }

type proof struct{ calls atomic.Int64 }

// add notes that a group was allowed so many calls.
func (p *proof) add(calls int64) {
	for old := p.calls.Load(); calls > old && !p.calls.CompareAndSwap(old, calls); old = p.calls.Load() {
	}
}

// ahead is how many calls may be awaited while one more is made by a group that has used so many; math.MaxInt64 for any number.
func (p *proof) ahead(used int64) int64 {
	switch proven := p.calls.Load(); {
	case used < proven || proven >= proofPlenty:
		return math.MaxInt64
	case proven <= proofEach:
		return 0
	default:
		return proven
	}
}

// dare has twice as much count as proven if groups are held back, since requests would have to be turned away otherwise. It reports false
// if there is nothing to gain.
func (ix *index) dare(now time.Time) bool {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	var held []int32
	for i := range ix.lanes {
		if l := &ix.lanes[i]; l.class == classProbing && l.current(ix.model).cautious(now.UnixNano(), &ix.limits) {
			held = append(held, int32(i))
		}
	}
	if len(held) == 0 {
		return false
	}
	for _, p := range ix.proofs {
		p.minute.add(2 * p.minute.calls.Load())
		p.day.add(2 * p.day.calls.Load())
	}
	for _, id := range held {
		ix.review(id, now.UnixNano())
	}
	return true
}

// cautious reports whether the group is held back.
func (f *facts) cautious(now int64, l *rules) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	limit := f.learned.within(now, l)
	return f.held(now, &limit) > now
}

// proving is which calls of a group are under way while its limits are unknown. The lock of its facts guards it. Moments are Unix times
// in nanoseconds.
type proving struct {
	awaited int64 // calls that Google has not answered
	latest  int64 // when the last of them began
	assumed int64 // those that began until then count as answered
	minute  int64 // of the clock's: the number of it
	calls   int64 // in that minute
}

// seeks reports whether a limit is to be found out: none is known, and none was named to others. The caller holds the lock.
func (f *facts) seeks(q Quota, p *proof, limit, now int64) bool {
	return limit == 0 && p.calls.Load() < proofPlenty && f.probing.hints.kinds[q].current(now) == 0
}

// held returns when one more call may be made at the latest, as far as proofs go; 0 for now. The caller holds the lock.
func (f *facts) held(now int64, l *bounds) int64 {
	if !l.patient || !f.awaits(now) {
		return 0
	}
	p, proofs := &f.proving, &f.probing.hints.proofs
	if f.seeks(QuotaRPM, &proofs.minute, l.RPM, now) && p.awaited > proofs.minute.ahead(f.minute.calls) ||
		f.seeks(QuotaRPD, &proofs.day, l.RPD, now) && p.awaited > proofs.day.ahead(f.day.calls) {
		return p.latest + refusedWithin
	}
	return 0
}

// awaits reports whether there are calls that Google has yet to take or refuse. The caller holds the lock.
func (f *facts) awaits(now int64) bool {
	p := &f.proving
	if p.awaited > 0 && p.latest+refusedWithin <= now {
		p.awaited, p.assumed = 0, p.latest
		f.prove()
	}
	return p.awaited > 0
}

// observe has a call that is made now be awaited if there is something to learn from it. The caller holds the lock.
func (f *facts) observe(now int64, l *bounds, b *booking) {
	h := f.probing.hints
	if h == nil || !l.patient || !f.seeks(QuotaRPM, &h.proofs.minute, l.RPM, now) && !f.seeks(QuotaRPD, &h.proofs.day, l.RPD, now) {
		return
	}
	p := &f.proving
	if m := now / minute; m != p.minute {
		p.minute, p.calls = m, 0
	}
	p.calls++
	p.awaited++
	p.latest, b.watch = now, true
}

// reckon ends the awaiting of a call. taken is that Google took it. The caller holds the lock.
func (f *facts) reckon(b *booking, began int64, taken bool) {
	watched := b.watch && began > f.proving.assumed
	if b.watch = false; !watched {
		return
	}
	f.proving.awaited--
	if taken {
		f.prove()
	}
}

// prove notes how many calls Google was seen to take. Those that are awaited may not be among them. The caller holds the lock.
func (f *facts) prove() {
	proofs, p := &f.probing.hints.proofs, &f.proving
	proofs.minute.add(p.calls - p.awaited)
	proofs.day.add(f.day.calls - p.awaited)
}
