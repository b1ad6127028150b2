package googlesim

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// answer is what the simulated model says. It follows from the request alone, in this order:
//
//   - A tool is called when the question names it, or a word of its name ("What is the weather?" calls get_weather), or when calls are
//     required. Where the question lists places ("in Paris, Tokyo and Lima"), each is a call of its own; where it names several tools,
//     each is called. " then " makes stages: what follows it is done after the results of what precedes it.
//   - After results, the text repeats them.
//   - When JSON is asked for, the text is an instance of its schema.
//   - Otherwise the text repeats the question.
type answer struct {
	backend    Backend
	model      *model
	prompt     int // tokens
	cached     int // of them
	thought    string
	thoughts   int // tokens
	text       string
	calls      []plannedCall
	finish     string
	token      string // with which the answer goes on
	candidates int
	serial     uint64 // from which ids and signatures come
	created    time.Time
	trace      string
}

// compose makes the answer to a valid request.
func compose(c *exchange, m *model, now time.Time) *answer {
	a := &answer{backend: c.Backend, model: m, prompt: countTokens(c.request), cached: c.cached, finish: "STOP", created: now}
	sum := sha256.Sum256(c.payload)
	a.serial, a.trace = binary.BigEndian.Uint64(sum[:]), hex.EncodeToString(sum[8:24])
	config := c.request.get("generationConfig")
	a.candidates = max(1, config.get("candidateCount").integer())
	a.thoughts = thinkingTokens(config.get("thinkingConfig"), m)
	t := newTurn(c.request)
	if config.at("thinkingConfig", "includeThoughts").isTrue() && a.thoughts > 0 {
		a.thought = "**Considering the request**\n\nThe question is: " + t.question() + "\n\n"
	}
	if a.calls = t.plan(c.request); len(a.calls) == 0 {
		a.text = t.text(config, m)
	}
	a.limit(config)
	return a
}

// thinkingTokens is how many tokens the model thinks.
func thinkingTokens(config *node, m *model) int {
	level := strings.ToUpper(config.get("thinkingLevel").str())
	budget := config.get("thinkingBudget")
	switch {
	case budget != nil && budget.integer() >= 0:
		return min(budget.integer(), 24)
	case budget != nil:
		return 16
	case level == "":
		if !m.thinks() {
			return 0
		}
		return 12
	}
	return 8 * max(slices.Index(lowToXHigh, level)+1, 0)
}

// limit applies stop sequences and maxOutputTokens, which thoughts count towards.
func (a *answer) limit(config *node) {
	for _, stop := range config.get("stopSequences").list() {
		if stop.str() != "" {
			a.text, _, _ = strings.Cut(a.text, stop.str())
		}
	}
	most := config.get("maxOutputTokens")
	if most == nil || a.thoughts+a.visible() <= most.integer() {
		return
	}
	a.finish = "MAX_TOKENS"
	a.thoughts = min(a.thoughts, most.integer())
	left := most.integer() - a.thoughts
	a.calls = nil
	a.text = strings.ToValidUTF8(a.text[:min(len(a.text), 4*left)], "")
}

// visible is how many tokens the answer has besides thoughts.
func (a *answer) visible() int {
	size := len(a.text)
	for _, c := range a.calls {
		size += len(c.name) + len(c.args)
	}
	return (size + 3) / 4
}

// parts is the whole answer in order.
func (a *answer) parts() []part {
	var parts []part
	if a.thought != "" {
		parts = append(parts, part{Text: &a.thought, Thought: true})
	}
	for i, call := range a.calls {
		p := part{FunctionCall: &functionCall{Name: call.name, Args: call.args}}
		if i == 0 {
			p.ThoughtSignature = a.callSignature()
		}
		if a.model.identifiesCalls() && a.backend != CodeAssist {
			p.FunctionCall.ID = a.callID(i)
		}
		parts = append(parts, p)
	}
	if a.text != "" {
		parts = append(parts, part{Text: &a.text})
	}
	return parts
}

// callSignature is what the first call is signed with; empty when nothing is called, or the model neither thinks nor signs.
func (a *answer) callSignature() string {
	if len(a.calls) == 0 || a.thoughts == 0 && !a.model.signs() {
		return ""
	}
	return signature(a.backend, a.serial)
}

// callID is eight characters, as recorded answers have.
func (a *answer) callID(i int) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	id, n := make([]byte, 8), a.serial+uint64(i)*0x9e3779b97f4a7c15
	for j := range id {
		id[j] = alphabet[n%uint64(len(alphabet))]
		n /= uint64(len(alphabet))
	}
	return string(id)
}

// whole is the answer in one response.
func (a *answer) whole() *response {
	parts := a.parts()
	if last := len(parts) - 1; last >= 0 && a.model.signs() && len(a.calls) == 0 {
		parts[last].ThoughtSignature = signature(a.backend, a.serial)
	}
	r := a.response(parts, a.visible(), true)
	return r
}

