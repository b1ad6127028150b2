package rotator

import "time"

// Backends is how many backends the accounts have that may serve a model. It is safe for concurrent use.
func (p *Pool) Backends(model string) int { return len(p.index(model, time.Now()).names) }

// AnotherBackend is what follows when a backend has no form for a request, and so was not asked: an account of another one may be. None
// is to blame.
func AnotherBackend() Decision { return Decision{Next: Elsewhere, unfit: true} }
