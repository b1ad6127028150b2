package rotator

import "testing"

// silence is a backend that does not answer, as far as one call can tell.
var silence = &Fault{Kind: FaultTransient, Reason: "CONNECTION_FAILED"}

// backends returns n accounts of a backend, and after them one of another.
func backends(n int) []Candidate {
	candidates := fleet(n + 1)
	candidates[n].Credential.Backend = "vertex"
	return candidates
}

func TestBackendThatDoesNotAnswerIsLeftForAnother(t *testing.T) {
	for name, test := range map[string]struct {
		fault         *Fault
		token, called bool
		want          int
	}{
		"no answer":                      {silence, true, true, 5},
		"a call not even tried, like it": {silence, true, false, 5},
		"a bad answer":                   {&Fault{Kind: FaultTransient, Status: 500}, true, true, 2},
		"a quota that is out":            {&Fault{Kind: FaultRateShort, Status: 429}, true, true, 2},
		"a token, not a call":            {silence, false, false, 2},
		"an answer without it":           {&Fault{Kind: FaultEmpty, Status: 200}, true, true, 2},
	} {
		p := NewPool(backends(4), Options{Policy: fillFirst{}})
		var tried Tried
		q := Query{Model: "m", Tried: &tried}
		lease := take(t, p, q)
		if test.token {
			authorise(t, lease)
		}
		lease.Settle(Outcome{Called: test.called, Decision: lease.Decide(test.fault, Attempts{Made: 1, Transient: 1})})
		if got := take(t, p, q).Credential().Index; got != test.want {
			t.Errorf("%s: account %d comes next, want %d", name, got, test.want)
		}
		if got := take(t, p, Query{Model: "m"}).Credential().Index; got > 2 {
			t.Errorf("%s: another request is given account %d", name, got)
		}
	}
}

func TestBackendThatDoesNotAnswerIsTriedAgainWhenThereIsNoOther(t *testing.T) {
	for name, candidates := range map[string][]Candidate{"one backend": fleet(4), "the other is out": backends(3)} {
		p := NewPool(candidates, Options{Policy: fillFirst{}})
		if name != "one backend" {
			p.Disable(candidates[3].Label)
		}
		var tried Tried
		q := Query{Model: "m", Tried: &tried}
		for want := 1; want <= 3; want++ {
			if lease, _ := fail(t, p, q, silence); lease.Credential().Index != want {
				t.Errorf("%s: account %d comes next, want %d", name, lease.Credential().Index, want)
			}
		}
	}
}

// However many accounts it has, and whatever size of prompt there is room for.
func TestBackendThatDoesNotAnswerIsPassedOverAsAWhole(t *testing.T) {
	for _, narrow := range []bool{false, true} {
		p := NewPool(backends(1000), Options{Policy: fillFirst{}, Limits: []Limit{{Model: "m", TPM: 1000}}})
		var tried Tried
		q := Query{Model: "m", Tokens: 10, Tried: &tried}
		if narrow {
			for range 1001 {
				take(t, p, Query{Model: "m", Tokens: 600})
			}
			refused(t, p, Query{Model: "m", Tokens: 900})
		}
		fail(t, p, q, silence)
		if got := take(t, p, q).Credential().Index; got != 1001 {
			t.Errorf("with little room (%v): account %d comes next, want that of the other backend", narrow, got)
		}
	}
}
