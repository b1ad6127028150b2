package gemini

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// position says what a value of a JSON Schema is. Only schemas are rewritten: a property may be called const or $schema, and a default
// may look like anything.
type position uint8

const (
	plainValue position = iota // copied as it is
	oneSchema                  // a schema, where true and false are ones too
	schemaList                 // an array of schemas, or one schema
	schemaMap                  // an object whose members are schemas
)

// fate is what becomes of a keyword.
type fate uint8

const (
	isDropped   fate = iota // says nothing to a model, or belongs to another vendor's dialect
	isConst                 // becomes an enumeration
	isKept                  // belongs to Google's dialect
	isForTools              // is ignored by Google, as far as is known, and told by the description of an answer's schema
	isTold                  // is told by the description
	isRewritten             // says what the dialect has other words for
)

// keywordSet is some of the keywords that are kept.
type keywordSet uint32

const (
	hasType keywordSet = 1 << iota
	hasTitle
	hasDescription
	hasFormat
	hasEnum
	hasDefault
	hasMinimum
	hasMaximum
	hasAnyOf
	hasProperties
	hasAdditional
	hasRequired
	hasItems
	hasPrefixItems
	hasMinItems
	hasMaxItems
	hasMultipleOf
	hasMinLength
	hasMaxLength
	hasPattern
	hasUniqueItems
	hasMinProperties
	hasMaxProperties

	ofObjects = hasProperties | hasAdditional | hasRequired
	ofArrays  = hasItems | hasPrefixItems | hasMinItems | hasMaxItems
)

type keywordRule struct {
	fate fate
	kind position
	// starts are the bytes a value may begin with in Google's dialect; empty for any.
	starts string
	bit    keywordSet
}

const aNumber, aCount, aText = "-0123456789", "0123456789", `"`

// keywords are those that mean something, by name; of the others nothing is left.
var keywords = map[string]keywordRule{
	"type":                 {isKept, plainValue, `"[`, hasType},
	"title":                {isKept, plainValue, aText, hasTitle},
	"description":          {isKept, plainValue, aText, hasDescription},
	"format":               {isKept, plainValue, aText, hasFormat},
	"enum":                 {isKept, plainValue, "[", hasEnum},
	"default":              {isKept, plainValue, "", hasDefault},
	"minimum":              {isKept, plainValue, aNumber, hasMinimum},
	"maximum":              {isKept, plainValue, aNumber, hasMaximum},
	"anyOf":                {isKept, schemaList, "[", hasAnyOf},
	"properties":           {isKept, schemaMap, "{", hasProperties},
	"additionalProperties": {isKept, oneSchema, "{tf", hasAdditional},
	"required":             {isKept, plainValue, "[", hasRequired},
	"items":                {isKept, schemaList, "{", hasItems},
	"prefixItems":          {isKept, schemaList, "[", hasPrefixItems},
	"minItems":             {isKept, plainValue, aCount, hasMinItems},
	"maxItems":             {isKept, plainValue, aCount, hasMaxItems},

	"multipleOf":    {isForTools, plainValue, aNumber, hasMultipleOf},
	"minLength":     {isForTools, plainValue, aCount, hasMinLength},
	"maxLength":     {isForTools, plainValue, aCount, hasMaxLength},
	"pattern":       {isForTools, plainValue, aText, hasPattern},
	"uniqueItems":   {isForTools, plainValue, "tf", hasUniqueItems},
	"minProperties": {isForTools, plainValue, aCount, hasMinProperties},
	"maxProperties": {isForTools, plainValue, aCount, hasMaxProperties},

	"const": {fate: isConst},

	"$ref": {fate: isRewritten}, "$id": {fate: isRewritten}, "$anchor": {fate: isRewritten},
	"$defs": {fate: isRewritten, kind: schemaMap}, "definitions": {fate: isRewritten, kind: schemaMap},
	"components": {fate: isRewritten, kind: oneSchema}, "schemas": {fate: isRewritten, kind: schemaMap}, // of OpenAPI's
	"allOf": {fate: isRewritten, kind: schemaList}, "oneOf": {fate: isRewritten, kind: schemaList},
	"additionalItems":  {fate: isRewritten, kind: oneSchema},
	"nullable":         {fate: isRewritten},
	"exclusiveMinimum": {fate: isRewritten}, "exclusiveMaximum": {fate: isRewritten},
	"propertyOrdering": {fate: isRewritten},

	"not": {fate: isTold, kind: oneSchema}, "if": {fate: isTold, kind: oneSchema},
	"then": {fate: isTold, kind: oneSchema}, "else": {fate: isTold, kind: oneSchema},
	"dependencies": {fate: isTold}, "dependentRequired": {fate: isTold}, "dependentSchemas": {fate: isTold, kind: schemaMap},
	"patternProperties": {fate: isTold, kind: schemaMap}, "propertyNames": {fate: isTold, kind: oneSchema},
	"unevaluatedItems": {fate: isTold, kind: oneSchema}, "unevaluatedProperties": {fate: isTold, kind: oneSchema},
	"contains": {fate: isTold, kind: oneSchema}, "minContains": {fate: isTold}, "maxContains": {fate: isTold},
}

