package guests

import (
	"context"
	"sync"

	"go.uber.org/zap"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/accounts"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// Payers is who pays for a handler's requests. It changes while the handler runs, when files of credentials do. It is safe for concurrent
// use once Take has returned.
type Payers struct {
	sources []proxyconfig.CredentialSource
	client  *google.Client
	store   accounts.Store
	logger  *zap.Logger

	mu          sync.Mutex
	held        *accounts.Hold
	credentials []*rotator.Credential
	released    bool
}

// NewPayers returns the Payers of a handler, which has nobody to pay until Take. store may be nil: nothing outlives the process then.
func NewPayers(sources []proxyconfig.CredentialSource, client *google.Client, store accounts.Store, logger *zap.Logger) *Payers {
	return &Payers{sources: sources, client: client, store: store, logger: logger}
}

// Take joins the credentials that the sources have now, which are configuration, to what is known about their accounts, which
// outlives it. A handler calls it once.
func (p *Payers) Take(ctx context.Context) ([]rotator.Candidate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.take(ctx)
}

// take is Take again, for a caller with the lock that releases what was held before.
func (p *Payers) take(ctx context.Context) ([]rotator.Candidate, error) {
	credentials, err := Credentials(p.sources, p.client, p.logger)
	if err != nil {
		return nil, err
	}
	p.credentials, p.held = credentials, new(accounts.Hold)
	candidates := p.held.Candidates(credentials)
	p.held.Keep(ctx, p.store, candidates, p.logger)
	return candidates, nil
}

// Watch replaces the candidates of a pool whenever a source has other secrets, until ctx ends.
func (p *Payers) Watch(ctx context.Context, pool *rotator.Pool) {
	for _, source := range p.sources {
		if w, ok := source.(proxyconfig.Watcher); ok {
			go w.Watch(ctx, func() { p.replace(ctx, pool) })
		}
	}
}

func (p *Payers) replace(ctx context.Context, pool *rotator.Pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return
	}
	held, credentials := p.held, p.credentials
	candidates, err := p.take(ctx)
	if err != nil {
		p.logger.Error("credentials have changed, and cannot be used; going on with those from before", zap.Error(err))
		return
	}
	pool.Replace(candidates)
	p.logger.Info("credentials have changed", zap.Int("accounts", len(candidates)),
		zap.Strings("added", without(p.credentials, credentials)), zap.Strings("removed", without(credentials, p.credentials)))
	if err := held.Release(); err != nil { // now that all that stay are held again
		p.logger.Error("accounts of credentials that are gone cannot be let go", zap.Error(err))
	}
}

// without is the labels of those credentials that others do not have.
func without(credentials, others []*rotator.Credential) []string {
	ids := make(map[string]bool, len(others))
	for _, c := range others {
		ids[c.ID] = true
	}
	labels := []string{}
	for _, c := range credentials {
		if !ids[c.ID] {
			labels = append(labels, c.Label)
		}
	}
	return labels
}

// Release gives everything back. Nothing is taken afterwards.
func (p *Payers) Release() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.released = true
	if p.held == nil {
		return nil
	}
	return p.held.Release()
}
