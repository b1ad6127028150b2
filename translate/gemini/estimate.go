package gemini

import "github.com/gemini-proxy/caddy-gemini-proxy/translate"

// What a prompt costs beside the words in it, in tokens, measured on prompts that Google counted.
const (
	tokensPerPrompt   = 1 // the mark at its beginning
	tokensPerTool     = 9
	tokensPerSchema   = 10 // of a tool that has one
	tokensPerProperty = 10 // its type, that it is required, and its place in the schema
	tokensPerObject   = 15 // whose properties are nested in another's
	tokensPerValue    = 2  // of an enumeration
	// The signature of a call stands for thoughts, which a model that insists on signatures reads again: so many of its characters are
	// a token. What a model thought before it wrote is not read again.
	signaturePerToken = 6
)

// EstimateTokens says about how many tokens Google will count in the prompt, to choose an account that has them left. It needs nothing
// but the request, and reads samples only of a long one: half of all prompts are within a few percent, media of unknown length may be
// off by a factor. What was really used comes with the answer.
func EstimateTokens(req *translate.Request, m *Model) int64 {
	e := estimate{model: m, tokens: tokensPerPrompt, sample: sample{reading: wholeBytes}}
	for i := range req.Messages {
		for j := range req.Messages[i].Parts {
			e.part(&req.Messages[i].Parts[j])
		}
	}
	for i := range req.Tools {
		e.tool(&req.Tools[i], i%oneSchemaIn == 0)
	}
	if g := m.Generation; !g.JSONMode || len(req.Tools) > 0 && !g.JSONWithTools {
		takeSample(&e.sample, req.Format.Schema) // is put into words; schemas that have their own field are not counted
	}
	if e.schemasSkipped > 0 {
		e.tokens += e.schemas * e.schemasSkipped / e.schemaBytes
	}
	return int64(e.tokens+e.schemas) + e.sample.total()
}

type estimate struct {
	model  *Model
	tokens int    // beside those of the sample
	sample sample // of what the messages say

	schemas, schemaBytes, schemasSkipped int // of the tools' schemas: the tokens and bytes of those read, the bytes of the others
}

// Of many tools only some schemas are read: those are alike, and take longer to read than texts.
const (
	wholeSchemas = 8 << 10 // bytes
	oneSchemaIn  = 4       // is read then
)

func (e *estimate) part(p *translate.Part) {
	switch p.Kind {
	case translate.PartText:
		takeSample(&e.sample, p.Text)
	case translate.PartMedia:
		e.tokens += e.model.mediaTokens(p.Media)
	case translate.PartCall:
		takeSample(&e.sample, p.Call.Name)
		takeSample(&e.sample, p.Call.Args)
		if e.model.Generation.Signatures {
			e.tokens += len(p.Call.Signature.Value) / signaturePerToken
		}
	case translate.PartResult:
		takeSample(&e.sample, p.Result.Name)
		takeSample(&e.sample, p.Result.Output)
		for i := range p.Result.Media {
			e.tokens += e.model.mediaTokens(&p.Result.Media[i])
		}
	case translate.PartThought: // is not repeated to the model
	}
}

func (e *estimate) tool(t *translate.Tool, chosen bool) {
	e.tokens += tokensPerTool + textTokens(t.Name) + textTokens(t.Description)
	schema := toolSchema(t)
	if len(schema) == 0 {
		return
	}
	e.tokens += tokensPerSchema
	if e.schemaBytes > wholeSchemas && !chosen {
		e.schemasSkipped += len(schema)
		return
	}
	e.schemas += schemaTokens(schema)
	e.schemaBytes += len(schema)
}
