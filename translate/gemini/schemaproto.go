package gemini

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxProtoDepth bounds the nesting of schemas in the older dialect, which some models limit more than the newer one.
	maxProtoDepth = 12
	// anyMember is the property that stands for members of any name: Google refuses objects without properties.
	anyMember = "key"
)

// protoSchema is Google's Schema message, as far as it is used. A type is always given, except beside anyOf, which stands alone.
type protoSchema struct {
	Type             string          `json:"type,omitzero"`
	Format           string          `json:"format,omitzero"`
	Description      string          `json:"description,omitzero"`
	Nullable         bool            `json:"nullable,omitzero"`
	Enum             []string        `json:"enum,omitzero"`
	Items            *protoSchema    `json:"items,omitzero"`
	Properties       protoProperties `json:"properties,omitzero"`
	PropertyOrdering []string        `json:"propertyOrdering,omitzero"`
	Required         []string        `json:"required,omitzero"`
	AnyOf            []*protoSchema  `json:"anyOf,omitzero"`
}

type protoProperty struct {
	name   string
	schema *protoSchema
}

// protoProperties are the members of an object, in order.
type protoProperties []protoProperty

// MarshalJSONTo implements json.MarshalerTo.
func (p protoProperties) MarshalJSONTo(enc *jsontext.Encoder) error {
	if err := enc.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for i := range p {
		if err := enc.WriteToken(jsontext.String(p[i].name)); err != nil {
			return err
		}
		if err := json.MarshalEncode(enc, p[i].schema); err != nil {
			return err
		}
	}
	return enc.WriteToken(jsontext.EndObject)
}

// Google's names of types.
const (
	typeString  = "STRING"
	typeNumber  = "NUMBER"
	typeInteger = "INTEGER"
	typeBoolean = "BOOLEAN"
	typeArray   = "ARRAY"
	typeObject  = "OBJECT"
	typeNull    = "NULL"
)

// protoFormats are the formats each type may have.
var protoFormats = map[string][]string{
	typeString: {"date-time"}, typeNumber: {"float", "double"}, typeInteger: {"int32", "int64"},
}

// protoDialect writes a schema for Google's older fields, as the parameters of a function, which are an object, or as it is; nil when
// nothing of it can be said at the root.
func protoDialect(root *schemaNode, parameters bool) jsontext.Value {
	w := protoWriter{schemaIndex: newSchemaIndex(root, 2*root.size+freeCopies), open: []*schemaNode{root}}
	p := w.schema(root, 0)
	if parameters {
		p = w.asObject(p)
	}
	if p == nil || w.free[p] {
		return nil
	}
	text, err := json.Marshal(p, tolerant)
	if err != nil {
		return nil // there is nothing in a protoSchema that cannot be written
	}
	return text
}

// asObject is a schema as the arguments of a function, which are one object: of several kinds of object, one that has the properties of
// all of them. It is nil for what is no object.
func (w *protoWriter) asObject(p *protoSchema) *protoSchema {
	if p.Type == typeObject {
		p.Nullable = false
		return p
	}
	var all *protoSchema
	known := map[string]bool{}
	for _, option := range p.AnyOf {
		if option.Type != typeObject {
			continue
		}
		if all == nil {
			all = &protoSchema{Type: typeObject, Description: option.Description, Required: option.Required}
		}
		needed := make(map[string]bool, len(option.Required))
		for _, name := range option.Required {
			needed[name] = true
		}
		all.Required = slices.DeleteFunc(all.Required, func(name string) bool { return !needed[name] })
		for _, q := range option.Properties {
			if !known[q.name] && !w.free[option] {
				known[q.name] = true
				all.Properties = append(all.Properties, q)
			}
		}
	}
	if all == nil || len(all.Properties) == 0 {
		return nil
	}
	if len(all.Required) == 0 {
		all.Required = nil
	}
	all.order()
	return all
}

// order keeps the properties in their order, which the protocol would lose.
func (p *protoSchema) order() {
	if len(p.Properties) < 2 {
		return
	}
	p.PropertyOrdering = p.PropertyOrdering[:0]
	for _, q := range p.Properties {
		p.PropertyOrdering = append(p.PropertyOrdering, q.name)
	}
}

// protoWriter turns one schema into the older dialect.
type protoWriter struct {
	schemaIndex
	open []*schemaNode         // what references lead to, from the root to the schema at hand
	free map[*protoSchema]bool // objects with nothing known about their members
}

// schema rewrites one schema. What is deeper than the dialect goes may be any object.
func (w *protoWriter) schema(s *schemaNode, depth int) *protoSchema {
	if ref := s.text("$ref"); ref != "" {
		return w.reference(s, ref, depth)
	}
	if options := s.subs("anyOf"); len(options) > 0 {
		return w.anyOf(options, depth)
	}
	types, nullable := s.protoTypes()
	if len(types) > 1 {
		return w.anyType(s, types, nullable, depth)
	}
	p := &protoSchema{Type: types[0], Description: s.text("description"), Nullable: nullable && types[0] != typeNull}
	switch p.Type {
	case typeObject:
		w.object(p, s, depth)
	case typeArray:
		w.array(p, s, depth)
	default:
		p.scalar(s)
	}
	return p
}

// anything is a schema for what may be anything, in a dialect that always wants a type.
func anything() *protoSchema { return &protoSchema{Type: typeString} }

// freeObject is an object of which nothing is known but the schema of its members.
func (w *protoWriter) freeObject(p *protoSchema, member *protoSchema) *protoSchema {
	p.Type, p.Properties = typeObject, protoProperties{{anyMember, member}}
	if w.free == nil {
		w.free = map[*protoSchema]bool{}
	}
	w.free[p] = true
	return p
}

