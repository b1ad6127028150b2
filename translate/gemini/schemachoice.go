package gemini

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// reduce is a schema as one of three: a reference, alternatives and nothing beside them, or neither. What allOf says becomes its own, and
// what stands beside alternatives becomes part of each of them. Above are the schemas that it is part of, by references too.
func (r *refs) reduce(s *schemaNode, above []*schemaNode) *schemaNode {
	for range maxOpen {
		s = r.simplify(s, above)
		options := s.subs("anyOf")
		if len(options) == 0 || s.text("$ref") != "" || len(s.keywords) == 1 {
			break
		}
		s = r.choose(s, options, above)
	}
	return s
}

// simplify is a schema without allOf, oneOf, alternatives of which there is one, and OpenAPI's way to allow null.
func (r *refs) simplify(s *schemaNode, above []*schemaNode) *schemaNode {
	for {
		s = s.unify()
		parts := s.subs("allOf")
		if len(parts) == 1 && parts[0].schema.text("$ref") != "" && !s.without("allOf", "type").shaped() {
			s = s.without("allOf").with(keyword{name: "$ref", value: parts[0].schema.plainOf("$ref")}) // the way to describe a reference in older drafts
			parts = nil
		}
		if len(parts) == 0 || s.text("$ref") != "" {
			return s.orNull()
		}
		s = r.flatten(s, above)
	}
}

// unify has a schema's alternatives in anyOf, when there are several; a single one is a part of the schema like those in allOf.
func (s *schemaNode) unify() *schemaNode {
	if slices.ContainsFunc(s.keywords, func(k keyword) bool { return slices.Contains(references, k.name) }) {
		s = s.without(references...)
	}
	i := s.index("oneOf")
	if i >= 0 {
		one := s.keywords[i]
		s = s.without("oneOf")
		if s.index("anyOf") >= 0 {
			s.hinted(named(one.hint())...)
		} else {
			one.name = "anyOf"
			s.keywords = append(s.keywords, one)
		}
	}
	if i = s.index("anyOf"); i < 0 {
		return s
	}
	options := make([]subschema, 0, len(s.keywords[i].subs))
	for _, option := range s.keywords[i].subs {
		switch {
		case option.impossible():
		case option.schema.plain == nil:
			options = append(options, option)
		default:
			options = append(options, subschema{schema: new(schemaNode)})
		}
	}
	switch len(options) {
	case 0:
		return s.without("anyOf")
	case 1:
		parts := append(slices.Clip(s.subs("allOf")), options[0])
		return s.without("anyOf").with(keyword{name: "allOf", kind: schemaList, subs: parts})
	default:
		return s.with(keyword{name: "anyOf", kind: schemaList, subs: options})
	}
}

// references are keywords that there are for references only.
var references = append([]string{"$id", "$anchor", "components"}, definitions...)

// orNull allows null in JSON Schema's ways where OpenAPI's does.
func (s *schemaNode) orNull() *schemaNode {
	allowed := s.plainOf("nullable")
	if allowed == nil {
		return s
	}
	s = s.without("nullable")
	if allowed.Kind() != 't' {
		return s
	}
	null := subschema{schema: &schemaNode{keywords: []keyword{{name: "type", value: jsontext.Value(`"null"`)}}}}
	options := s.subs("anyOf")
	types := s.types()
	if types == 0 {
		types = s.guessed()
	}
	switch ref := s.text("$ref"); {
	case ref != "":
		one := subschema{schema: &schemaNode{keywords: []keyword{{name: "$ref", value: s.plainOf("$ref")}}}}
		s = s.without("$ref").with(keyword{name: "anyOf", kind: schemaList, subs: []subschema{one, null}})
	case len(options) > 0 && !slices.ContainsFunc(options, subschema.isNull):
		s = s.with(keyword{name: "anyOf", kind: schemaList, subs: append(slices.Clip(options), null)})
	case len(options) > 0:
	case types != 0:
		s = s.with(keyword{name: "type", value: typeList(types | isNull)})
	case s.index("enum") >= 0:
		s = s.with(keyword{name: "enum", value: array(append(s.list("enum"), jsontext.Value("null")))})
	}
	return s
}

