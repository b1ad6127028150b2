package rotator

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// index keeps the candidates of a pool in order for one model, so that choosing one does not look at the others.
//
// Candidates are ordered in two levels, because quota belongs to groups: lanes, which are quota groups, and within a lane its
// members, which are accounts. A lane stands in exactly one place: in ready, in narrow, or put aside with a class that says why;
// a queue of wake-ups brings back what is put aside. The index is only a memory of where to look. What counts are the facts,
// which other pools change too: a lane is checked against them when it comes to the head, and put aside then. So each change
// costs a few steps in a heap, once, whatever the number of lanes.
//
// Lock order: index.mu before the locks of Group and facts. Nothing waits under any of them.
type index struct {
	pool   *Pool
	model  string
	limits rules
	joins  uint64         // what Projects knew when it was made
	busy   []atomic.Int32 // by lane: calls in flight
	survey survey
	seats  seats
	proofs []*proofs // of its backends
	names  []string  // of its backends, by shelf
	// estimates corrects the estimates of prompts; nil while there is nothing to correct them by.
	estimates atomic.Pointer[estimates]
	used      atomic.Int64 // Unix nanoseconds, to a second

	mu      sync.Mutex
	lanes   []lane
	members []member
	owner   []int32 // by member: its lane
	ready   shelves // lanes that may serve, in the order of the policy; by backend
	narrow  shelves // lanes with too few tokens left for some call, the one with the most room first; by backend
	release queue   // the same lanes, by when they will have more room
	wake    queue   // what was put aside, by when it is back: lanes by their number, members by theirs plus len(lanes)
	count   [classes]int
	turn    uint64
	floor   float64  // rank of the lane chosen last
	left    float64  // what is usual for use.left; 0 until one is known
	out     bool     // it was told that there is nothing left
	news    []Change // to be told once the lock is released
}

// class is where a lane stands.
type class uint8

const (
	classReady       class = iota
	classNarrow            // too few tokens left for some call
	classProbing           // as far beyond the hints as may be until Google has answered
	classMinute            // out of a minute's quota, or cooling briefly
	classDay               // out of a day's quota, or cooling for long
	classNotEntitled       // has no quota for the model
	classAbsent            // does not have the model
	classDisabled          // none of its accounts is usable
	classes
)

func classOf(s shortage) class {
	switch {
	case s.state == StateProbing:
		return classProbing
	case s.state == StateQuotaLong:
		return classDay
	case s.state == StateNotEntitled && s.absent:
		return classAbsent
	case s.state == StateNotEntitled:
		return classNotEntitled
	default:
		return classMinute
	}
}

// lane is a quota group with its accounts that may serve the model.
type lane struct {
	group  *Group
	facts  *facts // nil until there are some
	hints  *hints // nil for none
	from   int32  // its members are members[from:to]
	to     int32
	class  class
	until  int64 // when to look again, if not ready
	room   int64 // tokens left, if narrow
	ready  queue // members that are usable, by number from 0
	floor  float64
	weight int
	load   float64
	left   float64 // see Standing.Left
	last   uint64
}

// member is an account in a lane.
type member struct {
	candidate *Candidate
	index     int
	load      float64
	last      uint64
	until     int64   // when to look again, if not ready
	outage    *outage // why it is not ready; nil when it is
}

// newIndex puts the candidates of a pool in order for a model.
func newIndex(p *Pool, candidates []Candidate, model string, now time.Time) *index {
	ix := &index{pool: p, model: model, limits: p.limits(model)}
	ix.used.Store(now.UnixNano())
	ix.estimates.Store(p.options.Models.estimated(model, false))
	groups := make(map[*Group][]int)
	var order []*Group
	members := 0
	for i := range candidates {
		c := &candidates[i]
		if !c.serves(model) {
			continue
		}
		g := c.Group.whole()
		if groups[g] == nil {
			order = append(order, g)
		}
		groups[g] = append(groups[g], i)
		members++
	}
	ix.lanes, ix.busy = make([]lane, len(order)), make([]atomic.Int32, len(order))
	memory := newQueues(members)
	for i, g := range order {
		ix.addLane(int32(i), g, candidates, groups[g], memory)
	}
	shelf := ix.byBackend()
	ix.ready, ix.narrow, ix.release = newShelves(shelf), newShelves(shelf), newQueue(len(ix.lanes))
	ix.wake = newQueue(len(ix.lanes) + len(ix.members))
	ix.count[classReady] = len(ix.lanes)
	for i := range ix.lanes {
		ix.enqueue(int32(i))
	}
	return ix
}

