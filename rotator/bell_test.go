package rotator

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Each of these makes something usable earlier than was expected. Who waits for it has it at that moment.
func TestWhoWaitsIsToldWhatBecomesUsable(t *testing.T) {
	const cools = 50 * time.Second
	for _, test := range []struct {
		name string
		// begin returns the pool in which somebody is to wait, and what makes an account usable there.
		begin func(t *testing.T, candidates []Candidate, models *Models) (p *Pool, free func())
	}{
		{"a call of the same pool is given back", func(t *testing.T, c []Candidate, m *Models) (*Pool, func()) {
			p := NewPool(c, Options{Models: m, Queue: 1, Limits: []Limit{{Model: "*", RPM: 1}}})
			lease := take(t, p, Query{Model: "m"})
			return p, func() { lease.Settle(Outcome{}) }
		}},
		{"a call of another pool is given back", func(t *testing.T, c []Candidate, m *Models) (*Pool, func()) {
			o := Options{Models: m, Queue: 1, Limits: []Limit{{Model: "*", RPM: 1}}}
			lease := take(t, NewPool(c, o), Query{Model: "m"})
			return NewPool(c, o), func() { lease.Settle(Outcome{}) }
		}},
		{"a call of another pool took fewer tokens", func(t *testing.T, c []Candidate, m *Models) (*Pool, func()) {
			o := Options{Models: m, Queue: 1, Limits: []Limit{{Model: "*", TPM: 100}}}
			lease := take(t, NewPool(c, o), Query{Model: "m", Tokens: 99})
			return NewPool(c, o), func() { lease.Settle(Outcome{Called: true, Tokens: 1}) }
		}},
		{"a call of a model with the same bucket is given back", func(t *testing.T, c []Candidate, m *Models) (*Pool, func()) {
			p := NewPool(c, Options{Models: m, Queue: 1, Limits: []Limit{{Model: "*", RPM: 1}}})
			p.index("m", time.Now())
			c[0].Group.share("m", "other", time.Now().UnixNano())
			lease := take(t, p, Query{Model: "other"})
			return p, func() { lease.Settle(Outcome{}) }
		}},
		{"a call that began before the candidates were replaced is given back", func(t *testing.T, c []Candidate, m *Models) (*Pool, func()) {
			p := NewPool(c, Options{Models: m, Queue: 1, Limits: []Limit{{Model: "*", RPM: 1}}})
			lease := take(t, p, Query{Model: "m"})
			p.Replace(c)
			return p, func() { lease.Settle(Outcome{}) }
		}},
		{"a candidate is added", func(t *testing.T, c []Candidate, m *Models) (*Pool, func()) {
			p := NewPool(c, Options{Models: m, Queue: 1})
			fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultRateShort, Delay: cools})
			return p, func() { p.Replace(append(slices.Clone(c), candidate(2, NewGroup()))) }
		}},
		{"an operator enables an account", func(t *testing.T, c []Candidate, m *Models) (*Pool, func()) {
			p, other := NewPool([]Candidate{c[0], candidate(2, NewGroup())}, Options{Models: m, Queue: 1}), NewPool(c, Options{Models: m})
			p.Disable("account-1")
			fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultRateShort, Delay: cools}) // what it waits for
			return p, func() {
				other.Enable("account-1")
				p.Review()
			}
		}},
		{"an operator resets a group", func(t *testing.T, c []Candidate, m *Models) (*Pool, func()) {
			p := NewPool(c, Options{Models: m, Queue: 1})
			fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultRateShort, Delay: cools})
			return p, func() {
				p.Reset("account-1")
				p.Review()
			}
		}},
		{"a token is there after all", func(t *testing.T, c []Candidate, m *Models) (*Pool, func()) {
			p := NewPool(c, Options{Models: m, Queue: 1})
			c[0].suspend(&outage{until: time.Now().Add(cools), reason: "no token", passing: true}, time.Now())
			return p, func() {
				f := &flight{done: make(chan struct{})}
				c[0].mint(f, apiKey("key"))
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				candidates, models := fleet(1), NewModels()
				p, free := test.begin(t, candidates, models)
				ticket := join(t, p, Query{Model: "m", Tokens: 2}, time.Hour)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if isReady(ticket) {
					t.Fatal("served before anything was usable")
				}
				free()
				synctest.Wait()
				leaseOf(t, ticket).Settle(Outcome{Called: true})
				empty(t, p)
			})
		})
	}
}

