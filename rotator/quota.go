package rotator

import (
	"math"
	"time"
)

// A limit that Google named is kept to, so a raised one would never show by itself. After some time it is doubted: one call more is made
// than it allows. If Google refuses that, the limit holds for as long again; if not, it is forgotten until the next refusal. One refused
// call in two weeks is little even of the smallest quotas, and one in so many calls is little of large ones. A lowered limit shows at
// once.
const (
	believed      = 14 * 24 * time.Hour
	believedLeast = 24 * time.Hour // however many calls were made
	believedCalls = 500
	// doubtedTokens is by which part of it a doubted limit on tokens may be exceeded.
	doubtedTokens = 4
)

// learned are the limits that Google has named in refusals. They are facts, and hold besides those of the configuration. Moments are
// Unix times in nanoseconds.
type learned struct {
	limits [quotaKinds]learnedLimit
	calls  int64 // made since something was learned
}

type learnedLimit struct {
	id     string // Google's name of the quota
	value  int64  // 0 for none
	until  int64  // when it is doubted at the latest
	soon   int64  // when it is at the soonest
	after  int64  // of learned.calls, when it may be soon
	hinted int64  // the value that hints know of
}

// bounds are the limits that hold: those of the configuration, and what is learned besides.
type bounds struct {
	RPM, RPD, TPM int64 // as in Limit
	TPD           int64 // prompt tokens of a day
	patient       bool  // as in rules
}

// beyond is a set of quotas.
type beyond uint8

// set remembers a limit that Google named. Of one quota the latest word counts, whether higher or lower than the one before; of two
// quotas that count the same, such as a model's and a region's, the tighter. What is no limit on something counted here is no news.
func (n *learned) set(v *Violation, now int64) {
	l := &n.limits[v.Quota]
	if v.Quota == QuotaOther || v.Value <= 0 || l.id != v.QuotaID && l.value > 0 && l.value < v.Value && !n.doubts(l, now) {
		return
	}
	*l = learnedLimit{id: v.QuotaID, value: v.Value, until: now + int64(believed), hinted: l.hinted}
	n.believe(l, now)
}

// believe has a limit hold until it is time to doubt it.
func (n *learned) believe(l *learnedLimit, now int64) {
	l.soon, l.after = now+int64(believedLeast), n.calls+believedCalls
}

func (n *learned) doubts(l *learnedLimit, now int64) bool {
	return l.until <= now || l.soon <= now && l.after <= n.calls
}

// inherit takes over the limits that another bucket knew and this does not, or not as well.
func (n *learned) inherit(other *learned, now int64) {
	for q := range n.limits {
		if l := &n.limits[q]; l.until < other.limits[q].until {
			*l = other.limits[q]
			n.believe(l, now)
		}
	}
}

// within is the tighter of configured limits and the learned ones, of which there may be none.
func (n *learned) within(now int64, l *rules) bounds {
	if n == nil {
		return bounds{RPM: l.RPM, RPD: l.RPD, TPM: l.TPM, patient: l.patient}
	}
	return bounds{
		RPM: n.limit(QuotaRPM, now, l.RPM), RPD: n.limit(QuotaRPD, now, l.RPD), TPM: n.limit(QuotaTPM, now, l.TPM), TPD: n.limit(QuotaTPD, now, 0),
		patient: l.patient,
	}
}

func (n *learned) limit(q Quota, now, configured int64) int64 {
	l := &n.limits[q]
	switch {
	case l.value == 0:
		return configured
	case !n.doubts(l, now):
		return tighter(l.value, configured)
	case q == QuotaTPM, q == QuotaTPD:
		return tighter(l.value+l.value/doubtedTokens, configured)
	default:
		return tighter(l.value+1, configured)
	}
}

// count counts a call. It returns which of the limits is exceeded now, because it was doubted. The caller holds the lock of the facts.
func (n *learned) count(f *facts) beyond {
	n.calls++
	var b beyond
	for q, used := range [quotaKinds]int64{QuotaRPM: f.minute.calls, QuotaRPD: f.day.calls, QuotaTPM: f.minute.tokens, QuotaTPD: f.day.tokens} {
		if l := &n.limits[q]; l.value > 0 && used > l.value {
			b |= 1 << q
		}
	}
	return b
}

