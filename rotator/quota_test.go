package rotator

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// refusal is Google's when a quota is spent.
func refusal(q Quota, limit int64) *Fault {
	f := &Fault{Kind: FaultRateShort, Status: 429, PerMinute: true, Delay: time.Minute}
	if q == QuotaRPD {
		f = &Fault{Kind: FaultQuotaLong, Status: 429, PerDay: true}
	}
	f.Violations = []Violation{{QuotaID: fmt.Sprint("quota-", q), Quota: q, Value: limit}}
	return f
}

// limits are what status shows as the limits of the first account's first model.
func limits(p *Pool) [3]int64 {
	m := p.Snapshot().Accounts[0].Models[0]
	return [3]int64{m.RPM.Limit, m.RPD.Limit, m.TPM.Limit}
}

func TestLimitIsLearnedFromOneRefusal(t *testing.T) {
	for _, test := range []struct {
		quota Quota
		limit int64
		want  [3]int64
		calls int // of 10 tokens, that the limit allows
	}{
		{QuotaRPM, 5, [3]int64{5, 0, 0}, 5},
		{QuotaRPD, 20, [3]int64{0, 20, 0}, 20},
		{QuotaTPM, 70, [3]int64{0, 0, 70}, 7},
	} {
		synctest.Test(t, func(t *testing.T) {
			candidates := fleet(1)
			p, other := NewPool(candidates, Options{}), NewPool(candidates, Options{})
			fail(t, p, Query{Model: "m"}, refusal(test.quota, test.limit))
			if got := limits(p); got != test.want {
				t.Errorf("status shows %v, want %v", got, test.want)
			}
			for range 3 { // windows
				time.Sleep(refused(t, p, Query{Model: "m"}).RetryAfter)
				for i := range test.calls {
					lease := take(t, []*Pool{p, other}[i%2], Query{Model: "m", Tokens: 10})
					lease.Settle(Outcome{Called: true, Tokens: 10})
				}
				refused(t, p, Query{Model: "m", Tokens: 10})
				refused(t, other, Query{Model: "m", Tokens: 10})
			}
			call(t, p, "another") // limits are by model
		})
	}
}

func TestAllQuotasOfARefusalAreLearned(t *testing.T) {
	p := NewPool(fleet(1), Options{})
	f := refusal(QuotaRPD, 20)
	f.Violations = append(f.Violations, refusal(QuotaRPM, 5).Violations[0], refusal(QuotaTPM, 1000).Violations[0])
	fail(t, p, Query{Model: "m"}, f)
	if got := limits(p); got != [3]int64{5, 20, 1000} {
		t.Errorf("status shows %v", got)
	}
}

func TestTighterOfConfiguredAndLearnedHolds(t *testing.T) {
	for _, test := range []struct{ configured, learned, want int64 }{{3, 5, 3}, {5, 3, 3}, {0, 3, 3}} {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: test.configured}}})
		fail(t, p, Query{Model: "m"}, refusal(QuotaRPM, test.learned))
		if got := limits(p)[0]; got != test.want {
			t.Errorf("configured %d and learned %d make %d, want %d", test.configured, test.learned, got, test.want)
		}
	}
}

// Every refusal comes when the one before is over.
func TestLearnedLimitIsCorrected(t *testing.T) {
	named := func(id string, value int64) *Fault {
		f := refusal(QuotaRPM, value)
		f.Violations[0].QuotaID = id
		return f
	}
	unnamed := refusal(QuotaRPM, -1)
	other := refusal(QuotaOther, 7)
	for _, test := range []struct {
		name   string
		faults []*Fault
		want   int64
	}{
		{"Google names a higher one", []*Fault{named("a", 5), named("a", 10)}, 10},
		{"Google names a lower one", []*Fault{named("a", 5), named("a", 2)}, 2},
		{"another quota is tighter", []*Fault{named("a", 5), named("b", 2)}, 2},
		{"another quota is wider", []*Fault{named("a", 5), named("b", 100)}, 5},
		{"Google names none", []*Fault{named("a", 5), unnamed}, 5},
		{"it is nothing that is counted", []*Fault{other}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := NewPool(fleet(1), Options{})
			for _, f := range test.faults {
				fail(t, p, Query{Model: "m"}, f)
				time.Sleep(aMinute)
			}
			if got := limits(p)[0]; got != test.want {
				t.Errorf("%s: the limit is %d, want %d", test.name, got, test.want)
			}
		})
	}
}

