// Package signatures remembers the thought signatures of tool calls for clients that do not carry them. Most do not: OpenAI's protocol
// has no place for them, and SDKs drop the fields they do not know.
package signatures

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// How much is remembered, and for how long after it was last of use.
const (
	limit = 64 << 20 // bytes
	life  = 24 * time.Hour
	// upkeep is about what an entry takes beside its value, in bytes: itself, its place in the order, and its keys in the index.
	upkeep = 480
)

// Cache holds signatures by their keys, of which each has one or two, and forgets those first that have been of no use for longest. It is
// a help and no store: what is lost is replaced by a value that Google documents for the purpose. Safe for concurrent use. The zero
// value is not ready: see NewCache.
type Cache struct {
	limit int

	some  atomic.Bool // anything was ever kept
	mu    sync.Mutex
	byKey map[Key]*list.Element
	order list.List // of *entry, the one used last first; so the one that ends first is last
	bytes int
}

type entry struct {
	signature translate.Signature
	keys      [2]Key // the zero Key is none
	until     time.Time
}

func (e *entry) size() int { return len(e.signature.Value) + upkeep }

// NewCache returns a Cache that holds nothing.
func NewCache() *Cache { return &Cache{limit: limit, byKey: make(map[Key]*list.Element)} }

// Empty reports whether nothing was ever kept, so that there is no use in making keys to look for. It takes no lock.
func (c *Cache) Empty() bool { return !c.some.Load() }

// Keep remembers a signature under its keys. What it replaces is found no more.
func (c *Cache) Keep(s translate.Signature, keys [2]Key) {
	if s.IsZero() || len(s.Value) > translate.MaxSignature || keys == [2]Key{} {
		return
	}
	now := time.Now()
	e := &entry{signature: s, keys: keys, until: now.Add(life)}
	c.mu.Lock()
	defer c.mu.Unlock()
	place := c.order.PushFront(e)
	c.bytes += e.size()
	for _, key := range keys {
		if key != (Key{}) {
			c.byKey[key] = place
		}
	}
	for last := c.order.Back(); c.bytes > c.limit || last.Value.(*entry).until.Before(now); last = c.order.Back() {
		c.forget(last)
	}
	c.some.Store(true)
}

// Find returns the signature kept under a key, and keeps it for longer; none when there is none.
func (c *Cache) Find(key Key) translate.Signature {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	place, ok := c.byKey[key]
	if !ok {
		return translate.Signature{}
	}
	e := place.Value.(*entry)
	if e.until.Before(now) {
		c.forget(place)
		return translate.Signature{}
	}
	e.until = now.Add(life)
	c.order.MoveToFront(place)
	return e.signature
}

func (c *Cache) forget(place *list.Element) {
	e := c.order.Remove(place).(*entry)
	c.bytes -= e.size()
	for _, key := range e.keys {
		if c.byKey[key] == place { // else something else was kept under it since
			delete(c.byKey, key)
		}
	}
}
