package gateway

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// exchange is one conversation turn between a client and whichever account answers it.
type exchange struct {
	gateway   *Gateway
	ctx       context.Context // the client's: done when it goes away
	request   *translate.Request
	newWriter func() translate.Writer
	reply     *reply
	record    *Record

	model    string        // the model at hand, by Google's name; empty before the first
	bodies   []encodedBody // what has been encoded so far, one per backend and model
	tokens   int64         // estimate of the prompt
	began    time.Time
	attempts rotator.Attempts // Made counts for the whole request, the failures for the model at hand
	paid     int              // attempts.Made when the pool's budget last paid for a retry: one that became no call is still paid for
	uncalled int              // attempts that ended before Google was asked
	tried    rotator.Tried
	silence  *time.Timer // fires when the client has heard nothing for KeepAlive; nil when nothing is sent for that
	gone     bool        // a write to the client failed
}

// maxUncalled bounds the attempts of a request that end before Google is asked. They take next to no time, or as long as a token is
// waited for.
const maxUncalled = 100

type encodedBody struct {
	backend translate.Backend
	model   *gemini.Model
	*gemini.Encoded
}

// converse serves a request of a surface that talks to a model.
func (x *Route) converse(w http.ResponseWriter, r *http.Request, record *Record) {
	g := x.gateway
	body, failed := g.readBody(r)
	if failed != nil {
		x.refuse(w, record, failed)
		return
	}
	request, newWriter, err := x.surface.Decode(r.Header, body)
	if err != nil {
		x.refuse(w, record, asClientError(err))
		return
	}
	if request.Model == "" {
		request.Model = g.DefaultModel
	}
	record.Model, record.Stream = request.Model, request.Stream
	models, failed := g.resolve(request.Model)
	if failed != nil {
		x.refuse(w, record, failed)
		return
	}
	request.Thinking = g.Thinking.Resolve(request.Reasoning)

	e := &exchange{
		gateway: g, ctx: r.Context(), request: request, newWriter: newWriter, record: record,
		reply: newReply(w, x.surface), tokens: gemini.EstimateTokens(request), began: time.Now(),
	}
	e.run(models)
}

// run tries the first model, and the others only if that has no capacity.
func (x *exchange) run(models []*gemini.Model) {
	if x.request.Stream && x.gateway.KeepAlive > 0 {
		x.silence = time.NewTimer(x.gateway.KeepAlive)
		defer x.silence.Stop()
	}
	failed := x.try(models[0])
	if failed != nil && another(failed) {
		failed = x.fallBack(models[1:], failed)
	}
	if failed != nil {
		x.giveUp(failed)
	}
}

// fallBack tries other models while nothing has been said. If none of them answers, the client is told of the failure of the first: it
// is the model it asked for.
func (x *exchange) fallBack(models []*gemini.Model, first *translate.Error) *translate.Error {
	for _, m := range models {
		if !x.mayTry() {
			break
		}
		if failed := x.try(m); failed == nil || x.reply.spoken {
			return failed
		}
	}
	return first
}

// mayTry reports whether one more upstream call may be made: the client is still there and has heard nothing, and neither the calls of
// a request nor the time for them are used up.
func (x *exchange) mayTry() bool {
	return !x.reply.spoken && !x.clientGone() && time.Since(x.began) <= x.gateway.AttemptsFor &&
		x.attempts.Made < x.gateway.Attempts && x.uncalled < maxUncalled
}

// mayRetry reports whether the pool's budget has room for one more call after a failed one. It bounds what could go on for ever: a call
// that failed by chance or for want of capacity teaches nothing, so the next may fail the same way. A spent quota or a dead account
// is found out once and not asked again, a stale token is renewed once, and a fallback asks another model: those are not limited.
func (x *exchange) mayRetry(d rotator.Decision) bool {
	if d.Next != rotator.Anywhere || x.attempts.Made == x.paid {
		return true
	}
	if !x.gateway.Pool.Retries().Spend() {
		return false
	}
	x.paid = x.attempts.Made
	return true
}

func (x *exchange) clientGone() bool { return x.gone || x.ctx.Err() != nil }

// lacksCapacity reports whether the accounts or the model are at their limits: time may help, or another model. Neither does when the
// request is at fault.
func lacksCapacity(e *translate.Error) bool {
	switch e.Kind {
	case translate.ErrRateLimit, translate.ErrQuota, translate.ErrOverloaded:
		return true
	default:
		return false
	}
}

// another reports whether another model may do what this one could not: the accounts are out of it, or do not have it.
func another(e *translate.Error) bool { return lacksCapacity(e) || e.Kind == translate.ErrNotFound }

// unknownRetry is when to come back where nobody knows: soon enough for an operator who has just mended something.
const unknownRetry = 30 * time.Second

// giveUp ends the exchange without a complete answer.
func (x *exchange) giveUp(e *translate.Error) {
	if x.clientGone() {
		x.record.Error = "client_gone"
		if !x.reply.committed {
			x.reply.w.WriteHeader(statusClientGone)
		}
		return
	}
	if e.RetryAfter == 0 && (e.Status == http.StatusServiceUnavailable || e.Status == http.StatusTooManyRequests) {
		e.RetryAfter = unknownRetry
	}
	x.record.fail(e)
	x.setHeaders(nil)
	x.reply.fail(e)
}

