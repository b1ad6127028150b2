package rotator

import "cmp"

// queue is a priority queue of the numbers from 0 to n-1: the lowest rank first, among equal ranks the lowest turn, and then the
// lowest number. Its order is a heap with four children a node, which keeps it shallow: five levels hold 341 entries, seven hold
// 5,461.
type queue struct {
	order []entry
	place []int32 // by number: where it stands in order, -1 where it does not
}

type entry struct {
	rank float64
	turn uint64
	id   int32
}

const fanout = 4

func newQueue(n int) queue { return newQueues(n).cut(n) }

// queues is memory for many small queues, side by side.
type queues struct {
	order []entry
	place []int32
}

func newQueues(n int) *queues { return &queues{order: make([]entry, n), place: make([]int32, n)} }

// cut makes a queue of n numbers.
func (m *queues) cut(n int) queue {
	q := queue{order: m.order[:0:n], place: m.place[:n:n]}
	m.order, m.place = m.order[n:], m.place[n:]
	for i := range q.place {
		q.place[i] = -1
	}
	return q
}

func (e *entry) before(o *entry) bool {
	switch {
	case e.rank != o.rank:
		return e.rank < o.rank
	case e.turn != o.turn:
		return e.turn < o.turn
	default:
		return e.id < o.id
	}
}

func (q *queue) empty() bool { return len(q.order) == 0 }

// admit lets a number take part, when it is not known from the start how many there will be.
func (q *queue) admit(id int32) {
	for int(id) >= len(q.place) {
		q.place = append(q.place, -1)
	}
}

func (q *queue) has(id int32) bool { return q.place[id] >= 0 }

// set adds id, or moves it to where its new rank belongs.
func (q *queue) set(e entry) {
	at := int(q.place[e.id])
	if at < 0 {
		at = len(q.order)
		q.order = append(q.order, e)
	}
	q.settle(at, e)
}

// drop removes id if it is there.
func (q *queue) drop(id int32) {
	at := int(q.place[id])
	if at < 0 {
		return
	}
	q.place[id] = -1
	last := len(q.order) - 1
	e := q.order[last]
	q.order = q.order[:last]
	if at < last {
		q.settle(at, e)
	}
}

// settle puts e where it belongs, when the slot at is free for it.
func (q *queue) settle(at int, e entry) {
	for at > 0 {
		parent := (at - 1) / fanout
		if !e.before(&q.order[parent]) {
			break
		}
		q.put(at, q.order[parent])
		at = parent
	}
	for {
		child := at*fanout + 1
		if child >= len(q.order) {
			break
		}
		for i := child + 1; i < min(at*fanout+1+fanout, len(q.order)); i++ {
			if q.order[i].before(&q.order[child]) {
				child = i
			}
		}
		if !q.order[child].before(&e) {
			break
		}
		q.put(at, q.order[child])
		at = child
	}
	q.put(at, e)
}

func (q *queue) put(at int, e entry) {
	q.order[at] = e
	q.place[e.id] = int32(at)
}

// first is the head of the queue. Where the next few have the same rank, the one with the least work in hand goes first.
func (q *queue) first(busy func(id int32) int32) entry {
	head := q.order[0]
	next := q.order[1:min(1+fanout, len(q.order))]
	least := int32(-1)
	for i := range next {
		if e := &next[i]; e.rank == q.order[0].rank {
			if least < 0 {
				least = busy(head.id)
			}
			if n := busy(e.id); n < least {
				head, least = *e, n
			}
		}
	}
	return head
}

// shelves are queues of the same numbers side by side, of which each number stands in one: a shelf is passed over without a look at what
// is on it.
type shelves struct {
	queues []queue
	of     []int32 // by number: its queue
}

// newShelves makes a shelf for each of the values that of has.
func newShelves(of []int32) shelves {
	var sizes []int
	for _, shelf := range of {
		for int(shelf) >= len(sizes) {
			sizes = append(sizes, 0)
		}
		sizes[shelf]++
	}
	s := shelves{queues: make([]queue, len(sizes)), of: of}
	memory := newQueue(len(of))
	for i, size := range sizes {
		s.queues[i] = queue{order: memory.order[:0:size], place: memory.place}
		memory.order = memory.order[size:size:cap(memory.order)]
	}
	return s
}

func (s *shelves) set(e entry) { s.queues[s.of[e.id]].set(e) }

func (s *shelves) drop(id int32) { s.queues[s.of[id]].drop(id) }

// first is the first of the heads of all shelves that are not passed over, as in a queue. It reports false if there is none.
func (s *shelves) first(busy func(id int32) int32, pass func(shelf int32) bool) (head entry, found bool) {
	for i := range s.queues {
		q := &s.queues[i]
		if q.empty() || pass(int32(i)) {
			continue
		}
		e := q.first(busy)
		if !found || e.rank < head.rank || e.rank == head.rank && cmp.Or(cmp.Compare(busy(e.id), busy(head.id)), cmp.Compare(e.turn, head.turn)) < 0 {
			head, found = e, true
		}
	}
	return head, found
}

// passNone is to pass over no shelf.
func passNone(int32) bool { return false }
