package openai

import (
	"cmp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Clients say in many ways how a model should think. Each has its own wire type here; addReasoning settles what they mean together.

// thinkingConfig is Google's own, in both of the spellings its APIs accept.
type thinkingConfig struct {
	IncludeThoughts      *bool    `json:"include_thoughts"`
	ThinkingBudget       *integer `json:"thinking_budget"`
	ThinkingLevel        string   `json:"thinking_level"`
	IncludeThoughtsCamel *bool    `json:"includeThoughts"`
	ThinkingBudgetCamel  *integer `json:"thinkingBudget"`
	ThinkingLevelCamel   string   `json:"thinkingLevel"`

	Rest jsontext.Value `json:",embed"`
}

// ignored reports whether there is anything in it that has no effect; in none at all, there is not.
func (c *thinkingConfig) ignored() bool { return c != nil && len(c.Rest) > len("{}") }

// claudeThinking is Anthropic's.
type claudeThinking struct {
	Type         string   `json:"type"`
	BudgetTokens *integer `json:"budget_tokens"`
}

// ignored reports whether it is of a type unknown here, which says nothing.
func (c *claudeThinking) ignored() bool { return c != nil && c.translate() == (translate.Reasoning{}) }

// routerThinking is OpenRouter's.
type routerThinking struct {
	Effort    string   `json:"effort"`
	MaxTokens *integer `json:"max_tokens"`
	Exclude   bool     `json:"exclude"`
	Enabled   *bool    `json:"enabled"`
	Summary   string   `json:"summary"` // of the Responses API

	Rest jsontext.Value `json:",embed"`
}

// templateKwargs are arguments of the chat templates of models that run elsewhere, of which two names for one switch are customary.
type templateKwargs struct {
	EnableThinking *bool `json:"enable_thinking"`
	Thinking       *bool `json:"thinking"`

	Rest jsontext.Value `json:",embed"`
}

// switched is what a mere switch says: whether to think, not how hard.
func switched(on *bool) (said translate.Reasoning) {
	switch {
	case on == nil:
	case *on:
		said.Show = on
	default:
		said.Effort = translate.EffortNone
	}
	return said
}

var efforts = []translate.Effort{
	translate.EffortNone, translate.EffortMinimal, translate.EffortLow, translate.EffortMedium, translate.EffortHigh,
	translate.EffortXHigh, translate.EffortMax,
}

const effortNames = "'none', 'minimal', 'low', 'medium', 'high', 'xhigh', and 'max'"

// parseEffort reads an effort; the empty text is none given.
func parseEffort(param, text string) (translate.Effort, *translate.Error) {
	e := translate.Effort(strings.ToLower(text))
	if e != "" && !slices.Contains(efforts, e) {
		return "", invalidValue(param, text, effortNames)
	}
	return e, nil
}

// addReasoning lets the most specific way win: Google's own, then Anthropic's, then OpenRouter's, then OpenAI's; the switches of models
// that run elsewhere come last. How much to think
// and whether to show it are decided apart, because clients combine reasoning_effort with a thinking_config that only asks for the
// thoughts.
func (r *chatRequest) addReasoning(to *translate.Request) *translate.Error {
	own, failed := parseEffort("reasoning_effort", r.ReasoningEffort)
	if failed != nil {
		return failed
	}
	router, failed := r.Reasoning.or().translate()
	if failed != nil {
		return failed
	}
	google, failed := r.googleThinking()
	if failed != nil {
		return failed
	}
	config := r.GenerationConfig.or()
	native, failed := config.ThinkingConfig.translate("generationConfig.thinkingConfig")
	if failed != nil {
		return failed
	}
	include := translate.Reasoning{Show: r.IncludeReasoning.value}
	template := r.ChatTemplate.or()
	for _, said := range []translate.Reasoning{
		google, r.Thinking.or().translate(), router, include,
		{Effort: own},
		native,
		switched(r.EnableThinking.value), switched(template.EnableThinking), switched(template.Thinking),
	} {
		if to.Reasoning.Effort == "" && to.Reasoning.Budget == nil {
			to.Reasoning.Effort, to.Reasoning.Budget = said.Effort, said.Budget
		}
		to.Reasoning.Show = cmp.Or(to.Reasoning.Show, said.Show)
	}
	return nil
}

// googleThinking reads the thinking_config, wherever it is.
func (r *chatRequest) googleThinking() (translate.Reasoning, *translate.Error) {
	for _, place := range []struct {
		name   string
		config *thinkingConfig
	}{
		{"extra_body.google.thinking_config", r.ExtraBody.or().Google.Snake},
		{"extra_body.google.thinkingConfig", r.ExtraBody.or().Google.Camel},
		{"google.thinking_config", r.Google.or().Snake},
		{"google.thinkingConfig", r.Google.or().Camel},
	} {
		if place.config != nil {
			return place.config.translate(place.name)
		}
	}
	return translate.Reasoning{}, nil
}

func (c *thinkingConfig) translate(param string) (said translate.Reasoning, failed *translate.Error) {
	said.Show = cmp.Or(c.IncludeThoughts, c.IncludeThoughtsCamel)
	said.Budget = budget(cmp.Or(c.ThinkingBudget, c.ThinkingBudgetCamel))
	level := cmp.Or(c.ThinkingLevel, c.ThinkingLevelCamel)
	if strings.EqualFold(level, "thinking_level_unspecified") {
		level = ""
	}
	said.Effort, failed = parseEffort(param+".thinking_level", level)
	return said, failed
}

func (c claudeThinking) translate() (said translate.Reasoning) {
	shown := true
	switch c.Type {
	case "disabled":
		said.Effort = translate.EffortNone
	case "enabled", "adaptive", "auto":
		said.Show = &shown
		said.Budget = budget(c.BudgetTokens)
	}
	return said
}

func (c routerThinking) translate() (said translate.Reasoning, failed *translate.Error) {
	said.Effort, failed = parseEffort("reasoning.effort", c.Effort)
	said.Budget = budget(c.MaxTokens)
	switch {
	case c.Exclude:
		said.Show = new(bool)
	case c.Summary != "":
		said.Show = new(true)
	}
	switch {
	case c.Enabled == nil:
	case !*c.Enabled:
		said = translate.Reasoning{Effort: translate.EffortNone}
	case said.Show == nil:
		said.Show = c.Enabled
	}
	return said, failed
}

// budget is a number of tokens, -1 for as many as the model likes.
func budget(i *integer) *int {
	if i == nil {
		return nil
	}
	n := int(min(max(*i, -1), 1<<31-1))
	return &n
}
