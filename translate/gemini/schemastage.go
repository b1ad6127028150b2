package gemini

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// fields are a schema, as the schemaCleaner wrote it, at a stage: for the field that takes JSON Schema, or for the older one. It is that
// of a function's parameters or of an answer. Both are nil when nothing is left to say.
func (stage SchemaStage) fields(schema jsontext.Value, parameters bool) (free, proto jsontext.Value) {
	if stage == SchemaFull || schema == nil {
		return schema, nil
	}
	node, err := parseSchema(schema)
	if err != nil {
		return nil, nil // the cleaner has read it before, so there is none
	}
	node = lighten(node)
	if stage == SchemaLite {
		return node.appendTo(nil), nil
	}
	return nil, protoDialect(node, parameters)
}

// Bounds of what SchemaLite says of a schema, in bytes, and the length of the enumerations it keeps.
const (
	maxDescription = 1000
	maxHint        = 200
	maxEnum        = 50
)

// bounds are keywords that multiply the states of Google's decoder, in the order in which descriptions mention them.
var bounds = []string{
	"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern",
	"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
}

// lighten rewrites a schema for SchemaLite: what it leaves out, descriptions mention.
func lighten(s *schemaNode) *schemaNode {
	if s.plain != nil {
		return s
	}
	light := &schemaNode{size: s.size, keywords: make([]keyword, 0, len(s.keywords))}
	var hints []string
	for _, k := range s.keywords {
		switch {
		case slices.Contains(bounds, k.name):
			if k.value.Kind() != 'f' && k.kind == plainValue {
				hints = append(hints, k.name+": "+plainText(k.value))
			}
			continue
		case k.name == "enum":
			if values := elements(k.value); len(values) > maxEnum {
				hints = append(hints, oneOf(values))
				continue
			}
		}
		subs := make([]subschema, len(k.subs))
		for i, sub := range k.subs {
			subs[i] = subschema{sub.name, lighten(sub.schema)}
		}
		k.subs = subs
		light.keywords = append(light.keywords, k)
	}
	light.describe(hints)
	return light
}

// describe bounds the schema's description and adds hints to it.
func (s *schemaNode) describe(hints []string) {
	i := s.index("description")
	if i < 0 && len(hints) == 0 {
		return
	}
	if i < 0 {
		i = len(s.keywords)
		s.keywords = append(s.keywords, keyword{name: "description"})
	}
	before := unquote(s.keywords[i].value)
	if after := described(before, hints); after != before || before == "" {
		s.keywords[i] = keyword{name: "description", value: appendQuote(nil, after)}
	}
}

// described is a description with hints, within the bounds.
func described(text string, hints []string) string {
	if len(hints) == 0 {
		return cut(text, maxDescription)
	}
	hint := "(" + cut(strings.Join(hints, ", "), maxHint) + ")"
	if text == "" {
		return hint
	}
	return cut(text, maxDescription-len(hint)-1) + " " + hint
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
