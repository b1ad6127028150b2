package rotator

import "time"

// Trace takes notes of how the accounts for one request were chosen. The zero Trace is empty.
type Trace struct{}

// TraceStep is one of the notes, for people.
type TraceStep struct {
	At         time.Time      `json:"at"`
	What       string         `json:"what"` // acquire, wait or hedge
	Model      string         `json:"model"`
	Account    string         `json:"account,omitzero"`     // label of the chosen one
	Why        string         `json:"why"`                  // it was chosen, or there was none
	RetryAfter float64        `json:"retry_after,omitzero"` // seconds
	Groups     map[string]int `json:"groups,omitempty"`     // how many quota groups were in which state
	Skipped    []TraceSkip    `json:"skipped,omitempty"`
}

// TraceSkip is an account that could not be used.
type TraceSkip struct {
	Account string    `json:"account"`
	Reason  string    `json:"reason"`
	Until   time.Time `json:"until,omitzero"`
}

// Steps returns the notes, the first one first.
func (t *Trace) Steps() []TraceStep { return nil }
