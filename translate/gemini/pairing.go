package gemini

import (
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// pairing says which result answers which call of one round.
type pairing struct {
	calls []pairedCall // of the round, in order
	next  int          // the first call whose step has not been taken
	byID  map[string]*sameCalls
	// matched tells for each result of the round, in order, whether a call took it; heard counts those asked about.
	matched []bool
	heard   int
}

// pairedCall is a call with its result, which is nil when none came.
type pairedCall struct {
	call         *translate.Call
	origin       int
	result       *translate.Result
	resultOrigin int
}

// sameCalls lists calls that one key stands for: ids may repeat.
type sameCalls struct {
	indices []int
	open    int // into indices: the first that may be unanswered
}

// pairUp gives every result to the nearest call of its id that has none; a second result for a call replaces the first. Results
// without an id go by the name of the function.
func pairUp(said, back []translate.Message) pairing {
	var p pairing
	for i := range said {
		for j := range said[i].Parts {
			if part := &said[i].Parts[j]; part.Kind == translate.PartCall {
				p.calls = append(p.calls, pairedCall{call: part.Call, origin: said[i].Origin})
			}
		}
	}
	p.byID = p.index(func(c *translate.Call) string { return c.ID })
	var byName map[string]*sameCalls
	for i := range back {
		for j := range back[i].Parts {
			part := &back[i].Parts[j]
			if part.Kind != translate.PartResult {
				continue
			}
			same := p.byID[part.Result.CallID]
			if part.Result.CallID == "" {
				if byName == nil {
					byName = p.index(func(c *translate.Call) string { return c.Name })
				}
				same = byName[part.Result.Name]
			}
			p.matched = append(p.matched, p.give(same, part.Result, back[i].Origin))
		}
	}
	return p
}

func (p *pairing) index(key func(*translate.Call) string) map[string]*sameCalls {
	if len(p.calls) == 0 {
		return nil
	}
	index := make(map[string]*sameCalls, len(p.calls))
	for i := range p.calls {
		k := key(p.calls[i].call)
		if index[k] == nil {
			index[k] = new(sameCalls)
		}
		index[k].indices = append(index[k].indices, i)
	}
	return index
}

func (p *pairing) give(same *sameCalls, r *translate.Result, origin int) bool {
	if same == nil {
		return false
	}
	for same.open < len(same.indices)-1 && p.calls[same.indices[same.open]].result != nil {
		same.open++
	}
	c := &p.calls[same.indices[same.open]]
	c.result, c.resultOrigin = r, origin
	return true
}

// step takes the messages at the beginning of said that make one step of the model: up to its calls. Calls in several messages are
// parallel when any of the earlier ones is answered in this round, else their results are lost and each message is a step.
func (p *pairing) step(said []translate.Message) (messages int, calls []pairedCall) {
	begin := p.next
	answered := false
	for i := range said {
		n := countCalls(&said[i])
		if p.next > begin && (n == 0 || !answered) {
			return i, p.calls[begin:p.next]
		}
		for _, c := range p.calls[p.next : p.next+n] {
			answered = answered || c.result != nil
		}
		p.next += n
	}
	return len(said), p.calls[begin:p.next]
}

func countCalls(m *translate.Message) (n int) {
	for i := range m.Parts {
		if m.Parts[i].Kind == translate.PartCall {
			n++
		}
	}
	return n
}

// stray reports whether no call took the next result of the round.
func (p *pairing) stray() bool {
	p.heard++
	return !p.matched[p.heard-1]
}

// unique reports whether an id stands for one call of the round only.
func (p *pairing) unique(id string) bool {
	same := p.byID[id]
	return same == nil || len(same.indices) == 1
}
