package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
)

var weatherTool = openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
	Name:        "get_weather",
	Description: openai.String("The current weather of one city"),
	Parameters: openai.FunctionParameters{
		"type":                 "object",
		"properties":           map[string]any{"city": map[string]any{"type": "string", "description": "Name of the city"}},
		"required":             []string{"city"},
		"additionalProperties": false,
	},
})

// ways are the two in which an answer can be had.
var ways = map[string]func(*testing.T, openai.Client, openai.ChatCompletionNewParams) openai.ChatCompletion{
	"whole": func(t *testing.T, client openai.Client, params openai.ChatCompletionNewParams) openai.ChatCompletion {
		t.Helper()
		answer, err := client.Chat.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		return *answer
	},
	"stream": func(t *testing.T, client openai.Client, params openai.ChatCompletionNewParams) openai.ChatCompletion {
		t.Helper()
		answer, _ := accumulate(t, client, params)
		return answer
	},
}

// Two turns with two parallel calls each; every request replays all of the conversation. OpenAI's library drops the fields it does
// not know, thought signatures among them, so this is also how the gateway fares with clients that lose them.
func TestToolLoop(t *testing.T) {
	for name, ask := range ways {
		t.Run(name, func(t *testing.T) {
			client := demo(t).client()
			params := openai.ChatCompletionNewParams{Model: model, Tools: []openai.ChatCompletionToolUnionParam{weatherTool}}
			for _, turn := range []struct {
				question string
				cities   []string
			}{
				{"What is the weather in Paris and Tokyo?", []string{"Paris", "Tokyo"}},
				{"And what is the weather in Oslo and Rome?", []string{"Oslo", "Rome"}},
			} {
				params.Messages = append(params.Messages, openai.UserMessage(turn.question))
				calls := ask(t, client, params)
				params.Messages = append(params.Messages, results(t, calls, "get_weather", turn.cities)...)
				answer := ask(t, client, params).Choices[0]
				if answer.FinishReason != "stop" || len(answer.Message.ToolCalls) != 0 || answer.Message.Content == "" {
					t.Fatalf("after the results: finish reason %q, %s", answer.FinishReason, answer.Message.RawJSON())
				}
				checkMentions(t, answer.Message.Content, turn.cities)
				params.Messages = append(params.Messages, answer.Message.ToParam())
			}
		})
	}
}

// A tool that the client insists on is called.
func TestToolChoice(t *testing.T) {
	client := demo(t).client()
	params := question("What is the weather in Paris and Tokyo?")
	params.Tools = []openai.ChatCompletionToolUnionParam{weatherTool}
	params.ToolChoice = openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: "get_weather"})
	answer, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if choice := answer.Choices[0]; choice.FinishReason != "tool_calls" || len(choice.Message.ToolCalls) == 0 {
		t.Errorf("finish reason %q, %d calls", choice.FinishReason, len(choice.Message.ToolCalls))
	}
}

// results checks that an answer calls a tool once per city, and is the call's message followed by one result each.
func results(t *testing.T, answer openai.ChatCompletion, tool string, cities []string) []openai.ChatCompletionMessageParamUnion {
	t.Helper()
	choice := answer.Choices[0]
	if choice.FinishReason != "tool_calls" || len(choice.Message.ToolCalls) != len(cities) {
		t.Fatalf("finish reason %q, calls %+v, want one for each of %v", choice.FinishReason, choice.Message.ToolCalls, cities)
	}
	messages := []openai.ChatCompletionMessageParamUnion{choice.Message.ToParam()}
	ids := map[string]bool{}
	for i, call := range choice.Message.ToolCalls {
		var arguments struct {
			City string `json:"city"`
		}
		if err := json.Unmarshal([]byte(call.Function.Arguments), &arguments); err != nil {
			t.Fatalf("arguments %q: %v", call.Function.Arguments, err)
		}
		if call.Function.Name != tool || !strings.EqualFold(arguments.City, cities[i]) {
			t.Errorf("call %d is %s(%s), want %s of %s", i, call.Function.Name, call.Function.Arguments, tool, cities[i])
		}
		if call.ID == "" || len(call.ID) > 40 || ids[call.ID] {
			t.Errorf("call %d has id %q", i, call.ID)
		}
		ids[call.ID] = true
		messages = append(messages, openai.ToolMessage(fmt.Sprintf(`{"city":%q,"celsius":%d}`, cities[i], 20+i), call.ID))
	}
	return messages
}

// checkMentions checks that the results reached the model: the simulated one repeats them.
func checkMentions(t *testing.T, text string, cities []string) {
	t.Helper()
	for _, city := range cities {
		if !strings.Contains(text, city) {
			t.Errorf("the answer %q does not mention %s", text, city)
		}
	}
}
