package rotator

import (
	"maps"
	"math"
	"sync"
	"sync/atomic"
)

// maxFacts bounds the models of which a group knows something: clients can name any model.
const maxFacts = 128

// Group is state: what has been learned about one quota group of one backend, by model. Google counts quota by project and model,
// whichever account of the project calls. It holds facts, not settings, so handlers share it. It is safe for concurrent use.
type Group struct {
	joined  atomic.Pointer[Group] // the group that this one is counted as; nil for itself. Set once, but for shortcuts
	changes atomic.Uint64         // besides those that accounts make: see Candidate.Changes

	mu       sync.Mutex
	models   map[string]*facts // models that share a bucket have the same; nil when joined
	consumer string            // a project that Google has named for its calls; empty for none
}

// NewGroup returns the state of a quota group of which nothing is known.
func NewGroup() *Group { return &Group{models: make(map[string]*facts)} }

// facts is what is known about one model in one quota group. Moments are Unix times in nanoseconds.
type facts struct {
	evicted atomic.Bool // the group has forgotten these: look again

	mu      sync.Mutex
	minute  window
	day     day
	learned *learned // nil for nothing
	probing probing
	proving proving
	load    float64 // see Standing.Load

	until  int64 // cooling until then
	state  string
	absent bool  // cooling because the model is not there
	marked int64 // when it last began to cool
	streak int   // times in a row that it was refused without a time
	told   bool  // that it cools, and not yet that it no longer does

	short bool // someone found too little left, and comes back only when told or after a time
	used  int64
}

// facts returns what is known about a model, to be added to.
func (g *Group) facts(model string) *facts {
	g = g.lock()
	defer g.mu.Unlock()
	if f := g.models[model]; f != nil {
		return f
	}
	if len(g.models) >= maxFacts {
		g.forget()
	}
	f := &facts{load: math.Inf(-1)}
	g.models[model] = f
	return f
}

// known returns what is known about a model; nil for nothing.
func (g *Group) known(model string) *facts {
	g = g.lock()
	defer g.mu.Unlock()
	return g.models[model]
}

// forget drops the facts that are missed least: of a model that the group does not have, else of the one unused for longest. The
// caller holds the lock.
func (g *Group) forget() {
	var least *facts
	for _, f := range g.models {
		if least == nil || f.dispensable(least) {
			least = f
		}
	}
	least.evicted.Store(true)
	maps.DeleteFunc(g.models, func(_ string, f *facts) bool { return f == least }) // models may share a bucket
}

func (f *facts) dispensable(than *facts) bool {
	useless, used := f.age()
	thanUseless, thanUsed := than.age()
	if useless != thanUseless {
		return useless
	}
	return used < thanUsed
}

func (f *facts) age() (notEntitled bool, used int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state == StateNotEntitled, f.used
}

// pass lets go of what is over by now. The caller holds the lock.
func (f *facts) pass(now int64) {
	if back := f.used - now; back > clockMoved {
		f.setBack(back)
	}
	f.minute.slide(now)
	f.day.roll(now)
}

// clockMoved is from when on a clock that goes backwards was set; less may be the difference between two goroutines that looked at it.
const clockMoved = minute

// setBack has moments count from a clock that was set back, as if the last call had been made now. Else everything would last longer by
// as much. The caller holds the lock.
func (f *facts) setBack(by int64) {
	f.used -= by
	f.until -= by
	f.marked -= by
	f.load -= float64(by) / halfLife
	f.proving.latest -= by
	f.minute.shift(-by)
}

// Limit is what may be spent on the models that match a glob, per quota group and model. 0 is no limit. Where several limits match,
// all of them hold: each is a promise. So do those that are learned from Google's refusals.
type Limit struct {
	Model string // glob, as of path.Match
	RPM   int64  // calls in any minute
	RPD   int64  // calls in a day of Google's, which ends at midnight in California
	TPM   int64  // prompt tokens in any minute
}

// shortage is what a group lacks.
type shortage struct {
	state string // why it can serve no call at all for this model; empty when it can serve some
	until int64  // when that ends; when only this call is too large: when there will be more room
	room  int64  // when only this call is too large: the tokens that are left
	never bool   // the call is larger than the limit of a minute

	absent bool // the model is not there
}

