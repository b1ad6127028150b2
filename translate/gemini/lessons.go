package gemini

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// How much is remembered, and for how long: Google mends its services.
const (
	maxLessons = 4096 // in each of two generations
	lessonLife = 12 * time.Hour
)

// Lessons remembers what mended requests that Google had refused, so that the next request like them is encoded that way at once. What
// was learned about a schema holds for that schema, about a signature for its conversation, and the rest for a model or a host. They are
// facts about Google and hold no content. Memory is bounded; every lesson is forgotten after half a day, and learned again if it still
// holds. Safe for concurrent use. The zero value is not ready: see NewLessons.
type Lessons struct {
	seed  maphash.Seed
	some  atomic.Bool // anything was ever learned
	mu    sync.RWMutex
	young map[lesson]learned
	old   map[lesson]learned
}

type learned struct {
	Remedies
	until time.Time
}

// lesson says what one entry is about.
type lesson struct {
	subject subject
	place   Place
	model   string // empty when it is about a host
	hash    uint64 // of a schema or signature
}

type subject uint8

const (
	aboutHost subject = iota
	aboutModel
	aboutParameters
	aboutAnswer
	aboutConversation
)

// NewLessons returns Lessons that know of nothing.
func NewLessons() *Lessons { return &Lessons{seed: maphash.MakeSeed()} }

// Remedies are those that what was learned calls for. As long as there is nothing, asking costs nothing.
func (l *Lessons) Remedies(req *translate.Request, p Place, m *Model) Remedies {
	var all Remedies
	if !l.some.Load() {
		return all
	}
	keys, n := l.keys(req, p, m)
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, key := range keys[:n] {
		all = all.and(l.find(key))
	}
	return all
}

// Learn remembers remedies that have mended a request.
func (l *Lessons) Learn(req *translate.Request, p Place, m *Model, r Remedies) {
	if r == (Remedies{}) {
		return
	}
	keys, n := l.keys(req, p, m)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range keys[:n] {
		known := l.find(key)
		if more := known.and(r.about(key.subject)); more != known {
			l.keep(key, more)
		}
	}
	l.some.Store(true)
}

// about is the part of remedies that a lesson about a subject holds.
func (r Remedies) about(s subject) Remedies {
	switch s {
	case aboutHost:
		return Remedies{NoIDs: r.NoIDs}
	case aboutModel:
		return Remedies{SignAll: r.SignAll, NoPenalties: r.NoPenalties, Thinking: r.Thinking}
	case aboutParameters:
		return Remedies{Parameters: r.Parameters, FreeCalls: r.FreeCalls, Incurable: r.Incurable}
	case aboutAnswer:
		return Remedies{Answer: r.Answer, Incurable: r.Incurable}
	default:
		return Remedies{Unsigned: r.Unsigned}
	}
}

const maxSubjects = int(aboutConversation) + 1

// keys are what there may be lessons about for a request.
func (l *Lessons) keys(req *translate.Request, p Place, m *Model) (keys [maxSubjects]lesson, n int) {
	add := func(s subject, model string, hash uint64) {
		keys[n] = lesson{s, p, model, hash}
		n++
	}
	add(aboutHost, "", 0)
	add(aboutModel, m.ID, 0)
	if len(req.Tools) > 0 {
		add(aboutParameters, m.ID, l.hashTools(req.Tools))
	}
	if req.Format.Kind != translate.FormatText {
		add(aboutAnswer, m.ID, maphash.Bytes(l.seed, req.Format.Schema))
	}
	if first := firstSignature(req, p.Backend, m); first != "" {
		add(aboutConversation, m.ID, maphash.String(l.seed, first))
	}
	return keys, n
}

// hashTools is a hash of all the schemas of the tools: Google does not always say which of them it cannot take, or whether it is all of
// them together.
func (l *Lessons) hashTools(tools []translate.Tool) uint64 {
	var h maphash.Hash
	h.SetSeed(l.seed)
	for i := range tools {
		_, _ = h.Write(tools[i].Schema)
		_ = h.WriteByte(0) // stands in no schema
	}
	return h.Sum64()
}

// firstSignature is the first signature of the conversation, by which it is known again when it has grown.
func firstSignature(req *translate.Request, b translate.Backend, m *Model) string {
	for i := range req.Messages {
		for j := range req.Messages[i].Parts {
			p := &req.Messages[i].Parts[j]
			if s := usableSignature(p.Signature, b, m); s != "" {
				return s
			}
			if p.Call != nil {
				if s := usableSignature(p.Call.Signature, b, m); s != "" {
					return s
				}
			}
		}
	}
	return ""
}

func (l *Lessons) find(key lesson) Remedies {
	found, ok := l.young[key]
	if !ok {
		found, ok = l.old[key]
	}
	if !ok || time.Now().After(found.until) {
		return Remedies{}
	}
	return found.Remedies
}

func (l *Lessons) keep(key lesson, r Remedies) {
	if l.young == nil || len(l.young) >= maxLessons {
		l.old, l.young = l.young, make(map[lesson]learned)
	}
	l.young[key] = learned{r, time.Now().Add(lessonLife)}
}
