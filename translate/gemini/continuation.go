package gemini

import (
	"slices"

	"github.com/go-json-experiment/json"
)

// From Gemini 4 on an answer may be longer than what one call gives. Google then ends the call with the reason below and a token, and
// gives the rest to the same request with that token in it, call by call, until the tokens asked for are spent. It is the same answer:
// nothing of it is repeated, and nothing of it is sent back.

// reasonContinuation is the finishReason of a call that did not bring all of an answer.
const reasonContinuation = "CONTINUATION"

// longOutput is how many tokens such an answer and its prompt may have together.
const longOutput = 1 << 20

// outputLimit is how many of the tokens that the client asks for may be asked of Google. Estimates of a prompt can be too low, so room for
// as much again is left.
func (e *encoder) outputLimit(wanted int) int {
	if wanted <= e.model.OutputLimit || e.model.OutputLimit == 0 {
		return wanted
	}
	if !slices.Contains(e.model.Generation.LongDecode, e.backend) || e.model.Kind != KindText || e.req.Sampling.Candidates > 1 {
		return e.model.OutputLimit
	}
	return min(wanted, max(e.model.OutputLimit, longOutput-2*int(EstimateTokens(e.req, e.model))))
}

// Continue is the body that asks for what follows in an answer, by the token that Fold.Continuation gave.
func (e *Encoded) Continue(token string) []byte {
	next := e.wire
	next.ContinuationToken = token
	body, _ := json.Marshal(&next, tolerant) // what could be written without the token can be written with it
	return body
}

// Continuation is Google's token for what follows, when the call that has ended did not bring all of the answer that the client asked for;
// empty when there is no more to be had.
func (f *Fold) Continuation() string {
	if len(f.candidates) != 1 || f.blocked || f.resuming {
		return ""
	}
	c, wanted := &f.candidates[0], f.request.Sampling.MaxTokens
	if c.reason != reasonContinuation || c.partial != nil || wanted == nil || f.Usage().Completion >= *wanted {
		return ""
	}
	return c.token
}

// Resume announces the next call of the answer, of which Continuation gave the token. Until something comes of it, the answer can still
// be ended with what has come so far.
func (f *Fold) Resume() {
	f.resuming = true
	f.earlier, f.usage = f.Usage(), UsageMetadata{}
}

// Resuming reports whether a call was announced of which nothing has come yet.
func (f *Fold) Resuming() bool { return f.resuming }

// PromptTokens are those Google has counted for the prompt of the call under way, 0 as long as it has not said.
func (f *Fold) PromptTokens() int { return f.usage.Prompt + f.usage.ToolUse }

// proceed begins what another call adds to the answer. What Google says about the text of a call counts from where that began.
func (f *Fold) proceed() {
	f.resuming = false
	c := &f.candidates[0]
	c.citations = c.cite(c.citations, 0)
	c.grounding = nil
	c.text.restart()
	c.reason, c.message, c.token = "", "", ""
}