// fits reports whether a keyword has the form that Google's dialect wants.
func (r *keywordRule) fits(k *keyword) bool {
	switch {
	case r.kind == plainValue:
		return k.kind == plainValue && r.takes(k.value)
	case r.bit == hasItems:
		return k.kind == oneSchema
	default:
		return k.kind == r.kind && (k.kind != schemaList || len(k.subs) > 0)
	}
}

// tells reports whether a keyword, in a schema of some use, is for the description to tell of.
func (r *keywordRule) tells(k *keyword, use schemaUse) bool {
	switch {
	case r.fate == isTold:
		return true
	case r.fate == isForTools:
		return use == forAnswer
	case r.bit == hasFormat:
		return use == forAnswer && !answerFormats[unquote(k.value)]
	default:
		return r.bit == hasMaxItems && itemsOf(k.value) > maxItems
	}
}

// takes reports whether a value has the form that Google's dialect wants.
func (r *keywordRule) takes(value []byte) bool {
	return r.starts == "" || strings.IndexByte(r.starts, value[0]) >= 0 && (r.starts != aCount || isCount(value))
}

// isCount reports whether a number is a count of something that there can be.
func isCount(number []byte) bool {
	return len(number) < 10 && bytes.IndexFunc(number, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// answerFormats are the formats Google's documentation names; the rest it is not known to take of an answer.
var answerFormats = map[string]bool{
	"date-time": true, "date": true, "time": true, "duration": true, "enum": true,
	"float": true, "double": true, "int32": true, "int64": true,
}

// typeSet is some of JSON Schema's types.
type typeSet uint8

const (
	isString typeSet = 1 << iota
	isNumber
	isInteger
	isBoolean
	isArray
	isObject
	isNull

	oneObject = isObject // and nothing else
)

func (t typeSet) has(other typeSet) bool { return t&other != 0 }

// readType is a type by its name; 0 for what is none.
func readType(quoted []byte) typeSet {
	switch string(quoted) {
	case `"string"`:
		return isString
	case `"number"`:
		return isNumber
	case `"integer"`:
		return isInteger
	case `"boolean"`:
		return isBoolean
	case `"array"`:
		return isArray
	case `"object"`:
		return isObject
	case `"null"`:
		return isNull
	default:
		return 0
	}
}

// readTypes reads what type says, and reports whether it is in the dialect as it is: one type, or several different ones.
func readTypes(value []byte) (types typeSet, plain bool) {
	if value[0] != '[' {
		types = readType(value)
		return types, types != 0
	}
	n := 0
	for name := range bytes.SplitSeq(value[1:len(value)-1], []byte{','}) {
		one := readType(bytes.TrimSpace(name))
		if one == 0 || types.has(one) {
			return types, false
		}
		types |= one
		n++
	}
	return types, n > 1
}

// enumerable reports whether an array holds nothing but numbers, or nothing but texts of some length.
func enumerable(list []byte) bool {
	texts, numbers := false, false
	for i := 0; i < len(list); i++ {
		switch b := list[i]; {
		case b == '"':
			begin := i + 1
			for i++; list[i] != '"'; i++ {
				if list[i] == '\\' {
					i++
				}
			}
			if i == begin {
				return false
			}
			texts = true
		case b == '[' && i > 0, b == 'n', b == 't', b == 'f', b == '{':
			return false
		case '0' <= b && b <= '9':
			numbers = true
		}
	}
	return list[0] == '[' && texts != numbers
}

// types are those a schema names. Other dialects shout them.
func (s *schemaNode) types() (types typeSet) {
	v := s.plainOf("type")
	if v == nil {
		return 0
	}
	types, plain := readTypes(v)
	if plain {
		return types
	}
	list := []jsontext.Value{v}
	if v.Kind() == '[' {
		list = elements(v)
	}
	for _, one := range list {
		types |= readType(bytes.ToLower(one))
	}
	return types
}

// names are the types of a set, by JSON Schema's names.
func (t typeSet) names() (names []string) {
	for i, name := range [...]string{"string", "number", "integer", "boolean", "array", "object", "null"} {
		if t.has(1 << i) {
			names = append(names, name)
		}
	}
	return names
}

// typeList is the value of type for some types.
func typeList(types typeSet) jsontext.Value {
	names := types.names()
	if len(names) == 1 {
		return appendQuote(nil, names[0])
	}
	return quotedList(names)
}
