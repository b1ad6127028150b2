package rotator

import (
	"slices"
	"time"
)

// Next is what a request does after a fault.
type Next uint8

// The ways on.
const (
	GiveUp      Next = iota // answer the client
	SameAccount             // keep the lease: renew its token and call once more
	Elsewhere               // try again without what was at fault: another quota group, or another account when only the account was
	Anywhere                // try again: another account if there is one, else the same
)

// Mark is what a fault says about the world, and so what the pool remembers.
type Mark uint8

// The marks.
const (
	MarkNothing Mark = iota
	MarkGroup        // the quota group is out of this model until Decision.Until
	MarkAccount      // the account is disabled until Decision.Until, for good when that is zero
	MarkClient       // so is every account of the same OAuth client
	MarkModel        // the model is overloaded, whoever asks, until Decision.Until
	MarkToken        // the access token is not to be used again
)

// The words that status shows for what limits a group, a model or an account, and events for a whole pool.
const (
	StateReady       = "ready"
	StateCooling     = "cooling"
	StateDisabled    = "disabled"
	StateOverloaded  = "overloaded"
	StateRateShort   = "rate_short"
	StateQuotaLong   = "quota_long"
	StateNotEntitled = "not_entitled"
	StateExhausted   = "exhausted"
	// StateProbing is that as many calls are under way as may be beyond what other groups of the backend are allowed.
	StateProbing = "probing"
)

// Attempts is what a request has gone through so far, the latest failure included.
type Attempts struct {
	Made      int  // upstream calls
	Transient int  // failures of kind FaultTransient, FaultEmpty, FaultUnusable or FaultIncomplete, those before a call was made included
	Capacity  int  // failures of kind FaultModelCapacity
	Refreshed bool // the account's token was already refreshed for this request after a 401; Lease.Decide knows and sets it
}

// Decision is what follows from a fault: for the request (Next, After) and for the pool (Mark, Until, State, Reason). The zero
// Decision is that of a call that went well.
type Decision struct {
	Next  Next
	After time.Duration // pause before the next attempt

	Mark  Mark
	Until time.Time
	// State is the word status shows for it: rate_short, quota_long, not_entitled, overloaded; or disabled for accounts.
	State string
	// Reason says in words why, for operators.
	Reason string

	failed  bool   // counts as an error of the account
	absent  bool   // the model is not there, rather than there without a quota
	untimed bool   // Google named no time: the next such cooldown is twice as long
	fault   *Fault // says which quota of the group is spent
	refused bool   // a fresh token was refused
	silent  bool   // there was no answer: other accounts of the backend may not get one either
	unfit   bool   // the backend has no form for the request
	// consumer is the project that Google counted the call for; empty when it did not say.
	consumer string
}

// Env is what a decision depends on besides the fault and the request.
type Env struct {
	Now time.Time
	// CooldownMin and CooldownMax bound a cooldown for which Google names no time.
	CooldownMin, CooldownMax time.Duration
	// Streak is how often in a row the quota group was refused this model without a time.
	Streak int
	// Today is how many calls the quota group was counted for this model since midnight in California, this one included, and
	// TodayTokens are the tokens of their prompts.
	Today, TodayTokens int64
	// Refusals is how often in a row the account was disabled because a fresh token of it was refused.
	Refusals int
	// Chance is a random number from 0 to 1. It spreads pauses for which Google names no time, so that requests that failed together do
	// not come back together.
	Chance float64
}

// What Google's documentation and recorded answers leave open, and what is common practice of its clients.
const (
	minDelay        = time.Second      // Google names delays down to milliseconds; coming back so soon meets the same answer
	maxDelay        = 26 * time.Hour   // a day's quota is back by then, in any time zone and with any clock
	credibleDelay   = 5 * time.Minute  // a day's quota is often given a retry delay of seconds, which is not when it is back
	lateReset       = 10 * time.Minute // so long after midnight a day's quota may not be back yet
	lateResetAgain  = 2 * time.Minute  // when to look again
	perMinuteDelay  = time.Minute      // a minute's quota without a time
	noTimeLongDelay = time.Minute      // first cooldown of a long quota without a time, such as a spend limit
	entitledAgain   = 6 * time.Hour    // when to look again whether a project has got a model
	setupAgain      = 30 * time.Minute // when to look again whether a project was set right
	refusedAgain    = 10 * time.Minute // when to try again an account whose fresh token was refused
	maxRefusals     = 3                // so often in a row, then never

	maxTransient  = 2                      // further tries after a transient failure
	transientWait = 500 * time.Millisecond // before the second of them
	maxUnusable   = 1                      // further tries after an answer with nothing in it
	maxTimeouts   = 1                      // further tries after a 504: each costs Google's full patience

	longestPause    = 5 * time.Second // a longer wait for capacity is the client's to make
	minOverload     = 10 * time.Second
	defaultOverload = 15 * time.Second
	maxOverload     = 30 * time.Second
)

// capacityPauses are the waits before a request tries an overloaded model again.
var capacityPauses = [...]time.Duration{time.Second, 3 * time.Second}

// Decide says what follows from a fault. It is the whole of the decision table: nothing else interprets a FaultKind. It is pure.
func Decide(f *Fault, a Attempts, env Env) Decision {
	d := decide(f, a, env)
	d.consumer = f.Consumer
	return d
}

