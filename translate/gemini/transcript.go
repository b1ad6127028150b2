package gemini

import (
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// transcript remembers as much of a candidate's visible text as it takes to turn Google's offsets, which count UTF-8 bytes within a
// part, into offsets in code points of the whole text. Plain ASCII costs nothing.
type transcript struct {
	bytes, runes int
	newline      bool       // the text ends in one
	wide         []wideText // the pieces that are not plain ASCII, in order
	parts        []int      // where each part begins, in bytes; an event that goes on with the same kind of part extends it
	last         partKind
}

type wideText struct {
	bytes, runes int // of the text before this piece
	text         string
}

type partKind uint8

const (
	partNone partKind = iota
	partText
	partThought
	partOther
)

// begin notes that a part starts or, as the first of an event, goes on.
func (t *transcript) begin(kind partKind, first bool) {
	if first && kind == t.last && kind != partOther {
		return
	}
	t.last = kind
	t.parts = append(t.parts, t.bytes)
}

func (t *transcript) add(text string) {
	if runes := utf8.RuneCountInString(text); runes == len(text) {
		t.runes += runes
	} else {
		t.wide = append(t.wide, wideText{t.bytes, t.runes, text})
		t.runes += runes
	}
	t.bytes += len(text)
	t.newline = strings.HasSuffix(text, "\n")
}

func (t *transcript) atLineStart() bool { return t.bytes == 0 || t.newline }

// restart has parts be counted anew from here on.
func (t *transcript) restart() { t.parts, t.last = t.parts[:0], partNone }

// offset is the code point at a byte of a part.
func (t *transcript) offset(part, b int) int {
	if part >= 0 && part < len(t.parts) {
		b += t.parts[part]
	}
	b = min(max(b, 0), t.bytes)
	i := sort.Search(len(t.wide), func(i int) bool { return t.wide[i].bytes > b })
	if i == 0 {
		return b
	}
	w := t.wide[i-1]
	inside := min(b-w.bytes, len(w.text))
	return w.runes + utf8.RuneCountInString(w.text[:inside]) + b - w.bytes - inside
}

// cite appends one citation for each segment and each source it rests on.
func (c *candidate) cite(dst []translate.Event, index int) []translate.Event {
	if c.grounding == nil {
		return dst
	}
	for _, support := range c.grounding.Supports {
		segment := support.Segment
		start, end := c.text.offset(segment.PartIndex, segment.StartIndex), c.text.offset(segment.PartIndex, segment.EndIndex)
		for _, i := range support.ChunkIndices {
			if i < 0 || i >= len(c.grounding.Chunks) {
				continue
			}
			source := c.grounding.Chunks[i].source()
			if source.URI == "" || end <= start {
				continue
			}
			dst = append(dst, translate.Event{
				Kind: translate.EventCitation, Candidate: index,
				Citation: &translate.Citation{Start: start, End: end, URI: source.URI, Title: source.Title},
			})
		}
	}
	return dst
}

// source is where the chunk is from; its URI is empty when the chunk is of a kind unknown here.
func (c *GroundingChunk) source() GroundingSource {
	for _, s := range []*GroundingSource{c.Web, c.RetrievedContext, c.Maps, c.Image} {
		if s != nil {
			found := *s
			if found.URI == "" {
				found.URI = found.SourceURI
			}
			return found
		}
	}
	return GroundingSource{}
}
