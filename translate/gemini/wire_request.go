package gemini

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// The wire form of a generateContent request, as far as it is used: proto3 JSON in lowerCamelCase, where an unknown field is an error
// and an absent one is the default. All three backends take these fields; Code Assist wraps the whole as its request member.
type request struct {
	Contents          []content         `json:"contents"`
	SystemInstruction *content          `json:"systemInstruction,omitzero"`
	Tools             []tool            `json:"tools,omitzero"`
	ToolConfig        *toolConfig       `json:"toolConfig,omitzero"`
	GenerationConfig  *generationConfig `json:"generationConfig,omitzero"`

	SafetySettings []translate.SafetySetting `json:"safetySettings,omitzero"`
	CachedContent  string                    `json:"cachedContent,omitzero"`
	Labels         jsontext.Value            `json:"labels,omitzero"`      // not of the Developer API
	ServiceTier    translate.ServiceTier     `json:"serviceTier,omitzero"` // of the Developer API only
	SessionID      string                    `json:"session_id,omitzero"`  // of Code Assist only

	ContinuationToken string `json:"continuationToken,omitzero"` // not of Code Assist
}

type content struct {
	Role  string `json:"role,omitzero"`
	Parts []part `json:"parts"`
}

const (
	roleUser  = "user"
	roleModel = "model"
)

// part has exactly one of its data fields set, and may have a signature beside it.
type part struct {
	Text             string            `json:"text,omitzero"`
	InlineData       *blob             `json:"inlineData,omitzero"`
	FileData         *fileData         `json:"fileData,omitzero"`
	FunctionCall     *functionCall     `json:"functionCall,omitzero"`
	FunctionResponse *functionResponse `json:"functionResponse,omitzero"`
	ThoughtSignature string            `json:"thoughtSignature,omitzero"`
	MediaResolution  *mediaResolution  `json:"mediaResolution,omitzero"` // of media, on some models
}

type mediaResolution struct {
	Level string `json:"level"`
}

type blob struct {
	MIMEType string `json:"mimeType"`
	Data     []byte `json:"data"`
}

type fileData struct {
	MIMEType string `json:"mimeType,omitzero"`
	FileURI  string `json:"fileUri"`
}

type functionCall struct {
	ID   string         `json:"id,omitzero"`
	Name string         `json:"name"`
	Args jsontext.Value `json:"args"`
}

type functionResponse struct {
	ID       string         `json:"id,omitzero"`
	Name     string         `json:"name"`
	Response functionOutput `json:"response"`
	Parts    []part         `json:"parts,omitzero"` // media only
}

// functionOutput is the object a response must be: value itself, or value as the one member key names.
type functionOutput struct {
	key   string
	value jsontext.Value
}

// The keys by which Google's documentation tells output from failure.
const (
	keyOutput = "output"
	keyError  = "error"
)

// MarshalJSONTo implements json.MarshalerTo.
func (o functionOutput) MarshalJSONTo(enc *jsontext.Encoder) error {
	if o.key == "" {
		return enc.WriteValue(o.value)
	}
	if err := enc.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	if err := enc.WriteToken(jsontext.String(o.key)); err != nil {
		return err
	}
	if err := enc.WriteValue(o.value); err != nil {
		return err
	}
	return enc.WriteToken(jsontext.EndObject)
}

// tool has one of its fields set.
type tool struct {
	FunctionDeclarations []functionDeclaration `json:"functionDeclarations,omitzero"`
	GoogleSearch         *empty                `json:"googleSearch,omitzero"`
	CodeExecution        *empty                `json:"codeExecution,omitzero"`
	URLContext           *empty                `json:"urlContext,omitzero"`
	GoogleMaps           *empty                `json:"googleMaps,omitzero"`
}

// empty is a message of which no field is used.
type empty struct{}

type functionDeclaration struct {
	Name                 string         `json:"name"`
	Description          string         `json:"description,omitzero"`
	ParametersJSONSchema jsontext.Value `json:"parametersJsonSchema,omitzero"` // one of these two at most
	Parameters           jsontext.Value `json:"parameters,omitzero"`
}

type toolConfig struct {
	FunctionCallingConfig functionCallingConfig `json:"functionCallingConfig"`
	// IncludeServerSideToolInvocations must be set beside functions where Google's own tools are, on the Developer API only.
	IncludeServerSideToolInvocations bool `json:"includeServerSideToolInvocations,omitzero"`
}

type functionCallingConfig struct {
	Mode                 string   `json:"mode"`
	AllowedFunctionNames []string `json:"allowedFunctionNames,omitzero"`
}

type generationConfig struct {
	Temperature        *float64        `json:"temperature,omitzero"`
	TopP               *float64        `json:"topP,omitzero"`
	TopK               *int            `json:"topK,omitzero"`
	MaxOutputTokens    *int            `json:"maxOutputTokens,omitzero"`
	StopSequences      []string        `json:"stopSequences,omitzero"`
	Seed               *int32          `json:"seed,omitzero"`
	CandidateCount     *int            `json:"candidateCount,omitzero"`
	PresencePenalty    *float64        `json:"presencePenalty,omitzero"`
	FrequencyPenalty   *float64        `json:"frequencyPenalty,omitzero"`
	ResponseMIMEType   string          `json:"responseMimeType,omitzero"`
	ResponseJSONSchema jsontext.Value  `json:"responseJsonSchema,omitzero"` // one of these two at most
	ResponseSchema     jsontext.Value  `json:"responseSchema,omitzero"`
	ThinkingConfig     *thinkingConfig `json:"thinkingConfig,omitzero"`
	ResponseLogprobs   bool            `json:"responseLogprobs,omitzero"`
	Logprobs           *int            `json:"logprobs,omitzero"`
	ResponseModalities []string        `json:"responseModalities,omitzero"`
	SpeechConfig       *speechConfig   `json:"speechConfig,omitzero"`
	ImageConfig        *imageConfig    `json:"imageConfig,omitzero"` // not on Code Assist
}

type speechConfig struct {
	VoiceConfig voiceConfig `json:"voiceConfig"`
}

type voiceConfig struct {
	PrebuiltVoiceConfig prebuiltVoiceConfig `json:"prebuiltVoiceConfig"`
}

type prebuiltVoiceConfig struct {
	VoiceName string `json:"voiceName"`
}

type imageConfig struct {
	AspectRatio string `json:"aspectRatio,omitzero"`
	ImageSize   string `json:"imageSize,omitzero"`
}

// thinkingConfig has a level or a budget, never both.
type thinkingConfig struct {
	IncludeThoughts bool   `json:"includeThoughts,omitzero"`
	ThinkingLevel   string `json:"thinkingLevel,omitzero"`
	ThinkingBudget  *int   `json:"thinkingBudget,omitzero"`
}

func (c *generationConfig) isZero() bool {
	return c.Temperature == nil && c.TopP == nil && c.TopK == nil && c.MaxOutputTokens == nil && len(c.StopSequences) == 0 &&
		c.Seed == nil && c.CandidateCount == nil && c.PresencePenalty == nil && c.FrequencyPenalty == nil &&
		c.ResponseMIMEType == "" && c.ThinkingConfig == nil && !c.ResponseLogprobs && len(c.ResponseModalities) == 0 &&
		c.SpeechConfig == nil && c.ImageConfig == nil
}
