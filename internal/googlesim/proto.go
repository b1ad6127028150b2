package googlesim

import (
	"fmt"
	"strings"
)

// protoField is one field of a message in protoTable.
type protoField struct {
	name     string   // in JSON
	kind     string   // a scalar, "any", "object", "enum" or a message
	values   []string // of an enum
	repeated bool
	mapped   bool
	services string // d, v and a
	oneof    string
}

type protoMessage struct {
	name   string
	fields map[string]*protoField
}

var protoMessages = parseProtoTable(protoTable)

func parseProtoTable(table string) map[string]*protoMessage {
	all := map[string]*protoMessage{}
	var current *protoMessage
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case line[0] != '\t':
			current = &protoMessage{words[0], map[string]*protoField{}}
			all[words[0]] = current
		default:
			f := parseProtoField(words)
			current.fields[f.name] = f
		}
	}
	return all
}

func parseProtoField(words []string) *protoField {
	f := &protoField{name: words[0], services: "dva"}
	kind, repeated := strings.CutSuffix(words[1], "[]")
	kind, mapped := strings.CutSuffix(kind, "{}")
	f.kind, f.repeated, f.mapped = kind, repeated, mapped
	if list, ok := strings.CutPrefix(kind, "enum("); ok {
		f.kind, f.values = "enum", strings.Split(strings.TrimSuffix(list, ")"), "|")
	}
	for _, word := range words[2:] {
		if oneof, ok := strings.CutPrefix(word, "="); ok {
			f.oneof = oneof
		} else {
			f.services = word
		}
	}
	return f
}

// dialect is one backend's understanding of protoTable.
type dialect struct {
	letter    string
	namespace string
	callIDs   bool // accepted although the table says that the backend has none
	quirks    *Quirks
}

func (s *Server) dialect(b Backend) dialect {
	quirks := s.quirks.Load()
	switch b {
	case Developer:
		return dialect{letter: "d", namespace: "google.ai.generativelanguage.v1beta.", quirks: quirks}
	case Vertex:
		return dialect{"v", "google.cloud.aiplatform.v1beta1.", s.opts.CloudCallIDs, quirks}
	default:
		return dialect{"a", "google.cloud.aiplatform.v1beta1.", s.opts.CloudCallIDs, quirks}
	}
}

func (d dialect) field(m *protoMessage, name string) *protoField {
	f := m.fields[camel(name)]
	if f != nil && d.quirks.unknown(m, f.name) {
		return nil
	}
	if f == nil || strings.Contains(f.services, d.letter) {
		return f
	}
	if d.callIDs && f.name == "id" {
		return f
	}
	return nil
}

// protoCheck reads JSON the way Google's front end does: it gives the message with all names in JSON form, and every complaint.
type protoCheck struct {
	dialect
	complaints []fieldViolation
}

func (p *protoCheck) unknown(path, name, why string) {
	at := ""
	if path != "" {
		at = " at '" + path + "'"
	}
	p.complaints = append(p.complaints, fieldViolation{
		path,
		fmt.Sprintf("Invalid JSON payload received. Unknown name %q%s: %s", name, at, why),
	})
}

func (p *protoCheck) wrong(path, typeName string, value *node) {
	p.complaints = append(p.complaints, fieldViolation{
		path,
		fmt.Sprintf("Invalid value at '%s' (%s), %s", path, typeName, value.value()),
	})
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// message reads an object as a message. It always returns an object.
func (p *protoCheck) message(m *protoMessage, n *node, path string) *node {
	read := &node{kind: '{'}
	if !n.isObject() {
		p.wrong(path, "type.googleapis.com/"+p.namespace+m.name, n)
		return read
	}
	set := map[string]bool{}
	for _, given := range n.members {
		f := p.field(m, given.name)
		if f == nil {
			p.unknown(path, given.name, "Cannot find field.")
			continue
		}
		if given.value.kind == 'n' && f.kind != "any" {
			continue
		}
		if f.oneof != "" {
			if set[f.oneof] {
				p.complaints = append(p.complaints, fieldViolation{
					path,
					fmt.Sprintf("Invalid value at '%s' (oneof), oneof field '%s' is "+
						"already set. Cannot set '%s'", path, f.oneof, f.name),
				})
			}
			set[f.oneof] = true
		}
		if value := p.value(f, given.value, path, given.name); value != nil {
			read.members = append(read.members, member{f.name, value})
		}
	}
	return read
}

// value reads one field's value; nil when it is not to be used.
func (p *protoCheck) value(f *protoField, n *node, parent, given string) *node {
	path := join(parent, snake(f.name))
	switch {
	case f.mapped:
		return p.mapping(f, n, path)
	case f.repeated:
		list := &node{kind: '['}
		for i, item := range n.list() {
			list.items = append(list.items, p.single(f, item, fmt.Sprintf("%s[%d]", path, i)))
		}
		return list
	case n.kind == '[' && f.kind != "any":
		p.unknown(parent, given, "Proto field is not repeating, cannot start list.")
		return nil
	default:
		return p.single(f, n, path)
	}
}

func (p *protoCheck) mapping(f *protoField, n *node, path string) *node {
	if !n.isObject() {
		p.wrong(path, "Map", n)
		return nil
	}
	read := &node{kind: '{'}
	for i, m := range n.members {
		read.members = append(read.members, member{m.name, p.single(f, m.value, fmt.Sprintf("%s[%d].value", path, i))})
	}
	return read
}

// single reads one value that is not a list.
func (p *protoCheck) single(f *protoField, n *node, path string) *node {
	switch f.kind {
	case "any":
		return n
	case "object":
		if !n.isObject() {
			p.wrong(path, "type.googleapis.com/google.protobuf.Struct", n)
		}
		return n
	case "enum":
		return p.enum(f, n, path)
	case "string", "bool", "int32", "int64", "double", "bytes":
		p.scalar(f.kind, n, path)
		return n
	default:
		return p.message(protoMessages[f.kind], n, path)
	}
}
