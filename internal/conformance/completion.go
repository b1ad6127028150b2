package conformance

import (
	"encoding/json"
	"testing"
)

// Completion is a chat completion as an SDK hands it to its user, whether it came whole or as a stream.
type Completion struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"`
	Model   string   `json:"model"`
	Choices []Choice `json:"choices"`
	Usage   *Usage   `json:"usage"`
}

// Choice is one of the answers.
type Choice struct {
	Index        int       `json:"index"`
	Message      Message   `json:"message"`
	LogProbs     *LogProbs `json:"logprobs"`
	FinishReason string    `json:"finish_reason"`
}

// LogProbs are how likely the tokens of a choice were.
type LogProbs struct {
	Content []TokenLogProb `json:"content"`
}

// TokenLogProb is a token in its place.
type TokenLogProb struct {
	Token   string         `json:"token"`
	LogProb float64        `json:"logprob"`
	Bytes   []int          `json:"bytes"`
	Top     []TokenLogProb `json:"top_logprobs"`
}

// Message is an answer. Content is empty where it is null.
type Message struct {
	Role         string       `json:"role"`
	Content      string       `json:"content"`
	Refusal      string       `json:"refusal"`
	Reasoning    string       `json:"reasoning_content"`
	ToolCalls    []ToolCall   `json:"tool_calls"`
	FunctionCall *Function    `json:"function_call"`
	Images       []Image      `json:"images"`
	Audio        *Audio       `json:"audio"`
	Annotations  []Annotation `json:"annotations"`
	ExtraContent Extra        `json:"extra_content"`
}

// ToolCall is a call of one of the client's tools.
type ToolCall struct {
	ID           string   `json:"id"`
	Type         string   `json:"type"`
	Function     Function `json:"function"`
	Custom       *Custom  `json:"custom"`
	ExtraContent Extra    `json:"extra_content"`
}

// Custom is what a call of a tool calls that takes text.
type Custom struct {
	Name  string `json:"name"`
	Input string `json:"input"`
}

// Function is what a call calls.
type Function struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// Extra carries a thought signature.
type Extra struct {
	Google struct {
		ThoughtSignature string `json:"thought_signature"`
	} `json:"google"`
}

// Image is a picture in an answer.
type Image struct {
	ImageURL struct {
		URL string `json:"url"`
	} `json:"image_url"`
	ExtraContent Extra `json:"extra_content"`
}

// Audio is what an answer says aloud.
type Audio struct {
	ID        string `json:"id"`
	Data      []byte `json:"data"`
	ExpiresAt int64  `json:"expires_at"`
}

// Annotation is a source.
type Annotation struct {
	URLCitation struct {
		Start int    `json:"start_index"`
		End   int    `json:"end_index"`
		URL   string `json:"url"`
		Title string `json:"title"`
	} `json:"url_citation"`
}

// Usage is the account of tokens.
type Usage struct {
	PromptTokens        int `json:"prompt_tokens"`
	CompletionTokens    int `json:"completion_tokens"`
	TotalTokens         int `json:"total_tokens"`
	PromptTokensDetails struct {
		CachedTokens int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionTokensDetails struct {
		ReasoningTokens int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

// ParseCompletion reads a completion that came whole, and checks what its schema cannot say.
func ParseCompletion(tb testing.TB, body []byte) Completion {
	tb.Helper()
	var c Completion
	if err := json.Unmarshal(body, &c); err != nil {
		tb.Fatalf("not a completion: %v\n%s", err, body)
	}
	if c.Object != "chat.completion" {
		tb.Errorf("object is %q", c.Object)
	}
	if c.Usage == nil {
		tb.Error("no usage")
	}
	checkCompletion(tb, c)
	return c
}
