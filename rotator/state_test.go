package rotator

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// reborn is the account as another process finds it: nothing is known of it.
func reborn(c *Candidate) *Candidate {
	return &Candidate{Credential: c.Credential, Account: NewAccount(c.Credential.ID), Group: NewGroup()}
}

// restart has another process find the accounts as the states of this one say. Accounts of a group stay in one.
func restart(t *testing.T, candidates []Candidate, o Options) ([]Candidate, *Pool) {
	t.Helper()
	o.Projects, o.Models = NewProjects(), nil
	groups := make(map[*Group]*Group)
	next := make([]Candidate, len(candidates))
	for i := range candidates {
		c := &candidates[i]
		next[i] = *reborn(c)
		if g := groups[c.Group]; g != nil {
			next[i].Group = g
		}
		groups[c.Group] = next[i].Group
	}
	for i := range next {
		next[i].Restore(written(t, candidates[i].Export()), o.Projects)
	}
	t.Cleanup(func() {
		for _, c := range next {
			c.Close()
		}
	})
	return next, NewPool(next, o)
}

// text is the state as it is written to a disk, and written as it comes back.
func text(t *testing.T, s *AccountState) string {
	t.Helper()
	written, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(written)
}

func written(t *testing.T, s *AccountState) *AccountState {
	t.Helper()
	back := new(AccountState)
	if err := json.Unmarshal([]byte(text(t, s)), back); err != nil {
		t.Fatal(err)
	}
	return back
}

// countingMinter makes tokens that live for an hour, and counts them.
type countingMinter struct{ minted atomic.Int32 }

func (m *countingMinter) Mint(context.Context) (*Token, error) {
	n := m.minted.Add(1)
	return &Token{Secret: fmt.Sprint("token-", n), Expiry: time.Now().Add(time.Hour), Project: "found", QuotaProject: "payer"}, nil
}

func oauthAccount(m Minter) Candidate {
	c := candidate(1, NewGroup())
	c.Credential.Minter = m
	return c
}

func TestARestoredTokenIsNotRefreshedUntilItIsAboutToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &countingMinter{}
		before := []Candidate{oauthAccount(m)}
		lease := take(t, NewPool(before, Options{}), Query{Model: "m"})
		if _, err := lease.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		lease.Settle(Outcome{Called: true})
		before[0].Close() // the process ends
		time.Sleep(20 * time.Minute)
		after, p := restart(t, before, Options{})
		token, err := take(t, p, Query{Model: "m"}).Token(t.Context())
		if want := (Token{Secret: "token-1", Project: "found", QuotaProject: "payer"}); err != nil || token.Expiry.Sub(time.Now()) != 40*time.Minute {
			t.Errorf("%+v, %v", token, err)
		} else if token.Expiry = (time.Time{}); *token != want {
			t.Errorf("%+v, want %+v", *token, want)
		}
		time.Sleep(34 * time.Minute)
		if n := m.minted.Load(); n != 1 {
			t.Errorf("%d tokens were minted while the first was good", n)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := m.minted.Load(); n != 2 {
			t.Errorf("%d tokens were minted, want a second one ahead of the first one's end", n)
		}
		after[0].Close()
	})
}

// Nobody uses the account after the restart: its token is refreshed nevertheless, as it was before.
func TestARestoredTokenIsRefreshedAheadBeforeAnyCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &countingMinter{}
		c := oauthAccount(m)
		defer c.Close()
		c.Restore(&AccountState{Token: &TokenState{Secret: "old", Expiry: time.Now().Add(10 * time.Minute)}}, NewProjects())
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if token := c.current.Load(); m.minted.Load() != 1 || token.Secret != "token-1" {
			t.Errorf("%d tokens were minted, and %s is at hand", m.minted.Load(), token.Secret)
		}
	})
}

func TestAPIKeysAreNeverExported(t *testing.T) {
	c := candidate(1, NewGroup())
	p := NewPool([]Candidate{c}, Options{})
	if _, err := take(t, p, Query{Model: "m"}).Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.current.Store(&Token{Secret: "secret", APIKey: true})
	for _, token := range []*Token{{Secret: "secret", APIKey: true}, {Secret: "secret", APIKey: true, Expiry: time.Now().Add(time.Hour)}, {Secret: "secret"}} {
		c.current.Store(token)
		if s := text(t, c.Export()); strings.Contains(s, "secret") {
			t.Errorf("%+v: %s", token, s)
		}
	}
}

