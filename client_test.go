package geminiproxy

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
)

func TestClientsAreToldApartByUserOrElseByAddress(t *testing.T) {
	var h Handler
	h.Anonymous = true
	of := func(user, ip string) gateway.Client {
		repl := caddy.NewReplacer()
		if user != "" {
			repl.Set("http.auth.user.id", user)
		}
		ctx := context.WithValue(t.Context(), caddy.ReplacerCtxKey, repl)
		ctx = context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{})
		caddyhttp.SetVar(ctx, caddyhttp.ClientIPVarKey, ip)
		return h.whose(httptest.NewRequest("POST", "/v1/chat/completions", nil).WithContext(ctx))
	}
	for _, test := range []struct{ user, ip, want string }{
		{"alice", "192.0.2.1", "alice"},
		{"", "192.0.2.1", "192.0.2.1"},
		{"", "::ffff:192.0.2.1", "192.0.2.1"},
		{"", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"", "2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"},
		{"", "2001:db8:1:3::1", "2001:db8:1:3::/64"},
		{"", "fe80::1%eth0", "fe80::/64"},
		{"", "", ""},
		{"", "@", "@"}, // of a Unix socket
	} {
		if got := of(test.user, test.ip); got.ID != test.want || !got.Identified || got.Anonymous != (test.user == "") {
			t.Errorf("user %q at %q: %+v, want %q", test.user, test.ip, got, test.want)
		}
	}
	h.Anonymous = false
	if of("", "192.0.2.1").Identified || !of("alice", "192.0.2.1").Identified {
		t.Error("who may use the gateway does not depend on who it is")
	}
}
