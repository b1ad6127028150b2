package rotator

import (
	"math"
	"sync/atomic"
)

// estimates is how many tokens Google counted in the prompts to a model, and how many had been estimated. The quotient corrects further
// estimates, so that what is set aside of a minute's tokens is not too little, or too much, every time. Large prompts count for more,
// as they do in the quota. Safe for concurrent use; it never blocks.
type estimates struct {
	sums atomic.Uint64 // two float32, so that they change together: counted, and estimated in the lower half
}

const (
	maxEstimates = 64 // models whose estimates are corrected
	// By this many tokens estimates have been right before anything is known, so that a first small prompt decides nothing.
	estimatesPrior = 10_000
	// When so many tokens were estimated, all of them count half from then on: what prompts are like changes.
	estimatesMemory = 1_000_000
	// An estimate is at most so many times too small, or too large.
	maxCorrection = 4
)

// observe adds one prompt.
func (e *estimates) observe(estimated, counted int64) {
	for {
		old := e.sums.Load()
		c, n := unpack(old)
		c, n = c+float32(counted), n+float32(estimated)
		if n > estimatesMemory {
			c, n = c/2, n/2
		}
		if e.sums.CompareAndSwap(old, uint64(math.Float32bits(c))<<32|uint64(math.Float32bits(n))) {
			return
		}
	}
}

// correct returns what Google is likely to count for a prompt estimated to have so many tokens.
func (e *estimates) correct(tokens int64) int64 {
	if e == nil {
		return tokens
	}
	counted, estimated := unpack(e.sums.Load())
	correction := min(max((counted+estimatesPrior)/(estimated+estimatesPrior), 1./maxCorrection), maxCorrection)
	return int64(float64(tokens)*float64(correction) + 0.5)
}

func unpack(sums uint64) (counted, estimated float32) {
	return math.Float32frombits(uint32(sums >> 32)), math.Float32frombits(uint32(sums))
}

// estimated returns how well a model's prompts are estimated; nil when nothing is known, unless asked to begin, and when too many
// models are known.
func (m *Models) estimated(model string, begin bool) *estimates {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.estimates[model]
	if e == nil && begin && len(m.estimates) < maxEstimates {
		e = &estimates{}
		m.estimates[model] = e
	}
	return e
}

// observe learns how well a prompt was estimated. Only models that answer are remembered: clients can name any.
func (ix *index) observe(estimated, counted int64) {
	e := ix.estimates.Load()
	if e == nil {
		if e = ix.pool.options.Models.estimated(ix.model, true); e == nil {
			return
		}
		ix.estimates.Store(e)
	}
	e.observe(estimated, counted)
}
