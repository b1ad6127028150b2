package rotator

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// seeing is a policy that shows what it is told, and prefers those with the fewest calls under way.
type seeing struct {
	volatile bool
	see      func(Standing)
}

func (s seeing) Volatile() bool { return s.volatile }

func (s seeing) Rank(standing Standing) float64 {
	s.see(standing)
	return float64(standing.InFlight)
}

func TestAVolatilePolicySeesHowCallsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		latest := make(map[string]Standing)
		shared := NewGroup()
		candidates := []Candidate{candidate(1, shared), candidate(2, shared), candidate(3, NewGroup())}
		p := NewPool(candidates, Options{
			Limits: []Limit{{Model: "limited", RPM: 5, RPD: 20, TPM: 1000}},
			Policy: seeing{true, func(s Standing) { latest[s.Credential.Label] = s }},
		})
		check := func(when, label string, rpm, rpd, tpm float64, errors, inFlight int64) {
			t.Helper()
			s := latest[label]
			if s.RPMLeft != rpm || s.RPDLeft != rpd || s.TPMLeft != tpm || s.Errors != errors || s.InFlight != inFlight {
				t.Errorf("%s: %+v", when, s)
			}
		}
		first := take(t, p, Query{Model: "limited", Tokens: 100})
		label := first.Credential().Label
		check("under way", label, 4, 19, 900, 0, 1)
		first.Settle(Outcome{Called: true, Tokens: 300, Decision: Decision{failed: true}})
		check("after it failed", label, 4, 19, 700, 1, 0)
		for range 10 {
			time.Sleep(aMinute)
			second := take(t, p, Query{Model: "limited"})
			third := take(t, p, Query{Model: "limited"})
			if second.choice.candidate.Group == third.choice.candidate.Group {
				t.Error("two calls in one group while nothing is under way in the other")
			}
			second.Settle(Outcome{Called: true})
			fourth := take(t, p, Query{Model: "limited"})
			if fourth.choice.candidate.Group != second.choice.candidate.Group {
				t.Error("it was not asked again when a call ended")
			}
			third.Settle(Outcome{})
			fourth.Settle(Outcome{})
		}
		call(t, p, "free")
		s := latest["account-1"]
		if !math.IsInf(s.RPMLeft, 1) || !math.IsInf(s.RPDLeft, 1) || !math.IsInf(s.TPMLeft, 1) {
			t.Errorf("without limits: %+v", s)
		}
	})
}

// A call that began before the candidates were replaced ends for those that are there now, wherever they stand.
func TestAVolatilePolicySeesCallsEndThatBeganBeforeAReplacement(t *testing.T) {
	candidates := fleet(3)
	p := NewPool(candidates, Options{Policy: seeing{true, func(Standing) {}}})
	busy := take(t, p, Query{Model: "m"})
	p.Replace([]Candidate{candidates[2], candidates[1], candidates[0]})
	call(t, p, "m")
	busy.Settle(Outcome{Called: true})
	take(t, p, Query{Model: "m"})
	if next := take(t, p, Query{Model: "m"}); next.Credential() != busy.Credential() {
		t.Errorf("%s is preferred to one that has nothing under way any more, and was not used", next.Credential().Label)
	}
	gone := take(t, p, Query{Model: "m"})
	p.Replace(fleet(4)[3:])
	call(t, p, "m")
	gone.Settle(Outcome{Called: true}) // its account is not there any more
}

func TestOtherPoliciesAreNotTold(t *testing.T) {
	asked := 0
	p := NewPool(fleet(2), Options{Policy: seeing{false, func(s Standing) {
		asked++
		if s.Credential != nil || s.RPMLeft != 0 || s.Errors != 0 || s.InFlight != 0 {
			t.Errorf("%+v", s)
		}
	}}})
	lease := take(t, p, Query{Model: "m"})
	before := asked
	if lease.Settle(Outcome{Called: true}); asked != before {
		t.Error("asked again when a call ended")
	}
}
