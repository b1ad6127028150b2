package rotator

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestRevokedKeyIsTriedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(2), Options{Policy: fillFirst{}})
		var tried Tried
		q := Query{Model: "m", Tried: &tried}
		lease, d := fail(t, p, q, &Fault{Kind: FaultDead, Status: 400, Reason: "API_KEY_INVALID"})
		if lease.Credential().Index != 1 || d.Next != Elsewhere {
			t.Fatalf("account %d, next %v", lease.Credential().Index, d.Next)
		}
		next := take(t, p, q)
		next.Settle(Outcome{Called: true})
		if next.Credential().Index != 2 {
			t.Errorf("the same request goes on with account %d", next.Credential().Index)
		}
		time.Sleep(1000 * time.Hour)
		for range 10 {
			if got := call(t, p, "m"); got != 2 {
				t.Fatalf("account %d is asked again", got)
			}
		}
		if s := p.Snapshot().Accounts[0]; s.State != "disabled" || s.Reason != "API_KEY_INVALID" {
			t.Errorf("status shows %s, %q", s.State, s.Reason)
		}
	})
}

// Two keys of one project: the fault is the key's, so the other one serves the same request.
func TestRevokedKeyDoesNotRuleOutItsGroup(t *testing.T) {
	g := NewGroup()
	p := NewPool([]Candidate{candidate(1, g), candidate(2, g)}, Options{Policy: fillFirst{}})
	var tried Tried
	fail(t, p, Query{Model: "m", Tried: &tried}, &Fault{Kind: FaultDead})
	if got := take(t, p, Query{Model: "m", Tried: &tried}).Credential().Index; got != 2 {
		t.Errorf("account %d", got)
	}
}

func TestLimitedGroupRestsForThatModelOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(2), Options{Policy: fillFirst{}})
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultRateShort, PerMinute: true, Delay: 37 * time.Second})
		time.Sleep(37*time.Second - time.Nanosecond)
		if got := call(t, p, "m"); got != 2 {
			t.Errorf("account %d is asked while it cools", got)
		}
		if got := call(t, p, "other"); got != 1 {
			t.Errorf("account %d is asked for another model", got)
		}
		if s := p.Snapshot().Accounts[0]; s.State != "ready" || s.Models[0].State != "cooling" || s.Models[0].Reason != "rate_short" {
			t.Errorf("status shows %+v", s)
		}
		time.Sleep(time.Nanosecond)
		if got := call(t, p, "m"); got != 1 {
			t.Errorf("account %d is asked after the first one's rest", got)
		}
	})
}

func TestSpentDayEndsAtMidnight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(3), Options{})
		for range 3 {
			fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultQuotaLong, PerDay: true})
		}
		midnight := nextMidnight(time.Now())
		e := refused(t, p, Query{Model: "m"})
		if e.Cause != CauseQuota || e.RetryAfter != time.Until(midnight) {
			t.Errorf("cause %v, retry after %v, want %v", e.Cause, e.RetryAfter, time.Until(midnight))
		}
		time.Sleep(e.RetryAfter - time.Nanosecond)
		refused(t, p, Query{Model: "m"})
		time.Sleep(time.Nanosecond)
		call(t, p, "m")
	})
}

// Each of 500 limited groups is found out once, by whichever request comes across it, and not called again.
func TestLimitedGroupsAreCalledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := fleet(501)
		p := NewPool(candidates, Options{})
		calls := make(map[int]int)
		served := 0
		for range 300 {
			var tried Tried
			for range 4 {
				q := Query{Model: "m", Tried: &tried}
				lease := take(t, p, q)
				calls[lease.Credential().Index]++
				if lease.Credential().Index == 501 {
					lease.Settle(Outcome{Called: true})
					served++
					break
				}
				lease.Settle(Outcome{Called: true, Decision: lease.Decide(&Fault{Kind: FaultQuotaLong, PerDay: true}, Attempts{})})
			}
		}
		for i := range 500 {
			if calls[i+1] != 1 {
				t.Errorf("limited group %d was called %d times", i+1, calls[i+1])
			}
		}
		if served < 300-500/4 {
			t.Errorf("%d of 300 requests were served", served)
		}
	})
}

