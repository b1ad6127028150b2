package gemini

import (
	_ "embed"
	"regexp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Kind is what a model is for, and so which surfaces can offer it.
type Kind string

// The kinds.
const (
	KindText          Kind = "text"
	KindImage         Kind = "image"
	KindSpeech        Kind = "speech"
	KindTranscription Kind = "transcription"
	KindEmbedding     Kind = "embedding"
)

// Model is what is known about one model. It is immutable and shared.
type Model struct {
	ID       string `json:"id"`
	Released string `json:"released"` // a date such as 2025-12-17; empty when unknown
	Kind     Kind   `json:"kind"`
	// InputLimit and OutputLimit are tokens, per request; 0 is unknown. The output includes the thoughts.
	InputLimit  int `json:"input"`
	OutputLimit int `json:"output"`
	// Modalities are what a prompt may hold.
	Modalities []string  `json:"modalities"`
	Thinking   *Thinking `json:"thinking"` // nil: the model must not be sent a thinkingConfig
	// Unlisted models are known but not offered: alternative names, and families of which only the name's beginning is known.
	Unlisted bool `json:"unlisted"`

	GenerationName string      `json:"generation"`
	Generation     *Generation `json:"-"` // never nil in a Model from a Catalogue
}

// Generation is what the models of one generation have in common.
type Generation struct {
	Signatures    bool                `json:"signatures"`    // calls of the current turn must carry thought signatures
	NoSignatures  bool                `json:"noSignatures"`  // thought signatures mean nothing to them
	JSONWithTools bool                `json:"jsonWithTools"` // JSON mode works beside functions
	JSONMode      bool                `json:"jsonMode"`
	ResultMedia   bool                `json:"resultMedia"` // function responses may hold pictures
	System        bool                `json:"system"`      // takes a systemInstruction
	Penalties     []translate.Backend `json:"penalties"`   // where presence and frequency penalties are no error
	Candidates    int                 `json:"candidates"`  // answers that one request may ask for; 0 stands for 1
	LogProbs      []translate.Backend `json:"logProbs"`    // where there are log probabilities
	LongDecode    []translate.Backend `json:"longDecode"`  // where an answer may take several calls
	Detail        []translate.Backend `json:"detail"`      // where it can be said of a picture how closely to look at it
	// BuiltinsWithTools is where Google's own tools can be had beside functions.
	BuiltinsWithTools []translate.Backend `json:"builtinsWithTools"`
	Media             MediaTokens         `json:"media"`
}

// Thinking is how a model's thinking is controlled: by levels or by a budget.
type Thinking struct {
	Levels     []string `json:"levels"` // ascending
	Budget     *Budget  `json:"budget"`
	CanDisable bool     `json:"canDisable"`
}

// Budget bounds a thinking budget, in tokens. -1, the model's own choice, is always allowed.
type Budget struct {
	Min     int `json:"min"`
	Max     int `json:"max"`
	Minimal int `json:"minimal"` // what effort minimal means
}

// modelName is what any name of a model of Google's looks like. Clients choose names, and names end up in URLs, headers and memory.
var modelName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,127}$`)

// unknownPrefixes are the beginnings of names that are passed on though the catalogue does not know them.
var unknownPrefixes = [...]string{"gemini-", "gemma-"}

//go:embed catalogue.json
var catalogueJSON []byte

// Catalogue knows the models. It is immutable and safe for concurrent use.
type Catalogue struct {
	models  []*Model
	byID    map[string]*Model
	unknown map[string]*Model // by the prefix of the name
}

// NewCatalogue is the built-in catalogue.
func NewCatalogue() *Catalogue {
	var file struct {
		Generations map[string]*Generation `json:"generations"`
		Unknown     map[string]*Model      `json:"unknown"`
		Models      []*Model               `json:"models"`
	}
	if err := json.Unmarshal(catalogueJSON, &file, json.RejectUnknownMembers(true)); err != nil {
		panic("gemini: the built-in catalogue: " + err.Error())
	}
	c := &Catalogue{models: file.Models, byID: make(map[string]*Model, len(file.Models)), unknown: file.Unknown}
	settle := func(m *Model) {
		if m.Generation = file.Generations[m.GenerationName]; m.Generation == nil {
			m.Generation = new(Generation) // of models that generate no content
		}
	}
	for _, m := range file.Models {
		settle(m)
		c.byID[m.ID] = m
	}
	for _, m := range file.Unknown {
		settle(m)
	}
	return c
}

// Find returns the model of a name, which NormalizeModel should have cleaned. A gemini or gemma model the catalogue does not know is
// taken to be like the longest known name it extends (gemini-2.5-flash-preview-09-2025 like gemini-2.5-flash), else like the newest
// generation. Any other unknown name is not found.
func (c *Catalogue) Find(name string) (*Model, bool) {
	if m, ok := c.byID[name]; ok {
		return m, true
	}
	if !modelName.MatchString(name) {
		return nil, false
	}
	like := c.like(name)
	if like == nil {
		return nil, false
	}
	m := *like
	m.ID, m.Released, m.Unlisted = name, "", true
	if kind, special := specialKind(name); special && m.Kind == KindText {
		m.Kind, m.Thinking = kind, nil
	}
	return &m, true
}

func (c *Catalogue) like(name string) *Model {
	for _, prefix := range unknownPrefixes {
		if len(name) == len(prefix) || !strings.HasPrefix(name, prefix) {
			continue
		}
		best := c.unknown[prefix]
		for _, m := range c.models {
			if len(m.ID) > len(best.ID) && strings.HasPrefix(name, m.ID+"-") {
				best = m
			}
		}
		return best
	}
	return nil
}

// specialKind tells what a model of an unknown name is for from a word in it.
func specialKind(name string) (Kind, bool) {
	for word := range strings.SplitSeq(name, "-") {
		switch word {
		case "image":
			return KindImage, true
		case "tts", "audio", "live":
			return KindSpeech, true
		case "transcribe":
			return KindTranscription, true
		case "embedding":
			return KindEmbedding, true
		}
	}
	return "", false
}

// List returns the text models that are on offer, in the catalogue's order.
func (c *Catalogue) List() []*Model {
	var offered []*Model
	for _, m := range c.models {
		if m.Kind == KindText && !m.Unlisted {
			offered = append(offered, m)
		}
	}
	return offered
}

// NormalizeModel removes what clients put before a model's name: models/, google/, gemini/ and the like, in any combination.
func NormalizeModel(name string) string {
	name = strings.TrimSpace(name)
	for {
		rest := name
		for _, prefix := range []string{"publishers/google/models/", "models/", "google/", "gemini/", "openai/"} {
			rest = strings.TrimPrefix(rest, prefix)
		}
		if rest == name {
			return name
		}
		name = rest
	}
}

// Created is the release as Unix time, 0 when unknown.
func (m *Model) Created() int64 {
	day, err := time.Parse(time.DateOnly, m.Released)
	if err != nil {
		return 0
	}
	return day.Unix()
}
