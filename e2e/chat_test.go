package e2e

import (
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
)

func question(text string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)},
	}
}

func TestCompletion(t *testing.T) {
	client := demo(t).client()
	answer, err := client.Chat.Completions.New(t.Context(), question("Say hello."))
	if err != nil {
		t.Fatal(err)
	}
	if answer.ID == "" || answer.Model != model || len(answer.Choices) != 1 {
		t.Fatalf("answer %s", answer.RawJSON())
	}
	choice := answer.Choices[0]
	if choice.Message.Content == "" || choice.FinishReason != "stop" {
		t.Errorf("content %q, finish reason %q", choice.Message.Content, choice.FinishReason)
	}
	checkUsage(t, answer.Usage)
}

// A client that names no model gets the default one, and learns which.
func TestCompletionWithoutModel(t *testing.T) {
	client := demo(t).client()
	params := question("Say hello.")
	params.Model = ""
	answer, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Model != model || answer.Choices[0].Message.Content == "" {
		t.Errorf("answer %s", answer.RawJSON())
	}
}

// The stream says what the whole answer says, and the usage only once: OpenAI's accumulator adds up every usage it sees.
func TestStreamEqualsCompletion(t *testing.T) {
	client := demo(t).client()
	params := question("Tell me a story about a lighthouse in five sentences.")
	whole, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}

	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	streamed, chunks := accumulate(t, client, params)
	if chunks < 3 {
		t.Errorf("%d chunks", chunks)
	}
	if streamed.ID == whole.ID {
		t.Errorf("two answers share the id %s", whole.ID)
	}
	got, want := streamed.Choices[0], whole.Choices[0]
	if got.Message.Content != want.Message.Content || got.FinishReason != want.FinishReason {
		t.Errorf("stream: %q (%s)\n whole: %q (%s)", got.Message.Content, got.FinishReason, want.Message.Content, want.FinishReason)
	}
	if streamed.Usage.TotalTokens != whole.Usage.TotalTokens || streamed.Usage.PromptTokens != whole.Usage.PromptTokens {
		t.Errorf("usage %s of the stream, %s of the whole answer", streamed.Usage.RawJSON(), whole.Usage.RawJSON())
	}
	checkUsage(t, streamed.Usage)
}

func TestSystemMessagesAndConversation(t *testing.T) {
	client := demo(t).client()
	params := openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{
		openai.SystemMessage("You are terse."),
		openai.DeveloperMessage("Answer in English."),
		openai.UserMessage("Say hello."),
		openai.AssistantMessage("Hello."),
		openai.UserMessage("Say it again."),
		openai.UserMessage("Please."),
	}}
	answer, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Choices[0].Message.Content == "" {
		t.Errorf("answer %s", answer.RawJSON())
	}
}

func checkUsage(t *testing.T, usage openai.CompletionUsage) {
	t.Helper()
	if usage.PromptTokens <= 0 || usage.CompletionTokens <= 0 || usage.TotalTokens != usage.PromptTokens+usage.CompletionTokens {
		t.Errorf("usage %+v", usage)
	}
}

// accumulate streams one answer through OpenAI's own accumulator, and checks that its pieces are its text.
func accumulate(t *testing.T, client openai.Client, params openai.ChatCompletionNewParams) (openai.ChatCompletion, int) {
	t.Helper()
	stream := client.Chat.Completions.NewStreaming(t.Context(), params)
	defer stream.Close()
	var (
		answer openai.ChatCompletionAccumulator
		text   strings.Builder
		chunks int
	)
	for stream.Next() {
		chunk := stream.Current()
		if !answer.AddChunk(chunk) {
			t.Fatalf("the accumulator refuses %s", chunk.RawJSON())
		}
		for _, choice := range chunk.Choices {
			text.WriteString(choice.Delta.Content)
		}
		chunks++
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if len(answer.Choices) != 1 {
		t.Fatalf("%d choices", len(answer.Choices))
	}
	if text.String() != answer.Choices[0].Message.Content {
		t.Errorf("pieces %q, accumulated %q", text.String(), answer.Choices[0].Message.Content)
	}
	return answer.ChatCompletion, chunks
}
