package rotator

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func policy(t *testing.T, name string) Policy {
	t.Helper()
	p, err := NewPolicy(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNewPolicyRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
	}{{"fastest", nil}, {"", nil}, {"headroom", []string{"5"}}, {"weighted", []string{"1", "2"}}} {
		if p, err := NewPolicy(test.name, test.args); err == nil || p != nil {
			t.Errorf("policy %q %q: got %v, %v", test.name, test.args, p, err)
		}
	}
}

// counts makes n calls, one every pause, and returns how many each account made.
func counts(t *testing.T, p *Pool, n int, pause time.Duration) []float64 {
	t.Helper()
	made := make([]float64, len(p.candidates()))
	for range n {
		made[call(t, p, "m")-1]++
		time.Sleep(pause)
	}
	return made
}

// jain is Jain's index of fairness: 1 when all shares are equal, 1/n when one has everything.
func jain(shares []float64) float64 {
	var sum, squares float64
	for _, s := range shares {
		sum += s
		squares += s * s
	}
	return sum * sum / (float64(len(shares)) * squares)
}

func TestHeadroomIsFairToEqualAccounts(t *testing.T) {
	for _, pause := range []time.Duration{0, 50 * time.Millisecond, time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			p := NewPool(fleet(25), Options{})
			for _, n := range []int{25, 100, 1000} {
				if made := counts(t, p, n, pause); jain(made) < 0.99 {
					t.Errorf("%d calls, one every %v: fairness %.4f, shares %v", n, pause, jain(made), made)
				}
			}
		})
	}
}

func TestHeadroomIsFairToGroupsAndWithinThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Five keys of one project and one of another: the projects have equal quota, so they get equal shares.
		a, b := NewGroup(), NewGroup()
		p := NewPool([]Candidate{
			candidate(1, a), candidate(2, a), candidate(3, a), candidate(4, a), candidate(5, a), candidate(6, b),
		}, Options{})
		made := counts(t, p, 1000, 100*time.Millisecond)
		if share := made[5]; share < 450 || share > 550 {
			t.Errorf("the project with one key made %v of 1000 calls, want half", share)
		}
		if jain(made[:5]) < 0.99 {
			t.Errorf("shares within the other project: %v", made[:5])
		}
	})
}

func TestHeadroomKeepsToWeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := fleet(4)
		candidates[0].Weight = 5
		made := counts(t, NewPool(candidates, Options{}), 4000, 50*time.Millisecond)
		if made[0] < 2300 || made[0] > 2700 {
			t.Errorf("weight 5 of 8 made %v of 4000 calls", made[0])
		}
	})
}

func TestHeadroomPrefersWhoHasLessInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(2), Options{})
		stream := take(t, p, Query{Model: "m"})
		other := call(t, p, "m")
		// Both have made one call, the one with the stream first; it would be next.
		if got := call(t, p, "m"); got != other {
			t.Errorf("account %d is chosen while its stream goes on", got)
		}
		stream.Settle(Outcome{Called: true})
	})
}

// An account that was away for long makes up for some of the last minute's calls, not for those of all the time.
func TestHeadroomDoesNotFloodTheNewcomer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(5), Options{})
		_, d := fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultQuotaLong, Delay: time.Hour})
		newcomer := 0
		for time.Now().Before(d.Until) {
			if got := call(t, p, "m"); got == 1 {
				newcomer++
			}
			time.Sleep(100 * time.Millisecond)
		}
		if newcomer > 0 {
			t.Fatalf("%d calls while cooling", newcomer)
		}
		made := counts(t, p, 1500, 100*time.Millisecond)
		if made[0] > 500 || made[0] < 300 {
			t.Errorf("of 1500 calls the newcomer made %v, want its fifth and one minute's catching up", made[0])
		}
	})
}

func TestRoundRobinTakesTurns(t *testing.T) {
	p := NewPool(fleet(3), Options{Policy: policy(t, "round_robin")})
	var got []int
	for range 7 {
		got = append(got, call(t, p, "m"))
	}
	if !slices.Equal(got, []int{1, 2, 3, 1, 2, 3, 1}) {
		t.Errorf("turns: %v", got)
	}
}

func TestFillFirstFollowsTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(3), Options{Policy: policy(t, "fill_first"), Limits: []Limit{{Model: "*", RPM: 2}}})
		var got []int
		for range 5 {
			got = append(got, call(t, p, "m"))
		}
		time.Sleep(aMinute)
		got = append(got, call(t, p, "m"))
		if !slices.Equal(got, []int{1, 1, 2, 2, 3, 1}) {
			t.Errorf("order: %v", got)
		}
	})
}

func TestRandomPoliciesKeepToTheirShares(t *testing.T) {
	for _, test := range []struct {
		name   string
		shares []float64
	}{{"weighted", []float64{1. / 6, 2. / 6, 3. / 6}}, {"random", []float64{1. / 3, 1. / 3, 1. / 3}}} {
		t.Run(test.name, func(t *testing.T) {
			candidates := fleet(3)
			for i := range candidates {
				candidates[i].Weight = i + 1
			}
			const n = 30_000
			p := NewPool(candidates, Options{Policy: policy(t, test.name)})
			made, again, last := make([]float64, 3), 0., 0
			for range n {
				got := call(t, p, "m")
				made[got-1]++
				if got == last {
					again++
				}
				last = got
			}
			wantAgain := 0.
			for i, share := range test.shares {
				wantAgain += share * share
				if deviation := math.Abs(made[i]/n - share); deviation > 0.02 {
					t.Errorf("account %d made %.3f of the calls, want %.3f", i+1, made[i]/n, share)
				}
			}
			// Draws are independent: the same comes twice in a row as often as chance has it.
			if math.Abs(again/n-wantAgain) > 0.02 {
				t.Errorf("the same again in %.3f of the calls, want %.3f", again/n, wantAgain)
			}
		})
	}
}
