package gateway

import (
	"slices"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/signatures"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// memory gives the calls of a conversation the signatures back that its client does not carry, and keeps those of the calls to come. It
// does so for every surface, between the surface and the encoder. It is of one exchange, and only the exchange's own goroutine uses it. A
// nil memory keeps nothing.
//
// Signatures of texts are not kept: Google does without them, and to know a text again it would have to be read to its end in every turn.
type memory struct {
	cache   *signatures.Cache
	tenant  signatures.Tenant
	request *translate.Request

	// What of the conversation has been read for the sake of context.
	read  int // messages
	calls int
	told  hasher
}

func newMemory(cache *signatures.Cache, c Client, request *translate.Request) *memory {
	m := &memory{cache: cache, tenant: signatures.Tenant{ID: c.ID, Anonymous: c.Anonymous}, request: request}
	m.told.SetSeed(seed)
	return m
}

// recall signs the steps of the conversation that were signed when the model took them. A signature is sought by the IDs of a step's calls,
// and in the turn under way, where Google insists on one, by what the first of them says too: clients may have IDs of their own.
func (m *memory) recall(model *gemini.Model) {
	if m.cache.Empty() {
		return
	}
	messages := m.request.Messages
	turn := len(messages)
	for turn > 0 && messages[turn-1].Role != translate.RoleUser {
		turn--
	}
	for i := range messages {
		if slices.ContainsFunc(messages[i].Parts, signed) {
			continue
		}
		if first := m.recallByID(messages[i].Parts); first != nil && i >= turn {
			first.Signature = m.cache.Find(m.byContent(messages[:i], first, model.GenerationName))
		}
	}
}

// recallByID signs the call that was signed when its ID was given. When there is none, it returns the first call, if any.
func (m *memory) recallByID(parts []translate.Part) (first *translate.Call) {
	for i := range parts {
		call := parts[i].Call
		if parts[i].Kind != translate.PartCall {
			continue
		}
		if s := m.cache.Find(signatures.ByID(m.tenant, call.ID)); !s.IsZero() {
			call.Signature = s
			return nil
		}
		if first == nil {
			first = call
		}
	}
	return first
}

// signed reports whether a part has the signature of its step's first call.
func signed(p translate.Part) bool {
	return p.Kind == translate.PartCall && !p.Call.Signature.IsZero() || p.Kind == translate.PartThought && !p.Signature.IsZero()
}

// keep remembers the signature of a call that the client has just been given.
func (m *memory) keep(ev *translate.Event) {
	if m == nil || ev.Kind != translate.EventCall || ev.Call.Signature.IsZero() {
		return
	}
	call := ev.Call
	m.cache.Keep(call.Signature, [2]signatures.Key{
		signatures.ByID(m.tenant, call.ID), m.byContent(m.request.Messages, call, call.Signature.Family),
	})
}

// byContent is the key of a call by what it says and what was said before it; none for anonymous tenants, or if its arguments are not JSON.
// Of what was said before, clients may leave out or change the model's own words, but hardly what it was told.
func (m *memory) byContent(before []translate.Message, call *translate.Call, family string) signatures.Key {
	if m.tenant.Anonymous {
		return signatures.Key{}
	}
	args := slices.Clone(call.Args)
	if args.Canonicalize() != nil {
		return signatures.Key{}
	}
	for ; m.read < len(before); m.read++ {
		message := &before[m.read]
		if message.Role != translate.RoleModel {
			m.told.message(message)
			continue
		}
		for i := range message.Parts {
			if message.Parts[i].Kind == translate.PartCall {
				m.calls++
			}
		}
	}
	return signatures.ByContent(m.tenant, &signatures.Call{
		Family: family, Context: m.told.Sum64(), Ordinal: m.calls, Name: call.Name, Args: args,
	})
}
