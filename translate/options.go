package translate

import "slices"

// Builtin is a tool that runs at Google and not at the client.
type Builtin struct {
	Kind BuiltinKind
	// Param is where the client asked for it, for telling which of its parameters had no effect.
	Param string
}

// BuiltinKind says which of Google's tools it is.
type BuiltinKind uint8

// The kinds.
const (
	BuiltinSearch BuiltinKind = iota // searches the web
	BuiltinCode                      // runs code
	BuiltinURLs                      // reads the pages a prompt names
	BuiltinMaps
)

// Modality is a form in which a model may answer.
type Modality uint8

// The modalities.
const (
	ModalityText Modality = iota
	ModalityImage
	ModalityAudio
)

// Output is what an answer is to be made of, beside its text. The zero value leaves it to the model.
type Output struct {
	// Modalities are those the client wants; none leaves them to the model.
	Modalities []Modality
	// Voice and AudioFormat (wav or pcm16) are those of audio; both may be empty.
	Voice, AudioFormat string
	// AspectRatio (such as 16:9) and ImageSize (such as 2K) are those of pictures; both may be empty.
	AspectRatio, ImageSize string
}

// SafetySetting says from which probability of harm on Google blocks content of one category.
type SafetySetting struct {
	Category  string `json:"category"`
	Threshold string `json:"threshold"`
}

// harmCategories and harmThresholds are the values of Google's enums.
var (
	harmCategories = []string{
		"HARM_CATEGORY_HARASSMENT", "HARM_CATEGORY_HATE_SPEECH", "HARM_CATEGORY_SEXUALLY_EXPLICIT", "HARM_CATEGORY_DANGEROUS_CONTENT",
		"HARM_CATEGORY_CIVIC_INTEGRITY", "HARM_CATEGORY_JAILBREAK", "HARM_CATEGORY_IMAGE_HARASSMENT", "HARM_CATEGORY_IMAGE_HATE",
		"HARM_CATEGORY_IMAGE_SEXUALLY_EXPLICIT", "HARM_CATEGORY_IMAGE_DANGEROUS_CONTENT",
	}
	harmThresholds = []string{"OFF", "BLOCK_NONE", "BLOCK_ONLY_HIGH", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_LOW_AND_ABOVE"}
)

// HarmCategories are the categories Google's documentation names.
func HarmCategories() []string { return slices.Clone(harmCategories) }

// HarmThresholds are the thresholds Google's documentation names, the most permissive first.
func HarmThresholds() []string { return slices.Clone(harmThresholds) }

// Known reports whether Google's documentation names both the category and the threshold.
func (s SafetySetting) Known() bool {
	return slices.Contains(harmCategories, s.Category) && slices.Contains(harmThresholds, s.Threshold)
}

// ServiceTier is how a request is to be treated in relation to others, and billed. The zero value is as usual.
type ServiceTier string

// The tiers beside the usual one.
const (
	TierFlex     ServiceTier = "flex"     // cheaper, and later
	TierPriority ServiceTier = "priority" // dearer, and sooner
)
