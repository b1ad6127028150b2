package rotator

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// notes returns options that write down what is told about accounts.
func notes(told *[]string) Options {
	return Options{Notify: func(c Change) {
		if c.State == StateExhausted {
			return
		}
		*told = append(*told, fmt.Sprint(c.Credential.Label, " ", c.State, " ", c.Model))
	}}
}

func TestADisabledAccountIsNotUsedUntilItIsEnabled(t *testing.T) {
	var told []string
	candidates := fleet(2)
	p, other := NewPool(candidates, notes(&told)), NewPool(candidates, Options{})
	call(t, p, "m")
	call(t, other, "m")
	for range 2 { // the second time changes nothing
		if !p.Disable("account-1") {
			t.Fatal("no such account")
		}
	}
	for range 4 {
		if n := call(t, p, "m"); n != 2 {
			t.Errorf("account %d is disabled and was used", n)
		}
		if n := call(t, other, "m"); n != 2 {
			t.Errorf("account %d is disabled and was used by another pool", n)
		}
	}
	if n := call(t, NewPool(candidates, Options{}), "m"); n != 2 { // as after a reload
		t.Errorf("account %d is disabled and was used by a new pool", n)
	}
	a := p.Snapshot().Accounts[0]
	if a.State != StateDisabled || a.Reason != ByOperator {
		t.Errorf("status says %q, %q", a.State, a.Reason)
	}
	if !p.Enable("account-1") {
		t.Fatal("no such account")
	}
	for _, one := range []*Pool{p, other} {
		one.Review()
		used := []int{call(t, one, "m"), call(t, one, "m")}
		if !slices.Contains(used, 1) {
			t.Errorf("the enabled account is not used: %v", used)
		}
	}
	if want := []string{"account-1 disabled ", "account-1 ready "}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestOnlyAnOperatorEndsWhatAnOperatorBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{})
		inFlight := take(t, p, Query{Model: "m"})
		p.Disable("account-1")
		d := inFlight.Decide(&Fault{Kind: FaultUnauthorized}, Attempts{})
		d.Mark, d.Until = MarkAccount, time.Now().Add(time.Minute)
		inFlight.Settle(Outcome{Called: true, Decision: d})
		p.Reset("account-1")
		p.ResetAll()
		p.Review()
		time.Sleep(1000 * time.Hour)
		if e := refused(t, p, Query{Model: "m"}); e.Cause != CauseDisabled {
			t.Errorf("%+v", e)
		}
		p.Enable("account-1")
		p.Review()
		call(t, p, "m")
	})
}

func TestEnableLiftsWhatAFaultBegan(t *testing.T) {
	var told []string
	p := NewPool(fleet(1), notes(&told))
	fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultDead, Reason: "API_KEY_INVALID"})
	refused(t, p, Query{Model: "m"})
	p.Enable("account-1")
	p.Review()
	call(t, p, "m")
	if len(told) != 2 || told[1] != "account-1 ready " {
		t.Errorf("told %q", told)
	}
}

func TestTokensOfDisabledAccountsAreNotRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{life: time.Hour}
		p, a := lone(m)
		defer a.Close()
		token(t, p)
		p.Disable(p.candidates()[0].Label)
		time.Sleep(3 * time.Hour)
		if n := m.calls.Load(); n != 1 {
			t.Errorf("%d tokens were minted, %d of them for a disabled account", n, n-1)
		}
		p.Enable(p.candidates()[0].Label)
		p.Review()
		token(t, p)
	})
}

