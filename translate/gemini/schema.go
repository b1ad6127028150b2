package gemini

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxSchemaDepth bounds the nesting of schemas; Google's limit is about this. What lies deeper may be any object.
const maxSchemaDepth = 32

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

// parameterSchema is the schema to declare a function's arguments with; nil when the client's says nothing, or is no schema of an
// object's.
func parameterSchema(schema jsontext.Value) (jsontext.Value, error) {
	if schema.Kind() != '{' {
		return nil, nil
	}
	clean, err := cleanSchema(schema)
	if err != nil || len(clean) == len("{}") {
		return nil, err
	}
	return clean, nil
}

// cleanSchema rewrites a JSON Schema into the dialect of Google's …JsonSchema fields, which ignore most of what they do not know. It is
// deterministic, keeps the order of members, and leaves the input alone. The error is one of syntax.
func cleanSchema(schema jsontext.Value) (jsontext.Value, error) {
	var out bytes.Buffer
	out.Grow(len(schema))
	w := schemaWriter{dec: jsontext.NewDecoder(bytes.NewBuffer(schema), tolerant), enc: jsontext.NewEncoder(&out, tolerant, jsontext.PreserveRawStrings(true))}
	if err := w.schema(0); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// schemaWriter copies from dec to enc.
type schemaWriter struct {
	dec *jsontext.Decoder
	enc *jsontext.Encoder
}

func (w *schemaWriter) value(kind position, depth int) error {
	switch next := w.dec.PeekKind(); {
	case kind == schemaMap && next == '{':
		return w.each(func() error {
			if err := w.copy(); err != nil { // the name
				return err
			}
			return w.schema(depth + 1)
		})
	case kind == schemaList && next == '[':
		return w.each(func() error { return w.schema(depth + 1) })
	case kind == schemaList || kind == oneSchema:
		return w.schema(depth + 1)
	default:
		return w.copy()
	}
}

// schema copies one schema without what means nothing to Google, and const as the enum it amounts to.
func (w *schemaWriter) schema(depth int) error {
	if w.dec.PeekKind() != '{' {
		return w.copy()
	}
	if depth > maxSchemaDepth {
		if err := w.dec.SkipValue(); err != nil {
			return err
		}
		return w.enc.WriteValue(jsontext.Value(`{"type":"object"}`))
	}
	var constant jsontext.Value
	enum := false
	err := w.each(func() error {
		raw, err := w.dec.ReadValue()
		if err != nil {
			return err
		}
		name := string(raw[1 : len(raw)-1])
		switch {
		case name == "const":
			v, err := w.dec.ReadValue()
			constant = v.Clone()
			return err
		case meaningless[name] || strings.HasPrefix(name, "x-"):
			return w.dec.SkipValue()
		}
		enum = enum || name == "enum"
		if err := w.enc.WriteValue(raw); err != nil {
			return err
		}
		return w.value(keywords[name], depth)
	}, func() error {
		if constant == nil || enum {
			return nil
		}
		return w.constant(constant)
	})
	return err
}

func (w *schemaWriter) constant(v jsontext.Value) error {
	for _, t := range []jsontext.Token{jsontext.String("enum"), jsontext.BeginArray} {
		if err := w.enc.WriteToken(t); err != nil {
			return err
		}
	}
	if err := w.enc.WriteValue(v); err != nil {
		return err
	}
	return w.enc.WriteToken(jsontext.EndArray)
}

// each copies an object's or array's brackets and calls element between them, then the last functions.
func (w *schemaWriter) each(element func() error, last ...func() error) error {
	open, err := w.dec.ReadToken()
	if err != nil {
		return err
	}
	if err := w.enc.WriteToken(open); err != nil {
		return err
	}
	for k := w.dec.PeekKind(); k != '}' && k != ']'; k = w.dec.PeekKind() {
		if err := element(); err != nil {
			return err
		}
	}
	end, err := w.dec.ReadToken()
	if err != nil {
		return err
	}
	for _, f := range last {
		if err := f(); err != nil {
			return err
		}
	}
	return w.enc.WriteToken(end)
}

func (w *schemaWriter) copy() error {
	v, err := w.dec.ReadValue()
	if err != nil {
		return err
	}
	return w.enc.WriteValue(v)
}
