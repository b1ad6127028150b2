package gemini

import (
	"math"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// conform is a schema in Google's dialect, but for the schemas in it. What cannot be said in the dialect becomes a hint in the
// description.
func (s *schemaNode) conform(use schemaUse) *schemaNode {
	one := &schemaNode{size: s.size, keywords: slices.Clone(s.keywords)}
	one.prune()
	hints := one.exclude("exclusiveMinimum", "minimum", 1)
	hints = append(hints, one.exclude("exclusiveMaximum", "maximum", -1)...)
	one.tuple()
	hints = append(hints, one.enumerate()...)
	hints = append(hints, one.retype()...)
	kept := one.keywords[:0]
	for _, k := range one.keywords {
		rule := keywords[k.name]
		switch {
		case rule.tells(&k, use):
			if h := k.hint(); h != "" {
				hints = append(hints, h)
			}
		case (rule.fate == isForTools || rule.fate == isKept) && rule.fits(&k), k.name == "propertyOrdering":
			kept = append(kept, k)
		}
	}
	one.keywords = kept
	one.shape()
	one.require()
	one.hinted(hints...)
	return one
}

// prune takes out of a schema the schemas that nothing can obey.
func (s *schemaNode) prune() {
	for i := range s.keywords {
		k := &s.keywords[i]
		if k.kind != oneSchema && slices.ContainsFunc(k.subs, subschema.impossible) {
			k.subs = slices.DeleteFunc(slices.Clone(k.subs), subschema.impossible)
		}
	}
}

// impossible reports whether a schema is false.
func (s subschema) impossible() bool { return s.schema.plain.Kind() == 'f' }

// exclude turns a bound that excludes itself into one that does not, as far as it can: exactly for integers, and for others with a hint.
// In the oldest drafts it is true or false, and says so of the other bound.
func (s *schemaNode) exclude(exclusive, inclusive string, step int) (hints []string) {
	bound := s.plainOf(exclusive)
	if bound == nil {
		return nil
	}
	s.remove(exclusive)
	other := s.plainOf(inclusive)
	switch bound.Kind() {
	case 't':
		bound = other
	case '0':
	default:
		return nil
	}
	n, ok := number(bound)
	if !ok {
		return nil
	}
	if m, ok := number(other); ok && float64(step)*m > float64(step)*n {
		return nil // which is the tighter one
	}
	const exact = 1 << 53 // from here on, not every integer is a float64
	if types := s.types(); !types.has(isInteger) || types.has(isNumber) || math.Abs(n) >= exact {
		s.put(keyword{name: inclusive, value: bound})
		return []string{exclusive + ": " + string(bound)}
	}
	next := math.Floor(n) + 1
	if step < 0 {
		next = math.Ceil(n) - 1
	}
	s.put(keyword{name: inclusive, value: strconv.AppendInt(nil, int64(next), 10)})
	return nil
}

func number(v jsontext.Value) (float64, bool) {
	if v.Kind() != '0' {
		return 0, false
	}
	n, err := strconv.ParseFloat(string(v), 64)
	return n, err == nil
}

// tuple gives the schemas of an array's elements the names they have since the newer drafts.
func (s *schemaNode) tuple() {
	i := s.index("items")
	if i < 0 {
		return
	}
	switch k := &s.keywords[i]; {
	case k.kind == oneSchema && k.subs[0].schema.plain.Kind() == 't':
		s.keywords[i] = keyword{name: "items", kind: oneSchema, subs: []subschema{{schema: new(schemaNode)}}}
	case k.kind == oneSchema && k.subs[0].schema.plain == nil:
	case k.kind == schemaList && len(k.subs) > 0 && s.index("prefixItems") < 0:
		rest := s.subs("additionalItems")
		s.keywords[i].name = "prefixItems"
		if len(rest) == 1 && rest[0].schema.plain == nil {
			s.put(keyword{name: "items", kind: oneSchema, subs: rest})
		}
	default:
		s.remove("items")
	}
}

// enumerate leaves of an enumeration what Google takes: nothing but numbers, or nothing but texts of some length. Null is a type instead,
// and what cannot be enumerated becomes a hint.
func (s *schemaNode) enumerate() (hints []string) {
	i := s.index("enum")
	if i < 0 {
		return nil
	}
	var kinds typeSet
	values := elements(s.keywords[i].value)
	kept := make([]jsontext.Value, 0, len(values))
	other := false
	for _, v := range values {
		switch v.Kind() {
		case 'n':
			kinds |= isNull
		case 't', 'f':
			kinds |= isBoolean
		case '0':
			kinds |= isNumber
			kept = append(kept, v)
		case '"':
			if len(v) > len(`""`) {
				kinds |= isString
				kept = append(kept, v)
			}
		default:
			other = true
		}
	}
	lost := other || kinds.has(isBoolean) || kinds.has(isNumber) && kinds.has(isString)
	switch {
	case lost:
		s.remove("enum")
		hints = []string{oneOf(values)}
	case len(kept) == 0:
		s.remove("enum")
	default:
		s.keywords[i].value = array(kept)
	}
	types := s.types()
	switch {
	case other || kinds == 0:
	case types != 0 && kinds.has(isNull) && !types.has(isNull):
		s.put(keyword{name: "type", value: typeList(types | isNull)})
	case types == 0 && (lost || kinds.has(isNull)):
		s.put(keyword{name: "type", value: typeList(kinds)})
	}
	return hints
}

// retype gives a schema's types the names of the dialect. What is none of them becomes a hint.
func (s *schemaNode) retype() (hints []string) {
	i := s.index("type")
	if i < 0 {
		return nil
	}
	if k := &s.keywords[i]; k.kind == plainValue {
		if _, plain := readTypes(k.value); plain {
			return nil
		}
	}
	if types := s.types(); types != 0 {
		s.keywords[i] = keyword{name: "type", value: typeList(types)}
		return nil
	}
	if h := s.keywords[i].hint(); h != "" {
		hints = []string{h}
	}
	s.remove("type")
	return hints
}

// shape makes a schema's types and the keywords that say what a value is made of go together.
func (s *schemaNode) shape() {
	if s.index("anyOf") >= 0 {
		return
	}
	types := s.types()
	if types == 0 {
		if types = s.guessed(); types != 0 {
			s.keywords = slices.Insert(s.keywords, 0, keyword{name: "type", value: typeList(types)})
		}
	}
	if !types.has(isObject) {
		s.remove("properties", "required", "additionalProperties", "propertyOrdering")
	}
	if !types.has(isArray) {
		s.remove("items", "prefixItems", "minItems", "maxItems")
	} else if s.index("items") < 0 && s.index("prefixItems") < 0 {
		s.put(keyword{name: "items", kind: oneSchema, subs: []subschema{{schema: new(schemaNode)}}})
	}
}

// guessed is the type of a schema that names none, when it has parts.
func (s *schemaNode) guessed() typeSet {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return s.index(name) >= 0 })
	}
	switch {
	case has("properties", "required", "additionalProperties"):
		return isObject
	case has("items", "prefixItems", "minItems", "maxItems"):
		return isArray
	default:
		return 0
	}
}

// require leaves of what is required the properties that there are, each once.
func (s *schemaNode) require() {
	for _, name := range []string{"required", "propertyOrdering"} {
		list := s.list(name)
		if len(list) == 0 {
			if v := s.plainOf(name); v != nil && v.Kind() != '[' {
				s.remove(name)
			}
			continue
		}
		defined := map[string]bool{}
		for _, sub := range s.subs("properties") {
			defined[sub.name] = true
		}
		rest := slices.DeleteFunc(list, func(v jsontext.Value) bool {
			known := v.Kind() == '"' && defined[unquote(v)]
			defined[unquote(v)] = false
			return !known
		})
		if len(rest) == 0 {
			s.remove(name)
		} else {
			s.put(keyword{name: name, value: array(rest)})
		}
	}
}
