package rotator

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// lines is where the requests of a pool wait: one line for each model. While nobody waits, nothing of it runs.
//
// Leases are handed out by whoever frees something, and by a timer for each line that ends when something is expected back. Whoever
// frees something first frees it and then looks whether anybody waits; whoever waits first says so and then looks whether something is
// free. So one of the two sees the other.
//
// Lock order: lines.mu before all locks of the pool.
type lines struct {
	pool    *Pool
	waiting atomic.Int32

	mu      sync.Mutex
	models  map[string]*line
	clients roster[*client]
	known   map[string]*client
	crowd   queue  // clients that wait, the one with the most places first
	arrived uint64 // tickets so far
	kept    int64  // bytes, by those that wait
	news    []Change
}

// crowded reports whether more wait than may.
func (w *lines) crowded() bool {
	waiting := int(w.waiting.Load())
	return waiting > w.pool.options.Queue || waiting > 1 && w.kept > w.pool.options.QueueBytes
}

// client is whose requests wait.
type client struct {
	name   string
	number int32 // in lines.clients
	places int
}

func newLines(p *Pool) *lines {
	return &lines{pool: p, models: make(map[string]*line), known: make(map[string]*client)}
}

// queued is how many requests wait.
func (p *Pool) queued() int { return int(p.lines.waiting.Load()) }

// unlock releases the lock and then tells what has changed.
func (w *lines) unlock() {
	news := w.news
	w.news = nil
	w.mu.Unlock()
	w.pool.tell(news)
}

// ahead returns why a call has to wait its turn; nil when nobody waits for the model.
func (w *lines) ahead(model string, now time.Time) *Exhausted {
	if w.waiting.Load() == 0 {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.models[model]
	if n == nil || n.empty() {
		return nil
	}
	return &Exhausted{Model: model, Cause: n.cause, RetryAfter: max(n.wait(now), 1)}
}

// line returns the line of a model.
func (w *lines) line(model string) *line {
	if n := w.models[model]; n != nil {
		return n
	}
	if len(w.models) >= maxIndexes {
		maps.DeleteFunc(w.models, func(_ string, n *line) bool { return n.empty() })
	}
	n := &line{lines: w, model: model, flows: make(map[string]*flow)}
	w.models[model] = n
	return n
}

// arrive counts a place of a client.
func (w *lines) arrive(name string) *client {
	c := w.known[name]
	if c == nil {
		c = &client{name: name}
		c.number = w.clients.add(c)
		w.crowd.admit(c.number)
		w.known[name] = c
	}
	c.places++
	w.crowd.set(entry{rank: -float64(c.places), id: c.number})
	if w.waiting.Add(1) == 1 {
		w.pool.options.Models.bell.add(w)
	}
	return c
}

// depart counts a place less.
func (w *lines) depart(c *client) {
	if c.places--; c.places > 0 {
		w.crowd.set(entry{rank: -float64(c.places), id: c.number})
	} else {
		w.crowd.drop(c.number)
		w.clients.remove(c.number)
		delete(w.known, c.name)
	}
	if w.waiting.Add(-1) == 0 {
		w.pool.options.Models.bell.remove(w)
	}
}

// newest is the ticket of a client that came last, in whatever line.
func (w *lines) newest(c *client) *Ticket {
	var newest *Ticket
	for _, n := range w.models {
		if f := n.flows[c.name]; f != nil && f.tail != nil && (newest == nil || f.tail.place.arrival > newest.place.arrival) {
			newest = f.tail
		}
	}
	return newest
}

// offer gives a ticket a lease if there is one for it, else it says why not.
func (w *lines) offer(t *Ticket, now time.Time) *Exhausted {
	lease, exhausted, news := w.pool.acquire(now, &t.query)
	w.news = append(w.news, news...)
	if exhausted != nil {
		if exhausted.Cause == CauseRate && !exhausted.mended(now, t.until) && w.pool.index(t.query.Model, now).dare(now) {
			return w.offer(t, now)
		}
		return exhausted
	}
	lease.tried = t.tried
	t.lease = lease
	t.note(now, nil)
	close(t.ready)
	return nil
}

// serve has all lines hand out what there is.
func (w *lines) serve() { w.each(func(n *line, now time.Time) { n.serve(now, nil) }) }

// each does something with all lines in which somebody waits.
func (w *lines) each(do func(*line, time.Time)) {
	if w.waiting.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.unlock()
	now := time.Now()
	for _, n := range w.models {
		if !n.empty() {
			do(n, now)
		}
	}
}

// roster numbers things from 0 on. Numbers of things that are gone are used again.
type roster[T any] struct {
	things []T
	free   []int32
}

func (r *roster[T]) add(thing T) int32 {
	if n := len(r.free); n > 0 {
		number := r.free[n-1]
		r.free = r.free[:n-1]
		r.things[number] = thing
		return number
	}
	r.things = append(r.things, thing)
	return int32(len(r.things) - 1)
}

func (r *roster[T]) remove(number int32) {
	var none T
	r.things[number] = none
	r.free = append(r.free, number)
}
