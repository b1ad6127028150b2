package gateway

import (
	"errors"
	"net/http"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// asClientError is an error of a decoder or encoder, all of which are written for clients. Anything else is ours to keep.
func asClientError(err error) *translate.Error {
	if e, ok := errors.AsType[*translate.Error](err); ok {
		return e
	}
	return serverError("", "The gateway could not process the request.")
}

func serverError(code, message string) *translate.Error {
	return &translate.Error{Kind: translate.ErrServer, Status: http.StatusBadGateway, Code: code, Message: message}
}

// asFailure is what stopped a call: an answer of Google's, or a token that could not be had.
func asFailure(err error) *google.Error {
	if e, ok := errors.AsType[*google.Error](err); ok {
		return e
	}
	if f, ok := errors.AsType[*rotator.Fault](err); ok {
		return &google.Error{Fault: f, Client: &translate.Error{
			Kind: translate.ErrServer, Status: http.StatusServiceUnavailable, Code: "upstream_auth",
			Message: "The gateway could not authenticate to Google.",
		}}
	}
	return &google.Error{
		Fault:  &rotator.Fault{Kind: rotator.FaultTransient, Reason: "CALL_FAILED", Err: err},
		Client: serverError("upstream_unavailable", "The gateway could not reach Google."),
	}
}

// notEncodable is a request that has no form a backend understands.
func notEncodable(err error) *google.Error {
	return &google.Error{Fault: &rotator.Fault{Kind: rotator.FaultRequest, Reason: "NOT_ENCODABLE", Err: err}, Client: asClientError(err)}
}

// unfinished says what is wrong with an answer that ended without a fault in the transport.
func (a *attempt) unfinished(state gemini.EndState) *google.Error {
	f := &rotator.Fault{Status: http.StatusOK}
	switch state {
	case gemini.EndEmpty:
		f.Kind, f.Reason = rotator.FaultEmpty, "EMPTY_ANSWER"
	case gemini.EndUnusable:
		f.Kind, f.Reason = rotator.FaultUnusable, "UNUSABLE_ANSWER"
	default:
		f.Kind, f.Reason = rotator.FaultIncomplete, "STREAM_TRUNCATED"
	}
	return &google.Error{Fault: f, Client: a.fold.Err()}
}

// incomplete is an answer that broke off. It is never passed off as a complete one.
func incomplete(reason string) *google.Error {
	return &google.Error{
		Fault:  &rotator.Fault{Kind: rotator.FaultIncomplete, Status: http.StatusOK, Reason: reason},
		Client: serverError("upstream_incomplete", "The upstream stream ended unexpectedly."),
	}
}

// stalled is an attempt that has been silent for longer than the operator allows.
func (a *attempt) stalled() *google.Error {
	if a.fold.Visible() {
		return incomplete("IDLE_TIMEOUT")
	}
	return &google.Error{
		Fault: &rotator.Fault{Kind: rotator.FaultTransient, Reason: "FIRST_TOKEN_TIMEOUT"},
		Client: &translate.Error{
			Kind: translate.ErrTimeout, Status: http.StatusGatewayTimeout, Code: "timeout", Message: "The model did not answer in time.",
		},
	}
}

func oversized() *google.Error {
	return &google.Error{
		Fault:  &rotator.Fault{Kind: rotator.FaultRequest, Reason: "ANSWER_TOO_LARGE"},
		Client: serverError("answer_too_large", "The answer is too large to be sent in one piece: ask for a stream."),
	}
}

// clientGone is nobody's fault upstream.
func clientGone(err error) *google.Error {
	return &google.Error{
		Fault:  &rotator.Fault{Kind: rotator.FaultCanceled, Reason: "CLIENT_GONE", Err: err},
		Client: serverError("client_gone", "The client went away."),
	}
}
