package rotator

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// charge is a refusal that says which project the call was counted for.
func charge(f *Fault, consumer string) *Fault {
	f.Consumer = consumer
	return f
}

// joinedFleet is n accounts, apart by configuration, that turn out to belong to one project by a fault of nobody's.
func joinedFleet(t *testing.T, n int, o Options) ([]Candidate, *Pool) {
	t.Helper()
	candidates := fleet(n)
	if o.Projects == nil {
		o.Projects = NewProjects()
	}
	for i := range candidates {
		o.Projects.learn(&candidates[i], "123", time.Now())
	}
	return candidates, NewPool(candidates, o)
}

func groupNames(p *Pool) []string {
	var names []string
	for _, a := range p.Snapshot().Accounts {
		names = append(names, a.QuotaGroup)
	}
	return names
}

func TestAccountsOfOneProjectAreCountedAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(3), Options{Policy: roundRobin{}})
		for range 2 { // two calls of each, of which two accounts share a quota of four
			for range 3 {
				call(t, p, "m")
			}
		}
		lease, _ := fail(t, p, Query{Model: "m"}, charge(refusal(QuotaRPD, 4), "123"))
		first := lease.Credential().Index
		lease, _ = fail(t, p, Query{Model: "m"}, charge(refusal(QuotaRPD, 4), "123"))
		second := lease.Credential().Index
		for range 10 { // nothing is left but the third
			if got := call(t, p, "m"); got == first || got == second {
				t.Fatalf("account %d is used, whose project's quota is spent", got)
			}
		}
		s := p.Snapshot()
		for _, a := range s.Accounts {
			want := a.Label
			if a.Index == second {
				want = s.Accounts[first-1].Label
			}
			if a.QuotaGroup != want {
				t.Errorf("account %d is of the quota group %s, want %s", a.Index, a.QuotaGroup, want)
			}
			if m := a.Models[0]; a.QuotaGroup != a.Label && (m.RPD.Used != 4 || m.RPD.Limit != 4 || m.RPM.Used != 4 || m.TPM.Used != 40) {
				t.Errorf("account %d: %+v, want the calls of both", a.Index, m)
			}
		}
		want := []string{"these 2 accounts share one project, so Google counts them as one: account-1, account-2"}
		if !reflect.DeepEqual(s.Notes, want) {
			t.Errorf("notes %q, want %q", s.Notes, want)
		}
		time.Sleep(time.Until(nextMidnight(time.Now())))
		var used [4]int
		for range 60 {
			lease, err := p.Acquire(Query{Model: "m"})
			if err != nil {
				break
			}
			lease.Settle(Outcome{Called: true, Tokens: 10})
			used[lease.Credential().Index]++
		}
		if used[first]+used[second] != 4 {
			t.Errorf("the two made %d calls of the next day's 4", used[first]+used[second])
		}
	})
}

// The first refusal that names the project of both puts both aside, although only one was refused.
func TestARefusalHoldsForTheWholeProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		projects := NewProjects()
		candidates := fleet(2)
		p := NewPool(candidates, Options{Projects: projects})
		other := NewPool(candidates, Options{Projects: projects}) // of another handler
		fail(t, p, Query{Model: "m"}, charge(refusal(QuotaRPM, 5), "123"))
		time.Sleep(aMinute)
		call(t, p, "m")
		call(t, other, "m")
		var tried Tried
		fail(t, p, Query{Model: "m", Tried: &tried}, charge(refusal(QuotaRPM, 5), "123"))
		lease, err := p.Acquire(Query{Model: "m", Tried: &tried})
		if err == nil { // it was the one of which the project was known
			lease.Settle(Outcome{Called: true, Decision: lease.Decide(charge(refusal(QuotaRPM, 5), "123"), Attempts{Made: 2})})
		}
		for _, p := range []*Pool{p, other} {
			if e := refused(t, p, Query{Model: "m"}); e.Cause != CauseRate || e.RetryAfter != time.Minute {
				t.Errorf("cause %v, retry after %v", e.Cause, e.RetryAfter)
			}
		}
		time.Sleep(aMinute)
		for i := range 5 {
			call(t, []*Pool{p, other}[i%2], "m")
		}
		refused(t, p, Query{Model: "m"})
		refused(t, other, Query{Model: "m"})
	})
}

