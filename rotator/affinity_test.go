package rotator

import (
	"testing"
	"testing/synctest"
	"time"
)

// talk makes a call of a conversation that goes well, and returns the number of the account that made it.
func talk(t *testing.T, p *Pool, conversation uint64) int {
	t.Helper()
	lease := take(t, p, Query{Model: "m", Conversation: conversation})
	lease.Settle(Outcome{Called: true, Tokens: 10})
	return lease.Credential().Index
}

func affine(o Options) Options {
	o.Affinity, o.AffinityFor = NewAffinity(), time.Hour
	return o
}

func TestAConversationStaysOnItsAccount(t *testing.T) {
	for _, name := range []string{"headroom", "round_robin", "fill_first", "weighted", "random"} {
		p := NewPool(fleet(25), affine(Options{Policy: policy(t, name)}))
		homes := make(map[uint64]int)
		for range 20 {
			for c := uint64(1); c <= 50; c++ {
				home := talk(t, p, c)
				if homes[c] == 0 {
					homes[c] = home
				}
				if homes[c] != home {
					t.Fatalf("%s: conversation %d moved from %d to %d", name, c, homes[c], home)
				}
			}
		}
		used := make(map[int]bool)
		for _, home := range homes {
			used[home] = true
		}
		if name == "headroom" && len(used) != 25 {
			t.Errorf("%d accounts have conversations, want all", len(used))
		}
	}
}

func TestAnOpeningIsSpreadAndRemembered(t *testing.T) {
	p := NewPool(fleet(5), affine(Options{Policy: policy(t, "round_robin")}))
	for want := 1; want <= 5; want++ {
		lease := take(t, p, Query{Model: "m", Conversation: 7, Opening: true})
		lease.Settle(Outcome{Called: true, Tokens: 10})
		if got := lease.Credential().Index; got != want {
			t.Errorf("opening %d went to %d", want, got)
		}
		for range 2 {
			if home := talk(t, p, 7); home != want {
				t.Errorf("opened on %d, it goes on on %d", want, home)
			}
		}
	}
}

func TestAConversationMovesWhenItsGroupHasNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(3), affine(Options{Limits: []Limit{{Model: "*", RPM: 2}}}))
		first := talk(t, p, 7)
		talk(t, p, 7)
		second := talk(t, p, 7)
		if second == first {
			t.Fatal("it stays where there is no room")
		}
		time.Sleep(aMinute)
		if now := talk(t, p, 7); now != second {
			t.Errorf("it is on %d, want where it moved to", now)
		}
	})
}

func TestAConversationMovesWhenItsAccountIsOut(t *testing.T) {
	p := NewPool(fleet(3), affine(Options{}))
	home := talk(t, p, 7)
	lease := take(t, p, Query{Model: "m", Conversation: 7})
	lease.Settle(Outcome{Called: true, Decision: lease.Decide(&Fault{Kind: FaultDead}, Attempts{Made: 1})})
	moved := talk(t, p, 7)
	if moved == home || talk(t, p, 7) != moved {
		t.Error("it does not move for good")
	}
}

// What Google keeps of a prompt, it keeps for the project.
func TestAConversationStaysInItsGroupWhenItsAccountIsOut(t *testing.T) {
	shared := NewGroup()
	candidates := fleet(6)
	candidates[2].Group, candidates[4].Group = shared, shared
	p := NewPool(candidates, affine(Options{Policy: policy(t, "fill_first")}))
	lease := take(t, p, Query{Model: "m", Conversation: 7})
	lease.Settle(Outcome{Called: true})
	p.options.Affinity.note(conversation{7, p.index("m", time.Now()).seats.model}, served{"account-3", time.Now().UnixNano()})
	if home := talk(t, p, 7); home != 3 {
		t.Fatalf("on %d, want 3", home)
	}
	candidates[2].suspend(&outage{reason: "dead"}, time.Now())
	if home := talk(t, p, 7); home != 5 {
		t.Errorf("on %d, want 5, which is of the same group", home)
	}
}

