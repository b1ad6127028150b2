package gemini

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// maxCandidates bounds the candidate index an answer may use; OpenAI's clients may ask for as many.
const maxCandidates = 128

var noArgs = jsontext.Value("{}")

// Fold turns the events of one answer into translate's events. It belongs to one answer and is not safe for concurrent use.
type Fold struct {
	origin     translate.SignatureOrigin
	family     string
	request    *translate.Request
	names      *names // made when the first call comes
	tools      bool   // the request declared some
	candidates []candidate
	usage      UsageMetadata   // of the call under way
	earlier    translate.Usage // of the calls before it, see Resume
	resuming   bool
	blocked    bool
	visible    bool
	treated    bool // it was told how
}

// candidate is what is known of one candidate so far.
type candidate struct {
	reason  string // the last finishReason
	message string
	token   string // see Continuation
	calls   int
	content bool // text, a call or media has come
	text    transcript
	partial *partialCall
	// grounding is the last one: Google repeats it with more in it.
	grounding *GroundingMetadata
	citations []translate.Event // of the calls before the one under way
}

// NewFold starts an answer that model m on backend b gives to req.
func NewFold(b translate.Backend, m *Model, req *translate.Request) *Fold {
	return &Fold{origin: translate.OriginOf(b), family: m.GenerationName, request: req, tools: len(req.Tools) > 0}
}

// Add appends the content events of one Response to dst. They keep nothing of the Response's reused memory.
func (f *Fold) Add(dst []translate.Event, r *Response) []translate.Event {
	before := len(dst)
	if f.resuming {
		f.proceed()
	}
	if r.Usage.Total != 0 || r.Usage.Prompt != 0 {
		f.usage = r.Usage // a running total; Vertex's events before the last have none
	}
	if r.Tier != "" && !f.treated {
		f.treated = true
		dst = append(dst, translate.Event{Kind: translate.EventTier, Tier: r.Tier})
	}
	for i := range r.Candidates {
		dst = f.add(dst, &r.Candidates[i])
	}
	if text := blockedText(&r.Feedback); text != "" && !f.blocked {
		f.blocked = true
		dst = append(dst, translate.Event{Kind: translate.EventBlocked, Text: text})
	}
	for i := before; i < len(dst); i++ {
		switch dst[i].Kind {
		case translate.EventSignature, translate.EventLogProbs, translate.EventTier:
		default:
			f.visible = true
		}
	}
	return dst
}

// Visible reports whether anything has come that a client would see, so that a failure can no longer be hidden from it.
func (f *Fold) Visible() bool { return f.visible }

// Usage is the running total, also of an answer that never ends. The prompt of an answer that took several calls is that of the first:
// Google counts what has been said already with the prompts of the others.
func (f *Fold) Usage() translate.Usage {
	now, before := f.usage.translate(), f.earlier
	if before == (translate.Usage{}) {
		return now
	}
	before.Completion += now.Completion
	before.Reasoning += now.Reasoning
	before.CompletionAudio += now.CompletionAudio
	return before
}

func (u *UsageMetadata) translate() translate.Usage {
	completion := u.Candidates + u.Thoughts
	if u.Prompt+u.ToolUse+u.Candidates == u.Total {
		completion = max(u.Candidates, u.Thoughts) // some models count the thoughts as candidates' tokens already
	}
	return translate.Usage{
		Prompt: u.Prompt + u.ToolUse, Cached: u.Cached, PromptAudio: u.PromptAudio,
		Completion: completion, Reasoning: u.Thoughts, CompletionAudio: u.CandidatesAudio,
	}
}

func (f *Fold) add(dst []translate.Event, wire *Candidate) []translate.Event {
	index := wire.Index
	if index >= maxCandidates {
		index = 0
	}
	for len(f.candidates) <= index {
		f.candidates = append(f.candidates, candidate{})
	}
	c := &f.candidates[index]
	if wire.FinishReason != "" {
		c.reason = wire.FinishReason
	}
	if wire.FinishMessage != "" {
		c.message = wire.FinishMessage
	}
	if wire.ContinuationToken != "" {
		c.token = wire.ContinuationToken
	}
	for i := range wire.Parts {
		c.text.begin(kindOf(&wire.Parts[i]), i == 0)
		dst = f.part(dst, index, &wire.Parts[i])
	}
	if tokens := wire.LogProbs.tokens(); len(tokens) > 0 {
		dst = append(dst, translate.Event{Kind: translate.EventLogProbs, Candidate: index, LogProbs: tokens})
	}
	if wire.Grounding != nil && len(wire.Grounding.Supports) > 0 {
		c.grounding = wire.Grounding
	}
	return dst
}