// addLane makes a lane of a group and those of the candidates that are its members.
func (ix *index) addLane(id int32, g *Group, candidates []Candidate, members []int, memory *queues) {
	l := &ix.lanes[id]
	l.group, l.facts, l.load = g, g.known(ix.model), math.Inf(-1)
	l.hints = ix.pool.options.Models.hintsFor(candidates[members[0]].Backend, ix.model)
	if l.hints != nil && !slices.Contains(ix.proofs, &l.hints.proofs) {
		ix.proofs = append(ix.proofs, &l.hints.proofs)
	}
	if l.facts != nil {
		l.facts.heed(l.hints, ix.used.Load())
		ix.note(l, l.facts.use(ix.used.Load(), &ix.limits))
	}
	l.from = int32(len(ix.members))
	l.ready = memory.cut(len(members))
	for _, c := range members {
		m := member{candidate: &candidates[c], index: c, load: math.Inf(-1)}
		l.weight = max(l.weight, m.candidate.Weight, 1)
		ix.members = append(ix.members, m)
		ix.owner = append(ix.owner, id)
	}
	l.to = int32(len(ix.members))
	for i := l.from; i < l.to; i++ {
		ix.enqueueMember(l, i)
	}
}

// byBackend names the backends, and returns which of them is which lane's.
func (ix *index) byBackend() []int32 {
	shelf := make([]int32, len(ix.lanes))
	for i := range ix.lanes {
		name := ix.members[ix.lanes[i].from].candidate.Backend
		n := slices.Index(ix.names, name)
		if n < 0 {
			n = len(ix.names)
			ix.names = append(ix.names, name)
		}
		shelf[i] = int32(n)
	}
	return shelf
}

// enqueue puts a lane into ready, where the policy wants it.
func (ix *index) enqueue(id int32) {
	l := &ix.lanes[id]
	s := Standing{Index: ix.members[l.from].index, Weight: l.weight, Load: l.load, Left: l.left, Last: l.last, Floor: ix.floor}
	if ix.pool.volatile {
		s = ix.inspect(s, l, l.from, l.to)
	}
	rank := ix.rank(s)
	ix.ready.set(entry{rank: rank, turn: l.last, id: id})
}

// note remembers how much a lane is used. What is left counts in comparison to what is usual, so that a group of which no limit is
// known ranks like the others, and nothing jumps when the first limit is learned.
func (ix *index) note(l *lane, u use) {
	const inertia = 16 // choices over which the usual follows
	l.load, l.left = u.load, 0
	if math.IsNaN(u.left) {
		return
	}
	if ix.left == 0 {
		ix.left = u.left
	}
	l.left = u.left - ix.left
	ix.left += l.left / inertia
}

// enqueueMember puts a member into its lane's ready.
func (ix *index) enqueueMember(l *lane, id int32) {
	m := &ix.members[id]
	s := Standing{Index: m.index, Weight: max(m.candidate.Weight, 1), Load: m.load, Last: m.last, Floor: l.floor}
	if ix.pool.volatile {
		s = ix.inspect(s, l, id, id+1)
	}
	rank := ix.rank(s)
	l.ready.set(entry{rank: rank, turn: m.last, id: id - l.from})
}

// inspect adds what only volatile policies want to know, of members of a lane.
func (ix *index) inspect(s Standing, l *lane, from, to int32) Standing {
	s.Credential = ix.members[from].candidate.Credential
	for _, m := range ix.members[from:to] {
		s.Errors += m.candidate.errors.Load()
		s.InFlight += m.candidate.inFlight.Load()
	}
	s.RPMLeft, s.RPDLeft, s.TPMLeft = l.current(ix.model).rest(time.Now().UnixNano(), &ix.limits)
	return s
}

// rerank asks the policy again about a member of a lane whose call is over.
func (ix *index) rerank(lane, member int32) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	l := &ix.lanes[lane]
	if l.ready.has(member - l.from) {
		ix.enqueueMember(l, member)
	}
	if l.class == classReady {
		ix.enqueue(lane)
	}
}

// rerankAccount is rerank for the member that is an account, if there is one. It does not take the lock to find it: who is a member never
// changes.
func (ix *index) rerankAccount(a *Account) {
	for i := range ix.members {
		if ix.members[i].candidate.Account == a {
			ix.rerank(ix.owner[i], int32(i))
			return
		}
	}
}

func (ix *index) rank(s Standing) float64 {
	rank := ix.pool.options.Policy.Rank(s)
	if math.IsNaN(rank) { // would have no place in an order
		return math.Inf(1)
	}
	return rank
}

