package gemini

import (
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// What things cost in tokens, roughly, by Google's documentation.
const (
	bytesPerToken      = 4 // also right for scripts of three bytes a character, which take most of a token each
	tokensPerMessage   = 4
	tokensPerImage     = 1120
	tokensPerReference = 1120 // of media whose size is unknown
	audioBytesPerToken = 500  // 32 tokens and about 16 kB a second
	videoBytesPerToken = 1000 // 300 tokens and about 300 kB a second
	pdfBytesPerToken   = 200  // 258 tokens and about 50 kB a page
)

// EstimateTokens guesses how many tokens the prompt is, to choose an account that has them left. It is off by a factor of two at
// times; what was really used comes with the answer.
func EstimateTokens(req *translate.Request) int64 {
	var tokens, text int
	for i := range req.Messages {
		tokens += tokensPerMessage
		for j := range req.Messages[i].Parts {
			p := &req.Messages[i].Parts[j]
			switch p.Kind {
			case translate.PartText:
				text += len(p.Text)
			case translate.PartMedia:
				tokens += mediaTokens(p.Media)
			case translate.PartCall:
				text += len(p.Call.Name) + len(p.Call.Args)
			case translate.PartResult:
				text += len(p.Result.Output)
				for k := range p.Result.Media {
					tokens += mediaTokens(&p.Result.Media[k])
				}
			case translate.PartThought: // is not repeated to the model
			}
		}
	}
	for i := range req.Tools {
		text += len(req.Tools[i].Name) + len(req.Tools[i].Description) + len(req.Tools[i].Schema)
	}
	text += len(req.Format.Schema)
	return int64(tokens + text/bytesPerToken)
}

func mediaTokens(m *translate.Media) int {
	kind, _, _ := strings.Cut(m.MIME, "/")
	switch {
	case m.URI != "":
		return tokensPerReference
	case kind == "image":
		return tokensPerImage
	case kind == "audio":
		return len(m.Data) / audioBytesPerToken
	case kind == "video":
		return len(m.Data) / videoBytesPerToken
	case m.MIME == "application/pdf":
		return len(m.Data) / pdfBytesPerToken
	default:
		return len(m.Data) / bytesPerToken
	}
}
