package gateway_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/signatures"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/openai"
)

// BenchmarkRequest is what a large request of a coding agent costs from the client's bytes to Google's: 124 KB, 121 messages, 40 tools.
func BenchmarkRequest(b *testing.B) {
	body := conformance.LargeChatRequest()
	m, _ := gemini.NewCatalogue().Find(model)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		request, _, err := openai.Chat{}.Decode(http.Header{}, body)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := gemini.Encode(request, translate.GeminiAPI, m, gemini.Remedies{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChunk is what one event of a stream costs from Google's bytes to the client's.
func BenchmarkChunk(b *testing.B) {
	payload := []byte(`{"candidates": [{"content": {"parts": [{"text": "**Calculating the days**\n\nThere are some words in this one, as there are ` +
		`in most."}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 38,"candidatesTokenCount": 6,"totalTokenCount": ` +
		`212,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 38}],"thoughtsTokenCount": 168},"modelVersion": ` +
		`"gemini-2.5-flash","responseId": "48SHaPHpHKbG-8YPtZCawAk"}`)
	request, newWriter, err := openai.Chat{}.Decode(http.Header{}, []byte(chat(stream())))
	if err != nil {
		b.Fatal(err)
	}
	m, _ := gemini.NewCatalogue().Find(model)
	var (
		response gemini.Response
		fold     = gemini.NewFold(translate.GeminiAPI, m, request)
		writer   = newWriter()
		events   []translate.Event
		out      []byte
	)
	b.ReportAllocs()
	for b.Loop() {
		if err := response.Decode(payload); err != nil {
			b.Fatal(err)
		}
		events, out = fold.Add(events[:0], &response), out[:0]
		for i := range events {
			out = writer.Append(out, &events[i])
		}
	}
	if len(out) == 0 {
		b.Fatal("nothing was written")
	}
}

// BenchmarkSignatures is what it costs to remember signatures for a client that carries none: per signed call of an answer, and per request
// of a conversation of 40 calls. Where the client has ids of its own, all of them are of the turn under way.
func BenchmarkSignatures(b *testing.B) {
	m, _ := gemini.NewCatalogue().Find(model)
	request, _, err := openai.Chat{}.Decode(http.Header{}, conformance.LargeChatRequest())
	if err != nil {
		b.Fatal(err)
	}
	step := *request // the same without what the user said since
	first := slices.IndexFunc(step.Messages, func(m translate.Message) bool { return m.Role == translate.RoleUser })
	step.Messages = slices.DeleteFunc(slices.Clone(step.Messages), func(m translate.Message) bool {
		return m.Role == translate.RoleUser && m.Origin != step.Messages[first].Origin
	})
	signature := translate.Signature{Origin: translate.OriginGeminiAPI, Family: m.GenerationName, Value: strings.Repeat("QUJD", 400)}
	kept, some := signatures.NewCache(), signatures.NewCache()
	keep := func(r *translate.Request, i, j int) {
		call := *r.Messages[i].Parts[j].Call
		call.Signature = signature
		before := *r
		before.Messages = r.Messages[:i]
		gateway.Keep(kept, known, &before, &translate.Event{Kind: translate.EventCall, Call: &call})
	}
	calls := func(r *translate.Request, visit func(i, j int)) {
		for i := range r.Messages {
			for j := range r.Messages[i].Parts {
				if r.Messages[i].Parts[j].Kind == translate.PartCall {
					visit(i, j)
				}
			}
		}
	}
	calls(request, func(i, j int) { keep(request, i, j) })
	calls(&step, func(i, j int) { keep(&step, i, j) })
	gateway.Keep(some, known, request, &translate.Event{Kind: translate.EventCall, Call: &translate.Call{ID: "x", Signature: signature}})

	b.Run("keep", func(b *testing.B) {
		last := len(step.Messages) - 2
		b.ReportAllocs()
		for b.Loop() {
			keep(&step, last, len(step.Messages[last].Parts)-1)
		}
	})
	for name, c := range map[string]struct {
		cache   *signatures.Cache
		request *translate.Request
		renamed bool
		want    int
	}{
		"nothing kept":           {signatures.NewCache(), request, false, 0},
		"nothing found":          {some, request, false, 0},
		"found by id":            {kept, request, false, 40},
		"own ids":                {kept, &step, true, 40},
		"own ids, nothing found": {some, &step, true, 0},
	} {
		b.Run(name, func(b *testing.B) {
			var ids []string
			calls(c.request, func(i, j int) {
				call := c.request.Messages[i].Parts[j].Call
				ids = append(ids, call.ID)
				if c.renamed {
					call.ID = "own_" + call.ID
				}
			})
			defer calls(c.request, func(i, j int) { c.request.Messages[i].Parts[j].Call.ID, ids = ids[0], ids[1:] })
			found := 0
			b.ReportAllocs()
			for b.Loop() {
				gateway.Recall(c.cache, known, c.request, m)
				found = 0
				calls(c.request, func(i, j int) {
					if s := &c.request.Messages[i].Parts[j].Call.Signature; !s.IsZero() {
						found, *s = found+1, translate.Signature{}
					}
				})
			}
			if found != c.want {
				b.Errorf("%d signatures were found, want %d", found, c.want)
			}
		})
	}
}
