package openai

import (
	"cmp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// What OpenAI's protocol has no field for, clients say in Google's own words, in several places.

// extraBody is where Google's documentation has clients of its own compatible endpoint put its options; SDKs for Python send the
// same object without the wrapping.
type extraBody struct {
	Google googleOptions  `json:"google"`
	Rest   jsontext.Value `json:",embed"`
}

// ignored reports whether there is anything in it that has no effect.
func (b extraBody) ignored() bool { return len(b.Rest) > len("{}") || b.Google.ignored() }

type googleOptions struct {
	Snake *thinkingConfig `json:"thinking_config"`
	Camel *thinkingConfig `json:"thinkingConfig"`

	SafetySettings optional[[]translate.SafetySetting] `json:"safety_settings"`
	CachedContent  optional[string]                    `json:"cached_content"`
	AspectRatio    optional[string]                    `json:"aspect_ratio"`
	ImageConfig    optional[imageOptions]              `json:"image_config"`
	ThoughtTag     optional[thoughtTag]                `json:"thought_tag_marker"`

	Rest jsontext.Value `json:",embed"`
}

// ignored reports whether there is anything in it that has no effect.
func (g googleOptions) ignored() bool {
	return len(g.Rest) > len("{}") || g.SafetySettings.odd || g.CachedContent.odd || g.AspectRatio.odd || g.ImageConfig.odd ||
		g.ThoughtTag.odd || g.Snake.ignored() || g.Camel.ignored()
}

func (g googleOptions) image() imageOptions {
	image := g.ImageConfig.or()
	image.AspectRatio = cmp.Or(image.AspectRatio, g.AspectRatio.or())
	return image
}

// generationConfig is Google's own object for the knobs of generation. What it says counts where OpenAI's fields are silent.
type generationConfig struct {
	Temperature        *float64       `json:"temperature"`
	TopP               *float64       `json:"topP"`
	TopK               *integer       `json:"topK"`
	MaxOutputTokens    *integer       `json:"maxOutputTokens"`
	CandidateCount     *integer       `json:"candidateCount"`
	StopSequences      []string       `json:"stopSequences"`
	Seed               *integer       `json:"seed"`
	PresencePenalty    *float64       `json:"presencePenalty"`
	FrequencyPenalty   *float64       `json:"frequencyPenalty"`
	ResponseModalities []string       `json:"responseModalities"`
	ImageConfig        imageOptions   `json:"imageConfig"`
	ThinkingConfig     thinkingConfig `json:"thinkingConfig"`

	Rest jsontext.Value `json:",embed"`
}

func (c generationConfig) ignored() bool {
	return len(c.Rest) > len("{}") || c.ThinkingConfig.ignored()
}

func (r *chatRequest) adoptGenerationConfig() {
	c := r.GenerationConfig.value
	if c == nil {
		return
	}
	r.Temperature, r.TopP, r.TopK = cmp.Or(r.Temperature, c.Temperature), cmp.Or(r.TopP, c.TopP), cmp.Or(r.TopK, c.TopK)
	r.N, r.Seed = cmp.Or(r.N, c.CandidateCount), cmp.Or(r.Seed, c.Seed)
	r.MaxTokens = cmp.Or(r.MaxTokens, c.MaxOutputTokens)
	r.PresencePenalty = cmp.Or(r.PresencePenalty, c.PresencePenalty)
	r.FrequencyPenalty = cmp.Or(r.FrequencyPenalty, c.FrequencyPenalty)
	if len(r.Stop) == 0 {
		r.Stop = c.StopSequences
	}
	if len(r.Modalities) == 0 {
		for _, m := range c.ResponseModalities {
			r.Modalities = append(r.Modalities, strings.ToLower(m))
		}
	}
	if r.ImageConfig.value == nil {
		r.ImageConfig.value = &c.ImageConfig
	}
}

// labels are names for what a call costs to be booked under: an object of strings, passed on as it is.
type labels jsontext.Value

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *labels) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	var values map[string]string
	if err := json.Unmarshal(raw, &values, tolerant); err != nil {
		return err
	}
	if len(values) > 0 {
		*l = labels(freeJSON(raw.Clone()))
	}
	return nil
}

// addService settles how Google is to treat the request as a whole.
func (r *chatRequest) addService(to *translate.Request) *translate.Error {
	for _, place := range []struct {
		param    string
		settings []translate.SafetySetting
	}{
		{"extra_body.google.safety_settings", r.ExtraBody.or().Google.SafetySettings.or()},
		{"google.safety_settings", r.Google.or().SafetySettings.or()},
		{"safety_settings", r.SafetySettings.or()},
		{"safetySettings", r.SafetySettingsCamel.or()},
	} {
		if len(place.settings) == 0 {
			continue
		}
		for _, s := range place.settings {
			if !s.Known() {
				return invalidValue(place.param, s.Category+" "+s.Threshold, "those of Google's enums HarmCategory and HarmBlockThreshold")
			}
		}
		to.Safety = place.settings
		break
	}
	to.CachedContent = cmp.Or(r.ExtraBody.or().Google.CachedContent.or(), r.Google.or().CachedContent.or(), r.CachedContent.or())
	to.Labels = jsontext.Value(r.Labels.or())
	to.Tier = tiers[strings.ToLower(r.ServiceTier)]
	return nil
}

// tiers are those that Google has, too. OpenAI's usual one goes by three names.
var tiers = map[string]translate.ServiceTier{
	"flex": translate.TierFlex, "priority": translate.TierPriority, "fast": translate.TierPriority,
}

func (r *chatRequest) tierIgnored() bool {
	tier := strings.ToLower(r.ServiceTier)
	return tiers[tier] == "" && !slices.Contains([]string{"", "auto", "default", "standard"}, tier)
}
