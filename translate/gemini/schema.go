package gemini

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// maxSchemaDepth bounds the nesting of schemas; Google's limit is about this. What lies deeper may be any object.
const maxSchemaDepth = 32

// tooDeep stands for what lies deeper than that.
const tooDeep = `{"type":"object","description":"(nested too deeply to be told)"}`

// Bounds of maxItems. Google's limit is not documented: where the bounds of a request add up to 960 or more, requests have been refused.
const (
	maxItems      = 64  // of one schema
	maxItemsTotal = 900 // of all schemas of a request together
)

// schemaUse is what a schema is for.
type schemaUse uint8

const (
	forParameters schemaUse = iota // of a function, which are an object
	forAnswer
)

// schemaCleaner rewrites JSON Schemas into the dialect of Google's …JsonSchema fields. It is deterministic, keeps the order of members,
// and leaves its input alone. Schemas that are in the dialect already, or nearly so, are copied without being taken apart. The zero
// schemaCleaner is ready; its results share memory.
type schemaCleaner struct {
	dec jsontext.Decoder
	out []byte
	use schemaUse
	// unsettled is set when the schema at hand holds what cannot be rewritten while it is copied: see settle.
	unsettled bool
	names     []span // of the properties of the schemas at hand, from the root to the innermost
	items     int    // the sum of all maxItems of the schemas so far
}

// span is a part of what was written.
type span struct{ begin, end int }

// parameters is the schema to declare a function's arguments with; nil when the client's says nothing, or is no schema of an object's.
func (c *schemaCleaner) parameters(schema jsontext.Value) (jsontext.Value, error) {
	if schema.Kind() != '{' {
		return nil, nil
	}
	clean, err := c.cleanFor(forParameters, schema)
	if err != nil || len(clean) == len("{}") {
		return nil, err
	}
	return clean, nil
}

// answer is the schema of an answer. Google is said to be stricter with it.
func (c *schemaCleaner) answer(schema jsontext.Value) (jsontext.Value, error) {
	return c.cleanFor(forAnswer, schema)
}

func (c *schemaCleaner) cleanFor(use schemaUse, schema jsontext.Value) (jsontext.Value, error) {
	c.use = use
	return c.clean(schema)
}

// clean rewrites one schema. The error is one of syntax.
func (c *schemaCleaner) clean(schema jsontext.Value) (jsontext.Value, error) {
	c.dec.Reset(bytes.NewBuffer(schema), tolerant)
	begin := len(c.out)
	c.unsettled = false
	before := c.items
	root, err := c.schema(0)
	if err != nil {
		return nil, err
	}
	if len(c.out)-begin == len("{}") {
		return slices.Clip(c.out[begin:]), nil
	}
	if c.use == forParameters && !root.isArguments() {
		c.unsettled = true
	}
	if !c.unsettled {
		return slices.Clip(c.out[begin:]), nil
	}
	node, err := parseSchema(c.out[begin:])
	if err != nil {
		return nil, err
	}
	node = settle(node, c.use)
	c.items = before + node.boundItems(max(maxItemsTotal-before, 0))
	clean := node.appendTo(nil)
	c.out = c.out[:begin]
	return clean, nil
}

// scanned is what is known of a schema that was copied.
type scanned struct {
	seen     keywordSet
	types    typeSet
	required span
	names    []span // of its properties
}

// isArguments reports whether a schema is one of a function's arguments.
func (s *scanned) isArguments() bool { return s.types == oneObject && s.seen&hasProperties != 0 }

// schema copies one schema without what means nothing to Google, and const as the enum it amounts to.
func (c *schemaCleaner) schema(depth int) (s scanned, err error) {
	switch {
	case c.dec.PeekKind() != '{':
		c.unsettled = true
		return s, c.copy()
	case depth > maxSchemaDepth:
		c.out = append(c.out, tooDeep...)
		return s, c.dec.SkipValue()
	}
	if err := c.open('{'); err != nil {
		return s, err
	}
	first := len(c.names)
	var constant jsontext.Value
	for c.dec.PeekKind() != '}' {
		name, err := c.dec.ReadValue()
		if err != nil {
			return s, err
		}
		if bytes.IndexByte(name, '\\') >= 0 {
			name = appendQuote(nil, unquote(name)) // a keyword in disguise
		}
		rule := keywords[string(name[1:len(name)-1])]
		switch rule.fate {
		case isConst:
			v, err := c.dec.ReadValue()
			if err != nil {
				return s, err
			}
			constant = v.Clone()
		case isDropped:
			if err := c.dec.SkipValue(); err != nil {
				return s, err
			}
		default:
			if err := c.keyword(&s, &rule, name, depth); err != nil {
				return s, err
			}
		}
	}
	if constant != nil && s.seen&hasEnum == 0 {
		c.constant(&s, constant)
	}
	s.names = c.names[first:]
	c.unsettled = c.unsettled || !c.settled(&s)
	c.names = c.names[:first]
	return s, c.close('}')
}

