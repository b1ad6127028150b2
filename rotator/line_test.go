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
					if want := time.Duration(i/5) * aMinute; at[i] != want {
						t.Errorf("call %d after %s, want %s", i, at[i], want)
					}
				}
				empty(t, p)
			})
		})
	}
}

// leaseOf returns the lease of a ticket that must have one.
func leaseOf(t *testing.T, ticket *Ticket) *Lease {
	t.Helper()
	if !isReady(ticket) {
		t.Fatal("still waits")
	}
	lease, err := ticket.Lease()
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// toldWhy returns why a ticket got nothing.
func toldWhy(t *testing.T, ticket *Ticket) *Exhausted {
	t.Helper()
	if !isReady(ticket) {
		t.Fatal("still waits")
	}
	if _, err := ticket.Lease(); err != nil {
		return err.(*Exhausted)
	}
	t.Fatal("got a lease")
	return nil
}

func TestPatienceEndsWithTheCauseAndTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 1}}, Queue: 10})
		call(t, p, "m")
		time.Sleep(aMinute - 10*time.Second)
		first := join(t, p, Query{Model: "m"}, 10*time.Second)
		second := join(t, p, Query{Model: "m"}, 10*time.Second)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		// At the moment at which patience ends, the window frees.
		leaseOf(t, first).Settle(Outcome{Called: true})
		if e := toldWhy(t, second); e.Cause != CauseRate || e.RetryAfter != aMinute || e.Model != "m" {
			t.Errorf("%v, back after %s", e, e.RetryAfter)
		}
		empty(t, p)
	})
}

func TestWhoeverCannotBeServedInTimeIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := lineOf(t, 5*time.Second, Options{Limits: []Limit{{Model: "*", RPM: 2}}})
		began := time.Now()
		patient := join(t, p, Query{Model: "m"}, time.Hour)
		hasty := join(t, p, Query{Model: "m"}, 10*time.Second)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		lease := leaseOf(t, patient)
		leaseOf(t, hasty).Settle(Outcome{Called: true})
		patient, hasty = join(t, p, Query{Model: "m"}, 24*time.Hour), join(t, p, Query{Model: "m"}, 2*time.Minute)
		// Now Google says that the day is spent.
		d := lease.Decide(&Fault{Kind: FaultQuotaLong, PerDay: true}, Attempts{Made: 1})
		lease.Settle(Outcome{Called: true, Decision: d})
		e := toldWhy(t, hasty)
		if want := time.Until(nextMidnight(began)); e.Cause != CauseQuota || e.RetryAfter != want {
			t.Errorf("%v, back after %s, want after %s", e, e.RetryAfter, want)
		}
		if isReady(patient) {
			t.Error("sent away although it has time until tomorrow")
		}
		time.Sleep(e.RetryAfter)
		synctest.Wait()
		leaseOf(t, patient).Settle(Outcome{Called: true})
		empty(t, p)
	})
}

func TestWhatWaitingDoesNotMendIsToldAtOnce(t *testing.T) {
	limited := Options{Limits: []Limit{{Model: "*", TPM: 100}}}
	for _, test := range []struct {
		name     string
		options  Options
		fault    *Fault
		query    Query
		patience time.Duration
		cause    Cause
		after    time.Duration
	}{
		{"not in time", Options{}, &Fault{Kind: FaultRateShort, Delay: 11 * time.Second}, Query{Model: "m"}, 10 * time.Second, CauseRate, 11 * time.Second},
		{"no patience", Options{}, &Fault{Kind: FaultRateShort, Delay: time.Second}, Query{Model: "m"}, 0, CauseRate, time.Second},
		{"too large", limited, nil, Query{Model: "m", Tokens: 101}, time.Hour, CauseTooLarge, 0},
		{"no quota", Options{}, &Fault{Kind: FaultNotEntitled}, Query{Model: "m"}, 24 * time.Hour, CauseNotEntitled, entitledAgain},
		{"no such model", Options{}, &Fault{Kind: FaultNotEntitled, Status: 404}, Query{Model: "m"}, 24 * time.Hour, CauseAbsent, entitledAgain},
		{"not offered", Options{}, nil, Query{Model: "other"}, time.Hour, CauseUnknownModel, 0},
		{"disabled for good", Options{}, &Fault{Kind: FaultDead}, Query{Model: "m"}, time.Hour, CauseDisabled, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				candidates := fleet(1)
				candidates[0].Models = []string{"m"}
				test.options.Queue = 10
				p := NewPool(candidates, test.options)
				if test.fault != nil {
					fail(t, p, Query{Model: "m"}, test.fault)
				}
				e := notWorthWhile(t, p, test.query, test.patience)
				if e.Cause != test.cause || e.RetryAfter != test.after {
					t.Errorf("%v, back after %s; want %v after %s", e, e.RetryAfter, test.cause, test.after)
				}
				empty(t, p)
			})
		})
	}
}

func TestAnOverloadedModelIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := lineOf(t, 5*time.Second, Options{})
		ticket := join(t, p, Query{Model: "m"}, time.Minute)
		p.options.Models.overload("m", time.Now().Add(20*time.Second), time.Now())
		p.Review()
		if e := toldWhy(t, ticket); e.Cause != CauseOverloaded || e.RetryAfter != 20*time.Second {
			t.Errorf("%v, back after %s", e, e.RetryAfter)
		}
		if e := notWorthWhile(t, p, Query{Model: "m"}, time.Minute); e.Cause != CauseOverloaded {
			t.Errorf("%v", e)
		}
		empty(t, p)
	})
}

func TestNobodyWaitsWhereNobodyMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{})
		leaseOf(t, join(t, p, Query{Model: "m"}, time.Minute)).Settle(Outcome{Called: true}) // which is not waiting
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultRateShort, Delay: 3 * time.Second})
		if e := notWorthWhile(t, p, Query{Model: "m"}, time.Minute); e.Cause != CauseRate || e.RetryAfter != 3*time.Second {
			t.Errorf("%v, back after %s", e, e.RetryAfter)
		}
		empty(t, p)
	})
}

func TestAcquireDoesNotGoBeforeThoseThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "m", TPM: 100}}, Queue: 10})
		lease := take(t, p, Query{Model: "m", Tokens: 60})
		large := join(t, p, Query{Model: "m", Tokens: 60, Client: "a"}, time.Hour)
		if e := refused(t, p, Query{Model: "m", Tokens: 10}); e.Cause != CauseRate || e.RetryAfter != aMinute {
			t.Errorf("%v, back after %s", e, e.RetryAfter)
		}
		take(t, p, Query{Model: "other", Tokens: 10}).Settle(Outcome{Called: true}) // nobody waits for that
		small := join(t, p, Query{Model: "m", Tokens: 10, Client: "b"}, time.Hour)
		leaseOf(t, small).Settle(Outcome{Called: true, Tokens: 10}) // in its turn there is room for it
		if isReady(large) {
			t.Error("served without room for it")
		}
		lease.Settle(Outcome{Called: true, Tokens: 20}) // less than was thought
		leaseOf(t, large).Settle(Outcome{Called: true, Tokens: 60})
		take(t, p, Query{Model: "m", Tokens: 10}).Settle(Outcome{Called: true})
		empty(t, p)
	})
}

func TestSmallPromptsAreNotHeldUpByLargeOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", TPM: 100}}, Queue: 1000})
		lease := take(t, p, Query{Model: "m", Tokens: 95})
		var large []*Ticket
		for i := range maxPassed + 50 {
			large = append(large, join(t, p, Query{Model: "m", Tokens: 50, Client: fmt.Sprint(i % 7)}, time.Hour))
		}
		// A client's own large prompts do not either, and whoever comes is tried however many are passed.
		for i, client := range []string{"0", "new"} {
			leaseOf(t, join(t, p, Query{Model: "m", Tokens: 2 + int64(i), Client: client}, time.Hour)).Settle(Outcome{Called: true})
		}
		last := join(t, p, Query{Model: "m", Tokens: 4, Client: "1"}, time.Hour)
		if slices.ContainsFunc(large, isReady) || isReady(last) {
			t.Fatal("served without room")
		}
		lease.Settle(Outcome{}) // was not made: there is room for one large prompt
		ready := 0
		for _, ticket := range large {
			if isReady(ticket) {
				ready++
				leaseOf(t, ticket).Settle(Outcome{Called: true})
			}
			ticket.Leave()
		}
		last.Leave()
		if ready != 1 {
			t.Errorf("%d large prompts were served, want the one there is room for", ready)
		}
		empty(t, p)
	})
}

func TestALeaseThatNobodyTookGoesToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 1}}, Queue: 10})
		call(t, p, "m")
		gone, next := join(t, p, Query{Model: "m"}, time.Hour), join(t, p, Query{Model: "m"}, time.Hour)
		time.Sleep(aMinute)
		synctest.Wait()
		if !isReady(gone) || isReady(next) {
			t.Fatal("not the first was served")
		}
		gone.Leave()
		gone.Leave()
		if _, err := gone.Lease(); err == nil {
			t.Error("it has the lease that it gave back")
		}
		lease := leaseOf(t, next)
		next.Leave() // too late, and without harm
		if again, err := next.Lease(); err != nil || again != lease {
			t.Error("the lease was lost after it was taken")
		}
		lease.Settle(Outcome{Called: true})
		if n := p.candidates()[0].requests.Load(); n != 2 {
			t.Errorf("%d calls are counted, want 2", n)
		}
		empty(t, p)
	})
}

func TestWhoeverLeavesIsNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := lineOf(t, 3*time.Second, Options{})
		stays, leaves := join(t, p, Query{Model: "m"}, time.Minute), join(t, p, Query{Model: "m"}, time.Minute)
		leaves.Leave()
		toldWhy(t, leaves)
		if n := p.queued(); n != 1 {
			t.Errorf("%d wait", n)
		}
		stays.Leave()
		empty(t, p)
		time.Sleep(aMinute)
		if n := p.candidates()[0].requests.Load(); n != 1 {
			t.Errorf("%d calls are counted, want 1", n)
		}
	})
}

