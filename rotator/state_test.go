package rotator

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
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

func TestTheLaterTokenWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		long := strings.Repeat("x", maxSecret+1)
		for _, test := range []struct {
			name     string
			own      *Token
			restored TokenState
			want     string
		}{
			{"there is none", nil, TokenState{Secret: "r", Expiry: in(time.Hour)}, "r"},
			{"later", &Token{Secret: "own", Expiry: in(time.Minute)}, TokenState{Secret: "r", Expiry: in(time.Hour)}, "r"},
			{"earlier", &Token{Secret: "own", Expiry: in(time.Hour)}, TokenState{Secret: "r", Expiry: in(time.Minute)}, "own"},
			{"one that never ends", &Token{Secret: "key", APIKey: true}, TokenState{Secret: "r", Expiry: in(time.Hour)}, "key"},
			{"ended", nil, TokenState{Secret: "r", Expiry: in(0)}, ""},
			{"too late to be true", nil, TokenState{Secret: "r", Expiry: in(maxTokenLife + 1)}, ""},
			{"never ends", nil, TokenState{Secret: "r"}, ""},
			{"empty", nil, TokenState{Expiry: in(time.Hour)}, ""},
			{"not for a header", nil, TokenState{Secret: "a\r\nb: c", Expiry: in(time.Hour)}, ""},
			{"too long", nil, TokenState{Secret: long, Expiry: in(time.Hour)}, ""},
			{"a project that is none", nil, TokenState{Secret: "r", Project: "a b", Expiry: in(time.Hour)}, ""},
			{"a quota project that is none", nil, TokenState{Secret: "r", QuotaProject: "a\nb", Expiry: in(time.Hour)}, ""},
		} {
			c := oauthAccount(&countingMinter{})
			c.current.Store(test.own)
			c.Restore(&AccountState{Token: &test.restored}, NewProjects())
			got := ""
			if token := c.current.Load(); token != nil {
				got = token.Secret
			}
			if got != test.want {
				t.Errorf("%s: %.20q is at hand, want %q", test.name, got, test.want)
			}
			c.Close()
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

func TestAnOutageIsRestoredIfItCanBeTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		for _, test := range []struct {
			name  string
			state OutageState
			want  string
		}{
			{"an operator's word", OutageState{Operator: true, Reason: "anything"}, ByOperator},
			{"for good", OutageState{Reason: "API_KEY_INVALID"}, "API_KEY_INVALID"},
			{"for a while", OutageState{Reason: "SERVICE_DISABLED", Until: in(setupAgain)}, "SERVICE_DISABLED"},
			{"over", OutageState{Reason: "SERVICE_DISABLED", Until: in(0)}, ""},
			{"too long to be true", OutageState{Reason: "SERVICE_DISABLED", Until: in(maxDelay + time.Minute)}, ""},
			{"too much to say", OutageState{Reason: strings.Repeat("x", maxReason+1)}, ""},
		} {
			c := candidate(1, NewGroup())
			c.Restore(written(t, &AccountState{Outage: &test.state}), NewProjects())
			if got := c.Export().Outage; test.want == "" && got != nil || test.want != "" && (got == nil || got.Reason != test.want) {
				t.Errorf("%s: %+v, want %q", test.name, got, test.want)
			}
		}
	})
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

// A graver outage of this process stays, and so do its counts.
func TestRestoringMakesNothingBetter(t *testing.T) {
	c := candidate(1, NewGroup())
	c.suspend(&outage{reason: "for good"}, time.Now())
	c.refusals.Store(2)
	c.requests.Store(10)
	c.errors.Store(5)
	c.Restore(&AccountState{
		Outage: &OutageState{Reason: "shorter", Until: time.Now().Add(time.Minute)}, Refusals: 1, Requests: 3, Errors: 1,
	}, NewProjects())
	if s := c.Export(); s.Outage.Reason != "for good" || s.Refusals != 2 || s.Requests != 10 || s.Errors != 5 {
		t.Errorf("%+v", s)
	}
	c.Restore(&AccountState{Refusals: 100, Requests: 30, Errors: 20}, NewProjects())
	if s := c.Export(); s.Refusals != maxRefusals || s.Requests != 30 || s.Errors != 20 {
		t.Errorf("%+v", s)
	}
	c.Restore(&AccountState{Refusals: -1, Requests: -1, Errors: maxCount + 1}, NewProjects())
	if s := c.Export(); s.Refusals != maxRefusals || s.Requests != 30 || s.Errors != 20 {
		t.Errorf("%+v", s)
	}
	c.Restore(nil, NewProjects())
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
		{"rpm", Limit{Model: "*", RPM: 10}, []int{6, 2, 2}, []time.Duration{0, 30 * time.Second, 10 * time.Second}},
		{"tpm", Limit{Model: "*", TPM: 100}, []int{6, 2, 2}, []time.Duration{0, 30 * time.Second, 10 * time.Second}},
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

// Each account of a group has a state with the whole group, and each of a different age.
func TestAGroupOfSeveralAccountsIsCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup()
		candidates := []Candidate{candidate(1, g), candidate(2, g), candidate(3, g)}
		p := NewPool(candidates, Options{})
		var states []*AccountState
		for i := range candidates {
			call(t, p, "m")
			call(t, p, "m")
			states = append(states, written(t, candidates[i].Export()))
			time.Sleep(7 * time.Second)
		}
		for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2, 1, 1, 0}} {
			c := *reborn(&candidates[0])
			for _, i := range order {
				c.Restore(states[i], NewProjects())
			}
			m := status(NewPool([]Candidate{c}, Options{}))[0]
			if m.RPM.Used != 6 || m.TPM.Used != 60 || m.RPD.Used != 6 {
				t.Errorf("%v: %+v", order, m)
			}
			if got, want := c.Export().Models["m"].Minute, states[2].Models["m"].Minute; !reflect.DeepEqual(got, want) {
				t.Errorf("%v: %v, want %v", order, got, want)
			}
		}
		before := status(p)[0]
		for i := range candidates { // into the process that wrote them
			candidates[i].Restore(states[i], NewProjects())
		}
		if m := status(p)[0]; m != before {
			t.Errorf("%+v, want %+v", m, before)
		}
	})
}

