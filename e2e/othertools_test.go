package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
)

// customCall is a call of a freeform tool, which OpenAI's library has no fields for in chunks of a stream.
type customCall struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	Custom struct {
		Name  string `json:"name"`
		Input string `json:"input"`
	} `json:"custom"`
}

// Freeform tools are called with a text instead of arguments, and their calls are signed like others.
func TestCustomTool(t *testing.T) {
	for name, ask := range map[string]func(*testing.T, openai.Client, openai.ChatCompletionNewParams) (customCall, string){
		"whole": func(t *testing.T, client openai.Client, params openai.ChatCompletionNewParams) (call customCall, reason string) {
			answer, err := client.Chat.Completions.New(t.Context(), params)
			if err != nil {
				t.Fatal(err)
			}
			choice := answer.Choices[0]
			if len(choice.Message.ToolCalls) != 1 {
				t.Fatalf("message %s", choice.Message.RawJSON())
			}
			custom := choice.Message.ToolCalls[0].AsCustom()
			call.ID, call.Type = custom.ID, string(custom.Type)
			call.Custom.Name, call.Custom.Input = custom.Custom.Name, custom.Custom.Input
			return call, choice.FinishReason
		},
		"stream": func(t *testing.T, client openai.Client, params openai.ChatCompletionNewParams) (call customCall, reason string) {
			stream := client.Chat.Completions.NewStreaming(t.Context(), params)
			defer stream.Close()
			for stream.Next() {
				for _, choice := range stream.Current().Choices {
					for _, delta := range choice.Delta.ToolCalls {
						var piece customCall
						if err := json.Unmarshal([]byte(delta.RawJSON()), &piece); err != nil {
							t.Fatal(err)
						}
						call.ID += piece.ID
						call.Type += piece.Type
						call.Custom.Name += piece.Custom.Name
						call.Custom.Input += piece.Custom.Input
					}
					reason += choice.FinishReason
				}
			}
			if err := stream.Err(); err != nil {
				t.Fatal(err)
			}
			return call, reason
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := watch(t)
			client, params := w.client(), question("Run the shell for me.")
			params.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionCustomTool(openai.ChatCompletionCustomToolCustomParam{
				Name: "shell", Description: openai.String("Runs a command"),
			})}
			call, reason := ask(t, client, params)
			if call.Type != "custom" || call.Custom.Name != "shell" || call.Custom.Input != "Run the shell for me." || reason != "tool_calls" {
				t.Fatalf("call %+v, finish reason %q", call, reason)
			}
			params.Messages = append(params.Messages, openai.ChatCompletionMessageParamUnion{
				OfAssistant: &openai.ChatCompletionAssistantMessageParam{
					ToolCalls: []openai.ChatCompletionMessageToolCallUnionParam{{
						OfCustom: &openai.ChatCompletionMessageCustomToolCallParam{
							ID:     call.ID,
							Custom: openai.ChatCompletionMessageCustomToolCallCustomParam{Name: call.Custom.Name, Input: call.Custom.Input},
						},
					}},
				},
			}, openai.ToolMessage("done: 42", call.ID))
			answer, err := client.Chat.Completions.New(t.Context(), params)
			if err != nil {
				t.Fatal(err)
			}
			if text := answer.Choices[0].Message.Content; !strings.Contains(text, "shell:") || !strings.Contains(text, "done: 42") {
				t.Errorf("after the result: %q", text)
			}
			checkFirstSignature(t, w, "own")
		})
	}
}

// Functions as they were before there were tools: one call an answer, without an id.
func TestLegacyFunctions(t *testing.T) {
	type functionCall struct{ name, arguments string }
	for name, ask := range map[string]func(*testing.T, openai.Client, openai.ChatCompletionNewParams) (functionCall, string){
		"whole": func(t *testing.T, client openai.Client, params openai.ChatCompletionNewParams) (functionCall, string) {
			answer, err := client.Chat.Completions.New(t.Context(), params)
			if err != nil {
				t.Fatal(err)
			}
			choice := answer.Choices[0]
			if len(choice.Message.ToolCalls) != 0 {
				t.Errorf("message %s", choice.Message.RawJSON())
			}
			call := choice.Message.FunctionCall
			return functionCall{call.Name, call.Arguments}, choice.FinishReason
		},
		"stream": func(t *testing.T, client openai.Client, params openai.ChatCompletionNewParams) (call functionCall, reason string) {
			stream := client.Chat.Completions.NewStreaming(t.Context(), params)
			defer stream.Close()
			for stream.Next() {
				for _, choice := range stream.Current().Choices {
					call.name += choice.Delta.FunctionCall.Name
					call.arguments += choice.Delta.FunctionCall.Arguments
					reason += choice.FinishReason
				}
			}
			if err := stream.Err(); err != nil {
				t.Fatal(err)
			}
			return call, reason
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := watch(t)
			client, params := w.client(), question("What is the weather in Paris?")
			params.Functions = []openai.ChatCompletionNewParamsFunction{{
				Name: "get_weather", Parameters: weatherTool.OfFunction.Function.Parameters,
			}}
			call, reason := ask(t, client, params)
			if call.name != "get_weather" || !strings.Contains(call.arguments, `"Paris"`) || reason != "function_call" {
				t.Fatalf("call %+v, finish reason %q", call, reason)
			}
			params.Messages = append(params.Messages, openai.ChatCompletionMessageParamUnion{
				OfAssistant: &openai.ChatCompletionAssistantMessageParam{
					FunctionCall: openai.ChatCompletionAssistantMessageParamFunctionCall{Name: call.name, Arguments: call.arguments},
				},
			}, openai.ChatCompletionMessageParamOfFunction(`{"celsius":20}`, call.name))
			answer, err := client.Chat.Completions.New(t.Context(), params)
			if err != nil {
				t.Fatal(err)
			}
			if text := answer.Choices[0].Message.Content; !strings.Contains(text, `get_weather: {"celsius":20}`) {
				t.Errorf("after the result: %q", text)
			}
			checkFirstSignature(t, w, "own")
		})
	}
}

// checkFirstSignature checks how the one call there was is signed in the request that brings its result.
func checkFirstSignature(t *testing.T, w *watched, want string) {
	t.Helper()
	calls, err := w.upstream()
	if err != nil {
		t.Fatal(err)
	}
	if len(calls) != 2 || len(calls[1].Signatures) != 1 || len(calls[1].Signatures[0]) != 1 || calls[1].Signatures[0][0] != want {
		t.Errorf("Google was asked %+v", calls)
	}
}
