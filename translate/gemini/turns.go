package gemini

import (
	"slices"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// What is said in the client's stead, where Google's turn rules want something said.
const (
	silence        = " "
	goOn           = "Continue exactly from where you stopped; do not repeat."
	resultMissing  = "Tool result missing."
	strayResult    = "[tool result] "
	systemBegin    = "<system>\n"
	systemEnd      = "\n</system>"
	syntheticParam = translate.NoOrigin // the origin of a part no message of the client's stands behind
)

type turnKind uint8

const (
	turnUser    turnKind = iota // something a user said
	turnModel                   // the model's words and calls
	turnResults                 // the answers to all calls of the turn before
)

// turn is a content on its way.
type turn struct {
	kind    turnKind
	parts   []part
	origins []int // for each part, the Origin of its message
}

// turns builds contents that keep Google's rules: a user begins and ends, neighbours of one kind are merged, every call is answered
// in the turn after it, in order and completely. Results and what a user says after them stay apart, because Google finds the
// beginning of the current turn by the last content without results.
type turns struct {
	list     []turn
	backend  translate.Backend
	model    *Model
	names    *names
	remedies *Remedies
	sent     *sent
	// speakers is set when participants have different names: then they are told apart by them.
	speakers bool
	pairing  pairing
}

// conversation appends the messages after the leading system ones, round by round: the model's messages, then all that came back.
func (t *turns) conversation(messages []translate.Message) {
	t.speakers = severalSpeakers(messages)
	for len(messages) > 0 {
		said := 0
		for said < len(messages) && messages[said].Role == translate.RoleModel {
			said++
		}
		back := said
		for back < len(messages) && messages[back].Role != translate.RoleModel {
			back++
		}
		t.round(messages[:said], messages[said:back])
		messages = messages[back:]
	}
}

// close settles the ends of the conversation.
func (t *turns) close() {
	if len(t.list) == 0 {
		t.push(turnUser, part{Text: silence}, syntheticParam)
		return
	}
	if t.list[0].kind == turnModel {
		opening := turn{kind: turnUser, parts: []part{{Text: silence}}, origins: []int{syntheticParam}}
		t.list = append([]turn{opening}, t.list...)
	}
	if t.list[len(t.list)-1].kind == turnModel { // an answer the client began for the model
		t.push(turnUser, part{Text: goOn}, syntheticParam)
	}
}

func (t *turns) push(kind turnKind, p part, origin int) {
	if n := len(t.list); n == 0 || t.list[n-1].kind != kind {
		t.list = append(t.list, turn{kind: kind})
	}
	last := &t.list[len(t.list)-1]
	last.parts = append(last.parts, p)
	last.origins = append(last.origins, origin)
}

// round appends consecutive messages of the model and everything that came back before it spoke again.
func (t *turns) round(said, back []translate.Message) {
	t.pairing = pairUp(said, back)
	for len(said) > 0 {
		n, calls := t.pairing.step(said)
		for i := range said[:n] {
			t.say(&said[i])
		}
		t.answer(calls)
		said = said[n:]
	}
	for i := range back {
		t.hear(&back[i])
	}
}

// say appends a message of the model's. Its thoughts are not repeated to it; a signature that came on one is kept for what followed.
func (t *turns) say(m *translate.Message) {
	text := -1 // index, in the last turn, of the last text of this message
	first := true
	var carried string
	for i := range m.Parts {
		p := &m.Parts[i]
		signature := t.signature(p.Signature)
		switch p.Kind {
		case translate.PartText:
			switch {
			case p.Text != "":
				t.push(turnModel, part{Text: t.named(m, i, p), ThoughtSignature: signature}, m.Origin)
				text = len(t.list[len(t.list)-1].parts) - 1
			case signature != "" && text >= 0:
				t.signText(text, signature) // streams put a text's signature on an empty part after it
			}
		case translate.PartThought:
			if signature != "" {
				carried = signature
			}
		case translate.PartMedia:
			t.push(turnModel, t.mediaPart(p.Media, signature), m.Origin)
		case translate.PartCall:
			signature = t.signature(p.Call.Signature)
			if first && signature == "" {
				signature, carried = carried, ""
			}
			first = false
			t.push(turnModel, part{FunctionCall: t.functionCall(p.Call), ThoughtSignature: signature}, m.Origin)
		case translate.PartResult: // models have none
		}
	}
	if carried != "" && text >= 0 {
		t.signText(text, carried)
	}
}

// signText signs a text of the last turn that has no signature of its own.
func (t *turns) signText(index int, signature string) {
	if p := &t.list[len(t.list)-1].parts[index]; p.ThoughtSignature == "" {
		p.ThoughtSignature = signature
	}
}

// hear appends what is left of a message that is not the model's after its results have gone to their calls.
func (t *turns) hear(m *translate.Message) {
	before := len(t.list)
	empty := true
	for i := range m.Parts {
		p := &m.Parts[i]
		switch p.Kind {
		case translate.PartText:
			if p.Text == "" {
				continue
			}
			text := t.named(m, i, p)
			if m.Role == translate.RoleSystem {
				text = systemBegin + p.Text + systemEnd
			}
			t.push(turnUser, part{Text: text}, m.Origin)
		case translate.PartMedia:
			t.push(turnUser, t.mediaPart(p.Media, ""), m.Origin)
		case translate.PartResult:
			if t.pairing.stray() {
				t.stray(p.Result, m.Origin)
			}
		case translate.PartThought, translate.PartCall: // only models have them
		}
		empty = false
	}
	if empty && m.Role == translate.RoleUser && (before == 0 || t.list[before-1].kind != turnUser) {
		t.push(turnUser, part{Text: silence}, m.Origin)
	}
}

// named is the text of a part, with the speaker's name before the first one where there are several speakers.
func (t *turns) named(m *translate.Message, i int, p *translate.Part) string {
	if !t.speakers || i > 0 || m.Name == "" || !p.Signature.IsZero() {
		return p.Text
	}
	return m.Name + ": " + p.Text
}

func severalSpeakers(messages []translate.Message) bool {
	name := ""
	for i := range messages {
		switch n := messages[i].Name; {
		case n == "" || messages[i].Role == translate.RoleTool:
		case name == "":
			name = n
		case n != name:
			return true
		}
	}
	return false
}

// resolutions are how closely Google can be told to look.
var resolutions = [...]string{translate.DetailLow: "MEDIA_RESOLUTION_LOW", translate.DetailHigh: "MEDIA_RESOLUTION_HIGH"}

// mediaPart is a part of a content.
func (t *turns) mediaPart(m *translate.Media, signature string) part {
	p := mediaPart(m, signature)
	if m.Detail != translate.DetailAuto && slices.Contains(t.model.Generation.Detail, t.backend) {
		p.MediaResolution = &mediaResolution{resolutions[m.Detail]}
	}
	return p
}

// mediaPart is the part of media alone, as parts of results are.
func mediaPart(m *translate.Media, signature string) part {
	if m.URI != "" {
		return part{FileData: &fileData{MIMEType: m.MIME, FileURI: m.URI}, ThoughtSignature: signature}
	}
	return part{InlineData: &blob{MIMEType: m.MIME, Data: m.Data}, ThoughtSignature: signature}
}
