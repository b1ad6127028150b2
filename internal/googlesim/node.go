package googlesim

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// node is one value of a JSON document with its members in order: Google's error messages name map entries by their position.
// A nil *node stands for an absent value, and every accessor accepts it.
type node struct {
	kind    jsontext.Kind // one of n (null), t, f, " (string), 0 (number), { and [
	text    string        // the string, or the number as it was written
	members []member
	items   []*node
}

type member struct {
	name  string
	value *node
}

// maxDepth is how deeply JSON may nest, as in protobuf's parsers.
const maxDepth = 100

// parseJSON reads one JSON value, or says what Google says about text that is none. Google accepts repeated names, and the last
// one counts.
func parseJSON(data []byte) (*node, *apiError) {
	d := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true))
	n, err := readNode(d)
	if err == nil {
		if _, err = d.ReadToken(); err == io.EOF {
			return n, nil
		}
	}
	if err == errTooDeep {
		return nil, invalid("Invalid JSON payload received. Message too deep. Max recursion depth reached.")
	}
	at := min(int(d.InputOffset()), len(data))
	near := strings.ToValidUTF8(string(data[at:min(at+40, len(data))]), "?")
	return nil, invalid("Invalid JSON payload received. Unexpected token.\n" + near + "\n^")
}

var errTooDeep = errors.New("message too deep")

func readNode(d *jsontext.Decoder) (*node, error) {
	t, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	if d.StackDepth() > maxDepth {
		return nil, errTooDeep
	}
	n := &node{kind: t.Kind()}
	switch n.kind {
	case '"', '0':
		n.text = t.String()
	case '{':
		for d.PeekKind() != '}' {
			name, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			key := name.String()
			value, err := readNode(d)
			if err != nil {
				return nil, err
			}
			n.members = append(n.members, member{key, value})
		}
		_, err = d.ReadToken()
	case '[':
		for d.PeekKind() != ']' {
			item, err := readNode(d)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
		_, err = d.ReadToken()
	default: // the rest is in the kind
	}
	return n, err
}

// get is the member of that name, nil when it is absent or null.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for _, m := range slices.Backward(n.members) {
		if m.name == name {
			if m.value.kind != 'n' {
				return m.value
			}
			return nil
		}
	}
	return nil
}

// at follows a path of member names.
func (n *node) at(path ...string) *node {
	for _, name := range path {
		n = n.get(name)
	}
	return n
}

func (n *node) has(name string) bool { return n.get(name) != nil }

// list is the elements of a repeated field. Google takes a single value where a list belongs.
func (n *node) list() []*node {
	switch {
	case n == nil:
		return nil
	case n.kind == '[':
		return n.items
	default:
		return []*node{n}
	}
}

func (n *node) isObject() bool { return n != nil && n.kind == '{' }
func (n *node) isString() bool { return n != nil && n.kind == '"' }
func (n *node) isNumber() bool { return n != nil && n.kind == '0' }
func (n *node) isTrue() bool   { return n != nil && n.kind == 't' }

// str is the text of a string, "" for anything else.
func (n *node) str() string {
	if n.isString() {
		return n.text
	}
	return ""
}

// number reads a number, or a number written as a string as protobuf's JSON allows.
func (n *node) number() (float64, bool) {
	if !n.isNumber() && !n.isString() {
		return 0, false
	}
	f, err := strconv.ParseFloat(n.text, 64)
	return f, err == nil
}

// integer is number, rounded down; missing counts as 0.
func (n *node) integer() int {
	f, _ := n.number()
	return int(f)
}

// depth is how deeply objects and arrays nest in n; a scalar has depth 0.
func (n *node) depth() int {
	deepest := 0
	if n == nil || n.kind != '{' && n.kind != '[' {
		return 0
	}
	for _, m := range n.members {
		deepest = max(deepest, m.value.depth())
	}
	for _, item := range n.items {
		deepest = max(deepest, item.depth())
	}
	return deepest + 1
}

// value writes n as compact JSON.
func (n *node) value() jsontext.Value { return n.append(nil) }

func (n *node) append(dst []byte) []byte {
	switch {
	case n == nil || n.kind == 'n':
		return append(dst, "null"...)
	case n.kind == '"':
		return appendString(dst, n.text)
	case n.kind == '0':
		return append(dst, n.text...)
	case n.kind == '{':
		dst = append(dst, '{')
		for i, m := range n.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, m.name), ':')
			dst = m.value.append(dst)
		}
		return append(dst, '}')
	case n.kind == '[':
		dst = append(dst, '[')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.append(dst)
		}
		return append(dst, ']')
	default:
		return strconv.AppendBool(dst, n.kind == 't')
	}
}

// appendString quotes text, which a decoder gave and so is valid UTF-8.
func appendString(dst []byte, text string) []byte {
	dst, _ = jsontext.AppendQuote(dst, text)
	return dst
}

// camel turns a proto field name into its JSON name; names that are in JSON form already stay as they are.
func camel(name string) string {
	if !strings.Contains(name, "_") {
		return name
	}
	var b strings.Builder
	up := false
	for _, r := range name {
		switch {
		case r == '_':
			up = true
		case up && 'a' <= r && r <= 'z':
			b.WriteRune(r - 'a' + 'A')
			up = false
		default:
			b.WriteRune(r)
			up = false
		}
	}
	return b.String()
}

// snake turns a JSON name into the proto field name that Google's messages use.
func snake(name string) string {
	var b strings.Builder
	for _, r := range name {
		if 'A' <= r && r <= 'Z' {
			b.WriteByte('_')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
