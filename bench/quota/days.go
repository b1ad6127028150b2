package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// The groups of the experiments over days, with the free quotas that Google's users report.
const (
	groups = 25
	rpm    = 5
	rpd    = 20
	tpm    = 250_000

	keysTogether = 5 // where several keys share a project
)

// scenario is one experiment over days.
type scenario struct {
	name string
	demand
	setup
	beyond bool // shows what cannot be promised, see misses
	dies   bool // each noon the process dies, and begins again with what it had stored
	begin  time.Time
	days   int
}

// scenarios are the rows of the first table.
func scenarios(begin time.Time, days int) []scenario {
	apart := setup{projects: groups, keys: 1, real: googlesim.Limits{RPM: rpm, RPD: rpd, TPM: tpm}}
	known := apart
	known.limits = []rotator.Limit{{Model: "*", RPM: rpm, RPD: rpd, TPM: tpm}}
	users, together := apart, apart
	users.keys, users.users = 0, true
	together.projects, together.keys, together.classic = groups/keysTogether, keysTogether, true
	slidingApart, slidingKnown := apart, known
	slidingApart.sliding, slidingKnown.sliding = true, true

	once, thrice, rush := demand{times: 1, burst: 1}, demand{times: 3, burst: 1}, demand{times: 3, burst: 1, rush: true}
	all := make([]scenario, 0, 16)
	for _, d := range []demand{once, {times: 1, burst: 60}, thrice, {times: 3, burst: 60}} {
		all = append(all, scenario{name: "limit configured", demand: d, setup: known},
			scenario{name: "nothing configured", demand: d, setup: apart})
	}
	all = append(all,
		scenario{name: "nothing configured, restarts", demand: thrice, setup: apart, dies: true},
		scenario{name: "nothing configured, restarts, OAuth", demand: once, setup: users, dies: true},
		scenario{name: "nothing configured, 5 keys a project", demand: thrice, setup: together},
		scenario{name: "limit configured", demand: rush, setup: known},
		scenario{name: "nothing configured", demand: rush, setup: apart, beyond: true},
		scenario{name: "limit configured, sliding minute", demand: rush, setup: slidingKnown},
		scenario{name: "nothing configured, sliding minute", demand: rush, setup: slidingApart, beyond: true},
	)
	for i := range all {
		all[i].begin, all[i].days = begin, days
	}
	return all
}

// outcome is what a scenario came to.
type outcome struct {
	scenario
	asked, capacity, served int // capacity is what could be served: by day, the smaller of what was asked and what was allowed
	calls                   int
	refused                 map[refusal]int // calls that Google refused
	late                    int             // of these, those that were made although it was known
	shares                  []float64       // calls served, by project
	turned                  int             // requests answered with 429
	spent                   int             // of these, after all the calls that a request may make were refused
	wrongly                 int             // of the others, while a project could have served them
	failed                  int             // requests that ended in any other way
	early                   int             // tokens refreshed of which the one before was good for long
	waits                   []time.Duration // in line, of requests served
	took                    time.Duration   // of real time
}

// refusal is a quota of which an account was told that it is used up: rpm, rpd or tpm.
type refusal struct{ account, quota string }

// run plays the scenario.
func (s scenario) run(t *testing.T) *outcome {
	o := &outcome{scenario: s, refused: map[refusal]int{}}
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(s.begin))
		d := days{
			world: newWorld(t, s.setup), outcome: o, random: newRandom(1, s.burst), tally: map[string]*tally{},
		}
		defer func() { d.close() }()
		for range s.days {
			d.play()
		}
		d.requests.Wait()
		d.count()
	})
	o.took = time.Since(began)
	return o
}

// days is a scenario being played.
type days struct {
	*world
	*outcome
	random   *rand.Rand
	requests sync.WaitGroup

	mu    sync.Mutex
	tally map[string]*tally // by day
}

type tally struct{ asked, served int }

// play has requests come until midnight.
func (d *days) play() {
	midnight := nextMidnight(time.Now())
	noon := midnight.Add(-12 * time.Hour)
	ends := midnight
	if d.rush {
		time.Sleep(time.Until(noon))
		ends = noon.Add(rushTakes)
	}
	pause := float64(time.Until(ends)) * float64(d.burst) / (d.times * float64(d.capacityOfDay()))
	for {
		next := time.Now().Add(time.Duration(d.random.ExpFloat64() * pause))
		if d.dies && time.Now().Before(noon) && !next.Before(noon) {
			time.Sleep(time.Until(noon))
			d.requests.Wait()
			d.restart()
			continue
		}
		if !next.Before(ends) {
			break
		}
		time.Sleep(time.Until(next))
		for range d.burst {
			p := newPrompt(d.random)
			d.requests.Go(func() { d.request(p) })
		}
	}
	time.Sleep(time.Until(midnight))
}

func (s scenario) capacityOfDay() int { return s.projects * int(s.real.RPD) }

// request asks once. It counts for the day on which it is answered, which is the next one for some that wait at midnight.
func (d *days) request(p prompt) {
	came := time.Now()
	got := d.ask("client", p.body())
	d.note(got)
	if got.status != http.StatusTooManyRequests {
		return
	}
	spent := got.Attempts == attempts
	wrongly := !spent && d.roomBefore(came.Add(maxWait), p.tokens)
	d.mu.Lock()
	defer d.mu.Unlock()
	if spent {
		d.spent++
	}
	if wrongly {
		d.wrongly++
	}
}

