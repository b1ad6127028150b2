package gemini

import (
	"slices"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// levels are Google's thinking levels, least first.
var levels = []string{"MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"}

// effortLevel is the level each effort means; none is the least a model has, max the most.
var effortLevel = map[translate.Effort]string{
	translate.EffortNone:    "MINIMAL",
	translate.EffortMinimal: "MINIMAL",
	translate.EffortLow:     "LOW",
	translate.EffortMedium:  "MEDIUM",
	translate.EffortHigh:    "HIGH",
	translate.EffortXHigh:   "XHIGH",
	translate.EffortMax:     "XHIGH",
}

// effortBudget is the budget each effort means, in tokens: the numbers of Google's own OpenAI endpoint. Minimal is the model's own,
// and what is above high is the most the model takes.
var effortBudget = map[translate.Effort]int{
	translate.EffortLow:    1024,
	translate.EffortMedium: 8192,
	translate.EffortHigh:   24576,
}

// config is the model's part of what the client and the operator said about thinking; nil leaves it to the model.
func (t *Thinking) config(mode translate.Thinking, r translate.Reasoning) *thinkingConfig {
	if t == nil {
		return nil
	}
	mode = mode.Resolve(r)
	if mode == translate.ThinkingOff {
		r = translate.Reasoning{Effort: translate.EffortNone}
	}
	var config thinkingConfig
	if t.Budget != nil {
		config.ThinkingBudget = t.budget(r)
	} else {
		config.ThinkingLevel = t.level(r)
	}
	shown := mode == translate.ThinkingReasoning || mode == translate.ThinkingContent
	off := config.ThinkingBudget != nil && *config.ThinkingBudget == 0 // then Google has no thoughts to show, and refuses to be asked
	config.IncludeThoughts = shown && !off && !declined(r)
	if config == (thinkingConfig{}) {
		return nil
	}
	return &config
}

// declined reports whether no thinking was asked for; then there are no thoughts to show, even of a model that cannot do without.
func declined(r translate.Reasoning) bool {
	if r.Budget != nil && r.Effort == "" {
		return *r.Budget == 0
	}
	return r.Effort == translate.EffortNone
}

// level is the supported level nearest below what was asked for, or the lowest. Empty sends none.
func (t *Thinking) level(r translate.Reasoning) string {
	effort := r.Effort
	if effort == "" && r.Budget != nil {
		effort = budgetEffort(*r.Budget)
	}
	wanted, ok := effortLevel[effort]
	if !ok || len(t.Levels) == 0 {
		return ""
	}
	if t.CanDisable && wanted == "MINIMAL" {
		return "" // for the models with levels that need no thinking, it is off unless asked for
	}
	best := t.Levels[0]
	for _, l := range t.Levels {
		if slices.Index(levels, l) <= slices.Index(levels, wanted) {
			best = l
		}
	}
	return best
}

// budgetEffort is the effort a budget of tokens amounts to on models that have levels; empty when the model is to decide.
func budgetEffort(tokens int) translate.Effort {
	switch {
	case tokens < 0:
		return ""
	case tokens == 0:
		return translate.EffortNone
	case tokens <= 512:
		return translate.EffortMinimal
	case tokens <= 1024:
		return translate.EffortLow
	case tokens <= 8192:
		return translate.EffortMedium
	default:
		return translate.EffortHigh
	}
}

// budget is the number of tokens asked for, within the model's bounds. Nil sends none.
func (t *Thinking) budget(r translate.Reasoning) *int {
	var tokens int
	switch effort := r.Effort; {
	case r.Budget != nil && *r.Budget < 0:
		tokens = -1
		return &tokens
	case r.Budget != nil:
		tokens = *r.Budget
	case effort == "":
		return nil
	case effort == translate.EffortNone:
		tokens = 0
	case effort == translate.EffortMinimal:
		tokens = t.Budget.Minimal
	default:
		var ok bool
		if tokens, ok = effortBudget[effort]; !ok {
			tokens = t.Budget.Max
		}
	}
	if tokens > 0 || !t.CanDisable {
		tokens = min(max(tokens, t.Budget.Min), t.Budget.Max)
	}
	return &tokens
}