func TestResetLetsTheNextRequestTry(t *testing.T) {
	for name, c := range map[string]struct {
		fault *Fault
		told  []string
	}{
		"a minute":    {&Fault{Kind: FaultRateShort, Delay: 30 * time.Second}, []string{"account-1 cooling m", "account-1 ready m"}},
		"a day":       {&Fault{Kind: FaultQuotaLong, PerDay: true}, []string{"account-1 cooling m", "account-1 ready m"}},
		"no model":    {&Fault{Kind: FaultNotEntitled}, []string{"account-1 cooling m", "account-1 ready m"}},
		"a dead key":  {&Fault{Kind: FaultDead}, []string{"account-1 disabled ", "account-1 ready "}},
		"no capacity": {&Fault{Kind: FaultModelCapacity, Delay: time.Minute}, nil},
	} {
		for _, how := range []string{"Reset", "ResetAll"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var told []string
					g, models := NewGroup(), NewModels()
					candidates := []Candidate{candidate(1, g)}
					options := notes(&told)
					options.Models = models
					p, other := NewPool(candidates, options), NewPool(candidates, Options{Models: models})
					fail(t, p, Query{Model: "m"}, c.fault)
					refused(t, p, Query{Model: "m"})
					refused(t, other, Query{Model: "m"})
					switch how {
					case "Reset":
						if p.Reset("account-2") {
							t.Error("there is no such account")
						}
						refused(t, p, Query{Model: "m"})
						if !p.Reset("account-1") {
							t.Error("there is such an account")
						}
					case "ResetAll":
						p.ResetAll()
					}
					for _, one := range []*Pool{p, other} {
						one.Review()
						call(t, one, "m")
					}
					if !slices.Equal(told, c.told) {
						t.Errorf("told %q, want %q", told, c.told)
					}
				})
			})
		}
	}
}

func TestResetKeepsWhatWasCounted(t *testing.T) {
	p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPD: 2}}})
	call(t, p, "m")
	call(t, p, "m")
	refused(t, p, Query{Model: "m"})
	p.Reset("account-1")
	p.Review()
	if e := refused(t, p, Query{Model: "m"}); e.Cause != CauseQuota {
		t.Errorf("%+v", e)
	}
	if used := p.Snapshot().Accounts[0].Models[0].RPD.Used; used != 2 {
		t.Errorf("%d calls counted, want 2", used)
	}
}

func TestResetForgetsHowOftenAGroupWasRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{})
		untimed := &Fault{Kind: FaultRateShort}
		var waits []time.Duration
		for range 3 {
			_, d := fail(t, p, Query{Model: "m"}, untimed)
			waits = append(waits, time.Until(d.Until))
			time.Sleep(time.Until(d.Until))
		}
		p.Reset("account-1")
		_, d := fail(t, p, Query{Model: "m"}, untimed)
		if again := time.Until(d.Until); waits[2] <= waits[0] || again > waits[0] {
			t.Errorf("cooldowns of %v, and after a reset of %v", waits, again)
		}
	})
}

func TestReviewKeepsTheOrderAndWhatIsInFlight(t *testing.T) {
	p := NewPool(fleet(3), Options{Policy: roundRobin{}})
	var used []int
	for range 7 {
		used = append(used, call(t, p, "m"))
		p.Review()
	}
	if want := []int{1, 2, 3, 1, 2, 3, 1}; !slices.Equal(used, want) {
		t.Errorf("used %v, want %v", used, want)
	}
}

func TestReviewFindsWhatAnotherPoolGaveBack(t *testing.T) {
	candidates := fleet(2)
	limits := []Limit{{Model: "*", TPM: 1000}}
	p, other := NewPool(candidates, Options{Limits: limits}), NewPool(candidates, Options{Limits: limits})
	take(t, p, Query{Model: "m", Tokens: 500})
	lease := take(t, p, Query{Model: "m", Tokens: 600}) // of the account with less room
	refused(t, other, Query{Model: "m", Tokens: 600})
	lease.Settle(Outcome{Called: true, Tokens: 100})
	other.Review()
	take(t, other, Query{Model: "m", Tokens: 600})
}

func TestWhatAnOperatorDoesIsToldOnce(t *testing.T) {
	var told []string
	p := NewPool(fleet(1), notes(&told))
	for range 2 {
		p.Disable("account-1")
		p.Review()
		p.Review()
		p.Enable("account-1")
		p.Review()
		p.Review()
		call(t, p, "m") // in the first round nothing has been asked of the pool before
	}
	if want := []string{"account-1 disabled ", "account-1 ready ", "account-1 disabled ", "account-1 ready "}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestReviewTellsOnceThatACooldownIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		p := NewPool(fleet(1), notes(&told))
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultRateShort, Delay: time.Minute})
		time.Sleep(aMinute)
		p.Review()
		p.Review()
		if want := []string{"account-1 cooling m", "account-1 ready m"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestResetForgetsHowOftenTokensFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a := lone(&mint{fault: &Fault{Kind: FaultTransient}})
		defer a.Close()
		var waits []time.Duration
		attempt := func() {
			lease := take(t, p, Query{Model: "m"})
			defer lease.Settle(Outcome{})
			if _, err := lease.Token(t.Context()); err == nil {
				t.Fatal("a token came of nothing")
			}
			waits = append(waits, time.Until(a.unusable(time.Now()).until))
		}
		for range 4 {
			attempt()
			time.Sleep(waits[len(waits)-1])
		}
		a.refusals.Store(3)
		p.Reset("account-1")
		p.Review()
		attempt()
		if waits[3] < 4*waits[0]/2 || waits[4] > 2*waits[0] || a.refusals.Load() != 0 {
			t.Errorf("waits of %v, the last after a reset; %d refusals", waits, a.refusals.Load())
		}
	})
}