// refuse remembers that Google refused the model: for how long, and what it said about its limits. It reports whether the model was
// not cooling before.
func (g *Group) refuse(model string, d *Decision, now, began int64) bool {
	f := g.facts(model)
	if d.fault != nil {
		f = g.learn(model, d.fault, now)
	}
	return f.cool(*d, now, began)
}

// learn remembers the limits that Google named, and returns the facts of the bucket that is spent. Where Google names another model
// than was asked for, the two share a bucket.
func (g *Group) learn(model string, fault *Fault, now int64) *facts {
	if fault.Model != "" && fault.Model != model {
		g.share(model, fault.Model, now)
	}
	f := g.facts(model)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.learned == nil && len(fault.Violations) > 0 {
		f.learned = &learned{}
	}
	for i := range fault.Violations {
		if v := &fault.Violations[i]; v.Model == "" || v.Model == model || v.Model == fault.Model { // else it is another bucket's
			f.learned.set(v, now)
		}
	}
	f.teach(now)
	return f
}

// share has two models counted as one from now on, with all that is known about either.
func (g *Group) share(model, bucket string, now int64) {
	g.facts(model)
	shared := g.facts(bucket)
	g = g.lock()
	defer g.mu.Unlock()
	own := g.models[model]
	if own == nil || own == shared || g.models[bucket] != shared {
		return // the same already; or forgotten meanwhile, and there is nothing to join
	}
	shared.absorb(own, now)
	g.rename(own, shared)
	own.evicted.Store(true)
}

// absorb adds what another bucket has counted and learned. Calls of the last minute count as if they were made now: they are not
// told apart any more, and later is the safe side. A lease on the other bucket settles there, where it does no harm.
func (f *facts) absorb(other *facts, now int64) {
	other.mu.Lock()
	other.pass(now)
	calls, tokens, day := other.minute.calls, other.minute.tokens, other.day
	var known learned
	if other.learned != nil {
		known = *other.learned
	}
	until, state, absent, told, load := other.until, other.state, other.absent, other.told, other.load
	other.mu.Unlock()

	f.mu.Lock()
	defer f.mu.Unlock()
	f.pass(now)
	if calls > 0 {
		f.minute.adjust(f.minute.add(now, tokens), calls-1, 0)
	}
	if day.ends == f.day.ends {
		f.day.calls += day.calls
		f.day.tokens += day.tokens
	}
	if f.learned == nil {
		f.learned = &learned{}
	}
	f.learned.inherit(&known, now)
	f.load = max(f.load, load)
	if until > f.until {
		f.until, f.state, f.absent, f.told = until, state, absent, told
	}
}

// minutesOfADay turns a minute's limit into a day's.
const minutesOfADay = 24 * 60

// left is the binary logarithm of the calls that the tightest of the limits leaves until the day ends; NaN when there is no limit. What
// was spent of the minute is not taken off, because that is back within the minute; Standing.Load tells it.
func (f *facts) left(l *bounds) float64 {
	if l.RPM|l.RPD|l.TPM|l.TPD == 0 {
		return math.NaN()
	}
	calls := math.Inf(1)
	if l.RPM > 0 {
		calls = float64(l.RPM) * minutesOfADay
	}
	if l.RPD > 0 {
		calls = min(calls, float64(l.RPD-f.day.calls))
	}
	if l.TPM > 0 && f.minute.tokens > 0 {
		calls = min(calls, float64(l.TPM)*minutesOfADay*float64(f.minute.calls)/float64(f.minute.tokens))
	}
	if l.TPD > 0 && f.day.tokens > 0 {
		calls = min(calls, float64(l.TPD-f.day.tokens)*float64(f.day.calls)/float64(f.day.tokens))
	}
	if math.IsInf(calls, 1) {
		return math.NaN()
	}
	return doublings(max(calls, 1))
}

// doublings is the binary logarithm of a number from 1 on, taken to be linear between powers of two: see addCall.
func doublings(x float64) float64 {
	bits := math.Float64bits(x)
	exponent := int(bits>>52) - 1023
	fraction := math.Float64frombits(bits&(1<<52-1)|1023<<52) - 1
	return float64(exponent) + fraction
}
