package e2e

import (
	"testing"
)

func TestModels(t *testing.T) {
	client := demo(t).client()
	page, err := client.Models.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range page.Data {
		if m.ID == "" || m.Object != "model" || m.OwnedBy == "" {
			t.Errorf("model %s", m.RawJSON())
		}
		listed[m.ID] = true
	}
	for _, id := range []string{"gemini-3-flash-preview", "gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite"} {
		if !listed[id] {
			t.Errorf("%s is not listed", id)
		}
		m, err := client.Models.Get(t.Context(), id)
		if err != nil {
			t.Errorf("%s: %v", id, err)
		} else if m.ID != id {
			t.Errorf("asked for %s, got %s", id, m.RawJSON())
		}
	}
}