// booking is what a call has been counted as.
type booking struct {
	span, day, tokens int64

	last   bool   // it was the last call that the day's limit allows
	beyond beyond // which limits it exceeds, to see whether they still hold
	probe  beyond // which hints it exceeds; none once Google has answered
	far    beyond // see probe
	watch  bool   // Google's answer is awaited, to learn from it
}

// awaited reports whether it matters to others what Google says.
func (b *booking) awaited() bool { return b.probe != 0 || b.watch }

// reserve counts a call before it is made, so that calls made at the same time cannot spend more than there is. It returns how
// much the group is used then, or what is missing if there is too little. It fills an empty booking.
func (f *facts) reserve(now, tokens int64, l *rules, b *booking) (after use, short shortage, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	limit := f.learned.within(now, l)
	if short = f.missing(now, &limit); short.state != "" {
		return after, short, false
	}
	if limit.TPM|limit.TPD != 0 {
		if short, ok = f.squeeze(now, tokens, &limit); !ok {
			return after, short, false
		}
	}
	if f.hinted() {
		if short, ok = f.admit(now, tokens, &limit, b); !ok {
			return after, short, false
		}
	}
	f.day.calls++
	f.day.tokens += tokens
	f.used = now
	f.observe(now, &limit, b)
	f.load = addCall(f.load, now)
	b.span, b.day, b.tokens, b.last = f.minute.add(now, tokens), f.day.ends, tokens, limit.RPD > 0 && f.day.calls == limit.RPD
	if f.learned != nil {
		b.beyond = f.learned.count(f)
	}
	return use{load: f.load, left: f.left(&limit)}, short, true
}

// squeeze reports whether there is room for so many tokens, and else when there will be more. The caller holds the lock.
func (f *facts) squeeze(now, tokens int64, l *bounds) (shortage, bool) {
	var s shortage
	if l.TPM > 0 && f.minute.tokens+tokens > l.TPM {
		s = shortage{room: l.TPM - f.minute.tokens, until: f.minute.freed(now, 0, 1), never: tokens > l.TPM}
	}
	if room := l.TPD - f.day.tokens; l.TPD > 0 && tokens > room && (s.until == 0 || room < s.room) {
		s = shortage{room: room, until: f.day.ends, never: s.never || tokens > l.TPD}
	}
	if s.until == 0 {
		return s, true
	}
	f.short = true
	return s, false
}

// use is how much a group is used: see Standing.
type use struct {
	load float64
	left float64 // NaN when no limit is known
}

// halfLife is the age in nanoseconds at which a call counts half in a load.
const halfLife = 40e9

// addCall adds one call to a load, which is the binary logarithm of a sum of calls. Instead of lowering old calls as they age, a
// new one counts for more the later it is made, so loads at rest stay in order and need no upkeep. Between powers of two the
// logarithm is taken to be linear, which is off by less than a tenth of a doubling, keeps the order and costs no transcendental
// function.
func addCall(load float64, now int64) float64 {
	call := float64(now) / halfLife
	if load < call {
		load, call = call, load
	}
	if load-call > 52 {
		return load
	}
	whole, wholeCall := math.Floor(load), math.Floor(call)
	scale := math.Float64frombits(uint64(1023+int(wholeCall-whole)) << 52) // 2 to the power of the difference
	sum := (1 + load - whole) + (1+call-wholeCall)*scale
	if sum >= 2 {
		whole, sum = whole+1, sum/2
	}
	return whole + sum - 1
}

// shortage returns why no call at all can be served; its state is empty when some can.
func (f *facts) shortage(now int64, l *rules) shortage {
	f.mu.Lock()
	defer f.mu.Unlock()
	limit := f.learned.within(now, l)
	return f.missing(now, &limit)
}

// missing is what is short for the smallest of calls, by all limits that hold. The caller holds the lock.
func (f *facts) missing(now int64, l *bounds) shortage {
	f.pass(now)
	var s shortage
	if f.until > now {
		s = shortage{state: f.state, until: f.until, absent: f.absent}
	}
	if (over(f.day.calls, l.RPD) > 0 || over(f.day.tokens, l.TPD) > 0) && f.day.ends > s.until {
		s = shortage{state: StateQuotaLong, until: f.day.ends}
		f.short = true
	}
	calls, tokens := over(f.minute.calls, l.RPM), over(f.minute.tokens, l.TPM)
	if calls > 0 || tokens > 0 {
		f.short = true
		if at := f.minute.freed(now, calls, tokens); at > s.until {
			s = shortage{state: StateRateShort, until: at}
		}
	}
	if s.state == "" && f.crowded(now, 1, l) {
		s = shortage{state: StateProbing, until: now + probeAgain}
		f.short = true
	}
	if at := f.held(now, l); s.state == "" && at > now {
		s = shortage{state: StateProbing, until: at}
		f.short = true
	}
	return s
}

