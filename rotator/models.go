package rotator

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// maxOverloaded bounds the models remembered as overloaded at once: clients can name any model.
const maxOverloaded = 64

// Models is what is known about models whatever account asks: which are overloaded for everybody, which makes it a circuit breaker per
// model, how well prompts are estimated, which limits Google has named to some groups, and how much it was seen to take of others. It
// holds facts about the world, so all handlers share one. It is safe for concurrent use.
type Models struct {
	mu sync.Mutex // for writers
	// until is never changed in place, so that reading it takes no lock.
	until     atomic.Pointer[map[string]time.Time]
	estimates map[string]*estimates
	hints     map[hinted]*hints

	bell bell // whoever shares what is known of models shares accounts and groups too
}

// NewModels returns a Models that knows of no overloaded model.
func NewModels() *Models {
	m := &Models{estimates: make(map[string]*estimates), hints: make(map[hinted]*hints)}
	m.until.Store(&map[string]time.Time{})
	return m
}

// overload marks a model until a moment; a mark that lasts longer stays. It reports whether the model was not marked before.
func (m *Models) overload(model string, until, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := maps.Clone(*m.until.Load())
	maps.DeleteFunc(next, func(_ string, until time.Time) bool { return !until.After(now) })
	old, known := next[model]
	if old.After(until) || !known && len(next) >= maxOverloaded {
		return false
	}
	next[model] = until
	m.until.Store(&next)
	return !known
}

// overloaded returns until when a model is overloaded; the zero time when it is not.
func (m *Models) overloaded(model string, now time.Time) time.Time {
	marks := *m.until.Load()
	if len(marks) == 0 {
		return time.Time{}
	}
	if until := marks[model]; until.After(now) {
		return until
	}
	return time.Time{}
}
