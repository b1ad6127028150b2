package gateway

import (
	"crypto/rand"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Record is what one exchange came to, for logs and metrics. It holds no content, no secret and nothing of the client's identity.
type Record struct {
	RequestID string
	Surface   string
	// Model is what the client asked for, UpstreamModel what answered.
	Model, UpstreamModel string
	// Account is the label of the account that answered, or was tried last.
	Account      string
	Attempts     int // upstream calls
	Stream       bool
	Start        time.Time
	Duration     time.Duration // of the whole exchange
	Wait         time.Duration // how much of it the request stood in line for an account
	FirstToken   time.Duration // from Start to the first meaningful event; 0 when there was none
	Hedge        Hedge
	FinishReason string
	Usage        translate.Usage
	// Error is the code of the error the client was given; empty when the answer was complete.
	Error string
	// Trace is how the accounts were chosen.
	Trace rotator.Trace
	// Tries are the accounts that were given the request, in the order in which they were done with it.
	Tries []Try
}

// Hedge is what came of a second attempt beside one whose first token was late; empty when there was none.
type Hedge string

// The results of hedging.
const (
	HedgeWon  Hedge = "won"  // the second attempt answered
	HedgeLost Hedge = "lost" // it did not
)

// fail notes the error a client was given. Where that has no code, the word is the one OpenAI has for its type.
func (r *Record) fail(e *translate.Error) {
	switch {
	case e.Code != "":
		r.Error = e.Code
	case e.Kind == translate.ErrInvalid:
		r.Error = "invalid_request_error"
	default:
		r.Error = "server_error"
	}
}

func newRecord(surface string) *Record {
	return &Record{RequestID: "req_" + rand.Text(), Surface: surface, Start: time.Now()}
}
