// Package accounts keeps what has been learned about accounts, quota groups and models while configurations come and go. It is also
// where operators find the accounts of all handlers. It is the only package-level state there is, apart from metrics.
package accounts

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/signatures"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// The pools hold facts about the world, which all handlers share, never settings, on which they may differ. Their keys reveal nothing:
// they are the fingerprints of credentials, and digests.
var (
	accounts = caddy.NewUsagePool()
	groups   = caddy.NewUsagePool()
	shared   = caddy.NewUsagePool() // what there is one of
	stores   = caddy.NewUsagePool() // what is kept in each place
)

// Hold is what one handler holds of the shared state. It remembers each thing as it is taken, so that Release gives back exactly that,
// however far the handler got. The zero Hold holds nothing. A Hold is not safe for concurrent use; what it gives out is.
type Hold struct {
	taken []taken
	kept  []*holding
	pools []*rotator.Pool
}

type taken struct {
	pool *caddy.UsagePool
	key  any
}

// Account takes the state of the account with the given fingerprint.
func (h *Hold) Account(id string) *rotator.Account {
	return take(h, accounts, id, func() *account {
		a := rotator.NewAccount(id)
		a.Watch(func() { urgent(id) })
		return &account{a}
	}).Account
}

// Group takes what is known about a backend's quota group.
func (h *Hold) Group(backend, name string) *rotator.Group {
	key := sha256.Sum256([]byte(backend + "\x00" + name))
	return take(h, groups, key, func() *group { return &group{rotator.NewGroup()} }).Group
}

// Candidates takes the accounts and quota groups of credentials.
func (h *Hold) Candidates(credentials []*rotator.Credential) []rotator.Candidate {
	candidates := make([]rotator.Candidate, len(credentials))
	for i, cred := range credentials {
		candidates[i] = rotator.Candidate{Credential: cred, Account: h.Account(cred.ID), Group: h.Group(cred.Backend, cred.QuotaGroup)}
	}
	return candidates
}

// Models takes what is known about overloaded models: what is overloaded is so for everybody.
func (h *Hold) Models() *rotator.Models { return one(h, "models", rotator.NewModels) }

// Projects takes what is known about which quota groups are one.
func (h *Hold) Projects() *rotator.Projects { return one(h, "projects", rotator.NewProjects) }

// Affinity takes which account served a conversation last.
func (h *Hold) Affinity() *rotator.Affinity { return one(h, "affinity", rotator.NewAffinity) }

// Lessons takes what is known about the form requests must have.
func (h *Hold) Lessons() *gemini.Lessons { return one(h, "lessons", gemini.NewLessons) }

// Signatures takes what calls of running conversations were signed with. It is not kept in a store: what is lost can be done without.
func (h *Hold) Signatures() *signatures.Cache { return one(h, "signatures", signatures.NewCache) }

// Keep adds what a store knows about the accounts, of those that nobody keeps there yet, and has what is learned about them written
// there until Release. ctx bounds the loading, which takes some seconds at most; what goes wrong with it is logged, and no reason not to
// serve. A nil store keeps nothing.
func (h *Hold) Keep(ctx context.Context, store Store, candidates []rotator.Candidate, logger *zap.Logger) {
	if store == nil {
		return
	}
	kept := &holding{keeper: take(h, stores, store.Place(), newKeeper), store: store, projects: h.Projects(), logger: logger}
	kept.keeper.hold(ctx, kept, candidates)
	h.kept = append(h.kept, kept)
}

// Release gives everything back. Later calls give back only what was taken since.
func (h *Hold) Release() error {
	h.releasePools()
	for _, kept := range h.kept {
		kept.release()
	}
	h.kept = nil
	errs := make([]error, len(h.taken))
	for i, t := range h.taken {
		_, errs[i] = t.pool.Delete(t.key)
	}
	h.taken = nil
	return errors.Join(errs...)
}

func take[T caddy.Destructor](h *Hold, pool *caddy.UsagePool, key any, construct func() T) T {
	value, _, _ := pool.LoadOrNew(key, func() (caddy.Destructor, error) { return construct(), nil }) // construct never fails
	h.taken = append(h.taken, taken{pool, key})
	return value.(T)
}

// one takes something that there is one of for all handlers.
func one[T any](h *Hold, name string, construct func() *T) *T {
	return take(h, shared, name, func() fact[T] { return fact[T]{construct()} }).value
}

// References returns how many handlers hold the account with the given fingerprint.
func References(id string) int {
	n, _ := accounts.References(id)
	return n
}

// The values of the pools: what Caddy destructs when nobody holds it any more.
type (
	account     struct{ *rotator.Account }
	group       struct{ *rotator.Group }
	fact[T any] struct{ value *T }
)

// Destruct stops the refreshing of the account's token. Requests that still use the account go on.
func (a *account) Destruct() error {
	a.Close()
	return nil
}

func (*group) Destruct() error { return nil }

func (fact[T]) Destruct() error { return nil }
