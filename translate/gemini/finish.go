package gemini

import (
	"net/http"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// EndState says what a finished answer is worth.
type EndState uint8

// The states.
const (
	// EndComplete: the answer can be given to the client.
	EndComplete EndState = iota
	// EndEmpty: Google sent neither a candidate nor a reason.
	EndEmpty
	// EndIncomplete: the stream ended before the model had finished.
	EndIncomplete
	// EndUnusable: Google says it ended, but with a malformed call or with nothing in it.
	EndUnusable
)

// End closes the answer. When the state is EndComplete it appends the citations, one Finish for each candidate and one Usage. In any
// other state it appends nothing: Err has the words, and another try may help.
func (f *Fold) End(dst []translate.Event) ([]translate.Event, EndState) {
	open := len(dst)
	for i := range f.candidates {
		dst = f.flushPartial(dst, i)
	}
	state := f.state()
	if state != EndComplete {
		return dst[:open], state
	}
	for i := range f.candidates {
		dst = append(dst, f.candidates[i].citations...)
		dst = f.candidates[i].cite(dst, i)
	}
	if len(f.candidates) == 0 { // the prompt was blocked
		dst = append(dst, translate.Event{Kind: translate.EventFinish, Finish: translate.FinishFilter})
	}
	for i := range f.candidates {
		c := &f.candidates[i]
		dst = append(dst, translate.Event{
			Kind: translate.EventFinish, Candidate: i, Finish: f.finish(c), Text: c.message,
		})
	}
	return append(dst, translate.Event{Kind: translate.EventUsage, Usage: f.Usage()}), EndComplete
}

// state judges the whole answer: the worst candidate decides.
func (f *Fold) state() EndState {
	if f.blocked {
		return EndComplete
	}
	if len(f.candidates) == 0 {
		return EndEmpty
	}
	worst := EndComplete
	for i := range f.candidates {
		c := &f.candidates[i]
		switch {
		case c.reason == "":
			return EndIncomplete
		case f.unusable(c):
			worst = EndUnusable
		}
	}
	return worst
}

func (f *Fold) unusable(c *candidate) bool {
	switch outcomes[c.reason] {
	case outcomeBroken:
		// A call beside the broken one is worth having, if there is anybody to run it.
		return c.calls == 0 || !f.tools
	case outcomeFilter, outcomeLength:
		return false
	default: // done, or in a way unknown here: with nothing to show for it, that is no answer
		return !c.content
	}
}

func (f *Fold) finish(c *candidate) translate.Finish {
	switch {
	case f.blocked:
		return translate.FinishFilter
	case outcomes[c.reason] == outcomeFilter:
		return translate.FinishFilter
	case c.calls > 0:
		return translate.FinishCalls
	case outcomes[c.reason] == outcomeLength:
		return translate.FinishLength
	default:
		return translate.FinishStop
	}
}

type outcome uint8

const (
	outcomeOther outcome = iota // STOP and every reason unknown here
	outcomeLength
	outcomeFilter
	outcomeBroken
)

// outcomes classifies Google's finish reasons; those left out, like any future one, end an answer normally.
var outcomes = map[string]outcome{
	"MAX_TOKENS":       outcomeLength,
	reasonContinuation: outcomeLength,

	"SAFETY":                   outcomeFilter,
	"RECITATION":               outcomeFilter,
	"BLOCKLIST":                outcomeFilter,
	"PROHIBITED_CONTENT":       outcomeFilter,
	"SPII":                     outcomeFilter,
	"LANGUAGE":                 outcomeFilter,
	"IMAGE_SAFETY":             outcomeFilter,
	"IMAGE_PROHIBITED_CONTENT": outcomeFilter,
	"IMAGE_RECITATION":         outcomeFilter,

	"MALFORMED_FUNCTION_CALL": outcomeBroken,
	"UNEXPECTED_TOOL_CALL":    outcomeBroken,
	"TOO_MANY_TOOL_CALLS":     outcomeBroken,
	"MALFORMED_RESPONSE":      outcomeBroken,
}

// Err is what to tell the client when End's state was not EndComplete and no other try is left; nil when it was.
func (f *Fold) Err() *translate.Error {
	switch f.state() {
	case EndComplete:
		return nil
	case EndEmpty:
		return badAnswer("model_no_output", "The model returned an empty answer.")
	case EndIncomplete:
		return badAnswer("upstream_incomplete", "The upstream stream ended unexpectedly.")
	default:
		return f.unusableErr()
	}
}

// unusableErr is about the first candidate of which nothing can be used.
func (f *Fold) unusableErr() *translate.Error {
	for i := range f.candidates {
		c := &f.candidates[i]
		if !f.unusable(c) {
			continue
		}
		code, message := "model_no_output", "The model returned no output ("+c.reason+")."
		if outcomes[c.reason] == outcomeBroken {
			code, message = "malformed_function_call", "The model returned an unusable tool call ("+c.reason+")."
		}
		if c.message != "" {
			message = c.message
		}
		return badAnswer(code, message)
	}
	return nil
}

func badAnswer(code, message string) *translate.Error {
	return &translate.Error{Kind: translate.ErrServer, Status: http.StatusBadGateway, Code: code, Message: message}
}
