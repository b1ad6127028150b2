package gemini

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// merge is both schemas at once, as far as one can say that: properties and what is required are joined, the tighter bound counts, and
// otherwise a does.
func merge(a, b *schemaNode) *schemaNode {
	if a.plain != nil || b.plain != nil {
		return a
	}
	all := &schemaNode{size: a.size + b.size, keywords: slices.Clone(a.keywords), holds: a.holds}
	if len(b.holds) > len(a.holds) {
		all.holds = b.holds
	}
	for _, k := range b.keywords {
		i := all.index(k.name)
		if i < 0 {
			all.keywords = append(all.keywords, k)
			continue
		}
		switch mine := &all.keywords[i]; {
		case k.kind == schemaMap && mine.kind == schemaMap:
			mine.subs = mergeSubs(mine.subs, k.subs)
		case k.kind == schemaList && k.name == "allOf":
			mine.subs = append(slices.Clip(mine.subs), k.subs...)
		case k.name == "required":
			mine.value = array(append(elements(mine.value), elements(k.value)...))
		case k.name == "enum":
			mine.value = common(mine.value, k.value)
		case tightens[k.name] != 0:
			m, known := number(mine.value)
			if n, ok := number(k.value); ok && (!known || (n-m)*tightens[k.name] > 0) {
				mine.value = k.value
			}
		}
	}
	return all
}

// tightens says which of two bounds is the tighter one: the greater where it is positive.
var tightens = map[string]float64{
	"minimum": 1, "exclusiveMinimum": 1, "minLength": 1, "minItems": 1, "minProperties": 1,
	"maximum": -1, "exclusiveMaximum": -1, "maxLength": -1, "maxItems": -1, "maxProperties": -1,
}

// common are the values that are in two enumerations; the first of them where there are none.
func common(a, b jsontext.Value) jsontext.Value {
	const most = 1000 // values of an enumeration that is looked through
	others, both := elements(b), elements(a)
	if len(others) > most || len(both) > most {
		return a
	}
	both = slices.DeleteFunc(both, func(v jsontext.Value) bool {
		return !slices.ContainsFunc(others, func(other jsontext.Value) bool { return string(other) == string(v) })
	})
	if len(both) == 0 {
		return a
	}
	return array(both)
}

func mergeSubs(a, b []subschema) []subschema {
	known := make(map[string]bool, len(a))
	for _, sub := range a {
		known[sub.name] = true
	}
	all := slices.Clip(a)
	for _, sub := range b {
		if !known[sub.name] {
			all = append(all, sub)
		}
	}
	return all
}

// without is the schema without some of its keywords.
func (s *schemaNode) without(names ...string) *schemaNode {
	rest := &schemaNode{plain: s.plain, size: s.size, holds: s.holds, keywords: make([]keyword, 0, len(s.keywords))}
	for _, k := range s.keywords {
		if !slices.Contains(names, k.name) {
			rest.keywords = append(rest.keywords, k)
		}
	}
	return rest
}

// with is the schema with a keyword, in the place of one of the same name.
func (s *schemaNode) with(k keyword) *schemaNode {
	one := &schemaNode{size: s.size, holds: s.holds, keywords: slices.Clone(s.keywords)}
	one.put(k)
	return one
}

// shapes are the keywords that say what a value is made of.
var shapes = []string{"type", "properties", "items", "prefixItems", "enum", "additionalProperties", "$ref", "anyOf", "oneOf", "allOf"}

// shaped reports whether a schema says what a value is made of, rather than which of its parts are required.
func (s *schemaNode) shaped() bool {
	return slices.ContainsFunc(s.keywords, func(k keyword) bool { return slices.Contains(shapes, k.name) })
}
