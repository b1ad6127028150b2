// Package geminiproxy plugs gemini_proxy into Caddy: an HTTP handler that lets OpenAI clients use Google Gemini, paid for by a pool of
// credentials.
package geminiproxy

import (
	"errors"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/accounts"
	_ "github.com/gemini-proxy/caddy-gemini-proxy/internal/admin" // caddy gemini-proxy
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/fetch"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/guests"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/observe"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/openai"
)

func init() {
	caddy.RegisterModule(new(Handler))
	httpcaddyfile.RegisterHandlerDirective("gemini_proxy", parseCaddyfile)
	// Not earlier: guards such as "respond @stranger 401" must run before a handler that spends money.
	httpcaddyfile.RegisterDirectiveOrder("gemini_proxy", httpcaddyfile.Before, "reverse_proxy")
}

// Handler serves OpenAI's API and answers with Google Gemini. Requests are paid for by a pool of Google credentials: each goes to an
// account that has quota for its model, and to another one when Google refuses it, before the client notices.
//
// It takes over its own routes, such as `/v1/chat/completions`, and hands every other request to the next handler. A request is served
// only if an authentication handler has identified its user, for example with the provider `client_keys`, unless `anonymous` is set.
//
// After an answer these placeholders are set, as far as they are known:
//
// Placeholder | Description
// ------------|-------------
// `{http.gemini_proxy.surface}` | The protocol the client spoke
// `{http.gemini_proxy.model}` | The model the client asked for
// `{http.gemini_proxy.upstream_model}` | The model that answered
// `{http.gemini_proxy.account}` | The label of the account that paid
// `{http.gemini_proxy.attempts}` | How many calls to Google it took
// `{http.gemini_proxy.wait_ms}` | How long the request waited for an account to be ready again, in milliseconds
// `{http.gemini_proxy.stream}` | Whether the answer was streamed
// `{http.gemini_proxy.first_token_ms}` | How long the first piece of the answer took, in milliseconds
// `{http.gemini_proxy.finish_reason}` | Why the answer ended
// `{http.gemini_proxy.prompt_tokens}` | Tokens of the prompt
// `{http.gemini_proxy.cached_tokens}` | How many of them Google had cached
// `{http.gemini_proxy.completion_tokens}` | Tokens of the answer, thoughts included
// `{http.gemini_proxy.reasoning_tokens}` | Tokens of the thoughts
// `{http.gemini_proxy.error}` | The code of the error the client saw
type Handler struct {
	caddyfile.Config

	gateway  *gateway.Gateway
	client   *google.Client
	fetch    *fetch.Client
	changes  *observe.Changes
	payers   *guests.Payers
	shared   accounts.Hold
	logger   *zap.Logger
	timeouts sync.Once
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.gemini_proxy",
		New: func() caddy.Module { return new(Handler) },
	}
}

func parseCaddyfile(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	err := handler.UnmarshalCaddyfile(h.Dispenser)
	return handler, err
}

// Provision sets up the handler. It reads secrets, and asks nothing over the network.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	h.SetDefaults(os.Getenv)

	var err error
	if h.client, err = guests.Client(ctx, &h.Config); err != nil {
		return err
	}
	sources, err := guests.Sources(ctx, &h.Config)
	if err != nil {
		return err
	}
	policy, err := guests.Policy(ctx, &h.Config)
	if err != nil {
		return err
	}
	state, err := guests.State(ctx, &h.Config)
	if err != nil {
		return err
	}
	if h.changes, err = observe.NewChanges(ctx); err != nil {
		return err
	}
	h.payers = guests.NewPayers(sources, h.client, state.Store(), h.logger)
	candidates, err := h.payers.Take(ctx)
	if err != nil {
		return err
	}
	pool := rotator.NewPool(candidates, h.poolOptions(policy))
	h.fetch = fetch.New(fetch.Options{})
	if h.gateway, err = gateway.New(h.gatewayOptions(pool)); err != nil {
		return err
	}
	h.shared.Pool(pool)
	h.payers.Watch(ctx, pool)
	return nil
}

