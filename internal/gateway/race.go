package gateway

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// race is one attempt, or two of them of which the first with something to show answers the client. The second, a hedge, begins when
// the first token of the first is later than is usual for the model. Only the exchange's own goroutine uses a race.
type race struct {
	*exchange
	model   *gemini.Model
	frames  chan frame // from all pumps
	pumps   sync.WaitGroup
	running []*attempt // one or two, the first begun first
	late    *time.Timer
}

// race has an account answer. It returns the attempt that did, or else the last to fail and its failure. Nothing of any attempt goes on
// then, and those not returned are settled.
func (x *exchange) race(lease *rotator.Lease, m *gemini.Model) (*attempt, *google.Error) {
	r := &race{exchange: x, model: m, frames: make(chan frame)}
	defer r.end()
	if a, failed := r.enter(lease, false); failed != nil {
		return a, failed
	}
	if after, ok := x.gateway.Pool.HedgeAfter(m.ID); ok {
		r.late = time.NewTimer(after)
		defer r.late.Stop()
	}
	for {
		a, failed := r.run()
		if failed != nil {
			failed = a.cut(failed)
		}
		r.leave(a)
		if failed == nil || len(r.running) == 0 || x.clientGone() {
			return a, failed
		}
		a.count()
		a.settle(x.judge(a, failed)) // the other goes on alone
	}
}

// enter begins an attempt.
func (r *race) enter(lease *rotator.Lease, hedge bool) (*attempt, *google.Error) {
	a := &attempt{exchange: r.exchange, lease: lease, model: r.model, hedge: hedge, began: time.Now()}
	body, err := r.encode(lease.Credential(), r.model)
	if err != nil {
		return a, notEncodable(err)
	}
	r.record.UpstreamModel = r.model.ID
	a.body, a.fold = body, gemini.NewFold(body.place.Backend, r.model, r.request)
	ctx, cancel := context.WithCancel(r.ctx)
	a.ctx, a.cancel, a.patience = ctx, cancel, time.NewTimer(r.gateway.FirstToken)
	r.running = append(r.running, a)
	r.pumps.Go(func() { a.pump(ctx, r.frames) })
	return a, nil
}

// run folds and writes frames until an attempt has answered or failed.
func (r *race) run() (*attempt, *google.Error) {
	for {
		select {
		case f := <-r.frames:
			if over, failed := r.take(f); over || failed != nil {
				return f.from, failed
			}
		case <-r.running[0].patience.C: // before that of a second one, which began later
			return r.running[0], r.running[0].stalled()
		case <-r.lateC():
			r.hedge()
		case <-r.silenceC():
			r.count()
			if !r.keepAlive() {
				return r.running[0], clientGone(context.Canceled)
			}
		case <-r.ctx.Done():
			return r.running[0], clientGone(r.ctx.Err())
		}
	}
}

// take folds one frame and writes what it says. Until there is something a client can see, nothing is written: the attempt may still
// fail without the client noticing, or be overtaken.
func (r *race) take(f frame) (over bool, failed *google.Error) {
	a := f.from
	if !slices.Contains(r.running, a) {
		return false, nil // was canceled while it handed this over
	}
	a.count()
	if f.err == io.EOF && !a.ended() && r.goOn(a) { // not errors.Is, see understand
		return false, nil
	}
	if over, failed = a.understand(f); failed != nil {
		return over, failed
	}
	a.lease.Taken()
	if !over && !a.fold.Visible() {
		return false, nil
	}
	r.win(a)
	over, failed = a.tell(over)
	a.patience.Reset(r.gateway.Idle)
	return over, failed
}

// win has an attempt be the one that answers.
func (r *race) win(a *attempt) {
	if a.won {
		return
	}
	a.won = true
	if a.fold.Visible() {
		r.gateway.Pool.FirstToken(r.model.ID, time.Since(a.began))
		if r.record.FirstToken == 0 {
			r.record.FirstToken = time.Since(r.record.Start)
		}
	}
	if a.hedge {
		r.record.Hedge = HedgeWon
	}
	for _, other := range slices.Clone(r.running) {
		if other == a {
			continue
		}
		// How long it would have taken remains unknown, but not less than this. If it were left out, the late ones would be missing
		// among the observed times, and less and less would count as late.
		r.gateway.Pool.FirstToken(r.model.ID, time.Since(other.began))
		r.lose(other)
	}
	if r.late != nil {
		r.late.Stop()
	}
}

// lose ends an attempt that somebody else was faster than, or that nobody waits for any more. Its call was made and is nobody's fault.
func (r *race) lose(a *attempt) {
	a.count()
	r.leave(a)
	a.note(OutcomeLost, 0)
	a.settle(rotator.Decision{})
}

// leave stops an attempt.
func (r *race) leave(a *attempt) {
	if i := slices.Index(r.running, a); i >= 0 {
		r.running = slices.Delete(r.running, i, i+1)
		a.patience.Stop()
		a.cancel()
	}
}

// end leaves nothing behind, however the race ended.
func (r *race) end() {
	for len(r.running) > 0 {
		r.lose(r.running[0])
	}
	r.pumps.Wait()
}

// hedge begins a second attempt, if the pool can spare one.
func (r *race) hedge() {
	r.count()
	if !r.mayTry() {
		return
	}
	lease, ok := r.gateway.Pool.Hedge(r.query(r.model), r.running[0].lease)
	if !ok {
		return
	}
	if _, failed := r.enter(lease, true); failed != nil {
		lease.Settle(rotator.Outcome{})
		return
	}
	r.record.Hedge = HedgeLost // so far
}

// count puts calls into the record, once it is known whether there were any.
func (r *race) count() {
	for _, a := range r.running {
		a.count()
	}
}

// lateC is nil, and so never ready, when there is no hedging.
func (r *race) lateC() <-chan time.Time {
	if r.late == nil {
		return nil
	}
	return r.late.C
}