// Somebody else spends the same quota: Google refuses below the limit. That is no news about the limit.
func TestRefusalBelowTheLimitCoolsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{})
		for range 3 {
			call(t, p, "m")
			fail(t, p, Query{Model: "m"}, refusal(QuotaRPM, 5))
			if e := refused(t, p, Query{Model: "m"}); e.RetryAfter != time.Minute {
				t.Errorf("retry after %v", e.RetryAfter)
			}
			time.Sleep(aMinute)
		}
		if got := limits(p)[0]; got != 5 {
			t.Errorf("the limit is %d", got)
		}
		for range 5 {
			call(t, p, "m")
		}
	})
}

func TestLearnedLimitIsDoubtedAfterTwoWeeks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{})
		fail(t, p, Query{Model: "m"}, refusal(QuotaRPM, 1))
		time.Sleep(believed - time.Minute)
		call(t, p, "m")
		refused(t, p, Query{Model: "m"})
		time.Sleep(aMinute)
		call(t, p, "m")
		fail(t, p, Query{Model: "m"}, refusal(QuotaRPM, 1))
		time.Sleep(aMinute)
		call(t, p, "m")
		refused(t, p, Query{Model: "m"})
	})
}

func TestQuotaOfNoneIsNoLimitOfZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{})
		f := refusal(QuotaRPM, 0)
		f.Kind = FaultNotEntitled
		fail(t, p, Query{Model: "m"}, f)
		if e := refused(t, p, Query{Model: "m"}); e.Cause != CauseNotEntitled {
			t.Errorf("cause %v", e.Cause)
		}
		time.Sleep(entitledAgain)
		call(t, p, "m")
	})
}

func TestResetForgetsLearnedLimits(t *testing.T) {
	p := NewPool(fleet(1), Options{})
	fail(t, p, Query{Model: "m"}, refusal(QuotaRPM, 1))
	p.ResetAll()
	p.Review()
	call(t, p, "m")
	if got := limits(p)[0]; got != 0 {
		t.Errorf("the limit is %d", got)
	}
}

// Google counts "alias" and "m" as one, and says so when it refuses one of them.
func TestModelsThatShareABucketAreCountedAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{})
		call(t, p, "m")
		call(t, p, "alias")
		f := refusal(QuotaRPD, 4)
		f.Model = "m"
		fail(t, p, Query{Model: "alias"}, f)
		for _, model := range []string{"m", "alias"} {
			if e := refused(t, p, Query{Model: model}); e.Cause != CauseQuota {
				t.Errorf("%s: cause %v", model, e.Cause)
			}
		}
		for _, m := range p.Snapshot().Accounts[0].Models {
			if m.RPD.Used != 2 || m.RPD.Limit != 4 || m.RPM.Used != 2 {
				t.Errorf("status shows %+v", m)
			}
		}
		time.Sleep(time.Until(nextMidnight(time.Now())))
		for _, model := range []string{"m", "alias", "alias", "m"} {
			call(t, p, model)
		}
		refused(t, p, Query{Model: "m"})
		refused(t, p, Query{Model: "alias"})
		call(t, p, "another")
	})
}

// What was known about either of two models holds for both once they are known to share a bucket.
func TestBucketInheritsWhatWasLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{})
		fail(t, p, Query{Model: "alias"}, refusal(QuotaRPM, 5))
		time.Sleep(aMinute)
		f := refusal(QuotaRPD, 20)
		f.Model = "m"
		fail(t, p, Query{Model: "alias"}, f)
		for _, m := range p.Snapshot().Accounts[0].Models {
			if m.RPM.Limit != 5 || m.RPD.Limit != 20 || m.Reason != StateQuotaLong {
				t.Errorf("status shows %+v", m)
			}
		}
	})
}

// The facts of a bucket are forgotten under all names or none.
func TestForgottenBucketIsForgottenUnderAllNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup()
		g.share("alias", "m", time.Now().UnixNano())
		shared := g.known("m")
		if shared == nil || g.known("alias") != shared {
			t.Fatal("the models do not share a bucket")
		}
		for i := 0; !shared.evicted.Load(); i++ {
			if i > 2*maxFacts {
				t.Fatal("nothing is forgotten")
			}
			f := g.facts(fmt.Sprint("model-", i))
			f.reserve(time.Now().UnixNano(), 0, &rules{}, &booking{})
		}
		if g.known("m") == shared || g.known("alias") == shared {
			t.Error("a name still leads to what was forgotten")
		}
	})
}

func TestPromptLargerThanALearnedMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(2), Options{Policy: fillFirst{}})
		fail(t, p, Query{Model: "m"}, refusal(QuotaTPM, 100))
		time.Sleep(aMinute)
		for range 3 { // it goes to the group of which no such limit is known
			lease := take(t, p, Query{Model: "m", Tokens: 101})
			if lease.Credential().Index != 2 {
				t.Fatal("the call is too large for account 1")
			}
			lease.Settle(Outcome{Called: true, Tokens: 101})
		}
		if got := call(t, p, "m"); got != 1 {
			t.Errorf("a small call went to account %d", got)
		}
		lease := take(t, p, Query{Model: "m", Tokens: 101})
		lease.Settle(Outcome{Called: true, Decision: lease.Decide(refusal(QuotaTPM, 100), Attempts{Made: 1})})
		if e := refused(t, p, Query{Model: "m", Tokens: 101}); e.Cause != CauseRate {
			t.Errorf("cause %v, while account 2 cools", e.Cause)
		}
		time.Sleep(aMinute)
		if e := refused(t, p, Query{Model: "m", Tokens: 101}); e.Cause != CauseTooLarge || e.RetryAfter != 0 {
			t.Errorf("cause %v, retry after %v", e.Cause, e.RetryAfter)
		}
		take(t, p, Query{Model: "m", Tokens: 100})
	})
}

func TestHeadroomFollowsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(2), Options{})
		lease, _ := fail(t, p, Query{Model: "m"}, refusal(QuotaRPD, 1000))
		small := lease.Credential().Index - 1
		fail(t, p, Query{Model: "m"}, refusal(QuotaRPD, 4000))
		time.Sleep(time.Until(nextMidnight(time.Now())))
		if made := counts(t, p, 1000, time.Second); made[small] < 170 || made[small] > 230 {
			t.Errorf("a group with a fifth of the quota made %v of 1000 calls", made[small])
		}
	})
}

func TestGroupWithoutKnownLimitRanksLikeTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(3), Options{})
		fail(t, p, Query{Model: "m"}, refusal(QuotaRPD, 10_000))
		fail(t, p, Query{Model: "m"}, refusal(QuotaRPD, 10_000))
		time.Sleep(time.Until(nextMidnight(time.Now())))
		if made := counts(t, p, 1500, time.Second); jain(made) < 0.99 {
			t.Errorf("shares %v", made)
		}
	})
}

func TestDoublings(t *testing.T) {
	for x := 1.; x < 1e12; x *= 1.37 {
		if got, want := doublings(x), math.Log2(x); got > want || got < want-0.1 {
			t.Errorf("%v: %v, want about %v", x, got, want)
		}
	}
}

// A limit may have been raised, which would never show if it were kept to for ever.
func TestADoubtedLimitIsExceededByOneCall(t *testing.T) {
	for _, test := range []struct {
		name   string
		raised bool
		limit  int64 // known afterwards
		calls  int   // of the next day
	}{
		{"it still holds", false, 5, 5},
		{"it was raised", true, 0, 20},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := NewPool(fleet(1), Options{})
			fail(t, p, Query{Model: "m"}, refusal(QuotaRPD, 5))
			time.Sleep(believed)
			time.Sleep(time.Until(nextMidnight(time.Now())))
			for range 5 {
				call(t, p, "m")
			}
			beyond := take(t, p, Query{Model: "m"})
			refused(t, p, Query{Model: "m"}) // however many come at once
			if test.raised {
				beyond.Settle(Outcome{Called: true, Tokens: 10})
			} else {
				beyond.Settle(Outcome{Called: true, Decision: beyond.Decide(refusal(QuotaRPD, 5), Attempts{Made: 1})})
			}
			if got := limits(p)[1]; got != test.limit {
				t.Errorf("%s: the limit is %d, want %d", test.name, got, test.limit)
			}
			time.Sleep(time.Until(nextMidnight(time.Now())))
			for n := range test.calls {
				if _, err := p.Acquire(Query{Model: "m"}); err != nil {
					t.Fatalf("%s: %d calls of the next day, want %d", test.name, n, test.calls)
				}
			}
			if !test.raised {
				refused(t, p, Query{Model: "m"})
			}
		})
	}
}

// A call beyond the limit that did not come about, or failed for another reason, proves nothing.
func TestOnlyServedCallsDisproveALimit(t *testing.T) {
	for name, o := range map[string]Outcome{
		"not made": {}, "failed": {Called: true, Decision: Decision{failed: true}},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := NewPool(fleet(1), Options{})
			fail(t, p, Query{Model: "m"}, refusal(QuotaRPM, 1))
			time.Sleep(believed)
			call(t, p, "m")
			take(t, p, Query{Model: "m"}).Settle(o)
			if got := limits(p)[0]; got == 0 {
				t.Errorf("%s: the limit is forgotten", name)
			}
		})
	}
}

func TestLimitsOnTokensAreDoubtedByAQuarter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{})
		f := refusal(QuotaTPM, 100)
		f.Violations = append(f.Violations, refusal(QuotaTPD, 1000).Violations[0])
		fail(t, p, Query{Model: "m"}, f)
		time.Sleep(believed)
		if e := refused(t, p, Query{Model: "m", Tokens: 126}); e.Cause != CauseTooLarge {
			t.Errorf("cause %v", e.Cause)
		}
		lease := take(t, p, Query{Model: "m", Tokens: 125})
		refused(t, p, Query{Model: "m", Tokens: 1})
		lease.Settle(Outcome{Called: true, Tokens: 125})
		if got := limits(p)[2]; got != 0 {
			t.Errorf("the limit is %d, want it forgotten", got)
		}
		take(t, p, Query{Model: "m", Tokens: 1125})
		refused(t, p, Query{Model: "m", Tokens: 1})
	})
}