func TestWhyThereIsNobody(t *testing.T) {
	day := &Fault{Kind: FaultQuotaLong, PerDay: true}
	rate := &Fault{Kind: FaultRateShort, Delay: 20 * time.Second}
	none := &Fault{Kind: FaultNotEntitled}
	absent := &Fault{Kind: FaultNotEntitled, Status: 404}
	dead := &Fault{Kind: FaultDead}
	setup := &Fault{Kind: FaultSetup}
	tests := []struct {
		name   string
		faults []*Fault // of each account
		cause  Cause
		retry  time.Duration
	}{
		{"all are disabled for good", []*Fault{dead, dead}, CauseDisabled, 0},
		{"one is looked at again", []*Fault{dead, setup}, CauseDisabled, 30 * time.Minute},
		{"nobody has a quota for the model", []*Fault{none, none}, CauseNotEntitled, 6 * time.Hour},
		{"nobody has the model", []*Fault{absent, absent}, CauseAbsent, 6 * time.Hour},
		{"one has the model without a quota", []*Fault{absent, none}, CauseNotEntitled, 6 * time.Hour},
		{"who is disabled may have had it", []*Fault{none, dead}, CauseNotEntitled, 6 * time.Hour},
		{"all have spent the day", []*Fault{day, day}, CauseQuota, 8 * time.Hour},
		{"one has, the other never had any", []*Fault{day, none}, CauseQuota, 6 * time.Hour},
		{"one is back soon", []*Fault{day, rate}, CauseRate, 20 * time.Second},
		{"one is back soon, the others never", []*Fault{none, dead, rate}, CauseRate, 20 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // at midnight UTC: eight hours before California's
				p := NewPool(fleet(len(test.faults)), Options{Policy: fillFirst{}})
				for _, f := range test.faults {
					fail(t, p, Query{Model: "m"}, f)
				}
				for range 2 {
					if e := refused(t, p, Query{Model: "m"}); e.Cause != test.cause || e.RetryAfter != test.retry {
						t.Errorf("cause %q, retry after %v, want %q, %v", e.Cause, e.RetryAfter, test.cause, test.retry)
					}
				}
				if got := p.RetryAfter("m"); got != test.retry {
					t.Errorf("RetryAfter is %v, want %v", got, test.retry)
				}
				if test.retry > 0 {
					time.Sleep(test.retry)
					call(t, p, "m")
				}
			})
		})
	}
}

func TestModelThatNobodyServes(t *testing.T) {
	candidates := fleet(3)
	candidates[0].Credential.Models = []string{"gemini-2.5-*"}
	candidates[1].Credential.Models = []string{"gemini-2.5-*", "gemma-*"}
	candidates[2].Credential.Models = []string{"nothing"}
	p := NewPool(candidates, Options{Policy: fillFirst{}})
	if e := refused(t, p, Query{Model: "gemini-3-pro"}); e.Cause != CauseUnknownModel {
		t.Errorf("cause %v", e.Cause)
	}
	if e := refused(t, NewPool(nil, Options{}), Query{Model: "m"}); e.Cause != CauseUnknownModel {
		t.Errorf("cause %v of an empty pool", e.Cause)
	}
	if got := call(t, p, "gemma-4"); got != 2 {
		t.Errorf("account %d serves gemma-4", got)
	}
	if got := call(t, p, "gemini-2.5-pro"); got != 1 {
		t.Errorf("account %d serves gemini-2.5-pro", got)
	}
}

func TestNothingUntriedIsLeft(t *testing.T) {
	p := NewPool(fleet(2), Options{})
	var tried Tried
	q := Query{Model: "m", Tried: &tried}
	for range 2 {
		lease := take(t, p, q)
		lease.Settle(Outcome{Decision: Decision{Next: Elsewhere}})
	}
	if e := refused(t, p, q); e.Cause != CauseTried {
		t.Errorf("cause %v", e.Cause)
	}
	call(t, p, "m") // another request has tried nothing
	call(t, p, "m")
}

// After a broken connection another group is best, then another account of the same, then the same again.
func TestAnywherePrefersSomewhereElse(t *testing.T) {
	g := NewGroup()
	p := NewPool([]Candidate{candidate(1, g), candidate(2, g), candidate(3, NewGroup())}, Options{Policy: fillFirst{}})
	var tried Tried
	var got []int
	for range 4 {
		lease, _ := fail(t, p, Query{Model: "m", Tried: &tried}, &Fault{Kind: FaultTransient})
		got = append(got, lease.Credential().Index)
	}
	if !slices.Equal(got, []int{1, 3, 2, 1}) {
		t.Errorf("tries: %v", got)
	}
}