func TestARequestKeepsAwayFromTheProjectItTried(t *testing.T) {
	_, p := joinedFleet(t, 2, Options{})
	var tried Tried
	lease := take(t, p, Query{Model: "m", Tried: &tried})
	lease.Settle(Outcome{Called: true, Decision: Decision{Next: Elsewhere, Mark: MarkGroup, State: StateRateShort, Until: time.Now()}})
	if e := refused(t, p, Query{Model: "m", Tried: &tried}); e.Cause != CauseTried {
		t.Errorf("cause %v", e.Cause)
	}
}

// What was tried before two groups turned out to be one counts for both.
func TestWhatWasTriedIsTriedUnderBothNames(t *testing.T) {
	candidates := fleet(2)
	projects := NewProjects()
	p := NewPool(candidates, Options{Projects: projects})
	var tried Tried
	lease := take(t, p, Query{Model: "m", Tried: &tried})
	lease.Settle(Outcome{Called: true, Decision: Decision{Next: Elsewhere, Mark: MarkGroup, State: StateRateShort, Until: time.Now()}})
	first := lease.Credential().Index - 1
	for _, i := range []int{1 - first, first} {
		projects.learn(&candidates[i], "123", time.Now())
	}
	refused(t, p, Query{Model: "m", Tried: &tried})
}

func TestGroupsAreJoinedOnlyIfBackendAndProjectAreTheSame(t *testing.T) {
	candidates := fleet(5)
	candidates[1].Credential.Backend = "vertex"
	projects := NewProjects()
	p := NewPool(candidates, Options{Projects: projects})
	for i, consumer := range []string{"123", "123", "124", "", strings.Repeat("1", maxConsumerName+1)} {
		projects.learn(&candidates[i], consumer, time.Now())
	}
	if got := groupNames(p); !slices.Equal(got, []string{"account-1", "account-2", "account-3", "account-4", "account-5"}) {
		t.Errorf("quota groups %q", got)
	}
	if notes := p.Snapshot().Notes; notes != nil {
		t.Errorf("notes %q", notes)
	}
	if s := candidates[4].Export(); s.Consumer != "" {
		t.Errorf("a project's name of %d bytes is remembered", len(s.Consumer))
	}
}

// An operator may have set accounts apart: Google's word is what counts, and status says so.
func TestGooglesWordGoesBeforeTheOperators(t *testing.T) {
	candidates := fleet(3)
	candidates[0].Credential.QuotaGroup, candidates[1].Credential.QuotaGroup = "north", "south"
	projects := NewProjects()
	p := NewPool(candidates, Options{Projects: projects})
	for i := range candidates {
		projects.learn(&candidates[i], "123", time.Now())
	}
	if got := groupNames(p); !slices.Equal(got, []string{"north", "north", "north"}) {
		t.Errorf("quota groups %q", got)
	}
	want := []string{"these 3 accounts share one project, so Google counts them as one: account-1, account-2, account-3 " +
		"(configured as the quota groups north, south)"}
	if got := p.Snapshot().Notes; !reflect.DeepEqual(got, want) {
		t.Errorf("notes %q", got)
	}
}

// Whoever is asked to show several pools as one says it once; and a pool that has only one of the accounts has nothing to say.
func TestNotesOfSeveralPools(t *testing.T) {
	candidates, p := joinedFleet(t, 20, Options{})
	same, one := NewPool(candidates, Options{}), NewPool(candidates[1:2], Options{})
	s := Join([]*Pool{p, same, one})
	if len(s.Notes) != 1 || !strings.HasSuffix(s.Notes[0], ": account-1, account-2, account-3, account-4, account-5, account-6, account-7, "+
		"account-8, account-9, account-10, account-11, account-12 and 8 more") {
		t.Errorf("notes %q", s.Notes)
	}
	for _, a := range s.Accounts {
		if a.QuotaGroup != "account-1" {
			t.Errorf("account %d is of the quota group %s", a.Index, a.QuotaGroup)
		}
	}
	if s := one.Snapshot(); s.Notes != nil || s.Accounts[0].QuotaGroup != "account-2" {
		t.Errorf("%+v", s)
	}
}

