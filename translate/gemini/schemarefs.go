package gemini

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// settle rewrites a schema into Google's dialect: with references the way Google follows them, to definitions at the root, with nothing but
// a description beside them, and never in a circle of required properties; with alternatives that stand alone; and with hints of what the
// dialect has no words for. A reference that leads nowhere allows anything. Definitions nobody refers to are left out.
func settle(root *schemaNode, use schemaUse) *schemaNode {
	settled := settleOnce(root, use)
	if use == forParameters && settled.index("anyOf") >= 0 {
		return settleOnce(settled, use) // its alternatives may be objects now
	}
	return settled
}

func settleOnce(root *schemaNode, use schemaUse) *schemaNode {
	if root.plain != nil {
		return root
	}
	r := refs{
		schemaIndex: newSchemaIndex(root, root.size/4+freeCopies), use: use,
		known: map[*schemaNode]int{}, numbers: map[string]int{}, suffix: map[string]int{},
	}
	first := root
	if use == forParameters {
		first = r.object(root.holding(root))
	}
	r.places = []place{{target: first}}
	for r.at = 0; r.at < len(r.places); r.at++ { // settling one may find more
		target := r.places[r.at].target
		settled := r.settle(target.holding(append(slices.Clip(target.holds), target)...), nil, min(r.at, 1))
		r.places[r.at].schema = settled
	}
	leads := make([][]int, len(r.places))
	for i := range r.places {
		leads[i] = r.places[i].leads
	}
	r.circle = circles(leads)
	settled := r.loosened(0)
	if use == forParameters {
		if settled = settled.arguments(); settled == nil {
			return &schemaNode{}
		}
	}
	return r.withDefinitions(settled)
}

// withDefinitions adds to the root the definitions that it refers to, directly or not, in the order of the references.
func (r *refs) withDefinitions(root *schemaNode) *schemaNode {
	defs := keyword{name: "$defs", kind: schemaMap}
	defined := map[int]bool{0: true}
	look := func(s *schemaNode) {
		s.eachReference(func(ref string) {
			if i := r.number(ref); !defined[i] {
				defined[i] = true
				defs.subs = append(defs.subs, subschema{r.places[i].name, r.loosened(i)})
			}
		})
	}
	look(root)
	for i := 0; i < len(defs.subs); i++ {
		look(defs.subs[i].schema)
	}
	if len(defs.subs) == 0 {
		return root
	}
	return root.with(defs)
}

// arguments is the root of a function's parameters as Google wants it: an object, with properties even if there are none. It is nil for
// what is no object.
func (s *schemaNode) arguments() *schemaNode {
	if s.index("anyOf") >= 0 || len(s.keywords) == 0 {
		return s
	}
	if !s.isObject() && (s.types() != 0 || s.index("enum") >= 0) {
		return nil
	}
	whole := &schemaNode{size: s.size, keywords: slices.Clone(s.keywords)}
	whole.remove("type")
	whole.keywords = slices.Insert(whole.keywords, 0, keyword{name: "type", value: jsontext.Value(`"object"`)})
	if whole.index("properties") < 0 {
		whole.put(keyword{name: "properties", kind: schemaMap})
	}
	return whole
}

