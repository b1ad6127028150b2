package googlesim

import "github.com/go-json-experiment/json/jsontext"

// response is GenerateContentResponse.
type response struct {
	Candidates    []candidate `json:"candidates,omitempty"`
	UsageMetadata *usage      `json:"usageMetadata,omitempty"`
	ModelVersion  string      `json:"modelVersion,omitempty"`
	CreateTime    string      `json:"createTime,omitempty"` // Vertex AI
	ResponseID    string      `json:"responseId,omitempty"`
}

type candidate struct {
	Content       *content `json:"content,omitempty"`
	FinishReason  string   `json:"finishReason,omitempty"`
	Index         int      `json:"index"`
	FinishMessage string   `json:"finishMessage,omitempty"`

	ContinuationToken string `json:"continuationToken,omitempty"`
}

type content struct {
	Parts []part `json:"parts,omitempty"`
	Role  string `json:"role"`
}

type part struct {
	Text             *string       `json:"text,omitzero"` // an empty text is sent too
	Thought          bool          `json:"thought,omitzero"`
	FunctionCall     *functionCall `json:"functionCall,omitempty"`
	ThoughtSignature string        `json:"thoughtSignature,omitempty"`
}

type functionCall struct {
	Name string         `json:"name"`
	Args jsontext.Value `json:"args,omitzero"`
	ID   string         `json:"id,omitempty"`
}

type usage struct {
	PromptTokenCount        int             `json:"promptTokenCount,omitzero"`
	CandidatesTokenCount    int             `json:"candidatesTokenCount,omitzero"`
	TotalTokenCount         int             `json:"totalTokenCount,omitzero"`
	CachedContentTokenCount int             `json:"cachedContentTokenCount,omitzero"` // of the prompt's
	TrafficType             string          `json:"trafficType,omitempty"`            // Vertex AI and Code Assist
	PromptTokensDetails     []modalityCount `json:"promptTokensDetails,omitempty"`
	CacheTokensDetails      []modalityCount `json:"cacheTokensDetails,omitempty"`
	CandidatesTokensDetails []modalityCount `json:"candidatesTokensDetails,omitempty"` // Vertex AI
	ThoughtsTokenCount      int             `json:"thoughtsTokenCount,omitzero"`
}

type modalityCount struct {
	Modality   string `json:"modality"`
	TokenCount int    `json:"tokenCount"`
}

// assistResponse is how Code Assist wraps a response.
type assistResponse struct {
	Response *response `json:"response"`
	TraceID  string    `json:"traceId"`
}

// encode writes a response as its backend does: spaced like Google's streams.
func (r *response) encode(b Backend, trace string) string {
	if b == CodeAssist {
		return encodeJSON(assistResponse{r, trace}, spaced)
	}
	return encodeJSON(r, spaced)
}
