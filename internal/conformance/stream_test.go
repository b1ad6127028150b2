package conformance

import (
	"fmt"
	"strings"
	"testing"
)

// recorder is a test that remembers its failures.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

type fatal struct{}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(fatal{})
}

// failuresOf are the failures CheckStream finds.
func failuresOf(t *testing.T, sse string, usage bool) []string {
	r := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != (fatal{}) {
				panic(p)
			}
		}()
		CheckStream(r, []byte(sse), usage)
	}()
	return r.failures
}

const (
	chunkHead = `data: {"id":"chatcmpl-abcdefghijklmnopqrstuvwxyz012","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":`
	roleDelta = `[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]`
	textDelta = `[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]`
	callDelta = `[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}]`
	argsDelta = `[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]},"finish_reason":null}]`
	stopDelta = `[{"index":0,"delta":{},"finish_reason":"stop"}]`
	callsStop = `[{"index":0,"delta":{},"finish_reason":"tool_calls"}]`
	done      = "data: [DONE]\n\n"
)

// stream puts chunks of choices into a stream.
func stream(choices ...string) string {
	var sse strings.Builder
	for _, c := range choices {
		sse.WriteString(chunkHead + c + "}\n\n")
	}
	return sse.String() + done
}

func TestCheckStreamAcceptsAGoodStream(t *testing.T) {
	c := CheckStream(t, []byte(stream(roleDelta, textDelta, textDelta, callDelta, argsDelta, callsStop)), false)
	m := c.Choices[0].Message
	if m.Content != "hellohello" || len(m.ToolCalls) != 1 || m.ToolCalls[0].Function != (Function{"f", "{}"}) ||
		c.Choices[0].FinishReason != "tool_calls" {
		t.Errorf("merged to %+v", c)
	}
}

func TestCheckStreamSeesBrokenRules(t *testing.T) {
	good := stream(roleDelta, textDelta, stopDelta)
	usage := chunkHead + `[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}` + "\n\n"
	for name, sse := range map[string]string{
		"no [DONE]":                strings.TrimSuffix(good, done),
		"something after [DONE]":   good + chunkHead + textDelta + "}\n\n",
		"last event not ended":     strings.TrimSuffix(good, "\n"),
		"an event line":            "event: chunk\n" + good,
		"a line separator":         strings.Replace(good, "hello", "hel\u2028lo", 1),
		"the id changes":           strings.Replace(good, "012", "013", 1),
		"an error member":          strings.Replace(good, `"model"`, `"error":null,"model"`, 1),
		"usage not asked for":      strings.Replace(good, done, usage+done, 1),
		"role twice":               stream(roleDelta, roleDelta, stopDelta),
		"no role":                  stream(textDelta, stopDelta),
		"no finish":                stream(roleDelta, textDelta),
		"finish twice":             stream(roleDelta, stopDelta, stopDelta),
		"text after finish":        stream(roleDelta, stopDelta, textDelta),
		"finish beside text":       stream(roleDelta, strings.Replace(textDelta, "null", `"stop"`, 1)),
		"call named twice":         stream(roleDelta, callDelta, callDelta, argsDelta, callsStop),
		"call without index":       stream(roleDelta, strings.Replace(callDelta, `"index":0,"id"`, `"id"`, 1), callsStop),
		"call index skips":         stream(roleDelta, strings.Replace(callDelta, `"index":0,"id"`, `"index":1,"id"`, 1), callsStop),
		"call without arguments":   stream(roleDelta, callDelta, callsStop),
		"arguments twice":          stream(roleDelta, callDelta, argsDelta, argsDelta, callsStop),
		"stop after a call":        stream(roleDelta, callDelta, argsDelta, stopDelta),
		"tool_calls without calls": stream(roleDelta, callsStop),
		"call id with a dot":       stream(roleDelta, strings.Replace(callDelta, "call_1", "call.1", 1), argsDelta, callsStop),
		"choice 1 before choice 0": stream(strings.Replace(roleDelta, `"index":0`, `"index":1`, 1), roleDelta, stopDelta),
		"choice 1 begins late": stream(roleDelta, textDelta, strings.Replace(roleDelta, `"index":0`, `"index":1`, 1),
			stopDelta, strings.Replace(stopDelta, `"index":0`, `"index":1`, 1)),
		"list in two deltas": stream(roleDelta, `[{"index":0,"delta":{"images":[{"index":0}]}}]`,
			`[{"index":0,"delta":{"images":[{"index":1}]}}]`, stopDelta),
		"list without index": stream(roleDelta, `[{"index":0,"delta":{"images":[{"url":"x"}]}}]`, stopDelta),
	} {
		if failures := failuresOf(t, sse, false); len(failures) == 0 {
			t.Errorf("%s: not seen", name)
		}
	}
}

