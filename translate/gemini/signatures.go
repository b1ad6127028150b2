package gemini

import (
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// unsigned is what Google's documentation gives for the first call of a step whose signature is lost or never was: sent as it is.
const unsigned = "skip_thought_signature_validator"

// usableSignature is the value to send for a signature, or nothing when the backend could not read it.
func usableSignature(s translate.Signature, b translate.Backend) string {
	if !s.FitsOn(b) || len(s.Value) > translate.MaxSignature || !isBase64(s.Value) {
		return ""
	}
	return s.Value
}

// isBase64 reports whether text could be base64 in the standard or the URL alphabet. Lengths that no bytes have are refused too.
func isBase64(text string) bool {
	digits := strings.TrimRight(text, "=")
	if len(text)-len(digits) > 2 || len(digits)%4 == 1 {
		return false
	}
	for i := range len(digits) {
		switch c := digits[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '+', c == '/', c == '-', c == '_':
		default:
			return false
		}
	}
	return digits != ""
}

// signature is usableSignature for the next of the conversation's, unless it is among those left out.
func (t *turns) signature(s translate.Signature) string {
	value := usableSignature(s, t.backend)
	if value == "" {
		return ""
	}
	if t.sent.signatures++; t.sent.signatures <= t.remedies.Unsigned {
		return ""
	}
	return value
}

// signSteps sees to it that the first call of every step of the current turn carries a signature: Google refuses the request
// otherwise. The current turn is what follows the last thing the user said; calls before it need none, unless all is set, and parallel
// calls never do.
func (t *turns) signSteps(all bool) {
	for i := len(t.list) - 1; i >= 0 && (all || t.list[i].kind != turnUser); i-- {
		if t.list[i].kind != turnModel {
			continue
		}
		for j := range t.list[i].parts {
			if p := &t.list[i].parts[j]; p.FunctionCall != nil {
				if p.ThoughtSignature == "" {
					p.ThoughtSignature = unsigned
				}
				break
			}
		}
	}
}
