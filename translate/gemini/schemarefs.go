package gemini

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// settle rewrites the references in a schema the way Google follows them: to definitions at the root, with nothing but a description and a
// default beside them, and never in a circle of required properties. What allOf says becomes the schema's own, and a reference that leads
// nowhere allows anything. Definitions nobody refers to are left out. Of enumerations it leaves what Google can enumerate.
func settle(root *schemaNode) *schemaNode {
	r := refs{schemaIndex: newSchemaIndex(root), known: map[*schemaNode]int{}, numbers: map[string]int{}, suffix: map[string]int{}}
	r.places = []place{{target: root}}
	for r.at = 0; r.at < len(r.places); r.at++ { // settling one may find more
		settled := r.settle(r.places[r.at].target, []*schemaNode{r.places[r.at].target})
		r.places[r.at].schema = settled
	}
	leads := make([][]int, len(r.places))
	for i := range r.places {
		leads[i] = r.places[i].leads
	}
	r.circle = circles(leads)
	settled := r.loosen(r.places[0].schema, 0)
	if len(r.places) == 1 {
		return settled
	}
	defs := keyword{name: "$defs", kind: schemaMap}
	for i, p := range r.places[1:] {
		defs.subs = append(defs.subs, subschema{p.name, r.loosen(p.schema, i+1)})
	}
	return settled.with(defs)
}

// refs are the references of one schema.
type refs struct {
	schemaIndex
	places  []place             // the root, and then the definitions in the order in which they are referred to
	at      int                 // the place being settled
	known   map[*schemaNode]int // the place of each target
	numbers map[string]int      // the place of each name
	suffix  map[string]int      // how many places there are of a name
	circle  []int               // see circles
}

// place is a schema that is referred to, or the root.
type place struct {
	name   string
	target *schemaNode // as it was
	schema *schemaNode // as it is settled
	leads  []int       // places it refers to
}

// settle rewrites one schema. Open are the schemas that allOf has led through.
func (r *refs) settle(s *schemaNode, open []*schemaNode) *schemaNode {
	if s.plain != nil {
		return s
	}
	if only := s.subs("allOf"); len(only) == 1 && only[0].schema.text("$ref") != "" && !s.without("allOf").shaped() {
		s = s.without("allOf").with(keyword{name: "$ref", value: only[0].schema.plainOf("$ref")}) // the way to describe a reference in older drafts
	}
	if ref := s.text("$ref"); ref != "" {
		return r.refer(s, ref)
	}
	s = r.flatten(s, open)
	settled := &schemaNode{size: s.size, keywords: make([]keyword, 0, len(s.keywords))}
	for _, k := range s.keywords {
		if k.name == "$defs" || k.name == "definitions" || k.name == "$ref" {
			continue
		}
		subs := make([]subschema, len(k.subs))
		for i, sub := range k.subs {
			subs[i] = subschema{sub.name, r.settle(sub.schema, open)}
		}
		k.subs = subs
		settled.keywords = append(settled.keywords, k)
	}
	settled.enumerate()
	return settled
}

// refer is a reference with what may stand beside it.
func (r *refs) refer(s *schemaNode, ref string) *schemaNode {
	settled := new(schemaNode)
	if target := r.find(ref); target != nil {
		to, pointer := 0, "#"
		if target != r.root {
			to = r.place(target, ref)
			pointer = "#/$defs/" + r.places[to].name
		}
		here := &r.places[r.at]
		here.leads = append(here.leads, to)
		settled.keywords = append(settled.keywords, keyword{name: "$ref", value: appendQuote(nil, pointer)})
	}
	for _, k := range s.keywords {
		if k.name == "description" || k.name == "default" {
			settled.keywords = append(settled.keywords, k)
		}
	}
	return settled
}

// place makes a target a definition of the root's, under the name it has, or one like it that no other has.
func (r *refs) place(target *schemaNode, ref string) int {
	if i, known := r.known[target]; known {
		return i
	}
	name := plainName(ref[strings.LastIndexAny(ref, "/#")+1:])
	for first := name; r.numbers[name] != 0; {
		r.suffix[first]++
		name = first + "_" + strconv.Itoa(r.suffix[first]+1)
	}
	i := len(r.places)
	r.known[target], r.numbers[name] = i, i
	r.places = append(r.places, place{name: name, target: target})
	return i
}

// plainName is a name that needs no escaping in a reference.
func plainName(name string) string {
	if name == "" {
		return "_"
	}
	plain := []byte(name)
	for i, c := range plain {
		if !nameChar(c) {
			plain[i] = '_'
		}
	}
	return string(plain)
}

// loosen takes out of what is required, in the schema at a place, the properties that lead back to it: Google wants every circle to have
// a way out.
func (r *refs) loosen(s *schemaNode, place int) *schemaNode {
	if s.plain != nil {
		return s
	}
	loose := &schemaNode{size: s.size, keywords: make([]keyword, len(s.keywords))}
	circular := map[string]bool{}
	for i, k := range s.keywords {
		subs := make([]subschema, len(k.subs))
		for j, sub := range k.subs {
			subs[j] = subschema{sub.name, r.loosen(sub.schema, place)}
			if ref := sub.schema.text("$ref"); k.name == "properties" && ref != "" && r.circle[r.number(ref)] == r.circle[place] {
				circular[sub.name] = true
			}
		}
		k.subs = subs
		loose.keywords[i] = k
	}
	if i := loose.index("required"); i >= 0 && len(circular) > 0 {
		loose.keywords[i].value = without(loose.keywords[i].value, circular)
	}
	return loose
}

// number is the place a settled reference leads to.
func (r *refs) number(ref string) int {
	name, defined := strings.CutPrefix(ref, "#/$defs/")
	if !defined {
		return 0
	}
	return r.numbers[name]
}

// without is a JSON array of strings without some of them.
func without(list jsontext.Value, names map[string]bool) jsontext.Value {
	return array(slices.DeleteFunc(elements(list), func(v jsontext.Value) bool { return names[unquote(v)] }))
}

// circles numbers the circles that references make: places in one circle, and no others, have the same number. It is Tarjan's algorithm
// for strongly connected components.
func circles(leads [][]int) []int {
	var (
		circle = make([]int, len(leads))
		seen   = make([]int, len(leads)) // when a place was found, from 1
		low    = make([]int, len(leads)) // the earliest found that it leads back to
		stack  []int
		found  int
		done   int
		visit  func(at int)
	)
	visit = func(at int) {
		found++
		seen[at], low[at] = found, found
		stack = append(stack, at)
		for _, to := range leads[at] {
			if seen[to] == 0 {
				visit(to)
				low[at] = min(low[at], low[to])
			} else if circle[to] == 0 {
				low[at] = min(low[at], seen[to])
			}
		}
		if low[at] != seen[at] {
			return
		}
		for done++; circle[at] == 0; stack = stack[:len(stack)-1] {
			circle[stack[len(stack)-1]] = done
		}
	}
	for at := range leads {
		if seen[at] == 0 {
			visit(at)
		}
	}
	return circle
}
