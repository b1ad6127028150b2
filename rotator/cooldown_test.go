package rotator

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestOverloadedModelKeepsNewRequestsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		models := NewModels()
		p, other := NewPool(fleet(2), Options{Models: models}), NewPool(fleet(1), Options{Models: models})
		var tried Tried
		attempts := Attempts{}
		for attempts.Made < 3 {
			lease := take(t, p, Query{Model: "m", Tried: &tried})
			attempts.Made++
			attempts.Capacity++
			d := lease.Decide(&Fault{Kind: FaultModelCapacity, Status: 503}, attempts)
			lease.Settle(Outcome{Called: true, Decision: d})
			time.Sleep(d.After)
		}
		for _, pool := range []*Pool{p, other} {
			if e := refused(t, pool, Query{Model: "m"}); e.Cause != CauseOverloaded || e.RetryAfter != 15*time.Second {
				t.Errorf("cause %v, retry after %v", e.Cause, e.RetryAfter)
			}
		}
		call(t, p, "other")
		s := p.Snapshot()
		if s.Pool.Ready != 2 || len(s.Models) != 1 || s.Models[0].State != "overloaded" {
			t.Errorf("status shows %+v, %+v: it is nobody's fault", s.Pool, s.Models)
		}
		time.Sleep(15 * time.Second)
		call(t, p, "m")
	})
}

func TestUnnamedTimeDoublesPerBurstAndStartsAnewAfterSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{CooldownMin: 5 * time.Second, CooldownMax: 15 * time.Second})
		unnamed := &Fault{Kind: FaultRateShort}
		for i, want := range []time.Duration{5 * time.Second, 10 * time.Second, 15 * time.Second, 15 * time.Second} {
			// Three calls are under way when the first is refused: one burst.
			leases := []*Lease{take(t, p, Query{Model: "m"}), take(t, p, Query{Model: "m"}), take(t, p, Query{Model: "m"})}
			for _, l := range leases {
				l.Settle(Outcome{Called: true, Decision: l.Decide(unnamed, Attempts{})})
			}
			if got := refused(t, p, Query{Model: "m"}).RetryAfter; got != want {
				t.Errorf("burst %d: cooling for %v, want %v", i+1, got, want)
			}
			time.Sleep(want)
		}
		call(t, p, "m")
		time.Sleep(time.Second)
		if _, d := fail(t, p, Query{Model: "m"}, unnamed); time.Until(d.Until) != 5*time.Second {
			t.Errorf("after a success: cooling for %v, want 5s", time.Until(d.Until))
		}
	})
}

func TestShorterCooldownDoesNotEndALongerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{})
		a, b, c := take(t, p, Query{Model: "m"}), take(t, p, Query{Model: "m"}), take(t, p, Query{Model: "m"})
		for _, one := range []struct {
			lease *Lease
			delay time.Duration
			want  time.Duration
		}{{a, 40 * time.Second, 40 * time.Second}, {b, 5 * time.Second, 40 * time.Second}, {c, time.Minute, time.Minute}} {
			d := one.lease.Decide(&Fault{Kind: FaultRateShort, Delay: one.delay}, Attempts{})
			one.lease.Settle(Outcome{Called: true, Decision: d})
			if got := refused(t, p, Query{Model: "m"}).RetryAfter; got != one.want {
				t.Errorf("cooling for %v, want %v", got, one.want)
			}
		}
	})
}

func TestAccountRefusedTwiceRestsAndIsGivenUpTheThirdTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{life: 1000 * time.Hour}
		p, a := lone(m)
		defer a.Close()
		refuse := func() Decision {
			lease := take(t, p, Query{Model: "m"})
			unauthorized := &Fault{Kind: FaultUnauthorized, Status: 401}
			before, _ := lease.Token(t.Context())
			if d := lease.Decide(unauthorized, Attempts{Made: 1}); d.Next != SameAccount || d.Mark != MarkToken {
				t.Fatalf("first refusal: %+v", d)
			}
			lease.Renew(before)
			if after, _ := lease.Token(t.Context()); after == before {
				t.Fatal("the refused token is used again")
			}
			d := lease.Decide(unauthorized, Attempts{Made: 2})
			lease.Settle(Outcome{Called: true, Decision: d})
			return d
		}
		for range 2 {
			if d := refuse(); d.Next != Elsewhere || time.Until(d.Until) != 10*time.Minute {
				t.Fatalf("disabled for %v, want ten minutes", time.Until(d.Until))
			}
			if e := refused(t, p, Query{Model: "m"}); e.Cause != CauseDisabled || e.RetryAfter != 10*time.Minute {
				t.Fatalf("cause %v, retry after %v", e.Cause, e.RetryAfter)
			}
			time.Sleep(10 * time.Minute)
		}
		if d := refuse(); !d.Until.IsZero() {
			t.Errorf("disabled until %v, want for good", d.Until)
		}
	})
}

func TestOnlyRefusedTokensCountAsRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{})
		for range 3 {
			fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultSetup})
			time.Sleep(30 * time.Minute)
		}
		lease := take(t, p, Query{Model: "m"})
		lease.Renew(nil)
		if d := lease.Decide(&Fault{Kind: FaultUnauthorized}, Attempts{}); d.Until.IsZero() {
			t.Error("the first refused token disables for good")
		}
	})
}

// A disabled account that is looked at again while its group cools brings nothing back.
func TestRetryAfterIsTheLaterOfAccountAndGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup()
		p := NewPool([]Candidate{candidate(1, g), candidate(2, g)}, Options{Policy: fillFirst{}})
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultSetup})
		call(t, p, "m")
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultQuotaLong, Delay: time.Hour})
		for range 2 {
			if e := refused(t, p, Query{Model: "m"}); e.Cause != CauseQuota || e.RetryAfter != time.Hour {
				t.Errorf("cause %v, retry after %v, want an hour", e.Cause, e.RetryAfter)
			}
		}
		time.Sleep(time.Hour)
		if got := call(t, p, "m"); got != 1 {
			t.Errorf("account %d, want the first again", got)
		}
	})
}

func TestForgottenFactsAreNotAddedTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup()
		p := NewPool([]Candidate{candidate(1, g)}, Options{})
		call(t, p, "m")
		for i := range maxFacts {
			time.Sleep(time.Second)
			g.facts(fmt.Sprint(i)).used = time.Now().UnixNano()
		}
		if g.known("m") != nil {
			t.Fatal("the model unused for longest is remembered")
		}
		call(t, p, "m")
		if f := g.known("m"); f == nil || f.minute.calls != 1 {
			t.Error("the call was counted where nobody looks")
		}
	})
}

func TestSuccessClearsRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a := lone(&mint{life: 1000 * time.Hour})
		defer a.Close()
		for range 5 {
			lease := take(t, p, Query{Model: "m"})
			lease.Renew(nil)
			d := lease.Decide(&Fault{Kind: FaultUnauthorized}, Attempts{})
			lease.Settle(Outcome{Called: true, Decision: d})
			if d.Until.IsZero() {
				t.Fatal("disabled for good")
			}
			time.Sleep(10 * time.Minute)
			call(t, p, "m")
		}
	})
}

func TestOnlyTheFirstSettleCounts(t *testing.T) {
	p := NewPool(fleet(1), Options{})
	lease := take(t, p, Query{Model: "m"})
	for range 3 {
		lease.Settle(Outcome{Called: true, Decision: Decision{failed: true}})
	}
	if s := p.Snapshot(); s.Pool.InFlight != 0 || s.Accounts[0].Errors != 1 || s.Accounts[0].Requests != 1 {
		t.Errorf("status shows %+v", s.Accounts[0])
	}
}
