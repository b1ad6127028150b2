package observe

import (
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// maxEvents bounds the events that wait for their handlers: a fleet may come back all at once when Google's day ends.
const maxEvents = 1024

// eventNames is the event each state of a change is told as.
var eventNames = map[string]string{
	rotator.StateReady:     "gemini_proxy.account_ready",
	rotator.StateCooling:   "gemini_proxy.account_cooling",
	rotator.StateDisabled:  "gemini_proxy.account_disabled",
	rotator.StateExhausted: "gemini_proxy.pool_exhausted",
}

// events tells Caddy's events app of changes. Handlers of events run in the goroutine that emits, and may take their time: so one
// goroutine emits all of them, in order, and only while there are any.
type events struct {
	ctx    caddy.Context
	app    *caddyevents.App
	logger *zap.Logger

	mu       sync.Mutex
	waiting  []rotator.Change
	dropped  int  // since it was last said
	emitting bool // there is a goroutine
	closed   bool
}

// newEvents returns the events of the module that is provisioned with ctx.
func newEvents(ctx caddy.Context) (*events, error) {
	app, err := ctx.App("events")
	if err != nil {
		return nil, fmt.Errorf("getting the events app: %w", err)
	}
	return &events{ctx: ctx, app: app.(*caddyevents.App), logger: ctx.Logger()}, nil
}

// notify has the change told to whoever subscribed to it. It never waits: what is too much is dropped, and counted.
func (e *events) notify(c rotator.Change) {
	if !e.app.ShouldEmit(eventNames[c.State]) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
	case len(e.waiting) == maxEvents:
		e.dropped++
	default:
		e.waiting = append(e.waiting, c)
		if !e.emitting {
			e.emitting = true
			go e.emitAll()
		}
	}
}

// close ends the telling. A handler that is at work is not waited for, because a new configuration would wait too; its context is
// over, and the goroutine ends with it.
func (e *events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed, e.waiting = true, nil
}

// emitAll emits until nothing is left.
func (e *events) emitAll() {
	for {
		change, dropped, ok := e.next()
		if dropped > 0 {
			e.logger.Warn("handlers of events are too slow for the changes there are: some were not told", zap.Int("events", dropped))
		}
		if !ok {
			return
		}
		e.emit(change)
	}
}

// next returns what is to be told now, and how many were dropped since it was last called. Without anything to tell, the goroutine
// has to end.
func (e *events) next() (change rotator.Change, dropped int, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	dropped, e.dropped = e.dropped, 0
	if len(e.waiting) == 0 {
		e.waiting, e.emitting = nil, false
		return change, dropped, false
	}
	change, e.waiting = e.waiting[0], e.waiting[1:]
	return change, dropped, true
}

// emit tells of one change. Its data are always the same, so that a placeholder such as {event.data.model} never stands for itself.
func (e *events) emit(c rotator.Change) {
	if e.ctx.Err() != nil {
		return // the configuration is gone, and the subscribers with it
	}
	defer func() {
		if r := recover(); r != nil { // as net/http would for a handler that runs in a request
			e.logger.Error("a handler of events panicked", zap.String("event", eventNames[c.State]), zap.Any("panic", r))
		}
	}()
	data := map[string]any{"label": "", "model": c.Model, "until": "", "reason": c.Reason}
	if c.Credential != nil {
		data["label"] = c.Credential.Label
	}
	if !c.Until.IsZero() {
		data["until"] = c.Until.UTC().Format(time.RFC3339)
	}
	e.app.Emit(e.ctx, eventNames[c.State], data)
}
