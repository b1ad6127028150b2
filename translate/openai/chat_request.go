package openai

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// chatRequest is the wire form of a request: the fields of OpenAI's CreateChatCompletionRequest that have an effect here, and those
// that other gateways have made customary. Rest holds all other members.
type chatRequest struct {
	Model         string                  `json:"model"`
	Messages      []chatMessage           `json:"messages"`
	Stream        bool                    `json:"stream"`
	StreamOptions optional[streamOptions] `json:"stream_options"`

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
	ResponseFormat      responseFormat `json:"response_format"`

	Tools             []chatTool    `json:"tools"`
	ToolChoice        toolChoice    `json:"tool_choice"`
	ParallelToolCalls *bool         `json:"parallel_tool_calls"`
	Functions         []functionDef `json:"functions"`
	FunctionCall      toolChoice    `json:"function_call"`

	ReasoningEffort  string                   `json:"reasoning_effort"`
	Reasoning        optional[routerThinking] `json:"reasoning"`
	IncludeReasoning optional[bool]           `json:"include_reasoning"`
	Thinking         optional[claudeThinking] `json:"thinking"`
	Google           optional[googleOptions]  `json:"google"`
	ExtraBody        optional[extraBody]      `json:"extra_body"`
	Usage            optional[usageOptions]   `json:"usage"`

	PromptCacheKey optional[string]       `json:"prompt_cache_key"`
	SessionID      optional[string]       `json:"session_id"`
	Metadata       optional[chatMetadata] `json:"metadata"`

	Rest jsontext.Value `json:",embed"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
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

// conversation is the client's name for the conversation. OpenAI's key for its prompt cache says best what is wanted; session_id is
// OpenRouter's.
func (r *chatRequest) conversation() string {
	return cmp.Or(r.PromptCacheKey.or(), r.SessionID.or(), r.Metadata.or().UserID.or())
}

// stopSequences is a string, a list of strings, or null.
type stopSequences []string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (s *stopSequences) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*s = nil
	switch dec.PeekKind() {
	case '[':
		return json.UnmarshalDecode(dec, (*[]string)(s))
	case '"', 'n':
		var one string
		if err := json.UnmarshalDecode(dec, &one); err != nil {
			return err
		}
		*s = []string{one}
		return nil
	default:
		return expected("one of a string or array of strings").refuse(dec)
	}
}

// Limits of Google's: a request may name five stop sequences and ask for eight candidates.
const (
	maxStops      = 5
	maxCandidates = 8
	// maxN is OpenAI's own limit.
	maxN = 128
)

// translate makes the conversation model's request.
func (r *chatRequest) translate() (*translate.Request, *translate.Error) {
	if r.Messages == nil {
		return nil, missingParameter("messages")
	}
	if len(r.Messages) == 0 {
		return nil, translate.Invalid("messages", "empty_array",
			"Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	request := &translate.Request{Model: r.Model, Stream: r.Stream, Conversation: r.conversation()}
	for _, step := range []func(*chatRequest, *translate.Request) *translate.Error{
		(*chatRequest).refuseUnsupported, (*chatRequest).addSampling, (*chatRequest).addFormat, (*chatRequest).addTools,
		(*chatRequest).addReasoning, (*chatRequest).addMessages,
	} {
		if failed := step(r, request); failed != nil {
			return nil, failed
		}
	}
	r.nameIgnored(request)
	return request, nil
}

// refuseUnsupported refuses what asks for data that an answer cannot hold: leaving it out silently would be worse.
func (r *chatRequest) refuseUnsupported(*translate.Request) *translate.Error {
	if r.LogProbs != nil && *r.LogProbs {
		return unsupportedParameter("logprobs", "log probabilities are not available")
	}
	if r.TopLogProbs != nil && *r.TopLogProbs > 0 {
		return translate.Invalid("top_logprobs", "invalid_value", "Invalid 'top_logprobs': it is only allowed when 'logprobs' is true.")
	}
	for _, m := range r.Modalities {
		if m != "text" && m != "image" {
			return unsupportedValue("modalities", m, "answers are text and images")
		}
	}
	return nil
}

// addSampling checks the knobs of generation by OpenAI's ranges. Zero and negative values that user interfaces send for "not set"
// count as that, where OpenAI gives them no meaning.
func (r *chatRequest) addSampling(to *translate.Request) *translate.Error {
	for _, d := range []struct {
		param      string
		value      *float64
		least, top float64
	}{
		{"temperature", r.Temperature, 0, 2},
		{"top_p", r.TopP, 0, 1},
		{"frequency_penalty", r.FrequencyPenalty, -2, 2},
		{"presence_penalty", r.PresencePenalty, -2, 2},
	} {
		if failed := decimalWithin(d.param, d.value, d.least, d.top); failed != nil {
			return failed
		}
	}
	to.Sampling = translate.Sampling{
		Temperature: r.Temperature, TopP: r.TopP, Seed: (*int64)(r.Seed),
		FrequencyPenalty: r.FrequencyPenalty, PresencePenalty: r.PresencePenalty,
		TopK: positive(r.TopK), MaxTokens: positive(r.MaxTokens),
	}
	if r.MaxCompletionTokens != nil {
		if failed := integerWithin("max_completion_tokens", *r.MaxCompletionTokens, 1, math.MaxInt64); failed != nil {
			return failed
		}
		to.Sampling.MaxTokens = positive(r.MaxCompletionTokens)
	}
	if r.N != nil {
		if failed := integerWithin("n", *r.N, 1, maxN); failed != nil {
			return failed
		}
		if *r.N > maxCandidates {
			return translate.Invalid("n", "unsupported_value", "Unsupported value: 'n' may be %d at most.", maxCandidates)
		}
		if *r.N > 1 {
			to.Sampling.Candidates = int(*r.N)
		}
	}
	to.Sampling.Stop = slices.DeleteFunc(r.Stop, func(s string) bool { return s == "" })
	if n := len(to.Sampling.Stop); n > maxStops {
		return translate.Invalid("stop", "array_above_max_length", "Invalid 'stop': array too long. "+
			"Expected an array with maximum length %d, but got an array with length %d instead.", maxStops, n)
	}
	return nil
}

// positive is the number, or nil for one that means "not set". Google's numbers have 32 bits.
func positive(i *integer) *int {
	if i == nil || *i < 1 {
		return nil
	}
	n := int(min(*i, math.MaxInt32))
	return &n
}

func decimalWithin(param string, value *float64, least, top float64) *translate.Error {
	switch {
	case value == nil:
		return nil
	case *value > top:
		return translate.Invalid(param, "decimal_above_max_value",
			"Invalid '%s': decimal above maximum value. Expected a value <= %v, but got %v instead.", param, top, *value)
	case *value < least:
		return translate.Invalid(param, "decimal_below_min_value",
			"Invalid '%s': decimal below minimum value. Expected a value >= %v, but got %v instead.", param, least, *value)
	default:
		return nil
	}
}

func integerWithin(param string, value, least, top integer) *translate.Error {
	switch {
	case value > top:
		return translate.Invalid(param, "integer_above_max_value",
			"Invalid '%s': integer above maximum value. Expected a value <= %d, but got %d instead.", param, top, value)
	case value < least:
		return translate.Invalid(param, "integer_below_min_value",
			"Invalid '%s': integer below minimum value. Expected a value >= %d, but got %d instead.", param, least, value)
	default:
		return nil
	}
}

// responseFormat is the form the client wants the answer in.
type responseFormat struct {
	Type       string      `json:"type"`
	JSONSchema *jsonSchema `json:"json_schema"`
	// given tells {} from a field that is not there.
	given bool
}

type jsonSchema struct {
	Name   string         `json:"name"`
	Schema jsontext.Value `json:"schema"`
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (f *responseFormat) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type plain responseFormat
	f.given = dec.PeekKind() != 'n'
	if f.given && dec.PeekKind() != '{' {
		return expected("an object").refuse(dec)
	}
	return json.UnmarshalDecode(dec, (*plain)(f))
}

func (r *chatRequest) addFormat(to *translate.Request) *translate.Error {
	f := r.ResponseFormat
	if !f.given {
		return nil
	}
	switch f.Type {
	case "":
		return missingParameter("response_format.type")
	case "text":
		return nil
	case "json_object":
		to.Format.Kind = translate.FormatJSON
		return nil
	case "json_schema":
	default:
		return invalidValue("response_format.type", f.Type, "'json_object', 'json_schema', and 'text'")
	}
	if f.JSONSchema == nil {
		return missingParameter("response_format.json_schema")
	}
	if f.JSONSchema.Name == "" {
		return missingParameter("response_format.json_schema.name")
	}
	to.Format = translate.Format{Kind: translate.FormatSchema, Name: f.JSONSchema.Name, Schema: freeJSON(f.JSONSchema.Schema)}
	switch to.Format.Schema.Kind() {
	case '{':
	case jsontext.KindInvalid, 'n': // no schema: any JSON obeys it
		to.Format = translate.Format{Kind: translate.FormatJSON, Name: f.JSONSchema.Name}
	default:
		const param = "response_format.json_schema.schema"
		return translate.Invalid(param, "invalid_type", "Invalid type for '%s': expected an object.", param)
	}
	return nil
}

// nameIgnored lists the members that were accepted and have no effect. Members that say nothing (null, false, empty) and those that
// ask for what happens anyway are not worth naming.
func (r *chatRequest) nameIgnored(to *translate.Request) {
	if r.ParallelToolCalls != nil && !*r.ParallelToolCalls {
		to.Ignored = append(to.Ignored, "parallel_tool_calls")
	}
	if slices.Contains(r.Modalities, "image") {
		to.Ignored = append(to.Ignored, "modalities")
	}
	for _, o := range []struct {
		name string
		odd  bool
	}{
		{"stream_options", r.StreamOptions.odd},
		{"reasoning", r.Reasoning.odd},
		{"include_reasoning", r.IncludeReasoning.odd},
		{"thinking", r.Thinking.odd},
		{"google", r.Google.odd},
		{"extra_body", r.ExtraBody.odd},
		{"usage", r.Usage.odd},
		{"prompt_cache_key", r.PromptCacheKey.odd},
		{"session_id", r.SessionID.odd},
		{"metadata", r.Metadata.odd || r.Metadata.value != nil && r.Metadata.value.ignored()},
	} {
		if o.odd {
			to.Ignored = append(to.Ignored, o.name)
		}
	}
	dec := jsontext.NewDecoder(bytes.NewReader(r.Rest), tolerant)
	if _, err := dec.ReadToken(); err != nil { // nothing but members we know
		return
	}
	for dec.PeekKind() == '"' && len(to.Ignored) < maxIgnored {
		token, err := dec.ReadToken()
		if err != nil {
			return
		}
		name := token.String()
		value, err := dec.ReadValue()
		if err != nil {
			return
		}
		if isHeaderSafe(name) && !saysNothing(name, value) {
			to.Ignored = append(to.Ignored, name)
		}
	}
}

// maxIgnored and maxIgnoredName bound what a client can make its own response header hold.
const (
	maxIgnored     = 32
	maxIgnoredName = 64
)

func isHeaderSafe(name string) bool {
	return len(name) <= maxIgnoredName && name != "" && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789_-.") == ""
}

func saysNothing(name string, value jsontext.Value) bool {
	switch string(value) {
	case "null", "false", `""`, "[]", "{}":
		return true
	case `"auto"`, `"default"`:
		return name == "service_tier"
	default:
		return false
	}
}
