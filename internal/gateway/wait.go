package gateway

import (
	"context"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// moment is how long a request waits for an account rather than be answered by another model: accounts that are back so soon were not
// out of the model, but in the middle of finding out how much they may be used.
const moment = time.Second

// acquire gets an account for a model. A patient request stands in line for one, and others do for a moment.
func (x *exchange) acquire(m *gemini.Model, patient bool) (*rotator.Lease, error) {
	q := x.query(m)
	lease, err := x.gateway.Pool.Acquire(q)
	if err == nil {
		return lease, nil
	}
	patience := x.patience()
	if !patient {
		patience = min(patience, moment)
	}
	if patience <= 0 {
		return nil, err
	}
	ticket, err := x.gateway.Pool.Wait(q, patience)
	if err != nil {
		return nil, err
	}
	defer ticket.Leave() // in a panic, too
	began := time.Now()
	here := await(x, ticket.Ready())
	x.record.Wait += time.Since(began)
	if !here {
		return nil, context.Canceled // by the client, whether its connection was closed or lost
	}
	return ticket.Lease()
}

// patience is how much longer the request may wait: all its waits together are bounded, and after a wait there must be time for an
// attempt to begin.
func (x *exchange) patience() time.Duration {
	return min(x.gateway.MaxWait-x.record.Wait, x.gateway.AttemptsFor-time.Since(x.began))
}

// pause waits before the next attempt; false when the client went away meanwhile.
func (x *exchange) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	over := time.NewTimer(d)
	defer over.Stop()
	return await(x, over.C)
}

// await waits until something is ready, keeping the client's connection open; false when the client went away meanwhile.
func await[T any](x *exchange, ready <-chan T) bool {
	for {
		select {
		case <-ready:
			return true
		case <-x.ctx.Done():
			return false
		case <-x.silenceC():
			if !x.keepAlive() {
				return false
			}
		}
	}
}