func (f *Fold) part(dst []translate.Event, index int, p *Part) []translate.Event {
	c := &f.candidates[index]
	signature := f.signature(p.ThoughtSignature)
	switch {
	case p.FunctionCall != nil:
		return f.call(dst, index, p.FunctionCall, signature)
	case p.InlineData != nil && p.Thought: // pictures tried on the way; the one that was chosen comes again, in the answer
		return dst
	case p.InlineData != nil:
		c.content = true
		return append(dst, translate.Event{
			Kind: translate.EventMedia, Candidate: index, Signature: signature,
			Media: &translate.Media{MIME: p.InlineData.MIMEType, Data: p.InlineData.Data},
		})
	case p.Thought:
		if p.Text != "" {
			dst = append(dst, translate.Event{Kind: translate.EventThought, Candidate: index, Text: p.Text})
		}
	default:
		if text := c.visibleText(p); text != "" {
			c.content = true
			c.text.add(text)
			dst = append(dst, translate.Event{Kind: translate.EventText, Candidate: index, Text: text})
		}
	}
	if !signature.IsZero() {
		dst = append(dst, translate.Event{Kind: translate.EventSignature, Candidate: index, Signature: signature})
	}
	return dst
}

func kindOf(p *Part) partKind {
	switch {
	case p.FunctionCall != nil || p.InlineData != nil || p.Code != nil || p.Output != nil:
		return partOther
	case p.Thought:
		return partThought
	default:
		return partText
	}
}

// visibleText is what a part says in the answer. Code the model ran, and what that printed, is shown fenced, on lines of its own.
func (c *candidate) visibleText(p *Part) string {
	switch {
	case p.Code != nil:
		return c.fenced("python", *p.Code)
	case p.Output != nil:
		return c.fenced("output", *p.Output)
	default:
		return p.Text
	}
}

func (c *candidate) fenced(language, text string) string {
	var b strings.Builder
	if !c.text.atLineStart() {
		b.WriteByte('\n')
	}
	b.WriteString("```" + language + "\n" + text)
	if !strings.HasSuffix(text, "\n") && text != "" {
		b.WriteByte('\n')
	}
	b.WriteString("```\n")
	return b.String()
}

func (f *Fold) call(dst []translate.Event, index int, fc *FunctionCall, signature translate.Signature) []translate.Event {
	c := &f.candidates[index]
	if fc.Name != "" {
		dst = f.flushPartial(dst, index) // a new call begins
		if fc.WillContinue || len(fc.PartialArgs) > 0 {
			c.partial = &partialCall{id: fc.ID, name: fc.Name, signature: signature}
		}
	}
	if c.partial == nil {
		if fc.Name == "" {
			return dst // the end mark of a call that was complete already
		}
		return f.emitCall(dst, index, &translate.Call{ID: fc.ID, Name: fc.Name, Args: fc.Args, Signature: signature})
	}
	c.partial.add(fc)
	if !fc.WillContinue {
		dst = f.flushPartial(dst, index)
	}
	return dst
}

// flushPartial ends the call whose arguments came in pieces, if there is one.
func (f *Fold) flushPartial(dst []translate.Event, index int) []translate.Event {
	c := &f.candidates[index]
	p := c.partial
	if p == nil {
		return dst
	}
	c.partial = nil
	return f.emitCall(dst, index, &translate.Call{ID: p.id, Name: p.name, Args: p.args(), Signature: p.signature})
}

func (f *Fold) emitCall(dst []translate.Event, index int, call *translate.Call) []translate.Event {
	if f.names == nil {
		n := newNames(f.request.Tools)
		f.names = &n
	}
	call.Name = f.names.toClient(call.Name)
	if len(call.Args) == 0 {
		call.Args = noArgs
	}
	c := &f.candidates[index]
	c.calls++
	c.content = true
	return append(dst, translate.Event{Kind: translate.EventCall, Candidate: index, Call: call})
}

func (f *Fold) signature(value string) translate.Signature {
	if value == "" {
		return translate.Signature{}
	}
	return translate.Signature{Origin: f.origin, Family: f.family, Value: value}
}

// blockedText tells why a prompt was refused; it is empty when it was not.
func blockedText(p *PromptFeedback) string {
	reason := p.BlockReason
	if strings.HasSuffix(reason, "_UNSPECIFIED") { // in two spellings
		reason = ""
	}
	if reason == "" && p.BlockReasonMessage == "" {
		return ""
	}
	text := "The request was blocked by Gemini"
	if reason != "" {
		text += " (" + reason + ")"
	}
	if p.BlockReasonMessage != "" {
		return text + ": " + p.BlockReasonMessage
	}
	return text + "."
}
