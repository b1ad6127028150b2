package rotator

import (
	"hash/maphash"
	"sync"
	"time"
)

// Affinity is which account served a conversation last. Google keeps the beginning of a prompt that it has seen before, for the project
// that sent it, and then needs less time and counts fewer tokens; so the next request of the conversation is best served there. While
// the account's group has room for it and the account is usable, that is what happens; else the policy chooses, and the conversation
// moves. Affinity is a fact about the world, so all pools share one. It is bounded and safe for concurrent use.
type Affinity struct {
	seed maphash.Seed

	mu     sync.Mutex
	recent map[conversation]served
	before map[conversation]served // those that recent had when it was full; what is used of them moves there again
}

// conversation is one conversation with one model.
type conversation struct{ hash, model uint64 }

type served struct {
	account string // its fingerprint
	at      int64  // Unix nanoseconds
}

// maxConversations bounds the conversations remembered at once.
const maxConversations = 1 << 16

// NewAffinity returns an Affinity that knows of no conversation.
func NewAffinity() *Affinity {
	return &Affinity{seed: maphash.MakeSeed(), recent: make(map[conversation]served)}
}

// last returns who served a conversation last.
func (a *Affinity) last(c conversation) (served, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, known := a.recent[c]
	if !known {
		s, known = a.before[c]
	}
	return s, known
}

// note remembers who serves a conversation.
func (a *Affinity) note(c conversation, s served) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.recent) >= maxConversations/2 {
		a.recent, a.before = make(map[conversation]served), a.recent
	}
	a.recent[c] = s
}

// seats is where the accounts sit in an index.
type seats struct {
	model   uint64           // hash of its name
	numbers map[string]int32 // of candidates, by fingerprint; all indexes of a view share it
	members []int32          // by number; -1 for those that may not serve the model
}

// numbers gives every candidate its number.
func (a *Affinity) numbers(candidates []Candidate) map[string]int32 {
	if a == nil {
		return nil
	}
	numbers := make(map[string]int32, len(candidates))
	for i := range candidates {
		numbers[candidates[i].Account.id] = int32(i)
	}
	return numbers
}

// seat finds the members of an index.
func (a *Affinity) seat(ix *index, numbers map[string]int32, candidates int) {
	if a == nil {
		return
	}
	ix.seats = seats{maphash.String(a.seed, ix.model), numbers, make([]int32, candidates)}
	for i := range ix.seats.members {
		ix.seats.members[i] = -1
	}
	for i := range ix.members {
		ix.seats.members[ix.members[i].index] = int32(i)
	}
}

// home is the member that served the call's conversation last; -1 for none.
func (ix *index) home(now time.Time, q *Query) int32 {
	o := &ix.pool.options
	if o.Affinity == nil || o.AffinityFor <= 0 {
		return -1
	}
	s, known := o.Affinity.last(conversation{q.Conversation, ix.seats.model})
	if !known || now.UnixNano()-s.at >= int64(o.AffinityFor) {
		return -1
	}
	number, known := ix.seats.numbers[s.account]
	if !known {
		return -1
	}
	return ix.seats.members[number]
}

// stay gives a call to the member that served its conversation last, or to another of the same group, which is as good. It reports
// whether there is room for it there.
func (ix *index) stay(now time.Time, q *Query, home int32, c *choice) bool {
	id := ix.owner[home]
	l := &ix.lanes[id]
	if l.class != classReady && l.class != classNarrow || q.Tried.group(l.group, avoidAll) {
		return false
	}
	m := entry{rank: l.floor, id: home - l.from}
	account := ix.members[home].candidate.Account
	if account.unusable(now) != nil || !l.ready.has(m.id) || q.Tried.account(account, avoidAll) {
		var found finding
		if m, found = ix.pick(l, now, q.Tried, avoidAll); found != taken {
			return false
		}
	}
	if ix.book(entry{rank: ix.floor, id: id}, m, now.UnixNano(), q.Tokens, c) != taken {
		return false
	}
	c.why = byAffinity
	return true
}

// settleDown remembers who serves the call's conversation.
func (ix *index) settleDown(now time.Time, q *Query, c *choice) {
	if o := &ix.pool.options; o.Affinity != nil && o.AffinityFor > 0 {
		o.Affinity.note(conversation{q.Conversation, ix.seats.model}, served{c.candidate.Account.id, now.UnixNano()})
	}
}
