package google

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Marks of what was taken out of a sentence.
const (
	hidden  = "[hidden]"
	project = "the project"
)

// maxMessage bounds a message, in bytes.
const maxMessage = 2 << 10

type scrubber struct {
	pattern *regexp.Regexp
	with    string
}

// secretPatterns are things nobody may read, operators included: keys, tokens, client secrets, and addresses of people.
var secretPatterns = []scrubber{
	{regexp.MustCompile(`\bapi_key:[^\s'",)]+`), "api_key:" + hidden},
	{regexp.MustCompile(`\bAIz[A-Za-z0-9_-]{6,}`), hidden},
	{regexp.MustCompile(`\bAQ\.[A-Za-z0-9_-]{6,}`), hidden},
	{regexp.MustCompile(`\bya29\.[A-Za-z0-9._-]+`), hidden},
	{regexp.MustCompile(`\b1//[A-Za-z0-9_-]{6,}`), hidden},
	{regexp.MustCompile(`\bGOCSPX-[A-Za-z0-9_-]+`), hidden},
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+`), hidden},
	{regexp.MustCompile(`(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{8,}`), hidden},
	{regexp.MustCompile(`(?i)(\b(?:invalid )?api key: ?)\S+`), "${1}" + hidden},
	{regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`), hidden},
}

// ownerPatterns are things a client may not read: whose account and project were used, and pages of Google's console.
var ownerPatterns = []scrubber{
	{regexp.MustCompile(`(?i)\bconsumer '[^']*'`), "consumer " + hidden},
	{regexp.MustCompile("(?://[a-z0-9.-]+/)?\\bprojects/[^\\s'\"`,;)]+"), project},
	{regexp.MustCompile(`(?i)\bproject_number:\s*\d+`), project},
	{regexp.MustCompile(`(?i)\bprojects? (?:id |number )?['"]?(?:\d{6,}|[a-z][a-z0-9-]*-[a-z0-9-]*[0-9])['"]?`), project},
}

var webAddress = regexp.MustCompile("https?://[^\\s'\"`<>)]+")

// documentation is where Google explains its API to everybody: the only addresses clients get to see.
const documentation = "https://ai.google.dev/"

// scrubSecrets takes out what not even an operator's log should hold.
func scrubSecrets(s string) string {
	for _, p := range secretPatterns {
		s = p.pattern.ReplaceAllString(s, p.with)
	}
	return shorten(s)
}

// scrub makes one of Google's sentences fit for clients.
func scrub(s string) string {
	s = webAddress.ReplaceAllStringFunc(s, func(link string) string {
		if strings.HasPrefix(link, documentation) {
			return link
		}
		return hidden
	})
	s = scrubSecrets(s)
	for _, p := range ownerPatterns {
		s = p.pattern.ReplaceAllString(s, p.with)
	}
	return shorten(s)
}

// shorten cuts a message to its bound, between two characters.
func shorten(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	cut := maxMessage
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
