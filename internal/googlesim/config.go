package googlesim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Messages about generationConfig for which no answer of Google's was seen, so that their wording here is a guess.
const (
	budgetOn4Message     = "Thinking budget is not supported for this model."
	schemaTwiceMessage   = "only one of response_schema and response_json_schema can be set"
	schemaMIMEMessage    = "only allowed when response_mime_type is application/json or text/x.enum"
	unaryOutputMessage   = "max_output_tokens must be at most %d for requests that do not stream."
	logprobsAloneMessage = "Logprobs can only be set when response_logprobs is true."
	topKMessage          = "top_k must be positive."
	emptyStopMessage     = "cannot be empty"
	picturesOnlyMessage  = "Image config is not enabled for this model"
	soundOnlyMessage     = "Speech config is not enabled for this model"
	noThoughtsMessage    = "include_thoughts is only enabled when thinking is enabled"
	safetyTwiceMessage   = "must not have more than one setting of a category"
	safetyVagueMessage   = "category and threshold must be specified"
)

// toolsAndFormMessage is what is said of tools of Google's beside JSON.
const toolsAndFormMessage = "Tool use with a response mime type: '%s' is unsupported"

const (
	schemaDepthMessage  = "A schema in GenerationConfig in the request exceeds the maximum allowed nesting depth."
	penaltyMessage      = "Penalty is not enabled for this model"
	candidatesMessage   = "Multiple candidates is not enabled for this model"
	maxStopSequences    = 5
	maxCandidatesBefore = 8 // before Gemini 3
)

// ranges are the bounds of numbers in generationConfig.
var ranges = []struct {
	name        string
	least, most float64
}{
	{"temperature", 0, 2}, {"topP", 0, 1}, {"presencePenalty", -2, 2}, {"frequencyPenalty", -2, 2}, {"logprobs", 0, 20},
}

// sampling checks how the answer is to be drawn.
func (j *judge) sampling() *apiError {
	for _, r := range ranges {
		if v, given := j.config.get(r.name).number(); given && (v < r.least || v > r.most) {
			return field("generation_config."+snake(r.name), "%s must be in the range [%.1f, %.1f].", snake(r.name), r.least, r.most)
		}
	}
	if k, given := j.config.get("topK").number(); given && k < 1 {
		return field("generation_config.top_k", topKMessage)
	}
	generation := j.model.generation
	if j.config.has("presencePenalty") || j.config.has("frequencyPenalty") {
		if generation >= 40 || generation == 25 && j.developer() {
			return invalid(penaltyMessage)
		}
	}
	if n := j.config.get("candidateCount"); n != nil {
		if most := maxCandidatesBefore; n.integer() < 1 || n.integer() > most {
			return field("generation_config.candidate_count", "candidate_count must be in the range [1, %d].", most)
		}
		if n.integer() > 1 && (generation >= 30 || j.model.gemma()) {
			return invalid(candidatesMessage)
		}
	}
	if j.config.get("responseLogprobs").isTrue() && (j.exchange.Backend != Vertex && generation != 20 || generation >= 30) {
		return invalid("Logprobs is not enabled for models/" + j.model.name)
	}
	if j.config.has("logprobs") && !j.config.get("responseLogprobs").isTrue() {
		return invalid(logprobsAloneMessage)
	}
	return j.stops()
}

func (j *judge) stops() *apiError {
	stops := j.config.get("stopSequences").list()
	if n := len(stops); n > maxStopSequences {
		return unable("it has %d stopSequence values but the supported range is from 1 (inclusive) to %d (exclusive)", n,
			maxStopSequences+1)
	}
	for i, stop := range stops {
		if stop.str() == "" {
			return field(fmt.Sprintf("generation_config.stop_sequences[%d]", i), emptyStopMessage)
		}
	}
	return nil
}

// safety checks what is to be let through: each category once, and said in full.
func (j *judge) safety() *apiError {
	seen := map[string]bool{}
	for i, setting := range j.request.get("safetySettings").list() {
		category, threshold := setting.get("category").str(), setting.get("threshold").str()
		switch path := fmt.Sprintf("safety_settings[%d]", i); {
		case strings.HasSuffix("_"+category, "_UNSPECIFIED") || strings.HasSuffix("_"+threshold, "_UNSPECIFIED") || category == "" || threshold == "":
			return field(path, safetyVagueMessage)
		case seen[category]:
			return field(path, safetyTwiceMessage)
		}
		seen[category] = true
	}
	return nil
}

