package openai

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// appendString appends a JSON string that is one line to every reader. Text that is not UTF-8 is replaced. Beyond what JSON requires,
// the line separators of Unicode are escaped: Python clients that split a stream with str.splitlines would break an event at them.
func appendString[T ~string | ~[]byte](dst []byte, text T) []byte {
	start := len(dst)
	dst, _ = jsontext.AppendQuote(dst, text) // its only error is the replacement
	for _, s := range lineSeparators {
		if bytes.Contains(dst[start:], s.raw) {
			dst = append(dst[:start], bytes.ReplaceAll(dst[start:], s.raw, s.escaped)...)
		}
	}
	return dst
}

var lineSeparators = [...]struct{ raw, escaped []byte }{
	{[]byte("\u0085"), []byte(`\u0085`)},
	{[]byte("\u2028"), []byte(`\u2028`)},
	{[]byte("\u2029"), []byte(`\u2029`)},
}

func appendOrNull(dst []byte, text string) []byte {
	if text == "" {
		return append(dst, "null"...)
	}
	return appendString(dst, text)
}