func TestManyTries(t *testing.T) {
	p := NewPool(fleet(20), Options{})
	var tried Tried
	seen := make(map[int]bool)
	for range 20 {
		lease := take(t, p, Query{Model: "m", Tried: &tried})
		lease.Settle(Outcome{Decision: Decision{Next: Elsewhere}})
		seen[lease.Credential().Index] = true
	}
	if len(seen) != 20 {
		t.Errorf("20 tries went to %d accounts", len(seen))
	}
	if e := refused(t, p, Query{Model: "m", Tried: &tried}); e.Cause != CauseTried {
		t.Errorf("cause %v", e.Cause)
	}
}

func TestWhatOneHandlerLearnsHoldsForTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := fleet(2)
		a, b := NewPool(candidates, Options{Policy: fillFirst{}}), NewPool(candidates, Options{Policy: fillFirst{}})
		call(t, a, "m")
		call(t, b, "m")
		fail(t, a, Query{Model: "m"}, &Fault{Kind: FaultRateShort, Delay: time.Minute})
		if got := call(t, b, "m"); got != 2 {
			t.Errorf("the other handler calls account %d", got)
		}
		fail(t, a, Query{Model: "m"}, &Fault{Kind: FaultRateShort, Delay: 30 * time.Second})
		if e := refused(t, b, Query{Model: "m"}); e.RetryAfter != 30*time.Second {
			t.Errorf("retry after %v", e.RetryAfter)
		}
		// What was put aside by b is put aside for longer by a call of a's that was under way.
		time.Sleep(10 * time.Second)
		candidates[1].Group.facts("m").cool(Decision{Until: time.Now().Add(time.Hour), State: StateQuotaLong}, time.Now().UnixNano(), 1)
		if e := refused(t, b, Query{Model: "m"}); e.RetryAfter != 50*time.Second || e.Cause != CauseRate {
			t.Errorf("retry after %v, cause %v", e.RetryAfter, e.Cause)
		}
	})
}

// A configuration reload makes a new pool of the same accounts.
func TestReloadForgetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := fleet(3)
		before := NewPool(candidates, Options{Policy: fillFirst{}})
		fail(t, before, Query{Model: "m"}, &Fault{Kind: FaultDead})
		fail(t, before, Query{Model: "m"}, &Fault{Kind: FaultQuotaLong, PerDay: true})
		after := NewPool(candidates, Options{Policy: fillFirst{}})
		if got := call(t, after, "m"); got != 3 {
			t.Errorf("account %d is asked after the reload", got)
		}
		call(t, before, "other")
		if got := call(t, NewPool(candidates, Options{}), "other"); got != 3 {
			t.Errorf("account %d is asked although it has made a call", got)
		}
	})
}

func TestChangesAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		candidates := fleet(3)
		options := Options{Policy: fillFirst{}}
		options.Notify = func(c Change) { got = append(got, fmt.Sprint(c.Credential.Index, " ", c.State, " ", c.Model)) }
		p, other := NewPool(candidates, options), NewPool(candidates, options)
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultRateShort, Delay: time.Minute})
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultSetup})
		for range 3 {
			call(t, p, "m")
			call(t, other, "m")
		}
		time.Sleep(aMinute)
		call(t, p, "m")
		call(t, other, "m")
		time.Sleep(time.Hour)
		call(t, p, "m")
		call(t, other, "m")
		want := []string{"1 cooling m", "2 disabled ", "1 ready m", "2 ready "}
		if !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// With many accounts, one that is put aside can be back before its turn comes; that is told too.
func TestEndIsToldEvenIfNobodyCameBy(t *testing.T) {
	for _, test := range []struct {
		fault *Fault
		began string
		lasts time.Duration
	}{
		{&Fault{Kind: FaultRateShort, Delay: time.Second}, "cooling", time.Second},
		{&Fault{Kind: FaultSetup}, "disabled", 30 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			var got []string
			p := NewPool(fleet(10), Options{Notify: func(c Change) { got = append(got, c.State) }})
			fail(t, p, Query{Model: "m"}, test.fault)
			time.Sleep(test.lasts)
			call(t, p, "m")
			if !slices.Equal(got, []string{test.began, "ready"}) {
				t.Errorf("told %q", got)
			}
		})
	}
}

