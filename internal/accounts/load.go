package accounts

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// version is of the objects that are written, and the only one that is read.
const version = 1

// object is what a store keeps of an account.
type object struct {
	Version int `json:"version"`
	*rotator.AccountState
}

func encode(c *rotator.Candidate) ([]byte, error) {
	return json.Marshal(object{Version: version, AccountState: c.Export()})
}

func decode(text []byte) (*rotator.AccountState, error) {
	o := object{AccountState: new(rotator.AccountState)}
	if err := json.Unmarshal(text, &o); err != nil {
		// The error is not repeated: it may quote what it found, which may be a token.
		return nil, errors.New("it is not the JSON of an account")
	}
	if o.Version != version {
		return nil, fmt.Errorf("it has version %d, and this program knows version %d", o.Version, version)
	}
	return o.AccountState, nil
}

// loadAll loads several accounts at a time. What cannot be loaded in time is loaded before it is written.
func (h *holding) loadAll(ctx context.Context, accounts map[string]*kept) {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	var (
		mu     sync.Mutex
		failed int
		first  error
	)
	inParallel(slices.Collect(maps.Values(accounts)), func(e *kept) {
		err := h.load(ctx, &e.candidate)
		if e.loaded = err == nil; !e.loaded {
			mu.Lock()
			defer mu.Unlock()
			failed++
			first = cmp.Or(first, err)
		}
	})
	if failed > 0 {
		h.logger.Error("what is kept of accounts cannot be loaded; going on without, and trying again",
			zap.Int("accounts", failed), zap.Error(first))
	}
}

// load adds what the store knows about an account. There being nothing is no error, and neither is what cannot be understood: it is
// reported, and replaced when there is something to write.
func (h *holding) load(ctx context.Context, c *rotator.Candidate) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	text, err := h.store.Load(ctx, c.Credential.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	state, err := decode(text)
	if err != nil {
		h.logger.Warn("what is kept of an account is of no use, and is ignored",
			zap.String("account", c.Label), zap.String("object", h.store.Name(c.Credential.ID)), zap.Error(err))
		return nil
	}
	c.Restore(state, h.projects)
	return nil
}

// inParallel does something to all of a list, a bounded number at a time.
func inParallel[T any](list []T, do func(T)) {
	var wg sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, one := range list {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			do(one)
		})
	}
	wg.Wait()
}