func TestARetryDoesNotStay(t *testing.T) {
	p := NewPool(fleet(2), affine(Options{}))
	home := talk(t, p, 7)
	var tried Tried
	lease, _ := fail(t, p, Query{Model: "m", Conversation: 7, Tried: &tried}, &Fault{Kind: FaultTransient, Status: 500})
	if lease.Credential().Index != home {
		t.Fatal("it did not stay")
	}
	lease = take(t, p, Query{Model: "m", Conversation: 7, Tried: &tried})
	if lease.Credential().Index == home {
		t.Error("it is tried again where it has just failed")
	}
	lease.Settle(Outcome{Called: true})
	if talk(t, p, 7) == home {
		t.Error("it does not stay where it was served last")
	}
}

func TestAffinityEndsAndIsRenewedByUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := affine(Options{Policy: policy(t, "round_robin")})
		p := NewPool(fleet(10), o)
		home := talk(t, p, 7)
		for range 5 {
			time.Sleep(o.AffinityFor - 1)
			if talk(t, p, 7) != home {
				t.Fatal("it did not stay although it went on in time")
			}
		}
		time.Sleep(o.AffinityFor)
		if talk(t, p, 7) == home {
			t.Error("it stays although it had ended")
		}
	})
}

func TestOnlyConversationsStay(t *testing.T) {
	for name, p := range map[string]*Pool{
		"no conversation": NewPool(fleet(2), affine(Options{Policy: policy(t, "round_robin")})),
		"off":             NewPool(fleet(2), Options{Policy: policy(t, "round_robin"), Affinity: NewAffinity()}),
		"no memory":       NewPool(fleet(2), Options{Policy: policy(t, "round_robin"), AffinityFor: time.Hour}),
	} {
		conversation := uint64(7)
		if name == "no conversation" {
			conversation = 0
		}
		if talk(t, p, conversation) == talk(t, p, conversation) {
			t.Errorf("%s: stays", name)
		}
	}
}

func TestAffinityHoldsAcrossPoolsAndModelsAreApart(t *testing.T) {
	candidates := fleet(10)
	o := affine(Options{Policy: policy(t, "fill_first")})
	p := NewPool(candidates, o)
	o.Affinity.note(conversation{7, p.index("m", time.Now()).seats.model}, served{"account-6", time.Now().UnixNano()})
	if home := talk(t, p, 7); home != 6 {
		t.Fatalf("on %d, want 6", home)
	}
	if home := talk(t, NewPool(candidates[3:], o), 7); home != 6 { // as after a reload
		t.Errorf("on %d in another pool, want 6", home)
	}
	if home := talk(t, NewPool(candidates[:5], o), 7); home != 1 {
		t.Errorf("on %d in a pool without its account, want 1", home)
	}
	lease := take(t, p, Query{Model: "other", Conversation: 7})
	if home := lease.Credential().Index; home != 1 {
		t.Errorf("another model of the conversation is on %d, want 1", home)
	}
}

func TestAnAccountThatMayNotServeTheModelIsNobodysHome(t *testing.T) {
	candidates := fleet(2)
	candidates[1].Models = []string{"other"}
	o := affine(Options{})
	p := NewPool(candidates, o)
	o.Affinity.note(conversation{7, p.index("m", time.Now()).seats.model}, served{"account-2", time.Now().UnixNano()})
	if home := talk(t, p, 7); home != 1 {
		t.Errorf("on %d, want 1", home)
	}
}

func TestConversationsAreBoundedAndTheRecentOnesStay(t *testing.T) {
	a := NewAffinity()
	for i := range uint64(3 * maxConversations) {
		a.note(conversation{hash: i}, served{"x", 1})
		if i%1000 == 0 {
			a.note(conversation{hash: 1 << 60}, served{"regular", 1})
		}
		if n := len(a.recent) + len(a.before); n > maxConversations {
			t.Fatalf("%d conversations", n)
		}
	}
	if s, known := a.last(conversation{hash: 1 << 60}); !known || s.account != "regular" {
		t.Error("one that is used again and again was forgotten")
	}
	if _, known := a.last(conversation{hash: 3*maxConversations - maxConversations/2}); !known {
		t.Error("one of the latest was forgotten")
	}
}