// Where there are many calls, one refused is little, so limits are doubted sooner.
func TestLimitsAreDoubtedSoonerWhereCallsAreMany(t *testing.T) {
	for _, test := range []struct {
		calls int
		after time.Duration
		want  bool
	}{
		{believedCalls - 1, believedLeast, true}, // and one more, at that time
		{believedCalls - 2, believedLeast, false},
		{believedCalls - 1, believedLeast - time.Second, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := NewPool(fleet(1), Options{})
			fail(t, p, Query{Model: "m"}, refusal(QuotaRPM, 1))
			learned := time.Now()
			for range test.calls {
				time.Sleep(aMinute)
				call(t, p, "m")
			}
			time.Sleep(test.after - time.Since(learned))
			take(t, p, Query{Model: "m"})
			if _, err := p.Acquire(Query{Model: "m"}); (err == nil) != test.want {
				t.Errorf("%d calls and %v after it was learned: doubted %v, want %v", test.calls, test.after, err == nil, test.want)
			}
		})
	}
}

func TestTokensOfADayAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := fleet(1)
		p := NewPool(candidates, Options{})
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultQuotaLong, PerDay: true, Violations: refusal(QuotaTPD, 100).Violations})
		if e := refused(t, p, Query{Model: "m"}); e.Cause != CauseQuota || e.RetryAfter != time.Until(nextMidnight(time.Now())) {
			t.Errorf("cause %v, retry after %v", e.Cause, e.RetryAfter)
		}
		for day := range 2 {
			time.Sleep(time.Until(nextMidnight(time.Now())))
			lease := take(t, p, Query{Model: "m", Tokens: 60})
			if e := refused(t, p, Query{Model: "m", Tokens: 50}); e.RetryAfter != time.Until(nextMidnight(time.Now())) {
				t.Errorf("day %d: cause %v, retry after %v, want when the day ends", day, e.Cause, e.RetryAfter)
			}
			if e := refused(t, p, Query{Model: "m", Tokens: 101}); e.RetryAfter != 0 {
				t.Errorf("day %d: retry after %v, though no day has room for so much", day, e.RetryAfter)
			}
			if a := p.Allowances("m").Tokens; a.Limit != 100 || a.Remaining != 40 || a.Reset != time.Until(nextMidnight(time.Now())) {
				t.Errorf("day %d: %+v", day, a)
			}
			lease.Settle(Outcome{Called: true, Tokens: 45})
			prompt(t, p, "m", 50, 50)
			if e := refused(t, p, Query{Model: "m", Tokens: 10}); e.Cause != CauseRate {
				t.Errorf("day %d: cause %v, while there is room for less", day, e.Cause)
			}
			prompt(t, p, "m", 5, 5)
			if e := refused(t, p, Query{Model: "m", Tokens: 1}); e.Cause != CauseQuota {
				t.Errorf("day %d: cause %v", day, e.Cause)
			}
			if m := status(p)[0]; m.Reason != StateQuotaLong || !m.Until.Equal(nextMidnight(time.Now())) {
				t.Errorf("day %d: %+v", day, m)
			}
			_, p = restart(t, candidates, Options{})
			candidates = p.candidates()
			refused(t, p, Query{Model: "m"})
		}
		if e := refused(t, p, Query{Model: "m", Tokens: 101}); e.Cause != CauseQuota {
			t.Errorf("cause %v", e.Cause)
		}
		time.Sleep(time.Until(nextMidnight(time.Now())))
		if e := refused(t, p, Query{Model: "m", Tokens: 101}); e.Cause != CauseTooLarge {
			t.Errorf("cause %v, for more than a whole day has", e.Cause)
		}
	})
}

// Google lists the quotas of several models in one refusal: each limit is that of its own.
func TestLimitsOfOtherModelsAreNotTakenForThisOnes(t *testing.T) {
	p := NewPool(fleet(1), Options{})
	f := refusal(QuotaRPM, 5)
	f.Violations[0].Model, f.Model = "m", "m"
	f.Violations = append(f.Violations, refusal(QuotaRPD, 20).Violations[0])
	f.Violations[1].Model = "another"
	fail(t, p, Query{Model: "m"}, f)
	if got := limits(p); got != [3]int64{5, 0, 0} {
		t.Errorf("status shows %v", got)
	}
}
