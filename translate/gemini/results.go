package gemini

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

func (t *turns) functionCall(c *translate.Call) *functionCall {
	args := c.Args
	if args.Kind() != '{' {
		args = noArgs
	}
	t.sent.calls = true
	return &functionCall{ID: t.wireID(c.ID), Name: t.names.toWire(c.Name), Args: args}
}

// wireID is the id to send for a call and its result, both or neither. The Developer API pairs by the ids it gave; the others refuse
// the field on some deployments and pair by position. An id made here means nothing to Google, and a repeated one less than nothing.
func (t *turns) wireID(id string) string {
	if t.backend != translate.GeminiAPI || t.remedies.NoIDs || translate.OwnCallID(id) || !t.pairing.unique(id) {
		return ""
	}
	t.sent.ids = t.sent.ids || id != ""
	return id
}

// answer appends the results of one step's calls, in the order of the calls.
func (t *turns) answer(calls []pairedCall) {
	for i := range calls {
		c := &calls[i]
		if c.result == nil {
			response := &functionResponse{
				ID: t.wireID(c.call.ID), Name: t.names.toWire(c.call.Name),
				Response: functionOutput{key: keyError, value: appendQuote(nil, resultMissing)},
			}
			t.push(turnResults, part{FunctionResponse: response}, c.origin)
			continue
		}
		t.push(turnResults, t.functionResponse(c.call.ID, c.call.Name, c.result), c.resultOrigin)
	}
	if t.model.Generation.ResultMedia {
		return
	}
	for i := range calls { // older models take media only beside the responses, and these must come first
		if c := &calls[i]; c.result != nil {
			for j := range c.result.Media {
				t.push(turnResults, t.mediaPart(&c.result.Media[j], ""), c.resultOrigin)
			}
		}
	}
}

func (t *turns) functionResponse(id, name string, r *translate.Result) part {
	response := &functionResponse{ID: t.wireID(id), Name: t.names.toWire(name), Response: output(r)}
	if t.model.Generation.ResultMedia {
		for i := range r.Media {
			response.Parts = append(response.Parts, mediaPart(&r.Media[i], ""))
		}
	}
	return part{FunctionResponse: response}
}

// output makes the object a response must be.
func output(r *translate.Result) functionOutput {
	value := r.Output
	if len(bytes.TrimSpace(value)) == 0 {
		value = jsontext.Value(`""`)
	}
	switch {
	case r.Error:
		return functionOutput{key: keyError, value: value}
	case value.Kind() == '{':
		return functionOutput{value: value}
	default:
		return functionOutput{key: keyOutput, value: value}
	}
}

// stray appends a result no call of its round asked for. With a name, the call is made up; without, the user says it.
func (t *turns) stray(r *translate.Result, origin int) {
	if r.Name != "" {
		call := &translate.Call{ID: r.CallID, Name: r.Name}
		t.push(turnModel, part{FunctionCall: t.functionCall(call)}, origin)
		t.answer([]pairedCall{{call: call, origin: origin, result: r, resultOrigin: origin}})
		return
	}
	text := string(r.Output)
	if r.Output.Kind() == '"' {
		unquoted, _ := jsontext.AppendUnquote(nil, r.Output)
		text = string(unquoted)
	}
	t.push(turnUser, part{Text: strayResult + text}, origin)
	for i := range r.Media {
		t.push(turnUser, t.mediaPart(&r.Media[i], ""), origin)
	}
}
