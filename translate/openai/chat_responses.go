package openai

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// responsesBody is what a body of the Responses API has in the place of messages and the like. Cursor sends such bodies to the chat
// route, and expects a chat completion for an answer.
type responsesBody struct {
	Input           responsesInput          `json:"input"`
	Instructions    optional[string]        `json:"instructions"`
	MaxOutputTokens *integer                `json:"max_output_tokens"`
	Text            optional[responsesText] `json:"text"`
	adopted         bool                    // it is the body, and not messages
}

// responsesText holds the form of the answer, without the object that the chat API puts around a schema.
type responsesText struct {
	Format struct {
		Type string `json:"type"`
		jsonSchema
	} `json:"format"`

	Rest jsontext.Value `json:",embed"`
}

// textIgnored reports whether there is anything in the text member that has no effect; beside messages, none of it has.
func (r *chatRequest) textIgnored() bool {
	return r.Text.odd || r.Text.value != nil && (!r.adopted || len(r.Text.value.Rest) > len("{}"))
}

// responsesInput is a question, or a list of items.
type responsesInput struct {
	given bool
	text  string
	items []responsesItem
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (in *responsesInput) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*in = responsesInput{given: true}
	switch dec.PeekKind() {
	case '"':
		return json.UnmarshalDecode(dec, &in.text)
	case '[':
		return json.UnmarshalDecode(dec, &in.items)
	default: // what other protocols call by this name is no concern of this one's
		in.given = false
		return dec.SkipValue()
	}
}

// responsesItem is a message, a call, or what came of one. Fields of all types lie side by side; Type says which counts.
type responsesItem struct {
	Type      string         `json:"type"`
	Role      string         `json:"role"`
	Content   messageContent `json:"content"`
	CallID    string         `json:"call_id"`
	Name      string         `json:"name"`
	Arguments callArguments  `json:"arguments"`
	Input     string         `json:"input"`
	Output    messageContent `json:"output"`
	callCarrier
}

// message is the item as the chat API has it. Items that say nothing to Google, such as reasoning, become messages of the model's
// without content, which are left out: so each item is the message of the same index.
func (i *responsesItem) message() chatMessage {
	switch i.Type {
	case "", "message":
		return chatMessage{Role: i.Role, Content: i.Content}
	case "function_call":
		call := chatFunction{Name: i.Name, Arguments: i.Arguments}
		return chatMessage{Role: "assistant", ToolCalls: []chatToolCall{{ID: i.CallID, Function: call, callCarrier: i.callCarrier}}}
	case "custom_tool_call":
		call := customCall{i.Name, i.Input}
		return chatMessage{Role: "assistant", ToolCalls: []chatToolCall{{ID: i.CallID, Custom: &call, callCarrier: i.callCarrier}}}
	case "function_call_output", "custom_tool_call_output":
		return chatMessage{Role: "tool", ToolCallID: i.CallID, Content: i.Output}
	default:
		return chatMessage{Role: "assistant"}
	}
}

// adoptResponses reads a body of the Responses API as one of the chat API's.
func (r *chatRequest) adoptResponses() {
	r.adopted = true
	if r.Input.items == nil {
		r.Messages = []chatMessage{{Role: "user", Content: messageContent{text: r.Input.text}}}
	}
	for i := range r.Input.items {
		r.Messages = append(r.Messages, r.Input.items[i].message())
	}
	if r.MaxCompletionTokens == nil {
		r.MaxCompletionTokens = r.MaxOutputTokens
	}
	if format := r.Text.or().Format; !r.ResponseFormat.given && format.Type != "" {
		r.ResponseFormat = responseFormat{Type: format.Type, JSONSchema: &format.jsonSchema, given: true}
	}
}

// addInstructions puts what the Responses API has the client say to the model before all else there.
func (r *chatRequest) addInstructions(to *translate.Request) *translate.Error {
	if text := r.Instructions.or(); text != "" {
		to.Messages = slices.Insert(to.Messages, 0, translate.Message{
			Role: translate.RoleSystem, Parts: []translate.Part{textPart(text)}, Origin: translate.NoOrigin,
		})
	}
	return nil
}

// inInput gives a field of a message the name it has in the Responses API.
func inInput(failed *translate.Error) *translate.Error {
	renamed := *failed
	renamed.Param = strings.Replace(failed.Param, "messages", "input", 1)
	renamed.Message = strings.Replace(failed.Message, "messages", "input", 1)
	return &renamed
}
