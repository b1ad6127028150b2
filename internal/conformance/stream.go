package conformance

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// CheckStream checks that a complete answer's stream is one that every SDK adds up to the same completion, and returns that. It
// knows the rules no schema can express: what comes once, what comes in which order, and what must not come at all. Checking goes on
// after a broken rule where that makes sense.
func CheckStream(tb testing.TB, sse []byte, includeUsage bool) Completion {
	tb.Helper()
	s := streamCheck{tb: tb, usageWanted: includeUsage}
	events := Events(tb, sse)
	if len(events) == 0 || string(events[len(events)-1]) != "[DONE]" {
		tb.Fatalf("the stream does not end with [DONE]:\n%s", sse)
	}
	for _, data := range events[:len(events)-1] {
		s.chunk(data)
	}
	return s.completion()
}

// CheckBroken checks that a stream which failed on its way is one that no SDK takes for a complete answer: what came before obeys the
// rules of any stream, some choice is not finished, and the last event is an error. It returns that event.
func CheckBroken(tb testing.TB, sse []byte, includeUsage bool) []byte {
	tb.Helper()
	s := streamCheck{tb: tb, usageWanted: includeUsage}
	events := Events(tb, sse)
	if len(events) == 0 {
		tb.Fatal("an empty stream")
	}
	chunks, last := events[:len(events)-1], events[len(events)-1]
	for _, data := range chunks {
		s.chunk(data)
	}
	open := slices.ContainsFunc(s.choices, func(c *choiceCheck) bool { return c.finish == "" })
	if s.usage != nil || len(s.choices) > 0 && !open {
		tb.Errorf("an error after the end of an answer:\n%s", sse)
	}
	var body struct{ Error map[string]any }
	if err := json.Unmarshal(last, &body); err != nil || body.Error["message"] == nil || body.Error["type"] == nil {
		tb.Errorf("the last event is no error object: %s", last)
	}
	return last
}

// Events are the data of a stream's events. A stream holds nothing but one line of data per event, and comments.
func Events(tb testing.TB, sse []byte) [][]byte {
	tb.Helper()
	if len(sse) > 0 && !bytes.HasSuffix(sse, []byte("\n\n")) {
		tb.Errorf("the last event is not ended by an empty line: %q", sse[max(0, len(sse)-80):])
	}
	var events [][]byte
	for event := range bytes.SplitSeq(bytes.TrimSuffix(sse, []byte("\n\n")), []byte("\n\n")) {
		if bytes.HasPrefix(event, []byte(":")) {
			continue
		}
		data, ok := bytes.CutPrefix(event, []byte("data: "))
		if !ok || len(data) == 0 {
			tb.Errorf("not an event with data: %q", event)
			continue
		}
		if line := len(strings.FieldsFunc(string(data), isLineEnd)); line != 1 {
			tb.Errorf("an event's data is split over lines by some client: %q", data)
		}
		events = append(events, data)
	}
	return events
}

// isLineEnd is the set Python's str.splitlines splits at.
func isLineEnd(r rune) bool { return strings.ContainsRune("\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029", r) }

// streamCheck gathers a stream.
type streamCheck struct {
	tb          testing.TB
	usageWanted bool
	first       map[string]any // the members that all chunks share
	choices     []*choiceCheck
	usage       any
}

type choiceCheck struct {
	message map[string]any
	tokens  []any // of logprobs
	finish  string
	begun   bool // more than the role has come
	// once holds what has come and must not come again.
	once map[string]bool
}

var sharedMembers = []string{"id", "object", "created", "model", "system_fingerprint", "service_tier"}

