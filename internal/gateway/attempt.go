package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// maxAnswer bounds what is kept of an answer that is not streamed to its client, in bytes of text and media. Tests lower it.
var maxAnswer = 256 << 20

// attempt is one upstream call. Two goroutines share it: the exchange's own, which alone talks to the client, and the pump, which
// talks to Google. The pump writes token before it sets called, and the exchange reads it after the pump has ended.
type attempt struct {
	*exchange
	lease  *rotator.Lease
	model  *gemini.Model
	body   encodedBody
	token  *rotator.Token
	called atomic.Bool // Google was asked, so the call counts against the quota

	began    time.Time
	hedge    bool               // a second attempt beside one that is late
	ctx      context.Context    // the pump's
	cancel   context.CancelFunc // ends the pump
	patience *time.Timer        // fires when Google has been silent for too long
	won      bool               // it answers the client: no other does

	counted bool // the call is in the record
	fold    *gemini.Fold
	writer  translate.Writer
	events  []translate.Event // understood, not yet written
	kept    int               // bytes the writer holds for an answer that is not streamed

	rest          []byte // the body that asks for the rest of a long answer, once it does
	continuations int    // calls that did
	shortfall     *google.Error
}

// frame is one event of Google's stream, or the end of it. The response is the receiver's until it asks for the next frame.
type frame struct {
	from     *attempt
	response *gemini.Response
	err      error
	panicked error // the pump panicked
}

// pump asks Google and hands on what it answers, event by event. It ends when the stream does or ctx is done.
func (a *attempt) pump(ctx context.Context, frames chan<- frame) {
	// Nobody recovers a panic here, so it would end every request of the process: it is handed on, to end its own only.
	defer func() {
		if p := recover(); p != nil {
			hand(ctx, frames, frame{from: a, panicked: fmt.Errorf("calling Google: %v\n%s", p, debug.Stack())})
		}
	}()
	// Two responses take turns: while the exchange works on one, the next event is decoded into the other. A send succeeds only when
	// the exchange has come back for more, so the one sent before is free again.
	var responses [2]gemini.Response
	stream, err := a.open(ctx)
	if err != nil {
		hand(ctx, frames, frame{from: a, err: err})
		return
	}
	defer stream.Close()
	for i := 0; ; i ^= 1 {
		err := stream.Next(&responses[i])
		if !hand(ctx, frames, frame{from: a, response: &responses[i], err: err}) || err != nil {
			return
		}
	}
}

func hand(ctx context.Context, frames chan<- frame, f frame) bool {
	select {
	case frames <- f:
		return true
	case <-ctx.Done():
		return false
	}
}

// open gets a token and sends the request.
func (a *attempt) open(ctx context.Context) (*google.Stream, error) {
	token, err := a.lease.Token(ctx)
	if err != nil {
		return nil, err
	}
	a.token = token
	a.called.Store(true)
	credential, body := a.lease.Credential(), a.body.Body
	if a.rest != nil {
		body = a.rest
	}
	stream, err := a.gateway.Google.Stream(ctx, google.Call{
		Backend: translate.Backend(credential.Backend), Model: a.model.ID, Project: credential.Project, Location: credential.Location,
		Token: token, Body: body, Tier: a.request.Tier, RequestID: a.record.RequestID,
	})
	if e, ok := errors.AsType[*google.Error](err); ok && e.Unsent && a.rest == nil {
		a.called.Store(false)
	}
	return stream, err
}

// count puts the call into the record, once it is known whether there was one.
func (a *attempt) count() {
	if a.counted || !a.called.Load() {
		return
	}
	a.counted = true
	a.attempts.Made++
	if a.attempts.Made == 1 {
		a.gateway.Pool.Retries().Earn()
	}
	a.record.Attempts++
}

// understand folds one frame. over is set when it was the last of a complete answer.
func (a *attempt) understand(f frame) (over bool, failed *google.Error) {
	switch {
	case f.panicked != nil:
		panic(f.panicked)
	case f.err == io.EOF: // not errors.Is: a failure may wrap io.EOF, and is not the end of an answer
		failed = a.end()
	case f.err != nil:
		failed = asFailure(f.err)
	}
	if f.err != nil {
		if a.ended() {
			a.abridge()
			failed = nil
		}
		return failed == nil, failed
	}
	a.events = a.fold.Add(a.events, f.response)
	return false, nil
}

