package accounts

import (
	"slices"
	"sync"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// live is the pools of all handlers there are, in the order they came.
var live struct {
	mu    sync.Mutex
	pools []*rotator.Pool
}

// Pool makes a handler's pool known to operators until Release. The handler calls it last, when nothing can fail any more.
func (h *Hold) Pool(p *rotator.Pool) {
	h.pools = append(h.pools, p)
	live.mu.Lock()
	defer live.mu.Unlock()
	live.pools = append(live.pools, p)
}

// releasePools takes each pool out once: pools are told apart by identity, so those of other handlers stay.
func (h *Hold) releasePools() {
	live.mu.Lock()
	defer live.mu.Unlock()
	for _, p := range h.pools {
		if at := slices.Index(live.pools, p); at >= 0 {
			live.pools = slices.Delete(live.pools, at, at+1)
		}
	}
	h.pools = nil
}

func pools() []*rotator.Pool {
	live.mu.Lock()
	defer live.mu.Unlock()
	return slices.Clone(live.pools)
}

// Snapshot shows the accounts of all handlers. One that several handlers have is shown once.
func Snapshot() rotator.PoolSnapshot { return rotator.Join(pools()) }

// Disable puts the accounts with a label out of use until they are enabled. It reports whether there is such an account.
func Disable(label string) bool {
	return each(func(p *rotator.Pool) bool { return p.Disable(label) })
}

// Enable makes the accounts with a label usable again, whatever it was that disabled them. It reports whether there is such an
// account.
func Enable(label string) bool {
	return each(func(p *rotator.Pool) bool { return p.Enable(label) })
}

// Reset forgets what keeps the accounts with a label, and the others of their quota groups, from being used; see rotator.Pool.Reset.
// It reports whether there is such an account.
func Reset(label string) bool {
	return each(func(p *rotator.Pool) bool { return p.Reset(label) })
}

// ResetAll is Reset for all accounts.
func ResetAll() {
	each(func(p *rotator.Pool) bool { p.ResetAll(); return true })
}

// each does something to all pools, and has them look again if it found anything: they share accounts, groups and models.
func each(do func(*rotator.Pool) bool) (found bool) {
	all := pools()
	for _, p := range all {
		found = do(p) || found
	}
	if found {
		for _, p := range all {
			p.Review()
		}
	}
	return found
}
