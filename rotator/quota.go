package rotator

import (
	"math"
	"time"
)

// believed is for how long a limit that Google named is taken for granted. A limit is kept to, so a raised one would never show by
// itself; after this time one call more is made than it allows. If Google refuses that, the limit holds for as long again. One refused
// call in two weeks is little even of the smallest quotas, and a lowered limit shows at once.
const believed = 14 * 24 * time.Hour

// learned are the limits that Google has named in refusals. They are facts, and hold besides those of the configuration. Moments are
// Unix times in nanoseconds.
type learned struct {
	rpm, rpd, tpm learnedLimit
}

type learnedLimit struct {
	id    string // Google's name of the quota
	value int64
	until int64
}

// set remembers a limit that Google named. Of one quota the latest word counts, whether higher or lower than the one before; of two
// quotas that count the same, such as a model's and a region's, the tighter. What is no limit on something counted here is no news.
func (n *learned) set(v *Violation, now int64) {
	l := [...]*learnedLimit{QuotaOther: nil, QuotaRPM: &n.rpm, QuotaRPD: &n.rpd, QuotaTPM: &n.tpm}[v.Quota]
	if l == nil || v.Value <= 0 || l.until > now && l.id != v.QuotaID && l.value < v.Value {
		return
	}
	*l = learnedLimit{id: v.QuotaID, value: v.Value, until: now + int64(believed)}
}

// inherit takes over the limits that another bucket knew and this does not.
func (n *learned) inherit(other *learned) {
	for _, pair := range [...][2]*learnedLimit{{&n.rpm, &other.rpm}, {&n.rpd, &other.rpd}, {&n.tpm, &other.tpm}} {
		if pair[0].until < pair[1].until {
			*pair[0] = *pair[1]
		}
	}
}

// within is the tighter of configured limits and the learned ones, of which there may be none.
func (n *learned) within(now int64, l *Limit) Limit {
	if n == nil {
		return *l
	}
	return Limit{RPM: n.rpm.within(now, l.RPM), RPD: n.rpd.within(now, l.RPD), TPM: n.tpm.within(now, l.TPM)}
}

func (l *learnedLimit) within(now, configured int64) int64 {
	if l.until <= now {
		return configured
	}
	return tighter(l.value, configured)
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
		f.learned.set(&fault.Violations[i], now)
	}
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
	other.minute.slide(now)
	other.day.roll(now)
	calls, tokens, day := other.minute.calls, other.minute.tokens, other.day
	var known learned
	if other.learned != nil {
		known = *other.learned
	}
	until, state, absent, told, load := other.until, other.state, other.absent, other.told, other.load
	other.mu.Unlock()

	f.mu.Lock()
	defer f.mu.Unlock()
	f.minute.slide(now)
	f.day.roll(now)
	if calls > 0 {
		f.minute.adjust(f.minute.add(now, tokens), calls-1, 0)
	}
	if day.ends == f.day.ends {
		f.day.calls += day.calls
	}
	if f.learned == nil {
		f.learned = &learned{}
	}
	f.learned.inherit(&known)
	f.load = max(f.load, load)
	if until > f.until {
		f.until, f.state, f.absent, f.told = until, state, absent, told
	}
}

// minutesOfADay turns a minute's limit into a day's.
const minutesOfADay = 24 * 60

// left is the binary logarithm of the calls that the tightest of the limits leaves until the day ends; NaN when there is no limit. What
// was spent of the minute is not taken off, because that is back within the minute; Standing.Load tells it.
func (f *facts) left(l *Limit) float64 {
	if l.RPM|l.RPD|l.TPM == 0 {
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
