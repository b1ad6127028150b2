package gateway_test

import (
	"net/http"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
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
