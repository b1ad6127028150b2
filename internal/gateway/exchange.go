package gateway

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

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
	trace     *rotator.Trace // where the choice of accounts is noted; nil: in the record

	client       string        // whose request it is
	memory       *memory       // of calls' signatures; nil for what is not the client's own exchange
	conversation uint64        // that it belongs to, 0 for none
	opening      bool          // the conversation seems to begin here
	model        string        // the model at hand, by Google's name; empty before the first
	bodies       []encodedBody // what has been encoded so far, one per place and model
	tokens       int64         // estimate of the prompt
	bytes        int           // of the client's body
	began        time.Time
	attempts     rotator.Attempts // Made counts for the whole request, the failures for the model at hand
	paid         int              // attempts.Made when the pool's budget last paid for a retry: one that became no call is still paid for
	uncalled     int              // attempts that ended before Google was asked
	tried        rotator.Tried
	unfit        []string    // backends that have no form for the request and the model at hand
	silence      *time.Timer // fires when the client has heard nothing for KeepAlive; nil when nothing is sent for that
	gone         bool        // a write to the client failed
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
	if len(request.Safety) == 0 {
		request.Safety = g.Safety
	}

	e := &exchange{
		gateway: g, ctx: r.Context(), request: request, newWriter: newWriter, record: record,
		reply: newReply(w, x.surface), client: x.client.ID, bytes: len(body),
	}
	if failed := e.gather(); failed != nil {
		e.giveUp(failed)
		return
	}
	e.memory = newMemory(g.Signatures, x.client, request)
	e.memory.recall(models[0])
	e.tokens, e.began = gemini.EstimateTokens(request, models[0]), time.Now()
	if g.Affinity {
		e.conversation, e.opening = conversation(request, r.Header), opening(request, r.Header, e.tokens)
	}
	e.run(models)
}

// run has the request answered, if it can be.
func (x *exchange) run(models []*gemini.Model) {
	if x.request.Stream && x.gateway.KeepAlive > 0 {
		x.silence = time.NewTimer(x.gateway.KeepAlive)
		defer x.silence.Stop()
	}
	n := x.request.Sampling.Candidates
	apart := n > 1 && slices.ContainsFunc(models, func(m *gemini.Model) bool { return m.Generation.Candidates < n })
	var failed *translate.Error
	if !apart {
		failed = x.answer(models)
		apart = n > 1 && failed != nil && failed.Param == "n" && x.mayTry() // Google gives one to a call after all
	}
	if apart {
		failed = x.sing(models, n)
	}
	if failed != nil {
		x.giveUp(failed)
	}
}

// answer tries the first model, and the others only if that has no capacity. When they have none either, the request waits for the
// first: it is the model that was asked for.
func (x *exchange) answer(models []*gemini.Model) *translate.Error {
	alone := len(models) == 1
	failed, dry := x.try(models[0], alone)
	if failed != nil && another(failed) && !alone {
		failed = x.fallBack(models[1:], failed)
		if failed != nil && dry && x.mayTry() {
			failed, _ = x.try(models[0], true)
		}
	}
	return failed
}

func (x *exchange) clientGone() bool { return x.gone || x.ctx.Err() != nil }

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

// maxIgnored bounds the parameters that are named in a header: clients' libraries refuse long ones.
const maxIgnored = 64

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
		h.Set("X-Gemini-Proxy-Ignored", strings.Join(ignored[:min(len(ignored), maxIgnored)], ", "))
	}
}
