package rotator

import (
	"sync"
	"sync/atomic"
	"time"
)

// Account is state: what has been learned about one credential at run time. It is found again by the fingerprint of the secret,
// so it outlives configuration reloads, and handlers with the same credential share it. It is safe for concurrent use.
type Account struct {
	current atomic.Pointer[Token]
	out     atomic.Pointer[outage]
	// config is the credential as last used. A refresh ahead of expiry mints with it, because the one that the token in hand was
	// minted with may be of a configuration that is gone.
	config  atomic.Pointer[Credential]
	changes atomic.Uint64 // see Candidate.Changes
	watcher atomic.Pointer[func()]
	bell    atomic.Pointer[bell] // rung when it is usable sooner than was known; nil when no pool has it

	requests, errors, inFlight atomic.Int64
	refusals                   atomic.Int32 // in a row: a fresh token was not accepted

	id      string
	refresh refresh
}

// refresh is the getting of tokens.
type refresh struct {
	mu       sync.Mutex
	flight   *flight     // the refresh that is under way
	ahead    *time.Timer // the refresh that is planned
	failures int         // in a row
	closed   bool        // nothing is planned any more
}

// outage is why an account is not to be used. It never changes, but for who has been told.
type outage struct {
	until   time.Time // zero: until the secret changes, and with it the account
	reason  string
	passing bool // its token cannot be had at the moment; otherwise it is disabled
	// operator is that an operator asked for it: no fault adds to it, and only an operator ends it.
	operator bool

	told, toldEnd atomic.Bool // that it began and ended; by whichever pool notices first
}

// NewAccount returns the state of an account of which nothing is known. id is the fingerprint of its secret.
func NewAccount(id string) *Account { return &Account{id: id} }

// ID returns the fingerprint of the secret.
func (a *Account) ID() string { return a.id }

// Close ends the refreshing of the token ahead of its expiry. The account stays usable for requests that hold it: they get tokens
// on demand.
func (a *Account) Close() {
	a.refresh.mu.Lock()
	defer a.refresh.mu.Unlock()
	a.refresh.closed = true
	if a.refresh.ahead != nil {
		a.refresh.ahead.Stop()
	}
}

// unusable returns why the account is not to be used; nil when it is.
func (a *Account) unusable(now time.Time) *outage {
	if o := a.out.Load(); o != nil && o.active(now) {
		return o
	}
	return nil
}

func (o *outage) active(now time.Time) bool { return o.until.IsZero() || o.until.After(now) }

func (o *outage) state() string {
	if o.passing {
		return StateCooling
	}
	return StateDisabled
}

// suspend puts the account out of use. It reports whether that is new: an outage at least as grave stays as it is.
func (a *Account) suspend(o *outage, now time.Time) bool {
	for {
		old := a.out.Load()
		if old != nil && old.active(now) && !o.graver(old) {
			return false
		}
		if a.out.CompareAndSwap(old, o) {
			if !o.passing {
				a.urgent()
			}
			return true
		}
	}
}

func (o *outage) graver(old *outage) bool {
	switch {
	case o.passing != old.passing:
		return old.passing
	case o.passing:
		return o.until.After(old.until)
	default:
		return o.until.IsZero() && !old.until.IsZero()
	}
}

// recovered ends a passing outage. It reports whether there was one.
func (a *Account) recovered() bool {
	o := a.out.Load()
	return o != nil && o.passing && a.out.CompareAndSwap(o, nil)
}

// announce returns what to tell about the outage, and whether nobody has been told.
func (o *outage) announce(c *Candidate) (Change, bool) {
	return Change{Credential: c.Credential, State: o.state(), Until: o.until, Reason: o.reason}, o.told.CompareAndSwap(false, true)
}
