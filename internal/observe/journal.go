package observe

import (
	"sync"
	"unsafe"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
)

// Bounds of the journal: enough for an operator to look up what a user has just complained about.
const (
	maxExchanges = 1000
	maxBytes     = 8 << 20
)

// recent is the journal of all handlers. Like a metric it belongs to the process, and outlives configurations.
var recent journal

// journal is the exchanges about a model that ended last, the newest kept at the cost of the oldest. It is safe for concurrent use.
type journal struct {
	mu      sync.Mutex
	records [maxExchanges]*gateway.Record // a ring
	next    int                           // where in records the next one goes
	count   int                           // how many there are
	bytes   int                           // what they weigh
}

// Explain tells how an exchange went, by its x-request-id. It knows the exchanges about a model that ended last, up to a thousand, of
// all handlers.
func Explain(id string) (gateway.Explanation, bool) {
	record := recent.find(id)
	if record == nil {
		return gateway.Explanation{}, false
	}
	return record.Explain(), true
}

// add keeps a record, which must not change any more. What no model was asked for is not kept: health checks, and requests of whoever
// may not use the gateway, would soon be all there is.
func (j *journal) add(r *gateway.Record) {
	if r.Model == "" {
		return
	}
	heft := weight(r)
	if heft > maxBytes {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.count == maxExchanges || j.bytes+heft > maxBytes {
		j.dropOldest()
	}
	j.records[j.next] = r
	j.next = (j.next + 1) % maxExchanges
	j.count++
	j.bytes += heft
}

func (j *journal) dropOldest() {
	oldest := &j.records[(j.next-j.count+maxExchanges)%maxExchanges]
	j.bytes -= weight(*oldest)
	j.count--
	*oldest = nil
}

// find returns the newest record with an ID, nil if there is none.
func (j *journal) find(id string) *gateway.Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.count {
		if r := j.records[(j.next-1-i+maxExchanges)%maxExchanges]; r.RequestID == id {
			return r
		}
	}
	return nil
}

// weight is how many bytes a record keeps in memory that it does not share with others. The client chose the name of the model, Google
// the words of the outcomes: neither has a length that can be relied on. Not counted is how accounts were chosen: the pool notes some
// kilobytes of that at most.
func weight(r *gateway.Record) int {
	n := int(unsafe.Sizeof(*r)) + len(r.RequestID) + len(r.Model)
	for i := range r.Tries {
		n += int(unsafe.Sizeof(r.Tries[i])) + len(r.Tries[i].Outcome)
	}
	return n
}