func TestAPromptThatWaitsAgainHasItsFirstPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := lineOf(t, 3*time.Second, Options{Limits: []Limit{{Model: "*", RPM: 3}}})
		var tried Tried
		q := Query{Model: "m", Client: "a", Tried: &tried}
		first := join(t, p, q, time.Hour)
		var rest []*Ticket
		for range 5 {
			for _, client := range []string{"a", "b"} {
				rest = append(rest, join(t, p, Query{Model: "m", Client: client}, time.Hour))
			}
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		lease := leaseOf(t, first)
		lease.Settle(Outcome{Called: true, Decision: lease.Decide(&Fault{Kind: FaultRateShort, Delay: 5 * time.Second}, Attempts{Made: 1})})
		again := join(t, p, q, time.Hour)
		if !tried.empty() {
			t.Error("what was the group's fault is still held against it")
		}
		// Of the others, two were served. When the group is back there is room for one call, as the refused one does not count.
		time.Sleep(5 * time.Second)
		synctest.Wait()
		leaseOf(t, again).Settle(Outcome{Called: true})
		ready := 0
		for _, ticket := range rest {
			if isReady(ticket) {
				ready++
				leaseOf(t, ticket).Settle(Outcome{Called: true})
			}
			ticket.Leave()
		}
		if ready != 2 {
			t.Errorf("%d of the others were served, want 2", ready)
		}
		empty(t, p)
	})
}

func TestTheLineIsBoundedAndTheGreediestMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := lineOf(t, 3*time.Second, Options{Queue: 10})
		var flood []*Ticket
		for range 10 {
			flood = append(flood, join(t, p, Query{Model: "m", Client: "flood"}, time.Minute))
		}
		if e := notWorthWhile(t, p, Query{Model: "m", Client: "flood"}, time.Minute); e.Cause != CauseCrowded || e.RetryAfter != 3*time.Second {
			t.Errorf("%v, back after %s", e, e.RetryAfter)
		}
		// Others get places until all have as many. The line for another model counts too.
		p.index("other", time.Now())
		p.candidates()[0].Group.facts("other").cool(Decision{Until: time.Now().Add(3 * time.Second), State: StateRateShort}, time.Now().UnixNano(), 1)
		var others []*Ticket
		for i := range 5 {
			others = append(others, join(t, p, Query{Model: []string{"m", "other"}[i%2], Client: "other"}, time.Minute))
			if e := toldWhy(t, flood[9-i]); e.Cause != CauseCrowded || e.RetryAfter != 3*time.Second {
				t.Errorf("the newest of the flood: %v, back after %s", e, e.RetryAfter)
			}
		}
		notWorthWhile(t, p, Query{Model: "m", Client: "other"}, time.Minute)
		others = append(others, join(t, p, Query{Model: "m", Client: "third"}, time.Minute))
		if n := p.queued(); n != 10 {
			t.Errorf("%d wait, want 10", n)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		got := 0
		for _, ticket := range append(flood, others...) {
			if lease, err := ticket.Lease(); err == nil {
				got++
				lease.Settle(Outcome{Called: true})
			}
		}
		if got != 10 {
			t.Errorf("%d were served, want 10", got)
		}
		empty(t, p)
	})
}

// What those that wait keep in memory is bounded, like their number, and whoever takes the most places makes room.
func TestWhatWaitingRequestsKeepIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := lineOf(t, time.Hour, Options{})
		wait := func(client string, bytes int64) *Ticket {
			return join(t, p, Query{Model: "m", Client: client, Bytes: bytes}, 2*time.Hour)
		}
		alone := wait("alone", 2*defaultQueueBytes) // nobody else is there
		alone.Leave()
		first, second := wait("many", defaultQueueBytes/2), wait("many", defaultQueueBytes/2)
		if _, err := p.Wait(Query{Model: "m", Client: "many", Bytes: 1}, 2*time.Hour); err == nil || err.(*Exhausted).Cause != CauseCrowded {
			t.Errorf("a byte too many: %v", err)
		}
		third := wait("few", defaultQueueBytes/2)
		if e := toldWhy(t, second); e.Cause != CauseCrowded || isReady(first) || isReady(third) {
			t.Errorf("%v", e)
		}
		fourth := wait("many", 0)
		if _, err := p.Wait(Query{Model: "m", Client: "another", Bytes: 1}, 2*time.Hour); err == nil || isReady(fourth) {
			t.Errorf("one that keeps nothing makes no room: %v", err)
		}
		leave(first, third, fourth)
		if empty(t, p); p.lines.kept != 0 {
			t.Errorf("%d bytes are kept by nobody", p.lines.kept)
		}
	})
}
