package googlesim

import (
	"fmt"
	"slices"
	"strings"
)

// Messages about schemas of the JSON dialect for which no answer of Google's was seen, so that their wording here is a guess.
const (
	keywordMessage      = "Invalid value of %s in the schema at %s"
	schemaEnumMessage   = "enum values must be numbers or strings that are not empty in the schema at %s"
	schemaNeedsMessage  = "required property '%s' is not defined in the schema at %s"
	schemaCyclesMessage = "the schema refers to itself in a property that is required"
)

// jsonSchema checks a schema of the JSON dialect. Google ignores the keywords it does not know; what it cannot do without is that those it
// knows have values they can have, that references lead somewhere and end, and that the whole is not too large.
func (j *judge) jsonSchema(schema *node, tooDeep string) *apiError {
	if !schema.isObject() {
		return invalid(bareMessage)
	}
	if schema.depth() > 2*maxSchemaDepth+1 { // each subschema is an object inside properties, $defs or a list
		return invalid(tooDeep)
	}
	w := jsonSchemaWalk{judge: j, root: schema}
	if refused := w.subschema(schema, ""); refused != nil {
		return refused
	}
	return w.cycles()
}

type jsonSchemaWalk struct {
	judge *judge
	root  *node
}

// Keywords that hold subschemas: under names, in a list, or one.
var (
	schemaMaps  = []string{"properties", "$defs", "definitions"}
	schemaLists = []string{"anyOf", "oneOf", "allOf", "prefixItems"}
	schemaOnes  = []string{"items", "additionalProperties", "not"}
)

func (w *jsonSchemaWalk) subschema(s *node, path string) *apiError {
	if s == nil {
		return nil
	}
	if !s.isObject() {
		return invalid(fmt.Sprintf(keywordMessage, "a subschema", path))
	}
	if ref := s.get("$ref").str(); ref != "" {
		return w.reference(s, ref, path)
	}
	for _, check := range []func(*node, string) *apiError{w.shapes, w.values} {
		if refused := check(s, path); refused != nil {
			return refused
		}
	}
	if refused := w.judge.countItems(s); refused != nil {
		return refused
	}
	for _, keyword := range schemaMaps {
		for _, p := range s.get(keyword).membersOf() {
			if refused := w.subschema(p.value, join(path, keyword+"."+p.name)); refused != nil {
				return refused
			}
		}
	}
	for _, keyword := range schemaLists {
		for i, option := range s.get(keyword).list() {
			if refused := w.subschema(option, join(path, fmt.Sprintf("%s.%d", keyword, i))); refused != nil {
				return refused
			}
		}
	}
	for _, keyword := range schemaOnes {
		one := s.get(keyword)
		if keyword == "additionalProperties" && one != nil && (one.kind == 't' || one.kind == 'f') {
			continue
		}
		if refused := w.subschema(one, join(path, keyword)); refused != nil {
			return refused
		}
	}
	return nil
}

// shapes checks that keywords which hold others are made as they must be.
func (w *jsonSchemaWalk) shapes(s *node, path string) *apiError {
	for _, keyword := range schemaMaps {
		if v := s.get(keyword); v != nil && !v.isObject() {
			return invalid(fmt.Sprintf(keywordMessage, keyword, path))
		}
	}
	for _, keyword := range append([]string{"enum", "required"}, schemaLists...) {
		if v := s.get(keyword); v != nil && v.kind != '[' {
			return invalid(fmt.Sprintf(keywordMessage, keyword, path))
		}
	}
	for _, keyword := range []string{"description", "title", "format", "pattern"} {
		if v := s.get(keyword); v != nil && !v.isString() {
			return invalid(fmt.Sprintf(keywordMessage, keyword, path))
		}
	}
	return nil
}

// schemaTypes are the types of JSON Schema. Google reads them in any case.
var schemaTypes = []string{"string", "number", "integer", "boolean", "array", "object", "null"}

// values checks types, enums and what is required.
func (w *jsonSchemaWalk) values(s *node, path string) *apiError {
	for _, kind := range s.get("type").list() {
		if !slices.Contains(schemaTypes, strings.ToLower(kind.str())) {
			return invalid(fmt.Sprintf(keywordMessage, "type", path))
		}
	}
	for _, v := range s.get("enum").list() {
		if !v.isNumber() && v.str() == "" {
			return invalid(fmt.Sprintf(schemaEnumMessage, path))
		}
	}
	for _, name := range s.get("required").list() {
		if !s.get("properties").has(name.str()) {
			return invalid(fmt.Sprintf(schemaNeedsMessage, name.str(), path))
		}
	}
	return nil
}

// reference checks a $ref: that it stands alone, and that there is what it refers to.
func (w *jsonSchemaWalk) reference(s *node, ref, path string) *apiError {
	for _, m := range s.members {
		if !strings.HasPrefix(m.name, "$") && m.name != "description" && m.name != "default" {
			name := ref[strings.LastIndexByte(ref, '/')+1:]
			return invalid(fmt.Sprintf("$ref '%s' was set alongside unsupported fields. If a schema node has $ref set, then only description "+
				"and default can be set alongside it", name))
		}
	}
	m := maker{root: w.root}
	if target := m.resolve(s); !strings.HasPrefix(ref, "#") || target == nil || target.has("$ref") { // the last one leads to itself
		return invalid("reference to undefined schema at " + path)
	}
	return nil
}

// cycles refuses a schema that refers to itself other than in properties that need not be there: Google unrolls references a little, and can
// leave out only these.
func (w *jsonSchemaWalk) cycles() *apiError {
	c := cycleCheck{maker: maker{root: w.root}, fine: map[*node]bool{}, starts: []*node{w.root}}
	for len(c.starts) > 0 {
		start := c.starts[0]
		c.starts = c.starts[1:]
		if c.circular(start) {
			return invalid(schemaCyclesMessage)
		}
	}
	return nil
}

type cycleCheck struct {
	maker
	fine   map[*node]bool // of the subschemas met: whether nothing is left to see in them
	starts []*node        // subschemas to look at that may be left out where they are
}

func (c *cycleCheck) circular(s *node) bool {
	if s = c.resolve(s); s == nil {
		return false
	}
	if fine, met := c.fine[s]; met {
		return !fine
	}
	c.fine[s] = false
	needed := []*node{s.get("items"), s.get("additionalProperties")}
	for _, keyword := range schemaLists {
		needed = append(needed, s.get(keyword).list()...)
	}
	required := s.get("required").list()
	for _, p := range s.get("properties").membersOf() {
		if slices.ContainsFunc(required, func(name *node) bool { return name.str() == p.name }) {
			needed = append(needed, p.value)
		} else {
			c.starts = append(c.starts, p.value)
		}
	}
	if slices.ContainsFunc(needed, c.circular) {
		return true
	}
	c.fine[s] = true
	return false
}
