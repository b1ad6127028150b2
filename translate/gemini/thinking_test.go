package gemini

import (
	"encoding/json"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

func TestEffortOfEachModel(t *testing.T) {
	// One row for each kind of control: what efforts none, minimal, low, medium, high, xhigh and max become.
	tests := map[string][7]string{
		"gemini-2.5-pro":         {"128", "128", "1024", "8192", "24576", "32768", "32768"},
		"gemini-2.5-flash":       {"0", "512", "1024", "8192", "24576", "24576", "24576"},
		"gemini-2.5-flash-lite":  {"0", "512", "1024", "8192", "24576", "24576", "24576"},
		"gemini-3-pro-preview":   {"LOW", "LOW", "LOW", "LOW", "HIGH", "HIGH", "HIGH"},
		"gemini-3.1-pro-preview": {"LOW", "LOW", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"},
		"gemini-3-flash-preview": {"MINIMAL", "MINIMAL", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"},
		"gemini-3.5-flash-lite":  {"MINIMAL", "MINIMAL", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"},
		"gemini-3.8-flash":       {"LOW", "LOW", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"},
		"gemini-4-argon":         {"LOW", "LOW", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"},
		"gemini-4-neon":          {"LOW", "LOW", "LOW", "MEDIUM", "HIGH", "XHIGH", "XHIGH"},
		"gemini-9-muon":          {"LOW", "LOW", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"},
		"gemma-4-31b-it":         {"", "", "HIGH", "HIGH", "HIGH", "HIGH", "HIGH"},
		"gemini-2.0-flash":       {},
		"gemma-3-27b-it":         {},
		"gemini-3.1-flash-image": {},
		"gemini-3.8-flash-tts":   {},
	}
	efforts := []translate.Effort{
		translate.EffortNone, translate.EffortMinimal, translate.EffortLow, translate.EffortMedium,
		translate.EffortHigh, translate.EffortXHigh, translate.EffortMax,
	}
	for name, row := range tests {
		for i, effort := range efforts {
			config := model(t, name).Thinking.config(translate.ThinkingHidden, translate.Reasoning{Effort: effort})
			got := ""
			if config != nil {
				got = config.ThinkingLevel
				if config.ThinkingBudget != nil {
					text, _ := json.Marshal(config.ThinkingBudget)
					got += string(text)
				}
			}
			if got != row[i] {
				t.Errorf("%s with effort %s: %q, want %q", name, effort, got, row[i])
			}
		}
	}
}

func TestThinkingConfig(t *testing.T) {
	tests := []struct {
		name      string
		model     string
		mode      translate.Thinking
		reasoning translate.Reasoning
		want      string // JSON; empty for none
	}{
		{"nothing said", newest, translate.ThinkingHidden, translate.Reasoning{}, ``},
		{"nothing said, shown", newest, translate.ThinkingReasoning, translate.Reasoning{}, `{"includeThoughts":true}`},
		{"shown in the content", older, translate.ThinkingContent, translate.Reasoning{}, `{"includeThoughts":true}`},
		{"effort, shown", newest, translate.ThinkingReasoning, translate.Reasoning{Effort: "high"}, `{"includeThoughts":true,"thinkingLevel":"HIGH"}`},
		{"no effort is not shown", newest, translate.ThinkingReasoning, translate.Reasoning{Effort: "none"}, `{"thinkingLevel":"LOW"}`},
		{"off overrides effort", older, translate.ThinkingOff, translate.Reasoning{Effort: "high", Budget: new(99)}, `{"thinkingBudget":0}`},
		{"off as far as it goes", "gemini-2.5-pro", translate.ThinkingOff, translate.Reasoning{}, `{"thinkingBudget":128}`},
		{"off on levels", "gemini-3-flash-preview", translate.ThinkingOff, translate.Reasoning{}, `{"thinkingLevel":"MINIMAL"}`},
		{"auto shows what is asked for", newest, translate.ThinkingAuto, translate.Reasoning{Effort: "low"}, `{"includeThoughts":true,"thinkingLevel":"LOW"}`},
		{"unknown effort", newest, translate.ThinkingHidden, translate.Reasoning{Effort: "herculean"}, ``},
		{"budget", older, translate.ThinkingReasoning, translate.Reasoning{Budget: new(2000)}, `{"includeThoughts":true,"thinkingBudget":2000}`},
		{"budget wins over effort", older, translate.ThinkingHidden, translate.Reasoning{Budget: new(2000), Effort: "low"}, `{"thinkingBudget":2000}`},
		{"dynamic budget", older, translate.ThinkingHidden, translate.Reasoning{Budget: new(-1)}, `{"thinkingBudget":-1}`},
		{"budget above the most", older, translate.ThinkingHidden, translate.Reasoning{Budget: new(52428)}, `{"thinkingBudget":24576}`},
		{"budget below the least", "gemini-2.5-flash-lite", translate.ThinkingHidden, translate.Reasoning{Budget: new(5)}, `{"thinkingBudget":512}`},
		{"no budget", older, translate.ThinkingReasoning, translate.Reasoning{Budget: new(0)}, `{"thinkingBudget":0}`},
		{"no budget, whatever the effort", older, translate.ThinkingReasoning, translate.Reasoning{Budget: new(0), Effort: "high"}, `{"thinkingBudget":0}`},
		{"budget on levels, minimal", "gemini-3-flash-preview", translate.ThinkingHidden, translate.Reasoning{Budget: new(512)}, `{"thinkingLevel":"MINIMAL"}`},
		{"budget on levels, low", newest, translate.ThinkingHidden, translate.Reasoning{Budget: new(1024)}, `{"thinkingLevel":"LOW"}`},
		{"budget on levels, medium", newest, translate.ThinkingHidden, translate.Reasoning{Budget: new(8192)}, `{"thinkingLevel":"MEDIUM"}`},
		{"budget on levels, high", newest, translate.ThinkingHidden, translate.Reasoning{Budget: new(8193)}, `{"thinkingLevel":"HIGH"}`},
		{"dynamic budget on levels", newest, translate.ThinkingHidden, translate.Reasoning{Budget: new(-1)}, ``},
		{"effort wins on levels", newest, translate.ThinkingHidden, translate.Reasoning{Budget: new(9999), Effort: "low"}, `{"thinkingLevel":"LOW"}`},
		{"a picture model takes none", "gemini-3.1-flash-image", translate.ThinkingReasoning, translate.Reasoning{Effort: "high"}, ``},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := talk(user(text("hi")))
			req.Thinking, req.Reasoning = tt.mode, tt.reasoning
			want := tt.want
			if want != "" {
				want = `{"thinkingConfig":` + want + `}`
			}
			if got := encoded(t, req, translate.GeminiAPI, tt.model).member(t, "generationConfig"); got != want {
				t.Errorf("generationConfig %s, want %s", got, want)
			}
		})
	}
}
