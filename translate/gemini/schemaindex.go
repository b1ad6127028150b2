package gemini

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds that no schema reaches but one that was made to be a burden.
const (
	freeCopies  = 32 << 10 // bytes that copies for references and alternatives may add to a schema, besides a part of its length
	maxMerged   = 64       // what may be read to merge the parts of allOf, as a multiple of its length
	maxOpen     = 64       // references that lead from one to the next
	maxPointers = 256      // references to what is no definition
)

// schemaIndex finds what the references in a schema lead to, and says how much of it may still be copied.
type schemaIndex struct {
	root     *schemaNode
	budget   int                    // bytes that may be copied
	work     int                    // bytes that may be merged
	pointers int                    // references followed that were to no definition
	named    map[string]*schemaNode // definitions, anchors and ids by name, wherever they stand
	defined  map[*schemaNode]bool   // the definitions
}

// newSchemaIndex is the index of a schema, of which so many bytes may be copied.
func newSchemaIndex(root *schemaNode, copies int) schemaIndex {
	x := schemaIndex{root: root, budget: copies, work: maxMerged * root.size, named: map[string]*schemaNode{}, defined: map[*schemaNode]bool{}}
	x.define(root)
	return x
}

// spend takes from what may be copied.
func (x *schemaIndex) spend(n int) bool {
	if n > x.budget {
		return false
	}
	x.budget -= n
	return true
}

// definitions are keywords that hold schemas for references, and nothing else.
var definitions = []string{"$defs", "definitions", "schemas"}

// find is what a reference leads to within the schema; nil when it leads elsewhere, or nowhere. A definition is found by its name even
// where the schema it was written for has become part of another one.
func (x *schemaIndex) find(ref string) *schemaNode {
	pointer, local := strings.CutPrefix(ref, "#")
	if !local {
		return x.named[ref] // by its $id
	}
	if unescaped, err := url.PathUnescape(pointer); err == nil {
		pointer = unescaped
	}
	path, isPointer := strings.CutPrefix(pointer, "/")
	if path == "" {
		return x.root
	}
	if found := x.definition(path); found != nil {
		return found
	}
	steps := strings.Split(path, "/")
	for i := range steps {
		steps[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(steps[i])
	}
	if x.pointers++; isPointer && x.pointers <= maxPointers {
		if found := x.root.follow(steps); found != nil {
			return found
		}
	}
	return x.named[steps[len(steps)-1]]
}

// definition is the one at a path that is one's usual place, without much ado; nil when there is none.
func (x *schemaIndex) definition(path string) *schemaNode {
	place, name, _ := strings.Cut(path, "/")
	if !slices.Contains(definitions, place) || strings.ContainsAny(name, "/~") {
		return nil
	}
	return x.named[name]
}

// follow is the schema at the end of a JSON pointer; nil when there is none.
func (s *schemaNode) follow(steps []string) *schemaNode {
	for len(steps) > 0 {
		i := s.index(steps[0])
		if i < 0 {
			return nil
		}
		k := &s.keywords[i]
		steps = steps[1:]
		if k.kind == oneSchema {
			s = k.subs[0].schema
			continue
		}
		if len(steps) == 0 {
			return nil
		}
		at := slices.IndexFunc(k.subs, func(sub subschema) bool { return k.kind == schemaMap && sub.name == steps[0] })
		if n, err := strconv.Atoi(steps[0]); k.kind == schemaList && err == nil && n >= 0 && n < len(k.subs) {
			at = n
		}
		if at < 0 {
			return nil
		}
		s, steps = k.subs[at].schema, steps[1:]
	}
	return s
}

// define notes the definitions and anchors in a schema; the outermost of a name counts.
func (x *schemaIndex) define(s *schemaNode) {
	note := func(name string, s *schemaNode) {
		if x.named[name] == nil && name != "" {
			x.named[name] = s
		}
	}
	note(s.text("$anchor"), s)
	note(s.text("$id"), s)
	for _, name := range definitions {
		for _, sub := range s.subs(name) {
			note(sub.name, sub.schema)
			x.defined[sub.schema] = true
		}
	}
	for i := range s.keywords {
		for _, sub := range s.keywords[i].subs {
			x.define(sub.schema)
		}
	}
}

// flatten is a schema with what its allOf says as its own. Above are the schemas that it is part of, by references too. What leads back to
// one of them cannot become part of it, and is referred to instead of everything else.
func (x *schemaIndex) flatten(s *schemaNode, above []*schemaNode) *schemaNode {
	parts := s.subs("allOf")
	if len(parts) == 0 {
		return s
	}
	s = s.without("allOf")
	for _, part := range parts {
		one, back := x.resolve(part.schema.holding(s.holds...), above)
		if one != nil {
			if x.work -= s.size + one.size; x.work <= 0 {
				continue
			}
			one = x.flatten(one, above)
			back = one.plainOf("$ref")
		}
		if back != nil {
			return s.with(keyword{name: "$ref", value: back})
		}
		if one != nil {
			s = merge(s, one)
		}
	}
	return s
}

// resolve is what a reference leads to, by however many others, or the schema itself when it is none. It is nil when the reference leads
// nowhere, too far, or to what the schema holds already; and when it leads back to one of the schemas above, in which case that reference
// is given.
func (x *schemaIndex) resolve(s *schemaNode, above []*schemaNode) (found *schemaNode, back jsontext.Value) {
	for ref := s.plainOf("$ref"); unquote(ref) != ""; ref = s.plainOf("$ref") {
		target := x.find(unquote(ref))
		switch {
		case target == nil || slices.Contains(s.holds, target) || len(s.holds)+len(above) >= maxOpen:
			return nil, nil
		case slices.Contains(above, target):
			return nil, ref
		case !x.spend(target.size):
			return nil, nil
		}
		s = target.holding(append(slices.Clip(s.holds), target)...)
	}
	return s, nil
}

// holding is the schema as part of which others are.
func (s *schemaNode) holding(others ...*schemaNode) *schemaNode {
	one := *s
	one.holds = others
	return &one
}
