package rotator

import (
	"testing"
	"testing/synctest"
	"time"
)

// crowd has many wait with prompts of so many tokens.
func crowd(t *testing.T, p *Pool, n int, tokens int64) (tickets []*Ticket) {
	t.Helper()
	for range n {
		tickets = append(tickets, join(t, p, Query{Model: "m", Tokens: tokens}, 100*time.Hour))
	}
	return tickets
}

func leave(tickets ...*Ticket) {
	for _, ticket := range tickets {
		ticket.Leave()
	}
}

// A walk looks behind so many prompts that are too large for what is left, and no further; each that is served begins it anew.
func TestSmallPromptsPassSoManyLargeOnes(t *testing.T) {
	for _, test := range []struct {
		before, between int
		first, second   bool // are served
	}{{100, 100, true, true}, {maxPassed - 1, 1, true, false}, {maxPassed, 1, false, false}} {
		synctest.Test(t, func(t *testing.T) {
			p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", TPM: 100}}, Queue: 1000})
			lease := take(t, p, Query{Model: "m", Tokens: 100})
			large := crowd(t, p, test.before, 60)
			first := crowd(t, p, 1, 10)
			large = append(large, crowd(t, p, test.between, 60)...)
			second := crowd(t, p, 1, 10)
			lease.Settle(Outcome{Called: true, Tokens: 80})
			if isReady(first[0]) != test.first || isReady(second[0]) != test.second {
				t.Errorf("%+v: served the first: %v, the second: %v", test, isReady(first[0]), isReady(second[0]))
			}
			leave(first...)
			leave(second...)
			leave(large...)
			empty(t, p)
		})
	}
}

// Of prompts that are no smaller than one for which there is no room, each costs next to nothing.
func TestLargePromptsAreNotTriedOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", TPM: 100}}, Queue: 1000})
		take(t, p, Query{Model: "m", Tokens: 60})
		large := crowd(t, p, 200, 60)
		if n := testing.AllocsPerRun(10, p.lines.serve); n > 20 {
			t.Errorf("%v allocations", n)
		}
		leave(large...)
	})
}

// learnTokens has a pool's only group be found to allow so many tokens a minute, while it is out of calls for a moment.
func learnTokens(t *testing.T, p *Pool, lease *Lease, limit int64) {
	t.Helper()
	f := refusal(QuotaTPM, limit)
	f.Delay = 2 * time.Second
	refuse(lease, f)
	time.Sleep(2 * time.Second)
	synctest.Wait()
}

// A limit that is learned while many wait is the end of those that exceed it, however many, and of nobody else.
func TestPromptsThatTurnOutToBeTooLargeAreSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 1, RPD: 1000}}, Queue: 1000})
		lease := take(t, p, Query{Model: "m", Tokens: 10})
		large := append(crowd(t, p, maxPassed, 600), crowd(t, p, 10, 700)...)
		small := crowd(t, p, 1, 400)
		learnTokens(t, p, lease, 500)
		for _, ticket := range large {
			if e := toldWhy(t, ticket); e.Cause != CauseTooLarge {
				t.Fatalf("%v", e)
			}
		}
		leaseOf(t, small[0]).Settle(Outcome{Called: true, Tokens: 400})
		empty(t, p)
	})
}

// The same, if there is no room for those that do not exceed it.
func TestPromptsThatTurnOutToBeTooLargeDoNotHideEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 2, RPD: 1000}}, Queue: 1000})
		take(t, p, Query{Model: "m", Tokens: 300}).Settle(Outcome{Called: true, Tokens: 300})
		lease := take(t, p, Query{Model: "m", Tokens: 10})
		large := append(crowd(t, p, 1, 600), crowd(t, p, 1, 700)...)
		small := crowd(t, p, 1, 400)
		learnTokens(t, p, lease, 500)
		for _, ticket := range large {
			if e := toldWhy(t, ticket); e.Cause != CauseTooLarge {
				t.Errorf("%v", e)
			}
		}
		if isReady(small[0]) {
			t.Error("served without room for it")
		}
		leave(small...)
		empty(t, p)
	})
}

func TestWhatWaitingDoesNotMendIsToldToAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 1, RPD: 1000}}, Queue: 1000})
		lease := take(t, p, Query{Model: "m"})
		tickets := crowd(t, p, 3, 10) // with more patience than the group is put aside for
		refuse(lease, &Fault{Kind: FaultNotEntitled})
		for _, ticket := range tickets {
			if e := toldWhy(t, ticket); e.Cause != CauseNotEntitled {
				t.Errorf("%v", e)
			}
		}
		empty(t, p)
	})
}

// While more wait than are looked at, nobody knows that there will be nothing in time for those behind, so they wait to the end of their
// patience, and no longer.
func TestPatienceEndsBehindManyOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", TPM: 100}}, Queue: 1000})
		take(t, p, Query{Model: "m", Tokens: 100}).Settle(Outcome{Called: true, Tokens: 100})
		time.Sleep(aMinute - 9*time.Second)
		large := crowd(t, p, maxPassed+10, 60)
		hasty := join(t, p, Query{Model: "m", Tokens: 60}, 10*time.Second)
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		if !isReady(large[0]) || isReady(hasty) {
			t.Errorf("the first is ready: %v, the hasty: %v", isReady(large[0]), isReady(hasty))
		}
		time.Sleep(1)
		synctest.Wait()
		if e := toldWhy(t, hasty); e.Cause != CauseRate {
			t.Errorf("%v", e)
		}
		leave(large...)
		empty(t, p)
	})
}

// The line looks again when there is something for one of those that wait, not for the last.
func TestWhoeverNeedsLessIsNotKeptWaitingForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", TPM: 100}}, Queue: 1000})
		call := func(tokens int64) {
			take(t, p, Query{Model: "m", Tokens: tokens}).Settle(Outcome{Called: true, Tokens: tokens})
		}
		call(50)
		time.Sleep(20 * time.Second)
		call(49)
		less := join(t, p, Query{Model: "m", Tokens: 50}, time.Hour)
		var elsewhere Tried // who comes back is looked at by itself
		stranger := candidate(9, NewGroup())
		elsewhere.add(&stranger, &Decision{Next: Elsewhere})
		more := join(t, p, Query{Model: "m", Tokens: 90, Tried: &elsewhere}, time.Hour)
		time.Sleep(aMinute - 20*time.Second)
		synctest.Wait()
		if !isReady(less) || isReady(more) {
			t.Errorf("less is ready: %v, more: %v", isReady(less), isReady(more))
		}
		leave(less, more)
		empty(t, p)
	})
}
