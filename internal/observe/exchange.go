// Package observe shows what the gateway did in the places where Caddy's operators look: logs, placeholders and events. It also keeps
// the last exchanges, to explain them.
package observe

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
)

// Exchange adds a finished exchange to the request's access-log entry, as one object named gemini_proxy, and sets the same values as
// placeholders {http.gemini_proxy.*}. Other handlers, such as tracing, evaluate placeholders after the response has been written. The
// record is also kept for Explain, so it must not change any more.
func Exchange(r *http.Request, record *gateway.Record) {
	recent.add(record)
	if extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.Object("gemini_proxy", entry{record}))
	}
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		enc := placeholders{Replacer: repl}
		entry{record}.each(enc)
	}
}

// entry is a record as a log object.
type entry struct{ *gateway.Record }

// fields is what an entry is written to.
type fields interface {
	AddString(key, value string)
	AddInt64(key string, value int64)
	AddBool(key string, value bool)
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (e entry) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	e.each(enc)
	return nil
}

// each writes the fields under their public names. What was never reached is left out.
func (e entry) each(f fields) {
	f.AddString("surface", e.Surface)
	for _, text := range []struct{ key, value string }{
		{"model", e.Model},
		{"upstream_model", e.UpstreamModel},
		{"account", e.Account},
		{"finish_reason", e.FinishReason},
		{"error", e.Error},
	} {
		if text.value != "" {
			f.AddString(text.key, text.value)
		}
	}
	f.AddInt64("attempts", int64(e.Attempts))
	f.AddInt64("wait_ms", e.Wait.Milliseconds())
	f.AddBool("stream", e.Stream)
	if e.FirstToken > 0 {
		f.AddInt64("first_token_ms", e.FirstToken.Milliseconds())
	}
	f.AddInt64("prompt_tokens", int64(e.Usage.Prompt))
	f.AddInt64("cached_tokens", int64(e.Usage.Cached))
	f.AddInt64("completion_tokens", int64(e.Usage.Completion))
	f.AddInt64("reasoning_tokens", int64(e.Usage.Reasoning))
}

// placeholders writes fields as {http.gemini_proxy.<key>}.
type placeholders struct{ *caddy.Replacer }

func (p placeholders) set(key string, value any)        { p.Set("http.gemini_proxy."+key, value) }
func (p placeholders) AddString(key, value string)      { p.set(key, value) }
func (p placeholders) AddInt64(key string, value int64) { p.set(key, value) }
func (p placeholders) AddBool(key string, value bool)   { p.set(key, value) }

// Interface guards
var (
	_ zapcore.ObjectMarshaler = entry{}
	_ fields                  = placeholders{}
)