func (s *streamCheck) chunk(data []byte) {
	s.tb.Helper()
	var chunk map[string]any
	if err := json.Unmarshal(data, &chunk); err != nil {
		s.tb.Fatalf("a chunk is not JSON: %v: %s", err, data)
	}
	if _, ok := chunk["error"]; ok {
		s.tb.Fatalf("a chunk has the member error, at which openai-go breaks off: %s", data)
	}
	if s.usage != nil {
		s.tb.Fatalf("a chunk after the usage, which the Python SDK forgets then: %s", data)
	}
	s.checkShared(chunk, data)
	choices, ok := chunk["choices"].([]any)
	if !ok {
		s.tb.Fatalf("a chunk without choices: %s", data)
	}
	usage, hasUsage := chunk["usage"]
	switch {
	case hasUsage != s.usageWanted:
		s.tb.Errorf("member usage: %v, wanted %v: %s", hasUsage, s.usageWanted, data)
	case usage != nil && len(choices) > 0:
		s.tb.Errorf("usage beside a choice: openai-go adds usage up: %s", data)
	}
	if len(choices) == 0 {
		if usage == nil {
			s.tb.Errorf("a chunk with nothing in it: %s", data)
		}
		s.usage = usage
		return
	}
	for _, choice := range choices {
		s.choice(choice.(map[string]any), data)
	}
}

func (s *streamCheck) checkShared(chunk map[string]any, data []byte) {
	s.tb.Helper()
	if s.first == nil {
		s.first = chunk
		if chunk["object"] != "chat.completion.chunk" {
			s.tb.Errorf("object is %v", chunk["object"])
		}
		return
	}
	for _, name := range sharedMembers {
		if chunk[name] != s.first[name] {
			s.tb.Errorf("%s changes from %v to %v: openai-go drops such chunks: %s", name, s.first[name], chunk[name], data)
		}
	}
}

func (s *streamCheck) choice(choice map[string]any, data []byte) {
	s.tb.Helper()
	index := int(choice["index"].(float64))
	delta, ok := choice["delta"].(map[string]any)
	if !ok {
		s.tb.Fatalf("a choice without a delta: %s", data)
	}
	switch {
	case index == len(s.choices):
		if slices.ContainsFunc(s.choices, func(c *choiceCheck) bool { return c.begun }) {
			s.tb.Errorf("choice %d begins after content of another", index)
		}
		s.choices = append(s.choices, &choiceCheck{message: map[string]any{}, once: map[string]bool{}})
		if delta["role"] != "assistant" {
			s.tb.Errorf("the first delta of choice %d has no role: %s", index, data)
		}
	case index < len(s.choices):
		s.choices[index].begun = true
	default:
		s.tb.Fatalf("choice %d comes before choice %d: the Python SDK files them in order of arrival: %s", index, len(s.choices), data)
	}
	c := s.choices[index]
	if c.finish != "" {
		s.tb.Errorf("choice %d goes on after its finish, which openai-go overwrites: %s", index, data)
	}
	s.delta(c, delta, data)
	if logProbs, ok := choice["logprobs"].(map[string]any); ok {
		c.tokens = append(c.tokens, logProbs["content"].([]any)...)
	}
	if finish, ok := choice["finish_reason"].(string); ok {
		if finish == "" || len(delta) > 0 {
			s.tb.Errorf("finish_reason %q beside a delta: %s", finish, data)
		}
		c.finish = finish
	}
}

// delta adds a delta to its choice after checking what must come once, and in whole.
func (s *streamCheck) delta(c *choiceCheck, delta map[string]any, data []byte) {
	s.tb.Helper()
	for name, value := range delta {
		switch name {
		case "content", "reasoning_content", "refusal":
			continue
		case "tool_calls":
			s.toolCalls(c, value.([]any), data)
			continue
		case "function_call":
			continue
		}
		if c.once[name] {
			s.tb.Errorf("%s comes in two deltas, of which openai-node keeps the last: %s", name, data)
		}
		c.once[name] = true
		if list, ok := value.([]any); ok {
			for i, entry := range list {
				if entry.(map[string]any)["index"] != float64(i) {
					s.tb.Errorf("entry %d of %s has another index: %s", i, name, data)
				}
			}
		}
	}
	if err := merge(c.message, delta); err != nil {
		s.tb.Fatalf("the Python SDK cannot merge %s: %v", data, err)
	}
}