// refs are the references of one schema.
type refs struct {
	schemaIndex
	use     schemaUse
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

// settle rewrites one schema. Above are the schemas that it is part of, by references too.
func (r *refs) settle(s *schemaNode, above []*schemaNode, depth int) *schemaNode {
	switch {
	case s.plain != nil: // true, or what no schema is
		return new(schemaNode)
	case depth > maxSchemaDepth:
		return tooDeepNode
	}
	s = r.reduce(s, above)
	if ref := s.text("$ref"); ref != "" {
		return r.refer(s, ref)
	}
	above = append(slices.Clip(above), s.holds...)
	s = s.conform(r.use)
	for i := range s.keywords {
		k := &s.keywords[i]
		if k.kind == plainValue || k.name == "additionalProperties" && k.subs[0].schema.plain != nil {
			continue
		}
		subs := make([]subschema, len(k.subs))
		for i, sub := range k.subs {
			subs[i] = subschema{sub.name, r.settle(sub.schema, above, depth+1)}
		}
		k.subs = subs
	}
	return s
}

// tooDeepNode is tooDeep, taken apart.
var tooDeepNode = func() *schemaNode {
	s, err := parseSchema(jsontext.Value(tooDeep))
	if err != nil {
		panic(err)
	}
	return s
}()

// refer is a reference with what may stand beside it.
func (r *refs) refer(s *schemaNode, ref string) *schemaNode {
	settled := new(schemaNode)
	target := r.find(ref)
	if target != nil && target != r.root && r.known[target] == 0 && !r.defined[target] && !r.spend(target.size) {
		target = nil // a copy too many
	}
	var hints []string
	if target != nil {
		to, pointer := 0, "#"
		if target != r.root {
			to = r.place(target, ref)
			pointer = "#/$defs/" + r.places[to].name
		}
		here := &r.places[r.at]
		here.leads = append(here.leads, to)
		settled.keywords = append(settled.keywords, keyword{name: "$ref", value: appendQuote(nil, pointer)})
	} else {
		hints = []string{"$ref: " + ref}
	}
	if target != nil && r.use == forAnswer {
		return settled
	}
	if i := s.index("description"); i >= 0 && s.keywords[i].value.Kind() == '"' {
		settled.keywords = append(settled.keywords, s.keywords[i])
	}
	if i := s.index("default"); i >= 0 && target != nil {
		hints = append(hints, s.keywords[i].hint())
	}
	settled.hinted(named(hints...)...)
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

// loosened is the schema at a place, without a circle that has no way out.
func (r *refs) loosened(place int) *schemaNode {
	p := &r.places[place]
	if !slices.ContainsFunc(p.leads, func(to int) bool { return r.circle[to] == r.circle[place] }) {
		return p.schema
	}
	return r.loosen(p.schema, place, false)
}

// loosen takes out of what is required, in the schema at a place, the properties that lead back to it: Google wants every circle to have
// a way out, by a property that may be missing. Where there is none, because no property has led here, the circle ends at once.
func (r *refs) loosen(s *schemaNode, place int, property bool) *schemaNode {
	if s.plain != nil {
		return s
	}
	if r.leadsBack(s, place) && s.index("$ref") >= 0 {
		if property {
			return s
		}
		end := s.without("$ref")
		end.hinted("like " + s.text("$ref"))
		return end
	}
	loose := &schemaNode{size: s.size, keywords: slices.Clone(s.keywords)}
	circular := map[string]bool{}
	for i, k := range s.keywords {
		subs := make([]subschema, len(k.subs))
		for j, sub := range k.subs {
			subs[j] = subschema{sub.name, r.loosen(sub.schema, place, property || k.name == "properties")}
			if k.name == "properties" && r.leadsBack(sub.schema, place) {
				circular[sub.name] = true
			}
		}
		loose.keywords[i].subs = subs
	}
	if i := loose.index("required"); i >= 0 && len(circular) > 0 {
		rest := slices.DeleteFunc(loose.required(), func(name string) bool { return circular[name] })
		if loose.keywords[i].value = quotedList(rest); len(rest) == 0 {
			loose.remove("required")
		}
	}
	return loose
}

// leadsBack reports whether a schema leads back to a place, or may do so by what is not a property in it.
func (r *refs) leadsBack(s *schemaNode, place int) bool {
	if ref := s.text("$ref"); ref != "" {
		return r.circle[r.number(ref)] == r.circle[place]
	}
	return slices.ContainsFunc(s.keywords, func(k keyword) bool {
		return k.name != "properties" && slices.ContainsFunc(k.subs, func(sub subschema) bool { return r.leadsBack(sub.schema, place) })
	})
}

// number is the place a settled reference leads to.
func (r *refs) number(ref string) int {
	name, defined := strings.CutPrefix(ref, "#/$defs/")
	if !defined {
		return 0
	}
	return r.numbers[name]
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
