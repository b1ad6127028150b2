package rotator

import "time"

// Between the clients in a line stands start-time fair queueing: each client has a start tag, which says how much it was served, the
// client with the lowest is served next, and its tag moves on by what the call costs. A client that begins to wait starts from the tag
// that was served last, so nobody saves up for later by staying away. Tags move on only by what was served, so that calls which leave
// without it cost nothing.

// tokensOfACall is how many prompt tokens cost as much as a call, as in the limits of Google's free tier: 250,000 tokens and 5 calls a
// minute.
const tokensOfACall = 50_000

// maxRested bounds the clients of a line that do not wait, and are remembered because they were served more than others.
const maxRested = 1024

// line is the requests that wait for one model. lines.mu guards it.
type line struct {
	lines *lines
	model string

	flows  map[string]*flow // by client
	active roster[*flow]    // that have tickets
	order  queue            // the same, in the order in which they are served
	clock  float64          // the start tag that was served last

	tickets roster[*Ticket]
	ends    queue // the same, by when their patience ends

	timer *time.Timer // looks again when something is expected back, or when patience ends
	cause Cause       // why there was nothing at the last look
	back  int64       // when there will be something; math.MaxInt64 for never
}

// flow is the tickets of one client in a line, in the order they came.
type flow struct {
	client     *client // nil when it has none
	head, tail *Ticket
	number     int32 // in line.active
	start      float64
}

// place is where in its line a ticket stands or stood.
type place struct {
	line    *line
	arrival uint64  // counted over all lines
	start   float64 // the start tag with which it was served
}

// empty reports whether nobody waits.
func (n *line) empty() bool { return n.ends.empty() }

// enter puts a ticket into the line: last of its client's, or where it stood before.
func (n *line) enter(t *Ticket) {
	if before := t.query.Tried; before != nil && before.place.line == n {
		t.place, t.again = before.place, true
	} else {
		n.lines.arrived++
		t.place = place{line: n, arrival: n.lines.arrived}
	}
	t.number = n.tickets.add(t)
	n.ends.admit(t.number)
	n.ends.set(entry{rank: float64(t.until), id: t.number})
	n.lines.kept += t.query.Bytes
	c := n.lines.arrive(t.query.Client)
	f := n.flows[c.name]
	if f == nil {
		f = &flow{}
		n.flows[c.name] = f
	}
	if f.head == nil {
		f.client, f.start = c, max(f.start, n.clock)
		f.number = n.active.add(f)
		n.order.admit(f.number)
	}
	f.insert(t)
	n.rank(f)
}

// leave takes a ticket out of the line.
func (n *line) leave(t *Ticket) {
	f := t.flow
	n.tickets.remove(t.number)
	n.ends.drop(t.number)
	n.lines.kept -= t.query.Bytes
	n.lines.depart(f.client)
	f.remove(t)
	if f.head != nil {
		n.rank(f)
		return
	}
	n.order.drop(f.number)
	n.active.remove(f.number)
	f.client = nil
	n.tidy(f, t.query.Client)
}

// charge has a ticket's client pay for being served. Who comes back to a place has paid for it.
func (n *line) charge(t *Ticket) {
	if !t.again {
		t.place.start = t.flow.start
		t.flow.start += 1 + float64(t.query.Tokens)/tokensOfACall
	}
	n.clock = max(n.clock, t.place.start)
}

// rank puts a client where it belongs in the order.
func (n *line) rank(f *flow) {
	start := f.start
	if f.head.again {
		start = f.head.place.start
	}
	n.order.set(entry{rank: start, turn: f.head.place.arrival, id: f.number})
}

// tidy forgets what a client that waits no longer was served, when that makes no difference any more, and bounds what is left.
func (n *line) tidy(f *flow, client string) {
	switch {
	case n.empty():
		for _, rested := range n.flows {
			n.clock = max(n.clock, rested.start) // whoever comes now is served no less than they were
		}
		clear(n.flows)
	case f.start <= n.clock:
		delete(n.flows, client)
	case len(n.flows) > len(n.active.things)+maxRested:
		for name, rested := range n.flows {
			if rested.head == nil {
				delete(n.flows, name)
			}
		}
	}
}

// insert puts a ticket where it belongs by its arrival, which is at the end unless it was there before.
func (f *flow) insert(t *Ticket) {
	t.flow, t.prev = f, f.tail
	for t.prev != nil && t.prev.place.arrival > t.place.arrival {
		t.prev = t.prev.prev
	}
	if t.prev == nil {
		t.next, f.head = f.head, t
	} else {
		t.next, t.prev.next = t.prev.next, t
	}
	if t.next == nil {
		f.tail = t
	} else {
		t.next.prev = t
	}
}

func (f *flow) remove(t *Ticket) {
	if t.prev == nil {
		f.head = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		f.tail = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.flow, t.next, t.prev = nil, nil, nil
}
