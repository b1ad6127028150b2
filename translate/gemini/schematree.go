package gemini

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// schemaNode is one JSON Schema taken apart. Nodes are immutable once they are parsed or made: what rewrites a schema makes new ones and
// may share old ones.
type schemaNode struct {
	plain    jsontext.Value // set when it is no object: true, false, or what no schema is
	keywords []keyword      // in the order of the text, no name twice
	size     int            // of the text it was parsed from, in bytes
}

// keyword is one member of a schema. Its position says which of the values is set; the name of a keyword and its value are never
// mistaken for those of a property.
type keyword struct {
	name  string
	kind  position
	value jsontext.Value // plainValue
	subs  []subschema    // oneSchema: exactly one
}

// subschema is a schema within another, with its name in a schemaMap.
type subschema struct {
	name   string
	schema *schemaNode
}

// parseSchema takes a schema apart that the schemaCleaner has written, which bounds its depth.
func parseSchema(text jsontext.Value) (*schemaNode, error) {
	return readSchema(jsontext.NewDecoder(bytes.NewReader(text), tolerant))
}

func readSchema(dec *jsontext.Decoder) (*schemaNode, error) {
	begin := dec.InputOffset()
	if dec.PeekKind() != '{' {
		v, err := dec.ReadValue()
		return &schemaNode{plain: v.Clone(), size: len(v)}, err
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	s := new(schemaNode)
	known := map[string]int{}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		k := keyword{name: name.String()}
		if err := k.read(dec); err != nil {
			return nil, err
		}
		if i, twice := known[k.name]; twice { // the last counts
			s.keywords[i] = k
			continue
		}
		known[k.name] = len(s.keywords)
		s.keywords = append(s.keywords, k)
	}
	_, err := dec.ReadToken()
	s.size = int(dec.InputOffset() - begin)
	return s, err
}

// read reads a keyword's value. One that has not the form its keyword wants is plain.
func (k *keyword) read(dec *jsontext.Decoder) (err error) {
	kind, next := keywords[k.name], dec.PeekKind()
	switch {
	case kind == schemaMap && next == '{', kind == schemaList && next == '[':
		k.kind = kind
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
		if err := k.readSubs(dec); err != nil {
			return err
		}
		_, err = dec.ReadToken()
	case (kind == oneSchema || kind == schemaList) && (next == '{' || next == 't' || next == 'f'):
		k.kind = oneSchema
		var one *schemaNode
		one, err = readSchema(dec)
		k.subs = []subschema{{schema: one}}
	default:
		var v jsontext.Value
		v, err = dec.ReadValue()
		k.value = v.Clone()
	}
	return err
}

// readSubs reads schemas up to the closing bracket.
func (k *keyword) readSubs(dec *jsontext.Decoder) (err error) {
	known := map[string]int{}
	for dec.PeekKind() != '}' && dec.PeekKind() != ']' {
		var sub subschema
		if k.kind == schemaMap {
			name, err := dec.ReadToken()
			if err != nil {
				return err
			}
			sub.name = name.String()
		}
		if sub.schema, err = readSchema(dec); err != nil {
			return err
		}
		if i, twice := known[sub.name]; twice && k.kind == schemaMap {
			k.subs[i] = sub
			continue
		}
		known[sub.name] = len(k.subs)
		k.subs = append(k.subs, sub)
	}
	return nil
}

func (s *schemaNode) index(name string) int {
	return slices.IndexFunc(s.keywords, func(k keyword) bool { return k.name == name })
}

// plainOf is the value of a keyword that is no schema; nil when there is none.
func (s *schemaNode) plainOf(name string) jsontext.Value {
	if i := s.index(name); i >= 0 {
		return s.keywords[i].value
	}
	return nil
}

// text is the value of a keyword that is a string; empty when there is none.
func (s *schemaNode) text(name string) string { return unquote(s.plainOf(name)) }

// subs are the schemas of a keyword.
func (s *schemaNode) subs(name string) []subschema {
	if i := s.index(name); i >= 0 {
		return s.keywords[i].subs
	}
	return nil
}

// list are the elements of a keyword's array; nil when it has none.
func (s *schemaNode) list(name string) []jsontext.Value { return elements(s.plainOf(name)) }

