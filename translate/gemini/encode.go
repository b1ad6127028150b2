package gemini

import (
	"math"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Limits of the wire.
const (
	maxStops = 5
	// leastTopP stands for a top_p of 0, of which it is not known that Google takes it.
	leastTopP = 1e-6
)

// Encoded is a request in Gemini's dialect.
type Encoded struct {
	// Body is the generateContent request, the same for the streaming method. Code Assist wants it as the request member of its own.
	Body []byte
	// Ignored names parameters of the client's that this model on this backend cannot honour; they are not in the Body.
	Ignored []string

	origins [][]int // the Origin of each part of each content
	system  []int   // of each part of the system instruction
	tools   []int   // of each declaration

	wire     request // what the Body says
	remedies Remedies
	sent     sent
}

// Remedies are those the body was encoded with.
func (e *Encoded) Remedies() Remedies { return e.remedies }

// Encode writes req for a model on a backend, with remedies for what was refused there before. The body is the same, byte by byte, for
// the same arguments, which Google's prompt cache rewards. It leaves req alone. An error is a *translate.Error that names the field.
func Encode(req *translate.Request, b translate.Backend, m *Model, r Remedies) (*Encoded, error) {
	e := encoder{req: req, backend: b, model: m, names: newNames(req.Tools), done: Encoded{remedies: r}}
	for _, encode := range []func() error{e.toolsAndChoice, e.generation, e.service, e.files, e.contents, e.refuseIgnored} {
		if err := encode(); err != nil {
			return nil, err
		}
	}
	body, err := json.Marshal(&e.out, tolerant)
	if err != nil { // free JSON that is none: a surface that checks its input cannot get here
		return nil, translate.Invalid("messages", "invalid_value", "The request holds malformed JSON.")
	}
	e.done.Body, e.done.wire = body, e.out
	return &e.done, nil
}

type encoder struct {
	req     *translate.Request
	backend translate.Backend
	model   *Model
	names   names
	cleaner schemaCleaner
	out     request
	done    Encoded
	// instruction asks in words for what the model has no field for.
	instruction string
}

// ignore notes a parameter of the client's that is not sent.
func (e *encoder) ignore(param string) { e.done.Ignored = append(e.done.Ignored, param) }

// refuseIgnored refuses what would have been ignored, for clients that want that.
func (e *encoder) refuseIgnored() error {
	if !e.req.Strict || len(e.done.Ignored) == 0 {
		return nil
	}
	param := e.done.Ignored[0]
	return translate.Invalid(param, "unsupported_parameter", "Unsupported parameter: '%s' is not supported with %s here.", param, e.model.ID)
}

func (e *encoder) toolsAndChoice() error {
	if len(e.req.Tools) > 0 {
		if err := e.declarations(); err != nil {
			return err
		}
		e.calling()
	}
	e.builtins()
	return nil
}

func (e *encoder) generation() error {
	var config generationConfig
	for _, set := range []func(*generationConfig) error{e.sampling, e.format, e.output} {
		if err := set(&config); err != nil {
			return err
		}
	}
	e.thinking(&config)
	if !config.isZero() {
		e.out.GenerationConfig = &config
	}
	return nil
}

func (e *encoder) sampling(config *generationConfig) error {
	s := &e.req.Sampling
	config.Temperature, config.TopP, config.TopK = s.Temperature, s.TopP, s.TopK
	if s.TopP != nil && *s.TopP == 0 {
		config.TopP = new(leastTopP)
	}
	if s.MaxTokens != nil {
		limit := e.outputLimit(*s.MaxTokens)
		config.MaxOutputTokens = &limit
	}
	if s.Seed != nil {
		config.Seed = new(foldSeed(*s.Seed))
	}
	if s.Candidates > 1 {
		if s.Candidates > e.model.Generation.Candidates {
			return translate.Invalid("n", "unsupported_value", "Unsupported value: 'n' of %d: %s gives at most %d answers to a request.",
				s.Candidates, e.model.ID, max(e.model.Generation.Candidates, 1))
		}
		config.CandidateCount = &s.Candidates
	}
	config.PresencePenalty = e.penalty(s.PresencePenalty, "presence_penalty")
	config.FrequencyPenalty = e.penalty(s.FrequencyPenalty, "frequency_penalty")

	for _, stop := range s.Stop {
		if stop != "" && len(config.StopSequences) < maxStops { // translate.Trim sees to the rest
			config.StopSequences = append(config.StopSequences, stop)
		}
	}
	return e.logProbs(config)
}

// logProbs asks for probabilities. They cannot be made up, so a request for them is refused where there are none.
func (e *encoder) logProbs(config *generationConfig) error {
	others := e.req.Sampling.LogProbs
	if others == nil {
		return nil
	}
	if !slices.Contains(e.model.Generation.LogProbs, e.backend) {
		return translate.Invalid("logprobs", "unsupported_parameter",
			"Unsupported parameter: 'logprobs' is not supported: %s gives no log probabilities here.", e.model.ID)
	}
	config.ResponseLogprobs = true
	if *others > 0 {
		config.Logprobs = others
	}
	return nil
}

// thinking controls the model's thinking as the client and the operator want, as far as the model lets them.
func (e *encoder) thinking(config *generationConfig) {
	said := e.req.Reasoning
	config.ThinkingConfig = e.done.remedies.Thinking.correct(e.model.Thinking).config(e.req.Thinking, said)
	e.done.sent.thinking = config.ThinkingConfig != nil
	if e.done.sent.thinking || said.Effort == "" && said.Budget == nil {
		return
	}
	if e.model.Thinking == nil && !declined(said) || e.model.Thinking.config(e.req.Thinking, said) != nil { // it cannot, or not after all
		e.ignore("reasoning_effort")
	}
}

// penalty is what to send of a penalty: 0, which many clients send without being asked, is no penalty.
func (e *encoder) penalty(value *float64, name string) *float64 {
	if value == nil || *value == 0 {
		return nil
	}
	if e.done.remedies.NoPenalties || !slices.Contains(e.model.Generation.Penalties, e.backend) {
		e.ignore(name)
		return nil
	}
	e.done.sent.penalties = true
	return value
}

// foldSeed makes a client's 64-bit seed one of Google's 32 bits, the same when it fits.
func foldSeed(seed int64) int32 {
	if seed >= math.MinInt32 && seed <= math.MaxInt32 {
		return int32(seed)
	}
	return int32((seed ^ seed>>32) & math.MaxInt32)
}

const mimeJSON = "application/json"

// format asks for JSON: by JSON mode where there is one, and in words where that, or the schema, cannot be had.
func (e *encoder) format(config *generationConfig) error {
	if e.req.Format.Kind == translate.FormatText {
		return nil
	}
	schema, err := e.answerSchema()
	if err != nil {
		return err
	}
	stage := e.done.remedies.Answer
	g := e.model.Generation
	if g.JSONMode && (g.JSONWithTools || len(e.out.Tools) == 0) && stage < SchemaUnaided {
		config.ResponseMIMEType = mimeJSON
		e.done.sent.jsonMode = true
		if schema == nil || stage < SchemaWords {
			e.done.sent.answer = schema != nil
			config.ResponseJSONSchema, config.ResponseSchema = stage.fields(schema, false)
			return nil
		}
	}
	if stage >= SchemaWords {
		e.ignore("response_format")
	}
	e.instruction = "Answer with a single JSON value and nothing else: no explanation and no code fence."
	if schema != nil {
		e.instruction += " It must obey this JSON Schema:\n" + asWritten(e.req.Format.Schema)
	}
	return nil
}

// asWritten is a schema as the client has written it, but for the space between its words: where no dialect has to be obeyed, nothing of it
// is lost.
func asWritten(schema jsontext.Value) string {
	schema = schema.Clone()
	_ = schema.Compact(tolerant) // the cleaner has read it before, so it is no malformed one
	return string(schema)
}

// answerSchema is the schema of the answer, nil for none.
func (e *encoder) answerSchema() (jsontext.Value, error) {
	schema := e.req.Format.Schema
	if e.req.Format.Kind != translate.FormatSchema || schema.Kind() != '{' {
		return nil, nil
	}
	clean, err := e.cleaner.answer(schema)
	if err != nil {
		return nil, translate.Invalid("response_format", "invalid_json_schema", "The schema of the answer is not valid JSON.")
	}
	return clean, nil
}

func (e *encoder) contents() error {
	messages := e.req.Messages
	lead := 0
	for lead < len(messages) && messages[lead].Role == translate.RoleSystem {
		lead++
	}
	t := turns{backend: e.backend, model: e.model, names: &e.names, remedies: &e.done.remedies, sent: &e.done.sent}
	e.system(&t, messages[:lead], len(messages) > lead)
	t.conversation(messages[lead:])
	t.close()
	if e.model.Generation.Signatures || e.done.remedies.SignAll {
		t.signSteps(e.done.remedies.SignAll)
	}
	e.out.Contents = make([]content, len(t.list))
	e.done.origins = make([][]int, len(t.list))
	for i := range t.list {
		role := roleUser
		if t.list[i].kind == turnModel {
			role = roleModel
		}
		e.out.Contents[i] = content{Role: role, Parts: t.list[i].parts}
		e.done.origins[i] = t.list[i].origins
	}
	return nil
}

// system places the leading system messages: as the system instruction, one part for each text, or as the beginning of what the user
// says where the model takes none or nothing else is said. What is not text among them is the user's in any case.
func (e *encoder) system(t *turns, messages []translate.Message, more bool) {
	instruct := more && e.model.Generation.System
	var parts []part
	place := func(text string, origin int) {
		if !instruct {
			t.push(turnUser, part{Text: text}, origin)
			return
		}
		parts = append(parts, part{Text: text})
		e.done.system = append(e.done.system, origin)
	}
	for i := range messages {
		m := &messages[i]
		for j := range m.Parts {
			switch p := &m.Parts[j]; {
			case p.Kind == translate.PartText && p.Text != "":
				place(p.Text, m.Origin)
			case p.Kind == translate.PartMedia:
				t.push(turnUser, t.mediaPart(p.Media, ""), m.Origin)
			}
		}
	}
	if e.instruction != "" {
		place(e.instruction, syntheticParam)
	}
	if len(parts) > 0 {
		e.out.SystemInstruction = &content{Parts: parts}
	}
}
