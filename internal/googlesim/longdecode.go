package googlesim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"
)

// Gemini 4's answers may be longer than what one call gives. The call then ends with finishReason CONTINUATION and a token, and the same
// request with that token gets what follows. The thoughts come with the first call; what was said before counts as prompt.

const (
	// longOutput is how much may be asked for then, the prompt included.
	longOutput = 1_048_576
	// Messages for which no answer of Google's was seen, so that their wording here is a guess.
	continuationModelMessage = "Continuation is not supported for this model."
	continuationTokenMessage = "Invalid continuation token."
)

// CallOutput has Gemini 4 give so many tokens in one call when it was asked for more; 0 for 65,536, as Google does.
func (s *Server) CallOutput(tokens int) { s.callOutput.Store(int64(tokens)) }

// continues reports whether answers may take several calls.
func (m *model) continues(b Backend) bool { return m.generation >= 40 && b != CodeAssist }

// continuation checks the token and notes how much has been said before.
func (j *judge) continuation() *apiError {
	token := j.request.get("continuationToken")
	if token == nil {
		return nil
	}
	if !j.model.continues(j.exchange.Backend) {
		return invalid(continuationModelMessage)
	}
	raw, err := base64.StdEncoding.DecodeString(token.str())
	if err != nil || len(raw) != 4+sha256.Size || !hmac.Equal(raw[4:], j.exchange.continuationMAC(raw[:4])) {
		return invalid(continuationTokenMessage)
	}
	j.exchange.said = int(binary.BigEndian.Uint32(raw))
	return nil
}

// continuationMAC ties a token to the account and to every field of the request but itself.
func (c *exchange) continuationMAC(said []byte) []byte {
	request := *c.request
	request.members = slices.DeleteFunc(slices.Clone(request.members), func(m member) bool { return m.name == "continuationToken" })
	return mac(slices.Concat(said, []byte(c.account), []byte{0}, request.value()))
}

// interrupt leaves of a long answer what one call gives, most tokens.
func (a *answer) interrupt(c *exchange, most int) {
	asked := c.request.at("generationConfig", "maxOutputTokens").integer()
	if !a.model.continues(c.Backend) || len(a.calls) > 0 || asked <= most {
		return
	}
	if c.said > 0 {
		a.prompt += tokensOf(c.said, 0)
		a.thought, a.thoughts = "", 0
		a.text = a.text[min(c.said, len(a.text)):]
	}
	if a.thoughts+a.visible() <= most {
		return
	}
	cut := min(4*max(most-a.thoughts, 0), len(a.text))
	for cut > 0 && cut < len(a.text) && !utf8.RuneStart(a.text[cut]) {
		cut--
	}
	a.text, a.finish = strings.Clone(a.text[:cut]), "CONTINUATION"
	said := binary.BigEndian.AppendUint32(nil, uint32(c.said+cut)) //nolint:gosec // answers are far smaller than 4 GiB
	a.token = base64.StdEncoding.EncodeToString(append(said, c.continuationMAC(said)...))
}
