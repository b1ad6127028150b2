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

func TestShelvesGiveTheFirstOfAll(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const n = 60
	of := make([]int32, n)
	for i := range of {
		of[i] = int32(r.IntN(3))
	}
	all, s := newQueue(n), newShelves(of)
	idle := func(int32) int32 { return 0 }
	for range 5000 {
		if id := int32(r.IntN(n)); r.IntN(3) == 0 {
			all.drop(id)
			s.drop(id)
		} else {
			e := entry{rank: float64(r.IntN(5)), turn: r.Uint64(), id: id}
			all.set(e)
			s.set(e)
		}
		got, found := s.first(idle, passNone)
		if found == all.empty() || found && got != all.order[0] {
			t.Fatalf("got %+v (%v), want the head of %+v", got, found, all.order)
		}
		if got, found := s.first(idle, func(shelf int32) bool { return shelf != 1 }); found && of[got.id] != 1 {
			t.Fatalf("%+v is on a shelf that is passed over", got)
		}
	}
	two := newShelves([]int32{0, 1})
	two.set(entry{turn: 1, id: 0})
	two.set(entry{turn: 2, id: 1})
	if got, _ := two.first(func(id int32) int32 { return 1 - id }, passNone); got.id != 1 {
		t.Error("among equals, one that has work in hand goes before one on another shelf that has none")
	}
}
