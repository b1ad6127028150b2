package caddyfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Safety is how strictly Google filters content of one category.
type Safety struct {
	// The kind of harm, by Google's name, such as `HARM_CATEGORY_HARASSMENT`.
	Category string `json:"category"`
	// From which probability of harm on content is blocked, by Google's name: `OFF`, `BLOCK_NONE`, `BLOCK_ONLY_HIGH`,
	// `BLOCK_MEDIUM_AND_ABOVE` or `BLOCK_LOW_AND_ABOVE`.
	Threshold string `json:"threshold"`
}

// The prefixes of Google's names that a Caddyfile may leave out.
const (
	categoryPrefix  = "HARM_CATEGORY_"
	thresholdPrefix = "BLOCK_"
)

// unmarshalSafety reads: safety <category> <threshold>
// Both are names of Google's, in any case, and may lack the prefix that they share.
func (c *Config) unmarshalSafety(d *caddyfile.Dispenser) error {
	var s Safety
	if !d.AllArgs(&s.Category, &s.Threshold) {
		return d.Err("safety needs a category and a threshold")
	}
	s.Category = inFull(s.Category, categoryPrefix, translate.HarmCategories())
	s.Threshold = inFull(s.Threshold, thresholdPrefix, translate.HarmThresholds())
	if err := checkSafety(append(c.Safety, s)); err != nil {
		return d.WrapErr(err)
	}
	c.Safety = append(c.Safety, s)
	return nil
}

// inFull is the known name that an operator means, or what they wrote.
func inFull(written, prefix string, known []string) string {
	name := strings.ToUpper(written)
	for _, full := range []string{name, prefix + name} {
		if slices.Contains(known, full) {
			return full
		}
	}
	return written
}

// checkSafety accepts what Google does: names it knows, and each category once.
func checkSafety(settings []Safety) error {
	for i, s := range settings {
		if err := checkWord("the category of safety", s.Category, translate.HarmCategories()); err != nil {
			return err
		}
		if err := checkWord("the threshold of safety", s.Threshold, translate.HarmThresholds()); err != nil {
			return err
		}
		if slices.ContainsFunc(settings[:i], func(other Safety) bool { return other.Category == s.Category }) {
			return fmt.Errorf("safety for '%s' already specified", s.Category)
		}
	}
	return nil
}
