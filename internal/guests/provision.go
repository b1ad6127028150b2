package guests

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/caddyserver/caddy/v2"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/accounts"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// Client makes what talks to Google, over the transport that the configuration names. It connects to nothing yet. The module that it
// loads lives as long as ctx.
func Client(ctx caddy.Context, config *proxyconfig.Config) (*google.Client, error) {
	options := google.Options{
		Endpoints: google.Endpoints{
			GeminiAPI: config.Endpoints["gemini_api"], Vertex: config.Endpoints["vertex"],
			CodeAssist: config.Endpoints["code_assist"], OAuth: config.Endpoints["oauth"],
		},
		UserAgent: "caddy-gemini-proxy/" + version(),
	}
	if config.TransportRaw != nil {
		transport, err := load[http.RoundTripper](ctx, config, "TransportRaw", "transport")
		if err != nil {
			return nil, err
		}
		options.HTTP = transport
	}
	return google.New(options), nil
}

// Sources loads the sources of credentials, the environment if the configuration names none. They have read their secrets then, and
// asked nothing over the network; Credentials makes something of what they found.
func Sources(ctx caddy.Context, config *proxyconfig.Config) ([]proxyconfig.CredentialSource, error) {
	var modules []any
	if config.CredentialsRaw == nil {
		environment, err := ctx.LoadModuleByID("http.gemini_proxy.credentials.env", nil)
		if err != nil {
			return nil, fmt.Errorf("loading credentials: %w", err)
		}
		modules = []any{environment}
	} else {
		loaded, err := ctx.LoadModule(config, "CredentialsRaw")
		if err != nil {
			return nil, fmt.Errorf("loading credentials: %w", err)
		}
		modules = loaded.([]any)
	}
	sources := make([]proxyconfig.CredentialSource, len(modules))
	for i, module := range modules {
		var ok bool
		if sources[i], ok = module.(proxyconfig.CredentialSource); !ok {
			return nil, fmt.Errorf("loading credentials: %T is not a source of credentials", module)
		}
	}
	return sources, nil
}

// Policy loads the policy; nil is the default.
func Policy(ctx caddy.Context, config *proxyconfig.Config) (rotator.Policy, error) {
	if config.PolicyRaw == nil {
		return nil, nil
	}
	return load[rotator.Policy](ctx, config, "PolicyRaw", "policy")
}

// State loads what says where the state is kept: Caddy's storage if the configuration does not say.
func State(ctx caddy.Context, config *proxyconfig.Config) (accounts.State, error) {
	if config.StateRaw != nil {
		return load[accounts.State](ctx, config, "StateRaw", "state")
	}
	storage, err := ctx.LoadModuleByID("http.gemini_proxy.state.storage", nil)
	if err != nil {
		return nil, fmt.Errorf("loading state: %w", err)
	}
	return storage.(accounts.State), nil
}

// load loads the module in a field of the configuration. It must be a T.
func load[T any](ctx caddy.Context, config *proxyconfig.Config, field, what string) (T, error) {
	var none T
	module, err := ctx.LoadModule(config, field)
	if err != nil {
		return none, fmt.Errorf("loading %s: %w", what, err)
	}
	guest, ok := module.(T)
	if !ok {
		return none, fmt.Errorf("loading %s: %T is not a %s", what, module, what)
	}
	return guest, nil
}

// version is this module's as the binary was built with it.
func version() string {
	const path = "github.com/gemini-proxy/caddy-gemini-proxy"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range append(info.Deps, &info.Main) {
			if module.Path == path && module.Version != "" {
				return strings.Trim(module.Version, "()") // (devel) would be a comment
			}
		}
	}
	return "devel"
}
