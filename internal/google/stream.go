package google

import (
	"context"
	"errors"
	"io"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// Stream is the answer to one call. It is not safe for concurrent use; to stop it from elsewhere, cancel the call's context.
type Stream struct {
	ctx     context.Context
	body    io.ReadCloser
	events  eventReader
	isKey   bool
	started bool // an event has been returned
	err     error
}

func newStream(ctx context.Context, body io.ReadCloser, isKey bool) *Stream {
	return &Stream{ctx: ctx, body: body, isKey: isKey, events: eventReader{src: body}}
}

// Next decodes the next event into r. It returns io.EOF at the end of a complete body, whether or not it held an event, and otherwise
// an *Error: an error Google sends as an event is the same as if it had come as an HTTP status; a connection that breaks, and bytes
// that are none of the protocol's, are FaultTransient before the first event and FaultIncomplete after it; once the context has
// ended, nothing more is returned, read or not. An error is final: every later call returns it again.
func (s *Stream) Next(r *gemini.Response) error {
	if s.err == nil {
		s.err = s.next(r)
	}
	return s.err
}

func (s *Stream) next(r *gemini.Response) error {
	if err := s.ctx.Err(); err != nil {
		return broken(s.ctx, s.started, err)
	}
	payload, err := s.events.next()
	switch {
	case err == io.EOF && !s.started && s.events.foreign:
		return garbled(false, "NOT_AN_EVENT_STREAM", "the answer was no event stream")
	case err == io.EOF:
		return io.EOF
	case errors.Is(err, errEventTooLarge):
		return garbled(s.started, "EVENT_TOO_LARGE", err.Error())
	case err != nil:
		return broken(s.ctx, s.started, err)
	}
	if payload[0] == '[' { // an answer never is a list, an error may be
		return parseError(answer{body: payload, isKey: s.isKey})
	}
	if r.Decode(payload) != nil { // what it says may quote the answer
		return garbled(s.started, "MALFORMED_EVENT", "an event was no valid JSON")
	}
	if r.Error != nil {
		return parseError(answer{body: r.Error, isKey: s.isKey})
	}
	s.started = true
	return nil
}

// Close ends the call and lets go of its connection.
func (s *Stream) Close() error { return s.body.Close() }