func TestNothingIsKnownOfANewAccount(t *testing.T) {
	c := candidate(1, NewGroup())
	if c.Changes() != 0 || !reflect.DeepEqual(c.Export(), &AccountState{}) {
		t.Errorf("%d changes, %+v", c.Changes(), c.Export())
	}
}

func TestAnOutageOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := fleet(3)
		p := NewPool(candidates, Options{Policy: fillFirst{}})
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultSetup, Reason: "SERVICE_DISABLED"})
		p.Disable("account-2")
		candidates, p = restart(t, candidates, Options{Policy: fillFirst{}})
		for range 2 {
			if got := call(t, p, "m"); got != 3 {
				t.Errorf("account %d is used, want the one that is not disabled", got)
			}
		}
		time.Sleep(setupAgain)
		if got := call(t, p, "m"); got != 1 {
			t.Errorf("account %d, want the one that may be tried again", got)
		}
		p.ResetAll()
		_, p = restart(t, candidates, Options{Policy: fillFirst{}})
		if s := p.Snapshot(); s.Pool.Disabled != 1 || s.Accounts[1].Reason != ByOperator {
			t.Errorf("%+v", s)
		}
		p.Enable("account-2")
		if s := p.Snapshot(); s.Pool.Ready != 3 {
			t.Errorf("%+v", s.Pool)
		}
	})
}

// What only the token endpoint is to blame for is not worth keeping: the next process asks it anyway.
func TestAPassingOutageEndsWithTheProcess(t *testing.T) {
	c := candidate(1, NewGroup())
	c.suspend(&outage{until: time.Now().Add(time.Minute), passing: true}, time.Now())
	if s := c.Export(); s.Outage != nil || c.Changes() != 0 {
		t.Errorf("%+v, %d changes", s.Outage, c.Changes())
	}
}

// spendAll uses up what is known of a model in each way.
func spendAll(t *testing.T, p *Pool) {
	t.Helper()
	for range 3 {
		lease := take(t, p, Query{Model: "m", Tokens: 50})
		lease.Settle(Outcome{Called: true, Tokens: 100})
		time.Sleep(5 * time.Second)
	}
	f := refusal(QuotaRPM, 3)
	f.Violations = append(f.Violations, refusal(QuotaRPD, 20).Violations[0], refusal(QuotaTPM, 1000).Violations[0], refusal(QuotaTPD, 9000).Violations[0])
	fail(t, p, Query{Model: "m"}, f)
	gone := &Fault{Kind: FaultNotEntitled, Status: 404}
	fail(t, p, Query{Model: "gone"}, gone)
	alias := refusal(QuotaRPM, 3)
	alias.Model = "m"
	fail(t, p, Query{Model: "alias"}, alias)
	fail(t, p, Query{Model: "odd"}, &Fault{Kind: FaultRateShort})
}

// status is what is shown of models.
func status(p *Pool) []ModelAccount { return p.Snapshot().Accounts[0].Models }

func TestAGroupIsTheSameAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := fleet(1)
		p := NewPool(candidates, Options{})
		spendAll(t, p)
		var shared Candidate
		for restarts := range 3 {
			next, restarted := restart(t, candidates, Options{})
			if got, want := status(restarted), status(p); !reflect.DeepEqual(got, want) {
				t.Fatalf("after %d restarts status shows\n%+v\nwant\n%+v", restarts+1, got, want)
			}
			if got, want := text(t, next[0].Export()), text(t, candidates[0].Export()); got != want {
				t.Fatalf("after %d restarts:\n%s\nwant\n%s", restarts+1, got, want)
			}
			shared, candidates, p = next[0], next, restarted
		}
		if shared.Group.known("alias") != shared.Group.known("m") {
			t.Error("the models do not share a bucket any more")
		}
		if e := refused(t, p, Query{Model: "gone"}); e.Cause != CauseAbsent {
			t.Errorf("cause %v", e.Cause)
		}
		time.Sleep(defaultCooldownMin)
		if _, d := fail(t, p, Query{Model: "odd"}, &Fault{Kind: FaultRateShort}); time.Until(d.Until) != 2*defaultCooldownMin {
			t.Errorf("the second such refusal in a row cools for %v", time.Until(d.Until))
		}
	})
}

