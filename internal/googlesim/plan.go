package googlesim

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// declaration is one function the request declares.
type declaration struct {
	name   string
	schema *node
}

func declarations(request *node) []declaration {
	var all []declaration
	for _, tool := range request.get("tools").list() {
		for _, d := range tool.get("functionDeclarations").list() {
			schema := d.get("parametersJsonSchema")
			if schema == nil {
				schema = d.get("parameters")
			}
			all = append(all, declaration{d.get("name").str(), schema})
		}
	}
	return all
}

// plan decides which functions to call next: see answer.
func (t *turn) plan(request *node) []plannedCall {
	choice := request.at("toolConfig", "functionCallingConfig")
	mode := strings.ToUpper(choice.get("mode").str())
	declared := declarations(request)
	if len(declared) == 0 || mode == "NONE" {
		return nil
	}
	if allowed := choice.get("allowedFunctionNames").list(); len(allowed) > 0 {
		declared = slices.DeleteFunc(declared, func(d declaration) bool {
			return !slices.ContainsFunc(allowed, func(n *node) bool { return n.str() == d.name })
		})
	}
	stages := strings.Split(t.asked, " then ")
	asked := ""
	if t.stage < len(stages) {
		asked = stages[t.stage]
	}
	wanted := slices.DeleteFunc(slices.Clone(declared), func(d declaration) bool { return !mentions(asked, d.name) })
	if len(wanted) == 0 && mode == "ANY" && len(declared) > 0 {
		wanted, asked = declared[:1], t.asked
	}
	var calls []plannedCall
	for _, d := range wanted {
		subjects := places(asked)
		if len(subjects) == 0 || !takesText(d.schema) {
			subjects = []string{strings.TrimSpace(asked)}
		}
		for _, subject := range subjects {
			calls = append(calls, plannedCall{d.name, arguments(d.schema, subject)})
		}
	}
	return calls
}

// verbs are words of function names that do not say what a function is about.
var verbs = []string{"get", "set", "find", "make", "call", "fetch", "lookup", "function", "tool", "current", "with", "from", "then"}

var words = regexp.MustCompile(`[A-Z]?[a-z]{3,}|[A-Z]{3,}`)

// mentions reports whether text names a function, or a word of its name that has meaning, in whatever inflection.
func mentions(text, name string) bool {
	text = strings.ToLower(text)
	apart := func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	if slices.Contains(strings.FieldsFunc(text, apart), strings.ToLower(name)) {
		return true
	}
	said := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })
	for _, word := range words.FindAllString(name, -1) {
		word = strings.ToLower(word)
		if slices.Contains(verbs, word) {
			continue
		}
		const ending = 3
		if slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, word) && len(s) <= len(word)+ending }) {
			return true
		}
	}
	return false
}

var (
	listed = regexp.MustCompile(`\p{Lu}\p{L}+(?: \p{Lu}\p{L}+)?(?:(?:, (?:and )?| and )\p{Lu}\p{L}+(?: \p{Lu}\p{L}+)?)*`)
	joint  = regexp.MustCompile(`, and |, | and `)
	inside = regexp.MustCompile(`\b(?:in|for|of|at) `)
)

// places are the names listed after "in", "for", "of" or "at", such as "in Paris, Tokyo and New York".
func places(text string) []string {
	for _, at := range inside.FindAllStringIndex(text, -1) {
		rest := text[at[1]:]
		if found := listed.FindStringIndex(rest); found != nil && found[0] == 0 {
			return joint.Split(rest[:found[1]], -1)
		}
	}
	return nil
}