// Whoever frees something without a word is found out when it is asked again, at the latest.
func TestWhoComesFindsWhatAnotherPoolGaveBack(t *testing.T) {
	for _, limit := range []Limit{{Model: "*", RPM: 1}, {Model: "*", TPM: 100}} {
		synctest.Test(t, func(t *testing.T) {
			candidates := fleet(1)
			o := Options{Limits: []Limit{limit}, Queue: 1}
			p, other := NewPool(candidates, o), NewPool(candidates, o) // of which each has Models of its own
			lease := take(t, p, Query{Model: "m", Tokens: 100})
			refused(t, other, Query{Model: "m", Tokens: 10})
			lease.Settle(Outcome{})
			take(t, other, Query{Model: "m", Tokens: 10}).Settle(Outcome{Called: true})
		})
	}
}

func TestReplacedCandidatesAreUsedFromThenOn(t *testing.T) {
	candidates := fleet(4)
	p := NewPool(candidates[:2], Options{Limits: []Limit{{Model: "*", RPM: 10}}})
	lease := take(t, p, Query{Model: "m"})
	p.Replace(candidates[2:])
	for range 4 {
		if n := call(t, p, "m"); n < 3 {
			t.Errorf("account %d is used, which is gone", n)
		}
	}
	lease.Settle(Outcome{Called: true}) // a lease of before ends as ever
	if n := candidates[0].inFlight.Load() + candidates[1].inFlight.Load(); n != 0 {
		t.Errorf("%d calls never ended", n)
	}
	p.Replace(candidates)
	if s := p.Snapshot(); len(s.Accounts) != 4 || s.Accounts[2].Models[0].RPM.Used != 2 {
		t.Errorf("%+v: what was counted is forgotten", s.Accounts)
	}
	p.Replace(nil)
	if e := refused(t, p, Query{Model: "m"}); e.Cause != CauseUnknownModel {
		t.Errorf("%v without an account", e)
	}
}

func TestWhoWaitsForAccountsThatAreGoneIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := lineOf(t, 5*time.Second, Options{})
		ticket := join(t, p, Query{Model: "m"}, time.Minute)
		p.Replace(nil)
		if e := toldWhy(t, ticket); e.Cause != CauseUnknownModel {
			t.Errorf("%v", e)
		}
		empty(t, p)
	})
}

func TestThatNothingIsLeftIsToldOnceUntilTheModelIsServedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Change
		p := NewPool(fleet(2), Options{Limits: []Limit{{Model: "*", RPM: 1, TPM: 100}}, Notify: func(c Change) { told = append(told, c) }})
		began := time.Now()
		refused(t, p, Query{Model: "m", Tokens: 101}) // which says nothing about others
		for range 2 {
			call(t, p, "m")
			call(t, p, "m")
			for range 3 {
				refused(t, p, Query{Model: "m"})
			}
			time.Sleep(aMinute)
		}
		want := []Change{
			{State: StateExhausted, Model: "m", Until: began.Add(aMinute), Reason: "rate limit"},
			{State: StateExhausted, Model: "m", Until: began.Add(2 * aMinute), Reason: "rate limit"},
		}
		if !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}

func TestThatAModelIsNotThereIsNotExhaustion(t *testing.T) {
	for _, kind := range []FaultKind{FaultNotEntitled, FaultModelCapacity} {
		candidates := fleet(1)
		candidates[0].Models = []string{"m"}
		p := NewPool(candidates, Options{Notify: func(c Change) {
			if c.State == StateExhausted {
				t.Errorf("told %+v", c)
			}
		}})
		lease := take(t, p, Query{Model: "m"})
		lease.Settle(Outcome{Called: true, Decision: lease.Decide(&Fault{Kind: kind}, Attempts{Made: 1, Capacity: 2})})
		refused(t, p, Query{Model: "m"})
		refused(t, p, Query{Model: "unknown"})
	}
}

// Whoever is told of a change may ask the pool about it.
func TestChangesAreToldWithoutALock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *Pool
		n := 0
		p = NewPool(fleet(1), Options{Queue: 10, Notify: func(Change) {
			n++
			p.Snapshot()
			p.RetryAfter("m")
			if ticket, err := p.Wait(Query{Model: "m"}, time.Minute); err == nil {
				ticket.Leave()
			}
		}})
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultRateShort, Delay: 3 * time.Second})
		ticket := join(t, p, Query{Model: "m"}, time.Minute)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		leaseOf(t, ticket).Settle(Outcome{Called: true})
		if n != 3 {
			t.Errorf("told %d changes, want that it cools, that nothing is left, and that it is ready", n)
		}
		empty(t, p)
	})
}
