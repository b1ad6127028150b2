package guests

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/accounts"
)

func init() {
	caddy.RegisterModule(new(MemoryState))
}

// MemoryState keeps what is known about accounts in memory alone: it outlives configuration reloads, and is gone with the process.
type MemoryState struct{}

// CaddyModule returns the Caddy module information.
func (*MemoryState) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.gemini_proxy.state.memory",
		New: func() caddy.Module { return new(MemoryState) },
	}
}

// UnmarshalCaddyfile sets up the state from Caddyfile tokens. Syntax:
//
//	state memory
func (*MemoryState) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return onlyName(d, "state memory")
}

// Store returns nil: there is no other place.
func (*MemoryState) Store() accounts.Store { return nil }

// onlyName consumes the name of a module of which nothing else can be said.
func onlyName(d *caddyfile.Dispenser, what string) error {
	d.Next()
	if d.NextArg() {
		return d.Errf("%s takes no arguments", what)
	}
	if d.NextBlock(d.Nesting()) {
		return d.Errf("%s takes no options", what)
	}
	return nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*MemoryState)(nil)
	_ accounts.State        = (*MemoryState)(nil)
)
