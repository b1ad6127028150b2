package googlesim

import "fmt"

const corruptedMessage = "Corrupted thought signature."

// signatures checks, on models that need them, that the first call of each step of the current turn has a thought signature, and
// that every signature there is was issued by this class of backend.
func (j *judge) signatures() *apiError {
	if !j.model.signs() {
		return nil
	}
	start := j.currentTurn()
	for i := range j.turns {
		turn := &j.turns[i]
		for _, p := range turn.parts {
			if s := p.get("thoughtSignature"); s != nil && !j.genuine(s.str()) {
				return invalid(corruptedMessage)
			}
		}
		calls := turn.with("functionCall")
		if i < start || !turn.model || len(calls) == 0 || calls[0].has("thoughtSignature") {
			continue
		}
		name, position := calls[0].at("functionCall", "name").str(), calls[0].content+1
		return j.either(
			invalid(fmt.Sprintf("Function call is missing a thought_signature in functionCall parts. This is required for tools to work "+
				"correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call "+
				"`default_api:%s` , position %d. Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
				name, position)),
			invalid(fmt.Sprintf("Unable to submit request because function call `%s` in the %d. content block is missing a "+
				"`thought_signature`. Learn more: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/thought-signatures",
				name, position)))
	}
	return nil
}

// currentTurn is the index of the first turn after the last content of the user's that is no result of a call.
func (j *judge) currentTurn() int {
	start := 0
	for i := range j.turns {
		turn := &j.turns[i]
		mixed := map[int]bool{} // contents with results
		for _, p := range turn.with("functionResponse") {
			mixed[p.content] = true
		}
		for _, p := range turn.parts {
			if !turn.model && !mixed[p.content] {
				start = i + 1
			}
		}
	}
	return start
}

func (j *judge) genuine(text string) bool {
	raw, err := decodeBytes(text)
	if err != nil {
		return false // was refused before, as no base64
	}
	return j.trustSignatures || isSentinel(text, raw) || verifySignature(j.exchange.Backend, raw)
}