// A pool that does not share what is known of projects still counts every call where it belongs.
func TestAPoolWithAnOldOrderCountsRight(t *testing.T) {
	candidates := fleet(2)
	p, projects := NewPool(candidates, Options{Policy: roundRobin{}}), NewProjects()
	call(t, p, "m")
	call(t, p, "m")
	for i := range candidates {
		projects.learn(&candidates[i], "123", time.Now())
	}
	call(t, p, "m")
	call(t, p, "m")
	if m := status(p)[0]; m.RPD.Used != 4 {
		t.Errorf("%+v, want all four calls", m)
	}
}

func TestAllowancesCountAProjectOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := fleet(3)
		projects := NewProjects()
		p := NewPool(candidates, Options{Projects: projects, Limits: []Limit{{Model: "*", RPM: 10}}})
		if a := p.Allowances("m").Requests; a.Limit != 30 {
			t.Errorf("%+v", a)
		}
		projects.learn(&candidates[0], "123", time.Now())
		projects.learn(&candidates[2], "123", time.Now())
		time.Sleep(time.Second)
		if a := p.Allowances("m").Requests; a.Limit != 20 {
			t.Errorf("%+v, want that of two projects", a)
		}
	})
}

// Calls that began before the groups were joined settle as they should, and never give back more than they took.
func TestCallsUnderWayWhenGroupsAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := fleet(2)
		projects := NewProjects()
		o := Options{Projects: projects, Policy: fillFirst{}, Limits: []Limit{{Model: "*", RPM: 6, RPD: 6}}}
		p := NewPool(candidates, o)
		var under []*Lease
		for range 4 {
			under = append(under, take(t, p, Query{Model: "m", Tokens: 10}))
		}
		apart := NewPool(candidates[1:], o)
		under = append(under, take(t, apart, Query{Model: "m", Tokens: 10}), take(t, apart, Query{Model: "only", Tokens: 10}))
		for i := range candidates {
			projects.learn(&candidates[i], "123", time.Now())
		}
		if m := status(p)[0]; m.RPM.Used != 5 || m.RPD.Used != 5 || m.TPM.Used != 50 {
			t.Errorf("%+v, want the calls of both", m)
		}
		take(t, p, Query{Model: "m"})
		refused(t, apart, Query{Model: "m"})
		for _, lease := range under {
			lease.Settle(Outcome{Called: true, Tokens: 20})
		}
		if m := status(p)[0]; m.RPM.Used != 6 || m.RPD.Used != 6 || m.TPM.Used < 50 || m.TPM.Used > 110 {
			t.Errorf("%+v", m)
		}
		if m := status(p)[1]; m.Model != "only" || m.TPM.Used != 20 {
			t.Errorf("%+v, want what a model that one of them knew was corrected to", m)
		}
		if s := p.Snapshot(); s.Pool.InFlight != 1 {
			t.Errorf("%d calls in flight", s.Pool.InFlight)
		}
	})
}

// Models that share a bucket in one of the groups share it in both.
func TestBucketsOfJoinedGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := fleet(2)
		now := time.Now().UnixNano()
		a, b := candidates[0].Group, candidates[1].Group
		a.share("x", "y", now)
		b.share("y", "z", now)
		for _, model := range []string{"x", "z", "alone"} {
			a.facts(model).reserve(now, 1, &rules{}, &booking{})
			b.facts(model).reserve(now, 1, &rules{}, &booking{})
		}
		if !b.join(a, now) || b.join(a, now) || a.join(b, now) {
			t.Fatal("the groups are joined once")
		}
		f := a.known("x")
		for _, model := range []string{"x", "y", "z"} {
			if a.known(model) != f || b.known(model) != f {
				t.Errorf("%s has a bucket of its own", model)
			}
		}
		if day := f.today(now); day.calls != 4 || day.tokens != 4 {
			t.Errorf("%+v of the bucket, want 4 calls with as many tokens", day)
		}
		if n := b.known("alone").today(now).calls; n != 2 || a.known("alone") == f {
			t.Errorf("%d calls of the model that shares with none", n)
		}
	})
}

