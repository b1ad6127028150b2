package rotator

import (
	"testing"
	"testing/synctest"
	"time"
)

// spend makes as many retries as the budget allows, up to n.
func spend(b *Budget, n int) (made int) {
	for made < n && b.Spend() {
		made++
	}
	return made
}

// However many requests fail, retries stay within their share of them once the first have been earned.
func TestRetriesKeepToTheirShare(t *testing.T) {
	for _, share := range []float64{0.2, 0.5, 1} {
		synctest.Test(t, func(t *testing.T) {
			b, made := NewBudget(share), 0
			for n := 1; n <= 2000; n++ {
				b.Earn()
				made += spend(b, 3)
				if allowed := max(firstRetries, share*float64(n)+0.001); float64(made) > allowed {
					t.Fatalf("%d retries of %d requests", made, n)
				}
			}
			if want := share*2000 - 1; float64(made) < want {
				t.Errorf("share %v: %d retries of 2000 requests, want at least %v", share, made, want)
			}
		})
	}
}

func TestCalmDoesNotPayForAStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(0.2)
		for range 100_000 {
			b.Earn()
		}
		if got := spend(b, 1000); got != maxRetries {
			t.Errorf("%d retries at once", got)
		}
	})
}

func TestPoolWithLittleToDoMayRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(0.2)
		if got := spend(b, 100); got != firstRetries {
			t.Errorf("%d retries at the start", got)
		}
		time.Sleep(retryAnyway - 1)
		if b.Spend() {
			t.Error("a retry that was not earned")
		}
		time.Sleep(1)
		if got := spend(b, 100); got != 1 {
			t.Errorf("%d retries after a minute without one", got)
		}
	})
}