// end folds the end of the stream.
func (a *attempt) end() *google.Error {
	var state gemini.EndState
	a.events, state = a.fold.End(a.events)
	if state != gemini.EndComplete {
		return a.unfinished(state)
	}
	for i := range a.events {
		if ev := &a.events[i]; ev.Kind == translate.EventFinish && ev.Candidate == 0 {
			a.record.FinishReason = ev.Finish.String()
		}
	}
	return nil
}

// ended reports whether nothing that still comes would be written, but what the answer cost.
func (a *attempt) ended() bool {
	w, ok := a.writer.(translate.Ender)
	if !ok {
		return false
	}
	_, ended := w.Ended()
	return ended
}

// abridge makes an end of an answer that has ended for the client but not for Google.
func (a *attempt) abridge() {
	if w, ok := a.writer.(translate.Ender); ok {
		finish, _ := w.Ended()
		a.record.FinishReason = finish.String()
	}
	a.events = append(a.events[:0], translate.Event{Kind: translate.EventUsage, Usage: a.fold.Usage()})
}

// tell writes what has been understood, and when the answer is over its end. What still comes of an answer that has ended for the client
// is neither waited nor paid for, once it is known what it has cost: some of Google's services say so at the end only.
func (a *attempt) tell(over bool) (bool, *google.Error) {
	if !over {
		failed := a.write(nil)
		if failed != nil || !a.ended() || a.fold.Usage() == (translate.Usage{}) {
			return false, failed
		}
		a.abridge()
	}
	return true, a.conclude()
}

// conclude writes the end of the answer.
func (a *attempt) conclude() *google.Error {
	if failed := a.write(a.finish); failed != nil {
		return failed
	}
	if !a.request.Stream {
		a.setHeaders(a.body.Encoded)
		a.reply.committed, a.reply.spoken = true, true
		writeJSON(a.reply.w, http.StatusOK, a.reply.buf)
	}
	return nil
}

// write renders the events at hand, and after them what finish appends.
func (a *attempt) write(finish func(dst []byte) []byte) *google.Error {
	if a.writer == nil {
		a.writer = a.newWriter()
	}
	dst := a.reply.buf[:0]
	for i := range a.events {
		dst = a.writer.Append(dst, &a.events[i])
		a.memory.keep(&a.events[i])
		a.kept += sizeOf(&a.events[i])
	}
	clear(a.events) // lets go of media
	a.events = a.events[:0]
	if finish != nil {
		dst = finish(dst)
	}
	a.reply.buf = dst
	if !a.request.Stream {
		if a.kept > maxAnswer {
			return oversized()
		}
		return nil
	}
	if len(dst) == 0 {
		return nil
	}
	a.setHeaders(a.body.Encoded)
	a.reply.spoken = true
	if err := a.reply.send(dst); err != nil {
		a.gone = true
		return clientGone(err)
	}
	if a.silence != nil {
		a.silence.Reset(a.gateway.KeepAlive)
	}
	return nil
}

func sizeOf(ev *translate.Event) int {
	n := len(ev.Text) + len(ev.Signature.Value)
	if ev.Media != nil {
		n += len(ev.Media.Data)
	}
	if ev.Call != nil {
		n += len(ev.Call.Args)
	}
	return n
}

func (a *attempt) finish(dst []byte) []byte { return a.writer.Finish(dst) }

// usage is what the call cost as far as Google has said, whether or not it was completed.
func (a *attempt) usage() translate.Usage {
	if a.fold == nil {
		return translate.Usage{}
	}
	return a.fold.Usage()
}

// settle ends the lease with what follows from how the attempt went.
func (a *attempt) settle(d rotator.Decision) {
	o := rotator.Outcome{Decision: d, Called: a.called.Load()}
	if a.fold != nil {
		o.Tokens = int64(a.fold.PromptTokens())
	}
	a.lease.Settle(o)
}

// note puts the attempt into the record, with its outcome in a word and the HTTP status if it failed.
func (a *attempt) note(outcome string, status int) {
	a.record.Tries = append(a.record.Tries, Try{
		Account: a.lease.Credential().Label, Model: a.model.ID, Began: a.began, DurationMS: time.Since(a.began).Milliseconds(),
		Called: a.called.Load(), Hedge: a.hedge, Outcome: outcome, Status: status,
	})
}
