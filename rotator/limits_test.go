package rotator

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAllMatchingLimitsHold(t *testing.T) {
	p := NewPool(nil, Options{Limits: []Limit{
		{Model: "gemini-3*", RPM: 10, TPM: 1000}, {Model: "*", RPM: 20, RPD: 100},
		{Model: "gemini-3-pro", RPM: 5, RPD: 200}, {Model: "[", RPM: 1},
	}})
	for _, test := range []struct {
		model string
		want  Limit
	}{
		{"gemini-3-pro", Limit{RPM: 5, RPD: 100, TPM: 1000}},
		{"gemini-3-flash", Limit{RPM: 10, RPD: 100, TPM: 1000}},
		{"gemma-4", Limit{RPM: 20, RPD: 100}},
	} {
		test.want.Model = test.model
		if got := p.limits(test.model).Limit; got != test.want {
			t.Errorf("limits of %s: %+v, want %+v", test.model, got, test.want)
		}
	}
}

// Eight goroutines ask for more than there is, through two handlers that share the groups.
func TestLimitsAreNeverOverspent(t *testing.T) {
	for _, test := range []struct {
		name  string
		limit Limit
		want  int64 // of three groups
	}{
		{"rpm", Limit{Model: "*", RPM: 50}, 150},
		{"rpd", Limit{Model: "*", RPD: 70}, 210},
		{"tpm", Limit{Model: "*", TPM: 1000}, 300},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // the clock stands still
				candidates := fleet(3)
				o := Options{Limits: []Limit{test.limit}}
				pools := []*Pool{NewPool(candidates, o), NewPool(candidates, o)}
				var got, refusals atomic.Int64
				var wg sync.WaitGroup
				for i := range 8 {
					wg.Go(func() {
						for range 100 {
							lease, err := pools[i%2].Acquire(Query{Model: "m", Tokens: 10})
							if err != nil {
								refusals.Add(1)
								continue
							}
							got.Add(1)
							lease.Settle(Outcome{Called: true, Tokens: 10})
						}
					})
				}
				wg.Wait()
				if got.Load() != test.want || refusals.Load() != 800-test.want {
					t.Errorf("%d calls were let through, want exactly %d", got.Load(), test.want)
				}
			})
		})
	}
}

func TestSpentMinuteIsBackExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 2}}})
		call(t, p, "m")
		time.Sleep(20 * time.Second)
		call(t, p, "m")
		e := refused(t, p, Query{Model: "m"})
		if e.Cause != CauseRate || e.RetryAfter != aMinute-20*time.Second {
			t.Errorf("cause %v, retry after %v", e.Cause, e.RetryAfter)
		}
		time.Sleep(aMinute - 20*time.Second - time.Nanosecond)
		refused(t, p, Query{Model: "m"})
		time.Sleep(time.Nanosecond)
		call(t, p, "m")
		if e := refused(t, p, Query{Model: "m"}); e.RetryAfter != 20*time.Second {
			t.Errorf("retry after %v, want 20s", e.RetryAfter)
		}
	})
}

func TestSpentDayIsBackAtMidnight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPD: 1}}})
		call(t, p, "m")
		e := refused(t, p, Query{Model: "m"})
		if e.Cause != CauseQuota || e.RetryAfter != time.Until(nextMidnight(time.Now())) {
			t.Errorf("cause %v, retry after %v", e.Cause, e.RetryAfter)
		}
		time.Sleep(e.RetryAfter)
		call(t, p, "m")
		refused(t, p, Query{Model: "m"})
	})
}

func TestCallThatWasNotMadeIsGivenBack(t *testing.T) {
	p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 1, RPD: 1, TPM: 100}}})
	lease := take(t, p, Query{Model: "m", Tokens: 100})
	refused(t, p, Query{Model: "m", Tokens: 1})
	lease.Settle(Outcome{})
	lease = take(t, p, Query{Model: "m", Tokens: 100})
	lease.Settle(Outcome{Called: true})
	refused(t, p, Query{Model: "m", Tokens: 1})
}

func TestEstimateIsCorrected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", TPM: 100}}})
		lease := take(t, p, Query{Model: "m", Tokens: 90})
		if e := refused(t, p, Query{Model: "m", Tokens: 20}); e.Cause != CauseRate || e.RetryAfter != aMinute {
			t.Errorf("cause %v, retry after %v", e.Cause, e.RetryAfter)
		}
		lease.Settle(Outcome{Called: true, Tokens: 40})
		lease = take(t, p, Query{Model: "m", Tokens: 20}) // 60 were left
		lease.Settle(Outcome{Called: true, Tokens: 55})   // 5 are
		refused(t, p, Query{Model: "m", Tokens: 6})
		take(t, p, Query{Model: "m", Tokens: 5})
	})
}

func TestUnusedTokensAreThereAtOnce(t *testing.T) {
	p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", TPM: 100}}})
	lease := take(t, p, Query{Model: "m", Tokens: 100})
	refused(t, p, Query{Model: "m", Tokens: 1})
	lease.Settle(Outcome{Called: true, Tokens: 40})
	take(t, p, Query{Model: "m", Tokens: 60})
}

func TestLongestShortageCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 1, RPD: 1000}}})
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultRateShort, Delay: 5 * time.Minute})
		if e := refused(t, p, Query{Model: "m"}); e.RetryAfter != 5*time.Minute {
			t.Errorf("retry after %v, want the cooldown's end", e.RetryAfter)
		}
	})
}

// A prompt too large for what is left of a minute keeps nobody else out.
func TestSmallPromptsPassLargeOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(3), Options{Policy: fillFirst{}, Limits: []Limit{{Model: "*", TPM: 100}}})
		use := func(tokens int64) int {
			lease := take(t, p, Query{Model: "m", Tokens: tokens})
			lease.Settle(Outcome{Called: true, Tokens: tokens})
			return lease.Credential().Index
		}
		for _, step := range []struct{ tokens, account int }{{60, 1}, {70, 2}, {80, 3}} {
			if got := use(int64(step.tokens)); got != step.account {
				t.Fatalf("%d tokens went to account %d, want %d", step.tokens, got, step.account)
			}
			time.Sleep(10 * time.Second)
		}
		// 40, 30 and 20 are left.
		if e := refused(t, p, Query{Model: "m", Tokens: 50}); e.Cause != CauseRate || e.RetryAfter != aMinute-30*time.Second {
			t.Errorf("cause %v, retry after %v, want when the first 60 leave", e.Cause, e.RetryAfter)
		}
		if got := use(35); got != 1 {
			t.Errorf("35 tokens went to account %d, want the one with 40 left", got)
		}
		if got := use(30); got != 2 {
			t.Errorf("30 tokens went to account %d, want the one with 30 left", got)
		}
		refused(t, p, Query{Model: "m", Tokens: 21})
		if got := use(20); got != 3 {
			t.Errorf("20 tokens went to account %d, want the one with 20 left", got)
		}
		time.Sleep(aMinute - 30*time.Second)
		if got := use(65); got != 1 {
			t.Errorf("account %d, want the first one, whose minute has passed", got)
		}
	})
}

func TestPromptLargerThanAMinute(t *testing.T) {
	p := NewPool(fleet(2), Options{Limits: []Limit{{Model: "*", TPM: 100}}})
	if e := refused(t, p, Query{Model: "m", Tokens: 101}); e.Cause != CauseTooLarge || e.RetryAfter != 0 {
		t.Errorf("cause %v, retry after %v", e.Cause, e.RetryAfter)
	}
	take(t, p, Query{Model: "m", Tokens: 100})
}