func decide(f *Fault, a Attempts, env Env) Decision {
	switch f.Kind {
	// The network, or Google's servers: nobody's fault, so nothing is marked.
	case FaultTransient:
		if f.Status == 504 {
			return tryAgain(f, a.Transient, maxTimeouts, env)
		}
		d := tryAgain(f, a.Transient, maxTransient, env)
		d.silent = f.Status == 0
		return d
	case FaultEmpty, FaultUnusable, FaultIncomplete:
		return tryAgain(f, a.Transient, maxUnusable, env)

	// The group's quota for the model.
	case FaultRateShort:
		return groupOut(f, StateRateShort, env)
	case FaultQuotaLong:
		return groupOut(f, StateQuotaLong, env)
	case FaultNotEntitled:
		return Decision{
			Next: Elsewhere, Mark: MarkGroup, Until: env.Now.Add(entitledAgain), State: StateNotEntitled, Reason: words(f), failed: true,
			absent: f.Status == 404,
		}

	// The model, for everybody.
	case FaultModelCapacity:
		return overloaded(f, a, env)

	// The account.
	case FaultUnauthorized:
		if !a.Refreshed {
			return Decision{Next: SameAccount, Mark: MarkToken, failed: true}
		}
		d := accountOut(f, MarkAccount, env.Now.Add(refusedAgain))
		if d.refused = true; env.Refusals+1 >= maxRefusals {
			d.Until = time.Time{}
		}
		return d
	case FaultDead:
		return accountOut(f, MarkAccount, time.Time{})
	case FaultSetup:
		return accountOut(f, MarkAccount, env.Now.Add(setupAgain))
	case FaultClientDead:
		return accountOut(f, MarkClient, time.Time{})

	// The client: no account would do better, and none is to blame.
	case FaultRequest, FaultTooLong, FaultCanceled:
		return Decision{}
	}
	return Decision{failed: true}
}

// tryAgain allows a number of further tries, the first of them at once. failures counts the latest.
func tryAgain(f *Fault, failures, further int, env Env) Decision {
	d := Decision{Next: Anywhere, Reason: words(f), failed: true}
	switch {
	case failures > further:
		d.Next = GiveUp
	case failures > 1:
		d.After = spread(transientWait, env)
	}
	return d
}

func accountOut(f *Fault, mark Mark, until time.Time) Decision {
	return Decision{Next: Elsewhere, Mark: mark, Until: until, State: StateDisabled, Reason: words(f), failed: true}
}

// groupOut puts the group aside until Google says that the quota is back, or for as long as is sensible when it does not say.
func groupOut(f *Fault, state string, env Env) Decision {
	d := Decision{Next: Elsewhere, Mark: MarkGroup, State: state, Reason: words(f), failed: true, fault: f}
	switch wait := namedWait(f, state, env.Now); {
	case wait > 0:
		d.Until = env.Now.Add(wait)
	case f.PerDay && resetIsLate(f, env):
		d.Until = env.Now.Add(lateResetAgain)
	case f.PerDay:
		d.Until = nextMidnight(env.Now)
	case f.PerMinute:
		d.Until = env.Now.Add(perMinuteDelay)
	case state == StateQuotaLong:
		d.Until, d.untimed = env.Now.Add(backoff(noTimeLongDelay, env.CooldownMax, env.Streak)), true
	default:
		d.Until, d.untimed = env.Now.Add(backoff(env.CooldownMin, env.CooldownMax, env.Streak)), true
	}
	return d
}

// resetIsLate reports whether a day's quota seems to be yesterday's: the day is young, and less was spent than the quota allows. Then
// Google's clock or its counters are behind, and to keep away for a whole day would waste it.
func resetIsLate(f *Fault, env Env) bool {
	return env.Now.Sub(lastMidnight(env.Now)) < lateReset && slices.ContainsFunc(f.Violations, func(v Violation) bool {
		return v.Quota == QuotaRPD && env.Today <= v.Value || v.Quota == QuotaTPD && env.TodayTokens <= v.Value
	})
}

// namedWait is how long Google says the quota will be out, 0 when it does not say or cannot mean it.
func namedWait(f *Fault, state string, now time.Time) time.Duration {
	wait, reset := f.Delay, time.Duration(0)
	if !f.Until.IsZero() {
		reset = f.Until.Sub(now)
	}
	if f.PerDay && wait <= credibleDelay {
		wait = 0
	}
	// For a long quota the moment of the reset is the better of the two; a short one's is rounded to whole seconds.
	if reset > 0 && (wait <= 0 || state == StateQuotaLong) {
		wait = reset
	}
	if wait <= 0 {
		return 0
	}
	return min(max(wait, minDelay), maxDelay)
}

// backoff is first, doubled n times, at most limit.
func backoff(first, limit time.Duration, n int) time.Duration {
	d := first
	for range n {
		if d >= limit {
			break
		}
		d *= 2
	}
	return min(d, limit)
}

// spread is a pause, or up to half as much again.
func spread(pause time.Duration, env Env) time.Duration {
	return pause + time.Duration(env.Chance*float64(pause/2))
}

// overloaded paces a few more tries. One such answer may be chance; the second marks the model, so that other requests keep away.
func overloaded(f *Fault, a Attempts, env Env) Decision {
	d := Decision{Next: GiveUp, Reason: words(f), failed: true}
	if n := max(a.Capacity, 1); n <= len(capacityPauses) && f.Delay <= longestPause {
		d.Next, d.After = Anywhere, max(f.Delay, spread(capacityPauses[n-1], env))
		if n == 1 {
			return d
		}
	}
	wait := defaultOverload
	if f.Delay > 0 {
		wait = min(max(f.Delay, minOverload), maxOverload)
	}
	d.Mark, d.State, d.Until = MarkModel, StateOverloaded, env.Now.Add(wait)
	return d
}

// words says what happened, for operators.
func words(f *Fault) string {
	switch {
	case f.Message == "":
		return f.Reason
	case f.Reason == "":
		return f.Message
	default:
		return f.Reason + ": " + f.Message
	}
}