func (h *Handler) poolOptions(policy rotator.Policy) rotator.Options {
	limits := make([]rotator.Limit, len(h.Limits))
	for i, limit := range h.Limits {
		limits[i] = rotator.Limit(limit)
	}
	queue := h.Retry.Queue
	if *h.Retry.MaxWait == 0 {
		queue = 0 // nobody waits
	}
	return rotator.Options{
		Policy:      policy,
		Limits:      limits,
		CooldownMin: time.Duration(h.Cooldown.Min),
		CooldownMax: time.Duration(h.Cooldown.Max),
		Retries:     float64(h.Retry.Budget) / 100,
		Queue:       queue,
		Hedge:       float64(h.Hedge) / 100,
		AffinityFor: time.Duration(*h.Affinity),
		Affinity:    h.shared.Affinity(),
		Models:      h.shared.Models(),
		Projects:    h.shared.Projects(),
		Notify:      h.changes.Notify,
	}
}

func (h *Handler) gatewayOptions(pool *rotator.Pool) gateway.Options {
	models := make([]gateway.Model, len(h.Models))
	for i, m := range h.Models {
		models[i] = gateway.Model{Name: m.Name, Upstream: m.UpstreamName, Fallback: m.Fallback}
	}
	safety := make([]translate.SafetySetting, len(h.Safety))
	for i, s := range h.Safety {
		safety[i] = translate.SafetySetting(s)
	}
	return gateway.Options{
		Pool:         pool,
		Google:       h.client,
		Catalogue:    gemini.NewCatalogue(),
		Chat:         openai.Chat{Strict: h.Strict()},
		DefaultModel: h.DefaultModel,
		Models:       models,
		Lessons:      h.shared.Lessons(),
		Signatures:   h.shared.Signatures(),
		Fetch:        h.fetch,
		Thinking:     h.ThinkingMode(),
		Safety:       safety,
		MaxBody:      h.MaxBody,
		Attempts:     h.Retry.Attempts,
		AttemptsFor:  time.Duration(h.Retry.Duration),
		MaxWait:      time.Duration(*h.Retry.MaxWait),
		Affinity:     *h.Affinity > 0,
		KeepAlive:    time.Duration(*h.Keepalive),
		FirstToken:   time.Duration(h.FirstTokenTimeout),
		Idle:         time.Duration(h.IdleTimeout),
		BodyStatus: func(err error) (int, bool) {
			handlerError, ok := errors.AsType[caddyhttp.HandlerError](err)
			return handlerError.StatusCode, ok
		},
	}
}

// Cleanup gives back what the handler holds of the accounts, and connections nobody uses. Streams that still run keep what they use.
func (h *Handler) Cleanup() error {
	if h.client != nil {
		h.client.CloseIdleConnections()
	}
	if h.fetch != nil {
		h.fetch.CloseIdleConnections()
	}
	if h.changes != nil {
		h.changes.Close()
	}
	err := h.shared.Release()
	if h.payers != nil {
		err = errors.Join(err, h.payers.Release())
	}
	return err
}

// ServeHTTP answers requests for the gateway's routes and hands all others on.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	route := h.gateway.Route(r)
	if route == nil {
		return next.ServeHTTP(w, r)
	}
	h.timeouts.Do(func() { h.warnOfTimeout(r) })
	observe.Exchange(r, route.Serve(w, r, h.whose(r)))
	return nil
}

// warnOfTimeout tells the operator, once, of a setting that nothing in here can overrule.
func (h *Handler) warnOfTimeout(r *http.Request) {
	if server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server.WriteTimeout > 0 {
		h.logger.Warn("the server's write timeout cuts answers off that take longer: leave it unset where models answer",
			zap.Duration("write_timeout", time.Duration(server.WriteTimeout)))
	}
}

// whose is who sent a request: the user whom an authentication handler has identified, else an address.
func (h *Handler) whose(r *http.Request) gateway.Client {
	if id := userID(r); id != "" {
		return gateway.Client{ID: id, Identified: true}
	}
	return gateway.Client{ID: address(r), Anonymous: true, Identified: h.Anonymous}
}

// userID is whom an authentication handler of Caddy's has identified; empty for nobody.
func userID(r *http.Request) string {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return ""
	}
	id, _ := repl.GetString("http.auth.user.id")
	return id
}

// perHost is how much of an IPv6 address tells one network from the next: a single host has all addresses that begin with it.
const perHost = 64

// address is where a request comes from, as Caddy knows it: the client's own address when a trusted proxy stands in between.
func address(r *http.Request) string {
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return text
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, perHost).Masked().String()
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