// move puts a lane where it belongs now. until is when to look at it again.
func (ix *index) move(id int32, to class, until int64) {
	l := &ix.lanes[id]
	switch ix.count[l.class]--; l.class {
	case classReady:
		ix.ready.drop(id)
	case classNarrow:
		ix.narrow.drop(id)
		ix.release.drop(id)
	default:
		ix.wake.drop(id)
	}
	ix.count[to]++
	l.class, l.until = to, until
	switch to {
	case classReady:
		ix.enqueue(id)
	case classNarrow:
		ix.narrow.set(entry{rank: -float64(l.room), id: id})
		ix.release.set(entry{rank: float64(until), id: id})
	case classDisabled: // its members bring it back
	default:
		ix.wake.set(entry{rank: float64(until), id: id})
	}
}

// putAway takes a member out that is not usable.
func (ix *index) putAway(l *lane, id int32, o *outage) {
	m := &ix.members[id]
	m.outage = o
	l.ready.drop(id - l.from)
	if o.until.IsZero() {
		ix.wake.drop(ix.alarm(id))
		return
	}
	m.until = o.until.UnixNano()
	ix.wake.set(entry{rank: float64(m.until), id: ix.alarm(id)})
}

// alarm is the number of a member in wake.
func (ix *index) alarm(member int32) int32 { return int32(len(ix.lanes)) + member }

// wakeUp brings back what is due.
func (ix *index) wakeUp(now time.Time) {
	nanos, lanes := now.UnixNano(), int32(len(ix.lanes))
	for !ix.release.empty() {
		id := ix.release.order[0].id
		if ix.lanes[id].until > nanos {
			break
		}
		ix.move(id, classReady, 0)
	}
	for !ix.wake.empty() {
		id := ix.wake.order[0].id
		if id < lanes {
			if ix.lanes[id].until > nanos {
				break
			}
			ix.review(id, nanos)
			continue
		}
		if ix.members[id-lanes].until > nanos {
			break
		}
		ix.reviewMember(id-lanes, now)
	}
}

// review looks again at a lane that was put aside.
func (ix *index) review(id int32, now int64) {
	l := &ix.lanes[id]
	f := l.current(ix.model)
	if s := f.shortage(now, &ix.limits); s.state != "" {
		ix.move(id, classOf(s), s.until)
		return
	}
	ix.move(id, classReady, 0)
	if f.recovered(now) {
		ix.news = append(ix.news, Change{Credential: ix.members[l.from].candidate.Credential, State: StateReady, Model: ix.model})
	}
}

// reviewMember looks again at a member that was put away.
func (ix *index) reviewMember(id int32, now time.Time) {
	m := &ix.members[id]
	lane := ix.owner[id]
	l := &ix.lanes[lane]
	if o := m.candidate.unusable(now); o != nil {
		ix.putAway(l, id, o)
		ix.noteOutage(m.candidate, o)
		return
	}
	if m.outage.told.Load() && m.outage.toldEnd.CompareAndSwap(false, true) {
		ix.news = append(ix.news, Change{Credential: m.candidate.Credential, State: StateReady})
	}
	m.outage = nil
	ix.wake.drop(ix.alarm(id))
	ix.enqueueMember(l, id)
	if l.class == classDisabled {
		ix.move(lane, classReady, 0)
	}
}

// giveBack looks at a lane again because something was given back to its group.
func (ix *index) giveBack(id int32, now time.Time) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.regain(id, now)
}

func (ix *index) regain(id int32, now time.Time) {
	switch ix.lanes[id].class {
	case classNarrow:
		ix.move(id, classReady, 0)
	case classProbing, classMinute, classDay:
		ix.review(id, now.UnixNano())
	case classReady, classNotEntitled, classAbsent, classDisabled, classes: // it was not put aside for what was given back
	}
}

// takeBack looks at a choice again because its account or its group was marked. Without that it would be found out when it comes
// to the head; but only what was put aside is missed when it is back.
func (ix *index) takeBack(c *choice, now time.Time) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	l := &ix.lanes[c.lane]
	if o := c.candidate.unusable(now); o != nil && l.ready.has(c.member-l.from) {
		ix.putAway(l, c.member, o)
	}
	if l.class != classReady && l.class != classNarrow {
		return
	}
	if s := l.current(ix.model).shortage(now.UnixNano(), &ix.limits); s.state != "" {
		ix.move(c.lane, classOf(s), s.until)
	}
}

// current returns the facts of the lane for the model.
func (l *lane) current(model string) *facts {
	if l.facts == nil || l.facts.evicted.Load() {
		l.facts = l.group.facts(model)
		l.facts.heed(l.hints, time.Now().UnixNano())
	}
	return l.facts
}
