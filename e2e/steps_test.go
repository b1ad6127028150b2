package e2e

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
)

// task is a question for the simulated model to answer in three steps: a call for each city, another for each, then words.
var task = struct {
	question string
	cities   []string
	tools    []string // one a step
}{
	"What is the weather in Paris, Tokyo and Lima, then the time in Paris, Tokyo and Lima?",
	[]string{"Paris", "Tokyo", "Lima"},
	[]string{"get_weather", "get_time"},
}

var timeTool = openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
	Name:        "get_time",
	Description: openai.String("The time of day in one city"),
	Parameters: openai.FunctionParameters{
		"type":       "object",
		"properties": map[string]any{"city": map[string]any{"type": "string"}},
		"required":   []string{"city"},
	},
})

// OpenAI's library drops the fields it does not know, so that Gemini 3, which refuses calls of the current turn without their
// signature, depends on the gateway for them: it remembers them, and after a restart knows what to send instead.
func TestSteps(t *testing.T) {
	for name, ask := range ways {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restarted %t", name, restarted), func(t *testing.T) {
				w := watch(t)
				client := w.client()
				params := question(task.question)
				params.Tools = []openai.ChatCompletionToolUnionParam{weatherTool, timeTool}
				for step, tool := range task.tools {
					calling := ask(t, client, params)
					if restarted && step == 0 {
						if err := w.restart(); err != nil {
							t.Fatal(err)
						}
					}
					params.Messages = append(params.Messages, results(t, calling, tool, task.cities)...)
				}
				answer := ask(t, client, params).Choices[0]
				if answer.FinishReason != "stop" || len(answer.Message.ToolCalls) != 0 {
					t.Errorf("at the end: finish reason %q, %s", answer.FinishReason, answer.Message.RawJSON())
				}
				for _, tool := range task.tools {
					if n := strings.Count(answer.Message.Content, tool+":"); n != len(task.cities) {
						t.Errorf("%d results of %s in %q", n, tool, answer.Message.Content)
					}
				}
				first := "own"
				if restarted {
					first = "substitute"
				}
				checkUpstream(t, w, nil, []string{first}, []string{first, "own"})
			})
		}
	}
}

// checkUpstream checks what Google was asked: in each call, how the first call of each step before was signed. Those beside it are not.
func checkUpstream(t *testing.T, w *watched, calls ...[]string) {
	t.Helper()
	want := []asked{}
	for _, firsts := range calls {
		one := asked{Status: 200, Signatures: [][]string{}}
		for _, first := range firsts {
			one.Signatures = append(one.Signatures, []string{first, "none", "none"})
		}
		want = append(want, one)
	}
	got, err := w.upstream()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		t.Errorf("Google was asked\n     %s,\nwant %s", g, w)
	}
}
