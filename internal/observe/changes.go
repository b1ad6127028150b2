package observe

import (
	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// Changes tells operators what changes about the accounts of a handler: in its log, and as events of Caddy's events app.
//
// Event | Told when
// ------|----------
// `gemini_proxy.account_cooling` | an account, or its quota group for one model, has to rest
// `gemini_proxy.account_disabled` | an account is out of use, by a fault or by an operator
// `gemini_proxy.account_ready` | it may be used again
// `gemini_proxy.pool_exhausted` | every account is out of a model
//
// The data of an event are label, model, until and reason; what does not apply is empty. until is a moment as of RFC 3339.
type Changes struct {
	logger *zap.Logger
	events *events
}

// NewChanges returns the Changes of the module that is provisioned with ctx.
func NewChanges(ctx caddy.Context) (*Changes, error) {
	events, err := newEvents(ctx)
	if err != nil {
		return nil, err
	}
	return &Changes{logger: ctx.Logger(), events: events}, nil
}

// Notify tells of a change. It is safe for concurrent use and does not wait for who listens.
func (c *Changes) Notify(change rotator.Change) {
	c.log(change)
	c.events.notify(change)
}

// Close ends the telling of events, which only who runs with the same configuration can hear. Streams that outlive it are still
// logged.
func (c *Changes) Close() { c.events.close() }

func (c *Changes) log(change rotator.Change) {
	level, message := zap.InfoLevel, "account is "+change.State
	switch {
	case change.State == rotator.StateExhausted:
		level, message = zap.WarnLevel, "every account is out of the model"
	case change.State == rotator.StateDisabled && change.Reason != rotator.ByOperator:
		level = zap.ErrorLevel // somebody has to do something about it
	}
	entry := c.logger.Check(level, message)
	if entry == nil {
		return
	}
	fields := make([]zapcore.Field, 0, 4)
	if change.Credential != nil {
		fields = append(fields, zap.String("account", change.Credential.Label))
	}
	if change.Reason != "" {
		fields = append(fields, zap.String("reason", change.Reason))
	}
	if change.Model != "" {
		fields = append(fields, zap.String("model", change.Model))
	}
	if !change.Until.IsZero() {
		fields = append(fields, zap.Time("until", change.Until))
	}
	entry.Write(fields...)
}
