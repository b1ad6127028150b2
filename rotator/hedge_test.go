package rotator

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// earned returns a pool in which so many requests have been made.
func earned(t *testing.T, candidates []Candidate, requests int, o Options) *Pool {
	t.Helper()
	p := NewPool(candidates, o)
	for range requests {
		call(t, p, "earlier")
	}
	return p
}

func TestHedgeAfterIsWhatFewCallsTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Hedge: 0.1})
		for i := range 19 {
			p.FirstToken("m", time.Duration(i+1)*time.Second)
			if _, ok := p.HedgeAfter("m"); ok {
				t.Fatalf("known after %d observations", i+1)
			}
		}
		p.FirstToken("m", 20*time.Second)
		if after, ok := p.HedgeAfter("m"); !ok || after != 19*time.Second {
			t.Errorf("%s, %v; want the 19th of 20", after, ok)
		}
		if _, ok := p.HedgeAfter("other"); ok {
			t.Error("known of a model that was never called")
		}
		for range maxPaces { // the model has become faster
			p.FirstToken("m", 2*time.Second)
		}
		if after, ok := p.HedgeAfter("m"); !ok || after != 2*time.Second {
			t.Errorf("%s, %v; want 2s", after, ok)
		}
		for range maxPaces {
			p.FirstToken("m", time.Millisecond)
		}
		if after, ok := p.HedgeAfter("m"); !ok || after != minHedgeAfter {
			t.Errorf("%s, %v; want at least %s", after, ok, minHedgeAfter)
		}
		time.Sleep(paceLasts)
		if after, ok := p.HedgeAfter("m"); ok {
			t.Errorf("%s is known of long ago", after)
		}
	})
}

func TestNothingIsHedgedWhileThatIsOff(t *testing.T) {
	p := earned(t, fleet(2), 100, Options{})
	for range 100 {
		p.FirstToken("m", time.Second)
	}
	if _, ok := p.HedgeAfter("m"); ok {
		t.Error("there is a time to hedge")
	}
	first := take(t, p, Query{Model: "m"})
	if _, ok := p.Hedge(Query{Model: "m"}, first); ok {
		t.Error("there is a second account")
	}
	if len(p.paces.models) != 0 {
		t.Error("observations are kept that nobody uses")
	}
}

func TestObservedModelsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Hedge: 0.1})
		for i := range 1000 {
			time.Sleep(time.Millisecond)
			p.FirstToken(fmt.Sprint("invented-", i), time.Second)
			p.FirstToken("real", time.Second)
		}
		if n := len(p.paces.models); n > maxIndexes {
			t.Errorf("%d models", n)
		}
		if _, ok := p.HedgeAfter("real"); !ok {
			t.Error("a model in use was forgotten over invented ones")
		}
	})
}

func TestAHedgeIsOfAnotherGroup(t *testing.T) {
	shared := NewGroup()
	candidates := []Candidate{candidate(1, shared), candidate(2, shared), candidate(3, NewGroup())}
	p := earned(t, candidates, 100, Options{Hedge: 0.1, Policy: fillFirst{}})
	first := take(t, p, Query{Model: "m"})
	second, ok := p.Hedge(Query{Model: "m"}, first)
	if !ok || second.Credential().Index != 3 {
		t.Fatalf("%v, %v", second, ok)
	}
	if third, ok := p.Hedge(Query{Model: "m"}, second); !ok || third.Credential().Index == 3 {
		t.Error("the group of the call under way is not the one that is avoided")
	}
	alone := earned(t, candidates[:2], 100, Options{Hedge: 0.1})
	first = take(t, alone, Query{Model: "m"})
	if _, ok := alone.Hedge(Query{Model: "m"}, first); ok {
		t.Error("a second account of the same group")
	}
}

func TestAHedgeIsNotWhatWasTried(t *testing.T) {
	p := earned(t, fleet(2), 100, Options{Hedge: 0.1, Policy: fillFirst{}})
	var tried Tried
	fail(t, p, Query{Model: "m", Tried: &tried}, &Fault{Kind: FaultTransient, Status: 500})
	first := take(t, p, Query{Model: "m", Tried: &tried})
	if second, ok := p.Hedge(Query{Model: "m", Tried: &tried}, first); ok {
		t.Errorf("account %d failed before", second.Credential().Index)
	}
}