func TestCheckStreamWantsUsageOnceAndLast(t *testing.T) {
	null := func(choices string) string { return chunkHead + choices + `,"usage":null}` + "\n\n" }
	usage := chunkHead + `[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}` + "\n\n"
	good := null(roleDelta) + null(stopDelta) + usage + done
	if c := CheckStream(t, []byte(good), true); c.Usage == nil || c.Usage.TotalTokens != 3 {
		t.Errorf("usage is %+v", c.Usage)
	}
	for name, sse := range map[string]string{
		"none":             null(roleDelta) + null(stopDelta) + done,
		"twice":            null(roleDelta) + null(stopDelta) + usage + usage + done,
		"before finish":    null(roleDelta) + usage + null(stopDelta) + done,
		"member left out":  chunkHead + roleDelta + "}\n\n" + null(stopDelta) + usage + done,
		"beside a choice":  strings.Replace(good, `"usage":null`, `"usage":{"prompt_tokens":1}`, 1),
		"does not add up":  strings.Replace(good, `"total_tokens":3`, `"total_tokens":4`, 1),
		"not even in JSON": strings.Replace(good, `"usage":null`, `"usage":nil`, 1),
	} {
		if failures := failuresOf(t, sse, true); len(failures) == 0 {
			t.Errorf("%s: not seen", name)
		}
	}
}

func TestCheckBrokenWantsAnErrorAndNoEnd(t *testing.T) {
	const failure = `data: {"error":{"message":"m","type":"server_error","param":null,"code":null}}` + "\n\n"
	begun := strings.TrimSuffix(stream(roleDelta, textDelta), done)
	if last := CheckBroken(t, []byte(begun+failure), false); !strings.Contains(string(last), "server_error") {
		t.Errorf("the error is %s", last)
	}
	for name, sse := range map[string]string{
		"nothing":               "",
		"no error":              begun,
		"an error in a list":    begun + `data: [{"error":{"message":"m","type":"t"}}]` + "\n\n",
		"an error without type": begun + `data: {"error":{"message":"m"}}` + "\n\n",
		"[DONE] after it":       begun + failure + done,
		"a finish before it":    strings.TrimSuffix(stream(roleDelta, stopDelta), done) + failure,
		"a broken chunk":        strings.Replace(begun, "012", "013", 1) + failure,
	} {
		r := &recorder{TB: t}
		func() {
			defer func() { _ = recover() }()
			CheckBroken(r, []byte(sse), false)
		}()
		if len(r.failures) == 0 {
			t.Errorf("%s: not seen", name)
		}
	}
}

func TestValidatorReadsOpenAIsSchemas(t *testing.T) {
	v := NewValidator(t)
	v.Check(t, "Error", []byte(`{"message":"m","type":"t","param":null,"code":null}`))
	r := &recorder{TB: t}
	v.Check(r, "Error", []byte(`{"message":"m","type":"t","param":null}`))
	v.Check(r, "CreateChatCompletionStreamResponse",
		[]byte(`{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"max_tokens"}]}`))
	if len(r.failures) != 2 {
		t.Errorf("%d of 2 broken objects were seen", len(r.failures))
	}
}

func TestLargeChatRequestIsAsLargeAsItSays(t *testing.T) {
	if n := len(LargeChatRequest()); n < 124_000 || n > 127_000 {
		t.Errorf("%d bytes", n)
	}
}
