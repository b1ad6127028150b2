package openai

import (
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

func BenchmarkDecodeLargeRequest(b *testing.B) {
	body := conformance.LargeChatRequest()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := (Chat{}).Decode(nil, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteTextChunk(b *testing.B) {
	w, ev, buffer := begunWriter("The quick brown fox jumps over the lazy dog, naïvely. ")
	b.ReportAllocs()
	for b.Loop() {
		buffer = w.Append(buffer[:0], ev)
	}
}

func TestATextChunkAllocatesNothing(t *testing.T) {
	w, ev, buffer := begunWriter("The quick “brown” fox")
	if n := testing.AllocsPerRun(100, func() { buffer = w.Append(buffer[:0], ev) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// begunWriter is a stream's writer after its first event.
func begunWriter(text string) (*chatWriter, *translate.Event, []byte) {
	w := newChatWriter(&translate.Request{Model: "gemini-3-flash-preview"}, chatForm{stream: true, usage: true}, created)
	ev := &translate.Event{Kind: translate.EventText, Text: text}
	return w, ev, w.Append(nil, ev)
}
