package openai

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// chatMessage is one entry of messages. What other gateways add for a model's thoughts (reasoning_content, reasoning and the like) is
// not read: Google does not want thoughts back, only signatures.
type chatMessage struct {
	Role         string         `json:"role"`
	Content      messageContent `json:"content"`
	Name         string         `json:"name"`
	Refusal      string         `json:"refusal"`
	ToolCalls    []chatToolCall `json:"tool_calls"`
	ToolCallID   string         `json:"tool_call_id"`
	FunctionCall *chatFunction  `json:"function_call"`

	Audio optional[jsontext.Value] `json:"audio"` // the id of what the model said aloud

	ExtraContent           optional[extraContent]           `json:"extra_content"`
	ReasoningDetails       optional[[]reasoningDetail]      `json:"reasoning_details"`
	ThinkingBlocks         optional[[]thinkingBlock]        `json:"thinking_blocks"`
	ProviderSpecificFields optional[providerSpecificFields] `json:"provider_specific_fields"`
}

// messageContent is a string, a list of parts, or null.
type messageContent struct {
	text  string
	parts []chatPart
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (c *messageContent) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*c = messageContent{}
	switch dec.PeekKind() {
	case '"', 'n':
		return json.UnmarshalDecode(dec, &c.text)
	case '[':
		return json.UnmarshalDecode(dec, &c.parts)
	default:
		return expected("one of a string or array of objects").refuse(dec)
	}
}

// chatToolCall is a call that the model made earlier in the conversation.
type chatToolCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function chatFunction `json:"function"`
	Custom   *customCall  `json:"custom"`
	callCarrier
}

type chatFunction struct {
	Name      string        `json:"name"`
	Arguments callArguments `json:"arguments"`
	callCarrier
}

// customCall is a call of a tool that takes text.
type customCall struct {
	Name  string `json:"name"`
	Input string `json:"input"`
}

// callArguments is JSON in a string, or the object itself as some clients send it, or null.
type callArguments struct {
	text  string
	value jsontext.Value
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (a *callArguments) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*a = callArguments{}
	switch dec.PeekKind() {
	case '"', 'n':
		return json.UnmarshalDecode(dec, &a.text)
	case '{':
		return json.UnmarshalDecode(dec, &a.value)
	default:
		return expected("a string").refuse(dec)
	}
}

func (a *callArguments) object() jsontext.Value {
	if a.value != nil {
		return freeJSON(a.value)
	}
	return repairArguments(a.text)
}

// addMessages translates the conversation, turn by turn as the client sent it.
func (r *chatRequest) addMessages(to *translate.Request) *translate.Error {
	to.Messages = make([]translate.Message, 0, len(r.Messages))
	legacy := map[string]string{} // the id made for a function's latest unanswered call in the form that has none
	for i := range r.Messages {
		m := &r.Messages[i]
		message := translate.Message{Name: m.Name, Origin: i}
		var failed *translate.Error
		switch m.Role {
		case "user":
			message.Role = translate.RoleUser
			message.Parts, failed = m.Content.translate(i)
		case "system", "developer":
			message.Role = translate.RoleSystem
			message.Parts, failed = m.Content.translate(i)
		case "assistant", "model":
			message.Role = translate.RoleModel
			message.Parts, failed = m.assistant(i, legacy)
			if failed == nil && m.Audio.value != nil {
				failed = loseAudio(to, i)
			}
			if failed == nil && len(message.Parts) == 0 {
				continue // only thoughts, which are not replayed
			}
		case "tool", "function":
			message.Role = translate.RoleTool
			message.Parts, failed = m.result(i, legacy)
		case "":
			failed = missingParameter(fmt.Sprintf("messages[%d].role", i))
		default:
			failed = invalidValue(fmt.Sprintf("messages[%d].role", i), m.Role,
				"'system', 'assistant', 'user', 'function', 'tool', and 'developer'")
		}
		if failed != nil {
			return failed
		}
		to.Messages = append(to.Messages, message)
	}
	return nil
}

