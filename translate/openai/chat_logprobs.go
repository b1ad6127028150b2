package openai

import (
	"strconv"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// logProbs sends, or remembers, how likely the tokens of the text before were. SDKs collect them from chunks without a delta as well.
func (w *chatWriter) logProbs(dst []byte, choice int, tokens []translate.LogProb) []byte {
	if len(tokens) == 0 {
		return dst
	}
	if !w.form.stream {
		list := &w.choices[choice].logProbs
		if len(*list) > 0 {
			*list = append(*list, ',')
		}
		*list = appendTokens(*list, tokens, true)
		return dst
	}
	return w.closeChoice(w.openDelta(dst, choice), appendTokens(nil, tokens, true), "")
}

// appendLogProbs appends the value of the member logprobs from the entries of its list.
func appendLogProbs(dst, entries []byte) []byte {
	if len(entries) == 0 {
		return append(dst, "null"...)
	}
	dst = append(dst, '{')
	dst = appendList(dst, "content", entries)
	return append(dst, `,"refusal":null}`...)
}

func appendTokens(dst []byte, tokens []translate.LogProb, top bool) []byte {
	for i := range tokens {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"token":`...)
		dst = appendString(dst, tokens[i].Token)
		dst = append(dst, `,"logprob":`...)
		dst = strconv.AppendFloat(dst, tokens[i].Log, 'g', -1, 64)
		dst = append(dst, `,"bytes":[`...)
		for j, b := range []byte(tokens[i].Token) {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendUint(dst, uint64(b), 10)
		}
		dst = append(dst, ']')
		if top {
			dst = append(dst, `,"top_logprobs":[`...)
			dst = appendTokens(dst, tokens[i].Top, false)
			dst = append(dst, ']')
		}
		dst = append(dst, '}')
	}
	return dst
}
