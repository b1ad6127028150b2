package googlesim

import (
	"container/list"
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

// Google caches prompts by itself and says so in cachedContentTokenCount, but documents it in outline only: a prompt of some length
// that begins like a recent one of the same project and model may be served from the cache. These numbers are this package's.
const (
	cacheLifetime = 5 * time.Minute // since a prompt that begins so was last sent
	cacheMinimum  = 1024            // tokens a prompt must have to be looked up at all
	cacheBlock    = 128             // tokens; what is cached comes in whole blocks
	cachePrefixes = 1 << 16         // remembered at most, over all projects
)

// prefix is a beginning of a prompt that ends where a part does.
type prefix struct {
	key    uint64 // hash of project, model and all that is said up to there
	tokens int
}

// promptCache remembers how the prompts of each project and model began lately. Of what does not fit, the one not sent for the longest
// time goes first. All methods are safe for concurrent use.
type promptCache struct {
	mu      sync.Mutex
	entries map[uint64]*list.Element // of cachedPrefix
	recent  list.List                // the latest first
	seed    maphash.Seed
}

type cachedPrefix struct {
	key   uint64
	until time.Time
}

func (p *promptCache) init() {
	p.entries, p.seed = map[uint64]*list.Element{}, maphash.MakeSeed()
}

// use is how many of a prompt's tokens are cached, out of so many. From then on the prompt is cached itself.
func (p *promptCache) use(c *exchange, tokens int, now time.Time) int {
	if tokens < cacheMinimum {
		return 0
	}
	beginnings := p.prefixes(c)
	p.mu.Lock()
	defer p.mu.Unlock()
	found := 0
	for _, b := range slices.Backward(beginnings) { // so that a long one is forgotten before those it begins with
		if p.renew(b.key, now) {
			found = max(found, b.tokens)
		}
	}
	return min(found, tokens) / cacheBlock * cacheBlock
}

// renew has a prefix remembered from now on, and reports whether it was.
func (p *promptCache) renew(key uint64, now time.Time) (known bool) {
	until := now.Add(cacheLifetime)
	if e := p.entries[key]; e != nil {
		known = now.Before(e.Value.(cachedPrefix).until)
		e.Value = cachedPrefix{key, until}
		p.recent.MoveToFront(e)
		return known
	}
	if len(p.entries) == cachePrefixes {
		oldest := p.recent.Back()
		delete(p.entries, p.recent.Remove(oldest).(cachedPrefix).key)
	}
	p.entries[key] = p.recent.PushFront(cachedPrefix{key, until})
	return false
}

// prefixes are the beginnings of a prompt in the order in which a model reads it: the tools, then each part of the system instruction,
// then each part of the conversation. The shortest comes first.
func (p *promptCache) prefixes(c *exchange) []prefix {
	w := prefixWalk{}
	w.hash.SetSeed(p.seed)
	w.word(c.Project)
	w.word(c.Model)
	if tools := c.request.get("tools"); tools != nil {
		w.add(tools)
	}
	for _, content := range append(c.request.get("systemInstruction").list(), c.request.get("contents").list()...) {
		w.word(content.get("role").str())
		for _, part := range content.get("parts").list() {
			w.add(part)
		}
	}
	return w.found
}

// prefixWalk reads a prompt once: the hash of a prefix is that of the shorter one continued.
type prefixWalk struct {
	hash        maphash.Hash
	text, files int
	found       []prefix
}

func (w *prefixWalk) add(n *node) {
	w.node(n)
	text, files := textSize(n)
	w.text, w.files = w.text+text, w.files+files
	w.found = append(w.found, prefix{w.hash.Sum64(), tokensOf(w.text, w.files)})
}

// wordEnd is a byte that no valid text has.
const wordEnd = 0xff

func (w *prefixWalk) word(text string) {
	_, _ = w.hash.WriteString(text) // never fails
	_ = w.hash.WriteByte(wordEnd)
}

func (w *prefixWalk) node(n *node) {
	_ = w.hash.WriteByte(byte(n.kind))
	w.word(n.text)
	for _, m := range n.members {
		w.word(m.name)
		w.node(m.value)
	}
	for _, item := range n.items {
		w.node(item)
	}
	_ = w.hash.WriteByte(wordEnd)
}
