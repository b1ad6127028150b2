package guests

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// payer is an account with a label, in a quota group.
func payer(label string, g *rotator.Group) rotator.Candidate {
	return rotator.Candidate{
		Credential: &rotator.Credential{ID: label, Label: label, Backend: "gemini_api", QuotaGroup: label, Weight: 1},
		Account:    rotator.NewAccount(label),
		Group:      g,
	}
}

// payers is an account for each label, each in a quota group of its own.
func payers(labels ...string) []rotator.Candidate {
	candidates := make([]rotator.Candidate, len(labels))
	for i, label := range labels {
		candidates[i] = payer(label, rotator.NewGroup())
	}
	return candidates
}

// ranked is a pool whose policy is an expression.
func ranked(t *testing.T, expression string, candidates []rotator.Candidate, limits ...rotator.Limit) *rotator.Pool {
	t.Helper()
	c := &CEL{Expression: expression}
	if err := c.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	return rotator.NewPool(candidates, rotator.Options{Policy: c, Limits: limits})
}

// begin begins a call, and returns the label of the account that makes it.
func begin(t *testing.T, p *rotator.Pool) (*rotator.Lease, string) {
	t.Helper()
	lease, err := p.Acquire(rotator.Query{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	return lease, lease.Credential().Label
}

func settle(lease *rotator.Lease) { lease.Settle(rotator.Outcome{Called: true}) }

// callers makes calls one after the other, and returns who made them.
func callers(t *testing.T, p *rotator.Pool, calls int) (who string) {
	t.Helper()
	for range calls {
		lease, label := begin(t, p)
		settle(lease)
		who += label
	}
	return who
}

func TestAPoolPrefersTheLabelThatAnExpressionDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := ranked(t, `label == "b" ? 2 : (label == "c" ? 1 : 0)`, payers("a", "b", "c"), rotator.Limit{Model: "*", RPM: 2})
		if who := callers(t, p, 6); who != "bbccaa" {
			t.Errorf("calls were made by %s", who)
		}
		time.Sleep(time.Minute + time.Second)
		if who := callers(t, p, 3); who != "bbc" {
			t.Errorf("a minute later, calls were made by %s", who)
		}
	})
}

func TestAPoolSpreadsByWhatIsLeftOfTheDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates, limit := payers("a", "b", "c"), rotator.Limit{Model: "*", RPD: 10}
		if who := callers(t, ranked(t, "-index", candidates, limit), 12); who != "aaaaaaaaaabb" {
			t.Fatalf("calls were made by %s", who)
		}
		// Of b, 8 are left, and of c, 10.
		if who := callers(t, ranked(t, "rpd_left", candidates, limit), 6); who != "ccbcbc" && who != "cccbcb" && who != "ccbccb" {
			t.Errorf("calls were made by %s", who)
		}
	})
}

func TestAPoolAsksAgainWhenACallBeginsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := ranked(t, `label == "a" && in_flight < 2 ? 1 : 0`, payers("a", "b"))
		first, one := begin(t, p)
		_, two := begin(t, p)
		_, three := begin(t, p)
		if one+two+three != "aab" {
			t.Errorf("calls were begun by %s", one+two+three)
		}
		settle(first)
		if who := callers(t, p, 3); who != "aaa" {
			t.Errorf("with one call less under way, calls were made by %s", who)
		}
	})
}

func TestAPoolAvoidsWhomAnExpressionFindsFaultWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := ranked(t, "-errors", payers("a", "b"))
		lease, label := begin(t, p)
		d := lease.Decide(&rotator.Fault{Kind: rotator.FaultIncomplete}, rotator.Attempts{Made: 1})
		lease.Settle(rotator.Outcome{Called: true, Decision: d})
		if who := callers(t, p, 4); label != "a" || who != "bbbb" {
			t.Errorf("after a call of %s has failed, calls were made by %s", label, who)
		}
	})
}

func TestAnExpressionRanksAccountsWithinAGroupToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := rotator.NewGroup()
		p := ranked(t, `label == "c" ? 1 : 0`, []rotator.Candidate{payer("a", g), payer("b", g), payer("c", g)})
		if who := callers(t, p, 3); who != "ccc" {
			t.Errorf("calls were made by %s", who)
		}
	})
}
