package geminiproxy

import (
	"net/http"
	"net/netip"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
)

// whose is who sent a request: the user whom an authentication handler has identified, else an address.
func (h *Handler) whose(r *http.Request) gateway.Client {
	if id := userID(r); id != "" {
		return gateway.Client{ID: id, Identified: true}
	}
	return gateway.Client{ID: address(r), Identified: h.Anonymous}
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
