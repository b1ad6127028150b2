package gemini

import "testing"

var chunk = []byte(`{"candidates": [{"content": {"parts": [{"text": "**Calculating the Days**\n\nI've got to work out the thing, and some more words for it."}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 38,"candidatesTokenCount": 6,"totalTokenCount": 212,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 38}],"thoughtsTokenCount": 168},"modelVersion": "gemini-2.5-flash","responseId": "48SHaPHpHKbG-8YPtZCawAk"}`)

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	var r Response
	for b.Loop() {
		if err := r.Decode(chunk); err != nil {
			b.Fatal(err)
		}
	}
}
