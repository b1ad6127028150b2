package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"sync"
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

	counted bool // the call is in the record
	fold    *gemini.Fold
	writer  translate.Writer
	events  []translate.Event // understood, not yet written
	kept    int               // bytes the writer holds for an answer that is not streamed
}

// frame is one event of Google's stream, or the end of it. The response is the receiver's until it asks for the next frame.
type frame struct {
	response *gemini.Response
	err      error
	panicked error // the pump panicked
}

// run makes the call and writes what comes of it. It returns nil once the answer is complete, and only after the pump has ended.
func (a *attempt) run() *google.Error {
	backend := translate.Backend(a.lease.Credential().Backend)
	body, err := a.encode(backend, a.model)
	if err != nil {
		return &google.Error{Fault: &rotator.Fault{Kind: rotator.FaultRequest, Reason: "NOT_ENCODABLE", Err: err}, Client: asClientError(err)}
	}
	a.body, a.fold = body, gemini.NewFold(backend, a.request)
	a.record.UpstreamModel = a.model.ID

	ctx, cancel := context.WithCancel(a.ctx)
	frames := make(chan frame)
	var pump sync.WaitGroup
	pump.Go(func() { a.pump(ctx, frames) })
	defer pump.Wait()
	defer cancel()
	return a.consume(frames)
}

// pump asks Google and hands on what it answers, event by event. It ends when the stream does or ctx is done.
func (a *attempt) pump(ctx context.Context, frames chan<- frame) {
	// Nobody recovers a panic here, so it would end every request of the process: it is handed on, to end its own only.
	defer func() {
		if p := recover(); p != nil {
			hand(ctx, frames, frame{panicked: fmt.Errorf("calling Google: %v\n%s", p, debug.Stack())})
		}
	}()
	// Two responses take turns: while the exchange works on one, the next event is decoded into the other. A send succeeds only when
	// the exchange has come back for more, so the one sent before is free again.
	var responses [2]gemini.Response
	stream, err := a.open(ctx)
	if err != nil {
		hand(ctx, frames, frame{err: err})
		return
	}
	defer stream.Close()
	for i := 0; ; i ^= 1 {
		err := stream.Next(&responses[i])
		if !hand(ctx, frames, frame{response: &responses[i], err: err}) || err != nil {
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
	credential := a.lease.Credential()
	stream, err := a.gateway.Google.Stream(ctx, google.Call{
		Backend: translate.Backend(credential.Backend), Model: a.model.ID, Project: credential.Project, Location: credential.Location,
		Token: token, Body: a.body.Body, RequestID: a.record.RequestID,
	})
	if e, ok := errors.AsType[*google.Error](err); ok && e.Unsent {
		a.called.Store(false)
	}
	return stream, err
}

// consume folds and writes frames until the answer is complete or something goes wrong.
func (a *attempt) consume(frames <-chan frame) *google.Error {
	patience := time.NewTimer(a.gateway.FirstToken)
	defer patience.Stop()
	for {
		select {
		case f := <-frames:
			a.count()
			if f.panicked != nil {
				panic(f.panicked)
			}
			if f.err != nil {
				return a.end(f.err)
			}
			if failed := a.take(f.response); failed != nil {
				return failed
			}
			if a.fold.Visible() {
				patience.Reset(a.gateway.Idle)
			}
		case <-patience.C:
			return a.stalled()
		case <-a.silenceC():
			a.count()
			if !a.keepAlive() {
				return clientGone(context.Canceled)
			}
		case <-a.ctx.Done():
			return clientGone(a.ctx.Err())
		}
	}
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

// take folds one response and writes what it says. Until something a client can see has come, nothing is written: the attempt may
// still fail without the client noticing.
func (a *attempt) take(r *gemini.Response) *google.Error {
	a.events = a.fold.Add(a.events, r)
	if !a.fold.Visible() {
		return nil
	}
	if a.record.FirstToken == 0 {
		a.record.FirstToken = time.Since(a.record.Start)
	}
	return a.write(nil)
}

// write renders the events at hand, and after them what finish appends.
func (a *attempt) write(finish func(dst []byte) []byte) *google.Error {
	if a.writer == nil {
		a.writer = a.newWriter()
	}
	dst := a.reply.buf[:0]
	for i := range a.events {
		dst = a.writer.Append(dst, &a.events[i])
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

// end is called with what ended the stream: io.EOF, or a failure.
func (a *attempt) end(err error) *google.Error {
	if err != io.EOF { // not errors.Is: a failure may wrap io.EOF, and is not the end of an answer
		return asFailure(err)
	}
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

func (a *attempt) finish(dst []byte) []byte { return a.writer.Finish(dst) }

// usage is what the call cost as far as Google has said, whether or not it was completed.
func (a *attempt) usage() translate.Usage {
	if a.fold == nil {
		return translate.Usage{}
	}
	return a.fold.Usage()
}
