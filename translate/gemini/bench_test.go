package gemini

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

var chunk = []byte(`{"candidates": [{"content": {"parts": [{"text": "**Calculating the Days**\n\nI've got to work out the thing, and some more words for it."}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 38,"candidatesTokenCount": 6,"totalTokenCount": 212,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 38}],"thoughtsTokenCount": 168},"modelVersion": "gemini-2.5-flash","responseId": "48SHaPHpHKbG-8YPtZCawAk"}`)

func BenchmarkDecodeFold(b *testing.B) {
	var r Response
	var events []translate.Event
	fold := NewFold(translate.GeminiAPI, model(b, newest), &translate.Request{})
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Decode(chunk); err != nil {
			b.Fatal(err)
		}
		events = fold.Add(events[:0], &r)
	}
	if len(events) != 1 {
		b.Fatal(events)
	}
}

// longRequest is an agent's conversation: a system message, a question, and 119 messages of calls and results, with 40 tools; 124 KB.
func longRequest() *translate.Request {
	messages := []translate.Message{system(text(strings.Repeat("You are a helpful assistant. ", 200))), user(text("Fix the bug."))}
	for i := range 59 {
		id := fmt.Sprintf("call_%d", i)
		messages = append(messages, assistant(text("I will look."), call(id, "tool_7", `{"path":"/src/main.go","line":12,"text":"a \"quoted\" text"}`, sig)),
			toolSaid(result(id, `"`+strings.Repeat(`func main() {\n\tprintln(1)\n}\n`, 16)+`"`)))
	}
	messages = append(messages, user(text("And now?")))
	req := talk(messages...)
	for i := range 40 {
		property := `{"type":"string","description":"The absolute path of the file to look at, as the listing shows it","minLength":1}`
		schema := `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","additionalProperties":false,"required":["a"],"properties":{"a":` +
			property + `,"b":` + property + `,"c":{"type":"array","items":` + property + `},"d":{"anyOf":[` + property + `,{"const":null}]},"e":` + property +
			`,"f":` + property + `,"g":{"type":"object","properties":{"h":` + property + `}}}}`
		req.Tools = append(req.Tools, translate.Tool{Name: fmt.Sprintf("tool_%d", i), Description: strings.Repeat("Does something useful. ", 12), Schema: jsontext.Value(schema), Origin: i})
	}
	return req
}

func BenchmarkEncode(b *testing.B) {
	req, m := longRequest(), model(b, newest)
	b.ReportAllocs()
	for b.Loop() {
		e, err := Encode(req, translate.GeminiAPI, m, Remedies{})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(e.Body)))
	}
}

// BenchmarkLessons is what it costs to ask what is known about a large request once anything has been learned.
func BenchmarkLessons(b *testing.B) {
	req, m, l := longRequest(), model(b, newest), NewLessons()
	l.Learn(req, here, m, Remedies{NoIDs: true, Parameters: SchemaLite})
	b.ReportAllocs()
	for b.Loop() {
		if r := l.Remedies(req, here, m); r.Parameters != SchemaLite {
			b.Fatal(r)
		}
	}
}

// BenchmarkSchemas is what it costs to rewrite the schema of a tool as Pydantic writes it, with alternatives and references.
func BenchmarkSchemas(b *testing.B) {
	optional := `{"anyOf":[{"type":"string"},{"type":"null"}],"default":null,"title":"A","description":"What to look for, in plain words"}`
	schema := []byte(`{"$defs":{"Kind":{"enum":["a","b"],"title":"Kind","type":"string"},"Place":{"properties":{"kind":{"$ref":"#/$defs/Kind"},"name":` + optional +
		`},"required":["kind"],"title":"Place","type":"object"}},"properties":{"a":` + optional + `,"b":` + optional + `,"place":{"$ref":"#/$defs/Place","description":"Where"},` +
		`"places":{"items":{"$ref":"#/$defs/Place"},"title":"Places","type":"array"},"limit":{"anyOf":[{"exclusiveMinimum":0,"type":"integer"},{"type":"null"}],"default":10}},` +
		`"required":["place"],"title":"SearchArguments","type":"object"}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(schema)))
	for b.Loop() {
		var c schemaCleaner
		if clean, err := c.parameters(schema); err != nil || len(clean) == 0 {
			b.Fatal(err)
		}
	}
}
