package gateway_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"strconv"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// asked has the simulated model call a tool thrice, and then another one thrice.
const asked = "What is the weather in Paris, Tokyo and Lima? And then what is the time in Paris, Tokyo and Lima?"

// program is a client that runs tools. It answers each call, and sends back what it has of the conversation.
type program struct {
	*world
	client   gateway.Client
	body     map[string]any // of its requests, beside the messages
	messages []any
	// carry makes a message of the model's answer; nil drops all fields that OpenAI does not know.
	carry func(m conformance.Message) map[string]any
}

func (w *world) program() *program {
	p := &program{world: w, client: known, body: plain()}
	if isStream(w) {
		p.body = stream()
	}
	var tools []any
	for _, name := range []string{"get_weather", "get_time"} {
		tools = append(tools, map[string]any{"type": "function", "function": map[string]any{"name": name, "parameters": json.RawMessage(
			`{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city","days"]}`,
		)}})
	}
	p.body["tools"] = tools
	p.hear("user", asked)
	return p
}

func (p *program) hear(role, content string) {
	p.messages = append(p.messages, map[string]any{"role": role, "content": content})
}

// step asks, takes the answer down and runs the tools it calls.
func (p *program) step() conformance.Message {
	p.Helper()
	body := maps.Clone(p.body)
	body["messages"] = p.messages
	a := p.sendAs(p.Context(), p.client, http.MethodPost, chatPath, chat(body))
	if a.Code != http.StatusOK {
		p.Fatalf("status %d: %s", a.Code, a.Body)
	}
	var c conformance.Completion
	if body["stream"] == true {
		c = conformance.CheckStream(p, a.Body.Bytes(), true)
	} else {
		c = conformance.ParseCompletion(p, a.Body.Bytes())
	}
	carry := p.carry
	if carry == nil {
		carry = forgetful
	}
	m := c.Choices[len(c.Choices)-1].Message
	said := carry(m)
	p.messages = append(p.messages, said)
	calls, _ := said["tool_calls"].([]map[string]any)
	for _, call := range calls {
		p.messages = append(p.messages, map[string]any{"role": "tool", "tool_call_id": call["id"], "content": "fine"})
	}
	return m
}

// forgetful is what most clients send back of a message.
func forgetful(m conformance.Message) map[string]any {
	calls := make([]map[string]any, len(m.ToolCalls))
	for i, c := range m.ToolCalls {
		calls[i] = map[string]any{
			"id": c.ID, "type": "function", "function": map[string]any{"name": c.Function.Name, "arguments": c.Function.Arguments},
		}
	}
	said := map[string]any{"role": "assistant", "content": m.Content}
	if len(calls) > 0 {
		said["tool_calls"] = calls
	}
	return said
}

// renaming is what clients send back that have ids of their own, and print arguments as they like.
func renaming() func(conformance.Message) map[string]any {
	n := 0
	return func(m conformance.Message) map[string]any {
		said := forgetful(m)
		calls, _ := said["tool_calls"].([]map[string]any)
		for _, call := range calls {
			n++
			call["id"] = "own-" + strconv.Itoa(n)
			function := call["function"].(map[string]any)
			var args map[string]any
			if err := json.Unmarshal([]byte(function["arguments"].(string)), &args); err != nil {
				panic(err) // was checked
			}
			days, city := strconv.FormatFloat(args["days"].(float64), 'e', 2, 64), strconv.QuoteToASCII(args["city"].(string))
			function["arguments"] = "{\"days\": " + days + ",\n \"city\": " + city + "}"
		}
		return said
	}
}

// issued are the signatures that Google gave with its calls so far, in order.
func (w *world) issued() []string {
	var all []string
	for _, c := range w.google.Calls(googlesim.Match{Method: "streamGenerateContent"}) {
		if c.Signature != "" {
			all = append(all, c.Signature)
		}
	}
	return all
}

// wantSent checks what signed the calls of the conversation that Google got last, in order; "" is nothing.
func (w *world) wantSent(want ...string) {
	w.Helper()
	type contents []struct {
		Parts []struct {
			FunctionCall     json.RawMessage
			ThoughtSignature string
		}
	}
	var body struct {
		Contents contents
		Request  struct{ Contents contents }
	}
	if err := json.Unmarshal([]byte(w.lastBody()), &body); err != nil {
		w.Fatal(err)
	}
	var got []string
	for _, content := range append(body.Contents, body.Request.Contents...) {
		for _, p := range content.Parts {
			if p.FunctionCall != nil {
				got = append(got, p.ThoughtSignature)
			} else if p.ThoughtSignature == sentinel {
				w.Errorf("what is no call carries what stands for a signature: %s", w.lastBody())
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		w.Errorf("signatures sent: %q\n          want %q", got, want)
	}
}

// calls are those of the model's last message.
func (p *program) calls() []map[string]any {
	for i := len(p.messages) - 1; ; i-- {
		if calls, ok := p.messages[i].(map[string]any)["tool_calls"].([]map[string]any); ok {
			return calls
		}
	}
}

// faithful clients send back whatever they were sent.
func faithful(m conformance.Message) map[string]any {
	said := forgetful(m)
	calls, _ := said["tool_calls"].([]map[string]any)
	for i, c := range m.ToolCalls {
		if s := c.ExtraContent.Google.ThoughtSignature; s != "" {
			calls[i]["extra_content"] = extraContent(s)
		}
	}
	if s := m.ExtraContent.Google.ThoughtSignature; s != "" {
		said["extra_content"] = extraContent(s)
	}
	return said
}

func extraContent(signature string) map[string]any {
	return map[string]any{"google": map[string]any{"thought_signature": signature}}
}
