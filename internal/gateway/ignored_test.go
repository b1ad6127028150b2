package gateway_test

import (
	"slices"
	"strings"
	"testing"
)

// A client's own HTTP library refuses headers that are long: Node's takes 16 KiB.
func TestHeaderOfIgnoredParametersIsBounded(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		a := w.ask(map[string]any{"tools": slices.Repeat([]any{map[string]any{"type": "mcp"}}, 3000)})
		w.completion(a)
		names := a.Header().Get("X-Gemini-Proxy-Ignored")
		if !strings.HasPrefix(names, "tools[0], tools[1], ") || len(names) > 4<<10 {
			w.Errorf("%d bytes: %.80s", len(names), names)
		}
	})
}
