package googlesim

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// The functions in this file are ways in which an answer, or an error, arrives in the wrong shape or not at all.

// Reset breaks the connection before the answer begins.
func Reset() Reply { return Reply{End: EndReset} }

// Stall never answers.
func Stall() Reply { return Reply{End: EndHang} }

// Slow is the ordinary answer after a delay and with a pause before each event.
func Slow(delay, pace time.Duration) Reply { return Reply{Lead: All, Delay: delay, Pace: pace} }

// EmptyStream is a 200 without any event.
func EmptyStream() Reply { return Reply{} }

// FirstEvent is a 200 whose first event is an error.
func FirstEvent(failure Reply) Reply { return MidStream(0, failure) }

// MidStream is the ordinary answer with an error as event after n others.
func MidStream(n int, failure Reply) Reply {
	return Reply{Lead: n, Frames: []string{"data: " + compact(failure.Body) + "\r\n\r\n"}}
}

// MidStreamBare is the ordinary answer with an error after n events that is not itself an event, but indented JSON.
func MidStreamBare(n int, failure Reply) Reply {
	return Reply{Lead: n, Frames: []string{failure.Body + "\n"}}
}

// ResetAfter breaks the connection after n events of the ordinary answer.
func ResetAfter(n int) Reply { return Reply{Lead: n, End: EndReset} }

// StallAfter sends nothing more after n events of the ordinary answer.
func StallAfter(n int) Reply { return Reply{Lead: n, EarlyHeaders: true, End: EndHang} }

// NoFinish ends the answer in good order after n of its events, so without a finishReason when that is not all.
func NoFinish(n int) Reply { return Reply{Lead: n} }

// PromptBlocked is an answer that refuses the prompt.
func PromptBlocked(reason string) Reply {
	return Reply{Events: []string{`{"promptFeedback": {"blockReason": "` + reason + `"},"usageMetadata": {"promptTokenCount": 9,` +
		`"totalTokenCount": 9},"modelVersion": "scripted","responseId": "scripted-blocked"}`}}
}

// Unusable is an answer that holds nothing but a finishReason such as MALFORMED_FUNCTION_CALL, and a message about it.
func Unusable(reason, message string) Reply {
	return Reply{Events: []string{encodeJSON(response{
		Candidates:    []candidate{{Content: &content{Role: "model"}, FinishReason: reason, FinishMessage: message}},
		UsageMetadata: &usage{PromptTokenCount: 9, TotalTokenCount: 9}, ModelVersion: "scripted", ResponseID: "scripted-unusable",
	}, spaced)}}
}

// AsArray wraps an error's body in an array of one.
func AsArray(r Reply) Reply {
	r.Body = "[" + r.Body + "]"
	return r
}

// WithCommas doubles the commas between an error's details, as some of Google's templates do.
func WithCommas(r Reply) Reply {
	r.Body = strings.ReplaceAll(r.Body, "},\n", "},,\n")
	return r
}

// InMessage puts the whole error into the message of another.
func InMessage(r Reply) Reply {
	e := newError(r.status(), r.Body)
	r.Body = e.body()
	return r
}

func compact(text string) string {
	v := jsontext.Value(text)
	if err := v.Compact(); err != nil {
		return text
	}
	return string(v)
}
