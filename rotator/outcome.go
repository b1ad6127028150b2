package rotator

import "time"

// Next is what a request does after a fault.
type Next uint8

// The ways on.
const (
	GiveUp      Next = iota // answer the client
	SameAccount             // once more with the same account, with a fresh token
	Elsewhere               // try another quota group
	Anywhere                // try again; another account if there is one, else the same
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

// Attempts is what a request has gone through so far.
type Attempts struct {
	Made      int  // upstream calls, the failed one included
	Transient int  // of those, how many failed with FaultTransient, FaultEmpty or FaultUnusable
	Capacity  int  // how many failed with FaultModelCapacity
	Refreshed bool // the account's token was already refreshed for this request after a 401
}

// Decision is what follows from a fault: for the request (Next, After) and for the pool (Mark, Until, State, Reason).
type Decision struct {
	Next  Next
	After time.Duration // pause before the next attempt

	Mark  Mark
	Until time.Time
	// State is the word status shows for it: rate_short, quota_long, not_entitled, overloaded; or disabled for accounts.
	State string
	// Reason says in words why, for operators.
	Reason string
}
