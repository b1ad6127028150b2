package gateway

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// readBody reads a request's body, at most MaxBody bytes of it.
func (g *Gateway) readBody(r *http.Request) ([]byte, *translate.Error) {
	if err := checkEncoding(r.Header); err != nil {
		return nil, err
	}
	if r.ContentLength > g.MaxBody {
		return nil, g.tooLarge()
	}
	var body []byte
	if r.ContentLength > 0 {
		body = make([]byte, 0, r.ContentLength+1) // one more, so that the last read sees the end without growing
	}
	limited := io.LimitReader(r.Body, g.MaxBody+1)
	body, err := appendAll(body, limited)
	if err != nil {
		return nil, g.readFailed(err)
	}
	if int64(len(body)) > g.MaxBody {
		return nil, g.tooLarge()
	}
	return body, nil
}

// appendAll is io.ReadAll into a buffer that may already have its final size.
func appendAll(dst []byte, r io.Reader) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// checkEncoding refuses bodies that cannot be JSON. A missing type and the one curl sends by default are taken for JSON.
func checkEncoding(h http.Header) *translate.Error {
	if enc := h.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return unsupportedMedia("Request bodies with Content-Encoding " + enc + " are not supported: send plain JSON.")
	}
	given := h.Get("Content-Type")
	if given == "" {
		return nil
	}
	kind, _, err := mime.ParseMediaType(given)
	switch {
	case err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json")),
		kind == "text/plain", kind == "application/octet-stream", kind == "application/x-www-form-urlencoded":
		return nil
	}
	return unsupportedMedia("Content-Type " + given + " is not supported: send application/json.")
}

func unsupportedMedia(message string) *translate.Error {
	return &translate.Error{
		Kind: translate.ErrInvalid, Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Message: message,
	}
}

func (g *Gateway) tooLarge() *translate.Error {
	return &translate.Error{
		Kind: translate.ErrTooLarge, Status: http.StatusRequestEntityTooLarge, Code: "request_too_large",
		Message: "The request body is larger than this gateway accepts.",
	}
}

// readFailed says why a body could not be read: a limit set by a middleware in front, or a client that went away.
func (g *Gateway) readFailed(err error) *translate.Error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return g.tooLarge()
	}
	if g.BodyStatus != nil {
		if status, ok := g.BodyStatus(err); ok && status == http.StatusRequestEntityTooLarge {
			return g.tooLarge()
		}
	}
	return translate.Invalid("", "", "The request body could not be read to its end.")
}
