package guests

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/accept"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/openai"
)

func init() {
	caddy.RegisterModule(new(KeyRefusal))
	httpcaddyfile.RegisterDirective("client_keys", parseClientKeys)
	httpcaddyfile.RegisterDirectiveOrder("client_keys", httpcaddyfile.After, "basic_auth")
}

// KeyRefusal answers requests that the authentication provider `client_keys` refused, in the form that clients of language models
// read: Caddy's own 401 has no body. It must stand before the `authentication` handler. Browsers are left to Caddy, and so to
// `handle_errors`: they ask their user for a password.
type KeyRefusal struct{}

// CaddyModule returns the Caddy module information.
func (*KeyRefusal) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.client_keys_refusal",
		New: func() caddy.Module { return new(KeyRefusal) },
	}
}

// parseClientKeys sets up a route that lets only known users pass. Syntax:
//
//	client_keys [<matcher>] {
//	    <label> <key...>
//	}
//
// Without a matcher it guards everything except the question whether the gateway is healthy, GET /v1/health, which load balancers ask
// without a key. With one it guards exactly what matches: * is really everything.
func parseClientKeys(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next() // consume the directive's name
	matchers, given, err := h.MatcherToken()
	if err != nil {
		return nil, err
	}
	if given {
		h.Delete()
	}
	h.Reset() // the provider reads the line from its beginning
	var keys ClientKeys
	if err := keys.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	authentication := caddyauth.Authentication{ProvidersRaw: caddy.ModuleMap{"client_keys": h.JSON(&keys)}}
	route := caddyhttp.Route{HandlersRaw: []json.RawMessage{
		caddyconfig.JSONModuleObject(new(KeyRefusal), "handler", "client_keys_refusal", nil),
		caddyconfig.JSONModuleObject(authentication, "handler", "authentication", nil),
	}}
	if !given {
		matchers = caddy.ModuleMap{"not": h.JSON(caddyhttp.MatchNot{MatcherSetsRaw: []caddy.ModuleMap{{
			"path":   h.JSON(caddyhttp.MatchPath{"/v1/health"}),
			"method": h.JSON(caddyhttp.MatchMethod{http.MethodGet, http.MethodHead}),
		}}})}
	}
	if matchers != nil { // nil stands for everything
		route.MatcherSetsRaw = caddyhttp.RawMatcherSets{matchers}
	}
	return []httpcaddyfile.ConfigValue{{Class: "route", Value: route}}, nil
}

// refusedKey is where, in the context of a request, ClientKeys tells KeyRefusal that it refused it.
type refusedKey struct{}

func refuse(ctx context.Context) {
	if refused, ok := ctx.Value(refusedKey{}).(*bool); ok {
		*refused = true
	}
}

// ServeHTTP lets the request pass, and writes the answer when it comes back refused. An error of any other handler stays Caddy's.
func (*KeyRefusal) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	var refused bool
	err := next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), refusedKey{}, &refused)))
	if !refused || err == nil || accept.HTML(r.Header) {
		return err
	}
	status, body := openai.Chat{}.Error(translate.Unauthenticated())
	w.Header().Set("X-Request-Id", "req_"+rand.Text())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err = w.Write(body)
	return err
}

// Interface guards
var _ caddyhttp.MiddlewareHandler = (*KeyRefusal)(nil)