func TestJoinedGroupsForgetTheLeastUsedModels(t *testing.T) {
	candidates := fleet(2)
	for i, c := range candidates {
		for n := range maxFacts {
			c.Group.facts(fmt.Sprint(i, "-", n)).reserve(int64(n+1), 1, &rules{}, &booking{})
		}
	}
	a, b := candidates[0].Group, candidates[1].Group
	dropped := a.known("0-0")
	b.join(a, time.Now().UnixNano())
	if n := len(a.models); n != maxFacts {
		t.Errorf("%d models, want %d", n, maxFacts)
	}
	if a.known(fmt.Sprint("0-", maxFacts-1)) == nil || b.known(fmt.Sprint("1-", maxFacts-1)) == nil || a.known("0-0") != nil || !dropped.evicted.Load() {
		t.Error("the wrong models were forgotten")
	}
}

// Groups are joined in any order, and by chains of projects; all of them are one in the end.
func TestChainsOfJoinedGroups(t *testing.T) {
	candidates := fleet(6)
	projects := NewProjects()
	p := NewPool(candidates, Options{Projects: projects})
	now := time.Now()
	for i := range candidates {
		candidates[i].Group.facts("m").reserve(now.UnixNano(), 1, &rules{}, &booking{})
	}
	for _, step := range []struct {
		account  int
		consumer string
	}{{0, "a"}, {1, "b"}, {2, "c"}, {3, "c"}, {1, "a"}, {4, "d"}, {5, "d"}, {3, "d"}, {0, "d"}} {
		projects.learn(&candidates[step.account], step.consumer, now)
	}
	for i := range candidates {
		if candidates[i].Group.whole() != candidates[0].Group.whole() {
			t.Errorf("account %d is counted apart", i+1)
		}
	}
	if n := candidates[3].Group.known("m").today(now.UnixNano()).calls; n != 6 {
		t.Errorf("%d calls, want 6", n)
	}
	if notes := p.Snapshot().Notes; len(notes) != 1 {
		t.Errorf("notes %q", notes)
	}
}

func TestAProjectIsKnownAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates, p := joinedFleet(t, 3, Options{Limits: []Limit{{Model: "*", RPD: 10}}})
		for range 4 {
			call(t, p, "m")
		}
		next, p := restart(t, candidates, Options{Limits: []Limit{{Model: "*", RPD: 10}}})
		if got := groupNames(p); !slices.Equal(got, []string{"account-1", "account-1", "account-1"}) {
			t.Errorf("quota groups %q", got)
		}
		if m := status(p)[0]; m.RPD.Used != 4 || m.RPM.Used != 4 || m.TPM.Used != 40 {
			t.Errorf("%+v, want nothing counted twice", m)
		}
		for range 6 {
			call(t, p, "m")
		}
		refused(t, p, Query{Model: "m"})
		if s := next[2].Export(); s.Consumer != "123" || s.Models["m"].Day.Calls != 10 {
			t.Errorf("%+v", s)
		}
	})
}

