package googlesim

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxInstanceDepth is where optional parts of a recursive schema are left out.
const maxInstanceDepth = 6

// instance makes a value that satisfies a schema of either dialect, with subject as its free text.
func instance(schema *node, subject string) jsontext.Value {
	m := maker{root: schema, subject: subject}
	return m.make(schema, 0).value()
}

// arguments makes a function's arguments.
func arguments(schema *node, subject string) jsontext.Value {
	if schema == nil {
		return jsontext.Value("{}")
	}
	return instance(schema, subject)
}

// takesText reports whether a function has a parameter to put a place into.
func takesText(schema *node) bool {
	m := maker{root: schema}
	for _, p := range m.resolve(schema).get("properties").membersOf() {
		if v := m.resolve(p.value); m.kind(v) == "string" && !v.has("enum") {
			return true
		}
	}
	return false
}

type maker struct {
	root    *node
	subject string
	used    bool // the subject stands in the value already
}

func (n *node) membersOf() []member {
	if n == nil {
		return nil
	}
	return n.members
}

// resolve follows $ref within the schema; a reference that leads nowhere allows anything.
func (m *maker) resolve(schema *node) *node {
	for range 16 {
		ref := schema.get("$ref").str()
		if ref == "" {
			return schema
		}
		target := m.root
		for step := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(ref, "#"), "/"), "/") {
			if step == "" {
				continue
			}
			step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
			target = target.get(step)
		}
		schema = target
	}
	return schema
}

// kind is the schema's type: its own, the first of several that is not null, or what its keywords suggest.
func (m *maker) kind(schema *node) string {
	for _, t := range schema.get("type").list() {
		if kind := strings.ToLower(t.str()); kind != "null" && kind != "type_unspecified" {
			return kind
		}
	}
	switch {
	case schema.has("properties"):
		return "object"
	case schema.has("items") || schema.has("prefixItems"):
		return "array"
	case schema.has("type"):
		return "null"
	default:
		return "string"
	}
}

func (m *maker) make(schema *node, depth int) *node {
	schema = m.resolve(schema)
	if depth > maxDepth/2 { // requires itself: there is no such value
		return &node{kind: 'n'}
	}
	if values := schema.get("enum").list(); len(values) > 0 {
		return m.enumValue(schema, values[0])
	}
	if c := schema.get("const"); c != nil {
		return c
	}
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		if options := schema.get(key).list(); len(options) > 0 && !schema.has("properties") {
			return m.make(options[0], depth)
		}
	}
	switch m.kind(schema) {
	case "object":
		return m.object(schema, depth)
	case "array":
		return m.array(schema, depth)
	case "integer", "number":
		return m.number(schema)
	case "boolean":
		return &node{kind: 't'}
	case "null":
		return &node{kind: 'n'}
	default:
		return m.string(schema)
	}
}

// enumValue turns the legacy dialect's enums, which are all strings, into the type they stand for.
func (m *maker) enumValue(schema, first *node) *node {
	if kind := m.kind(schema); first.isString() && (kind == "integer" || kind == "number") {
		return &node{kind: '0', text: first.text}
	}
	return first
}

func (m *maker) object(schema *node, depth int) *node {
	required := schema.get("required").list()
	value := &node{kind: '{'}
	for i, p := range schema.get("properties").membersOf() {
		needed := slices.ContainsFunc(required, func(r *node) bool { return r.str() == p.name })
		if needed || len(required) == 0 && i == 0 && depth < maxInstanceDepth {
			value.members = append(value.members, member{p.name, m.make(p.value, depth+1)})
		}
	}
	return value
}

func (m *maker) array(schema *node, depth int) *node {
	value := &node{kind: '['}
	for _, item := range schema.get("prefixItems").list() {
		value.items = append(value.items, m.make(item, depth+1))
	}
	least := schema.get("minItems").integer()
	if !schema.has("minItems") && !schema.has("prefixItems") && depth < maxInstanceDepth {
		least = 1
	}
	if most := schema.get("maxItems"); most != nil {
		least = min(least, most.integer())
	}
	for len(value.items) < least {
		value.items = append(value.items, m.make(schema.get("items"), depth+1))
	}
	return value
}

func (m *maker) number(schema *node) *node {
	value := 1.0
	if least, ok := schema.get("minimum").number(); ok {
		value = max(value, least)
	}
	if above, ok := schema.get("exclusiveMinimum").number(); ok {
		value = max(value, math.Floor(above)+1)
	}
	if most, ok := schema.get("maximum").number(); ok {
		value = min(value, most)
	}
	if m.kind(schema) == "integer" {
		value = math.Ceil(value)
	}
	return &node{kind: '0', text: strconv.FormatFloat(value, 'f', -1, 64)}
}

// formats are examples of the formats a string may be told to have.
var formats = map[string]string{
	"date-time": "2026-01-02T03:04:05Z", "date": "2026-01-02", "time": "03:04:05Z", "duration": "PT1H", "email": "someone@example.com",
	"uri": "https://example.com/", "uuid": "00000000-0000-4000-8000-000000000000", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1",
	"hostname": "example.com", "byte": base64.StdEncoding.EncodeToString([]byte("example")),
}

func (m *maker) string(schema *node) *node {
	text, known := formats[schema.get("format").str()]
	if !known {
		text = "example"
		if !m.used {
			text, m.used = m.subject, true
		}
		for len(text) < schema.get("minLength").integer() {
			text += "."
		}
		if most := schema.get("maxLength"); most != nil && len(text) > most.integer() {
			text = strings.ToValidUTF8(text[:most.integer()], "")
		}
	}
	return &node{kind: '"', text: text}
}