// try asks accounts for one model until one has answered; it returns nil then, else the failure as the client may see it.
func (x *exchange) try(m *gemini.Model) *translate.Error {
	x.model = m.ID
	x.attempts, x.tried = rotator.Attempts{Made: x.attempts.Made}, rotator.Tried{}
	var last *translate.Error
	for {
		lease, err := x.gateway.Pool.Acquire(rotator.Query{Model: m.ID, Tokens: x.tokens, Tried: &x.tried})
		if err != nil {
			return x.exhausted(m, err, last)
		}
		decision, failed := x.use(lease, m)
		if failed == nil {
			return nil
		}
		last = failed
		if decision.Next == rotator.GiveUp || !x.mayTry() || !x.mayRetry(decision) || !x.pause(decision.After) {
			return x.timed(m, failed)
		}
	}
}

// use has one account answer, with a second attempt of the same account when its token turns out to be stale.
func (x *exchange) use(lease *rotator.Lease, m *gemini.Model) (rotator.Decision, *translate.Error) {
	x.record.Account = lease.Credential().Label
	defer lease.Settle(rotator.Outcome{Called: true}) // in a panic; it is settled otherwise
	for {
		a := &attempt{exchange: x, lease: lease, model: m}
		failed := a.run()
		a.count()
		x.record.Usage = a.usage()
		outcome := rotator.Outcome{Called: a.called.Load(), Tokens: int64(x.record.Usage.Prompt)}
		if failed == nil {
			lease.Settle(outcome)
			return rotator.Decision{}, nil
		}
		x.suffer(failed.Fault, outcome.Called)
		outcome.Decision = lease.Decide(failed.Fault, x.attempts)
		if outcome.Decision.Next == rotator.SameAccount && x.mayTry() {
			lease.Renew(a.token)
			continue
		}
		lease.Settle(outcome)
		return outcome.Decision, x.clientError(a, failed)
	}
}

// suffer adds a fault to what the request has gone through. What went wrong before Google was asked has cost nothing, and must not keep a
// request from the accounts behind: a token endpoint or a host that is down can stand between it and many of them.
func (x *exchange) suffer(f *rotator.Fault, called bool) {
	if !called {
		x.uncalled++
		return
	}
	switch f.Kind {
	case rotator.FaultTransient, rotator.FaultEmpty, rotator.FaultUnusable, rotator.FaultIncomplete:
		x.attempts.Transient++
	case rotator.FaultModelCapacity:
		x.attempts.Capacity++
	default: // has no bound of its own: what is at fault is not tried twice
	}
}

// clientError is a failed attempt as the client may see it, with the field at fault named as the client named it.
func (x *exchange) clientError(a *attempt, failed *google.Error) *translate.Error {
	e := *failed.Client
	if e.Param == "" && failed.Path != "" && a.body.Encoded != nil {
		e.Param = a.body.Param(failed.Path)
	}
	return &e
}

// timed gives a lack of capacity the time at which the pool, not just the account tried last, can serve the model again.
func (x *exchange) timed(m *gemini.Model, e *translate.Error) *translate.Error {
	if !lacksCapacity(e) {
		return e
	}
	e.RetryAfter = max(x.gateway.Pool.RetryAfter(m.ID), time.Second)
	return e
}

// pause waits before the next attempt, keeping the client's connection open; false when the client went away meanwhile.
func (x *exchange) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	done := time.NewTimer(d)
	defer done.Stop()
	for {
		select {
		case <-done.C:
			return true
		case <-x.ctx.Done():
			return false
		case <-x.silenceC():
			if !x.keepAlive() {
				return false
			}
		}
	}
}

// silenceC is nil, and so never ready, when the client is not kept company.
func (x *exchange) silenceC() <-chan time.Time {
	if x.silence == nil {
		return nil
	}
	return x.silence.C
}

func (x *exchange) keepAlive() bool {
	x.setHeaders(nil)
	x.silence.Reset(x.gateway.KeepAlive)
	x.gone = x.reply.keepAlive() != nil
	return !x.gone
}

// encode is the request for a backend and model, encoded once however many accounts are tried.
func (x *exchange) encode(b translate.Backend, m *gemini.Model) (encodedBody, error) {
	for _, body := range x.bodies {
		if body.backend == b && body.model == m {
			return body, nil
		}
	}
	encoded, err := gemini.Encode(x.request, b, m)
	if err != nil {
		return encodedBody{}, err
	}
	body := encodedBody{backend: b, model: m, Encoded: encoded}
	x.bodies = append(x.bodies, body)
	return body, nil
}

// setHeaders tells the client how the exchange went, as far as it is known when the headers leave. body is what is being answered.
func (x *exchange) setHeaders(body *gemini.Encoded) {
	if x.reply.committed {
		return
	}
	h := x.reply.w.Header()
	h.Set("X-Gemini-Proxy-Attempts", strconv.Itoa(x.record.Attempts))
	if x.record.UpstreamModel != "" {
		h.Set("X-Gemini-Proxy-Model", x.record.UpstreamModel)
	}
	if x.model != "" {
		setRateLimits(h, x.gateway.Pool.Allowances(x.model))
	}
	ignored := x.request.Ignored
	if body != nil {
		ignored = append(slices.Clip(ignored), body.Ignored...)
	}
	if len(ignored) > 0 {
		h.Set("X-Gemini-Proxy-Ignored", strings.Join(ignored, ", "))
	}
}
