package rotator

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	mintTimeout = 75 * time.Second // for one refresh, discovery of a project included
	maxWait     = 5 * time.Second  // for a refresh that others wait for too; then the request is better off elsewhere

	// Google's own libraries refresh five minutes before the end. The jitter keeps accounts that started together apart.
	aheadBy     = 5 * time.Minute
	aheadJitter = 30 * time.Second
	shortLife   = 10 * time.Minute // tokens that live no longer are refreshed after four fifths of their life

	minRefreshWait = time.Second // between refreshes that fail, doubled each time
	maxRefreshWait = time.Minute
)

// flight is one refresh. token and fault are set when done is closed.
type flight struct {
	done  chan struct{}
	token *Token
	fault *Fault
}

func (t *Token) usable(now time.Time) bool {
	return t != nil && (t.Expiry.IsZero() || t.Expiry.After(now))
}

// token returns the current token: from memory, which takes one atomic read, or from the one refresh of this account. ctx bounds
// only the wait for it. The error is always a *Fault.
func (a *Account) token(ctx context.Context, m Minter) (*Token, error) {
	now := time.Now()
	if t := a.current.Load(); t.usable(now) {
		return t, nil
	}
	if o := a.unusable(now); o != nil { // since the account was chosen: whoever noticed has marked it
		return nil, &Fault{Kind: FaultTransient, Reason: "TOKEN_UNAVAILABLE", Message: o.reason}
	}
	f := a.join(m)
	patience := time.NewTimer(maxWait)
	defer patience.Stop()
	select {
	case <-f.done:
		if f.fault != nil {
			return nil, f.fault
		}
		return f.token, nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, &Fault{Kind: FaultTransient, Reason: "TOKEN_TIMEOUT", Err: ctx.Err()}
		}
		return nil, &Fault{Kind: FaultCanceled, Reason: "CLIENT_GONE", Err: ctx.Err()}
	case <-patience.C:
		const reason = "the access token takes too long to refresh"
		// A refresh that succeeds after all ends this, and none lasts longer.
		a.suspend(&outage{until: time.Now().Add(mintTimeout), reason: reason, passing: true}, time.Now())
		return nil, &Fault{Kind: FaultTransient, Reason: "TOKEN_TIMEOUT", Message: reason}
	}
}

// renew drops a token that Google no longer accepts, unless it has been replaced already: many requests may have used it.
func (a *Account) renew(old *Token) {
	if old != nil && a.current.CompareAndSwap(old, nil) {
		a.changed()
	}
}

// join returns the refresh that is under way, a new one if there is none.
func (a *Account) join(m Minter) *flight {
	a.refresh.mu.Lock()
	defer a.refresh.mu.Unlock()
	if a.refresh.flight != nil {
		return a.refresh.flight
	}
	if t := a.current.Load(); t.usable(time.Now()) { // it came between the look and the lock
		f := &flight{done: make(chan struct{}), token: t}
		close(f.done)
		return f
	}
	return a.start(m)
}

// start begins a refresh. The caller holds the lock.
func (a *Account) start(m Minter) *flight {
	f := &flight{done: make(chan struct{})}
	a.refresh.flight = f
	go a.mint(f, m)
	return f
}

// mint gets a token. Its context is its own: the refresh is neither a request's nor a configuration's, and outlives both.
func (a *Account) mint(f *flight, m Minter) {
	ctx, cancel := context.WithTimeout(context.Background(), mintTimeout)
	defer cancel()
	t, err := m.Mint(ctx)
	now := time.Now()
	if err == nil && !t.usable(now) {
		err = &Fault{Kind: FaultTransient, Reason: "TOKEN_EXPIRED", Message: "the new access token has already expired"}
	}
	if recovered := a.minted(f, t, err, now); recovered {
		if b := a.bell.Load(); b != nil {
			b.recovered(a)
		}
	}
}

// minted ends a refresh. It reports whether that makes the account usable again.
func (a *Account) minted(f *flight, t *Token, err error, now time.Time) (recovered bool) {
	a.refresh.mu.Lock()
	defer a.refresh.mu.Unlock()
	a.refresh.flight = nil
	if err != nil {
		f.fault = asFault(err)
		a.failed(f.fault, now)
	} else {
		f.token = t
		a.current.Store(t)
		a.refresh.failures = 0
		recovered = a.recovered()
		a.planAhead(t, now)
		a.urgent()
	}
	close(f.done)
	return recovered
}

// failed decides what a failed refresh means for the account. The caller holds the lock.
func (a *Account) failed(f *Fault, now time.Time) {
	d := Decide(f, Attempts{Refreshed: true}, Env{Now: now, Refusals: int(a.refusals.Load())})
	if d.Mark == MarkAccount || d.Mark == MarkClient {
		a.suspend(&outage{until: d.Until, reason: d.Reason}, now)
		return
	}
	wait := backoff(minRefreshWait, maxRefreshWait, a.refresh.failures)
	a.refresh.failures++
	wait -= jitter(wait/5 + 1)
	if a.current.Load().usable(now) {
		a.plan(wait)
		return
	}
	a.suspend(&outage{until: now.Add(wait), reason: "the access token could not be refreshed (" + f.Reason + ")", passing: true}, now)
}

// planAhead has a token refreshed before it ends. The caller holds the lock.
func (a *Account) planAhead(t *Token, now time.Time) {
	if life := t.Expiry.Sub(now); !t.Expiry.IsZero() {
		a.plan(life - lead(life))
	}
}

// plan has the token refreshed after a while. The caller holds the lock.
func (a *Account) plan(after time.Duration) {
	if a.refresh.closed {
		return
	}
	if a.refresh.ahead == nil {
		a.refresh.ahead = time.AfterFunc(after, a.refreshAhead)
		return
	}
	a.refresh.ahead.Reset(after)
}

// refreshAhead replaces a token that is still good, so that no request has to wait for the next one.
func (a *Account) refreshAhead() {
	a.refresh.mu.Lock()
	defer a.refresh.mu.Unlock()
	c := a.config.Load()
	if a.refresh.closed || a.refresh.flight != nil || c == nil || a.held() {
		return
	}
	a.start(c.Minter)
}

// lead is how long before its end a token is refreshed.
func lead(life time.Duration) time.Duration {
	if life <= shortLife {
		return life / 5
	}
	return aheadBy - aheadJitter + jitter(2*aheadJitter)
}

// jitter is less than limit, and not less than 0.
func jitter(limit time.Duration) time.Duration { return rand.N(limit) } //nolint:gosec // chance, not secrecy

func asFault(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	return &Fault{Kind: FaultTransient, Reason: "TOKEN_REFRESH_FAILED", Err: err}
}
