package gateway

import (
	"cmp"
	"slices"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// maxUncalled bounds the attempts of a request that end before Google is asked. They take next to no time, or as long as a token is
// waited for.
const maxUncalled = 100

// fallBack tries other models while nothing has been said. If none of them answers, the client is told of the failure of the first: it
// is the model it asked for.
func (x *exchange) fallBack(models []*gemini.Model, first *translate.Error) *translate.Error {
	for _, m := range models {
		if !x.mayTry() {
			break
		}
		if failed, _ := x.try(m, false); failed == nil || x.reply.spoken {
			return failed
		}
	}
	return first
}

// mayTry reports whether one more upstream call may be made.
func (x *exchange) mayTry() bool { return x.mayTryIn(0) }

// mayTryIn reports whether one more upstream call may be made after a wait: the client is still there and has heard nothing, and neither
// the calls of a request nor the time for them are used up.
func (x *exchange) mayTryIn(wait time.Duration) bool {
	return !x.reply.spoken && !x.clientGone() && time.Since(x.began)+wait <= x.gateway.AttemptsFor &&
		x.attempts.Made < x.gateway.Attempts && x.uncalled < maxUncalled
}

// mayRetry reports whether the pool's budget has room for one more call after a failed one. It bounds what could go on for ever: a call
// that failed by chance or for want of capacity teaches nothing, so the next may fail the same way. A spent quota or a dead account
// is found out once and not asked again, a stale token is renewed once, and a fallback asks another model: those are not limited.
func (x *exchange) mayRetry(d rotator.Decision) bool {
	if d.Next != rotator.Anywhere || x.attempts.Made == x.paid {
		return true
	}
	if !x.gateway.Pool.Retries().Spend() {
		return false
	}
	x.paid = x.attempts.Made
	return true
}

// lacksCapacity reports whether the accounts or the model are at their limits: time may help, or another model. Neither does when the
// request is at fault.
func lacksCapacity(e *translate.Error) bool {
	switch e.Kind {
	case translate.ErrRateLimit, translate.ErrQuota, translate.ErrOverloaded:
		return true
	default:
		return false
	}
}

// another reports whether another model may do what this one could not: the accounts are out of it, or do not have it.
func another(e *translate.Error) bool { return lacksCapacity(e) || e.Kind == translate.ErrNotFound }

// try asks accounts for one model until one has answered; it returns nil then, else the failure as the client may see it. dry is set
// when no account was left to try. A patient request waits for one, and asks an overloaded model a third time.
func (x *exchange) try(m *gemini.Model, patient bool) (failed *translate.Error, dry bool) {
	x.model = m.ID
	x.attempts, x.tried, x.unfit = rotator.Attempts{Made: x.attempts.Made}, rotator.Tried{}, nil
	var last *translate.Error
	for {
		lease, err := x.acquire(m, patient)
		if err != nil {
			return x.exhausted(m, err, last), true
		}
		decision, failed := x.use(lease, m)
		if failed == nil {
			return nil, false
		}
		last = failed
		if !patient && x.attempts.Capacity > 1 {
			return x.timed(m, failed), false // it is no chance: on to the next model
		}
		if decision.Next == rotator.GiveUp || !x.mayTryIn(decision.After) || !x.mayRetry(decision) || !x.pause(decision.After) {
			return x.timed(m, failed), false
		}
	}
}

// query is what is asked of the pool for a model.
func (x *exchange) query(m *gemini.Model) rotator.Query {
	return rotator.Query{
		Model: m.ID, Tokens: x.tokens, Bytes: int64(x.bytes), Tried: &x.tried, Client: x.client, Conversation: x.conversation, Opening: x.opening,
		Trace: cmp.Or(x.trace, &x.record.Trace),
	}
}

// use has one account answer, or two at a time, and the same account again when its token turns out to be stale.
func (x *exchange) use(lease *rotator.Lease, m *gemini.Model) (rotator.Decision, *translate.Error) {
	defer func() { lease.Settle(rotator.Outcome{Called: true}) }() // in a panic; it is settled otherwise
	for {
		a, failed := x.race(lease, m)
		lease = a.lease
		x.record.Account = lease.Credential().Label
		a.count()
		x.record.Usage = a.usage()
		if x.heal(a, failed) {
			continue
		}
		if failed == nil {
			a.note(OutcomeAnswered, 0)
			a.settle(a.aftermath())
			return rotator.Decision{}, nil
		}
		decision := x.judge(a, failed)
		if decision.Next == rotator.SameAccount && x.mayTry() {
			lease.Renew(a.token)
			continue
		}
		a.settle(decision)
		return decision, x.clientError(a, failed)
	}
}

// judge says what follows from a failed attempt, and notes it.
func (x *exchange) judge(a *attempt, failed *google.Error) rotator.Decision {
	a.note(failed.Fault.Reason, failed.Fault.Status)
	x.suffer(failed.Fault, a.called.Load())
	if a.body.Encoded == nil && x.anotherBackend(a) {
		return rotator.AnotherBackend()
	}
	return a.lease.Decide(failed.Fault, x.attempts)
}

// anotherBackend reports whether a backend is left that may have a form for a request which the attempt's has none for.
func (x *exchange) anotherBackend(a *attempt) bool {
	if backend := a.lease.Credential().Backend; !slices.Contains(x.unfit, backend) {
		x.unfit = append(x.unfit, backend)
		return len(x.unfit) < x.gateway.Pool.Backends(a.model.ID)
	}
	return false
}

// suffer adds a fault to what the request has gone through. What went wrong before Google was asked has cost nothing, and must not keep a
// request from the accounts behind: a token endpoint or a host that is down can stand between it and many of them.
func (x *exchange) suffer(f *rotator.Fault, called bool) {
	if !called {
		x.uncalled++
		return
	}
	switch f.Kind {
	case rotator.FaultTransient, rotator.FaultEmpty, rotator.FaultUnusable, rotator.FaultIncomplete:
		x.attempts.Transient++
	case rotator.FaultModelCapacity:
		x.attempts.Capacity++
	default: // has no bound of its own: what is at fault is not tried twice
	}
}

// clientError is a failed attempt as the client may see it, with the field at fault named as the client named it.
func (x *exchange) clientError(a *attempt, failed *google.Error) *translate.Error {
	e := *failed.Client
	if e.Param == "" && failed.Path != "" && a.body.Encoded != nil {
		e.Param = a.body.Param(failed.Path)
	}
	return &e
}

// timed gives a lack of capacity the time at which the pool, not just the account tried last, can serve the model again.
func (x *exchange) timed(m *gemini.Model, e *translate.Error) *translate.Error {
	if !lacksCapacity(e) {
		return e
	}
	e.RetryAfter = max(x.gateway.Pool.RetryAfter(m.ID), time.Second)
	return e
}
