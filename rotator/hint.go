package rotator

import (
	"sync"
	"sync/atomic"
	"time"
)

// Most projects of an operator are of one tier, so what Google has named as a limit to one of them is likely to hold for the others.
// It is a hint: a group of which no such limit is known may be used up to it as before, but beyond it only by probing, one call at a
// time until Google has answered it, then two, four and so on. So a group with the same limit costs one refused call, however many
// requests come at once, and one with a higher limit is held back for a few calls. Without a hint nothing is held back.

const (
	// maxHinted bounds the pairs of backend and model of which hints are kept.
	maxHinted = 256
	// probeAgain is when to look again at a group in which as many probes are under way as may be. Mostly they tell before.
	probeAgain = int64(time.Second)
	// A group that has used so many times a hint is not held to it. Less may be chance: two of Google's minutes can share one of
	// those that are counted here.
	farBeyond = 2
)

// hints are the limits of a model that groups of one backend have. They are safe for concurrent use.
type hints struct {
	any   atomic.Bool // there has been one
	mu    sync.Mutex  // for writers; after the lock of facts
	kinds [quotaKinds]hint

	proofs proofs
}

// hint is the smallest limit of one kind that was named to a group and still holds.
type hint struct {
	value atomic.Int64 // 0 for none
	until atomic.Int64 // when it is forgotten unless Google names it again; Unix nanoseconds

	held, exceeded int // groups that it was named to, and that have exceeded it
}

// hinted is where hints belong.
type hinted struct{ backend, model string }

// hintsFor returns the hints for a model. There are none, nil, for models beyond those that are remembered.
func (m *Models) hintsFor(backend, model string) *hints {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := hinted{backend, model}
	if h := m.hints[key]; h != nil {
		return h
	}
	if len(m.hints) >= maxHinted {
		for key, h := range m.hints { // clients can name any model; only those of which something is known are worth keeping
			if !h.any.Load() {
				delete(m.hints, key)
			}
		}
	}
	if len(m.hints) >= maxHinted {
		return nil
	}
	h := &hints{}
	h.proofs.minute.add(leastRPM)
	h.proofs.day.add(leastRPD)
	m.hints[key] = h
	return h
}

// current is the hint that holds; 0 for none.
func (h *hint) current(now int64) int64 {
	if value := h.value.Load(); value > 0 && now < h.until.Load() {
		return value
	}
	return 0
}

// name remembers that a limit was named to a group, to which another was before; 0 for none.
func (h *hints) name(q Quota, before, value, now int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	one := &h.kinds[q]
	one.drop(before)
	switch current := one.current(now); {
	case current == 0 || value < current:
		one.held, one.exceeded = 1, 0
	case value == current:
		one.held++
	default:
		return // a group of a higher tier
	}
	one.until.Store(now + int64(believed))
	one.value.Store(value)
	h.any.Store(true)
}

// drop notes that a limit holds no longer for a group that it was named to.
func (h *hints) drop(q Quota, value int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kinds[q].drop(value)
}

func (h *hint) drop(value int64) {
	if value == 0 || value != h.value.Load() {
		return
	}
	if h.held--; h.held <= 0 {
		h.value.Store(0)
	}
}

// exceed notes that a group has more than the hint. Once more groups have than have not, it is none.
func (h *hints) exceed(q Quota, value int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	one := &h.kinds[q]
	if value == 0 || value != one.value.Load() {
		return
	}
	if one.exceeded++; one.exceeded > one.held {
		one.value.Store(0)
	}
}

// probing is how far a group is beyond the hints. The lock of its facts guards it.
type probing struct {
	hints  *hints            // nil for none
	above  [quotaKinds]int64 // hints that the group has exceeded by far
	flying int32             // probes under way
	taken  int32             // probes that Google has taken since the group was last below the hints
}

// heed has a group be held to hints from now on, and those know what was named to it.
func (f *facts) heed(h *hints, now int64) {
	if h == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.probing.hints = h
	f.teach(now)
}

// teach tells what limits were named to the group. The caller holds the lock.
func (f *facts) teach(now int64) {
	if f.learned == nil || f.probing.hints == nil {
		return
	}
	for q := range f.learned.limits {
		if l := &f.learned.limits[q]; l.value > 0 && l.value != l.hinted {
			f.probing.hints.name(Quota(q), l.hinted, l.value, now)
			l.hinted = l.value
		}
	}
}

