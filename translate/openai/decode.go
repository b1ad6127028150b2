package openai

import (
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// tolerant is how everything from a client is read: duplicate names (the last one wins) and text that is not UTF-8 (replaced by
// U+FFFD) are common and harmless, and unknown fields are always accepted.
var tolerant = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// decodeBody reads a request body into one of the wire types. A field of the wrong type is named by its path.
func decodeBody(body []byte, into any) *translate.Error {
	err := json.Unmarshal(body, into, tolerant)
	if err == nil {
		return nil
	}
	if wrong, ok := errors.AsType[*json.SemanticError](err); ok && wrong.JSONPointer != "" {
		return invalidType(wrong)
	}
	return translate.Invalid("", "", "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your "+
		"HTTP library correctly. The API expects a JSON payload, but what was sent was not valid JSON.)")
}

// expected is the error of a wire type that takes values of several types: it says which.
type expected string

func (e expected) Error() string { return "expected " + string(e) }

// refuse skips the next value and returns the error for it, which package json completes with the value's place.
func (e expected) refuse(dec *jsontext.Decoder) error {
	kind := dec.PeekKind()
	if err := dec.SkipValue(); err != nil {
		return err
	}
	return &json.SemanticError{JSONKind: kind, Err: e}
}

func invalidType(wrong *json.SemanticError) *translate.Error {
	want, ok := errors.AsType[expected](wrong.Err)
	if !ok {
		want = typeName(wrong.GoType)
	}
	param := paramPath(wrong.JSONPointer)
	return translate.Invalid(param, "invalid_type", "Invalid type for '%s': expected %s, but got %s instead.",
		param, string(want), kindName(wrong.JSONKind))
}

// paramPath spells a JSON pointer as OpenAI's errors do: messages[2].content[0].type.
func paramPath(pointer jsontext.Pointer) string {
	var path strings.Builder
	for token := range pointer.Tokens() {
		if _, err := strconv.ParseUint(token, 10, 32); err == nil {
			path.WriteString("[" + token + "]")
			continue
		}
		if path.Len() > 0 {
			path.WriteByte('.')
		}
		path.WriteString(token)
	}
	return path.String()
}

func typeName(t reflect.Type) expected {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return "another type"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Float64:
		return "a decimal"
	case reflect.Slice:
		return "an array"
	default:
		return "an object"
	}
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '[':
		return "an array"
	default:
		return "an object"
	}
}

// integer is a JSON number without a fraction, also when written as 100.0 or 1e3 as some languages do. Numbers beyond int64 saturate.
type integer int64

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (i *integer) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	const want expected = "an integer"
	if dec.PeekKind() != '0' {
		return want.refuse(dec)
	}
	text, err := dec.ReadValue()
	if err != nil {
		return err
	}
	// ParseInt saturates by itself; a fraction or an exponent it does not read.
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		*i = integer(n)
		return nil
	}
	f, err := strconv.ParseFloat(string(text), 64)
	switch {
	case err != nil || f != float64(int64(f)) && f > -1<<63 && f < 1<<63:
		return &json.SemanticError{JSONKind: '0', Err: want}
	case f >= 1<<63:
		*i = 1<<63 - 1
	case f <= -1<<63:
		*i = -1 << 63
	default:
		*i = integer(f)
	}
	return nil
}

// optional is a field outside OpenAI's own protocol. Its value is nil unless it has the form we know: what another gateway means by
// the same name is no reason to refuse a request.
type optional[T any] struct {
	value *T
	// odd is set when the field was there, in a form we do not know.
	odd bool
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *optional[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*o = optional[T]{}
	raw, err := dec.ReadValue()
	if err != nil || raw.Kind() == 'n' {
		return err
	}
	value := new(T)
	if json.Unmarshal(raw, value, tolerant) != nil {
		o.odd = true
		return nil
	}
	o.value = value
	return nil
}

// or is the value, or the zero value when there is none.
func (o optional[T]) or() (zero T) {
	if o.value == nil {
		return zero
	}
	return *o.value
}
