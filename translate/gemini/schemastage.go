package gemini

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// fields are a schema, as the schemaCleaner wrote it, at a stage: for the field that takes JSON Schema, or for the older one. It is that
// of a function's parameters or of an answer. Both are nil when nothing is left to say.
func (stage SchemaStage) fields(schema jsontext.Value, parameters bool) (free, proto jsontext.Value) {
	if stage == SchemaFull || schema == nil {
		return schema, nil
	}
	node, err := parseSchema(schema)
	if err != nil {
		return nil, nil // the cleaner has read it before, so there is none
	}
	node = lighten(node)
	if stage == SchemaLite {
		return node.appendTo(nil), nil
	}
	return nil, protoDialect(node, parameters)
}

// maxEnum is the length of the enumerations that SchemaLite keeps.
const maxEnum = 50

// bounds are keywords that multiply the states of Google's decoder, in the order in which descriptions mention them.
var bounds = []string{
	"minimum", "maximum", "multipleOf", "minLength", "maxLength", "pattern",
	"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
}

// lighten rewrites a schema for SchemaLite: what it leaves out, descriptions mention.
func lighten(s *schemaNode) *schemaNode {
	if s.plain != nil {
		return s
	}
	light := &schemaNode{size: s.size, keywords: make([]keyword, 0, len(s.keywords))}
	var hints []string
	for _, k := range s.keywords {
		switch {
		case slices.Contains(bounds, k.name):
			if k.value.Kind() != 'f' && k.kind == plainValue {
				hints = append(hints, k.name+": "+plainText(k.value))
			}
			continue
		case k.name == "enum":
			if values := elements(k.value); len(values) > maxEnum {
				hints = append(hints, oneOf(values))
				continue
			}
		}
		subs := make([]subschema, len(k.subs))
		for i, sub := range k.subs {
			subs[i] = subschema{sub.name, lighten(sub.schema)}
		}
		k.subs = subs
		light.keywords = append(light.keywords, k)
	}
	light.describe(hints)
	return light
}