// Calls that were under way when a state was restored settle as they should.
func TestRestoringLeavesCallsUnderWayAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := fleet(1)
		p := NewPool(candidates, Options{})
		first := take(t, p, Query{Model: "m", Tokens: 10})
		now := time.Now().UnixMilli()
		minute := []SpanState{{now - 30_000, 10, 5, 50}, {now - 20_000, 0, 1, 1}}
		candidates[0].Restore(&AccountState{Models: map[string]ModelState{"m": {Minute: minute}}}, NewProjects())
		second := take(t, p, Query{Model: "m", Tokens: 10})
		first.Settle(Outcome{})
		second.Settle(Outcome{})
		if m := status(p)[0]; m.RPM.Used != 7 || m.TPM.Used != 61 {
			t.Errorf("%+v, want the first call as it was counted, and the second given back", m)
		}
		time.Sleep(30*time.Second + 10*time.Millisecond)
		if m := status(p)[0]; m.RPM.Used != 2 || m.TPM.Used != 11 {
			t.Errorf("%+v, when the oldest calls are over a minute old", m)
		}
		time.Sleep(30 * time.Second)
		if m := status(p)[0]; m.RPM.Used != 0 || m.TPM.Used != 0 {
			t.Errorf("%+v", m)
		}
	})
}

// A clock that was set back after the state was written makes no minute longer.
func TestCallsOfTheFutureCountAsMadeNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := candidate(1, NewGroup())
		now := time.Now().UnixMilli()
		minute := []SpanState{{now + 30_000, 10, 5, 50}, {now + 61_000, 0, 1, 1}}
		c.Restore(&AccountState{Models: map[string]ModelState{"m": {Minute: minute}}}, NewProjects())
		p := NewPool([]Candidate{c}, Options{})
		if m := status(p)[0]; m.RPM.Used != 5 {
			t.Errorf("%+v, want what can be true", m)
		}
		time.Sleep(time.Minute + 10*time.Millisecond)
		if m := status(p)[0]; m.RPM.Used != 0 {
			t.Errorf("%+v", m)
		}
	})
}

func TestTheLongerStreakOfRefusalsHolds(t *testing.T) {
	c := candidate(1, NewGroup())
	for _, step := range []struct{ restored, want int }{{2, 2}, {1, 2}, {3, 3}, {-1, 3}, {1000, maxStreak}} {
		c.Restore(&AccountState{Models: map[string]ModelState{"m": {Streak: step.restored}}}, NewProjects())
		if got := c.Export().Models["m"].Streak; got != step.want {
			t.Errorf("%d after %d was restored, want %d", got, step.restored, step.want)
		}
	}
}

func TestLimitsAreMergedByTheLaterWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		for _, test := range []struct {
			name     string
			own, its *LimitState
			want     int64
		}{
			{"it knows one", nil, &LimitState{"a", 5, in(time.Hour)}, 5},
			{"later", &LimitState{"a", 5, in(time.Hour)}, &LimitState{"a", 10, in(2 * time.Hour)}, 10},
			{"earlier", &LimitState{"a", 5, in(time.Hour)}, &LimitState{"a", 10, in(time.Minute)}, 5},
			{"another quota, tighter", &LimitState{"a", 5, in(time.Hour)}, &LimitState{"b", 3, in(time.Minute)}, 3},
			{"another quota, wider", &LimitState{"a", 5, in(time.Hour)}, &LimitState{"b", 10, in(2 * time.Hour)}, 5},
			{"in doubt", nil, &LimitState{"a", 5, in(-time.Hour)}, 6},
			{"forgotten", nil, &LimitState{"a", 5, in(-believed)}, 0},
			{"too long to be true", nil, &LimitState{"a", 5, in(believed + time.Minute)}, 0},
			{"none", nil, &LimitState{"a", 0, in(time.Hour)}, 0},
			{"negative", nil, &LimitState{"a", -5, in(time.Hour)}, 0},
			{"absurd", nil, &LimitState{"a", maxCount + 1, in(time.Hour)}, 0},
			{"of a name too long", nil, &LimitState{strings.Repeat("a", maxName+1), 5, in(time.Hour)}, 0},
		} {
			c := candidate(1, NewGroup())
			state := func(l *LimitState) *AccountState {
				return &AccountState{Models: map[string]ModelState{"m": {Day: &DayState{Ends: nextMidnight(time.Now()), Calls: 1}, RPM: l}}}
			}
			c.Restore(state(test.own), NewProjects())
			c.Restore(state(test.its), NewProjects())
			if got := status(NewPool([]Candidate{c}, Options{}))[0].RPM.Limit; got != test.want {
				t.Errorf("%s: %d, want %d", test.name, got, test.want)
			}
		}
	})
}

func TestTheLaterCooldownWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		for _, test := range []struct {
			name     string
			own      time.Duration
			restored CooldownState
			want     time.Duration
			state    string
		}{
			{"there is none", 0, CooldownState{Until: in(time.Hour), State: StateQuotaLong}, time.Hour, StateQuotaLong},
			{"later", time.Minute, CooldownState{Until: in(time.Hour), State: StateQuotaLong}, time.Hour, StateQuotaLong},
			{"earlier", time.Hour, CooldownState{Until: in(time.Minute), State: StateQuotaLong}, time.Hour, StateRateShort},
			{"over", 0, CooldownState{Until: in(0), State: StateQuotaLong}, 0, ""},
			{"too long to be true", 0, CooldownState{Until: in(maxDelay + time.Second), State: StateQuotaLong}, 0, ""},
			{"in the far future", 0, CooldownState{Until: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), State: StateQuotaLong}, 0, ""},
			{"for no reason that there is", 0, CooldownState{Until: in(time.Hour), State: "<script>"}, 0, ""},
		} {
			c := candidate(1, NewGroup())
			p := NewPool([]Candidate{c}, Options{})
			call(t, p, "m")
			if test.own > 0 {
				fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultRateShort, Delay: test.own})
			}
			c.Restore(&AccountState{Models: map[string]ModelState{"m": {Cooldown: &test.restored}}}, NewProjects())
			if test.want == 0 {
				call(t, p, "m")
				continue
			}
			if m := status(p)[0]; m.Reason != test.state || !m.Until.Equal(in(test.want)) {
				t.Errorf("%s: %+v", test.name, m)
			}
			if e := refused(t, p, Query{Model: "m"}); e.RetryAfter != test.want {
				t.Errorf("%s: %v, want %v", test.name, e.RetryAfter, test.want)
			}
		}
	})
}

func TestOnlySoManyModelsAreRestoredAndNoneIsForgottenForThem(t *testing.T) {
	many := make(map[string]ModelState)
	for i := range 5000 {
		many[fmt.Sprintf("a-%05d", i)] = ModelState{Streak: 1}
	}
	c := candidate(1, NewGroup())
	c.Group.facts("zero").reserve(1, 1, &Limit{})
	c.Restore(&AccountState{Models: many}, NewProjects())
	if n := len(c.Group.models); n != maxFacts || c.Group.known("zero") == nil {
		t.Errorf("%d models, and what was known is %v", n, c.Group.known("zero"))
	}
	buckets := maps.Clone(many)
	for model := range buckets {
		buckets[model] = ModelState{Bucket: "b" + model}
	}
	c.Restore(&AccountState{Models: buckets}, NewProjects())
	if n := len(c.Group.models); n != maxFacts || c.Group.known("zero") == nil {
		t.Errorf("%d models, and what was known is %v", n, c.Group.known("zero"))
	}
	c = candidate(1, NewGroup())
	odd := map[string]ModelState{"": {Streak: 1}, strings.Repeat("m", maxName+1): {Streak: 1}, "a b": {Streak: 1}, "nothing": {}, "self": {Bucket: "self"}}
	c.Restore(&AccountState{Models: odd}, NewProjects())
	if n := len(c.Group.models); n != 0 {
		t.Errorf("%d models of which nothing is known", n)
	}
}

func TestAnotherProjectsQuotaIsNotRestored(t *testing.T) {
	c := candidate(1, NewGroup())
	c.Credential.Project = "now"
	s := AccountState{Project: "before", Consumer: "123", Models: map[string]ModelState{"m": {Streak: 3}}, Requests: 7}
	c.Restore(&s, NewProjects())
	if got := c.Export(); got.Consumer != "" || got.Models != nil || got.Requests != 7 || got.Project != "now" {
		t.Errorf("%+v", got)
	}
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
		{"a call that nobody wants any more", false, begun, func(_ *testing.T, _ *Candidate, _ *Pool, lease *Lease) { lease.drop() }},
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
