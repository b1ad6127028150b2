package googlesim

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"syscall"
)

// Transport calls the Server without a network, whatever host a URL names: for tests in a testing/synctest bubble, where sockets
// do not work. Answers stream; a connection the Server breaks shows as syscall.ECONNRESET, or io.ErrUnexpectedEOF once the answer
// began.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ server *Server }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	reader, writer := io.Pipe()
	stop := context.AfterFunc(ctx, func() { writer.CloseWithError(context.Cause(ctx)) })
	w := &pipeWriter{header: http.Header{}, body: writer, started: make(chan struct{})}
	request := r.Clone(ctx)
	if request.Body == nil {
		request.Body = http.NoBody
	}
	go func() {
		defer stop()
		defer func() {
			request.Body.Close()
			if broken := recover(); broken == http.ErrAbortHandler {
				w.fail()
			} else if broken != nil {
				panic(broken)
			}
		}()
		t.server.ServeHTTP(w, request)
		w.WriteHeader(http.StatusOK)
		writer.CloseWithError(context.Cause(ctx)) // io.EOF when the client is still there
	}()
	select {
	case <-w.started:
	case <-ctx.Done():
		cancel()
		return nil, context.Cause(ctx)
	}
	if w.status == 0 {
		cancel()
		return nil, syscall.ECONNRESET
	}
	return &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1,
		ProtoMinor: 1, Header: w.sent, Body: &pipeBody{reader, cancel}, ContentLength: -1, Request: r,
	}, nil
}

// pipeBody is a response's body. Closing it tells the Server that the client is gone.
type pipeBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b *pipeBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}

// pipeWriter is the ResponseWriter behind a pipe.
type pipeWriter struct {
	header, sent http.Header
	status       int // 0 when the connection broke before the headers
	body         *io.PipeWriter
	once         sync.Once
	started      chan struct{} // closed when status and sent are final
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.started)
	})
}

func (w *pipeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush does nothing: nothing is buffered.
func (w *pipeWriter) Flush() {}

func (w *pipeWriter) fail() {
	w.body.CloseWithError(io.ErrUnexpectedEOF)
	w.once.Do(func() { close(w.started) })
}
