package rotator

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Policy says in which order the pool uses what is ready. It ranks quota groups, because quota belongs to them, and then the
// accounts within the group that comes first: the lowest rank goes first; among equals the one with fewer calls in flight, then
// the one that was not used for longest.
//
// A rank is asked for only when a candidate becomes ready and after each time it was chosen, or, for a policy that is Volatile, after each
// call too; in between the pool keeps it in a heap. So choosing costs the same whatever the policy and, but for a logarithm, the number
// of accounts. Rank is called by many goroutines at once and under a lock of the pool: it must be fast, keep no state and not call the
// pool.
type Policy interface {
	Rank(s Standing) float64
}

// Volatile may be implemented by policies whose rank depends on how calls go. If it reports true, the rank of a candidate is asked for
// again when a call of it ends, and Standing has what such a policy may want to know.
type Volatile interface {
	Volatile() bool
}

// Standing is what a policy knows of a candidate: a quota group for one model, or an account within a group.
type Standing struct {
	// Index is its place in the configuration, from 0; that of a group is its first account's.
	Index int
	// Weight is at least 1; that of a group is its heaviest account's, since further keys of a project bring no further quota.
	Weight int
	// Load is the binary logarithm of its recent calls for this model, of which each counts half when it is 40 seconds old, half of
	// that after 40 more, and so on. Only differences mean something: 1 more is twice as many. It is -Inf when there was no call.
	Load float64
	// Left is how many calls the group's limits leave it until its day ends, as far as limits are known: by how many doublings that is
	// more than is usual in the pool. It is 0 when no limit is known, and for an account within a group.
	Left float64
	// Last is the number of the choice at which it was last chosen, counted from 1; 0 for never.
	Last uint64
	// Floor is the rank of whatever was chosen last.
	Floor float64

	// The rest is only there for a policy that is Volatile.

	// Credential is the account's; that of a group is its first account's. It must not be changed.
	Credential *Credential
	// RPMLeft, RPDLeft and TPMLeft are what the group's limits leave it: calls of the minute, calls of the day, prompt tokens of the
	// minute. Each is +Inf when no limit is known.
	RPMLeft, RPDLeft, TPMLeft float64
	// Errors is how many calls have failed, and InFlight how many are under way, for all models; those of a group are the sums.
	Errors, InFlight int64
}

// NewPolicy returns the policy of that name. Its error names what is wrong with the name or the arguments.
func NewPolicy(name string, args []string) (Policy, error) {
	policies := map[string]Policy{
		"headroom": headroom{}, "round_robin": roundRobin{}, "fill_first": fillFirst{}, "weighted": weighted{}, "random": random{},
	}
	p, known := policies[name]
	switch {
	case !known:
		return nil, fmt.Errorf("unknown policy %q: want headroom, round_robin, fill_first, weighted or random", name)
	case len(args) > 0:
		return nil, fmt.Errorf("policy %s takes no arguments", name)
	}
	return p, nil
}

// headroom prefers who had the fewest recent calls for its weight and for what its limits leave it: who has half as much left of its
// day gets half as many calls, so that all last equally long. Loads less than a tenth apart count as equal, so that the calls in
// flight decide between them.
type headroom struct{}

func (headroom) Rank(s Standing) float64 {
	const steps = 8 // to a doubling
	load := s.Load - s.Left
	if s.Weight > 1 {
		load -= math.Log2(float64(s.Weight))
	}
	return math.Floor(load * steps)
}

// roundRobin takes turns.
type roundRobin struct{}

func (roundRobin) Rank(s Standing) float64 { return float64(s.Last) }

// fillFirst takes the first in the configuration as long as that is ready.
type fillFirst struct{}

func (fillFirst) Rank(s Standing) float64 { return float64(s.Index) }

// weighted chooses at random, each as often as its weight says. Every candidate draws the moment of its next turn from the
// exponential distribution of its weight; because that distribution has no memory, whose turn comes first is an independent
// weighted draw.
type weighted struct{}

func (weighted) Rank(s Standing) float64 { return s.Floor + draw()/float64(s.Weight) }

// random chooses at random, each equally often.
type random struct{}

func (random) Rank(s Standing) float64 { return s.Floor + draw() }

// draw is from the exponential distribution.
func draw() float64 { return rand.ExpFloat64() } //nolint:gosec // chance, not secrecy
