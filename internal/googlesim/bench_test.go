package googlesim

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkStream is what the simulator itself costs in benchmarks of the gateway.
func BenchmarkStream(b *testing.B) {
	s := New(Options{})
	s.AddKey("key", "p")
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, streamPath, strings.NewReader(talk(user(hello))))
		r.Header.Set("X-Goog-Api-Key", "key")
		s.ServeHTTP(httptest.NewRecorder(), r)
	}
}
