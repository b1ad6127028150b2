package rotator

import (
	"math"
	"sync"
	"time"
)

// Trace takes notes of how the accounts for one request were chosen, and of why others were not. The notes are bounded, and no words are
// made of them before somebody asks. The zero Trace is empty. It is safe for concurrent use.
type Trace struct {
	mu    sync.Mutex
	steps []step
}

const (
	maxSteps   = 16  // of a request; of more, the first ones and the last
	maxSkips   = 16  // accounts of a step
	maxLookups = 256 // accounts looked at for them
)

// TraceStep is one of the notes, for people.
type TraceStep struct {
	At time.Time `json:"at"`
	// What was asked of the pool: acquire, wait or hedge.
	What  string `json:"what"`
	Model string `json:"model"`
	// Account is the label of the account that was chosen, and Why is the reason; or else Why is the reason that there was none.
	Account string `json:"account,omitzero"`
	Why     string `json:"why"`
	// Waited is for how long, in seconds, and RetryAfter when the first account is expected back.
	Waited     float64 `json:"waited,omitzero"`
	RetryAfter float64 `json:"retry_after,omitzero"`
	// Groups is how many quota groups were in which state.
	Groups  map[string]int `json:"groups,omitempty"`
	Skipped []TraceSkip    `json:"skipped,omitempty"`
}

// TraceSkip is an account that was not to be used.
type TraceSkip struct {
	Account string    `json:"account"`
	Reason  string    `json:"reason"`
	Until   time.Time `json:"until,omitzero"` // zero for no known end
}

// what was asked of a pool.
type what uint8

const (
	toAcquire what = iota
	toWait
	toHedge
)

func (w what) String() string { return [...]string{"acquire", "wait", "hedge"}[w] }

func (w why) String() string {
	return [...]string{"policy", "affinity: it served the conversation before", "hedge: its group has plenty"}[w]
}

// String is the word status has for it, where it has one.
func (c class) String() string {
	return [...]string{
		StateReady, "few_tokens", StateProbing, StateRateShort, StateQuotaLong, StateNotEntitled, "absent", StateDisabled,
	}[c]
}

// step is what one choice came to.
type step struct {
	at      time.Time
	what    what
	model   string
	chosen  *Credential // nil if there was none
	why     why
	refusal *Exhausted // why there was none
	waited  time.Duration
	count   [classes]int
	skipped []skip
}

// skip is an account that was not to be used: because it was tried, because it is out of use, or because of its group.
type skip struct {
	credential *Credential
	tried      bool
	outage     *outage
	class      class
	until      int64
}

// note adds a step for a request of which somebody takes notes: the lease it got, or the refusal.
func (p *Pool) note(q *Query, s step, l *Lease, e *Exhausted) {
	s.model, s.refusal = q.Model, e
	if l != nil {
		s.chosen, s.why = l.Credential(), l.choice.why
	}
	p.index(q.Model, s.at).describe(&s, q.Tried)
	t := q.Trace
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.steps) < maxSteps {
		t.steps = append(t.steps, s)
	} else {
		t.steps[maxSteps-1] = s
	}
}

// describe adds to a step how things stand.
func (ix *index) describe(s *step, t *Tried) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	s.count = ix.count
	if ix.count[classReady] == len(ix.lanes) && ix.wake.empty() && t.empty() {
		return // nothing to skip, as almost always
	}
	for i := range ix.members[:min(len(ix.members), maxLookups)] {
		m, l := &ix.members[i], &ix.lanes[ix.owner[i]]
		one := skip{credential: m.candidate.Credential, class: l.class, until: l.until}
		switch {
		case t.account(m.candidate.Account, avoidAll) || t.group(l.group, avoidAll):
			one.tried = true
		case m.outage != nil:
			one.outage = m.outage
		case l.class == classReady:
			continue
		}
		if s.skipped = append(s.skipped, one); len(s.skipped) == maxSkips {
			return
		}
	}
}

// Steps returns the notes, the first one first.
func (t *Trace) Steps() []TraceStep {
	t.mu.Lock()
	defer t.mu.Unlock()
	steps := make([]TraceStep, 0, len(t.steps))
	for i := range t.steps {
		steps = append(steps, t.steps[i].tell())
	}
	return steps
}

func (s *step) tell() TraceStep {
	told := TraceStep{At: s.at, What: s.what.String(), Model: s.model, Waited: s.waited.Seconds(), Groups: make(map[string]int)}
	if s.chosen != nil {
		told.Account, told.Why = s.chosen.Label, s.why.String()
	} else {
		told.Why, told.RetryAfter = s.refusal.Cause.String(), s.refusal.RetryAfter.Seconds()
	}
	for c, n := range s.count {
		if n > 0 {
			told.Groups[class(c).String()] = n
		}
	}
	for i := range s.skipped {
		told.Skipped = append(told.Skipped, s.skipped[i].tell())
	}
	return told
}

func (s *skip) tell() TraceSkip {
	told := TraceSkip{Account: s.credential.Label}
	switch {
	case s.tried:
		told.Reason = "tried before"
	case s.outage != nil:
		told.Reason, told.Until = s.outage.reason, s.outage.until
	default:
		told.Reason = s.class.String()
		if s.until > 0 && s.until < math.MaxInt64 {
			told.Until = time.Unix(0, s.until)
		}
	}
	return told
}
