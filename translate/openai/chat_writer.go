package openai

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"strconv"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// chatForm is what the client said about the form of its answer.
type chatForm struct {
	stream bool
	usage  bool // a stream ends with a chunk of usage
	// functionCall asks for the form of before 2023-11: one call at most, in the message's function_call.
	functionCall bool
	// thoughtTag is the client's own tag for thoughts, which it wants in the content; empty where it does not.
	thoughtTag thoughtTag
}

// chatWriter renders one answer, as chat.completion.chunk events or as one chat.completion. The order of a stream's chunks is what
// OpenAI sends and every SDK can add up: first the role of each choice; then text, thoughts and calls as they come, each call whole
// before the next; then, per choice, its lists each in one delta, and its finish; at last the usage, and [DONE].
type chatWriter struct {
	request *translate.Request
	form    chatForm
	created int64 // seconds since 1970
	head    []byte
	choices []chatChoice
	usage   translate.Usage
	tier    translate.ServiceTier
	callIDs []string // used so far
}

// chatChoice is the state of one choice.
type chatChoice struct {
	finish    string // finish_reason; empty until it is known
	calls     int
	signature translate.Signature // of the text
	thoughts  inlineThoughts
	// images and annotations are the entries of lists, rendered and comma-separated. SDKs differ in how they merge a list from
	// several deltas, so each waits for the end and goes out in one.
	images, annotations   []byte
	imageCount, noteCount int
	audio                 audio
	// texts, callList and logProbs hold an answer that is not streamed: texts by field, the others rendered and comma-separated.
	texts              [len(textFields)][]byte
	callList, logProbs []byte
}

// textField is a member of a message that grows by deltas.
type textField uint8

const (
	fieldContent textField = iota
	fieldReasoning
	fieldRefusal
)

var textFields = [...]string{fieldContent: "content", fieldReasoning: "reasoning_content", fieldRefusal: "refusal"}

func newChatWriter(request *translate.Request, form chatForm, created int64) *chatWriter {
	return &chatWriter{
		request: request, form: form, created: created,
		choices: make([]chatChoice, max(1, request.Sampling.Candidates)),
	}
}

// Append implements translate.Writer.
func (w *chatWriter) Append(dst []byte, ev *translate.Event) []byte {
	if ev.Kind == translate.EventTier {
		w.tier = ev.Tier // too late for a stream that has begun: its chunks must agree
		return dst
	}
	if w.form.stream {
		dst = w.begin(dst)
	}
	if ev.Kind == translate.EventUsage {
		w.usage = ev.Usage
		return dst
	}
	if ev.Candidate < 0 || ev.Candidate >= len(w.choices) || w.choices[ev.Candidate].finish != "" {
		return dst // a choice nobody asked for, or one that is complete: clients break on either
	}
	c := &w.choices[ev.Candidate]
	switch ev.Kind {
	case translate.EventText:
		dst = w.leaveThoughts(dst, ev.Candidate)
		dst = w.text(dst, ev.Candidate, fieldContent, ev.Text)
		c.thoughts.answered(w.thinking(), ev.Text)
	case translate.EventThought:
		dst = w.thought(dst, ev.Candidate, ev.Text)
	case translate.EventCall:
		dst = w.leaveThoughts(dst, ev.Candidate)
		dst = w.call(dst, ev.Candidate, ev.Call)
	case translate.EventMedia:
		dst = w.media(dst, ev.Candidate, ev.Media, ev.Signature)
	case translate.EventCitation:
		c.addCitation(ev.Citation)
	case translate.EventSignature:
		c.signature = ev.Signature
	case translate.EventLogProbs:
		dst = w.logProbs(dst, ev.Candidate, ev.LogProbs)
	case translate.EventBlocked:
		dst = w.text(dst, ev.Candidate, fieldRefusal, ev.Text)
	case translate.EventFinish:
		dst = w.end(dst, ev.Candidate, w.finishReason(ev.Finish))
	case translate.EventUsage, translate.EventTier: // of no choice, see above
	}
	return dst
}

