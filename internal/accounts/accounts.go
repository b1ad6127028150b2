// Package accounts keeps what has been learned about accounts, quota groups and models while configurations come and go. It is also
// where operators find the accounts of all handlers. It is the only package-level state there is, apart from metrics.
package accounts

import (
	"crypto/sha256"
	"errors"

	"github.com/caddyserver/caddy/v2"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// The pools hold facts about the world, which all handlers share, never settings, on which they may differ. Their keys reveal nothing:
// they are the fingerprints of credentials, and digests.
var (
	accounts = caddy.NewUsagePool()
	groups   = caddy.NewUsagePool()
	models   = caddy.NewUsagePool()
)

// modelsKey is the one key of models: what is overloaded is so for everybody.
const modelsKey = "models"

// Hold is what one handler holds of the shared state. It remembers each thing as it is taken, so that Release gives back exactly that,
// however far the handler got. The zero Hold holds nothing. A Hold is not safe for concurrent use; what it gives out is.
type Hold struct {
	taken []taken
	pools []*rotator.Pool
}

type taken struct {
	pool *caddy.UsagePool
	key  any
}

// Account takes the state of the account with the given fingerprint.
func (h *Hold) Account(id string) *rotator.Account {
	return take(h, accounts, id, func() *account { return &account{rotator.NewAccount(id)} }).Account
}

// Group takes what is known about a backend's quota group.
func (h *Hold) Group(backend, name string) *rotator.Group {
	key := sha256.Sum256([]byte(backend + "\x00" + name))
	return take(h, groups, key, func() *group { return &group{rotator.NewGroup()} }).Group
}

// Models takes what is known about overloaded models.
func (h *Hold) Models() *rotator.Models {
	return take(h, models, modelsKey, func() *breaker { return &breaker{rotator.NewModels()} }).Models
}

// Release gives everything back. Later calls give back only what was taken since.
func (h *Hold) Release() error {
	h.releasePools()
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

// References returns how many handlers hold the account with the given fingerprint.
func References(id string) int {
	n, _ := accounts.References(id)
	return n
}

// The values of the pools: what Caddy destructs when nobody holds it any more.
type (
	account struct{ *rotator.Account }
	group   struct{ *rotator.Group }
	breaker struct{ *rotator.Models }
)

// Destruct stops the refreshing of the account's token. Requests that still use the account go on.
func (a *account) Destruct() error {
	a.Close()
	return nil
}

func (*group) Destruct() error   { return nil }
func (*breaker) Destruct() error { return nil }
