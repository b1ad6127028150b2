package google

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// Error is a failed call, told twice: Fault for the pool and the operator, Client for the client should nothing better come of it.
// Client never names a project, an account, a key, an e-mail address or a page of Google's console.
type Error struct {
	Fault  *rotator.Fault
	Client *translate.Error
	// Path is the field at fault in the request as Google wrote it, such as contents[3].parts[0].text; empty when Google named
	// none. It means nothing to a client until it is mapped back to the client's own request.
	Path string
	// Complaint is what in the request Google objects to, where it could be put in another way.
	Complaint gemini.Complaint
	// Unsent is set when the call was not made at all, and so cost nothing.
	Unsent bool
}

func (e *Error) Error() string { return e.Fault.Error() }

// Unwrap gives the *rotator.Fault.
func (e *Error) Unwrap() error { return e.Fault }

// answer is an error answer of Google's, or of something in between.
type answer struct {
	// status is the HTTP status; 0 for an error within a stream, whose status is in the body.
	status int
	body   []byte
	isKey  bool // the call was made with an API key
}

// parseError understands an error answer. Nothing in it is too odd for that: what cannot be read is judged by the status.
func parseError(a answer) *Error {
	r := readReport(a.body, a.status)
	ruling := classify(&r, a.isKey)
	now := time.Now()
	f := &rotator.Fault{
		Kind:       ruling.kind,
		Status:     r.status,
		Reason:     ruling.reason,
		Message:    scrubSecrets(r.words()),
		PerDay:     r.perDay(),
		PerMinute:  r.perMinute(),
		Violations: r.violations,
		Model:      r.model(),
		Consumer:   r.consumer(a.isKey),
		Until:      r.until(now),
	}
	f.Delay = r.delay(now)
	sentence := r.words()
	if r.garbage {
		sentence = "" // somebody's page is not for the client
	}
	e := &Error{Fault: f, Client: clientError(f, sentence), Complaint: r.complaint(f.Kind)}
	if f.Kind == rotator.FaultRequest {
		e.Path = r.path()
	}
	if f.Kind == rotator.FaultTooLong {
		e.Path = "contents"
		tooLong(e.Client, r.message)
	}
	return e
}

// refused is the Error for a call that is not even made.
func refused(kind rotator.FaultKind, reason, format string, args ...any) *Error {
	f := &rotator.Fault{Kind: kind, Reason: reason, Message: fmt.Sprintf(format, args...)}
	return &Error{Fault: f, Client: clientError(f, ""), Unsent: true}
}

// broken is the Error for a connection that failed: before the first event when started is false, else in the middle of an answer.
// When the context ended it is the client that went away, unless the context says otherwise: a deadline, or a cause of its own,
// is a time-out.
func broken(ctx context.Context, started bool, err error) *Error {
	f := &rotator.Fault{Kind: rotator.FaultTransient, Reason: "CONNECTION_FAILED", Message: "the connection to Google failed", Err: err}
	if started {
		f.Kind, f.Reason, f.Message = rotator.FaultIncomplete, "CONNECTION_BROKEN", "the connection to Google broke in the middle of an answer"
	}
	var timeout net.Error
	switch {
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled):
		f.Kind, f.Reason, f.Message = rotator.FaultCanceled, "CANCELED", "the client went away"
	case ctx.Err() != nil:
		f.Reason, f.Message, f.Err = reasonTimeout, "Google took too long", context.Cause(ctx)
	case errors.As(err, &timeout) && timeout.Timeout():
		f.Reason = reasonTimeout
	}
	return &Error{Fault: f, Client: clientError(f, "")}
}

// garbled is the Error for an answer that is not what the protocol promises.
func garbled(started bool, reason, message string) *Error {
	f := &rotator.Fault{Kind: rotator.FaultTransient, Status: http.StatusOK, Reason: reason, Message: message}
	if started {
		f.Kind = rotator.FaultIncomplete
	}
	return &Error{Fault: f, Client: clientError(f, "")}
}