// events is the answer as a stream: first the thoughts, then each call, or the text in pieces; from Gemini 3 on an empty text,
// signed unless the calls are, ends it.
func (a *answer) events() []*response {
	var pieces [][]part
	for _, p := range a.parts() {
		if p.FunctionCall != nil && !a.model.signs() && len(pieces) > 0 && pieces[len(pieces)-1][0].FunctionCall != nil {
			pieces[len(pieces)-1] = append(pieces[len(pieces)-1], p) // older models send all calls at once
			continue
		}
		if p.Text == nil || p.Thought {
			pieces = append(pieces, []part{p})
			continue
		}
		for _, text := range split(*p.Text) {
			pieces = append(pieces, []part{{Text: &text}})
		}
	}
	if a.model.signs() && a.finish == "STOP" {
		end := part{Text: new(string)}
		if len(a.calls) == 0 {
			end.ThoughtSignature = signature(a.backend, a.serial)
		}
		pieces = append(pieces, []part{end})
	}
	if len(pieces) == 0 {
		pieces = append(pieces, nil)
	}
	thoughts := 0 // pieces before the visible ones
	if a.thought != "" {
		thoughts = 1
	}
	events := make([]*response, 0, len(pieces))
	for i, parts := range pieces {
		done := a.visible() * (i + 1 - thoughts) / max(len(pieces)-thoughts, 1)
		events = append(events, a.response(parts, done, i == len(pieces)-1))
	}
	return events
}

// response is one event, after which that many visible tokens were sent.
func (a *answer) response(parts []part, done int, last bool) *response {
	id := binary.BigEndian.AppendUint64(nil, a.serial)
	r := &response{ModelVersion: a.model.version(), ResponseID: base64.RawURLEncoding.EncodeToString(append(id, id...))}
	for i := range a.candidates {
		one := candidate{Content: &content{Parts: parts, Role: "model"}, Index: i}
		if last {
			one.FinishReason, one.ContinuationToken = a.finish, a.token
			if len(a.calls) > 0 {
				one.FinishMessage = "Model generated function call(s)."
			}
		}
		r.Candidates = append(r.Candidates, one)
	}
	r.UsageMetadata = a.usage(done*a.candidates, last)
	if a.backend == Vertex {
		r.CreateTime = stamp(a.created)
	}
	return r
}

// usage is a running total. The cloud backends count only in the last event.
func (a *answer) usage(done int, last bool) *usage {
	u := &usage{}
	if a.backend != Developer {
		u.TrafficType = "ON_DEMAND"
		if !last {
			return u
		}
	}
	u.PromptTokenCount, u.CandidatesTokenCount, u.ThoughtsTokenCount = a.prompt, done, a.thoughts
	u.TotalTokenCount = a.prompt + done + a.thoughts
	u.PromptTokensDetails = []modalityCount{{"TEXT", a.prompt}}
	if u.CachedContentTokenCount = a.cached; a.cached > 0 {
		u.CacheTokensDetails = []modalityCount{{"TEXT", a.cached}}
	}
	if a.backend == Vertex && done > 0 {
		u.CandidatesTokensDetails = []modalityCount{{"TEXT", done}}
	}
	return u
}

// pieceSize is about how many bytes of text one event carries.
const pieceSize = 24

// split cuts text into pieces at spaces.
func split(text string) []string {
	var pieces []string
	for len(text) > 2*pieceSize {
		cut := strings.IndexByte(text[pieceSize:], ' ')
		if cut < 0 {
			break
		}
		pieces = append(pieces, text[:pieceSize+cut])
		text = text[pieceSize+cut:]
	}
	return append(pieces, text)
}

// turn is what a request asks for last.
type turn struct {
	asked   string  // the last text of the user's
	results []*node // functionResponses since then
	stage   int     // how many groups of them
}

func newTurn(request *node) *turn {
	t := &turn{}
	for _, c := range request.get("contents").list() {
		text, results := "", 0
		for _, p := range c.get("parts").list() {
			if r := p.get("functionResponse"); r != nil {
				t.results, results = append(t.results, r), results+1
			}
			text += p.get("text").str()
		}
		switch {
		case c.get("role").str() == "model":
		case results > 0:
			t.stage++
		default:
			t.asked, t.results, t.stage = text, nil, 0
		}
	}
	return t
}

// question is what was asked, shortened to one line.
func (t *turn) question() string {
	const most = 300
	q := strings.Join(strings.Fields(t.asked), " ")
	if len(q) > most {
		q = strings.ToValidUTF8(q[:most], "") + "…"
	}
	return cmp.Or(q, "(no text)")
}

// text is the answer in words, or in JSON when that was asked for.
func (t *turn) text(config *node, m *model) string {
	schema := cmp.Or(config.get("responseJsonSchema"), config.get("responseSchema"))
	switch mime := config.get("responseMimeType").str(); {
	case mime == "text/x.enum" && schema != nil:
		if values := schema.get("enum").list(); len(values) > 0 {
			return values[0].str()
		}
	case schema != nil:
		return string(instance(schema, t.question()))
	case mime == "application/json":
		return encodeJSON(struct {
			Answer string `json:"answer"`
		}{t.question()})
	}
	if len(t.results) == 0 {
		return fmt.Sprintf("You asked: %s This answer comes from %s, simulated on this machine; no question left it.",
			sentence(t.question()), m.version())
	}
	var b strings.Builder
	b.WriteString("Here is what the tools said.")
	for _, r := range t.results {
		fmt.Fprintf(&b, " %s: %s.", r.get("name").str(), r.get("response").value())
	}
	return b.String()
}

func sentence(text string) string {
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "?") || strings.HasSuffix(text, "!") {
		return text
	}
	return text + "."
}

// plannedCall is a call the simulated model makes.
type plannedCall struct {
	name string
	args jsontext.Value
}