// The accounts of a group that an operator put together have one quota, though Google has named the project of one of them only. What
// each account's state says of the whole is counted once, in whatever order they come.
func TestAJoinedGroupIsRestoredOnceWhoeverItsProjectIsKnownOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup()
		candidates := []Candidate{candidate(1, NewGroup()), candidate(2, g), candidate(3, g), candidate(4, NewGroup())}
		projects := NewProjects()
		p := NewPool(candidates, Options{Projects: projects, Policy: roundRobin{}})
		for range 8 {
			call(t, p, "m")
		}
		for _, step := range []struct {
			account  int
			consumer string
		}{{0, "a"}, {1, "a"}, {3, "b"}, {1, "b"}} { // never the third
			projects.learn(&candidates[step.account], step.consumer, time.Now())
		}
		if m := status(p)[0]; m.RPD.Used != 8 {
			t.Fatalf("%+v", m)
		}
		for _, order := range [][]int{{0, 1, 2, 3}, {2, 0, 3, 1}, {3, 2, 1, 0}} {
			next, again := make([]Candidate, len(candidates)), NewProjects()
			for i := range candidates {
				next[i] = *reborn(&candidates[i])
			}
			next[2].Group = next[1].Group
			for _, i := range order {
				next[i].Restore(written(t, candidates[i].Export()), again)
			}
			p := NewPool(next, Options{Projects: again})
			for i, a := range p.Snapshot().Accounts {
				if m := a.Models[0]; m.RPD.Used != 8 || m.RPM.Used != 8 || a.QuotaGroup != "account-1" {
					t.Errorf("%v: account %d of %s: %+v", order, i+1, a.QuotaGroup, m)
				}
			}
		}
	})
}

// Groups whose accounts are gone are not kept, and there is an end to what is remembered.
func TestProjectsAreBounded(t *testing.T) {
	projects := NewProjects()
	for i := range 3 * maxProjects {
		if i%maxProjects == 0 {
			runtime.GC()
		}
		c := candidate(1, NewGroup())
		projects.learn(&c, fmt.Sprint(i), time.Now())
	}
	if n := len(projects.groups); n > maxProjects {
		t.Errorf("%d projects are remembered", n)
	}
	runtime.GC()
	one, two := candidate(1, NewGroup()), candidate(2, NewGroup())
	projects.learn(&one, "new", time.Now())
	projects.learn(&two, "new", time.Now())
	if one.Group.whole() != two.Group.whole() {
		t.Error("nothing is learned any more")
	}
	held := make([]Candidate, maxProjects+10)
	for i := range held {
		held[i] = candidate(i, NewGroup())
		projects.learn(&held[i], fmt.Sprint("held-", i), time.Now())
	}
	if n := len(projects.groups); n > maxProjects {
		t.Errorf("%d projects are remembered", n)
	}
	runtime.KeepAlive(held)
}

func TestJoiningChangesTheStateOfBoth(t *testing.T) {
	candidates, projects := fleet(2), NewProjects()
	projects.learn(&candidates[0], "a", time.Now())
	projects.learn(&candidates[1], "b", time.Now())
	one, two := candidates[0].Changes(), candidates[1].Changes()
	projects.learn(&candidates[0], "b", time.Now())
	if candidates[0].Changes() <= one || candidates[1].Changes() <= two {
		t.Errorf("%d and %d changes, after %d and %d", candidates[0].Changes(), candidates[1].Changes(), one, two)
	}
	one, two = candidates[0].Changes(), candidates[1].Changes()
	projects.learn(&candidates[0], "b", time.Now()) // is no news
	if candidates[0].Changes() != one || candidates[1].Changes() != two {
		t.Error("what was known has changed something")
	}
}

func TestGroupsAreJoinedWhileTheyAreUsed(t *testing.T) {
	const groups, calls = 8, 200
	candidates := fleet(groups)
	projects := NewProjects()
	p := NewPool(candidates, Options{Projects: projects})
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range calls {
				lease, err := p.Acquire(Query{Model: "m", Tokens: 1})
				if err != nil {
					t.Error(err)
					return
				}
				if i%20 == 0 {
					projects.learn(lease.choice.candidate, fmt.Sprint((i/20+worker)%3), time.Now())
				}
				p.Snapshot()
				lease.Settle(Outcome{Called: true, Tokens: 1})
			}
		})
	}
	wg.Wait()
	for i := range candidates {
		projects.learn(&candidates[i], "0", time.Now())
	}
	// A call that is counted in the very moment in which its bucket is absorbed may be lost.
	if n := candidates[0].Group.facts("m").today(time.Now().UnixNano()).calls; n > 4*calls || n < 4*calls-groups {
		t.Errorf("%d of %d calls are counted", n, 4*calls)
	}
}
