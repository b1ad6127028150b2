package gemini

import (
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// unsigned is what the first call of a step carries for want of a signature.
const unsigned = translate.Unsigned

// usableSignature is the value to send for a signature, or nothing when the model on the backend could not read it.
func usableSignature(s translate.Signature, b translate.Backend, m *Model) string {
	switch {
	case !s.FitsOn(b), m.Generation.NoSignatures, s.Family != "" && s.Family != m.GenerationName,
		len(s.Value) > translate.MaxSignature, !isBase64(s.Value):
		return ""
	}
	return s.Value
}

// isBase64 reports whether text could be base64 in the standard alphabet or in the URL alphabet, padded or not. Lengths that no bytes have
// are refused too.
func isBase64(text string) bool {
	digits := strings.TrimRight(text, "=")
	if padding := len(text) - len(digits); padding > 2 || padding > 0 && len(text)%4 != 0 || len(digits)%4 == 1 {
		return false
	}
	var standard, url bool
	for i := range len(digits) {
		switch c := digits[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '+', c == '/':
			standard = true
		case c == '-', c == '_':
			url = true
		default:
			return false
		}
	}
	return digits != "" && (!standard || !url)
}

// signature is usableSignature for the next of the conversation's, unless it is among those left out.
func (t *turns) signature(s translate.Signature) string {
	value := usableSignature(s, t.backend, t.model)
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
