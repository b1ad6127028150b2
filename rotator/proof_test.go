package rotator

import (
	"testing"
	"testing/synctest"
	"time"
)

// However many requests come at once while nothing is known, each group is refused once for each limit it has, and nothing is lost.
func TestFirstRefusalOfAGroupIsTheOnlyOne(t *testing.T) {
	for _, test := range []struct {
		groups   int
		rpm, rpd int64
	}{{25, 5, 20}, {25, 5, 1000}, {25, 1000, 20}, {3, 7, 1000}, {3, 1000, 25}, {1, 15, 1000}, {1, 1000, 24}, {1, 24, 1000}} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
			google := &quotas{
				rpm: test.rpm, rpd: test.rpd, tpm: 1 << 40, groups: map[int]*counters{}, refused: map[string]int{}, served: map[int]float64{},
			}
			p := NewPool(fleet(test.groups), Options{Queue: 1000})
			most := min(test.rpm, test.rpd)
			for range 2 * int(most) * test.groups { // all within a minute
				time.Sleep(10 * time.Millisecond)
				leases := all(p, 60) // all of them are under way before the last is answered
				for i := len(leases) - 1; i >= 0; i-- {
					if f := google.call(leases[i].Credential().Index, 10); f != nil {
						refuse(leases[i], f)
					} else {
						leases[i].Settle(Outcome{Called: true, Tokens: 10})
					}
				}
			}
			if google.today != int(most)*test.groups {
				t.Errorf("%+v: %d calls served", test, google.today)
			}
			for quota, n := range google.refused {
				if n > 1 {
					t.Errorf("%+v: refused %d times: %s", test, n, quota)
				}
			}
		})
	}
}

// unknown is a pool of n groups of which nothing is known.
func unknown(n int) *Pool { return NewPool(fleet(n), Options{Queue: 1000}) }

// A group with plenty is found out within seconds, even if Google says nothing for long.
func TestGroupWithPlentyIsSoonAtFullSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unknown(1)
		tickets := make([]*Ticket, 100)
		for i := range tickets {
			tickets[i] = join(t, p, Query{Model: "m"}, 10*time.Second)
		}
		for i, ticket := range tickets {
			<-ticket.Ready()
			leaseOf(t, ticket)
			if waited := time.Since(ticket.began); i >= leastRPM && waited == 0 || waited > 6*time.Second {
				t.Errorf("call %d has waited for %s", i+1, waited)
			}
		}
	})
}

func TestCallsBeyondWhatIsProvenWaitForThoseBefore(t *testing.T) {
	for name, answer := range map[string]func(*Lease){
		"begins to be answered": (*Lease).Taken,
		"is answered":           func(l *Lease) { l.Settle(Outcome{Called: true, Tokens: 10}) },
		"fails":                 func(l *Lease) { l.Settle(Outcome{Called: true, Decision: Decision{failed: true}}) },
		"hears nothing":         func(*Lease) { time.Sleep(time.Duration(refusedWithin)) },
	} {
		synctest.Test(t, func(t *testing.T) {
			p := unknown(1)
			leases := all(p, 100)
			if len(leases) != leastRPM {
				t.Fatalf("%d calls at once", len(leases))
			}
			for i, lease := range leases {
				if e := refused(t, p, Query{Model: "m"}); e.Cause != CauseRate || e.RetryAfter != time.Duration(refusedWithin) {
					t.Fatalf("before call %d %s: cause %v, retry after %v", i, name, e.Cause, e.RetryAfter)
				}
				if got := p.RetryAfter("m"); got != time.Duration(refusedWithin) {
					t.Errorf("retry after %v", got)
				}
				answer(lease)
				if name == "hears nothing" {
					break
				}
			}
			if n := len(all(p, 100)); n != 1 {
				t.Errorf("%d calls after the last %s", n, name)
			}
		})
	}
}

// A call that was assumed to be taken is not counted again when it is.
func TestLateAnswersChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unknown(1)
		leases := all(p, leastRPM)
		time.Sleep(time.Duration(refusedWithin))
		take(t, p, Query{Model: "m"})
		serve(leases)
		refused(t, p, Query{Model: "m"})
	})
}

func TestWhatOneGroupHasShownGoesForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		models := NewModels()
		first, second := candidate(1, NewGroup()), candidate(2, NewGroup())
		one := NewPool([]Candidate{first}, Options{Queue: 1, Models: models})
		other := NewPool([]Candidate{second}, Options{Queue: 1, Models: models})
		serve(all(one, 100))
		for range 3 {
			serve(all(one, 1))
		}
		if n := len(all(other, 100)); n != leastRPM+3 {
			t.Errorf("%d calls at once", n)
		}
	})
}

// Which is for how many calls of a group's may be under way in advance.
func TestTheMoreIsProvenTheMoreMayBeUnderWay(t *testing.T) {
	for _, test := range []struct{ proven, used, want int64 }{
		{proofEach, 0, 1 << 40}, {proofEach, proofEach - 1, 1 << 40}, {proofEach, proofEach, 0}, {proofEach + 1, proofEach + 1, proofEach + 1},
		{100, 99, 1 << 40}, {100, 100, 100}, {100, 500, 100}, {proofPlenty - 1, 5000, proofPlenty - 1}, {proofPlenty, 5000, 1 << 40},
	} {
		var p proof
		p.add(test.proven)
		p.add(1) // is no news
		if got := min(p.ahead(test.used), 1<<40); got != test.want {
			t.Errorf("%+v: got %d", test, got)
		}
	}
}

// Calls of two minutes of the clock's prove nothing about one of them, although they were made within sixty seconds; nor do calls of two
// days.
func TestOnlyCallsOfOneMinuteProve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(nextMidnight(time.Now()).Add(-time.Second)))
		p := unknown(1)
		for range 4 {
			serve(all(p, 1))
		}
		time.Sleep(time.Second)
		for range 4 {
			serve(all(p, 1))
		}
		proofs := &p.options.Models.hintsFor("gemini_api", "m").proofs
		if minute, day := proofs.minute.calls.Load(), proofs.day.calls.Load(); minute != leastRPM || day != leastRPD {
			t.Errorf("%d calls of a minute, %d of a day", minute, day)
		}
		serve(all(p, 1))
		serve(all(p, 1))
		if minute := proofs.minute.calls.Load(); minute != 6 {
			t.Errorf("%d calls of a minute after the sixth", minute)
		}
	})
}

// Neither do calls that Google has not answered yet prove anything, nor those that failed.
func TestOnlyCallsThatWereTakenProve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const proven = proofEach + 1
		p := unknown(1)
		proofs := &p.options.Models.hintsFor("gemini_api", "m").proofs
		proofs.minute.add(proven)
		proofs.day.add(proven)
		leases := all(p, 1000)
		if len(leases) != proven+1 {
			t.Fatalf("%d calls at once", len(leases))
		}
		serve(leases[:1])
		for _, lease := range leases[1:] {
			lease.Settle(Outcome{Called: true, Decision: Decision{failed: true}})
		}
		if minute, day := proofs.minute.calls.Load(), proofs.day.calls.Load(); minute != proven || day != proven {
			t.Errorf("%d calls of a minute, %d of a day", minute, day)
		}
	})
}

// Where limits are known, nobody can wait, or there is plenty, nobody is held back.
func TestNobodyIsHeldBackWithoutNeed(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		proven  int64
	}{
		"limits are configured": {Options{Queue: 1, Limits: []Limit{{Model: "*", RPM: 1000, RPD: 1000}}}, 0},
		"nobody can wait":       {Options{}, 0},
		"there is plenty":       {Options{Queue: 1}, proofPlenty},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := NewPool(fleet(1), test.options)
			hints := p.options.Models.hintsFor("gemini_api", "m")
			hints.proofs.minute.add(test.proven)
			hints.proofs.day.add(test.proven)
			leases := all(p, 100)
			if len(leases) != 100 {
				t.Errorf("%s: %d calls at once", name, len(leases))
			}
			if leases[0].choice.booking.awaited() {
				t.Errorf("%s: there is nothing to learn from an answer", name)
			}
		})
	}
	for want, limit := range map[int]Limit{leastRPM: {Model: "*", RPD: 1000}, leastRPD: {Model: "*", RPM: 1000}} { // one does not tell the other
		synctest.Test(t, func(t *testing.T) {
			p := NewPool(fleet(1), Options{Queue: 1, Limits: []Limit{limit}})
			if n := len(all(p, 100)); n != want {
				t.Errorf("%d calls at once, want %d", n, want)
			}
		})
	}
}

