package gemini

import (
	"slices"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

func TestFind(t *testing.T) {
	tests := []struct {
		name       string
		found      bool
		generation string
		kind       Kind
		levels     int // -1: a budget
	}{
		{"gemini-3-flash-preview", true, "3", KindText, 4},
		{"gemini-2.5-flash", true, "2.5", KindText, -1},
		{"gemini-2.5-flash-preview-09-2025", true, "2.5", KindText, -1},
		{"gemini-2.5-something", true, "2.5", KindText, -1},
		{"gemini-3.1-flash-lite-preview", true, "3", KindText, 4},
		{"gemini-2.0-flash-001", true, "2", KindText, 0},
		{"gemini-3.9-flash", true, "4", KindText, 3},
		{"gemini-ultra-latest", true, "4", KindText, 3},
		{"gemini-5-flash-image", true, "4", KindImage, 0},
		{"gemini-2.5-flash-image-preview", true, "2.5", KindImage, 0},
		{"gemini-3.9-flash-tts", true, "4", KindSpeech, 0},
		{"gemini-embedding-3", true, "4", KindEmbedding, 0},
		{"gemma-3-27b-it", true, "gemma", KindText, 0},
		{"gemma-3n-e4b-it", true, "gemma", KindText, 0},
		{"gemma-5-1b", true, "gemma", KindText, 1},
		{"gemini-", false, "", "", 0},
		{"gemini", false, "", "", 0},
		{"gpt-4o", false, "", "", 0},
		{"nano-banana-pro-preview-2", false, "", "", 0},
		{"", false, "", "", 0},
	}
	for _, tt := range tests {
		m, ok := catalogue.Find(tt.name)
		if ok != tt.found {
			t.Errorf("Find(%q) = %v, want %v", tt.name, ok, tt.found)
			continue
		}
		if !ok {
			continue
		}
		levels := 0
		if m.Thinking != nil {
			levels = len(m.Thinking.Levels)
			if m.Thinking.Budget != nil {
				levels = -1
			}
		}
		if m.ID != tt.name || m.GenerationName != tt.generation || m.Kind != tt.kind || levels != tt.levels {
			t.Errorf("Find(%q) = %+v, want generation %s, kind %s, %d levels", tt.name, m, tt.generation, tt.kind, tt.levels)
		}
	}
}

func TestAnUnknownModelIsLikeTheLongestNameItExtends(t *testing.T) {
	if got := model(t, "gemini-2.5-pro-preview-06-05"); got.Thinking.Budget.Max != 32768 {
		t.Errorf("%+v is not like gemini-2.5-pro", got)
	}
	if got := model(t, "gemini-3.5-flash-lite-001"); got.Thinking.Levels[0] != "MINIMAL" || got.Released != "" {
		t.Errorf("%+v is not like gemini-3.5-flash-lite", got)
	}
}

func TestListOffersTheTextModels(t *testing.T) {
	var ids []string
	for _, m := range catalogue.List() {
		ids = append(ids, m.ID)
		if m.Kind != KindText || m.Thinking == nil || m.InputLimit == 0 || m.OutputLimit == 0 || len(m.Modalities) == 0 {
			t.Errorf("incomplete model %+v", m)
		}
	}
	for _, id := range []string{
		"gemini-3-flash-preview", "gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite",
		"gemini-4-carbon", "gemini-4-neon", "gemini-4-hydrogen", "gemini-4-argon", "gemini-3.8-flash", "gemma-4-31b-it",
	} {
		if !slices.Contains(ids, id) {
			t.Errorf("%s is not offered", id)
		}
	}
	for _, id := range []string{"gemini-2.5", "gemini-3-flash", "gemini-3.1-flash-image", "gemini-embedding-001", "gemini-3.8-flash-tts"} {
		if slices.Contains(ids, id) {
			t.Errorf("%s is offered", id)
		}
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != len(catalogue.List()) {
		t.Errorf("a model is listed twice: %v", ids)
	}
}

func TestTheCatalogueIsComplete(t *testing.T) {
	for _, m := range catalogue.models {
		if m.GenerationName == "" && m.Kind != KindEmbedding {
			t.Errorf("%s has no generation", m.ID)
		}
		if m.Released != "" && m.Created() == 0 {
			t.Errorf("%s has a malformed date %q", m.ID, m.Released)
		}
		if th := m.Thinking; th != nil {
			if (th.Budget == nil) == (len(th.Levels) == 0) {
				t.Errorf("%s must have either levels or a budget", m.ID)
			}
			if !slices.IsSortedFunc(th.Levels, func(a, b string) int { return slices.Index(levels, a) - slices.Index(levels, b) }) {
				t.Errorf("%s: levels %v do not ascend", m.ID, th.Levels)
			}
			if slices.ContainsFunc(th.Levels, func(l string) bool { return !slices.Contains(levels, l) }) {
				t.Errorf("%s: unknown level in %v", m.ID, th.Levels)
			}
		}
	}
	if got := model(t, "gemini-3-flash-preview").Created(); got != 1765929600 {
		t.Errorf("created %d", got)
	}
	if got := model(t, "gemini-flash-latest").Created(); got != 0 {
		t.Errorf("created %d for a model without a date", got)
	}
}

func TestNormalizeModel(t *testing.T) {
	tests := map[string]string{
		"gemini-3-flash-preview":                "gemini-3-flash-preview",
		"models/gemini-2.5-pro":                 "gemini-2.5-pro",
		"google/gemini-2.5-pro":                 "gemini-2.5-pro",
		"gemini/gemini-2.5-pro":                 "gemini-2.5-pro",
		"openai/gpt-4o":                         "gpt-4o",
		"publishers/google/models/gemini-2.5-x": "gemini-2.5-x",
		"openai/google/models/gemini-2.5-x":     "gemini-2.5-x",
		" models/models/x ":                     "x",
		"models/":                               "",
		"":                                      "",
	}
	for name, want := range tests {
		if got := NormalizeModel(name); got != want {
			t.Errorf("NormalizeModel(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	long := "tool_" + string(slices.Repeat([]byte("x"), 80))
	declared := []string{"plain", "with space", "with_space", "with.dot-dash", "9lives", "größe", long, long + "y", "with:space", ""}
	var tools []translate.Tool
	for _, name := range declared {
		tools = append(tools, translate.Tool{Name: name})
	}
	n := newNames(tools)
	seen := map[string]bool{}
	for _, name := range declared {
		wire := n.toWire(name)
		if !validName(wire) {
			t.Errorf("%q became %q, which Google refuses", name, wire)
		}
		if seen[wire] {
			t.Errorf("%q became %q, as another did", name, wire)
		}
		seen[wire] = true
		if back := n.toClient(wire); back != name {
			t.Errorf("%q came back as %q", name, back)
		}
		if back := n.toClient("default_api:" + wire); back != name {
			t.Errorf("default_api:%s came back as %q", wire, back)
		}
	}
	for _, name := range []string{"plain", "with_space", "with.dot-dash"} {
		if n.toWire(name) != name {
			t.Errorf("%q was changed to %q", name, n.toWire(name))
		}
	}
	if got := n.toClient("default_api.plain"); got != "plain" {
		t.Errorf("default_api.plain came back as %q", got)
	}
	for _, unknown := range []string{"unknown", "default_api:unknown", "default_api", "default_api:", "default_apixplain"} {
		if got := n.toClient(unknown); got != unknown {
			t.Errorf("%q came back as %q", unknown, got)
		}
	}
	if got := newNames([]translate.Tool{{Name: "default_api:x"}, {Name: "x"}}); got.toClient(got.toWire("default_api:x")) != "default_api:x" {
		t.Error("a declared name that begins like Google's prefix lost it")
	}
	if got := n.toWire("not declared"); got != "not_declared" {
		t.Errorf("an undeclared name became %q", got)
	}
}
