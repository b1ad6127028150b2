package gemini

import (
	"cmp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// object is the root of a function's parameters as one schema of an object, without a reference, and with the properties of all of its
// alternatives when each of them is an object. What cannot be said that way stays as it is.
func (r *refs) object(s *schemaNode) *schemaNode {
	s = r.simplify(s, nil)
	if s.text("$ref") != "" {
		target, _ := r.resolve(s, nil)
		said := &schemaNode{}
		if i := s.index("description"); i >= 0 {
			said.keywords = []keyword{s.keywords[i]}
		}
		if target == nil {
			return said
		}
		return r.object(merge(said, target))
	}
	options := s.subs("anyOf")
	if len(options) == 0 {
		return s
	}
	own := s.without("anyOf")
	var kinds []*schemaNode
	for _, option := range options {
		if option.isNull() {
			continue
		}
		one := r.object(option.schema.holding(s.holds...))
		if !one.isObject() && (one.shaped() || !own.isObject()) {
			return s
		}
		kinds = append(kinds, one)
	}
	if len(kinds) == 0 {
		return own
	}
	return join(own, kinds)
}

// isObject reports whether a schema takes objects and nothing else but null.
func (s *schemaNode) isObject() bool {
	if s.text("$ref") != "" || s.index("anyOf") >= 0 {
		return false
	}
	types := s.types()
	if types == 0 {
		types = s.guessed()
	}
	return types&^isNull == isObject
}

// join is a schema of an object which may be of several kinds, as one that has the properties of all of them, and requires what all of
// them do. A hint says what else goes together.
func join(own *schemaNode, kinds []*schemaNode) *schemaNode {
	properties := slices.Clip(own.subs("properties"))
	variants := map[string][]*schemaNode{}
	for _, sub := range properties {
		variants[sub.name] = nil // which counts for all kinds
	}
	wanted := map[string]int{}
	size := own.size
	var order []string
	for _, one := range kinds {
		size += one.size
		for _, sub := range one.subs("properties") {
			list, known := variants[sub.name]
			if known && list == nil {
				continue
			}
			if !known {
				order = append(order, sub.name)
			}
			variants[sub.name] = append(list, sub.schema)
		}
		for _, name := range one.required() {
			wanted[name]++
		}
	}
	for _, name := range order {
		properties = append(properties, subschema{name, variant(variants[name])})
	}
	required := own.required()
	for _, name := range kinds[0].required() {
		if wanted[name] == len(kinds) && !slices.Contains(required, name) {
			required = append(required, name)
		}
	}
	whole := own.with(keyword{name: "type", value: jsontext.Value(`"object"`)}).
		with(keyword{name: "properties", kind: schemaMap, subs: properties})
	if len(required) > 0 {
		whole.put(keyword{name: "required", value: quotedList(required)})
	}
	whole.hinted(named(together(kinds, required))...)
	whole.size = size
	for _, one := range kinds {
		for _, held := range one.holds {
			if len(whole.holds) < maxOpen/2 && !slices.Contains(whole.holds, held) {
				whole.holds = append(slices.Clip(whole.holds), held)
			}
		}
	}
	return whole
}

// together mentions what some kinds of an object require and others do not; empty when there is nothing like that.
func together(kinds []*schemaNode, required []string) string {
	known := map[string]bool{}
	for _, name := range required {
		known[name] = true
	}
	groups, some := make([]string, len(kinds)), false
	for i, one := range kinds {
		names := slices.DeleteFunc(one.required(), func(name string) bool { return known[name] })
		groups[i] = cmp.Or(strings.Join(names, ", "), "nothing")
		some = some || len(names) > 0
	}
	if !some {
		return ""
	}
	return "required: " + strings.Join(groups, " | ")
}

// required are the names of the properties that must be there, each once.
func (s *schemaNode) required() (names []string) {
	seen := map[string]bool{}
	for _, v := range s.list("required") {
		if name := unquote(v); v.Kind() == '"' && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// variant is a schema of what may be of several kinds.
func variant(list []*schemaNode) *schemaNode {
	seen := map[string]bool{}
	var kinds []subschema
	var values []jsontext.Value
	enumerated := true
	for _, one := range list {
		if text := string(one.appendTo(nil)); !seen[text] {
			seen[text] = true
			kinds = append(kinds, subschema{schema: one})
		}
		enum := one.list("enum")
		enumerated = enumerated && len(enum) > 0 && string(one.plainOf("type")) == string(list[0].plainOf("type"))
		for _, v := range enum {
			if text := string(v); !seen[text] {
				seen[text] = true
				values = append(values, v)
			}
		}
	}
	switch {
	case len(kinds) == 1:
		return list[0]
	case enumerated:
		return list[0].with(keyword{name: "enum", value: array(values)})
	default:
		return &schemaNode{size: len(seen), keywords: []keyword{{name: "anyOf", kind: schemaList, subs: kinds}}}
	}
}
