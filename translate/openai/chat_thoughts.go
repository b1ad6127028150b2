package openai

import (
	"cmp"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// thoughtTag is the name of the tags around thoughts inside the content.
type thoughtTag string

// usualTag is that of thoughts which the operator wants in the content.
const usualTag thoughtTag = "thinking"

// tagName is what a client may call its own, which Google's compatible endpoint calls the thought_tag_marker.
var tagName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,31}$`)

// UnmarshalJSON implements json.Unmarshaler.
func (t *thoughtTag) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, (*string)(t), tolerant); err != nil {
		return err
	}
	if *t != "" && !tagName.MatchString(string(*t)) {
		return expected("a name")
	}
	return nil
}

// thoughtTag is the client's own tag, wherever it is.
func (r *chatRequest) thoughtTag() thoughtTag {
	return cmp.Or(r.ExtraBody.or().Google.ThoughtTag.or(), r.Google.or().ThoughtTag.or())
}

// dropThoughts takes off the thoughts that content begins with.
func (c *messageContent) dropThoughts() {
	text := &c.text
	if len(c.parts) > 0 {
		text = &c.parts[0].Text
	}
	for _, tag := range [...]thoughtTag{"thought", "think", usualTag} {
		if rest, ok := strings.CutPrefix(*text, "<"+string(tag)+">"); ok {
			if _, answer, ok := strings.Cut(rest, "</"+string(tag)+">"); ok {
				*text = answer
			}
			return
		}
	}
}

// thinking is the operator's choice, but that thoughts which are shown are where the client wants them.
func (w *chatWriter) thinking() translate.Thinking {
	if w.form.thoughtTag != "" && w.request.Thinking == translate.ThinkingReasoning {
		return translate.ThinkingContent
	}
	return w.request.Thinking
}

// tag is one of the two around thoughts.
func (w *chatWriter) tag(begin string) string {
	return begin + string(cmp.Or(w.form.thoughtTag, usualTag)) + ">"
}

// inlineThoughts keeps account of thoughts inside the content, so that positions in the answer can be given as positions in the
// content. All counts are of code points.
type inlineThoughts struct {
	open    bool
	answer  int // length of the answer so far
	inserts []insert
}

// insert is a stretch of thoughts with its tags, at a position in the answer.
type insert struct{ at, length int }

func (t *inlineThoughts) inserted(piece string) {
	if n := len(t.inserts); n == 0 || t.inserts[n-1].at != t.answer {
		t.inserts = append(t.inserts, insert{at: t.answer})
	}
	t.inserts[len(t.inserts)-1].length += utf8.RuneCountInString(piece)
}

func (t *inlineThoughts) answered(thinking translate.Thinking, piece string) {
	if thinking == translate.ThinkingContent {
		t.answer += utf8.RuneCountInString(piece)
	}
}

// shift moves a range of the answer to where it is in the content.
func (t *inlineThoughts) shift(start, end int) (int, int) {
	from, to := start, end
	for _, i := range t.inserts {
		if i.at <= start {
			from += i.length
		}
		if i.at <= start || i.at < end {
			to += i.length
		}
	}
	return from, to
}

// thought shows a piece of the model's thoughts the way the operator chose.
func (w *chatWriter) thought(dst []byte, choice int, piece string) []byte {
	switch w.thinking() {
	case translate.ThinkingReasoning:
		return w.text(dst, choice, fieldReasoning, piece)
	case translate.ThinkingContent:
		if piece == "" {
			return dst
		}
		if t := &w.choices[choice].thoughts; !t.open {
			t.open = true
			dst = w.insert(dst, choice, w.tag("<"))
		}
		return w.insert(dst, choice, piece)
	default:
		return dst
	}
}

// leaveThoughts closes thoughts inside the content before anything else of the choice.
func (w *chatWriter) leaveThoughts(dst []byte, choice int) []byte {
	t := &w.choices[choice].thoughts
	if !t.open {
		return dst
	}
	t.open = false
	return w.insert(dst, choice, w.tag("</"))
}

func (w *chatWriter) insert(dst []byte, choice int, piece string) []byte {
	w.choices[choice].thoughts.inserted(piece)
	return w.text(dst, choice, fieldContent, piece)
}
