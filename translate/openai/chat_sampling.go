package openai

import (
	"math"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// stopSequences is a string, a list of strings, or null.
type stopSequences []string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (s *stopSequences) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*s = nil
	switch dec.PeekKind() {
	case '[':
		return json.UnmarshalDecode(dec, (*[]string)(s))
	case '"', 'n':
		var one string
		if err := json.UnmarshalDecode(dec, &one); err != nil {
			return err
		}
		*s = []string{one}
		return nil
	default:
		return expected("one of a string or array of strings").refuse(dec)
	}
}

// Limits of OpenAI's, and what is allowed beyond them here.
const (
	maxN         = 128
	maxTopTokens = 20
	// Clients rely on more stop sequences than the documented ones.
	documentedStops = 4
	maxStops        = 16
)

// addSampling checks the knobs of generation by OpenAI's ranges. Zero and negative values that user interfaces send for "not set"
// count as that, where OpenAI gives them no meaning.
func (r *chatRequest) addSampling(to *translate.Request) *translate.Error {
	for _, d := range []struct {
		param      string
		value      *float64
		least, top float64
	}{
		{"temperature", r.Temperature, 0, 2},
		{"top_p", r.TopP, 0, 1},
		{"frequency_penalty", r.FrequencyPenalty, -2, 2},
		{"presence_penalty", r.PresencePenalty, -2, 2},
	} {
		if failed := decimalWithin(d.param, d.value, d.least, d.top); failed != nil {
			return failed
		}
	}
	to.Sampling = translate.Sampling{
		Temperature: r.Temperature, TopP: r.TopP, Seed: (*int64)(r.Seed),
		FrequencyPenalty: r.FrequencyPenalty, PresencePenalty: r.PresencePenalty,
		TopK: positive(r.TopK), MaxTokens: positive(r.MaxTokens),
	}
	if r.MaxCompletionTokens != nil {
		if failed := integerWithin("max_completion_tokens", *r.MaxCompletionTokens, 1, math.MaxInt64); failed != nil {
			return failed
		}
		to.Sampling.MaxTokens = positive(r.MaxCompletionTokens)
	}
	if r.N != nil {
		if failed := integerWithin("n", *r.N, 1, maxN); failed != nil {
			return failed
		}
		if *r.N > 1 {
			to.Sampling.Candidates = int(*r.N)
		}
	}
	to.Sampling.Stop = slices.DeleteFunc(r.Stop, func(s string) bool { return s == "" })
	most := maxStops
	if to.Strict {
		most = documentedStops
	}
	if n := len(to.Sampling.Stop); n > most {
		return translate.Invalid("stop", "array_above_max_length", "Invalid 'stop': array too long. "+
			"Expected an array with maximum length %d, but got an array with length %d instead.", most, n)
	}
	return nil
}

// addLogProbs asks for probabilities, if only of the tokens themselves.
func (r *chatRequest) addLogProbs(to *translate.Request) *translate.Error {
	if r.TopLogProbs != nil {
		if failed := integerWithin("top_logprobs", *r.TopLogProbs, 0, maxTopTokens); failed != nil {
			return failed
		}
	}
	if r.LogProbs != nil && *r.LogProbs {
		to.Sampling.LogProbs = new(int)
		if r.TopLogProbs != nil {
			*to.Sampling.LogProbs = int(*r.TopLogProbs)
		}
		return nil
	}
	if r.TopLogProbs != nil && *r.TopLogProbs > 0 {
		return translate.Invalid("top_logprobs", "invalid_value", "Invalid 'top_logprobs': it is only allowed when 'logprobs' is true.")
	}
	return nil
}

// positive is the number, or nil for one that means "not set". Google's numbers have 32 bits.
func positive(i *integer) *int {
	if i == nil || *i < 1 {
		return nil
	}
	n := int(min(*i, math.MaxInt32))
	return &n
}

func decimalWithin(param string, value *float64, least, top float64) *translate.Error {
	switch {
	case value == nil:
		return nil
	case *value > top:
		return translate.Invalid(param, "decimal_above_max_value",
			"Invalid '%s': decimal above maximum value. Expected a value <= %v, but got %v instead.", param, top, *value)
	case *value < least:
		return translate.Invalid(param, "decimal_below_min_value",
			"Invalid '%s': decimal below minimum value. Expected a value >= %v, but got %v instead.", param, least, *value)
	default:
		return nil
	}
}

func integerWithin(param string, value, least, top integer) *translate.Error {
	switch {
	case value > top:
		return translate.Invalid(param, "integer_above_max_value",
			"Invalid '%s': integer above maximum value. Expected a value <= %d, but got %d instead.", param, top, value)
	case value < least:
		return translate.Invalid(param, "integer_below_min_value",
			"Invalid '%s': integer below minimum value. Expected a value >= %d, but got %d instead.", param, least, value)
	default:
		return nil
	}
}
