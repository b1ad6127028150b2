package gemini

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// reference rewrites a schema that stands somewhere else. One that is part of itself ends as any object.
func (w *protoWriter) reference(s *schemaNode, ref string, depth int) *protoSchema {
	var p *protoSchema
	switch target := w.find(ref); {
	case target == nil:
		p = anything()
	case len(w.open) >= maxOpen || slices.Contains(w.open, target) || !w.spend(target.size):
		p = w.freeObject(new(protoSchema), anything())
	default:
		w.open = append(w.open, target)
		p = w.schema(target, depth)
		w.open = w.open[:len(w.open)-1]
	}
	p.introduce(s.text("description"))
	return p
}

// merge is both schemas at once, as far as one can say that: properties and what is required are joined, and otherwise a counts.
func merge(a, b *schemaNode) *schemaNode {
	if a.plain != nil || b.plain != nil || len(a.keywords)+len(b.keywords) > maxKeywords {
		return a
	}
	all := &schemaNode{size: a.size + b.size, keywords: slices.Clone(a.keywords)}
	for _, k := range b.keywords {
		i := all.index(k.name)
		switch {
		case i < 0:
			all.keywords = append(all.keywords, k)
		case k.kind == schemaMap && all.keywords[i].kind == schemaMap:
			all.keywords[i].subs = mergeSubs(all.keywords[i].subs, k.subs)
		case k.name == "required":
			all.keywords[i].value = array(append(elements(all.keywords[i].value), elements(k.value)...))
		}
	}
	return all
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

// alternatives are the schemas of which one applies.
func (s *schemaNode) alternatives() []subschema {
	if options := s.subs("anyOf"); len(options) > 0 {
		return options
	}
	return s.subs("oneOf")
}

// without is the schema without some of its keywords.
func (s *schemaNode) without(names ...string) *schemaNode {
	rest := &schemaNode{plain: s.plain, size: s.size}
	for _, k := range s.keywords {
		if !slices.Contains(names, k.name) {
			rest.keywords = append(rest.keywords, k)
		}
	}
	return rest
}

// with is the schema with a keyword, in the place of one of the same name.
func (s *schemaNode) with(k keyword) *schemaNode {
	one := &schemaNode{size: s.size, keywords: slices.Clone(s.keywords)}
	if i := one.index(k.name); i >= 0 {
		one.keywords[i] = k
	} else {
		one.keywords = append(one.keywords, k)
	}
	return one
}

// shapes are the keywords that say what a value is made of.
var shapes = []string{"type", "properties", "items", "prefixItems", "enum", "additionalProperties", "$ref", "anyOf", "oneOf", "allOf"}

// shaped reports whether a schema says what a value is made of, rather than which of its parts are required.
func (s *schemaNode) shaped() bool {
	return slices.ContainsFunc(s.keywords, func(k keyword) bool { return slices.Contains(shapes, k.name) })
}

// nullable reports whether a schema takes null in OpenAPI's way.
func (s *schemaNode) nullable() bool { return s.plainOf("nullable").Kind() == 't' }

// types are the types a value may have by Google's names, at least one and not null unless that is the only one, and whether it may be
// null besides.
func (s *schemaNode) types() (types []string, nullable bool) {
	nullable = s.nullable() || slices.ContainsFunc(s.list("enum"), func(v jsontext.Value) bool { return v.Kind() == 'n' })
	named := s.list("type")
	if one := s.plainOf("type"); one.Kind() == '"' {
		named = []jsontext.Value{one}
	}
	for _, v := range named {
		switch t := strings.ToUpper(unquote(v)); t {
		case typeNull:
			nullable = true
		case typeString, typeNumber, typeInteger, typeBoolean, typeArray, typeObject:
			if !slices.Contains(types, t) {
				types = append(types, t)
			}
		}
	}
	switch {
	case len(types) > 0:
		return types, nullable
	case nullable && len(named) > 0:
		return []string{typeNull}, false
	default:
		return []string{s.guess()}, nullable
	}
}

// guess is the type of a schema that names none.
func (s *schemaNode) guess() string {
	switch {
	case s.index("properties") >= 0, s.index("additionalProperties") >= 0, s.index("required") >= 0:
		return typeObject
	case s.index("items") >= 0, s.index("prefixItems") >= 0:
		return typeArray
	}
	guessed := ""
	for _, v := range s.list("enum") {
		kind := typeString
		switch v.Kind() {
		case 'n':
			continue
		case '0':
			kind = typeNumber
		case 't', 'f':
			kind = typeBoolean
		default: // text, or what only text can stand for
		}
		if guessed != "" && guessed != kind {
			return typeString
		}
		guessed = kind
	}
	if guessed == "" {
		return typeString
	}
	return guessed
}
