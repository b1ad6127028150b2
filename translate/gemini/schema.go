package gemini

import (
	"bytes"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxSchemaDepth bounds the nesting of schemas; Google's limit is about this. What lies deeper may be any object.
const maxSchemaDepth = 32

// maxItemsTotal bounds the sum of all maxItems of a request. Google's limit is not documented; from 960 on, requests have been refused.
const maxItemsTotal = 900

// position says what a value of a JSON Schema is. Only schemas are rewritten: a property may be called const or $schema, and an
// example or a default may look like anything.
type position uint8

const (
	plainValue position = iota // copied as it is
	oneSchema                  // a schema, where true and false are ones too
	schemaList                 // an array of schemas, or one schema
	schemaMap                  // an object whose members are schemas
)

// keywords says what the values of JSON Schema's keywords are; those left out are plain values.
var keywords = map[string]position{
	"properties": schemaMap, "patternProperties": schemaMap, "$defs": schemaMap, "definitions": schemaMap, "dependentSchemas": schemaMap,

	"anyOf": schemaList, "oneOf": schemaList, "allOf": schemaList, "prefixItems": schemaList, "items": schemaList,

	"additionalProperties": oneSchema, "additionalItems": oneSchema, "unevaluatedItems": oneSchema, "unevaluatedProperties": oneSchema,
	"contains": oneSchema, "propertyNames": oneSchema, "not": oneSchema, "if": oneSchema, "then": oneSchema, "else": oneSchema,
}

// meaningless are keywords that say nothing to a model, or belong to other vendors' dialects.
var meaningless = map[string]bool{
	"$schema": true, "$comment": true, "examples": true, "deprecated": true, "readOnly": true, "writeOnly": true,
	"contentEncoding": true, "contentMediaType": true, "enumDescriptions": true,
	"strict": true, "defer_loading": true, "cache_control": true, "eager_input_streaming": true, "encrypted": true,
}

// schemaCleaner rewrites JSON Schemas into the dialect of Google's …JsonSchema fields, which ignore most of what they do not
// know. It is deterministic, keeps the order of members, and leaves its input alone. The zero schemaCleaner is ready; its results
// share memory.
type schemaCleaner struct {
	dec jsontext.Decoder
	out []byte
	// unsettled is set when the schema at hand holds what cannot be rewritten while it is copied: see settle.
	unsettled bool
	items     int // the sum of all maxItems of the schemas so far
}

// parameters is the schema to declare a function's arguments with; nil when the client's says nothing, or is no schema of an object's.
func (c *schemaCleaner) parameters(schema jsontext.Value) (jsontext.Value, error) {
	if schema.Kind() != '{' {
		return nil, nil
	}
	clean, err := c.clean(schema)
	if err != nil || len(clean) == len("{}") {
		return nil, err
	}
	return clean, nil
}

// clean rewrites one schema. The error is one of syntax.
func (c *schemaCleaner) clean(schema jsontext.Value) (jsontext.Value, error) {
	c.dec.Reset(bytes.NewBuffer(schema), tolerant)
	begin := len(c.out)
	c.unsettled = false
	before := c.items
	if err := c.schema(0); err != nil {
		return nil, err
	}
	if clean := slices.Clip(c.out[begin:]); !c.unsettled {
		return clean, nil
	}
	node, err := parseSchema(c.out[begin:])
	if err != nil {
		return nil, err
	}
	node = settle(node)
	c.items = before + node.boundItems(max(maxItemsTotal-before, 0))
	return node.appendTo(nil), nil
}

// schema copies one schema without what means nothing to Google, and const as the enum it amounts to.
func (c *schemaCleaner) schema(depth int) error {
	switch {
	case c.dec.PeekKind() != '{':
		return c.copy()
	case depth > maxSchemaDepth:
		c.out = append(c.out, `{"type":"object"}`...)
		return c.dec.SkipValue()
	}
	if err := c.open('{'); err != nil {
		return err
	}
	var constant jsontext.Value
	enum, typed := false, false
	for c.dec.PeekKind() != '}' {
		name, err := c.dec.ReadValue()
		if err != nil {
			return err
		}
		switch keyword := string(name[1 : len(name)-1]); {
		case keyword == "const":
			v, err := c.dec.ReadValue()
			if err != nil {
				return err
			}
			constant = v.Clone()
		case meaningless[keyword] || strings.HasPrefix(keyword, "x-"):
			if err := c.dec.SkipValue(); err != nil {
				return err
			}
		default:
			enum, typed = enum || keyword == "enum", typed || keyword == "type"
			c.unsettled = c.unsettled || keyword == "$ref" || keyword == "allOf"
			c.name(name)
			begin := len(c.out)
			if err := c.value(keywords[keyword], depth); err != nil {
				return err
			}
			switch value := c.out[begin:]; keyword {
			case "enum":
				c.unsettled = c.unsettled || !enumerable(value)
			case "maxItems":
				c.items += itemsOf(value)
				c.unsettled = c.unsettled || c.items > maxItemsTotal
			}
		}
	}
	if constant != nil && !enum {
		c.constant(constant, typed)
	}
	return c.close('}')
}

// constant writes what const said as the enum it amounts to, and null as the type that it is.
func (c *schemaCleaner) constant(v jsontext.Value, typed bool) {
	switch {
	case v.Kind() == 'n' && typed:
	case v.Kind() == 'n':
		c.name([]byte(`"type"`))
		c.out = append(c.out, `"null"`...)
	default:
		c.name([]byte(`"enum"`))
		begin := len(c.out)
		c.out = append(append(append(c.out, '['), v...), ']')
		c.unsettled = c.unsettled || !enumerable(c.out[begin:])
	}
}

// enumerable reports whether an array holds nothing but numbers and texts of some length.
func enumerable(list []byte) bool {
	for i := 0; i < len(list); i++ {
		switch list[i] {
		case '"':
			begin := i + 1
			for i++; list[i] != '"'; i++ {
				if list[i] == '\\' {
					i++
				}
			}
			if i == begin {
				return false
			}
		case '[':
			if i > 0 {
				return false
			}
		case 'n', 't', 'f', '{':
			return false
		}
	}
	return true
}

// value copies what stands behind a keyword.
func (c *schemaCleaner) value(kind position, depth int) error {
	next := c.dec.PeekKind()
	switch {
	case kind == schemaMap && next == '{':
		if err := c.open('{'); err != nil {
			return err
		}
		for c.dec.PeekKind() != '}' {
			name, err := c.dec.ReadValue()
			if err != nil {
				return err
			}
			c.name(name)
			if err := c.schema(depth + 1); err != nil {
				return err
			}
		}
		return c.close('}')
	case kind == schemaList && next == '[':
		if err := c.open('['); err != nil {
			return err
		}
		for c.dec.PeekKind() != ']' {
			c.comma()
			if err := c.schema(depth + 1); err != nil {
				return err
			}
		}
		return c.close(']')
	case kind == schemaList || kind == oneSchema:
		return c.schema(depth + 1)
	default:
		return c.copy()
	}
}

func (c *schemaCleaner) open(bracket byte) error {
	_, err := c.dec.ReadToken()
	c.out = append(c.out, bracket)
	return err
}

func (c *schemaCleaner) close(bracket byte) error {
	_, err := c.dec.ReadToken()
	c.out = append(c.out, bracket)
	return err
}

// name writes the name of a member, quoted already.
func (c *schemaCleaner) name(quoted []byte) {
	c.comma()
	c.out = append(append(c.out, quoted...), ':')
}

// comma separates a member or an element from the one before it. No value ends in an opening bracket.
func (c *schemaCleaner) comma() {
	if last := c.out[len(c.out)-1]; last != '{' && last != '[' {
		c.out = append(c.out, ',')
	}
}

func (c *schemaCleaner) copy() error {
	v, err := c.dec.ReadValue()
	c.out = append(c.out, v...)
	return err
}
