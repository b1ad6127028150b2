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
	for _, c := range []struct {
		name    string
		between func(*watched) error // after the first step
		rename  bool                 // the client gives calls IDs of its own
		first   string               // signature of the first step
	}{
		{name: "gateway stays", between: func(*watched) error { return nil }, first: "own"},
		{name: "gateway reloaded", between: (*watched).reload, first: "own"},
		{name: "gateway restarted", between: (*watched).restart, first: "substitute"},
		{name: "client has IDs of its own", between: func(*watched) error { return nil }, rename: true, first: "own"},
	} {
		for name, ask := range ways {
			t.Run(c.name+", "+name, func(t *testing.T) {
				w := watch(t)
				client := w.client()
				params := question(task.question)
				params.Tools = []openai.ChatCompletionToolUnionParam{weatherTool, timeTool}
				for step, tool := range task.tools {
					calling := ask(t, client, params)
					if step == 0 {
						if err := c.between(w); err != nil {
							t.Fatal(err)
						}
					}
					if c.rename {
						for i := range calling.Choices[0].Message.ToolCalls {
							calling.Choices[0].Message.ToolCalls[i].ID = fmt.Sprintf("step_%d_call_%d", step, i)
						}
					}
					params.Messages = append(params.Messages, results(t, calling, tool, task.cities)...)
				}
				checkTask(t, ask(t, client, params))
				checkUpstream(t, w, nil, []string{c.first}, []string{c.first, "own"})
			})
		}
	}
}

// checkTask checks that an answer repeats all the results.
func checkTask(t *testing.T, answer openai.ChatCompletion) {
	t.Helper()
	choice := answer.Choices[0]
	if choice.FinishReason != "stop" || len(choice.Message.ToolCalls) != 0 {
		t.Errorf("at the end: finish reason %q, %s", choice.FinishReason, choice.Message.RawJSON())
	}
	for _, tool := range task.tools {
		if n := strings.Count(choice.Message.Content, tool+":"); n != len(task.cities) {
			t.Errorf("%d results of %s in %q", n, tool, choice.Message.Content)
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
