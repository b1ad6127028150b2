package rotator

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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
		time.Sleep(aMinute - 30*time.Second + 10*time.Millisecond)
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
		time.Sleep(aMinute + 10*time.Millisecond)
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
	c.Group.facts("zero").reserve(1, 1, &rules{}, &booking{})
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

// FuzzRestore restores what could be found on a disk into an account that is used, and into one of which nothing is known. Whatever it
// is, nothing gets better than it was, and the pool comes to itself within the time that Google's longest quota takes.
func FuzzRestore(f *testing.F) {
	const now = "946684800000" // synctest begins then
	for _, seed := range []string{
		`{}`,
		`{"token":{"secret":"s","expiry":"2000-01-01T01:00:00Z","project":"p"},"refusals":2,"consumer":"123","requests":10,"errors":1}`,
		`{"outage":{"operator":true}}`,
		`{"outage":{"until":"2000-01-01T00:30:00Z","reason":"SERVICE_DISABLED: x"}}`,
		`{"outage":{"until":"9999-01-01T00:30:00Z"},"models":{"m":{"cooldown":{"until":"9999-01-01T00:30:00Z","state":"quota_long"}}}}`,
		`{"models":{"m":{"day":{"ends":"2000-01-01T08:00:00Z","calls":19,"tokens":100},"minute":[[` + now + `,10,3,300]],"streak":2,
		  "rpm":{"quota":"a","value":5,"until":"2000-01-10T00:00:00Z"},"rpd":{"quota":"b","value":20,"until":"2000-01-10T00:00:00Z"},
		  "tpm":{"quota":"c","value":1000,"until":"2000-01-10T00:00:00Z"},"tpd":{"quota":"d","value":5000,"until":"2000-01-10T00:00:00Z"}},
		  "n":{"bucket":"m"},"o":{"bucket":"n"},"n2":{"bucket":"n2"}}}`,
		`{"models":{"m":{"cooldown":{"until":"2000-01-01T05:00:00Z","state":"not_entitled","absent":true}}}}`,
		`{"models":{"m":{"day":{"ends":"2000-01-01T08:00:00Z","calls":-5,"tokens":9223372036854775807},
		  "minute":[[9223372036854775807,9223372036854775807,9223372036854775807,1],[-1,-1,-1,-1],[` + now + `,-9223372036854775808,1,9]]}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		s := new(AccountState)
		if json.Unmarshal(object, s) != nil {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			projects := NewProjects()
			used, fresh := candidate(1, NewGroup()), candidate(2, NewGroup())
			p := NewPool([]Candidate{used, fresh}, Options{Policy: fillFirst{}, Projects: projects, Limits: []Limit{{Model: "*", RPD: 1 << 50}}})
			lease := take(t, p, Query{Model: "m", Tokens: 5})
			call(t, p, "m")
			fail(t, p, Query{Model: "cool"}, &Fault{Kind: FaultRateShort, Delay: time.Minute})
			before := status(p)[1]

			for _, c := range []Candidate{used, fresh, used} {
				c.Restore(s, projects)
			}
			lease.Settle(Outcome{Called: true, Tokens: 7})

			after := p.Snapshot().Accounts[0]
			for _, m := range after.Models {
				switch {
				case m.Model == "m" && (m.RPM.Used < before.RPM.Used || m.RPD.Used < before.RPD.Used || m.TPM.Used < before.TPM.Used):
					t.Errorf("%+v, before %+v", m, before)
				case m.Model == "cool" && m.State != StateCooling:
					t.Errorf("%+v", m)
				case m.Until.After(time.Now().Add(maxDelay + time.Second)):
					t.Errorf("out until %v", m.Until)
				}
			}
			if n := len(after.Models); n > maxFacts {
				t.Errorf("%d models", n)
			}
			for _, c := range []Candidate{used, fresh} {
				checkGroup(t, c.Group)
				again := *reborn(&c)
				again.Restore(written(t, c.Export()), NewProjects()) // what is written can be read
				again.Close()
				c.Close()
			}
			if s.Outage == nil {
				time.Sleep(maxDelay)
				call(t, p, "m")
			}
		})
	})
}

// checkGroup checks that the sums of windows are those of their entries.
func checkGroup(t *testing.T, g *Group) {
	t.Helper()
	g = g.lock()
	defer g.mu.Unlock()
	for model, f := range g.models {
		var calls, tokens, last int64
		for _, s := range f.minute.spans[f.minute.head:] {
			calls, tokens = calls+s.calls, tokens+s.tokens
			if s.first < last || s.last < s.first || s.last-s.first > grain || s.first > time.Now().UnixNano() {
				t.Errorf("%s: a span from %d to %d, after %d", model, s.first, s.last, last)
			}
			last = s.first
		}
		if calls != f.minute.calls || tokens != f.minute.tokens || f.day.calls < 0 || f.day.tokens < 0 {
			t.Errorf("%s: %d calls and %d tokens in a window of %+v", model, calls, tokens, f.minute)
		}
	}
}