func TestHedgesKeepToTheirShare(t *testing.T) {
	p, candidate := NewPool(fleet(10), Options{Hedge: 0.25}), candidate(0, NewGroup())
	hedges := 0
	for i := range 1000 {
		first := take(t, p, Query{Model: "m"})
		if second, ok := p.Hedge(Query{Model: "m"}, first); ok {
			hedges++
			second.Settle(Outcome{Called: true})
		}
		var tried Tried
		tried.add(first.choice.candidate, &Decision{Next: Anywhere})
		take(t, p, Query{Model: "m", Tried: &tried}).Settle(Outcome{Called: true}) // a retry is no further request
		first.Settle(Outcome{Called: true})
		if hedges > (i+1)/4 {
			t.Fatalf("%d hedges for %d requests", hedges, i+1)
		}
	}
	if hedges != 250 {
		t.Errorf("%d hedges for 1,000 requests, want every fourth", hedges)
	}
	for range 10_000 { // a calm does not pay for a storm
		call(t, p, "m")
	}
	var tried Tried
	tried.add(&candidate, &Decision{Next: Anywhere})
	for hedges = 0; ; hedges++ {
		if _, ok := p.Hedge(Query{Model: "m"}, take(t, p, Query{Model: "m", Tried: &tried})); !ok {
			break
		}
	}
	if hedges != maxHedges {
		t.Errorf("%d hedges at once after a calm, want %d", hedges, maxHedges)
	}
}

func TestNothingIsHedgedWhenQuotaIsShort(t *testing.T) {
	for _, test := range []struct {
		name  string
		limit Limit
		calls int // of each account before, with 10 tokens each
		want  bool
	}{
		{"calls of the minute left", Limit{RPM: 10}, 4, true},
		{"half the calls of the minute spent", Limit{RPM: 10}, 5, false},
		{"calls of the day left", Limit{RPD: 10}, 4, true},
		{"half the calls of the day spent", Limit{RPD: 10}, 5, false},
		{"tokens left", Limit{TPM: 100}, 3, true},
		{"half the tokens spent by the call itself", Limit{TPM: 100}, 4, false},
		{"no limit", Limit{}, 100, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.limit.Model = "m"
			p := earned(t, fleet(2), 100, Options{Hedge: 0.1, Limits: []Limit{test.limit}, Policy: roundRobin{}})
			for range 2 * test.calls {
				call(t, p, "m")
			}
			lease, ok := p.Hedge(Query{Model: "m", Tokens: 10}, take(t, p, Query{Model: "m", Tokens: 10}))
			if ok != test.want {
				t.Errorf("hedged: %v", ok)
			}
			if before := p.hedges.saved; !test.want && before < 10 {
				t.Errorf("%.1f hedges are left: one was paid for that was not made", before)
			}
			if ok && lease.choice.candidate.inFlight.Load() != 1 {
				t.Error("the second call is not counted as under way")
			}
		})
	}
}

func TestNothingIsHedgedWhileSomebodyWaitsOrTheModelIsOverloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := earned(t, fleet(2), 100, Options{Hedge: 0.1, Queue: 1, Limits: []Limit{{Model: "scarce", RPM: 1}}})
		first := take(t, p, Query{Model: "m"})
		call(t, p, "scarce")
		call(t, p, "scarce")
		ticket := join(t, p, Query{Model: "scarce"}, time.Hour)
		if _, ok := p.Hedge(Query{Model: "m"}, first); ok {
			t.Error("hedged while somebody waits")
		}
		ticket.Leave()
		p.options.Models.overload("m", time.Now().Add(time.Minute), time.Now())
		if _, ok := p.Hedge(Query{Model: "m"}, first); ok {
			t.Error("hedged while the model is overloaded")
		}
		time.Sleep(aMinute)
		if _, ok := p.Hedge(Query{Model: "m"}, first); !ok {
			t.Error("not hedged although nothing is against it")
		}
	})
}

// Looking for a group with plenty must not cost more the more groups there are.
func TestFewGroupsAreAskedWhetherTheyHavePlenty(t *testing.T) {
	p := earned(t, fleet(100), 1000, Options{Hedge: 0.1, Limits: []Limit{{Model: "m", RPM: 4}}, Policy: roundRobin{}})
	for range 200 {
		call(t, p, "m")
	}
	first := take(t, p, Query{Model: "m"})
	if _, ok := p.Hedge(Query{Model: "m"}, first); ok {
		t.Error("hedged where half is spent everywhere")
	}
	ix := p.index("m", time.Now())
	if n := len(ix.ready.queues[0].order); n != 100 {
		t.Errorf("%d groups are ready afterwards, want all", n)
	}
}