// isNull reports whether a schema takes nothing but null.
func (s subschema) isNull() bool { return s.schema.types() == isNull }

// choose brings what stands beside alternatives into them, or, when one of two is null, the other out of them.
func (r *refs) choose(s *schemaNode, options []subschema, above []*schemaNode) *schemaNode {
	own := s.without("anyOf")
	for _, option := range options {
		own.size -= option.schema.size
	}
	if !slices.ContainsFunc(options, func(o subschema) bool { return o.schema.index("type") < 0 && o.schema.text("$ref") == "" }) {
		own = own.without("type") // each of them has its own
	}
	others := slices.DeleteFunc(slices.Clone(options), subschema.isNull)
	switch {
	case len(others) == 0:
		return own.with(keyword{name: "type", value: jsontext.Value(`"null"`)})
	case len(others) == 1 && !others[0].schema.refers():
		part := keyword{name: "allOf", kind: schemaList, subs: others}
		return own.with(part).with(keyword{name: "nullable", value: jsontext.Value("true")})
	case !own.shaped():
		return alone(own, options)
	case !slices.ContainsFunc(others, func(o subschema) bool { return !own.conditional(o.schema) }), !r.spend(max(own.size, 0) * len(others)):
		k := s.keywords[s.index("anyOf")]
		own.hinted(named(k.hint())...)
		return own
	}
	return r.distribute(own, options, above)
}

// distribute is alternatives each of which has what stands beside them, but for what is said about them all.
func (r *refs) distribute(own *schemaNode, options []subschema, above []*schemaNode) *schemaNode {
	shared := own.without(annotations...)
	list := make([]subschema, len(options))
	for i, option := range options {
		if list[i] = option; !option.isNull() {
			whole := keyword{name: "allOf", kind: schemaList, subs: []subschema{option}}
			one := r.flatten(&schemaNode{keywords: []keyword{whole}, holds: own.holds}, above)
			if list[i].schema = one; one.text("$ref") == "" {
				list[i].schema = merge(one, shared)
			}
		}
	}
	said := slices.DeleteFunc(slices.Clone(own.keywords), func(k keyword) bool { return !slices.Contains(annotations, k.name) })
	return &schemaNode{size: own.size, holds: own.holds, keywords: append(said, keyword{name: "anyOf", kind: schemaList, subs: list})}
}

// annotations are keywords that say something about a value without restricting it.
var annotations = []string{"title", "description", "default"}

// alone is alternatives with what their schema says beside them: in the description of the first.
func alone(own *schemaNode, options []subschema) *schemaNode {
	options = slices.Clone(options)
	first := max(slices.IndexFunc(options, func(o subschema) bool { return !o.isNull() }), 0)
	one := options[first].schema.with(keyword{name: "description", value: appendQuote(nil, introduced(own.text("description"), options[first].schema.text("description")))})
	var hints []string
	for _, k := range own.keywords {
		if rule := keywords[k.name]; rule.fate != isRewritten && k.name != "title" && k.name != "description" {
			hints = append(hints, k.hint())
		}
	}
	if one.hinted(named(hints...)...); one.text("description") == "" {
		one.remove("description")
	}
	options[first].schema = one
	return &schemaNode{size: own.size, holds: own.holds, keywords: []keyword{{name: "anyOf", kind: schemaList, subs: options}}}
}

// refers reports whether a schema is a reference.
func (s *schemaNode) refers() bool {
	parts := s.subs("allOf")
	return s.text("$ref") != "" || len(parts) == 1 && parts[0].schema.text("$ref") != "" && !s.without("allOf", "type").shaped()
}

// conditional reports whether a schema beside this one says nothing new of what a value is made of, but what has to go together.
func (s *schemaNode) conditional(option *schemaNode) bool {
	return !slices.ContainsFunc(option.keywords, func(k keyword) bool {
		return slices.Contains(shapes, k.name) && (k.name != "type" || string(k.value) != string(s.plainOf("type")))
	})
}