// Caution costs nobody an answer: neither when more wait than may, nor when patience ends.
func TestNobodyIsTurnedAwayForCaution(t *testing.T) {
	for name, test := range map[string]struct {
		queue    int
		patience time.Duration
		limit    Limit
		cause    Cause
	}{
		"more wait than may":             {10, time.Hour, Limit{Model: "*", RPM: 100}, CauseRate},
		"patience ends":                  {1000, time.Second, Limit{Model: "*", RPM: 100}, CauseRate},
		"patience ends within a minute":  {1000, time.Second, Limit{Model: "*", RPD: 100}, CauseQuota},
		"more wait than may in a minute": {10, time.Hour, Limit{Model: "*", RPD: 100}, CauseQuota},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := NewPool(fleet(2), Options{Queue: test.queue, Limits: []Limit{test.limit}})
			var tickets []*Ticket
			for range 200 {
				tickets = append(tickets, join(t, p, Query{Model: "m"}, test.patience))
			}
			time.Sleep(2 * time.Second)
			for _, ticket := range tickets {
				leaseOf(t, ticket)
			}
			if e := refused(t, p, Query{Model: "m"}); e.Cause != test.cause {
				t.Errorf("%s: cause %v", name, e.Cause)
			}
			empty(t, p)
		})
	}
}

// Caution is not given up for those that it does not concern: prompts that are too large, and groups that are held to a hint.
func TestCautionIsKeptWhereGivingItUpDoesNotHelp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check := func(p *Pool, q Query) {
			t.Helper()
			all(p, 100)
			if ticket, err := p.Wait(q, time.Millisecond); err == nil {
				t.Errorf("got %v", ticket)
			}
			if day := p.options.Models.hintsFor("gemini_api", "m").proofs.day.calls.Load(); day != leastRPD {
				t.Errorf("%d calls of a day count as proven", day)
			}
		}
		check(NewPool(fleet(1), Options{Queue: 10, Limits: []Limit{{Model: "*", TPM: 1000}}}), Query{Model: "m", Tokens: 1001})
		check(hintedPool(t, 1, refusal(QuotaRPM, 5), Options{Queue: 10, Limits: []Limit{{Model: "*", RPD: 1000}}}), Query{Model: "m"})
	})
}

// That a group is held back for a moment is nothing to show, nor to be ill of.
func TestHoldingBackIsNotCooling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unknown(1)
		all(p, 100)
		if s := p.Snapshot(); !p.Ready() || s.Pool.Ready != 1 || s.Accounts[0].Models[0].State != StateReady {
			t.Errorf("ready: %v, status shows %+v", p.Ready(), s)
		}
	})
}

// When others learn a limit while more calls are under way than it allows, no further one is made before those are answered.
func TestCallsUnderWayAreProbesOnceThereIsAHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unknown(2)
		for range 6 { // five calls each, and a sixth
			take(t, p, Query{Model: "m"})
			take(t, p, Query{Model: "m"})
			time.Sleep(time.Duration(refusedWithin))
		}
		first, second := take(t, p, Query{Model: "m"}), take(t, p, Query{Model: "m"})
		refuse(first, refusal(QuotaRPM, 6))
		if e := refused(t, p, Query{Model: "m"}); e.Cause != CauseRate || e.RetryAfter <= 0 {
			t.Errorf("cause %v, back after %v", e.Cause, e.RetryAfter)
		}
		if s := second.choice.facts.shortage(time.Now().UnixNano(), &rules{}); s.state != StateProbing {
			t.Errorf("short of %q, want to be seen as probing before a call is tried", s.state)
		}
		second.Taken()
		take(t, p, Query{Model: "m"})
	})
}

// Who waits for an answer is not let go before it is known what the refusal teaches.
func TestRefusalIsLearnedBeforeOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unknown(1)
		serve(all(p, leastRPM))
		lease := take(t, p, Query{Model: "m"})
		d := lease.Decide(refusal(QuotaRPM, 5), Attempts{Made: 1})
		lease.choice.facts.settle(&lease.choice.booking, &Outcome{Called: true, Decision: d}, lease.began)
		refused(t, p, Query{Model: "m"})
	})
}
