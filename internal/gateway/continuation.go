package gateway

import (
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// maxContinuations bounds the calls that follow the first of an answer. The longest answers take sixteen, and a call may bring nothing
// but thoughts.
const maxContinuations = 32

// goOn asks the same account for what follows, when Google has not given all of a very long answer in one call. It is false when there is
// no more, or none to be had.
func (r *race) goOn(a *attempt) bool {
	token := a.fold.Continuation()
	if token == "" || a.continuations == maxContinuations {
		return false
	}
	u := a.usage()
	if !a.lease.Again(int64(a.fold.PromptTokens()), int64(u.Prompt+u.Completion)) { // what has been said counts with the prompt
		return false
	}
	a.continuations++
	a.fold.Resume()
	a.rest = a.body.Continue(token)
	a.patience.Reset(r.gateway.FirstToken)
	r.pumps.Go(func() { a.pump(a.ctx, r.frames) })
	return true
}

// cut ends an answer with what has come of it when the call for the rest has failed before it brought anything. The client is told the
// same as if it had asked for no more than that.
func (a *attempt) cut(failed *google.Error) *google.Error {
	if a.fold == nil || !a.fold.Resuming() || a.clientGone() {
		return failed
	}
	a.shortfall = failed
	if failed := a.end(); failed != nil {
		return failed
	}
	return a.conclude()
}

// aftermath is what follows for the account from a call that answered.
func (a *attempt) aftermath() rotator.Decision {
	if a.shortfall == nil {
		return rotator.Decision{}
	}
	return a.lease.Decide(a.shortfall.Fault, a.attempts)
}
