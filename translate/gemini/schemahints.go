package gemini

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// What cannot be said in a dialect, descriptions say in a few words.

// Bounds of descriptions, in bytes.
const (
	maxHint = 200
	// maxDescription is for descriptions in the stages that Google's refusals lead to.
	maxDescription = 1000
)

// hinted adds hints to the schema's description, as long as that may be. It changes the schema.
func (s *schemaNode) hinted(hints ...string) {
	if len(hints) == 0 {
		return
	}
	text := strings.TrimSpace(s.text("description") + " " + hintText(hints))
	s.put(keyword{name: "description", value: appendQuote(nil, text)})
}

// describe bounds the schema's description and adds hints to it. It changes the schema.
func (s *schemaNode) describe(hints []string) {
	before := s.plainOf("description")
	if before == nil && len(hints) == 0 {
		return
	}
	if text := unquote(before); len(hints) > 0 || len(text) > maxDescription {
		s.put(keyword{name: "description", value: appendQuote(nil, described(text, hints))})
	}
}

// described is a description with hints, within the bounds.
func described(text string, hints []string) string {
	if len(hints) == 0 {
		return cut(text, maxDescription)
	}
	hint := hintText(hints)
	if text == "" {
		return hint
	}
	return cut(text, maxDescription-len(hint)-1) + " " + hint
}

func hintText(hints []string) string { return "(" + cut(strings.Join(hints, ", "), maxHint) + ")" }

// hint mentions a keyword; empty when it forbids nothing.
func (k *keyword) hint() string {
	text := k.value
	switch k.kind {
	case plainValue:
	case oneSchema:
		text = k.subs[0].schema.appendTo(nil)
	default:
		one := schemaNode{keywords: []keyword{*k}}
		whole := one.appendTo(nil)
		text = whole[len(`{"":`)+len(k.name) : len(whole)-1]
	}
	if text.Kind() == 'f' || text.Kind() == 'n' || len(text) == len("{}") && text.Kind() != '0' && k.name != "not" {
		return ""
	}
	return k.name + ": " + plainText(text)
}

// oneOf mentions the values of an enumeration.
func oneOf(values []jsontext.Value) string {
	var b strings.Builder
	b.WriteString("one of: ")
	for i, v := range values {
		if i > 0 {
			b.WriteString(" | ")
		}
		if b.WriteString(plainText(v)); b.Len() > maxHint {
			break
		}
	}
	return b.String()
}

// plainText is a value as a person would write it.
func plainText(v jsontext.Value) string {
	if v.Kind() == '"' {
		return unquote(v)
	}
	return string(v)
}

// cut shortens a text to a number of bytes, between two characters.
func cut(text string, limit int) string {
	const ellipsis = "…"
	if len(text) <= limit {
		return text
	}
	end := limit - len(ellipsis)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}

// introduced is a description before another; what it says already is not said twice.
func introduced(text, description string) string {
	if text == "" || strings.HasPrefix(description, text) {
		return description
	}
	return strings.TrimSpace(text + " " + description)
}

// named are the hints that say something.
func named(hints ...string) []string {
	return slices.DeleteFunc(hints, func(h string) bool { return h == "" })
}
