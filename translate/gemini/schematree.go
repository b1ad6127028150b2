package gemini

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// schemaNode is one JSON Schema taken apart. Nodes are immutable once they are parsed or made: what rewrites a schema makes new ones and
// may share old ones.
type schemaNode struct {
	plain    jsontext.Value // set when it is no object: true, false, or what no schema is
	keywords []keyword      // in the order of the text, no name twice
	size     int            // of the text it was parsed from, in bytes
	holds    []*schemaNode  // what was referred to and has become part of it
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

// parseSchema takes a schema apart that the schemaCleaner has written, which bounds its depth. The result holds parts of the text.
func parseSchema(text jsontext.Value) (*schemaNode, error) {
	r := schemaReader{text: text}
	r.dec.Reset(bytes.NewBuffer(text), tolerant)
	return r.schema()
}

type schemaReader struct {
	dec  jsontext.Decoder
	text jsontext.Value
}

func (r *schemaReader) schema() (*schemaNode, error) {
	if r.dec.PeekKind() != '{' {
		v, err := r.value()
		return &schemaNode{plain: v, size: len(v)}, err
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return nil, err
	}
	begin := r.dec.InputOffset()
	s := &schemaNode{keywords: make([]keyword, 0, 4)}
	for r.dec.PeekKind() != '}' {
		name, err := r.dec.ReadToken()
		if err != nil {
			return nil, err
		}
		k := keyword{name: name.String()}
		if err := r.keyword(&k); err != nil {
			return nil, err
		}
		if i := s.index(k.name); i >= 0 { // the last counts
			s.keywords[i] = k
			continue
		}
		s.keywords = append(s.keywords, k)
	}
	_, err := r.dec.ReadToken()
	s.size = int(r.dec.InputOffset()-begin) + len("{")
	return s, err
}

// keyword reads a keyword's value. One that has not the form its keyword wants is plain.
func (r *schemaReader) keyword(k *keyword) (err error) {
	kind, next := keywords[k.name].kind, r.dec.PeekKind()
	switch {
	case kind == schemaMap && next == '{', kind == schemaList && next == '[':
		k.kind = kind
		if _, err := r.dec.ReadToken(); err != nil {
			return err
		}
		if err := r.schemas(k); err != nil {
			return err
		}
		_, err = r.dec.ReadToken()
	case (kind == oneSchema || kind == schemaList) && (next == '{' || next == 't' || next == 'f'):
		k.kind = oneSchema
		var one *schemaNode
		one, err = r.schema()
		k.subs = []subschema{{schema: one}}
	default:
		k.value, err = r.value()
	}
	return err
}

// schemas reads schemas up to the closing bracket.
func (r *schemaReader) schemas(k *keyword) (err error) {
	var known map[string]int
	for r.dec.PeekKind() != '}' && r.dec.PeekKind() != ']' {
		var sub subschema
		if k.kind == schemaMap {
			name, err := r.dec.ReadToken()
			if err != nil {
				return err
			}
			sub.name = name.String()
		}
		if sub.schema, err = r.schema(); err != nil {
			return err
		}
		if i := k.find(sub.name, &known); i >= 0 {
			k.subs[i] = sub
			continue
		}
		k.subs = append(k.subs, sub)
	}
	return nil
}

// find is where the keyword has a schema of that name; -1 when it has none. Known are the first of them, when they are many.
func (k *keyword) find(name string, known *map[string]int) int {
	const few = 16
	if k.kind != schemaMap {
		return -1
	}
	if len(k.subs) <= few {
		return slices.IndexFunc(k.subs, func(sub subschema) bool { return sub.name == name })
	}
	if *known == nil {
		*known = make(map[string]int, 2*len(k.subs))
	}
	for i := len(*known); i < len(k.subs); i++ {
		(*known)[k.subs[i].name] = i
	}
	if i, there := (*known)[name]; there {
		return i
	}
	return -1
}

// value is the next value, as it stands in the text.
func (r *schemaReader) value() (jsontext.Value, error) {
	v, err := r.dec.ReadValue()
	end := r.dec.InputOffset()
	return slices.Clip(r.text[end-int64(len(v)) : end]), err
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
		n.remove("maxItems")
		n.hinted("maxItems: " + plainText(bound))
	})
	return sum
}

// put gives the schema a keyword, in the place of one of the same name, or else at the end, but for definitions. It changes the schema.
func (s *schemaNode) put(k keyword) {
	i, end := s.index(k.name), len(s.keywords)
	switch {
	case i >= 0:
		s.keywords[i] = k
	case end > 0 && s.keywords[end-1].name == "$defs":
		s.keywords = slices.Insert(s.keywords, end-1, k)
	default:
		s.keywords = append(s.keywords, k)
	}
}

// remove takes keywords from the schema. It changes the schema.
func (s *schemaNode) remove(names ...string) {
	s.keywords = slices.DeleteFunc(s.keywords, func(k keyword) bool { return slices.Contains(names, k.name) })
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

// eachReference calls f with every reference in the schema, in the order of the text.
func (s *schemaNode) eachReference(f func(ref string)) {
	for i := range s.keywords {
		if s.keywords[i].name == "$ref" {
			f(s.text("$ref"))
		}
		for _, sub := range s.keywords[i].subs {
			sub.schema.eachReference(f)
		}
	}
}

// itemsOf is the value of maxItems, as far as it is a sensible one.
func itemsOf(v jsontext.Value) int {
	if v.Kind() != '0' {
		return 0
	}
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

// quotedList is a JSON array of strings.
func quotedList(texts []string) jsontext.Value {
	list := make([]jsontext.Value, len(texts))
	for i, text := range texts {
		list[i] = appendQuote(nil, text)
	}
	return array(list)
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
	if bytes.IndexByte(v, '\\') < 0 && utf8.Valid(v) {
		return string(v[1 : len(v)-1])
	}
	text, _ := jsontext.AppendUnquote(nil, v)
	return string(text)
}

// elements are the values in a JSON array, as they stand in it; nil for anything else.
func elements(v jsontext.Value) (list []jsontext.Value) {
	if v.Kind() != '[' {
		return nil
	}
	depth, begin := 0, 1
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case '"':
			for i++; v[i] != '"'; i++ {
				if v[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			depth++
		case ',', ']', '}':
			if depth == 1 {
				if one := bytes.TrimSpace(v[begin:i]); len(one) > 0 {
					list = append(list, slices.Clip(one))
				}
				begin = i + 1
			}
			if v[i] != ',' {
				depth--
			}
		}
	}
	return list
}
