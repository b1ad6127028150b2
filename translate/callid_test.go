package translate

import (
	"strings"
	"testing"
)

func TestCallIDsAreShortCleanUniqueAndKnownAgain(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewCallID()
		if len(id) != 29 || !strings.HasPrefix(id, "call_") || strings.Trim(id[5:], base62) != "" {
			t.Fatalf("malformed id %q", id)
		}
		if seen[id] {
			t.Fatalf("id %q came twice", id)
		}
		seen[id] = true
		if !OwnCallID(id) {
			t.Fatalf("own id %q not known again", id)
		}
	}
}

func TestForeignCallIDsAreNotOurs(t *testing.T) {
	own := NewCallID()
	for _, id := range []string{
		"", "call_gp", own[:28], own + "x", "call_" + own[5:20], strings.Replace(own, "call_", "toolu", 1),
		own[:28] + "-", own[:27] + "é", "call_xyABCDEFGHIJKLMNOPQRSTUV",
	} {
		if OwnCallID(id) {
			t.Errorf("OwnCallID(%q) = true", id)
		}
	}
}
