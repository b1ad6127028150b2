package translate

import "strings"

const (
	callIDPrefix = "call_gp"
	callIDRandom = 22
)

// NewCallID makes an id for a tool call that Google sent without one. It has the shape OpenAI's ids have (call_ and 24 base62
// characters), and begins with a marker by which OwnCallID knows it again when a client sends it back. Safe for concurrent use.
func NewCallID() string { return RandomID(callIDPrefix, callIDRandom) }

// OwnCallID reports whether an id was made by NewCallID, so that it means nothing to Google and must not be sent there.
func OwnCallID(id string) bool {
	random, ours := strings.CutPrefix(id, callIDPrefix)
	if !ours || len(random) != callIDRandom {
		return false
	}
	for _, c := range []byte(random) {
		if !strings.ContainsRune(base62, rune(c)) {
			return false
		}
	}
	return true
}
