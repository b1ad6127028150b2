package rotator

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Lease is one account for one call, and for the same call again with a fresh token. Except for Settle, it is for one goroutine
// at a time.
type Lease struct {
	index    *index
	choice   choice
	tried    *Tried
	estimate int64  // of the prompt's tokens, as the query had it
	began    int64  // Unix nanoseconds
	token    *Token // the last one given out
	renewed  bool
	settled  atomic.Bool
}

// Outcome is how a call went.
type Outcome struct {
	// Decision is what Decide made of the fault; the zero Decision if there was none.
	Decision Decision
	// Called is whether the call was sent to Google. If not, what it was counted as is given back.
	Called bool
	// Tokens are the prompt tokens that Google counted; 0 when it did not say, and then the estimate stands.
	Tokens int64
}

// served reports whether Google took the call.
func (o *Outcome) served() bool { return o.Called && !o.Decision.failed }

// counted reports whether the call was spent. Whether Google counts calls that it refuses for a spent quota is not documented. Here
// they do not count: at worst the next refusal comes a call early, and otherwise quota would be left unused.
func (o *Outcome) counted() bool { return o.Called && o.Decision.fault == nil }

// Credential returns what the operator said about the account.
func (l *Lease) Credential() *Credential { return l.choice.candidate.Credential }

// Token returns the account's access token. It is taken from memory, or else is that of the account's one refresh, whoever else
// waits for it. ctx bounds the wait, which is never longer than 15 seconds, and not the refresh. The error is always a *Fault.
func (l *Lease) Token(ctx context.Context) (*Token, error) {
	t, err := l.choice.candidate.token(ctx, l.choice.candidate.Minter)
	l.token = t
	return t, err
}

// Renew drops a token that Google has answered with 401, unless it has been replaced meanwhile. The next Token is a fresh one.
func (l *Lease) Renew(old *Token) {
	l.renewed = true
	l.choice.candidate.renew(old)
}

// Taken tells that Google has begun to answer, so that it has not refused the call. That is known when the call is over at the latest;
// known before, it lets others use the group sooner. Calls after the first do nothing.
func (l *Lease) Taken() {
	if l.choice.booking.awaited() && l.choice.facts.answered(&l.choice.booking, l.began, true) {
		l.giveBack()
		l.index.pool.options.Models.bell.settled(l, true)
	}
}

// Decide says what follows from a fault of this lease's call: Decide, with what the pool knows.
func (l *Lease) Decide(f *Fault, a Attempts) Decision {
	a.Refreshed = l.renewed
	now := time.Now()
	today := l.choice.facts.today(now.UnixNano())
	return Decide(f, a, Env{
		Now:         now,
		CooldownMin: l.index.pool.options.CooldownMin,
		CooldownMax: l.index.pool.options.CooldownMax,
		Streak:      l.choice.facts.refusals(l.began),
		Today:       today.calls,
		TodayTokens: today.tokens,
		Refusals:    int(l.choice.candidate.refusals.Load()),
		Chance:      rand.Float64(), //nolint:gosec // chance, not secrecy
	})
}

// Settle ends the lease: it corrects the counts, and remembers what the outcome says about the account, its group and the model.
// Only the first call does anything.
func (l *Lease) Settle(o Outcome) {
	if l.settled.Swap(true) {
		return
	}
	c := l.choice.candidate
	c.inFlight.Add(-1)
	l.index.busy[l.choice.lane].Add(-1)
	look := l.choice.facts.settle(&l.choice.booking, &o, l.began)
	if o.served() && c.refusals.Load() != 0 {
		c.refusals.Store(0)
	}
	if o.served() && o.Tokens > 0 && l.estimate > 0 {
		l.index.observe(l.estimate, o.Tokens)
	}
	if !o.Called {
		c.requests.Add(-1)
		c.Account.changed() // besides what follows, because the number of requests is part of Candidate.Changes
	} else if o.Decision.failed {
		c.errors.Add(1)
	}
	if o.Decision.Mark != MarkNothing {
		l.index.pool.mark(l, &o.Decision, time.Now())
	}
	if o.Decision.Mark == MarkGroup {
		look = l.choice.facts.answered(&l.choice.booking, l.began, false) || look
	}
	if o.Decision.Mark == MarkGroup || l.choice.booking.last {
		c.Account.urgent()
	} else {
		c.Account.changed()
	}
	if look {
		l.giveBack()
	}
	if l.index.pool.volatile {
		l.index.rerank(l.choice.lane, l.choice.member)
		if ix := l.successor(); ix != nil {
			ix.rerankAccount(c.Account)
		}
	}
	o.Decision.silent = o.Decision.silent && l.token != nil // a token that could not be had says nothing about the backend
	l.tried.add(c, &o.Decision)
	if look || o.Decision.Mark != MarkNothing {
		l.index.pool.options.Models.bell.settled(l, look)
	}
}

// giveBack has those orders of the candidates look at the group again that are in use.
func (l *Lease) giveBack() {
	now := time.Now()
	l.index.giveBack(l.choice.lane, now)
	if ix := l.successor(); ix != nil {
		ix.giveBackTo(l.choice.facts, now)
	}
}

// successor is the order of the candidates that is in use now; nil when it is still that from which the account was chosen.
func (l *Lease) successor() *index {
	if ix := l.index.pool.view.Load().indexes[l.index.model]; ix != l.index {
		return ix
	}
	return nil
}
