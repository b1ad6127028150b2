package rotator

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// all takes as many calls as can be had at once, up to so many.
func all(p *Pool, most int) (leases []*Lease) {
	for len(leases) < most {
		lease, err := p.Acquire(Query{Model: "m", Tokens: 10})
		if err != nil {
			break
		}
		leases = append(leases, lease)
	}
	return leases
}

func serve(leases []*Lease) {
	for _, lease := range leases {
		lease.Settle(Outcome{Called: true, Tokens: 10})
	}
}

func refuse(lease *Lease, f *Fault) {
	lease.Settle(Outcome{Called: true, Decision: lease.Decide(f, Attempts{Made: 1})})
}

// hintedPool has n groups, and knows from another that a limit is likely to be theirs.
func hintedPool(t *testing.T, n int, f *Fault, o Options) *Pool {
	t.Helper()
	o.Models = NewModels()
	fail(t, NewPool([]Candidate{candidate(100, NewGroup())}, Options{Models: o.Models}), Query{Model: "m"}, f)
	return NewPool(fleet(n), o)
}

// However many requests come at once, a group that has the same limit as another is told so once.
func TestLimitOfOneGroupIsAHintForTheOthers(t *testing.T) {
	for _, test := range []struct {
		quota Quota
		limit int64
	}{{QuotaRPM, 5}, {QuotaRPD, 20}, {QuotaTPM, 50}, {QuotaTPD, 50}} {
		synctest.Test(t, func(t *testing.T) {
			const groups = 25
			google := &quotas{
				rpm: 1000, rpd: 1000, tpm: 1_000_000, groups: map[int]*counters{}, refused: map[string]int{}, served: map[int]float64{},
			}
			want := test.limit
			switch test.quota {
			case QuotaRPM:
				google.rpm = test.limit
			case QuotaRPD:
				google.rpd = test.limit
			case QuotaTPM:
				google.tpm, want = test.limit, test.limit/10
			default:
				return // as the others, and not simulated
			}
			p := hintedPool(t, groups, refusal(test.quota, test.limit), Options{})
			for {
				leases := all(p, 60)
				if len(leases) == 0 {
					break
				}
				for _, lease := range leases { // all of them are under way before the first is answered
					if f := google.call(lease.Credential().Index, 10); f != nil {
						refuse(lease, f)
					} else {
						lease.Settle(Outcome{Called: true, Tokens: 10})
					}
				}
			}
			if google.today != int(groups*want) {
				t.Errorf("quota %d: %d calls served, want %d", test.quota, google.today, groups*want)
			}
			for quota, n := range google.refused {
				if n > 1 {
					t.Errorf("quota %d: refused %d times: %s", test.quota, n, quota)
				}
			}
		})
	}
}

func TestGroupOfAHigherTierIsHeldBackForAFewCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hintedPool(t, 1, refusal(QuotaRPM, 5), Options{})
		for _, want := range []int{5 + 1, 2, 4, 1000} {
			leases := all(p, 1000)
			if len(leases) != want {
				t.Fatalf("%d calls at once, want %d", len(leases), want)
			}
			serve(leases)
		}
		time.Sleep(aMinute)
		if n := len(all(p, 1000)); n != 1000 {
			t.Errorf("%d calls at once in the next minute", n)
		}
	})
}

// In the minute after, a group begins anew, unless it has exceeded the hint by far: two of Google's minutes may have shared one.
func TestALittleMoreThanTheHintProvesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hintedPool(t, 1, refusal(QuotaRPM, 5), Options{})
		for range 3 {
			serve(all(p, 6))
			serve(all(p, 2))
			time.Sleep(aMinute)
		}
		serve(all(p, 1))
		if n := len(all(p, 100)); n != 4+1 {
			t.Errorf("%d calls at once after the first, want 5", n)
		}
	})
}