// keyword copies a keyword with its value, and notes what has to be settled about it.
func (c *schemaCleaner) keyword(s *scanned, rule *keywordRule, name jsontext.Value, depth int) error {
	if rule.fate == isRewritten || rule.fate == isTold || rule.fate == isForTools && c.use == forAnswer || s.seen&rule.bit != 0 {
		c.unsettled = true
	}
	s.seen |= rule.bit
	c.name(name)
	begin := len(c.out)
	if err := c.value(rule.kind, depth); err != nil {
		return err
	}
	switch value := c.out[begin:]; rule.bit {
	case hasType:
		types, plain := readTypes(value)
		s.types = types
		c.unsettled = c.unsettled || !plain
	case hasEnum:
		c.unsettled = c.unsettled || !enumerable(value)
	case hasRequired:
		s.required = span{begin, len(c.out)}
	case hasMaxItems:
		n := itemsOf(value)
		c.items += n
		c.unsettled = c.unsettled || n > maxItems || c.items > maxItemsTotal
	case hasFormat:
		c.unsettled = c.unsettled || c.use == forAnswer && !answerFormats[unquote(value)]
	default:
		c.unsettled = c.unsettled || !rule.takes(value)
	}
	return nil
}

// constant writes what const said as the enum it amounts to, and null as the type that it is.
func (c *schemaCleaner) constant(s *scanned, v jsontext.Value) {
	typed := s.seen&hasType != 0
	switch {
	case v.Kind() == 'n' && typed:
		c.unsettled = c.unsettled || !s.types.has(isNull)
	case v.Kind() == 'n':
		c.name([]byte(`"type"`))
		c.out = append(c.out, `"null"`...)
		s.seen, s.types = s.seen|hasType, isNull
	default:
		c.name([]byte(`"enum"`))
		begin := len(c.out)
		c.out = append(append(append(c.out, '['), v...), ']')
		c.unsettled = c.unsettled || !enumerable(c.out[begin:])
		s.seen |= hasEnum
	}
}

// settled reports whether the keywords of a schema go together, so that it can stay as it is.
func (c *schemaCleaner) settled(s *scanned) bool {
	ofObject, ofArray := s.seen&ofObjects != 0, s.seen&ofArrays != 0
	switch {
	case s.seen&hasAnyOf != 0:
		return s.seen == hasAnyOf
	case ofObject && !s.types.has(isObject), ofArray && !s.types.has(isArray):
		return false
	case s.types.has(isArray) && s.seen&(hasItems|hasPrefixItems) == 0:
		return false
	}
	return c.defined(s)
}

// defined reports whether all that is required is among the properties, as far as a quick look tells.
func (c *schemaCleaner) defined(s *scanned) bool {
	const quick = 4096 // comparisons
	list := c.out[s.required.begin:s.required.end]
	if len(list) <= len("[]") {
		return len(list) == 0 || list[0] == '['
	}
	if list[0] != '[' || bytes.Count(list, []byte{','})*len(s.names) > quick {
		return false
	}
	for i := 0; i < len(list); i++ {
		if list[i] != '"' {
			if list[i] != '[' && list[i] != ']' && list[i] != ',' && list[i] > ' ' {
				return false
			}
			continue
		}
		begin := i
		for i++; list[i] != '"'; i++ {
			if list[i] == '\\' {
				i++
			}
		}
		name := list[begin : i+1]
		if !slices.ContainsFunc(s.names, func(at span) bool { return bytes.Equal(c.out[at.begin:at.end], name) }) {
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
		return c.schemas(depth)
	case kind == schemaList && next == '[':
		return c.list(depth)
	case kind == oneSchema && (next == 't' || next == 'f'):
		return c.copy()
	case kind == schemaList || kind == oneSchema:
		_, err := c.schema(depth + 1)
		return err
	default:
		c.unsettled = c.unsettled || kind == schemaMap
		return c.copy()
	}
}

// schemas copies schemas with their names.
func (c *schemaCleaner) schemas(depth int) error {
	if err := c.open('{'); err != nil {
		return err
	}
	for c.dec.PeekKind() != '}' {
		name, err := c.dec.ReadValue()
		if err != nil {
			return err
		}
		c.name(name)
		end := len(c.out) - len(":")
		c.names = append(c.names, span{end - len(name), end})
		if _, err := c.schema(depth + 1); err != nil {
			return err
		}
	}
	return c.close('}')
}

// list copies schemas in an array, of which there ought to be two at least.
func (c *schemaCleaner) list(depth int) error {
	if err := c.open('['); err != nil {
		return err
	}
	n := 0
	for ; c.dec.PeekKind() != ']'; n++ {
		c.comma()
		if _, err := c.schema(depth + 1); err != nil {
			return err
		}
	}
	c.unsettled = c.unsettled || n < 2
	return c.close(']')
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