func TestWhatClientsNameIsBounded(t *testing.T) {
	p := NewPool(fleet(1), Options{})
	fail(t, p, Query{Model: "real"}, &Fault{Kind: FaultQuotaLong, PerDay: true})
	for i := range 1000 {
		fail(t, p, Query{Model: fmt.Sprint("invented-", i)}, &Fault{Kind: FaultNotEntitled})
	}
	if n := len(p.view.Load().indexes); n > maxIndexes {
		t.Errorf("%d models in order", n)
	}
	if n := len(p.candidates()[0].Group.models); n > maxFacts {
		t.Errorf("%d models remembered", n)
	}
	if e := refused(t, p, Query{Model: "real"}); e.Cause != CauseQuota {
		t.Errorf("a real model was forgotten over invented ones: %v", e.Cause)
	}
}

func TestReady(t *testing.T) {
	p := NewPool(fleet(2), Options{})
	for range 2 {
		if !p.Ready() {
			t.Error("not ready while an account is")
		}
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultDead})
	}
	if p.Ready() {
		t.Error("ready with all accounts disabled")
	}
}

func TestReadyIsWhatStatusShows(t *testing.T) {
	out, absent := &Fault{Kind: FaultRateShort, PerMinute: true}, &Fault{Kind: FaultNotEntitled, Status: 404}
	for name, test := range map[string]struct {
		faults map[string]*Fault // by model
		serves []string
		want   bool
	}{
		"nothing is known":                        {nil, nil, true},
		"the model is out":                        {map[string]*Fault{"a": out}, nil, false},
		"one model is out":                        {map[string]*Fault{"a": out, "b": nil}, nil, true},
		"a model is not there":                    {map[string]*Fault{"a": absent}, nil, true},
		"all that are there are out":              {map[string]*Fault{"a": out, "b": absent}, nil, false},
		"all that are out are for other accounts": {map[string]*Fault{"a": out}, []string{"b"}, true},
	} {
		c := candidate(1, NewGroup())
		p := NewPool([]Candidate{c}, Options{})
		for model, fault := range test.faults {
			if fault == nil {
				call(t, p, model)
			} else {
				fail(t, p, Query{Model: model}, fault)
			}
		}
		c.Models = test.serves
		if got, shown := p.Ready(), p.Snapshot().Pool.Ready == 1; got != test.want || shown != test.want {
			t.Errorf("%s: ready is %v, and shown %v, want %v", name, got, shown, test.want)
		}
	}
}

// Everything at once, for the race detector and the counters.
func TestConcurrentUse(t *testing.T) {
	candidates := fleet(40)
	for i := range candidates {
		candidates[i].Group = candidates[i/2*2].Group
	}
	pools := []*Pool{
		NewPool(candidates, Options{Limits: []Limit{{Model: "a", TPM: 5000}}, CooldownMin: time.Millisecond, CooldownMax: time.Millisecond}),
		NewPool(candidates, Options{Policy: weighted{}, CooldownMin: time.Millisecond, CooldownMax: time.Millisecond}),
	}
	var made atomic.Int64
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 500 {
				p, model := pools[(worker+i)%2], []string{"a", "b"}[i%2]
				lease, err := p.Acquire(Query{Model: model, Tokens: int64(i)})
				if err != nil {
					continue
				}
				token, err := lease.Token(context.Background())
				if err != nil {
					t.Error(err)
				}
				o := Outcome{Called: true, Tokens: int64(i / 2)}
				switch i % 17 {
				case 0:
					o.Decision = lease.Decide(&Fault{Kind: FaultRateShort}, Attempts{})
				case 1:
					o = Outcome{}
				case 2:
					lease.Renew(token)
				}
				lease.Settle(o)
				if o.Called {
					made.Add(1)
				}
				if i%100 == 0 {
					p.Snapshot()
					p.RetryAfter(model)
				}
			}
		})
	}
	wg.Wait()
	s := pools[0].Snapshot()
	requests := int64(0)
	for _, a := range s.Accounts {
		requests += a.Requests
	}
	if s.Pool.InFlight != 0 || requests != made.Load() || requests == 0 {
		t.Errorf("%d in flight, %d requests counted, %d made", s.Pool.InFlight, requests, made.Load())
	}
}