// loseAudio notes that what the model said aloud is missing from the conversation: nothing is kept here that its id could stand for.
func loseAudio(to *translate.Request, i int) *translate.Error {
	param := fmt.Sprintf("messages[%d].audio", i)
	if to.Strict {
		return unsupportedParameter(param, "no audio is kept here")
	}
	to.Ignored = append(to.Ignored, param)
	return nil
}

// assistant is what the model said and called.
func (m *chatMessage) assistant(i int, legacy map[string]string) ([]translate.Part, *translate.Error) {
	if m.ExtraContent.or().Google.Thought { // Google's compatible endpoint puts thoughts in the content, and marks it so
		m.Content.dropThoughts()
	}
	parts, failed := m.Content.translate(i)
	if failed != nil {
		return nil, failed
	}
	if m.Refusal != "" {
		parts = append(parts, textPart(m.Refusal))
	}
	calls := make([]translate.Part, 0, len(m.ToolCalls)+1)
	for j := range m.ToolCalls {
		call, failed := m.ToolCalls[j].translate(i, j)
		if failed != nil {
			return nil, failed
		}
		calls = append(calls, translate.Part{Kind: translate.PartCall, Call: call})
	}
	if f := m.FunctionCall; f != nil {
		if f.Name == "" {
			return nil, missingParameter(fmt.Sprintf("messages[%d].function_call.name", i))
		}
		id := fmt.Sprintf("function_call_%d", i)
		legacy[f.Name] = id
		calls = append(calls, translate.Part{Kind: translate.PartCall, Call: &translate.Call{
			ID: id, Name: f.Name, Args: f.Arguments.object(), Signature: translate.ParseCarrier(f.find()),
		}})
	}
	m.sign(parts, calls)
	return append(parts, calls...), nil
}

func (c *chatToolCall) translate(i, j int) (*translate.Call, *translate.Error) {
	id, signature := splitID(c.ID)
	for _, carrier := range []*callCarrier{&c.Function.callCarrier, &c.callCarrier} { // the later one wins
		if found := carrier.find(); found != "" {
			signature = found
		}
	}
	call := &translate.Call{ID: id, Name: c.Function.Name, Signature: translate.ParseCarrier(signature)}
	param := "function"
	if c.Custom != nil && c.Function.Name == "" {
		param = "custom"
		call.Name, call.Args = c.Custom.Name, wrap("input", quote(c.Custom.Input))
	} else {
		call.Args = c.Function.Arguments.object()
	}
	if call.Name == "" {
		return nil, missingParameter(fmt.Sprintf("messages[%d].tool_calls[%d].%s.name", i, j, param))
	}
	return call, nil
}

// result is what a tool answered: text, which may be printed JSON, and perhaps pictures.
func (m *chatMessage) result(i int, legacy map[string]string) ([]translate.Part, *translate.Error) {
	result := &translate.Result{Name: m.Name}
	switch {
	case m.Role == "function":
		if m.Name == "" {
			return nil, missingParameter(fmt.Sprintf("messages[%d].name", i))
		}
		result.CallID = legacy[m.Name]
		delete(legacy, m.Name)
	case m.ToolCallID == "" && m.Name == "":
		return nil, missingParameter(fmt.Sprintf("messages[%d].tool_call_id", i))
	default:
		result.CallID, _ = splitID(m.ToolCallID)
	}
	parts, failed := m.Content.translate(i)
	if failed != nil {
		return nil, failed
	}
	var texts []string
	for _, p := range parts {
		if p.Kind == translate.PartMedia {
			result.Media = append(result.Media, *p.Media)
		} else {
			texts = append(texts, p.Text)
		}
	}
	result.Output = toolOutput(strings.Join(texts, "\n"))
	return []translate.Part{{Kind: translate.PartResult, Result: result}}, nil
}
