package openai

import (
	"cmp"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// chatRequest is the wire form of a request: the fields of OpenAI's CreateChatCompletionRequest that have an effect here, and those
// that other gateways have made customary. Rest holds all other members.
type chatRequest struct {
	Model    string        `json:"model"`
	Messages []chatMessage `json:"messages"`
	responsesBody
	Stream        bool           `json:"stream"`
	StreamOptions *streamOptions `json:"stream_options"`

	Temperature         *float64       `json:"temperature"`
	TopP                *float64       `json:"top_p"`
	TopK                *integer       `json:"top_k"`
	N                   *integer       `json:"n"`
	MaxCompletionTokens *integer       `json:"max_completion_tokens"`
	MaxTokens           *integer       `json:"max_tokens"`
	Stop                stopSequences  `json:"stop"`
	FrequencyPenalty    *float64       `json:"frequency_penalty"`
	PresencePenalty     *float64       `json:"presence_penalty"`
	Seed                *integer       `json:"seed"`
	LogProbs            *bool          `json:"logprobs"`
	TopLogProbs         *integer       `json:"top_logprobs"`
	Modalities          []string       `json:"modalities"`
	Audio               *audioOptions  `json:"audio"`
	ResponseFormat      responseFormat `json:"response_format"`

	Tools             []chatTool    `json:"tools"`
	ToolChoice        toolChoice    `json:"tool_choice"`
	ParallelToolCalls *bool         `json:"parallel_tool_calls"`
	Functions         []functionDef `json:"functions"`
	FunctionCall      toolChoice    `json:"function_call"`

	WebSearchOptions *webSearchOptions `json:"web_search_options"`

	ReasoningEffort  string                   `json:"reasoning_effort"`
	Reasoning        optional[routerThinking] `json:"reasoning"`
	IncludeReasoning optional[bool]           `json:"include_reasoning"`
	Thinking         optional[claudeThinking] `json:"thinking"`
	EnableThinking   optional[bool]           `json:"enable_thinking"`
	ChatTemplate     optional[templateKwargs] `json:"chat_template_kwargs"`
	Google           optional[googleOptions]  `json:"google"`
	ExtraBody        optional[extraBody]      `json:"extra_body"`
	Usage            optional[usageOptions]   `json:"usage"`

	SafetySettings      optional[[]translate.SafetySetting] `json:"safety_settings"`
	SafetySettingsCamel optional[[]translate.SafetySetting] `json:"safetySettings"`
	CachedContent       optional[string]                    `json:"cached_content"`
	ImageConfig         optional[imageOptions]              `json:"image_config"`
	Labels              optional[labels]                    `json:"labels"`
	GenerationConfig    optional[generationConfig]          `json:"generationConfig"`

	ServiceTier    string                 `json:"service_tier"`
	PromptCacheKey optional[string]       `json:"prompt_cache_key"`
	SessionID      optional[string]       `json:"session_id"`
	Metadata       optional[chatMetadata] `json:"metadata"`

	Rest jsontext.Value `json:",embed"`
}

type streamOptions struct {
	IncludeUsage       bool `json:"include_usage"`
	IncludeObfuscation bool `json:"include_obfuscation"`
}

// usageOptions is OpenRouter's way of asking for what stream_options.include_usage asks for.
type usageOptions struct {
	Include bool `json:"include"`
}

// chatMetadata is the client's own notes. In Anthropic's protocol user_id is where clients say which session a request belongs to, and
// some of them keep to that here.
type chatMetadata struct {
	UserID optional[string] `json:"user_id"`
	Rest   jsontext.Value   `json:",embed"`
}

// ignored reports whether there is anything in it that has no effect.
func (m *chatMetadata) ignored() bool { return m.UserID.odd || len(m.Rest) > len("{}") }

// count is how many notes there are.
func (m chatMetadata) count() (n int) {
	if m.UserID.value != nil || m.UserID.odd {
		n++
	}
	var rest map[string]jsontext.Value
	if json.Unmarshal(m.Rest, &rest, tolerant) == nil {
		n += len(rest)
	}
	return n
}

// conversation is the client's name for the conversation. OpenAI's key for its prompt cache says best what is wanted; session_id is
// OpenRouter's.
func (r *chatRequest) conversation() string {
	return cmp.Or(r.PromptCacheKey.or(), r.SessionID.or(), r.Metadata.or().UserID.or())
}

// translate makes the conversation model's request.
func (r *chatRequest) translate(strict bool) (*translate.Request, *translate.Error) {
	if len(r.Messages) == 0 && r.Input.given {
		r.adoptResponses()
	}
	if r.Messages == nil {
		return nil, missingParameter("messages")
	}
	if len(r.Messages) == 0 {
		return nil, translate.Invalid("messages", "empty_array",
			"Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	r.adoptGenerationConfig()
	request := &translate.Request{Model: r.Model, Stream: r.Stream, Conversation: r.conversation(), Strict: strict}
	for _, step := range []func(*chatRequest, *translate.Request) *translate.Error{
		(*chatRequest).refuseMistakes, (*chatRequest).addSampling, (*chatRequest).addLogProbs, (*chatRequest).addFormat,
		(*chatRequest).addOutput, (*chatRequest).addReasoning, (*chatRequest).addService, (*chatRequest).addMessages,
		(*chatRequest).refuseUnanswered, (*chatRequest).addInstructions, (*chatRequest).addTools, (*chatRequest).addSearch, (*chatRequest).nameIgnored,
	} {
		failed := step(r, request)
		switch {
		case failed == nil:
		case r.adopted:
			return nil, inInput(failed)
		default:
			return nil, failed
		}
	}
	return request, nil
}
