package accounts

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

type key string

func (k key) Mint(context.Context) (*rotator.Token, error) {
	return &rotator.Token{Secret: string(k), APIKey: true}, nil
}

// handler is the pool of a handler with accounts that it labels as it likes: labels by fingerprint.
func handler(t *testing.T, ids []string, label string) (*Hold, *rotator.Pool) {
	t.Helper()
	h := new(Hold)
	var candidates []rotator.Candidate
	for _, id := range ids {
		candidates = append(candidates, rotator.Candidate{
			Credential: &rotator.Credential{ID: id, Label: label + id, Backend: "gemini_api", QuotaGroup: id, Weight: 1, Minter: key(id)},
			Account:    h.Account(id), Group: h.Group("gemini_api", id),
		})
	}
	p := rotator.NewPool(candidates, rotator.Options{Models: h.Models()})
	h.Pool(p)
	t.Cleanup(func() {
		if err := h.Release(); err != nil {
			t.Error(err)
		}
	})
	return h, p
}

// serves reports whether the pool has an account for a call.
func serves(p *rotator.Pool) bool {
	lease, err := p.Acquire(rotator.Query{Model: "m"})
	if err != nil {
		return false
	}
	lease.Settle(rotator.Outcome{Called: true})
	return true
}

func labels() []string {
	list := []string{}
	for _, a := range Snapshot().Accounts {
		list = append(list, a.Label)
	}
	return list
}

func TestOperatorsSeeTheHandlersThereAre(t *testing.T) {
	if got := labels(); len(got) != 0 {
		t.Fatalf("%q without a handler", got)
	}
	running, _ := handler(t, []string{"a", "b"}, "")
	failed, _ := handler(t, []string{"b", "c"}, "")
	if want := []string{"a", "b", "c"}; !slices.Equal(labels(), want) {
		t.Errorf("%q, want %q", labels(), want)
	}
	for range 2 { // what is given back is not given back again
		if err := failed.Release(); err != nil {
			t.Fatal(err)
		}
		if want := []string{"a", "b"}; !slices.Equal(labels(), want) {
			t.Errorf("%q, want %q", labels(), want)
		}
	}
	if err := running.Release(); err != nil {
		t.Fatal(err)
	}
	if got := labels(); len(got) != 0 {
		t.Errorf("%q when all handlers are gone", got)
	}
}

func TestWhatAnOperatorSaysHoldsForAllHandlers(t *testing.T) {
	_, one := handler(t, []string{"shared"}, "")
	_, two := handler(t, []string{"shared"}, "other-")
	for name, disable := range map[string]string{"the first's label": "shared", "the second's label": "other-shared"} {
		if !serves(one) || !serves(two) {
			t.Fatalf("%s: not ready", name)
		}
		if !Disable(disable) || serves(one) || serves(two) {
			t.Errorf("%s: the account is still used", name)
		}
		ResetAll()
		if !Reset(disable) || serves(one) || serves(two) {
			t.Errorf("%s: a reset enabled the account", name)
		}
		if !Enable("shared") || !serves(one) || !serves(two) {
			t.Errorf("%s: the account is not used again", name)
		}
	}
}

func TestAResetReachesAllHandlers(t *testing.T) {
	_, one := handler(t, []string{"shared"}, "")
	_, two := handler(t, []string{"shared"}, "other-")
	for name, reset := range map[string]func(){
		"one": func() { Reset("other-shared") }, "all": ResetAll,
	} {
		lease, err := one.Acquire(rotator.Query{Model: "m"})
		if err != nil {
			t.Fatal(name, err)
		}
		d := lease.Decide(&rotator.Fault{Kind: rotator.FaultQuotaLong, Delay: time.Hour}, rotator.Attempts{Made: 1})
		lease.Settle(rotator.Outcome{Called: true, Decision: d})
		if serves(one) || serves(two) {
			t.Fatal(name, "the group does not cool")
		}
		if reset(); !serves(one) || !serves(two) {
			t.Error(name, "the group cools after a reset")
		}
	}
}

func TestUnknownLabelsChangeNothing(t *testing.T) {
	_, p := handler(t, []string{"a"}, "")
	for name, do := range map[string]func(string) bool{"disable": Disable, "enable": Enable, "reset": Reset} {
		for _, label := range []string{"", "A", "b", "*"} {
			if do(label) {
				t.Errorf("%s found %q", name, label)
			}
		}
	}
	if !serves(p) {
		t.Error("the account is not used")
	}
}

func TestADisabledAccountStaysSoWhenHandlersComeAndGo(t *testing.T) {
	before, _ := handler(t, []string{"a"}, "")
	Disable("a")
	_, p := handler(t, []string{"a"}, "") // the next configuration is there before the last one is gone
	if err := before.Release(); err != nil {
		t.Fatal(err)
	}
	if serves(p) {
		t.Error("a reload enabled the account")
	}
	if !Enable("a") || !serves(p) {
		t.Error("the account is not used again")
	}
}

func TestALabelMeansTheAccountsOfAllHandlersThatUseIt(t *testing.T) {
	_, one := handler(t, []string{"env-1"}, "")
	_, two := handler(t, []string{"1"}, "env-") // another account, and the same label
	if !Disable("env-1") || serves(one) || serves(two) {
		t.Error("one of two accounts with the label is still used")
	}
	if !Enable("env-1") || !serves(one) || !serves(two) {
		t.Error("one of two accounts with the label is not used again")
	}
}
