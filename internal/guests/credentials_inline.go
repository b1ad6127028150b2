package guests

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
)

func init() {
	caddy.RegisterModule(new(InlineCredentials))
}

// InlineCredentials takes credentials from the configuration itself. They should be placeholders, such as `{env.MY_KEY}` or
// `{file./run/secrets/key}`: a secret written out is seen by everyone who can see the configuration.
type InlineCredentials struct {
	// An API key or the JSON of a credentials file each, or a placeholder of it.
	Values []string `json:"secrets,omitempty"`

	proxyconfig.CredentialOptions

	secrets []proxyconfig.Secret
}

// CaddyModule returns the Caddy module information.
func (*InlineCredentials) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.gemini_proxy.credentials.inline",
		New: func() caddy.Module { return new(InlineCredentials) },
	}
}

// UnmarshalCaddyfile sets up the source from Caddyfile tokens. Syntax:
//
//	credentials inline <secret...> {
//	    <options...>
//	}
func (i *InlineCredentials) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the source's name
	i.Values = d.RemainingArgs()
	if len(i.Values) == 0 {
		return d.Err("credentials inline needs at least one secret")
	}
	return i.UnmarshalBlock(d)
}

// Provision resolves the placeholders.
func (i *InlineCredentials) Provision(caddy.Context) error {
	for n, value := range i.Values {
		// Written-out JSON begins with a brace too, but it is no placeholder.
		if !json.Valid([]byte(value)) {
			var err error
			if value, err = resolve(value); err != nil {
				return fmt.Errorf("secret %d: %w", n+1, err)
			}
		}
		if strings.TrimSpace(value) == "" {
			return fmt.Errorf("secret %d is empty", n+1)
		}
		i.secrets = append(i.secrets, proxyconfig.Secret{Value: value, Origin: fmt.Sprintf("secret %d", n+1)})
	}
	return nil
}

// Secrets returns what the placeholders stand for.
func (i *InlineCredentials) Secrets() []proxyconfig.Secret { return i.secrets }

// Interface guards
var (
	_ caddy.Provisioner            = (*InlineCredentials)(nil)
	_ caddyfile.Unmarshaler        = (*InlineCredentials)(nil)
	_ proxyconfig.CredentialSource = (*InlineCredentials)(nil)
)
