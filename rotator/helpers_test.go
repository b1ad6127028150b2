package rotator

import (
	"fmt"
	"testing"
	"time"
)

// fleet returns n accounts with API keys, each a quota group of its own.
func fleet(n int) []Candidate {
	candidates := make([]Candidate, n)
	for i := range candidates {
		candidates[i] = candidate(i+1, NewGroup())
	}
	return candidates
}

func candidate(n int, g *Group) Candidate {
	id := fmt.Sprintf("account-%d", n)
	return Candidate{
		Credential: &Credential{ID: id, Index: n, Label: id, Backend: "gemini_api", QuotaGroup: id, Weight: 1, Minter: apiKey(id)},
		Account:    NewAccount(id),
		Group:      g,
	}
}

// take acquires a lease that must be there.
func take(t *testing.T, p *Pool, q Query) *Lease {
	t.Helper()
	lease, err := p.Acquire(q)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// call makes a call that goes well, and returns the number of the account that made it.
func call(t *testing.T, p *Pool, model string) int {
	t.Helper()
	lease := take(t, p, Query{Model: model})
	lease.Settle(Outcome{Called: true, Tokens: 10})
	return lease.Credential().Index
}

// fail makes a call that ends in a fault.
func fail(t *testing.T, p *Pool, q Query, f *Fault) (*Lease, Decision) {
	t.Helper()
	lease := take(t, p, q)
	authorise(t, lease)
	d := lease.Decide(f, Attempts{Made: 1})
	lease.Settle(Outcome{Called: true, Decision: d})
	return lease, d
}

// authorise gets the token of a lease, which must be there.
func authorise(t *testing.T, l *Lease) {
	t.Helper()
	if _, err := l.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, p *Pool, q Query) *Exhausted {
	t.Helper()
	lease, err := p.Acquire(q)
	if err == nil {
		t.Fatalf("got account %d, want none", lease.Credential().Index)
	}
	return err.(*Exhausted)
}

// aMinute is when what was spent of a minute is back.
const aMinute = time.Duration(lasting)