// output checks how long the answer may be and what it is made of.
func (j *judge) output() *apiError {
	if most := j.config.get("maxOutputTokens"); most != nil {
		limit := j.model.output
		if j.model.continues(j.exchange.Backend) {
			limit = longOutput
		}
		if n := most.integer(); n < 1 || n > limit {
			return unable("it has a maxOutputTokens value of %d but the supported range is from 1 (inclusive) to %d (exclusive). Update the "+
				"value and try again", n, limit+1)
		}
		if j.model.generation >= 40 && !j.exchange.streams() && most.integer() > unaryOutput40 {
			return invalid(fmt.Sprintf(unaryOutputMessage, unaryOutput40))
		}
	}
	for _, modality := range j.config.get("responseModalities").list() {
		if m := modality.str(); m != "TEXT" {
			return invalid("Model does not support the requested response modalities: " + strings.ToLower(m))
		}
	}
	switch { // these models answer in text
	case j.config.has("imageConfig"):
		return invalid(picturesOnlyMessage)
	case j.config.has("speechConfig"):
		return invalid(soundOnlyMessage)
	}
	return j.form()
}

// form checks what shape the answer is to have.
func (j *judge) form() *apiError {
	mime := j.config.get("responseMimeType").str()
	if !slices.Contains([]string{"", "text/plain", "application/json", "text/x.enum"}, mime) {
		return field("generation_config.response_mime_type", "allowed mimetypes are `text/plain`, `application/json` and `text/x.enum`.")
	}
	free, legacy := j.config.get("responseJsonSchema"), j.config.get("responseSchema")
	formed := mime == "application/json" || mime == "text/x.enum"
	switch {
	case free != nil && legacy != nil:
		return field("generation_config.response_schema", schemaTwiceMessage)
	case free != nil && !formed:
		return field("generation_config.response_json_schema", schemaMIMEMessage)
	case legacy != nil && !formed:
		return field("generation_config.response_schema", schemaMIMEMessage)
	case formed && j.model.generation < 30 && len(declarations(j.request)) > 0:
		return invalid("Function calling with a response mime type: '" + mime + "' is unsupported")
	case formed && j.model.generation < 30 && len(j.request.get("tools").list()) > 0:
		return invalid(fmt.Sprintf(toolsAndFormMessage, mime))
	case free != nil:
		return j.quirks.schema(free, j.jsonSchema(free, schemaDepthMessage))
	case legacy != nil:
		w := schemaWalk{judge: j}
		return j.quirks.schema(legacy, w.root(legacy, "generation_config.response_schema", schemaDepthMessage))
	}
	return nil
}

// thinking checks how much the model is to think.
func (j *judge) thinking() *apiError {
	config := j.config.get("thinkingConfig")
	if config == nil {
		return nil
	}
	levels := j.quirks.levelsOf(j.model)
	m, level, budget := j.model, config.get("thinkingLevel").str(), config.get("thinkingBudget")
	if level == "THINKING_LEVEL_UNSPECIFIED" {
		level = ""
	}
	switch {
	case level != "" && budget != nil:
		return invalid("You can only set only one of thinking budget and thinking level.")
	case levels == nil && m.budget == nil:
		return invalid("thinking_config is not supported.")
	case level != "" && levels == nil:
		return invalid("Thinking level is not supported for this model.")
	case level != "" && !slices.Contains(levels, level):
		return j.either(
			invalid("Thinking level "+level+" is not supported for this model. Please retry with other thinking level."),
			unable("thinking_level %s is not supported by this model", level))
	case budget != nil && (m.generation >= 40 || m.gemma()):
		return invalid(budgetOn4Message)
	case budget != nil && budget.integer() == 0 && config.get("includeThoughts").isTrue():
		return invalid(noThoughtsMessage)
	case budget != nil:
		return j.budget(budget.integer(), cmp.Or(m.budget, budget3))
	}
	return nil
}

func (j *judge) budget(n int, r *budgetRange) *apiError {
	switch {
	case n == -1, n == 0 && r.off, n >= r.least && n <= r.most:
		return nil
	case n == 0:
		return j.either(
			invalid("Budget 0 is invalid. This model only works in thinking mode."),
			unable("The model does not support setting thinking_budget to 0"))
	default:
		return invalid(fmt.Sprintf("The thinking budget (%d) is invalid. Please choose a value between %d and %d.", n, r.least, r.most))
	}
}
