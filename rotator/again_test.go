package rotator

import "testing"

func TestEveryCallOfALongAnswerCounts(t *testing.T) {
	p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 3, TPM: 100}}})
	lease := take(t, p, Query{Model: "m", Tokens: 50})
	if !lease.Again(10, 30) { // 10 and 30 are spent
		t.Fatal("there was room for 30 tokens")
	}
	if lease.Again(30, 61) {
		t.Error("there was no room for 61 tokens")
	}
	if !lease.Again(30, 20) { // 10, 30 and 20
		t.Fatal("there was room for 20 tokens")
	}
	if lease.Again(20, 1) {
		t.Error("three calls were made already")
	}
	lease.Settle(Outcome{Called: true, Tokens: 25})
	if e := refused(t, p, Query{Model: "m", Tokens: 1}); e.Cause != CauseRate {
		t.Errorf("cause %v", e.Cause)
	}
	if s := p.Snapshot(); s.Pool.InFlight != 0 || s.Accounts[0].Requests != 3 {
		t.Errorf("status shows %+v", s.Accounts[0])
	}
}

func TestACallOfALongAnswerThatFailedIsGivenBack(t *testing.T) {
	p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 2, TPM: 100}}})
	lease := take(t, p, Query{Model: "m", Tokens: 100})
	if !lease.Again(40, 60) {
		t.Fatal("there was room for 60 tokens")
	}
	lease.Settle(Outcome{Decision: lease.Decide(&Fault{Kind: FaultTransient}, Attempts{Made: 1})})
	take(t, p, Query{Model: "m", Tokens: 60})
}
