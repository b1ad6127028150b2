package rotator

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestQueueGivesTheLowestRankFirst(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n = 300
	q := newQueue(n)
	in := make(map[int32]entry)
	for range 20_000 {
		id := int32(r.IntN(n))
		if r.IntN(3) == 0 {
			q.drop(id)
			delete(in, id)
		} else {
			e := entry{rank: float64(r.IntN(50)), turn: r.Uint64N(50), id: id}
			q.set(e)
			in[id] = e
		}
		if len(q.order) != len(in) {
			t.Fatalf("%d entries, want %d", len(q.order), len(in))
		}
		for i, e := range q.order {
			if in[e.id] != e || int(q.place[e.id]) != i {
				t.Fatalf("entry %d is %+v at place %d, want %+v", i, e, q.place[e.id], in[e.id])
			}
			if head := q.order[0]; e.before(&head) {
				t.Fatalf("%+v is behind %+v", e, head)
			}
		}
	}
	var out []entry
	for !q.empty() {
		out = append(out, q.order[0])
		q.drop(q.order[0].id)
	}
	if !slices.IsSortedFunc(out, func(a, b entry) int {
		switch {
		case a.before(&b):
			return -1
		case b.before(&a):
			return 1
		}
		return 0
	}) {
		t.Error("the queue is not in order")
	}
}