// over is by how much what is used must fall until one more fits; 0 when it does.
func over(used, limit int64) int64 {
	if limit <= 0 {
		return 0
	}
	return max(used+1-limit, 0)
}

// fits returns when a call of that many tokens will fit into the minute; math.MaxInt64 for never.
func (f *facts) fits(now, tokens int64, l *rules) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pass(now)
	limit := f.learned.within(now, l)
	if limit.TPM > 0 && tokens > limit.TPM || limit.TPD > 0 && tokens > limit.TPD {
		return math.MaxInt64
	}
	excess := int64(0)
	if limit.TPM > 0 {
		excess = f.minute.tokens + tokens - limit.TPM
	}
	at := f.minute.freed(now, over(f.minute.calls, limit.RPM), excess)
	if limit.TPD > 0 && f.day.tokens+tokens > limit.TPD {
		at = max(at, f.day.ends)
	}
	if f.crowded(now, tokens, &limit) {
		at = max(at, now+probeAgain)
	}
	return max(at, f.held(now, &limit))
}

// settle corrects what a call was counted as, now that it is over. It reports whether someone who found too little should look
// again.
func (f *facts) settle(b *booking, o *Outcome, began int64) (look bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var calls, more int64
	switch {
	case !o.counted():
		calls, more = -1, -b.tokens
	case o.Tokens > 0:
		more = o.Tokens - b.tokens
	}
	if calls != 0 || more != 0 {
		f.minute.adjust(b.span, calls, more)
		if b.day == f.day.ends {
			f.day.calls += calls
			f.day.tokens += more
		}
	}
	if o.served() && began > f.marked {
		f.streak = 0
	}
	if o.served() && b.beyond != 0 && f.learned != nil {
		f.disprove(b.beyond)
	}
	freed := calls < 0 || more < 0
	if o.Decision.Mark != MarkGroup { // else others would try the same before it is known what there was to learn
		freed = f.heard(b, began, o.served() && o.Tokens > 0) || freed // otherwise the client may have gone away before Google said anything
	}
	return freed && f.freed()
}

// answered notes that Google took the call or refused it, before it is over. It reports whether someone who found too little should look
// again.
func (f *facts) answered(b *booking, began int64, taken bool) (look bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.heard(b, began, taken) && f.freed()
}

// heard ends the wait for what Google says to a call. It reports false if nobody waits for that. The caller holds the lock.
func (f *facts) heard(b *booking, began int64, taken bool) bool {
	if !b.awaited() {
		return false
	}
	f.land(b, taken)
	f.reckon(b, began, taken)
	return true
}

// freed reports whether someone found too little and has not been told to look again. The caller holds the lock.
func (f *facts) freed() (look bool) {
	look, f.short = f.short, false
	return look
}

// cool puts the group aside for the model. A mark that lasts longer stays. It reports whether the group was not cooling before.
func (f *facts) cool(d Decision, now, began int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d.untimed && began > f.marked {
		f.streak++ // once, however many calls were under way when the first was refused
	}
	cooling := f.until > now
	until := d.Until.UnixNano()
	if until <= f.until || until <= now {
		return false
	}
	if !cooling {
		f.marked = now
	}
	f.until, f.state, f.absent = until, d.State, d.absent
	f.told = true
	return !cooling
}

// refusals is how often in a row the model was refused without a time, before the call that began then.
func (f *facts) refusals(began int64) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if began <= f.marked {
		return max(f.streak-1, 0)
	}
	return f.streak
}

// today is what was counted since midnight in California.
func (f *facts) today(now int64) day {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pass(now)
	return f.day
}

// use returns how much the group is used.
func (f *facts) use(now int64, l *rules) use {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pass(now)
	limit := f.learned.within(now, l)
	return use{load: f.load, left: f.left(&limit)}
}

// recovered reports, once, that the group no longer cools.
func (f *facts) recovered(now int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.told || f.until > now {
		return false
	}
	f.told = false
	return true
}