// A restart within the minute gives nothing back: what is left fits, and no more.
func TestARestartOverspendsNoMinuteAndNoDay(t *testing.T) {
	for _, test := range []struct {
		name  string
		limit Limit
		left  []int // calls of 10 tokens, by when
		at    []time.Duration
	}{
		{"rpm", Limit{Model: "*", RPM: 10}, []int{6, 2, 2}, []time.Duration{0, aMinute - 30*time.Second, 10 * time.Second}},
		{"tpm", Limit{Model: "*", TPM: 100}, []int{6, 2, 2}, []time.Duration{0, aMinute - 30*time.Second, 10 * time.Second}},
		{"rpd", Limit{Model: "*", RPD: 10}, []int{6, 0, 0}, []time.Duration{0, time.Minute, time.Minute}},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := Options{Limits: []Limit{test.limit}}
			candidates := fleet(1)
			p := NewPool(candidates, o)
			for range 2 {
				for range 2 {
					lease := take(t, p, Query{Model: "m", Tokens: 10})
					lease.Settle(Outcome{Called: true, Tokens: 10})
				}
				time.Sleep(10 * time.Second)
			}
			time.Sleep(10 * time.Second)
			_, p = restart(t, candidates, o)
			for i, left := range test.left {
				// To the millisecond: the state is no more exact.
				time.Sleep(test.at[i] + time.Millisecond)
				for n := range left {
					lease, err := p.Acquire(Query{Model: "m", Tokens: 10})
					if err != nil {
						t.Fatalf("%s: %d of %d calls, %v after the restart: %v", test.name, n, left, test.at[i], err)
					}
					lease.Settle(Outcome{Called: true, Tokens: 10})
				}
				refused(t, p, Query{Model: "m", Tokens: 10})
			}
		})
	}
}

func TestYesterdayIsNotRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := fleet(1)
		p := NewPool(candidates, Options{})
		call(t, p, "m")
		call(t, p, "other")
		fail(t, p, Query{Model: "m"}, refusal(QuotaRPD, 1))
		s := candidates[0].Export()
		time.Sleep(time.Until(nextMidnight(time.Now())))
		c := reborn(&candidates[0])
		c.Restore(written(t, s), NewProjects())
		p = NewPool([]Candidate{*c}, Options{})
		models := status(p)
		if len(models) != 1 || models[0].Model != "m" || models[0].RPD.Used != 0 || models[0].RPD.Limit != 1 || models[0].State != StateReady {
			t.Errorf("%+v", models)
		}
		call(t, p, "m")
		refused(t, p, Query{Model: "m"})
	})
}