// hinted reports whether there may be hints. The caller holds the lock.
func (f *facts) hinted() bool { return f.probing.hints != nil && f.probing.hints.any.Load() }

// probe is a call beyond hints.
type probe struct {
	past beyond // which hints it exceeds
	far  beyond // which of them the group has exceeded by far if Google takes it
	room int64  // the tokens that are left up to the hints; 0 for none, and when it is not for tokens that it exceeds them
	more bool   // there has been a call beyond a hint
}

// probes says what is beyond the hints of a call of so many tokens, by the limits that hold. The caller holds the lock.
func (f *facts) probes(now, tokens int64, l *bounds) (p probe) {
	for q, kind := range [quotaKinds]struct{ limit, used, more int64 }{
		QuotaRPM: {l.RPM, f.minute.calls, 1}, QuotaRPD: {l.RPD, f.day.calls, 1},
		QuotaTPM: {l.TPM, f.minute.tokens, tokens}, QuotaTPD: {l.TPD, f.day.tokens, tokens},
	} {
		hint := f.probing.hints.kinds[q].current(now)
		if hint == 0 || kind.limit > 0 || hint <= f.probing.above[q] || kind.used+kind.more <= hint {
			continue
		}
		if room := max(hint-kind.used, 0); p.past == 0 || room < p.room {
			p.room = room
		}
		p.past |= 1 << q
		p.more = p.more || kind.used > hint
		if kind.used >= farBeyond*hint {
			p.far |= 1 << q
		}
	}
	return p
}

// crowded reports whether as many calls are under way as may be beyond hints, by the limits that hold, if another of so many tokens is
// beyond them. The caller holds the lock.
func (f *facts) crowded(now, tokens int64, l *bounds) bool {
	if !f.hinted() || f.probing.flying <= f.probing.taken && f.proving.awaited == 0 {
		return false
	}
	p := f.probes(now, tokens, l)
	return p.past != 0 && f.full(now, &p)
}

// full is crowded for what is known to be a probe. A call that was made before there was a hint may turn out to have been one, too. The
// caller holds the lock.
func (f *facts) full(now int64, p *probe) bool {
	return f.probing.flying > f.probing.taken || p.more && f.probing.taken == 0 && f.awaits(now)
}

// admit reports whether a call may be made as far as hints go, and begins a probe if it is one. The caller holds the lock.
func (f *facts) admit(now, tokens int64, l *bounds, b *booking) (shortage, bool) {
	p := f.probes(now, tokens, l)
	switch {
	case p.past == 0:
		if f.probing.flying == 0 {
			f.probing.taken = 0
		}
		return shortage{}, true
	case f.full(now, &p):
		f.short = true
		return shortage{room: p.room, until: now + probeAgain}, false
	}
	b.probe, b.far = p.past, p.far
	f.probing.flying++
	return shortage{}, true
}

// land ends a probe. taken is that Google took it. The caller holds the lock.
func (f *facts) land(b *booking, taken bool) {
	if b.probe == 0 {
		return
	}
	b.probe = 0
	f.probing.flying--
	if !taken {
		return
	}
	f.probing.taken++
	for q := range f.probing.above {
		if b.far&(1<<q) != 0 {
			f.exceed(Quota(q), f.probing.hints.kinds[q].value.Load())
		}
	}
}

// exceed has the group not be held to a hint any more. The caller holds the lock.
func (f *facts) exceed(q Quota, hint int64) {
	if h := f.probing.hints; h != nil && hint > f.probing.above[q] {
		f.probing.above[q] = hint
		h.exceed(q, hint)
	}
}

// disprove forgets limits that Google let be exceeded. The caller holds the lock.
func (f *facts) disprove(b beyond) {
	for q := range f.learned.limits {
		if l := &f.learned.limits[q]; b&(1<<q) != 0 {
			f.unlearn(Quota(q))
			f.exceed(Quota(q), l.hinted)
			*l = learnedLimit{}
		}
	}
}

// unlearn has the hints know that a limit holds no longer. The caller holds the lock.
func (f *facts) unlearn(q Quota) {
	if h := f.probing.hints; h != nil {
		h.drop(q, f.learned.limits[q].hinted)
	}
}
