package rotator

import (
	"sync"
	"time"
)

// What a budget allows besides its share.
const (
	firstRetries = 10          // at the start they may be made in advance, and are earned afterwards
	maxRetries   = 100         // so many can be saved up: a long calm must not pay for a storm
	retryAnyway  = time.Minute // after so long without a retry there is always one, for pools with little to do
)

// Budget bounds how many of a pool's calls may be retries of calls that failed. When Google as a whole is in trouble, retries would
// multiply the load and the waiting without many being served; then most requests are better told at once. A Budget is safe for
// concurrent use.
type Budget struct {
	share  float64       // of one that each request earns
	most   float64       // so many can be saved up
	anyway time.Duration // after so long without one there is always one; 0 for never

	mu    sync.Mutex
	saved float64
	owed  float64 // of the first retries
	last  time.Time
}

// NewBudget returns a budget of so many retries for each request: 0.2 is one for five.
func NewBudget(share float64) *Budget {
	return &Budget{share: share, most: maxRetries, anyway: retryAnyway, saved: firstRetries, owed: firstRetries, last: time.Now()}
}

// Earn counts the first call of a request.
func (b *Budget) Earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.owed > 0 {
		b.owed -= b.share
		return
	}
	b.saved = min(b.saved+b.share, b.most)
}

// Spend reports whether a retry may be made, and counts it.
func (b *Budget) Spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	switch {
	case b.saved >= 1:
		b.saved--
	case b.anyway == 0 || now.Sub(b.last) < b.anyway:
		return false
	}
	b.last = now
	return true
}

// refund takes back a Spend that came to nothing.
func (b *Budget) refund() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.saved = min(b.saved+1, b.most)
}
