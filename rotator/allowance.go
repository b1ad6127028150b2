package rotator

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Allowance is what may be spent of one kind, over all quota groups of a pool.
type Allowance struct {
	// Limit is 0 when it is not known of each group.
	Limit, Remaining int64
	// Reset is how long until all of it is there again if nothing more is spent; 0 when it is there.
	Reset time.Duration
}

// Allowances is what a pool may spend on a model: calls and prompt tokens. Of each group its tightest window counts, which may be a
// minute's or a day's.
type Allowances struct {
	Requests, Tokens Allowance
}

// Allowances returns what may be spent on a model. It may be a moment old: see surveyPause.
func (p *Pool) Allowances(model string) Allowances {
	now := time.Now()
	ix := p.index(model, now)
	return ix.survey.get(now, len(ix.lanes), func() Allowances { return ix.allowances(now) })
}

// surveyPause is the time between looking at all groups, for each of them: with 25 groups that is every 5 ms, with 5,000 every second.
// So what is asked for with every answer costs the same small part of a processor in pools of all sizes.
const surveyPause = 200 * time.Microsecond

// survey remembers allowances.
type survey struct {
	mu     sync.Mutex
	latest atomic.Pointer[surveyed]
}

type surveyed struct {
	at         time.Time
	allowances Allowances
}

// get returns what is remembered of so many groups, unless it is too old and nobody else is looking.
func (s *survey) get(now time.Time, groups int, look func() Allowances) Allowances {
	old := s.latest.Load()
	if old != nil && (now.Sub(old.at) < time.Duration(groups)*surveyPause || !s.mu.TryLock()) {
		return old.allowances
	}
	if old == nil {
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	s.latest.Store(&surveyed{now, look()})
	return s.latest.Load().allowances
}

// allowances adds up what the lanes with a usable account may spend. It does not take the lock of the index: what it reads of lanes and
// members never changes.
func (ix *index) allowances(now time.Time) Allowances {
	var requests, tokens sum
	for i := range ix.lanes {
		l := &ix.lanes[i]
		if !ix.usable(l, now) {
			continue
		}
		f := l.group.known(ix.model)
		if f == nil {
			f = &facts{}
		}
		r, t := f.remaining(now.UnixNano(), &ix.limits)
		requests.add(r)
		tokens.add(t)
	}
	return Allowances{Requests: requests.allowance(now), Tokens: tokens.allowance(now)}
}

func (ix *index) usable(l *lane, now time.Time) bool {
	for i := l.from; i < l.to; i++ {
		if ix.members[i].candidate.unusable(now) == nil {
			return true
		}
	}
	return false
}

// rest is what is left of one window of one group. Reset is a Unix time in nanoseconds.
type rest struct {
	known       bool
	limit, left int64
	reset       int64
}

func (r rest) tighter(than rest) bool {
	return !than.known || r.left < than.left || r.left == than.left && r.reset > than.reset
}

// remaining is what is left of the tightest windows of calls and of tokens.
func (f *facts) remaining(now int64, l *rules) (requests, tokens rest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pass(now)
	cooling := f.until > now
	if cooling && f.state == StateNotEntitled {
		return rest{known: true}, rest{known: true}
	}
	limit := f.learned.within(now, l)
	empty := f.minute.empties(now)
	if limit.RPM > 0 {
		requests = rest{known: true, limit: limit.RPM, left: max(limit.RPM-f.minute.calls, 0), reset: empty}
	}
	if limit.RPD > 0 {
		daily := rest{known: true, limit: limit.RPD, left: max(limit.RPD-f.day.calls, 0)}
		if f.day.calls > 0 {
			daily.reset = f.day.ends
		}
		if daily.tighter(requests) {
			requests = daily
		}
	}
	if limit.TPM > 0 {
		tokens = rest{known: true, limit: limit.TPM, left: max(limit.TPM-f.minute.tokens, 0), reset: empty}
	}
	if limit.TPD > 0 {
		daily := rest{known: true, limit: limit.TPD, left: max(limit.TPD-f.day.tokens, 0)}
		if f.day.tokens > 0 {
			daily.reset = f.day.ends
		}
		if daily.tighter(tokens) {
			tokens = daily
		}
	}
	if cooling {
		requests.left, requests.reset = 0, max(requests.reset, f.until)
		tokens.left, tokens.reset = 0, max(tokens.reset, f.until)
	}
	return requests, tokens
}

// rest is what the limits leave of calls of the minute, calls of the day and tokens of the minute; +Inf where no limit is known.
func (f *facts) rest(now int64, l *rules) (rpm, rpd, tpm float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pass(now)
	limit := f.learned.within(now, l)
	left := func(used, limit int64) float64 {
		if limit <= 0 {
			return math.Inf(1)
		}
		return float64(max(limit-used, 0))
	}
	return left(f.minute.calls, limit.RPM), left(f.day.calls, limit.RPD), left(f.minute.tokens, limit.TPM)
}

// empties is when the last of the calls will have left.
func (w *window) empties(now int64) int64 {
	if w.head == len(w.spans) {
		return now
	}
	return w.spans[len(w.spans)-1].last + lasting
}

// sum adds up rests. One that is not known makes the sum unknown.
type sum struct {
	rest
	unknown bool
}

func (s *sum) add(r rest) {
	s.unknown = s.unknown || !r.known
	s.limit += r.limit
	s.left += r.left
	s.reset = max(s.reset, r.reset)
}

func (s *sum) allowance(now time.Time) Allowance {
	if s.unknown || s.limit == 0 {
		return Allowance{}
	}
	return Allowance{Limit: s.limit, Remaining: s.left, Reset: max(time.Duration(s.reset-now.UnixNano()), 0)}
}