func (s *streamCheck) toolCalls(c *choiceCheck, calls []any, data []byte) {
	s.tb.Helper()
	known, _ := c.message["tool_calls"].([]any)
	for _, call := range calls {
		call := call.(map[string]any)
		index, ok := call["index"].(float64)
		if !ok || int(index) < len(known)-1 || int(index) > len(known) {
			s.tb.Fatalf("a call's index is %v after %d calls: %s", call["index"], len(known), data)
		}
		function, _ := call["function"].(map[string]any)
		first := int(index) == len(known)
		if call["type"] == "custom" { // OpenAI documents no deltas of these, so they come whole
			if !first || call["id"] == nil {
				s.tb.Errorf("a custom call in several deltas, or without an id: %s", data)
			}
			continue
		}
		for name, there := range map[string]bool{
			"id": call["id"] != nil, "type": call["type"] != nil, "function.name": function["name"] != nil,
		} {
			if there != first {
				s.tb.Errorf("%s is for the first delta of a call, and only that: %s", name, data)
			}
		}
		if first && len(known) > 0 {
			if before, ok := known[len(known)-1].(map[string]any)["function"].(map[string]any); ok {
				checkArguments(s.tb, before["arguments"])
			}
		}
	}
}

// completion is what was gathered, once it has been checked as a whole.
func (s *streamCheck) completion() Completion {
	s.tb.Helper()
	if (s.usage != nil) != s.usageWanted {
		s.tb.Errorf("usage: %v, wanted %v", s.usage, s.usageWanted)
	}
	whole := map[string]any{"usage": s.usage}
	for _, name := range sharedMembers {
		whole[name] = s.first[name]
	}
	choices := make([]any, 0, len(s.choices))
	for i, c := range s.choices {
		if c.finish == "" {
			s.tb.Errorf("choice %d never finishes, at which openai-node's helper throws", i)
		}
		choice := map[string]any{"index": i, "message": c.message, "finish_reason": c.finish}
		if c.tokens != nil {
			choice["logprobs"] = map[string]any{"content": c.tokens}
		}
		choices = append(choices, choice)
	}
	whole["choices"] = choices
	text, err := json.Marshal(whole)
	if err != nil {
		s.tb.Fatal(err)
	}
	var completion Completion
	if err := json.Unmarshal(text, &completion); err != nil {
		s.tb.Fatalf("the merged stream is no completion: %v\n%s", err, text)
	}
	checkCompletion(s.tb, completion)
	return completion
}

var (
	completionID = regexp.MustCompile(`^chatcmpl-[0-9A-Za-z]{29}$`)
	callID       = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,40}$`)
)

// checkCompletion checks what holds for a completion however it came.
func checkCompletion(tb testing.TB, c Completion) {
	tb.Helper()
	if !completionID.MatchString(c.ID) {
		tb.Errorf("id %q is not of OpenAI's form", c.ID)
	}
	if c.Created <= 0 || len(c.Choices) == 0 {
		tb.Errorf("created %d, %d choices", c.Created, len(c.Choices))
	}
	seen := map[string]bool{}
	for i, choice := range c.Choices {
		m := choice.Message
		if choice.Index != i || m.Role != "assistant" {
			tb.Errorf("choice %d has index %d and role %q", i, choice.Index, m.Role)
		}
		for _, call := range m.ToolCalls {
			if !callID.MatchString(call.ID) || seen[call.ID] {
				tb.Errorf("call id %q is malformed or used twice", call.ID)
			}
			seen[call.ID] = true
			if call.Custom != nil {
				if call.Type != "custom" || call.Custom.Name == "" {
					tb.Errorf("malformed call %+v", call)
				}
				continue
			}
			if call.Type != "function" || call.Function.Name == "" {
				tb.Errorf("malformed call %+v", call)
			}
			checkArguments(tb, call.Function.Arguments)
		}
		called := len(m.ToolCalls) > 0 || m.FunctionCall != nil
		saysCalled := choice.FinishReason == "function_call" || choice.FinishReason == "tool_calls"
		if saysCalled && !called || called && choice.FinishReason == "stop" {
			tb.Errorf("finish_reason %q with %d calls", choice.FinishReason, len(m.ToolCalls))
		}
	}
	if u := c.Usage; u != nil && u.TotalTokens != u.PromptTokens+u.CompletionTokens {
		tb.Errorf("usage does not add up: %+v", u)
	}
}

func checkArguments(tb testing.TB, arguments any) {
	tb.Helper()
	text, ok := arguments.(string)
	var object map[string]json.RawMessage
	if !ok || json.Unmarshal([]byte(text), &object) != nil || object == nil {
		tb.Errorf("arguments are no JSON object in a string: %v", arguments)
	}
}
