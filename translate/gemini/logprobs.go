package gemini

import "github.com/gemini-proxy/caddy-gemini-proxy/translate"

// tokens are the tokens that were taken, each with the likeliest in its place.
func (r *LogProbsResult) tokens() []translate.LogProb {
	if r == nil {
		return nil
	}
	tokens := logProbs(r.Chosen)
	for i := range tokens[:min(len(tokens), len(r.Top))] {
		tokens[i].Top = logProbs(r.Top[i].Candidates)
	}
	return tokens
}

func logProbs(wire []TokenLogProb) []translate.LogProb {
	tokens := make([]translate.LogProb, len(wire))
	for i, t := range wire {
		tokens[i] = translate.LogProb{Token: t.Token, Log: t.LogProbability}
	}
	return tokens
}
