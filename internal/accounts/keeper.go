package accounts

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

const (
	loadTimeout  = 5 * time.Second // for all that a handler loads, before it starts without
	atOnce       = 32              // loading, and writing when handlers go
	saveTimeout  = 5 * time.Second // for one object
	flushTimeout = 5 * time.Second // for all that a handler leaves behind
)

// keeper keeps in a store what is known about accounts: it loads what is new to it, and one goroutine writes what changes, behind the
// requests, for as long as any handler holds it.
type keeper struct {
	mu      sync.Mutex
	holders []*holding       // in the order they came
	kept    map[string]*kept // by fingerprint
	due     []*kept          // to be written by turns
	soon    []*kept          // to be written before those
	failing int              // how many could not be written the last time

	wake  chan struct{} // something is to be written soon
	leave chan *flush
	stop  chan struct{}
	done  chan struct{}
}

// holding is what one handler has kept.
type holding struct {
	keeper   *keeper
	store    Store
	projects *rotator.Projects
	logger   *zap.Logger
	ids      []string
}

// kept is one account. All but the candidate's own state is for the holder of the keeper's lock.
type kept struct {
	candidate rotator.Candidate // of the handler that came last
	holders   int
	loaded    bool   // what the store knows of it is known
	missing   bool   // it was known before the store was asked: the store may not know that
	saved     uint64 // the number of its changes when they were saved

	soon     bool // it waits in the keeper's list
	failures int  // in a row
	retry    time.Time
}

// keepers are those there are. It is never changed in place, so that reading it takes no lock.
var (
	keepersMu sync.Mutex
	keepers   atomic.Pointer[[]*keeper]
)

// newKeeper returns a keeper of nothing, whose goroutine runs until Destruct.
func newKeeper() *keeper {
	k := &keeper{
		kept: make(map[string]*kept),
		wake: make(chan struct{}, 1), leave: make(chan *flush), stop: make(chan struct{}), done: make(chan struct{}),
	}
	keepersMu.Lock()
	defer keepersMu.Unlock()
	keepers.Store(new(append(slices.Clone(allKeepers()), k)))
	go k.run()
	return k
}

func allKeepers() []*keeper {
	if list := keepers.Load(); list != nil {
		return *list
	}
	return nil
}

// Destruct ends the goroutine. Everything has been written by then: see release.
func (k *keeper) Destruct() error {
	keepersMu.Lock()
	keepers.Store(new(slices.DeleteFunc(slices.Clone(allKeepers()), func(other *keeper) bool { return other == k })))
	keepersMu.Unlock()
	close(k.stop)
	<-k.done
	return nil
}

// urgent has the state of an account written soon. It is called wherever something was learned, so it takes no time.
func urgent(id string) {
	for _, k := range allKeepers() {
		k.urgent(id)
	}
}

func (k *keeper) urgent(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.kept[id]
	if e == nil || e.soon || e.failures > 0 {
		return
	}
	e.soon = true
	k.soon = append(k.soon, e)
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// hold loads what the store knows about accounts that are new to the keeper, and keeps all of them from then on.
func (k *keeper) hold(ctx context.Context, h *holding, candidates []rotator.Candidate) {
	fresh := make(map[string]*kept)
	k.mu.Lock()
	for _, c := range candidates {
		if id := c.Credential.ID; k.kept[id] == nil {
			fresh[id] = &kept{candidate: c, missing: c.Changes() > 0}
		}
	}
	k.mu.Unlock()
	h.loadAll(ctx, fresh)

	k.mu.Lock()
	defer k.mu.Unlock()
	k.holders = append(k.holders, h)
	for _, c := range candidates {
		e := k.kept[c.Credential.ID]
		if e == nil {
			if e = fresh[c.Credential.ID]; e == nil { // somebody had it a moment ago
				e = new(kept)
			}
			e.saved = c.Changes() // what came of loading, its own or that of others of its group, is no news
			k.kept[c.Credential.ID] = e
		}
		e.candidate = c
		e.holders++
		h.ids = append(h.ids, c.Credential.ID)
	}
}

// release writes what is left to be written of the accounts that nobody else has, and keeps them no more.
func (h *holding) release() {
	k := h.keeper
	f := &flush{done: make(chan struct{})}
	k.mu.Lock()
	for _, id := range h.ids {
		e := k.kept[id]
		if e.holders--; e.holders == 0 {
			f.ids = append(f.ids, id)
		}
	}
	k.mu.Unlock()
	if len(f.ids) > 0 {
		k.leave <- f
		<-f.done
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.holders = slices.DeleteFunc(k.holders, func(other *holding) bool { return other == h })
}

// latest is the handler that came last: its store is used, because one may not outlive its configuration. There is one while an account
// is kept. The caller holds the lock.
func (k *keeper) latest() *holding { return k.holders[len(k.holders)-1] }

// inUse reports whether an account is kept.
func (k *keeper) inUse(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept[id] != nil
}
