package rotator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever happens meanwhile, nobody who waits is lost or served twice, no limit is overspent, and nothing is left in the end.
func TestTheLineUnderAllKindsOfChange(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			const groups, rpm, waiters, patience = 6, 40, 1500, 90 * time.Second
			random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // chance, not secrecy
			candidates := fleet(groups)
			models := NewModels()
			options := Options{Limits: []Limit{{Model: "*", RPM: rpm, TPM: 40_000}}, Queue: waiters / 2, Models: models}
			pools := []*Pool{NewPool(candidates, options), NewPool(candidates, options)}
			w := &watch{calls: make(map[*Lease]*watched)}
			var wg sync.WaitGroup
			var leases, refusals, left atomic.Int64
			for i := range waiters {
				p, q := pools[random.IntN(2)], Query{
					Model: fmt.Sprint("m", random.IntN(2)), Tokens: int64(random.IntN(3000)), Client: fmt.Sprint(random.IntN(20)), Tried: &Tried{},
				}
				comes, works := rand.N(3*time.Minute), rand.N(20*time.Second)
				leaves, fate := random.IntN(5) == 0, random.IntN(10)
				wg.Go(func() {
					time.Sleep(comes)
					for range 3 { // attempts
						came := time.Now()
						ticket, err := p.Wait(q, patience)
						if err != nil {
							refusals.Add(1)
							return
						}
						if leaves {
							select {
							case <-ticket.Ready():
							case <-time.After(works):
							}
							ticket.Leave()
							left.Add(1)
							return
						}
						<-ticket.Ready()
						if waited := time.Since(came); waited > patience {
							t.Errorf("request %d waited for %s", i, waited)
						}
						lease, err := ticket.Lease()
						ticket.Leave()
						if err != nil {
							refusals.Add(1)
							return
						}
						leases.Add(1)
						w.take(t, lease)
						time.Sleep(works)
						if again := w.settle(lease, fate); !again {
							return
						}
					}
				})
			}
			for range 200 {
				time.Sleep(time.Second)
				p, label := pools[random.IntN(2)], candidates[random.IntN(groups)].Label
				switch random.IntN(5) {
				case 0:
					p.Disable(label)
				case 1:
					p.Enable(label)
				case 2:
					p.Replace(candidates[random.IntN(groups):])
				case 3:
					p.Replace(candidates)
				case 4:
					p.Reset(label)
				}
				for _, p := range pools {
					p.Review()
				}
			}
			for i := range candidates {
				pools[0].Enable(candidates[i].Label)
			}
			wg.Wait()
			synctest.Wait()
			for _, p := range pools {
				empty(t, p)
			}
			for _, c := range candidates {
				if n := c.inFlight.Load(); n != 0 {
					t.Errorf("%d calls of account %d never ended", n, c.Index)
				}
				c.Close()
			}
			w.check(t, rpm)
			if leases.Load() < waiters/4 || refusals.Load() == 0 || left.Load() == 0 {
				t.Errorf("%d leases, %d refusals, %d left: too one-sided to tell", leases.Load(), refusals.Load(), left.Load())
			}
		})
	}
}

// watch checks leases from outside.
type watch struct {
	mu    sync.Mutex
	calls map[*Lease]*watched
}

type watched struct {
	at            time.Time
	over, counted bool
}

func (w *watch) take(t *testing.T, l *Lease) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls[l] != nil {
		t.Error("a lease was handed out twice")
	}
	w.calls[l] = &watched{at: time.Now()}
}

// settle ends a call in one of several ways. It reports whether the request tries again.
func (w *watch) settle(l *Lease, fate int) (again bool) {
	o := Outcome{Called: true, Tokens: 100}
	switch fate {
	case 0:
		o.Decision = l.Decide(&Fault{Kind: FaultRateShort, Delay: 2 * time.Second}, Attempts{Made: 1})
	case 1:
		o.Decision = l.Decide(&Fault{Kind: FaultTransient, Status: 500}, Attempts{Made: 1, Transient: 1})
	case 2:
		o = Outcome{} // not called after all
	}
	w.mu.Lock()
	w.calls[l].over, w.calls[l].counted = true, o.counted()
	w.mu.Unlock()
	l.Settle(o)
	return fate < 2
}

// check looks for calls that were lost, and for a minute in which more were made of a group than the limit allows.
func (w *watch) check(t *testing.T, limit int) {
	type bucket struct {
		group *Group
		model string
	}
	made := make(map[bucket][]time.Time)
	for l, call := range w.calls {
		if !call.over {
			t.Errorf("a call of account %d was lost", l.Credential().Index)
		}
		if of := (bucket{l.choice.candidate.Group, l.index.model}); call.counted {
			made[of] = append(made[of], call.at)
		}
	}
	for of, times := range made {
		slices.SortFunc(times, time.Time.Compare)
		for i := range times[:max(len(times)-limit, 0)] {
			if between := times[i+limit].Sub(times[i]); between < time.Minute {
				t.Errorf("%d calls of %s in %s", limit+1, of.model, between)
			}
		}
	}
}

// Real goroutines, for the race detector: everything at once, without a clock to wait for.
func TestTheLineIsSafeForConcurrentUse(t *testing.T) {
	p := NewPool(fleet(4), affine(Options{Limits: []Limit{{Model: "*", TPM: 100}}, Queue: 10_000, Hedge: 0.5}))
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 300 {
				q := Query{
					Model: "m", Tokens: int64(10 + n%60), Client: fmt.Sprint(i % 5), Conversation: uint64(n % 7), Tried: &Tried{}, Trace: &Trace{},
				}
				ticket, err := p.Wait(q, time.Hour)
				if err != nil {
					t.Error(err)
					return
				}
				if n%3 == 0 {
					ticket.Leave()
					continue
				}
				select {
				case <-ticket.Ready():
				case <-time.After(50 * time.Second): // after a minute, the window would free by itself
					t.Error("something was given back, and who waits for it was not told")
				}
				lease, err := ticket.Lease()
				if err != nil {
					t.Error(err)
					return
				}
				if second, ok := p.Hedge(q, lease); ok {
					second.Settle(Outcome{})
				}
				lease.Settle(Outcome{}) // gives all of it back, so that nobody waits for a minute
				q.Trace.Steps()
			}
		})
	}
	wg.Go(func() {
		for range 100 {
			p.Review()
			p.Replace(p.candidates())
			p.Snapshot()
		}
	})
	wg.Wait()
	empty(t, p)
	for _, c := range p.candidates() {
		if calls := c.Group.facts("m").minute.calls; c.inFlight.Load() != 0 || calls != 0 {
			t.Errorf("%d calls in flight, %d counted", c.inFlight.Load(), calls)
		}
	}
}