func TestOperatorsMayActWhileCallsAreMade(t *testing.T) {
	candidates := fleet(8)
	models := NewModels()
	options := Options{Models: models, Policy: roundRobin{}}
	pools := []*Pool{NewPool(candidates, options), NewPool(candidates[2:], options)}
	faults := []*Fault{nil, {Kind: FaultQuotaLong, Delay: time.Hour}, {Kind: FaultDead}, {Kind: FaultModelCapacity, Delay: time.Hour}}
	var callers, operators sync.WaitGroup
	for _, p := range pools {
		for n := range 2 {
			callers.Go(func() {
				for i := range 2000 {
					lease, err := p.Acquire(Query{Model: "m", Tokens: int64(n)})
					if err != nil {
						continue
					}
					outcome := Outcome{Called: true}
					if f := faults[i%len(faults)]; f != nil {
						outcome.Decision = lease.Decide(f, Attempts{Made: 1})
					}
					lease.Settle(outcome)
				}
			})
		}
	}
	done := make(chan struct{})
	for _, p := range pools {
		operators.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				label := candidates[i%len(candidates)].Label
				[]func(string) bool{p.Disable, p.Enable, p.Reset}[i%3](label)
				p.ResetAll()
				p.Review()
				Join(pools)
			}
		})
	}
	callers.Wait()
	close(done)
	operators.Wait()
	for _, c := range candidates {
		pools[0].Enable(c.Label)
	}
	pools[0].ResetAll()
	for i, p := range pools {
		p.Review()
		used := make(map[int]bool)
		for range p.candidates() {
			used[call(t, p, "m")] = true
		}
		if len(used) != len(p.candidates()) {
			t.Errorf("pool %d uses %d of its %d accounts in the end", i, len(used), len(p.candidates()))
		}
		if n := p.Snapshot().Pool; n.InFlight != 0 || n.Ready != len(p.candidates()) {
			t.Errorf("%+v", n)
		}
	}
}

func TestJoinShowsAnAccountOnce(t *testing.T) {
	candidates := fleet(3)
	renamed := *candidates[1].Credential
	renamed.Label = "mine"
	first := NewPool(candidates[:2], Options{Limits: []Limit{{Model: "*", RPM: 1}}})
	second := NewPool([]Candidate{{&renamed, candidates[1].Account, candidates[1].Group}, candidates[2]}, Options{})
	call(t, first, "m") // account 1
	call(t, first, "m") // account 2, which for the first pool is out of m
	s := Join([]*Pool{first, second})
	var rows []string
	for _, a := range s.Accounts {
		rows = append(rows, fmt.Sprint(a.Label, a.Aliases, " ", a.State, " ", a.Requests, " ", len(a.Models)))
	}
	want := []string{"account-1[] cooling 1 1", "account-2[mine] ready 1 1", "account-3[] ready 0 0"}
	if !slices.Equal(rows, want) {
		t.Errorf("got %q, want %q", rows, want)
	}
	if want := (PoolCounts{Accounts: 3, Ready: 2, Cooling: 1}); s.Pool != want {
		t.Errorf("got %+v, want %+v", s.Pool, want)
	}
	if one := first.Snapshot(); !reflect.DeepEqual(Join([]*Pool{first}), one) {
		t.Error("a pool alone does not look as it does by itself")
	}
	if a := s.Accounts[1]; !a.Named("account-2") || !a.Named("mine") || a.Named("account-1") {
		t.Error("an account does not know its names")
	}
	if none := Join(nil); none.Accounts == nil || none.Models == nil {
		t.Error("no pools are shown as null")
	}
}
