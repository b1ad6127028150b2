package openai

import (
	"net/http"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Chat is the surface of POST /v1/chat/completions. Its zero value is ready, stateless and safe for concurrent use.
type Chat struct {
	// Strict has parameters refused that cannot have the effect a client means them to have. Otherwise they are ignored, and named.
	Strict bool
}

// Name is the surface's name in configuration, logs and metrics.
func (Chat) Name() string { return "chat" }

// Decode reads a request. Whatever clients are known to send is accepted; what has no effect is named in the request's Ignored. Its
// errors are *translate.Error in OpenAI's words. The function it returns makes the writer of one answer, and is called after the
// request's Model and Thinking have been settled.
func (c Chat) Decode(_ http.Header, body []byte) (*translate.Request, func() translate.Writer, error) {
	var wire chatRequest
	if failed := decodeBody(body, &wire); failed != nil {
		return nil, nil, failed
	}
	request, failed := wire.translate(c.Strict)
	if failed != nil {
		return nil, nil, failed
	}
	form := chatForm{
		stream:       request.Stream,
		usage:        wire.StreamOptions != nil && wire.StreamOptions.IncludeUsage || wire.Usage.or().Include,
		functionCall: wire.legacyFunctions(),
		thoughtTag:   wire.thoughtTag(),
	}
	began := time.Now().Unix()
	return request, func() translate.Writer { return translate.Trim(newChatWriter(request, form, began), request) }, nil
}

// Error is the body of an error that is answered with an HTTP status.
func (Chat) Error(e *translate.Error) (status int, body []byte) { return errorBody(e) }

// InBand appends the event that ends a stream which has already begun.
func (Chat) InBand(dst []byte, e *translate.Error) []byte { return appendErrorEvent(dst, e) }