func TestHintsHoldOnlyWhereNothingBetterIsKnown(t *testing.T) {
	for _, test := range []struct {
		name  string
		limit []Limit
		learn *Fault
		at    func(*Candidate)
		model string
		want  int // calls at once
	}{
		{name: "nothing is known", want: 6},
		{name: "a limit of another kind is configured", limit: []Limit{{Model: "*", RPD: 1000}}, want: 6},
		{name: "a limit of the kind is configured", limit: []Limit{{Model: "*", RPM: 50}}, want: 50},
		{name: "a limit of the kind is learned", learn: refusal(QuotaRPM, 50), want: 50},
		{name: "another model", model: "another", want: 100},
		{name: "another backend", at: func(c *Candidate) { c.Credential.Backend = "vertex" }, want: 100},
	} {
		synctest.Test(t, func(t *testing.T) {
			models := NewModels()
			fail(t, NewPool([]Candidate{candidate(100, NewGroup())}, Options{Models: models}), Query{Model: "m"}, refusal(QuotaRPM, 5))
			candidates := fleet(1)
			if test.at != nil {
				test.at(&candidates[0])
			}
			p := NewPool(candidates, Options{Models: models, Limits: test.limit})
			if test.learn != nil {
				fail(t, p, Query{Model: "m"}, test.learn)
				time.Sleep(aMinute)
			}
			model, n := "m", 0
			if test.model != "" {
				model = test.model
			}
			for n < 100 {
				if _, err := p.Acquire(Query{Model: model}); err != nil {
					break
				}
				n++
			}
			if n != test.want {
				t.Errorf("%s: %d calls at once, want %d", test.name, n, test.want)
			}
		})
	}
}

// A probe of which Google has said nothing makes way for another, and proves nothing.
func TestProbesThatTellNothing(t *testing.T) {
	for name, o := range map[string]Outcome{
		"not made": {}, "failed": {Called: true, Decision: Decision{failed: true}}, "given up before it was answered": {Called: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := hintedPool(t, 1, refusal(QuotaRPD, 5), Options{})
			serve(all(p, 5))
			for range 20 {
				probes := all(p, 10)
				if len(probes) != 1 {
					t.Fatalf("%s: %d probes at once", name, len(probes))
				}
				probes[0].Settle(o)
			}
		})
	}
}

// A probe that was refused for something else is over.
func TestProbeThatIsRefusedForAnotherLimitMakesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hintedPool(t, 1, refusal(QuotaRPD, 5), Options{})
		serve(all(p, 5))
		refuse(take(t, p, Query{Model: "m"}), refusal(QuotaRPM, 1000))
		time.Sleep(aMinute)
		take(t, p, Query{Model: "m"})
	})
}

func TestAProbeThatGoogleHasBegunToAnswerMakesWayForTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hintedPool(t, 1, refusal(QuotaRPM, 5), Options{Queue: 10})
		leases := all(p, 10)
		tickets := []*Ticket{join(t, p, Query{Model: "m"}, time.Minute), join(t, p, Query{Model: "m"}, time.Minute), join(t, p, Query{Model: "m"}, time.Minute)}
		probe := leases[5]
		for range 2 { // the second time says nothing new
			probe.Taken()
		}
		for i, want := range []bool{true, true, false} {
			if got := isReady(tickets[i]); got != want {
				t.Errorf("ticket %d is ready: %v", i, got)
			}
		}
		probe.Settle(Outcome{Called: true, Tokens: 10})
		if isReady(tickets[2]) {
			t.Error("a probe has counted twice")
		}
	})
}

func TestWhoWaitsIsServedWhenAProbeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hintedPool(t, 1, refusal(QuotaRPM, 5), Options{Queue: 10})
		leases := all(p, 10)
		ticket := join(t, p, Query{Model: "m"}, time.Minute)
		time.Sleep(10 * time.Second)
		if isReady(ticket) {
			t.Error("two probes at once")
		}
		serve(leases[5:])
		if !isReady(ticket) {
			t.Error("the probe is over, and nobody was told")
		}
	})
}