func (w *protoWriter) object(p *protoSchema, s *schemaNode, depth int) {
	if depth >= maxProtoDepth {
		w.freeObject(p, anything())
		return
	}
	for _, sub := range s.subs("properties") {
		if sub.schema.plain.Kind() == 'f' {
			continue // must not be there
		}
		p.Properties = append(p.Properties, protoProperty{sub.name, w.schema(sub.schema, depth+1)})
	}
	if len(p.Properties) == 0 {
		member := anything()
		if extra := s.subs("additionalProperties"); len(extra) > 0 && extra[0].schema.plain == nil {
			member = w.schema(extra[0].schema, depth+1)
		}
		w.freeObject(p, member)
		return
	}
	p.order()
	required := s.list("required")
	wanted := make(map[string]bool, len(required))
	for _, v := range required {
		wanted[unquote(v)] = true
	}
	for i := range p.Properties { // only what is defined can be required
		if name := p.Properties[i].name; wanted[name] {
			p.Required = append(p.Required, name)
		}
	}
}

func (w *protoWriter) array(p *protoSchema, s *schemaNode, depth int) {
	p.Items = anything()
	if depth >= maxProtoDepth {
		return
	}
	places := s.subs("prefixItems")
	if len(places) == 0 {
		places = s.subs("items")
	}
	var items []*protoSchema
	for _, sub := range places {
		if sub.schema.plain == nil {
			items = append(items, w.schema(sub.schema, depth+1))
		}
	}
	if len(items) > 0 {
		p.Items = union(items, false)
	}
}

// scalar completes a type without parts. Only strings can be enumerated: of other types the description has to say it.
func (p *protoSchema) scalar(s *schemaNode) {
	var hints []string
	if values := s.list("enum"); p.Type == typeString {
		for _, v := range values {
			if text := unquote(v); text != "" && !slices.Contains(p.Enum, text) {
				p.Enum = append(p.Enum, text)
			}
		}
	} else if len(values) > 0 && p.Type != typeNull {
		hints = append(hints, oneOf(values))
	}
	if format := s.text("format"); slices.Contains(protoFormats[p.Type], format) {
		p.Format = format
	} else if format != "" && format != "enum" {
		hints = append(hints, "format: "+format)
	}
	if len(hints) > 0 {
		p.Description = described(p.Description, hints)
	}
}

// anyOf rewrites alternatives.
func (w *protoWriter) anyOf(options []subschema, depth int) *protoSchema {
	list := make([]*protoSchema, len(options))
	for i, option := range options {
		list[i] = w.schema(option.schema, depth)
	}
	return union(list, false)
}

// anyType rewrites a schema of several types.
func (w *protoWriter) anyType(s *schemaNode, types []string, nullable bool, depth int) *protoSchema {
	list := make([]*protoSchema, 0, len(types))
	for i, t := range types {
		one := s.with(keyword{name: "type", value: appendQuote(nil, t)})
		if i > 0 {
			one = one.without("description")
		}
		list = append(list, w.schema(one, depth))
	}
	return union(list, nullable)
}

// union is a schema of one of several, each of which is there once. They stand alone, so that each of them is nullable when the whole is.
func union(list []*protoSchema, nullable bool) *protoSchema {
	var all []*protoSchema
	for _, p := range list {
		switch {
		case len(p.AnyOf) > 0:
			all = append(all, p.AnyOf...)
		case p.Type == typeNull:
			nullable = true
		default:
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return &protoSchema{Type: typeNull}
	}
	for _, p := range all {
		p.Nullable = p.Nullable || nullable
	}
	if all = distinct(all); len(all) == 1 {
		return all[0]
	}
	return &protoSchema{AnyOf: all}
}

// distinct are the schemas of a list without those that say nothing more than the one before them.
func distinct(list []*protoSchema) []*protoSchema {
	return slices.CompactFunc(list, func(a, b *protoSchema) bool {
		return a.Type == b.Type && a.Format == b.Format && a.Description == b.Description && a.Nullable == b.Nullable && a.Items == nil &&
			len(a.Properties)+len(a.AnyOf) == 0 && slices.Equal(a.Enum, b.Enum)
	})
}

// introduce puts a description before a schema's own.
func (p *protoSchema) introduce(text string) {
	for len(p.AnyOf) > 0 {
		p = p.AnyOf[0]
	}
	p.Description = cut(introduced(text, p.Description), maxDescription)
}

// reference rewrites a schema that stands somewhere else. One that is part of itself ends as any object.
func (w *protoWriter) reference(s *schemaNode, ref string, depth int) *protoSchema {
	var p *protoSchema
	switch target := w.find(ref); {
	case target == nil:
		p = anything()
	case len(w.open) >= maxOpen || slices.Contains(w.open, target) || !w.spend(target.size):
		p = w.freeObject(new(protoSchema), anything())
	default:
		w.open = append(w.open, target)
		p = w.schema(target, depth)
		w.open = w.open[:len(w.open)-1]
	}
	p.introduce(s.text("description"))
	return p
}

// protoTypes are the types a value may have by Google's names, at least one and not null unless that is the only one, and whether it may
// be null besides.
func (s *schemaNode) protoTypes() (types []string, nullable bool) {
	named := s.types()
	for _, name := range (named &^ isNull).names() {
		types = append(types, strings.ToUpper(name))
	}
	switch {
	case len(types) > 0:
		return types, named.has(isNull)
	case named.has(isNull):
		return []string{typeNull}, false
	case len(s.list("enum")) > 0 && s.list("enum")[0].Kind() == '0':
		return []string{typeNumber}, false
	default:
		return []string{typeString}, false
	}
}