func TestEveryChangeMovesTheCounterAndUrgentOnesAreTold(t *testing.T) {
	for _, test := range []struct {
		name   string
		urgent bool
		before func(t *testing.T, c *Candidate, p *Pool) *Lease // may be nil
		do     func(t *testing.T, c *Candidate, p *Pool, lease *Lease)
	}{
		{"a call begins", false, nil, func(t *testing.T, _ *Candidate, p *Pool, _ *Lease) { take(t, p, Query{Model: "m"}) }},
		{"a call ends", false, begun, func(_ *testing.T, _ *Candidate, _ *Pool, lease *Lease) { lease.Settle(Outcome{}) }},
		{"a failure of nobody's", false, begun, settles(&Fault{Kind: FaultTransient})},
		{"a cooldown", true, begun, settles(&Fault{Kind: FaultRateShort, Delay: time.Minute})},
		{"an outage", true, begun, settles(&Fault{Kind: FaultDead})},
		{"a project", true, nil, func(_ *testing.T, c *Candidate, p *Pool, _ *Lease) { p.options.Projects.learn(c, "123", time.Now()) }},
		{"the last call of a day", true, nil, func(t *testing.T, _ *Candidate, p *Pool, _ *Lease) {
			for range 3 {
				call(t, p, "m")
			}
		}},
		{"an account is disabled", true, nil, func(_ *testing.T, _ *Candidate, p *Pool, _ *Lease) { p.Disable("account-1") }},
		{"an account is enabled", true, func(_ *testing.T, _ *Candidate, p *Pool) *Lease {
			p.Disable("account-1")
			return nil
		}, func(_ *testing.T, _ *Candidate, p *Pool, _ *Lease) { p.Enable("account-1") }},
		{"a new token", true, nil, func(t *testing.T, c *Candidate, _ *Pool, _ *Lease) {
			if _, err := c.token(t.Context(), &countingMinter{}); err != nil {
				t.Error(err)
			}
		}},
		{"a token is refused", false, func(_ *testing.T, c *Candidate, _ *Pool) *Lease {
			c.current.Store(&Token{Secret: "s", Expiry: time.Now().Add(time.Hour)})
			return nil
		}, func(_ *testing.T, c *Candidate, _ *Pool, _ *Lease) { c.renew(c.current.Load()) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := candidate(1, NewGroup())
			defer c.Close()
			p := NewPool([]Candidate{c}, Options{Limits: []Limit{{Model: "*", RPD: 3}}})
			var lease *Lease
			if test.before != nil {
				lease = test.before(t, &c, p)
			}
			var told atomic.Int32
			c.Watch(func() { told.Add(1) })
			old := c.Changes()
			test.do(t, &c, p, lease)
			if c.Changes() <= old {
				t.Errorf("%d changes, not more than the %d before", c.Changes(), old)
			}
			if (told.Load() > 0) != test.urgent {
				t.Errorf("told %d times, want it urgent: %v", told.Load(), test.urgent)
			}
			c.Watch(nil)
			n := told.Load()
			p.Disable("account-1")
			p.Enable("account-1")
			if told.Load() != n {
				t.Error("told after the end")
			}
		})
	}
}

func begun(t *testing.T, _ *Candidate, p *Pool) *Lease {
	t.Helper()
	return take(t, p, Query{Model: "m"})
}

// settles ends a call in a fault.
func settles(f *Fault) func(*testing.T, *Candidate, *Pool, *Lease) {
	return func(_ *testing.T, _ *Candidate, _ *Pool, lease *Lease) {
		lease.Settle(Outcome{Called: true, Decision: lease.Decide(f, Attempts{Made: 1})})
	}
}

// A reset that one account's label asks for changes what the others of the group export, too.
func TestAResetChangesAllAccountsOfTheGroup(t *testing.T) {
	g := NewGroup()
	one, two := candidate(1, g), candidate(2, g)
	p := NewPool([]Candidate{one, two}, Options{})
	old := two.Changes()
	p.Reset("account-1")
	if two.Changes() <= old {
		t.Error("nothing changed")
	}
	apart := candidate(3, NewGroup())
	apart.Group.join(g, 0)
	old = apart.Changes()
	p.Reset("account-1")
	if apart.Changes() <= old {
		t.Error("nothing changed for an account whose group was joined")
	}
}

// The store exports whenever it likes.
func TestExportAtAnyTime(t *testing.T) {
	candidates := fleet(4)
	projects := NewProjects()
	p := NewPool(candidates, Options{Projects: projects, Limits: []Limit{{Model: "*", RPD: 1 << 30}}})
	var calls, others sync.WaitGroup
	done := make(chan struct{})
	for worker := range 3 {
		calls.Go(func() {
			for i := range 300 {
				lease, err := p.Acquire(Query{Model: fmt.Sprint("m", i%3), Tokens: 10})
				if err != nil {
					p.ResetAll()
					p.Review()
					continue
				}
				d := Decision{}
				if i%50 == worker {
					d = lease.Decide(&Fault{Kind: FaultRateShort, Delay: time.Minute, Consumer: fmt.Sprint(i % 2), Model: "m0"}, Attempts{Made: 1})
				}
				lease.Settle(Outcome{Called: true, Tokens: 12, Decision: d})
			}
		})
	}
	others.Go(func() {
		for {
			for i := range candidates {
				s := written(t, candidates[i].Export())
				candidates[i].Changes()
				candidates[(i+1)%len(candidates)].Restore(s, projects)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	calls.Wait()
	close(done)
	others.Wait()
}
