package gateway

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// maxVoices is how many of the answers to one request are worked on at once. The others wait: each takes a call, and nobody reads so many
// at a time.
const maxVoices = 8

// choir answers a request for several answers by as many exchanges at the same time, for models that give one answer to a call. Each
// exchange tries accounts as it would alone; what they have to say is told to the client in one answer. Only the goroutine of the
// client's exchange uses a choir: the voices hand everything to it.
type choir struct {
	*exchange // the client's
	writer    translate.Writer
	heard     chan verse
	over      chan solo
	usage     translate.Usage
}

// voice is one of the exchanges. To that exchange it is the client, and the writer of every attempt's answer.
type voice struct {
	*exchange
	index  int
	header http.Header
	heard  chan<- verse
	seats  chan struct{}     // has room for those that may sing at once
	said   []translate.Event // by the attempt at hand, not yet handed on
}

// verse is a piece of what a voice has to say.
type verse struct {
	index  int
	events []translate.Event
	header http.Header // as the voice would have sent it with this
}

// solo is how the exchange of a voice went.
type solo struct {
	failed   *translate.Error
	panicked error
}

// sing has n exchanges answer.
func (x *exchange) sing(models []*gemini.Model, n int) *translate.Error {
	ctx, cancel := context.WithCancel(x.ctx)
	c := &choir{exchange: x, writer: x.newWriter(), heard: make(chan verse), over: make(chan solo)}
	voices, seats := make([]*voice, n), make(chan struct{}, maxVoices)
	var singing sync.WaitGroup
	defer singing.Wait()
	defer cancel()
	for i := range voices {
		voices[i] = c.voice(ctx, i)
		voices[i].seats = seats
		singing.Go(func() { voices[i].sing(ctx, models, c.over) })
	}
	failed := c.listen(n)
	cancel()
	singing.Wait()
	c.sum(voices)
	if failed != nil {
		return failed
	}
	return c.conclude()
}

// voice makes the exchange of one answer. A seed would make all answers the same, so each has its own.
func (c *choir) voice(ctx context.Context, index int) *voice {
	request := *c.request
	request.Sampling.Candidates = 0
	if seed := request.Sampling.Seed; seed != nil {
		request.Sampling.Seed = new(*seed + int64(index))
	}
	v := &voice{index: index, header: make(http.Header), heard: c.heard}
	v.exchange = &exchange{
		gateway: c.gateway, ctx: ctx, request: &request, newWriter: v.begin, reply: newReply(v, c.reply.surface),
		record: &Record{RequestID: c.record.RequestID, Stream: c.record.Stream, Start: c.record.Start}, trace: &c.record.Trace,
		tokens: c.tokens, began: c.began, client: c.client, conversation: c.conversation, opening: c.opening,
	}
	return v
}

// listen tells the client what the voices say until all have ended, or one has failed.
func (c *choir) listen(singing int) *translate.Error {
	for singing > 0 {
		select {
		case v := <-c.heard:
			if !c.tell(v) {
				return asClientError(context.Canceled)
			}
		case s := <-c.over:
			singing--
			switch {
			case s.panicked != nil:
				panic(s.panicked)
			case s.failed != nil:
				return s.failed
			}
		case <-c.silenceC():
			if !c.keepAlive() {
				return asClientError(context.Canceled)
			}
		case <-c.ctx.Done():
			return asClientError(c.ctx.Err())
		}
	}
	return nil
}

// tell passes a verse on; false when the client is gone.
func (c *choir) tell(v verse) bool {
	dst := c.reply.buf[:0]
	for i := range v.events {
		ev := &v.events[i]
		if ev.Kind == translate.EventUsage {
			c.add(ev.Usage)
			continue
		}
		ev.Candidate = v.index
		dst = c.writer.Append(dst, ev)
		c.memory.keep(ev)
	}
	c.reply.buf = dst
	if !c.reply.committed {
		maps.Copy(c.reply.w.Header(), v.header)
	}
	return c.send(dst)
}

