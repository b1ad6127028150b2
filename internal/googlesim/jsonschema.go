package googlesim

import (
	"fmt"
	"strings"
)

// jsonSchema checks a schema of the JSON dialect. Google ignores the keywords it does not know; what it cannot do without is that
// references lead somewhere and that the whole is not too large.
func (j *judge) jsonSchema(schema *node, tooDeep string) *apiError {
	if !schema.isObject() {
		return invalid(bareMessage)
	}
	if schema.depth() > 2*maxSchemaDepth+1 { // each subschema is an object inside properties, $defs or a list
		return invalid(tooDeep)
	}
	w := jsonSchemaWalk{root: schema}
	if refused := w.subschema(schema, ""); refused != nil {
		return refused
	}
	if w.maxItems > maxItemsTotal {
		return invalid(bareMessage)
	}
	return nil
}

type jsonSchemaWalk struct {
	root     *node
	maxItems int
}

// Keywords that hold subschemas: under names, in a list, or one.
var (
	schemaMaps  = []string{"properties", "$defs", "definitions"}
	schemaLists = []string{"anyOf", "oneOf", "allOf", "prefixItems"}
	schemaOnes  = []string{"items", "additionalProperties", "not"}
)

func (w *jsonSchemaWalk) subschema(s *node, path string) *apiError {
	if !s.isObject() {
		return nil // true and false are schemas too
	}
	if ref := s.get("$ref").str(); ref != "" {
		return w.reference(s, ref, path)
	}
	w.maxItems += s.get("maxItems").integer()
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
		if refused := w.subschema(s.get(keyword), join(path, keyword)); refused != nil {
			return refused
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
	if strings.HasPrefix(ref, "#/") && m.resolve(s) == nil { // other forms name an $anchor or $id
		return invalid("reference to undefined schema at " + path)
	}
	return nil
}
