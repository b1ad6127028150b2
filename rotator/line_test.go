package rotator

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// join waits for an account for a call; that must be worth while.
func join(t *testing.T, p *Pool, q Query, patience time.Duration) *Ticket {
	t.Helper()
	ticket, err := p.Wait(q, patience)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

// notWorthWhile waits in vain: it is refused at once.
func notWorthWhile(t *testing.T, p *Pool, q Query, patience time.Duration) *Exhausted {
	t.Helper()
	_, err := p.Wait(q, patience)
	if err == nil {
		t.Fatal("waits, or got a lease")
	}
	return err.(*Exhausted)
}

func isReady(ticket *Ticket) bool {
	select {
	case <-ticket.Ready():
		return true
	default:
		return false
	}
}

// lineOf returns a pool with one group, and has the group cool for a while.
func lineOf(t *testing.T, cools time.Duration, o Options) *Pool {
	t.Helper()
	if o.Queue == 0 {
		o.Queue = 10_000
	}
	p := NewPool(fleet(1), o)
	fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultRateShort, Delay: cools})
	return p
}

// empty checks that nobody waits, and that nothing of the line is left.
func empty(t *testing.T, p *Pool) {
	t.Helper()
	if n := p.queued(); n != 0 {
		t.Errorf("%d wait", n)
	}
	p.lines.mu.Lock()
	defer p.lines.mu.Unlock()
	if len(p.lines.known) != 0 {
		t.Errorf("%d clients are left", len(p.lines.known))
	}
	for model, n := range p.lines.models {
		if !n.empty() || !n.order.empty() || len(n.flows) != 0 {
			t.Errorf("tickets or clients are left in the line for %s", model)
		}
		if n.timer != nil && n.timer.Stop() {
			t.Errorf("a timer is left in the line for %s", model)
		}
	}
	if all := p.options.Models.bell.waiting.Load(); all != nil && slices.Contains(*all, p.lines) {
		t.Error("the pool is still told of changes")
	}
}

func TestAThousandWaitForOneGroupAndAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := lineOf(t, 3*time.Second, Options{})
		began := time.Now()
		var tickets []*Ticket
		for range 1000 {
			tickets = append(tickets, join(t, p, Query{Model: "m", Client: "one"}, 10*time.Second))
		}
		if n := p.Snapshot().Pool.Queued; n != 1000 {
			t.Errorf("status shows %d that wait", n)
		}
		time.Sleep(3*time.Second - 1)
		synctest.Wait()
		if slices.ContainsFunc(tickets, isReady) {
			t.Fatal("served before the group is back")
		}
		time.Sleep(1)
		synctest.Wait()
		seen := make(map[*Lease]bool)
		last := uint64(0)
		for i, ticket := range tickets {
			if !isReady(ticket) {
				t.Fatalf("number %d still waits after %s", i, time.Since(began))
			}
			lease, err := ticket.Lease()
			if err != nil {
				t.Fatal(err)
			}
			if seen[lease] {
				t.Fatal("a lease was handed out twice")
			}
			seen[lease] = true
			if ticket.place.arrival <= last {
				t.Fatal("out of order")
			}
			last = ticket.place.arrival
			lease.Settle(Outcome{Called: true})
		}
		if n := p.candidates()[0].requests.Load(); n != 1001 {
			t.Errorf("%d calls, want 1,001", n)
		}
		empty(t, p)
	})
}

func TestWaitEndsTheMomentTheWindowFrees(t *testing.T) {
	for _, limit := range []Limit{{Model: "*", RPM: 5}, {Model: "*", TPM: 50}} {
		t.Run(fmt.Sprintf("%+v", limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := NewPool(fleet(1), Options{Limits: []Limit{limit}, Queue: 100})
				began := time.Now()
				var at []time.Duration
				for range 25 {
					ticket := join(t, p, Query{Model: "m", Tokens: 10}, time.Hour)
					<-ticket.Ready()
					lease, err := ticket.Lease()
					if err != nil {
						t.Fatal(err)
					}
					at = append(at, time.Since(began))
					lease.Settle(Outcome{Called: true, Tokens: 10})
				}
				for i := range at {
					if want := time.Duration(i/5) * time.Minute; at[i] != want {
						t.Errorf("call %d after %s, want %s", i, at[i], want)
					}
				}
				empty(t, p)
			})
		})
	}
}