// enumerate leaves of an enumeration what Google takes: numbers, and texts of some length. Null is a type instead, and what cannot be
// enumerated the description mentions.
func (s *schemaNode) enumerate() {
	values := s.list("enum")
	kept := make([]jsontext.Value, 0, len(values))
	null, other, flags := false, false, 0
	for _, v := range values {
		switch v.Kind() {
		case 'n':
			null = true
		case 't', 'f':
			flags++
		case '0':
			kept = append(kept, v)
		case '"':
			if len(v) > len(`""`) {
				kept = append(kept, v)
			}
		default:
			other = true
		}
	}
	if len(kept) == len(values) {
		return
	}
	i := s.index("enum")
	typed := s.index("type") >= 0
	if other || flags > 0 {
		s.keywords = slices.Delete(s.keywords, i, i+1)
		s.describe([]string{oneOf(values)})
		if !typed && flags == len(values) {
			s.keywords = append(s.keywords, keyword{name: "type", value: jsontext.Value(`"boolean"`)})
		}
		return
	}
	if len(kept) == 0 {
		s.keywords = slices.Delete(s.keywords, i, i+1)
	} else {
		s.keywords[i].value = array(kept)
	}
	switch {
	case typed || !null:
	case len(kept) == 0:
		s.keywords = append(s.keywords, keyword{name: "type", value: jsontext.Value(`"null"`)})
	default:
		one := strings.ToLower(s.guess())
		s.keywords = append(s.keywords, keyword{name: "type", value: jsontext.Value(`["` + one + `","null"]`)})
	}
}

// boundItems takes the largest maxItems out of the schema until the sum of them is within a limit, and returns the sum. It changes the
// schema, which nobody else may hold.
func (s *schemaNode) boundItems(limit int) int {
	var all []int
	s.eachNode(func(n *schemaNode) { all = append(all, itemsOf(n.plainOf("maxItems"))) })
	sum := 0
	for _, n := range all {
		sum += n
	}
	slices.Sort(all)
	least := math.MaxInt // that is taken out
	for i := len(all) - 1; sum > limit; i-- {
		least = all[i]
		sum -= least
	}
	sum = 0
	s.eachNode(func(n *schemaNode) {
		bound := n.plainOf("maxItems")
		if itemsOf(bound) < least {
			sum += itemsOf(bound)
			return
		}
		i := n.index("maxItems")
		n.keywords = slices.Delete(n.keywords, i, i+1)
		n.describe([]string{"maxItems: " + plainText(bound)})
	})
	return sum
}

// eachNode calls f for the schema and all within it.
func (s *schemaNode) eachNode(f func(*schemaNode)) {
	for i := range s.keywords {
		for _, sub := range s.keywords[i].subs {
			sub.schema.eachNode(f)
		}
	}
	f(s)
}

// itemsOf is the value of maxItems, as far as it is a sensible one.
func itemsOf(v jsontext.Value) int {
	n, err := strconv.ParseFloat(string(v), 64)
	if err != nil || !(n > 0) {
		return 0
	}
	return int(min(n, maxItemsTotal+1))
}

// array is a JSON array of values.
func array(values []jsontext.Value) jsontext.Value {
	dst := jsontext.Value("[")
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, v...)
	}
	return append(dst, ']')
}

// appendTo writes the schema as JSON.
func (s *schemaNode) appendTo(dst []byte) []byte {
	if s.plain != nil {
		return append(dst, s.plain...)
	}
	dst = append(dst, '{')
	for i := range s.keywords {
		k := &s.keywords[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendQuote(dst, k.name), ':')
		switch k.kind {
		case plainValue:
			dst = append(dst, k.value...)
		case oneSchema:
			dst = k.subs[0].schema.appendTo(dst)
		case schemaList:
			dst = append(k.appendSubs(append(dst, '[')), ']')
		case schemaMap:
			dst = append(k.appendSubs(append(dst, '{')), '}')
		}
	}
	return append(dst, '}')
}

func (k *keyword) appendSubs(dst []byte) []byte {
	for i := range k.subs {
		if i > 0 {
			dst = append(dst, ',')
		}
		if k.kind == schemaMap {
			dst = append(appendQuote(dst, k.subs[i].name), ':')
		}
		dst = k.subs[i].schema.appendTo(dst)
	}
	return dst
}

// unquote is the text of a JSON string; empty for anything else.
func unquote(v jsontext.Value) string {
	if v.Kind() != '"' {
		return ""
	}
	text, _ := jsontext.AppendUnquote(nil, v)
	return string(text)
}

// elements are the values in a JSON array; nil for anything else.
func elements(v jsontext.Value) (list []jsontext.Value) {
	if v.Kind() != '[' {
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewReader(v), tolerant)
	_, _ = dec.ReadToken()
	for dec.PeekKind() != ']' {
		element, err := dec.ReadValue()
		if err != nil {
			return list
		}
		list = append(list, element.Clone())
	}
	return list
}