// What is said of a group that is held back: when to come again, why, and that it is not exhausted.
func TestWhatIsSaidOfProbing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Change
		p := hintedPool(t, 1, refusal(QuotaRPM, 5), Options{Hedge: 1, Notify: func(c Change) { told = append(told, c) }})
		all(p, 6)
		var trace Trace
		if e := refused(t, p, Query{Model: "m", Trace: &trace}); e.Cause != CauseRate || e.RetryAfter != time.Second {
			t.Errorf("cause %v, retry after %v", e.Cause, e.RetryAfter)
		}
		if got := p.RetryAfter("m"); got != time.Second {
			t.Errorf("retry after %v", got)
		}
		if step := trace.Steps()[0]; step.Groups[StateProbing] != 1 || step.Skipped[0].Reason != StateProbing {
			t.Errorf("explained as %+v", step)
		}
		if m := p.Snapshot().Accounts[0].Models[0]; m.State != StateCooling || m.Reason != StateProbing {
			t.Errorf("status shows %+v", m)
		}
		if len(told) > 0 {
			t.Errorf("told %+v", told)
		}
		time.Sleep(aMinute) // a minute is over, the probe is not
		if n := len(all(p, 10)); n != 5 {
			t.Errorf("%d calls, want those up to the hint", n)
		}
	})
}

func TestALargePromptProbesTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hintedPool(t, 1, refusal(QuotaTPM, 100), Options{})
		take(t, p, Query{Model: "m", Tokens: 60})
		probe := take(t, p, Query{Model: "m", Tokens: 50})
		if e := refused(t, p, Query{Model: "m", Tokens: 50}); e.Cause != CauseRate || e.RetryAfter != time.Second {
			t.Errorf("cause %v, retry after %v", e.Cause, e.RetryAfter)
		}
		probe.Settle(Outcome{Called: true, Tokens: 30}) // 10 are left
		probe = take(t, p, Query{Model: "m", Tokens: 50})
		second := take(t, p, Query{Model: "m", Tokens: 50})
		if e := refused(t, p, Query{Model: "m", Tokens: 50}); e.RetryAfter != time.Second {
			t.Errorf("retry after %v", e.RetryAfter)
		}
		probe.Settle(Outcome{})
		second.Settle(Outcome{})
		time.Sleep(aMinute)
		take(t, p, Query{Model: "m", Tokens: 10})
		take(t, p, Query{Model: "m", Tokens: 300}) // more than the hint by itself
		if e := refused(t, p, Query{Model: "m", Tokens: 300}); e.Cause != CauseRate || e.RetryAfter != time.Second {
			t.Errorf("cause %v, retry after %v", e.Cause, e.RetryAfter)
		}
	})
}

// A small prompt fits where a large one would be a probe.
func TestSmallPromptsPassProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hintedPool(t, 1, refusal(QuotaTPM, 100), Options{})
		take(t, p, Query{Model: "m", Tokens: 70})
		take(t, p, Query{Model: "m", Tokens: 40})
		refused(t, p, Query{Model: "m", Tokens: 1})
		time.Sleep(aMinute)
		take(t, p, Query{Model: "m", Tokens: 70})
		refused(t, p, Query{Model: "m", Tokens: 31})
		take(t, p, Query{Model: "m", Tokens: 30})
	})
}

func TestHedgesAreNoProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hintedPool(t, 2, refusal(QuotaRPM, 1), Options{Hedge: 1})
		first := take(t, p, Query{Model: "m"})
		second, hedged := p.Hedge(Query{Model: "m"}, first)
		if !hedged {
			t.Fatal("the other group has not been used")
		}
		second.Settle(Outcome{Called: true})
		take(t, p, Query{Model: "m"})
		if _, hedged := p.Hedge(Query{Model: "m"}, first); hedged {
			t.Error("a hedge goes beyond what other groups have")
		}
	})
}

// known is the hint for requests of a minute.
func known(p *Pool) int64 {
	return p.options.Models.hintsFor("gemini_api", "m").kinds[QuotaRPM].current(time.Now().UnixNano())
}

func TestHintIsTheSmallestLimitThatHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		models := NewModels()
		var groups []*Pool
		for i := range 3 {
			groups = append(groups, NewPool([]Candidate{candidate(i+1, NewGroup())}, Options{Models: models}))
		}
		for _, step := range []struct {
			group int
			value int64
			want  int64
		}{
			{0, 10, 10}, {1, 5, 5}, {2, 1000, 5}, {2, 5, 5}, // two have 5
			{1, 10, 5}, {2, 2000, 2000}, // raised for both: nobody has 5 any more
			{0, 20, 20},
		} {
			fail(t, groups[step.group], Query{Model: "m"}, refusal(QuotaRPM, step.value))
			if got := known(groups[0]); got != step.want {
				t.Errorf("after group %d was told %d, the hint is %d, want %d", step.group, step.value, got, step.want)
			}
			time.Sleep(aMinute)
		}
		time.Sleep(believed - 2*time.Minute)
		if got := known(groups[0]); got != 20 {
			t.Errorf("the hint is %d", got)
		}
		time.Sleep(2 * time.Minute)
		if got := known(groups[0]); got != 0 {
			t.Errorf("the hint is %d after two weeks", got)
		}
	})
}

func TestHintThatMostGroupsExceedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		models := NewModels()
		var groups []*Pool
		for i := range 3 {
			groups = append(groups, NewPool([]Candidate{candidate(i+1, NewGroup())}, Options{Models: models}))
		}
		fail(t, groups[0], Query{Model: "m"}, refusal(QuotaRPM, 1))
		for i, want := range []int64{1, 0} { // one has exceeded it and one not, then two
			for range 2 {
				call(t, groups[i+1], "m")
			}
			if got := known(groups[0]); got != 1 {
				t.Errorf("the hint is %d, although two calls of a minute may have been in two of Google's", got)
			}
			call(t, groups[i+1], "m")
			if got := known(groups[0]); got != want {
				t.Errorf("after group %d the hint is %d, want %d", i+1, got, want)
			}
		}
	})
}

func TestResetForgetsHints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(2), Options{})
		fail(t, p, Query{Model: "m"}, refusal(QuotaRPM, 5))
		fail(t, p, Query{Model: "m"}, refusal(QuotaRPM, 5))
		p.Reset("account-1")
		if got := known(p); got != 5 {
			t.Errorf("the hint is %d, although account 2 is held to it", got)
		}
		p.Reset("account-2")
		p.Review()
		if got := known(p); got != 0 {
			t.Errorf("the hint is %d", got)
		}
		if n := len(all(p, 100)); n != 100 {
			t.Errorf("%d calls at once", n)
		}
	})
}

func TestLimitThatWasDisprovedIsNoHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{})
		fail(t, p, Query{Model: "m"}, refusal(QuotaRPM, 5))
		time.Sleep(believed - time.Hour)
		p.options.Models.hintsFor("gemini_api", "m").name(QuotaRPM, 0, 5, time.Now().UnixNano()) // another has it, too
		time.Sleep(time.Hour)
		serve(all(p, 6))
		if n := len(all(p, 100)); n != 100 {
			t.Errorf("%d calls at once, although the limit does not hold", n)
		}
		if got := known(p); got != 5 {
			t.Errorf("the hint is %d", got)
		}
	})
}

func TestRestoredLimitsAreHints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := candidate(1, NewGroup())
		fail(t, NewPool([]Candidate{before}, Options{}), Query{Model: "m"}, refusal(QuotaRPM, 5))
		stored, err := json.Marshal(before.Export())
		if err != nil {
			t.Fatal(err)
		}
		var state AccountState
		if err := json.Unmarshal(stored, &state); err != nil {
			t.Fatal(err)
		}
		candidates := fleet(2)
		projects := NewProjects()
		candidates[0].Restore(&state, projects)
		p := NewPool(candidates, Options{Projects: projects})
		if n := len(all(p, 100)); n != 6 {
			t.Errorf("%d calls at once, of which only account 2 can make some", n)
		}
	})
}

func TestHintsAreBounded(t *testing.T) {
	m := NewModels()
	m.hintsFor("b", "known").name(QuotaRPM, 0, 5, 1)
	for i := range 3 * maxHinted {
		m.hintsFor("b", fmt.Sprint(i))
	}
	if len(m.hints) > maxHinted || m.hintsFor("b", "known").kinds[QuotaRPM].current(2) != 5 {
		t.Error("the models that clients name push out what is known")
	}
	for i := range 2 * maxHinted {
		if h := m.hintsFor("b", fmt.Sprint("known-", i)); h != nil {
			h.name(QuotaRPM, 0, 5, 1)
		}
	}
	if len(m.hints) != maxHinted {
		t.Errorf("%d models", len(m.hints))
	}
}