// send has the client hear of a stream what there is to hear; false when it is gone.
func (c *choir) send(dst []byte) bool {
	if !c.request.Stream || len(dst) == 0 {
		return true
	}
	c.reply.spoken = true
	if c.gone = c.reply.send(dst) != nil; !c.gone && c.silence != nil {
		c.silence.Reset(c.gateway.KeepAlive)
	}
	return !c.gone
}

// add adds up what the answers cost. The prompt, which they share, counts once, as clients expect it.
func (c *choir) add(u translate.Usage) {
	sum := &c.usage
	sum.Prompt, sum.Cached, sum.PromptAudio = max(sum.Prompt, u.Prompt), max(sum.Cached, u.Cached), max(sum.PromptAudio, u.PromptAudio)
	sum.Completion += u.Completion
	sum.Reasoning += u.Reasoning
	sum.CompletionAudio += u.CompletionAudio
}

// conclude writes the end of the answer.
func (c *choir) conclude() *translate.Error {
	dst := c.writer.Append(c.reply.buf[:0], &translate.Event{Kind: translate.EventUsage, Usage: c.usage})
	dst = c.writer.Finish(dst)
	if c.request.Stream {
		c.send(dst)
		return nil
	}
	c.setHeaders(nil)
	c.reply.committed, c.reply.spoken = true, true
	writeJSON(c.reply.w, http.StatusOK, dst)
	return nil
}

// sum makes one record of the voices'.
func (c *choir) sum(voices []*voice) {
	r, first := c.record, voices[0].record
	r.UpstreamModel, r.Account, r.FinishReason, r.Usage = first.UpstreamModel, first.Account, first.FinishReason, c.usage
	for _, v := range voices {
		r.Attempts += v.record.Attempts
		r.Wait = max(r.Wait, v.record.Wait)
		r.Tries = append(r.Tries, v.record.Tries...)
		if first := v.record.FirstToken; first > 0 && (r.FirstToken == 0 || first < r.FirstToken) {
			r.FirstToken = first
		}
		if r.Hedge != HedgeWon && v.record.Hedge != "" {
			r.Hedge = v.record.Hedge
		}
	}
}

// sing has the exchange answer and reports how it went.
func (v *voice) sing(ctx context.Context, models []*gemini.Model, over chan<- solo) {
	report := func(s solo) {
		select {
		case over <- s:
		case <-ctx.Done():
		}
	}
	defer func() {
		if p := recover(); p != nil { // to be raised where it ends this request only
			report(solo{panicked: fmt.Errorf("answering: %v\n%s", p, debug.Stack())})
		}
	}()
	select {
	case v.seats <- struct{}{}:
		defer func() { <-v.seats }()
	case <-ctx.Done():
		return
	}
	v.began = time.Now()
	report(solo{failed: v.answer(models)})
}

// begin makes the writer of an attempt: the voice itself.
func (v *voice) begin() translate.Writer {
	v.said = nil
	return v
}

// Append implements translate.Writer. What it appends only tells the exchange that there is something to send.
func (v *voice) Append(dst []byte, ev *translate.Event) []byte {
	v.said = append(v.said, *ev)
	return append(dst, ' ')
}

// Finish implements translate.Writer.
func (v *voice) Finish(dst []byte) []byte { return dst }

// Header implements http.ResponseWriter.
func (v *voice) Header() http.Header { return v.header }

// WriteHeader implements http.ResponseWriter.
func (v *voice) WriteHeader(int) {}

// Write implements http.ResponseWriter: it hands on what was said.
func (v *voice) Write(b []byte) (int, error) {
	select {
	case v.heard <- verse{index: v.index, events: slices.Clone(v.said), header: maps.Clone(v.header)}:
		v.said = v.said[:0]
		return len(b), nil
	case <-v.ctx.Done():
		return 0, v.ctx.Err()
	}
}
