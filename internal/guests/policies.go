package guests

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

func init() {
	caddy.RegisterModule(new(Headroom))
	caddy.RegisterModule(new(RoundRobin))
	caddy.RegisterModule(new(FillFirst))
	caddy.RegisterModule(new(Weighted))
	caddy.RegisterModule(new(Random))
}

// Headroom prefers the quota group that was used least of late, in proportion to its weight, and within it the account that was.
type Headroom struct{ simplePolicy }

// RoundRobin takes the quota groups, and the accounts within them, in turn.
type RoundRobin struct{ simplePolicy }

// FillFirst uses the first account in the configuration for as long as it has quota, then the second, and so on.
type FillFirst struct{ simplePolicy }

// Weighted chooses at random, each account as often as its weight says.
type Weighted struct{ simplePolicy }

// Random chooses at random, each account equally often.
type Random struct{ simplePolicy }

// CaddyModule returns the Caddy module information.
func (*Headroom) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.gemini_proxy.policies.headroom",
		New: func() caddy.Module { return &Headroom{simplePolicy{name: "headroom"}} },
	}
}

// CaddyModule returns the Caddy module information.
func (*RoundRobin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.gemini_proxy.policies.round_robin",
		New: func() caddy.Module { return &RoundRobin{simplePolicy{name: "round_robin"}} },
	}
}

// CaddyModule returns the Caddy module information.
func (*FillFirst) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.gemini_proxy.policies.fill_first",
		New: func() caddy.Module { return &FillFirst{simplePolicy{name: "fill_first"}} },
	}
}

// CaddyModule returns the Caddy module information.
func (*Weighted) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.gemini_proxy.policies.weighted",
		New: func() caddy.Module { return &Weighted{simplePolicy{name: "weighted"}} },
	}
}

// CaddyModule returns the Caddy module information.
func (*Random) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.gemini_proxy.policies.random",
		New: func() caddy.Module { return &Random{simplePolicy{name: "random"}} },
	}
}

// simplePolicy is a policy of the rotator's own, which nothing can be said about but its name.
type simplePolicy struct {
	rotator.Policy `json:"-"`

	name string
}

// Provision finds the policy.
func (p *simplePolicy) Provision(caddy.Context) (err error) {
	p.Policy, err = rotator.NewPolicy(p.name, nil)
	return err
}

// UnmarshalCaddyfile reads the policy's line, which ends with its name.
func (p *simplePolicy) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return onlyName(d, "policy "+p.name)
}

// Interface guards
var (
	_ caddy.Provisioner     = (*simplePolicy)(nil)
	_ caddyfile.Unmarshaler = (*simplePolicy)(nil)
	_ rotator.Policy        = (*Headroom)(nil)
	_ rotator.Policy        = (*RoundRobin)(nil)
	_ rotator.Policy        = (*FillFirst)(nil)
	_ rotator.Policy        = (*Weighted)(nil)
	_ rotator.Policy        = (*Random)(nil)
)
