package gemini

import (
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Where files are that only some of Google's services can read, by its documentation: the Developer API keeps files of its own, and the
// cloud's are in buckets.
const (
	bucketFiles    = "gs://"
	developerFiles = "https://generativelanguage.googleapis.com/"
)

// files refuses those that the backend cannot read.
func (e *encoder) files() error {
	foreign := developerFiles
	if e.backend == translate.GeminiAPI {
		foreign = bucketFiles
	}
	for m := range e.req.Media() {
		if strings.HasPrefix(strings.ToLower(m.URI), foreign) {
			return translate.Invalid(m.Param, "invalid_value", "Invalid '%s': files at %s cannot be read here.", m.Param, foreign)
		}
	}
	return nil
}