func (d *days) note(got reply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	today := d.tally[dayOf(time.Now())]
	if today == nil {
		today = &tally{}
		d.tally[dayOf(time.Now())] = today
	}
	today.asked++
	switch {
	case got.served():
		today.served++
		d.waits = append(d.waits, got.Wait)
	case got.status == http.StatusTooManyRequests:
		d.turned++
	default:
		d.failed++
	}
}

// roomBefore reports whether, until a moment, Google had room for a prompt that nobody used. It is looked for at the last instant of
// each of Google's minutes, when what was left of it is lost, and in the end. It is not looked for now: calls are under way that are
// yet to use it.
func (d *days) roomBefore(end time.Time, tokens int64) bool {
	for {
		next := time.Now().Add(1).Truncate(time.Minute).Add(time.Minute - 1)
		if next.After(end) {
			next = end
		}
		time.Sleep(time.Until(next))
		if d.room(tokens) {
			return true
		}
		if !next.Before(end) {
			return false
		}
	}
}

func (d *days) room(tokens int64) bool {
	for p := range d.projects {
		if d.google.Room(googlesim.Developer, project(p), model, tokens) {
			return true
		}
	}
	return false
}

// count adds up the days and what Google has seen.
func (d *days) count() {
	for _, day := range d.tally {
		d.asked += day.asked
		d.served += day.served
		d.capacity += min(day.asked, d.capacityOfDay())
	}
	shares, known := map[string]float64{}, map[refusal]time.Time{}
	for _, call := range d.world.calls() {
		d.outcome.calls++
		if call.Quota == "" {
			shares[call.Project]++
			continue
		}
		kind := refusal{call.Account, call.Quota}
		d.refused[kind]++
		if first, told := known[kind]; !told {
			known[kind] = call.Ended
		} else if call.Began.After(first.Add(farthest)) {
			d.late++
		}
	}
	for p := range d.projects {
		d.shares = append(d.shares, shares[project(p)])
	}
	refreshed := map[string]time.Time{}
	for _, call := range d.google.Calls(googlesim.Match{Backend: googlesim.OAuth}) {
		if last, any := refreshed[call.Account]; any && call.Began.Before(last.Add(goodFor)) {
			d.early++
		}
		refreshed[call.Account] = call.Began
	}
}

// goodFor is a time for which a token is good that lives for an hour.
const goodFor = 30 * time.Minute

// refusals is how many calls Google refused, and how many at most for one quota of one group.
func (o *outcome) refusals() (total, most int) {
	for _, n := range o.refused {
		total, most = total+n, max(most, n)
	}
	return total, most
}

// misses are the promises that the outcome does not keep. Beyond what can be promised is what depends on which minute Google counts by,
// where demand is close to what a minute allows: the gateway does not know, so it may let some of a minute of the clock's go by.
func (o *outcome) misses() []string {
	var all []string
	miss := func(kept bool, format string, args ...any) {
		if !kept {
			all = append(all, fmt.Sprintf("%v, %s: ", o.demand, o.name)+fmt.Sprintf(format, args...))
		}
	}
	total, most := o.refusals()
	miss(o.asked > 0 && o.calls >= o.served, "%d asked, %d served with %d calls: nothing was measured", o.asked, o.served, o.calls)
	miss(share(o.served, o.capacity) >= 0.995, "%d of %d served", o.served, o.capacity)
	miss(jain(o.shares) >= 0.99, "Jain's index is %.4f", jain(o.shares))
	miss(o.early == 0, "%d tokens refreshed that were good for long", o.early)
	miss(o.failed == 0, "%d requests failed", o.failed)
	if o.beyond {
		return all
	}
	miss(o.limits == nil || total == 0, "%d calls refused although the limits are configured", total)
	miss(most <= 1, "an account was told %d times that one quota is used up", most)
	miss(share(o.late, o.calls) <= 0.01, "%d of %d calls made although it was known that they would be refused", o.late, o.calls)
	miss(!o.dies || o.late == 0, "%d calls made that were known to be refused, before a restart at the latest", o.late)
	miss(o.limits == nil || o.spent == 0, "%d clients turned away after %d refused calls", o.spent, attempts)
	miss(o.wrongly == 0, "%d clients turned away while a project had room", o.wrongly)
	return all
}

// daysColumns are explained in the documentation of the command.
var daysColumns = []string{
	"demand", "setup", "asked", "capacity", "served", "of capacity", "calls", "refused", "most", "late", "Jain", "429s", "spent", "wrong", "p50",
	"p99", "took",
}

func (o *outcome) row(out table) {
	total, most := o.refusals()
	out.row(o.demand.String(), o.name, number(o.asked), number(o.capacity), number(o.served), percent(o.served, o.capacity),
		number(o.calls), number(total), number(most), percent(o.late, o.calls), fmt.Sprintf("%.4f", jain(o.shares)),
		number(o.turned), number(o.spent), number(o.wrongly),
		seconds(percentile(o.waits, 0.5)), seconds(percentile(o.waits, 0.99)), seconds(o.took))
}
