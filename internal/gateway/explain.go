package gateway

import (
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// Explanation is how one exchange went, for an operator who wonders: which accounts were considered and why one was passed over, what
// was tried with what result, and how long the request waited. It holds labels, names of models, words and times: no content, no
// secret, nothing of the client's identity.
type Explanation struct {
	RequestID     string    `json:"request_id"`
	Began         time.Time `json:"began"`
	DurationMS    int64     `json:"duration_ms"`
	Surface       string    `json:"surface"`
	Model         string    `json:"model,omitempty"`
	UpstreamModel string    `json:"upstream_model,omitempty"`
	Account       string    `json:"account,omitempty"` // that answered, or was tried last
	Stream        bool      `json:"stream"`
	Attempts      int       `json:"attempts"` // upstream calls
	WaitMS        int64     `json:"wait_ms"`  // in line for an account
	FirstTokenMS  int64     `json:"first_token_ms,omitempty"`
	Hedge         Hedge     `json:"hedge,omitempty"`
	FinishReason  string    `json:"finish_reason,omitempty"`
	Error         string    `json:"error,omitempty"`
	// Choices are how the accounts were chosen, Tries what came of them.
	Choices []rotator.TraceStep `json:"choices"`
	Tries   []Try               `json:"tries"`
}

// Try is an account that was given the request: what came of it.
type Try struct {
	Account    string    `json:"account"` // its label
	Model      string    `json:"model"`   // Google's name
	Began      time.Time `json:"began"`
	DurationMS int64     `json:"duration_ms"`
	// Called is whether Google was asked: a token that could not be had is a try without a call.
	Called bool `json:"called"`
	// Hedge is set for a second attempt beside one whose first token was late.
	Hedge bool `json:"hedge,omitempty"`
	// Outcome is answered, lost for the slower one of two attempts, or the fault in a word, such as RATE_LIMIT_EXCEEDED.
	Outcome string `json:"outcome"`
	// Status is the HTTP status of a fault, 0 when there was none.
	Status int `json:"status,omitempty"`
}

// The outcomes of a Try that are no faults.
const (
	OutcomeAnswered = "answered"
	OutcomeLost     = "lost"
)

// Explain tells how the exchange went. The record must be complete.
func (r *Record) Explain() Explanation {
	return Explanation{
		RequestID: r.RequestID, Began: r.Start, DurationMS: r.Duration.Milliseconds(), Surface: r.Surface, Model: r.Model,
		UpstreamModel: r.UpstreamModel, Account: r.Account, Stream: r.Stream, Attempts: r.Attempts, WaitMS: r.Wait.Milliseconds(),
		FirstTokenMS: r.FirstToken.Milliseconds(), Hedge: r.Hedge, FinishReason: r.FinishReason, Error: r.Error,
		Choices: r.Trace.Steps(), Tries: append([]Try{}, r.Tries...), // a list even when there were none
	}
}
