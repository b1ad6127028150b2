package rotator

import (
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// prompt makes a call whose prompt was estimated to be, and was, so large.
func prompt(t *testing.T, p *Pool, model string, estimated, counted int64) {
	t.Helper()
	lease := take(t, p, Query{Model: model, Tokens: estimated})
	lease.Settle(Outcome{Called: true, Tokens: counted})
}

func TestEstimatesAreCorrectedByWhatGoogleCounts(t *testing.T) {
	for _, test := range []struct {
		name              string
		estimate, counted int64 // of each of twenty prompts
		want              int64 // for 1,000
	}{
		{"right", 50_000, 50_000, 1000},
		{"half of it", 50_000, 100_000, 1990},
		{"twice as much", 50_000, 25_000, 505},
		{"far too little", 10_000, 1_000_000, 4000},
		{"far too much", 500_000, 10, 250},
		{"of small prompts little is learned", 10, 40, 1059},
		{"nothing is counted", 50_000, 0, 1000},
		{"nothing is estimated", 0, 50_000, 1000},
	} {
		models := NewModels()
		one, other := NewPool(fleet(1), Options{Models: models}), NewPool(fleet(1), Options{Models: models})
		for range 20 {
			prompt(t, one, "m", test.estimate, test.counted)
		}
		if got := other.index("m", time.Now()).estimates.Load().correct(1000); got != test.want {
			t.Errorf("%s: an estimate of 1000 is corrected to %d, want %d", test.name, got, test.want)
		}
		if got := other.index("another", time.Now()).estimates.Load().correct(1000); got != 1000 {
			t.Errorf("%s: what is known of one model corrects another: %d", test.name, got)
		}
	}
}

// Prompts that turn out twice as large as estimated do not run into the limit, once that is known.
func TestWhatIsSetAsideOfAMinuteFollowsTheCorrection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", TPM: 100_000}}})
		for range 30 {
			prompt(t, p, "m", 25_000, 50_000)
			time.Sleep(aMinute)
		}
		under := 0
		for ; under < 10; under++ {
			if _, err := p.Acquire(Query{Model: "m", Tokens: 25_000}); err != nil {
				break
			}
		}
		if under != 2 {
			t.Errorf("%d calls at once, want as many as fit", under)
		}
	})
}

// A correction is about prompts in general. It is no reason to turn away one that fits by its own estimate.
func TestACorrectionMakesNoPromptTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", TPM: 100_000}}})
		for range 30 {
			prompt(t, p, "m", 25_000, 50_000)
			time.Sleep(aMinute)
		}
		prompt(t, p, "m", 80_000, 80_000)
		if e := refused(t, p, Query{Model: "m", Tokens: 80_000}); e.Cause != CauseRate || e.RetryAfter != aMinute {
			t.Errorf("cause %v, retry after %v", e.Cause, e.RetryAfter)
		}
		if e := refused(t, p, Query{Model: "m", Tokens: 100_001}); e.Cause != CauseTooLarge {
			t.Errorf("cause %v", e.Cause)
		}
	})
}

func TestEstimatesFollowWhatPromptsAreLikeNow(t *testing.T) {
	e := &estimates{}
	for range 1000 {
		e.observe(100_000, 300_000)
	}
	for range 40 {
		e.observe(100_000, 100_000)
	}
	if got := e.correct(1000); got > 1100 {
		t.Errorf("1000 are corrected to %d, long after the estimates have become right", got)
	}
}

func TestModelsThatNeverAnswerAreNotRemembered(t *testing.T) {
	models := NewModels()
	p := NewPool(fleet(1), Options{Models: models})
	for i := range 2 * maxEstimates {
		lease, _ := fail(t, p, Query{Model: string(rune('a' + i)), Tokens: 10}, &Fault{Kind: FaultTransient})
		lease.Settle(Outcome{})
	}
	if n := len(models.estimates); n != 0 {
		t.Errorf("%d models are remembered", n)
	}
	for i := range 2 * maxEstimates {
		prompt(t, p, string(rune('a'+i)), 10_000, 20_000)
	}
	if n := len(models.estimates); n != maxEstimates {
		t.Errorf("%d models are remembered, want %d at most", n, maxEstimates)
	}
}

func TestEstimatesLoseNothingWhenMadeAtOnce(t *testing.T) {
	e := &estimates{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				e.observe(1, 2)
			}
		})
	}
	wg.Wait()
	if c, n := unpack(e.sums.Load()); c != 8000 || n != 4000 || math.IsNaN(float64(c)) {
		t.Errorf("%v of %v", c, n)
	}
}
