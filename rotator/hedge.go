package rotator

import "time"

// FirstToken tells how long a call for a model took until the first token of its answer.
func (p *Pool) FirstToken(_ string, _ time.Duration) {}

// HedgeAfter returns when a call whose first token is not there yet is late enough for a second call to be made.
func (p *Pool) HedgeAfter(_ string) (time.Duration, bool) { return 0, false }

// Hedge chooses a second account, of another quota group, for a call whose first token is late. The lease must be settled. There is
// none if the share for hedging is spent, if anybody waits, or if quota is short.
func (p *Pool) Hedge(_ Query, _ *Lease) (*Lease, bool) { return nil, false }
