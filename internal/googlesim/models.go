package googlesim

import (
	"slices"
	"strings"
)

// model is what Google's documentation and recorded answers say about one model.
type model struct {
	name string
	// generation is 25 for 2.5 and 40 for 4; rules come in by generation. 0 for Gemma.
	generation int
	// levels are the thinking levels it takes; the first is the lowest. On older models budget is used instead.
	levels []string
	budget *budgetRange
	input  int // tokens
	output int
	// assist is set for models that Code Assist serves. Vertex AI has them all but Gemma.
	assist bool
	alias  string // of another model, whose name answers then carry
}

// budgetRange is what thinkingBudget may be, besides −1 for dynamic.
type budgetRange struct {
	least, most int
	off         bool // 0 is allowed too
}

var (
	lowHigh       = []string{"LOW", "HIGH"}
	lowToHigh     = []string{"LOW", "MEDIUM", "HIGH"}
	minimalToHigh = []string{"MINIMAL", "LOW", "MEDIUM", "HIGH"}
	lowToXHigh    = []string{"LOW", "MEDIUM", "HIGH", "XHIGH"}

	budget25      = &budgetRange{0, 24576, true}
	budget25Pro   = &budgetRange{128, 32768, false}
	budget25Lite  = &budgetRange{512, 24576, true}
	budget3       = &budgetRange{0, 32768, true} // of models that have levels and take budgets still
	windowGemini  = 1_048_576
	windowGemma   = 262_144
	outputGemini  = 65_536
	outputOld     = 8_192
	outputGemma   = 32_768
	unaryOutput40 = 32_768 // what Gemini 4 puts out at most when it does not stream
)

// models are all that the simulator serves, newest first.
var models = []*model{
	{name: "gemini-4-neon", generation: 40, levels: lowToXHigh, input: windowGemini, output: outputGemini},
	{name: "gemini-4-hydrogen", generation: 40, levels: lowToXHigh, input: windowGemini, output: outputGemini},
	{name: "gemini-4-carbon", generation: 40, levels: lowToHigh, input: windowGemini, output: outputGemini},
	{name: "gemini-4-argon", generation: 40, levels: lowToHigh, input: windowGemini, output: outputGemini},
	{name: "gemini-3.8-flash", generation: 38, levels: lowToHigh, input: windowGemini, output: outputGemini},
	{
		name: "gemini-flash-latest", generation: 38, levels: lowToHigh, input: windowGemini, output: outputGemini,
		alias: "gemini-3.8-flash",
	},
	{name: "gemini-3.7-flash", generation: 37, levels: lowToHigh, input: windowGemini, output: outputGemini},
	{name: "gemini-3.6-flash", generation: 36, levels: minimalToHigh, input: windowGemini, output: outputGemini},
	{name: "gemini-3.5-flash-lite", generation: 35, levels: minimalToHigh, input: windowGemini, output: outputGemini},
	{name: "gemini-3.5-flash", generation: 35, levels: minimalToHigh, input: windowGemini, output: outputGemini, assist: true},
	{name: "gemini-3.1-flash-lite", generation: 31, levels: minimalToHigh, input: windowGemini, output: outputGemini, assist: true},
	{name: "gemini-3.1-pro-preview", generation: 31, levels: lowToHigh, input: windowGemini, output: outputGemini, assist: true},
	{
		name: "gemini-3.1-pro-preview-customtools", generation: 31, levels: lowToHigh, input: windowGemini, output: outputGemini,
		assist: true,
	},
	{name: "gemini-3-flash-preview", generation: 30, levels: minimalToHigh, input: windowGemini, output: outputGemini, assist: true},
	{name: "gemini-3-flash", generation: 30, levels: minimalToHigh, input: windowGemini, output: outputGemini, assist: true},
	{name: "gemini-3-pro-preview", generation: 30, levels: lowHigh, input: windowGemini, output: outputGemini, assist: true},
	{name: "gemini-2.5-pro", generation: 25, budget: budget25Pro, input: windowGemini, output: outputGemini, assist: true},
	{name: "gemini-2.5-flash", generation: 25, budget: budget25, input: windowGemini, output: outputGemini, assist: true},
	{name: "gemini-2.5-flash-lite", generation: 25, budget: budget25Lite, input: windowGemini, output: outputGemini, assist: true},
	{name: "gemini-2.0-flash", generation: 20, input: windowGemini, output: outputOld},
	{name: "gemma-4-31b-it", levels: []string{"HIGH"}, input: windowGemma, output: outputGemma},
	{name: "gemma-4-26b-a4b-it", levels: []string{"HIGH"}, input: windowGemma, output: outputGemma},
}

// findModel is the model of that name as a backend serves it.
func (q *Quirks) findModel(b Backend, name string) (*model, bool) {
	i := slices.IndexFunc(models, func(m *model) bool { return m.name == name })
	if i < 0 {
		return nil, false
	}
	m := models[i]
	return m, b == Developer || !m.gemma() && (b == Vertex || m.assist || q.AssistModels)
}

func (m *model) gemma() bool { return strings.HasPrefix(m.name, "gemma-") }

// version is what answers call the model.
func (m *model) version() string {
	if m.alias != "" {
		return m.alias
	}
	return m.name
}

// thinks reports whether the model thinks before it answers when nobody says how much.
func (m *model) thinks() bool { return m.generation >= 25 && m.name != "gemini-2.5-flash-lite" }

// signs reports whether function calls need thought signatures.
func (m *model) signs() bool { return m.generation >= 30 }

// identifiesCalls reports whether function calls carry ids, as recorded answers of these models do.
func (m *model) identifiesCalls() bool { return m.signs() && m.name != "gemini-3-pro-preview" }

// matchesIDs reports whether results must have the ids of their calls.
func (m *model) matchesIDs() bool { return m.generation >= 35 }

// prefills reports whether a request may end with a model turn.
func (m *model) prefills() bool { return m.generation < 36 && m.name != "gemini-3.5-flash-lite" }
