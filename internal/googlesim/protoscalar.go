package googlesim

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"
)

// enum reads the name of a value, in any case, or its number.
func (p *protoCheck) enum(f *protoField, n *node, path string) *node {
	if number, ok := n.number(); ok && n.isNumber() {
		if i := int(number); i >= 0 && i < len(f.values) && float64(i) == number {
			return &node{kind: '"', text: f.values[i]}
		}
	}
	i := slices.IndexFunc(f.values, func(v string) bool { return n.isString() && strings.EqualFold(v, n.text) })
	if i < 0 {
		p.wrong(path, "type.googleapis.com/"+p.namespace+strings.ToUpper(f.name[:1])+f.name[1:], n)
		return &node{kind: '"', text: f.values[0]}
	}
	return &node{kind: '"', text: f.values[i]}
}

// scalar complains about a value that is not of a scalar type. Numbers may be written as strings, and integers with a fraction of
// zero.
func (p *protoCheck) scalar(kind string, n *node, path string) {
	ok := false
	switch kind {
	case "string":
		ok = n.isString()
	case "bool":
		ok = n.isTrue() || n.kind == 'f' || n.str() == "true" || n.str() == "false"
	case "double":
		_, ok = n.number()
	case "int32", "int64":
		var f float64
		f, ok = n.number()
		ok = ok && f == math.Trunc(f) && (kind == "int64" || math.MinInt32 <= f && f <= math.MaxInt32)
	case "bytes":
		if !n.isString() {
			break
		}
		if _, err := decodeBytes(n.text); err != nil {
			p.complaints = append(p.complaints, fieldViolation{
				path,
				fmt.Sprintf("Invalid value at '%s' (TYPE_BYTES), Base64 decoding failed for %s", path, shortened(n)),
			})
		}
		return
	}
	if !ok {
		p.wrong(path, "TYPE_"+strings.ToUpper(kind), n)
	}
}

func shortened(n *node) string {
	text := string(n.value())
	if len(text) > 100 {
		text = strings.ToValidUTF8(text[:100], "") + `…"`
	}
	return text
}

// decodeBytes reads a bytes field: base64 of either alphabet, with or without padding.
func decodeBytes(text string) ([]byte, error) {
	text = strings.TrimRight(text, "=")
	if strings.ContainsAny(text, "-_") {
		return base64.RawURLEncoding.DecodeString(text)
	}
	return base64.RawStdEncoding.DecodeString(text)
}

// refusal is the 400 for everything there was to complain about.
func (p *protoCheck) refusal() *apiError {
	if len(p.complaints) == 0 {
		return nil
	}
	lines := make([]string, len(p.complaints))
	for i, c := range p.complaints {
		lines[i] = c.Description
	}
	e := invalid(strings.Join(lines, "\n"))
	e.Details = []any{badRequest{typePrefix + "BadRequest", p.complaints}}
	return e
}
