package rotator

import (
	"testing"
	"testing/synctest"
	"time"
)

// A call under way was chosen by an order of the candidates that is gone when it ends.
func TestWhatACallGivesBackIsSeenByTheOrderThatIsInUseThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := fleet(2)
		p := NewPool(candidates, Options{Limits: []Limit{{Model: "*", RPM: 1}}})
		call(t, p, "m")
		time.Sleep(10 * time.Second)
		lease := take(t, p, Query{Model: "m"})
		p.Replace(candidates)
		if e := refused(t, p, Query{Model: "m"}); e.Cause != CauseRate || e.RetryAfter != aMinute-10*time.Second {
			t.Fatalf("refused for %v, for %v", e.Cause, e.RetryAfter)
		}
		lease.Settle(Outcome{}) // it was never made
		take(t, p, Query{Model: "m"}).Settle(Outcome{Called: true})
	})
}