// Finish implements translate.Writer.
func (w *chatWriter) Finish(dst []byte) []byte {
	dst = w.begin(dst)
	for i := range w.choices {
		if w.choices[i].finish == "" { // Google withheld this one of several; SDKs fail on a choice without a reason
			dst = w.end(dst, i, finishReasons[translate.FinishFilter])
		}
	}
	if !w.form.stream {
		return w.body(dst)
	}
	if w.form.usage {
		dst = append(dst, w.head...)
		dst = append(dst, `],"usage":`...)
		dst = appendUsage(dst, w.usage)
		dst = append(dst, "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

// begin renders what all chunks have in common, and gives every choice its role: in order, because the Python SDK files choices in
// the order of their arrival. It happens at the first event of a stream, when the request's model is settled.
func (w *chatWriter) begin(dst []byte) []byte {
	if w.head != nil {
		return dst
	}
	w.head = w.envelope()
	if !w.form.stream {
		return dst
	}
	for i := range w.choices {
		dst = w.openDelta(dst, i)
		dst = append(dst, `"role":"assistant","content":"","refusal":null`...)
		dst = w.closeDelta(dst)
	}
	return dst
}

// envelope is the beginning of the object, up to the first choice.
func (w *chatWriter) envelope() []byte {
	const idRandom = 29
	object, head := "chat.completion", make([]byte, 0, 256)
	if w.form.stream {
		object = "chat.completion.chunk"
		head = append(head, "data: "...)
	}
	head = append(head, `{"id":"`...)
	head = append(head, translate.RandomID("chatcmpl-", idRandom)...)
	head = append(head, `","object":"`...)
	head = append(head, object...)
	head = append(head, `","created":`...)
	head = strconv.AppendInt(head, w.created, 10)
	head = append(head, `,"model":`...)
	head = appendString(head, w.request.Model)
	head = append(head, `,"service_tier":"`...)
	head = append(head, cmp.Or(w.tier, "default")...)
	head = append(head, `","system_fingerprint":"`...)
	head = append(head, fingerprint(w.request.Model)...)
	return append(head, `","choices":[`...)
}

// fingerprint stands for what serves a model, which is one configuration per name.
func fingerprint(model string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(model)) // a hash takes everything
	const tenDigits = 1<<40 - 1
	return fmt.Sprintf("fp_%010x", h.Sum64()&tenDigits)
}

// openDelta begins a chunk of one choice; closeDelta ends it.
func (w *chatWriter) openDelta(dst []byte, choice int) []byte {
	dst = append(dst, w.head...)
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(choice), 10)
	return append(dst, `,"delta":{`...)
}

func (w *chatWriter) closeDelta(dst []byte) []byte { return w.closeChoice(dst, nil, "") }

// closeChoice ends a chunk with log probabilities, if there are any, and the choice's finish_reason, empty for none yet. A client that asked for usage gets the member in every
// chunk, as OpenAI documents it.
func (w *chatWriter) closeChoice(dst, logProbs []byte, finish string) []byte {
	dst = append(dst, `},"logprobs":`...)
	dst = appendLogProbs(dst, logProbs)
	dst = append(dst, `,"finish_reason":`...)
	dst = appendOrNull(dst, finish)
	dst = append(dst, "}]"...)
	if w.form.usage {
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, "}\n\n"...)
}

// text sends, or remembers, a piece of a member that grows.
func (w *chatWriter) text(dst []byte, choice int, field textField, piece string) []byte {
	if piece == "" {
		return dst
	}
	if !w.form.stream {
		texts := &w.choices[choice].texts
		texts[field] = append(texts[field], piece...)
		return dst
	}
	dst = w.openDelta(dst, choice)
	dst = append(dst, '"')
	dst = append(dst, textFields[field]...)
	dst = append(dst, `":`...)
	dst = appendString(dst, piece)
	return w.closeDelta(dst)
}

// end finishes a choice: what waited for the end, then the reason. Nothing of the choice may follow, since openai-go takes the reason
// from the last chunk it sees.
func (w *chatWriter) end(dst []byte, choice int, reason string) []byte {
	dst = w.leaveThoughts(dst, choice)
	c := &w.choices[choice]
	c.finish = reason
	if !w.form.stream {
		return dst
	}
	for _, list := range [...]struct {
		name    string
		entries []byte
	}{{"images", c.images}, {"annotations", c.annotations}} {
		if len(list.entries) > 0 {
			dst = w.openDelta(dst, choice)
			dst = appendList(dst, list.name, list.entries)
			dst = w.closeDelta(dst)
		}
	}
	if len(c.audio.data) > 0 {
		dst = w.openDelta(dst, choice)
		dst = w.appendAudio(dst, &c.audio)
		dst = w.closeDelta(dst)
	}
	if !c.signature.IsZero() {
		dst = w.openDelta(dst, choice)
		dst = appendSignature(dst, c.signature)
		dst = w.closeDelta(dst)
	}
	dst = w.openDelta(dst, choice)
	return w.closeChoice(dst, nil, reason)
}

var finishReasons = [...]string{
	translate.FinishStop:   "stop",
	translate.FinishLength: "length",
	translate.FinishCalls:  "tool_calls",
	translate.FinishFilter: "content_filter",
}

func (w *chatWriter) finishReason(f translate.Finish) string {
	if f == translate.FinishCalls && w.form.functionCall {
		return "function_call"
	}
	return finishReasons[f]
}
