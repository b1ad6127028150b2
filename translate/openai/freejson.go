package openai

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// freeJSON makes a client's own JSON fit to travel on: text that is not Unicode, be it stray bytes or halves of surrogate pairs in
// escapes, is replaced, because Google refuses a whole request over it. Numbers keep their digits.
func freeJSON(v jsontext.Value) jsontext.Value {
	if utf8.Valid(v) && !bytes.Contains(v, []byte(`\ud`)) && !bytes.Contains(v, []byte(`\uD`)) {
		return v
	}
	if err := v.Format(tolerant); err != nil { // the value has been read by the same rules before
		return jsontext.Value("{}")
	}
	return v
}

// quote is the text as a JSON value.
func quote(text string) jsontext.Value {
	v, _ := jsontext.AppendQuote(nil, text) // its only error is text that is not UTF-8, which it replaces
	return v
}

// maxDepth is how deep JSON that came inside a string may nest. It is far beyond what Google reads, and far below what package
// jsontext does, so that what is built around it can still be written.
const maxDepth = 1000

// sound reports whether text that came inside a string is JSON that may travel on as JSON.
func sound(v jsontext.Value) bool { return v.IsValid(tolerant) && depth(v) <= maxDepth }

// depth is how deep valid JSON nests.
func depth(v jsontext.Value) int {
	var now, most int
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case '{', '[':
			now++
			most = max(most, now)
		case '}', ']':
			now--
		case '"':
			for i++; v[i] != '"'; i++ {
				if v[i] == '\\' {
					i++
				}
			}
		}
	}
	return most
}

// repairArguments makes a JSON object of the arguments a client replays for a call. Models and gateways write more than objects
// there, and a conversation that contains such a call must be able to go on: nothing and null are no arguments, another value is
// wrapped, of several objects in a row the first counts, and what is no JSON at all is kept as text.
func repairArguments(text string) jsontext.Value {
	v := jsontext.Value(strings.TrimSpace(text))
	switch {
	case len(v) == 0 || string(v) == "null":
		return jsontext.Value("{}")
	case sound(v):
		v = freeJSON(v)
		if v.Kind() == '{' {
			return v
		}
		return wrap("value", v)
	}
	first, err := jsontext.NewDecoder(bytes.NewReader(v), tolerant).ReadValue()
	if err == nil && first.Kind() == '{' && sound(first) {
		return freeJSON(first.Clone())
	}
	return wrap("_raw", quote(text))
}

// wrap is an object with one member.
func wrap(name string, v jsontext.Value) jsontext.Value {
	wrapped := make(jsontext.Value, 0, len(name)+len(v)+len(`{"":}`))
	wrapped = append(wrapped, `{"`...)
	wrapped = append(wrapped, name...)
	wrapped = append(wrapped, `":`...)
	wrapped = append(wrapped, v...)
	return append(wrapped, '}')
}

// maxExactNumber is how many characters of a number a double keeps exactly; Google reads every number as a double.
const maxExactNumber = 15

// toolOutput is the value of a tool's answer, which clients send as text: objects, lists, numbers and truth values that were printed
// are themselves again, so that the model does not see JSON inside a string. Long numbers are ids more often than quantities and stay
// text, as does all else.
func toolOutput(text string) jsontext.Value {
	v := jsontext.Value(strings.TrimSpace(text))
	switch v.Kind() {
	case '{', '[', 't', 'f':
	case '0':
		if len(v) > maxExactNumber {
			return quote(text)
		}
	default:
		return quote(text)
	}
	if !sound(v) {
		return quote(text)
	}
	return freeJSON(v)
}
