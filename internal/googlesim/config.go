package googlesim

import (
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
)

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
		if n.integer() > 1 && generation >= 30 {
			return invalid(candidatesMessage)
		}
	}
	if j.config.get("responseLogprobs").isTrue() && (j.developer() && generation != 20 || generation >= 30) {
		return invalid("Logprobs is not enabled for models/" + j.model.name)
	}
	if j.config.has("logprobs") && !j.config.get("responseLogprobs").isTrue() {
		return invalid(logprobsAloneMessage)
	}
	if n := len(j.config.get("stopSequences").list()); n > maxStopSequences {
		return unable("it has %d stopSequence values but the supported range is from 1 (inclusive) to %d (exclusive)", n,
			maxStopSequences+1)
	}
	return nil
}

// output checks length and form of the answer.
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
	case budget != nil && m.budget != nil:
		return j.budget(budget.integer(), m.budget)
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
