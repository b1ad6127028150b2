// Command quota plays days at the limits of Google's free quotas in seconds, and prints what came of them. It runs the whole gateway
// against the simulated Google in the fake time of testing/synctest, with a network between them on which calls take a while; so it
// measures the product, and a wait of ten seconds or a night costs nothing. It ends with PASS if every promise was kept.
//
//	go run ./bench/quota
//
// The first table is days at the limit: 25 projects with 5 requests and 250,000 prompt tokens a minute and 20 requests a day each, over
// four days of which one has 25 hours. Requests come at random (Poisson), many at once (bursts) or all within a quarter of an hour, at
// random (rush); as many as the projects may serve or three times as many. Google counts from full minute to full minute or, where the
// minute is sliding, over the last sixty seconds: which is not documented. In "limit configured" the gateway is told the quotas, in
// "nothing configured" it must learn them; with restarts, each noon the process dies and begins again with what it had stored, and must
// not refresh OAuth tokens that are still good; with 5 keys a project, it must learn that, too. The columns:
//
//	asked        requests of clients
//	capacity     what could be served at best: for each day the smaller of what was asked and what all projects may serve
//	served       requests answered. One that waits over midnight counts, as asked and as served, for the day on which it is answered
//	calls        what Google received
//	refused      of these, 429s for a quota that was used up
//	most         the most often that one account was told so of one quota: once teaches it
//	late         of all calls, those refused for a quota of which the account had been told before they were made
//	Jain         Jain's index of fairness over the calls that each project served; 1 is equal
//	429s         requests that the gateway answered with 429
//	spent        of these, those for which the gateway had made all the calls it may make (attempts, 4), to find as many quotas used up
//	wrong        of the others, those for which a project had room within max_wait (10s) of their arrival: the simulated Google would have
//	             taken the same prompt, by its own counters. Room that another request took is none, so it is looked for when it is
//	             lost, at the last instant of each of Google's minutes, and when max_wait is over. In a rush it may be what is left of a
//	             minute of the clock's: the gateway counts over the last sixty seconds, to be right whichever minute Google counts by;
//	             so of a rush not everything is promised
//	p50, p99     how long requests that were served had stood in line
//	took         real time
//
// The second table is Google's implicit prompt cache as it is simulated: 200 conversations of 10 turns over 25 projects, and as the most
// that can be had over one. The share is of prompt tokens that were cached, Jain is over the calls of each project.
//
// The third is a client who floods the gateway with ten times of what it can serve, beside nine who ask every ten seconds: what each got,
// and how long it stood in line. A flood that grows takes all there is evenly. A sudden one takes what there is for a minute in the first
// seconds of it; as long as it lasts there is something for others to wait for in these seconds of each minute only.
//
// The fourth is hedging where some of Google's answers begin 20 seconds late: calls beyond the requests, how many of them answered first,
// and how long clients waited for the first token. The second call is made when the first token is later than the p95 of late; where one
// answer in twenty is slow, that is just between the ordinary and the slow, and the share is spent before all slow ones had theirs.
package main

import (
	"os"
	"testing"
	"time"
)

// Fake time belongs to tests, so the experiments are one.
func main() {
	testing.Main(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "quota", F: report}}, nil, nil)
}

// autumn is midnight before days of which the second has 25 hours.
var autumn = time.Date(2026, 10, 31, 0, 0, 0, 0, pacific)

// report prints the tables.
func report(t *testing.T) {
	var missed []string
	out := newTable(os.Stdout, daysColumns...)
	for _, s := range scenarios(autumn, 4) {
		o := s.run(t)
		o.row(out)
		missed = append(missed, o.misses()...)
	}
	out.end()

	out = newTable(os.Stdout, "prompt cache", "asked", "served", "prompt tokens", "cached", "share", "Jain")
	runs := affinityRuns()
	for _, a := range runs {
		a.play(t)
		a.row(out)
	}
	missed = append(missed, affinityMisses(runs)...)
	out.end()

	out = newTable(os.Stdout, "flood", "client", "asked", "served", "share", "429s", "p50", "p99")
	for _, f := range fairnessRuns() {
		f.play(t)
		f.rows(out)
		missed = append(missed, f.misses()...)
	}
	out.end()

	out = newTable(os.Stdout, "slow", "hedge", "asked", "calls", "extra", "won", "p50", "p90", "p95", "p99", "max")
	hedged := hedgeRuns()
	for _, h := range hedged {
		h.play(t)
		h.row(out)
	}
	missed = append(missed, hedgeMisses(hedged)...)
	out.end()

	for _, miss := range missed {
		t.Error(miss)
	}
}
