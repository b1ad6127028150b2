package gemini

import (
	"bytes"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Response is one generateContent answer or one event of streamGenerateContent, reduced to what is translated. It is made to be
// reused: Decode overwrites it and keeps its memory, so what it holds is valid until the next Decode, except strings, calls and
// media, which are never reused. The zero Response is ready. Not safe for concurrent use.
type Response struct {
	Candidates   []Candidate
	Feedback     PromptFeedback
	Usage        UsageMetadata
	Tier         translate.ServiceTier // that the request got; empty for the usual one, or where Google does not say
	ModelVersion string
	ResponseID   string
	// Error is the value of an error member: Google reports failures inside a 200 stream that way. Nil when there is none.
	Error jsontext.Value

	in           reader
	finishReason string // of an earlier event, kept because it rarely changes
}

// Candidate is one of the answers asked for.
type Candidate struct {
	Index         int
	Parts         []Part
	FinishReason  string // empty: not finished, as far as this event tells
	FinishMessage string
	// ContinuationToken asks for what follows, of a very long answer.
	ContinuationToken string
	Grounding         *GroundingMetadata
	LogProbs          *LogProbsResult
}

// Part is one piece of a candidate's content. A part of a kind unknown here has no field set.
type Part struct {
	Text             string
	Thought          bool
	ThoughtSignature string
	FunctionCall     *FunctionCall
	InlineData       *InlineData
	// Code is an executableCode part, Output a codeExecutionResult part: what the model ran on Google's side.
	Code   *string
	Output *string
}

// FunctionCall is a call, or a piece of one where Vertex streams arguments.
type FunctionCall struct {
	ID, Name     string
	Args         jsontext.Value // a JSON object; nil when absent
	PartialArgs  []PartialArg
	WillContinue bool // more pieces of this call follow
}

// PartialArg is a piece of one argument of a call.
type PartialArg struct {
	JSONPath     string         `json:"jsonPath"`
	StringValue  *string        `json:"stringValue"`
	NumberValue  jsontext.Value `json:"numberValue"`
	BoolValue    *bool          `json:"boolValue"`
	NullValue    jsontext.Value `json:"nullValue"`
	WillContinue bool           `json:"willContinue"`
}

// InlineData is a picture, sound or document the model made, decoded.
type InlineData struct {
	MIMEType string
	Data     []byte
}

// PromptFeedback says that a prompt was refused, when one of its fields is set.
type PromptFeedback struct {
	BlockReason        string
	BlockReasonMessage string
}

// UsageMetadata counts the tokens of the request so far; zero counters are absent on the wire. Every event that has counters has all
// of them, so the last one wins.
type UsageMetadata struct {
	Prompt, Cached, Candidates, Thoughts, ToolUse, Total int
	PromptAudio, CandidatesAudio                         int
}

// GroundingMetadata names the sources of an answer and which segments of its text rest on them.
type GroundingMetadata struct {
	Chunks   []GroundingChunk   `json:"groundingChunks"`
	Supports []GroundingSupport `json:"groundingSupports"`
}

// GroundingChunk is one source, of one of four kinds.
type GroundingChunk struct {
	Web              *GroundingSource `json:"web"`
	RetrievedContext *GroundingSource `json:"retrievedContext"`
	Maps             *GroundingSource `json:"maps"`
	Image            *GroundingSource `json:"image"`
}

// GroundingSource is where a chunk is from. Pictures have a SourceURI only.
type GroundingSource struct {
	URI       string `json:"uri"`
	SourceURI string `json:"sourceUri"`
	Title     string `json:"title"`
}

// GroundingSupport ties a segment of the text to chunks, by their index.
type GroundingSupport struct {
	// Segment's offsets are UTF-8 bytes within a part; zeros are absent on the wire.
	Segment struct {
		PartIndex  int `json:"partIndex"`
		StartIndex int `json:"startIndex"`
		EndIndex   int `json:"endIndex"`
	} `json:"segment"`
	ChunkIndices []int `json:"groundingChunkIndices"`
}

// LogProbsResult tells how likely the tokens of an event were: those that were taken, and the likeliest in the place of each.
type LogProbsResult struct {
	Chosen []TokenLogProb `json:"chosenCandidates"`
	Top    []struct {
		Candidates []TokenLogProb `json:"candidates"`
	} `json:"topCandidates"`
}

// TokenLogProb is one token in one place.
type TokenLogProb struct {
	Token          string  `json:"token"`
	LogProbability float64 `json:"logProbability"`
}

// Decode reads one payload: an answer as the Developer API and Vertex send it, or wrapped as {"response":…} as Code Assist does.
// What it does not know it passes over, so that a new field, part or enum of Google's does no harm; only malformed JSON is an error, and
// after one the Response holds nothing of use. The payload is not kept.
func (r *Response) Decode(payload []byte) error {
	r.reset()
	r.in.open(payload)
	defer r.in.close()
	if err := r.in.object(r.field); err != nil {
		return err
	}
	return r.in.end()
}

func (r *Response) reset() {
	for i := range r.Candidates {
		clear(r.Candidates[i].Parts)
	}
	r.Candidates = r.Candidates[:0]
	r.Feedback = PromptFeedback{}
	r.Usage = UsageMetadata{}
	r.Tier = ""
	r.Error = nil
}

func (r *Response) field(name []byte) (err error) {
	switch string(name) {
	case "candidates":
		return r.in.array(r.candidate)
	case "usageMetadata":
		return r.in.object(r.usage)
	case "modelVersion":
		r.ModelVersion, err = r.in.text(r.ModelVersion)
	case "responseId":
		r.ResponseID, err = r.in.text(r.ResponseID)
	case "promptFeedback":
		return r.in.object(r.feedback)
	case "response": // Code Assist
		return r.in.object(r.field)
	case "error":
		r.Error, err = r.in.value()
	default:
		return r.in.skip()
	}
	return err
}

func (r *Response) feedback(name []byte) (err error) {
	switch string(name) {
	case "blockReason":
		r.Feedback.BlockReason, err = r.in.text("")
	case "blockReasonMessage":
		r.Feedback.BlockReasonMessage, err = r.in.text("")
	default:
		return r.in.skip()
	}
	return err
}

func (r *Response) usage(name []byte) (err error) {
	u := &r.Usage
	switch string(name) {
	case "promptTokenCount":
		u.Prompt, err = r.in.count()
	case "cachedContentTokenCount":
		u.Cached, err = r.in.count()
	case "candidatesTokenCount":
		u.Candidates, err = r.in.count()
	case "thoughtsTokenCount":
		u.Thoughts, err = r.in.count()
	case "toolUsePromptTokenCount":
		u.ToolUse, err = r.in.count()
	case "totalTokenCount":
		u.Total, err = r.in.count()
	case "serviceTier", "trafficType": // the Developer API's, and the others'
		return r.tier()
	case "promptTokensDetails":
		u.PromptAudio, err = r.audioTokens()
	case "candidatesTokensDetails":
		u.CandidatesAudio, err = r.audioTokens()
	default:
		return r.in.skip()
	}
	return err
}

// tier reads how the request was treated, of which Google's services speak in words of their own.
func (r *Response) tier() error {
	if err := r.in.unquote(); err != nil {
		return err
	}
	word := bytes.ToLower(r.in.scratch)
	for _, t := range [...]translate.ServiceTier{translate.TierFlex, translate.TierPriority} {
		if bytes.HasSuffix(word, []byte(t)) {
			r.Tier = t
		}
	}
	return nil
}

// audioTokens reads a list of token counts by modality, of which only AUDIO is reported to clients.
func (r *Response) audioTokens() (tokens int, err error) {
	raw, err := r.in.dec.ReadValue()
	if err != nil || !bytes.Contains(raw, []byte(`"AUDIO"`)) {
		return 0, err
	}
	var details []struct {
		Modality   string `json:"modality"`
		TokenCount count  `json:"tokenCount"`
	}
	if json.Unmarshal(raw, &details, tolerant) != nil {
		return 0, nil // a shape Google has never sent: the detail is lost, the answer is not
	}
	for _, d := range details {
		if d.Modality == "AUDIO" {
			tokens += int(d.TokenCount)
		}
	}
	return tokens, nil
}

func (r *Response) candidate() error {
	var c *Candidate
	r.Candidates, c = extend(r.Candidates)
	*c = Candidate{Parts: c.Parts[:0]}
	return r.in.object(func(name []byte) (err error) {
		switch string(name) {
		case "content":
			return r.in.object(func(name []byte) error {
				if string(name) != "parts" {
					return r.in.skip()
				}
				return r.in.array(func() error { return r.part(c) })
			})
		case "index":
			c.Index, err = r.in.count()
		case "finishReason":
			r.finishReason, err = r.in.text(r.finishReason)
			c.FinishReason = r.finishReason
		case "finishMessage":
			c.FinishMessage, err = r.in.text("")
		case "continuationToken":
			c.ContinuationToken, err = r.in.text("")
		case "groundingMetadata":
			c.Grounding, err = optional[GroundingMetadata](&r.in)
		case "logprobsResult":
			c.LogProbs, err = optional[LogProbsResult](&r.in)
		default:
			return r.in.skip()
		}
		return err
	})
}

func (r *Response) part(c *Candidate) error {
	var p *Part
	c.Parts, p = extend(c.Parts) // cleared by reset
	return r.in.object(func(name []byte) (err error) {
		switch string(name) {
		case "text":
			p.Text, err = r.in.text("")
		case "thought":
			p.Thought, err = r.in.boolean()
		case "thoughtSignature":
			p.ThoughtSignature, err = r.in.text("")
		case "functionCall":
			p.FunctionCall = new(FunctionCall)
			return r.in.object(func(name []byte) error { return r.functionCall(p.FunctionCall, name) })
		case "inlineData":
			p.InlineData = new(InlineData)
			return r.in.object(func(name []byte) error { return r.inlineData(p.InlineData, name) })
		case "executableCode":
			p.Code, err = r.member("code")
		case "codeExecutionResult":
			p.Output, err = r.member("output")
		default:
			return r.in.skip()
		}
		return err
	})
}

func (r *Response) functionCall(fc *FunctionCall, name []byte) (err error) {
	switch string(name) {
	case "id":
		fc.ID, err = r.in.text("")
	case "name":
		fc.Name, err = r.in.text("")
	case "args":
		if r.in.dec.PeekKind() != '{' {
			return r.in.skip()
		}
		fc.Args, err = r.in.value()
	case "partialArgs":
		var args *[]PartialArg
		if args, err = optional[[]PartialArg](&r.in); args != nil {
			fc.PartialArgs = *args
		}
	case "willContinue":
		fc.WillContinue, err = r.in.boolean()
	default:
		return r.in.skip()
	}
	return err
}

func (r *Response) inlineData(data *InlineData, name []byte) (err error) {
	switch string(name) {
	case "mimeType":
		data.MIMEType, err = r.in.text("")
	case "data":
		data.Data, err = r.in.base64()
	default:
		return r.in.skip()
	}
	return err
}

// member reads an object of which one text is of interest.
func (r *Response) member(wanted string) (*string, error) {
	text := new(string)
	err := r.in.object(func(name []byte) (err error) {
		if string(name) != wanted {
			return r.in.skip()
		}
		*text, err = r.in.text("")
		return err
	})
	return text, err
}

// extend makes room for one more element, whose old content is still there to be reused.
func extend[T any](s []T) ([]T, *T) {
	if len(s) < cap(s) {
		s = s[:len(s)+1]
	} else {
		s = append(s, *new(T))
	}
	return s, &s[len(s)-1]
}

// optional reads a value that an answer can do without: one of an unexpected shape is passed over.
func optional[T any](in *reader) (*T, error) {
	raw, err := in.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	v := new(T)
	if json.Unmarshal(raw, v, tolerant) != nil {
		return nil, nil
	}
	return v, nil
}
