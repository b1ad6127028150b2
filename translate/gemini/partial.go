package gemini

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// maxArgDepth bounds the nesting of arguments that come in pieces. A piece below it is dropped.
const maxArgDepth = 64

// partialCall collects a call whose arguments Vertex sends in pieces, each for one place in the arguments.
type partialCall struct {
	id, name  string
	signature translate.Signature
	root      argument
}

// argument is one place in a call's arguments: an object, an array, a text that may still grow, or any other value.
type argument struct {
	kind  byte // '{', '[', '"', or 0 for raw
	names []string
	items []*argument // of an array, or of an object beside names
	text  []byte
	raw   jsontext.Value
}

func (p *partialCall) add(fc *FunctionCall) {
	if p.id == "" {
		p.id = fc.ID
	}
	if len(fc.Args) > 0 {
		p.root = argument{raw: fc.Args} // all of them at once after all
	}
	for i := range fc.PartialArgs {
		p.set(&fc.PartialArgs[i])
	}
}

// args is what has been collected, as a JSON object.
func (p *partialCall) args() jsontext.Value {
	if p.root.raw != nil {
		return p.root.raw
	}
	p.root.become('{')
	return p.root.append(nil)
}

func (p *partialCall) set(piece *PartialArg) {
	steps, ok := parsePath(piece.JSONPath)
	if !ok {
		return
	}
	at := &p.root
	for _, step := range steps {
		switch {
		case step.end: // $.tags[]: the array itself, empty so far
			at.become('[')
			return
		case step.array:
			at = at.element(step.index)
		default:
			at = at.member(step.name)
		}
		if at == nil {
			return
		}
	}
	at.assign(piece)
}

func (a *argument) assign(piece *PartialArg) {
	switch {
	case piece.StringValue != nil:
		a.become('"')
		a.text = append(a.text, *piece.StringValue...)
	case piece.NumberValue != nil:
		*a = argument{raw: piece.NumberValue}
	case piece.BoolValue != nil:
		*a = argument{raw: strconv.AppendBool(nil, *piece.BoolValue)}
	case piece.NullValue != nil:
		*a = argument{raw: jsontext.Value("null")}
	default: // no value stands for an empty container
		a.become('{')
	}
}

// become makes the place hold a value of a kind, keeping what it holds when it is of that kind already.
func (a *argument) become(kind byte) {
	if a.kind != kind {
		*a = argument{kind: kind}
	}
}

func (a *argument) member(name string) *argument {
	a.become('{')
	for i, n := range a.names {
		if n == name {
			return a.items[i]
		}
	}
	item := new(argument)
	a.names, a.items = append(a.names, name), append(a.items, item)
	return item
}

// element is nil for one beyond the next: they come in order, and a path must not make more of itself than it is long.
func (a *argument) element(index int) *argument {
	a.become('[')
	if index > len(a.items) {
		return nil
	}
	if index == len(a.items) {
		a.items = append(a.items, new(argument))
	}
	return a.items[index]
}

func (a *argument) append(dst []byte) []byte {
	switch a.kind {
	case '{':
		dst = append(dst, '{')
		for i, item := range a.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendQuote(dst, a.names[i]), ':')
			dst = item.append(dst)
		}
		return append(dst, '}')
	case '[':
		dst = append(dst, '[')
		for i, item := range a.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.append(dst)
		}
		return append(dst, ']')
	case '"':
		return appendQuote(dst, a.text)
	default:
		if a.raw == nil {
			return append(dst, "null"...) // begun by a piece that was dropped
		}
		return append(dst, a.raw...)
	}
}

// appendQuote writes a JSON string; broken UTF-8 is replaced, which is the only error there could be.
func appendQuote[T string | []byte](dst []byte, text T) []byte {
	dst, _ = jsontext.AppendQuote(dst, text)
	return dst
}

// pathStep is one step of a path: a member, an element, or the empty brackets that end one.
type pathStep struct {
	name  string
	index int
	array bool
	end   bool
}

// parsePath reads $.a.b, $.a[0], $['k'] and $.a[]. Arguments are an object, so a path begins with one of its members.
func parsePath(path string) (steps []pathStep, ok bool) {
	rest, ok := strings.CutPrefix(path, "$")
	for ok && rest != "" && len(steps) <= maxArgDepth {
		var step pathStep
		step, rest, ok = nextStep(rest)
		steps = append(steps, step)
	}
	return steps, ok && 0 < len(steps) && len(steps) <= maxArgDepth && steps[0].name != ""
}

// nextStep reads one of .name, [0], ['name'], ["name"] and [] from a path.
func nextStep(path string) (step pathStep, rest string, ok bool) {
	if name, dotted := strings.CutPrefix(path, "."); dotted {
		n := strings.IndexAny(name, ".[")
		if n < 0 {
			n = len(name)
		}
		return pathStep{name: name[:n]}, name[n:], n > 0
	}
	inner, bracketed := strings.CutPrefix(path, "[")
	if !bracketed || inner == "" {
		return step, "", false
	}
	if quote := inner[0]; quote == '\'' || quote == '"' {
		return quotedStep(inner[1:], quote)
	}
	digits, rest, ok := strings.Cut(inner, "]")
	if !ok {
		return step, "", false
	}
	if digits == "" {
		return pathStep{end: true}, "", rest == ""
	}
	index, err := strconv.ParseUint(digits, 10, 31)
	return pathStep{array: true, index: int(index)}, rest, err == nil
}

// quotedStep reads name'] where a backslash takes the next character literally.
func quotedStep(inner string, quote byte) (step pathStep, rest string, ok bool) {
	var name []byte
	for i := 0; i < len(inner); i++ {
		switch c := inner[i]; {
		case c == '\\' && i+1 < len(inner):
			i++
			name = append(name, inner[i])
		case c == quote:
			rest, ok = strings.CutPrefix(inner[i+1:], "]")
			return pathStep{name: string(name)}, rest, ok
		default:
			name = append(name, c)
		}
	}
	return step, "", false
}
