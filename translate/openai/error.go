package openai

import (
	"fmt"
	"net/http"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// errorTypes are the words of OpenAI's protocol for a kind of error, and the status of one that names none.
var errorTypes = [...]struct {
	name   string
	status int
}{
	translate.ErrServer:         {"server_error", http.StatusInternalServerError},
	translate.ErrInvalid:        {"invalid_request_error", http.StatusBadRequest},
	translate.ErrAuthentication: {"invalid_request_error", http.StatusUnauthorized},
	translate.ErrPermission:     {"invalid_request_error", http.StatusForbidden},
	translate.ErrNotFound:       {"invalid_request_error", http.StatusNotFound},
	translate.ErrTooLarge:       {"invalid_request_error", http.StatusRequestEntityTooLarge},
	translate.ErrRateLimit:      {"rate_limit_error", http.StatusTooManyRequests},
	translate.ErrQuota:          {"insufficient_quota", http.StatusTooManyRequests},
	translate.ErrOverloaded:     {"server_error", http.StatusServiceUnavailable},
	translate.ErrTimeout:        {"server_error", http.StatusGatewayTimeout},
}

// errorBody is the status and body of an error, as every OpenAI surface answers it before an answer has begun.
func errorBody(e *translate.Error) (status int, body []byte) {
	status = e.Status
	if status == 0 {
		status = errorTypes[e.Kind].status
	}
	return status, append(appendError(nil, e), '\n')
}

// appendError appends {"error":{…}}. OpenAI's specification requires all four members, and an object: SDKs read nothing from the
// list that Google puts around its errors.
func appendError(dst []byte, e *translate.Error) []byte {
	message, param := e.Message, e.Param
	if e.Code == codeContextLength {
		if param == "" {
			param = "messages"
		}
		if e.TokenLimit > 0 && e.TokenCount > 0 { // agents recognise OpenAI's sentence and compact their history
			message = fmt.Sprintf("This model's maximum context length is %d tokens. However, your messages resulted in %d tokens.",
				e.TokenLimit, e.TokenCount)
		}
	}
	dst = append(dst, `{"error":{"message":`...)
	dst = appendString(dst, message)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, errorTypes[e.Kind].name)
	dst = append(dst, `,"param":`...)
	dst = appendOrNull(dst, param)
	dst = append(dst, `,"code":`...)
	dst = appendOrNull(dst, e.Code)
	return append(dst, "}}"...)
}

const codeContextLength = "context_length_exceeded"

// appendErrorEvent appends the event that ends a stream which failed after it began. Nothing may follow: SDKs raise an error at the
// event, and a finish or [DONE] after it would make a broken answer look complete to others.
func appendErrorEvent(dst []byte, e *translate.Error) []byte {
	dst = append(dst, "data: "...)
	dst = appendError(dst, e)
	return append(dst, "\n\n"...)
}

// Constructors for the errors that several fields share, in OpenAI's words.

func missingParameter(param string) *translate.Error {
	return translate.Invalid(param, "missing_required_parameter", "Missing required parameter: '%s'.", param)
}

func wrongType(param string, want expected) *translate.Error {
	return translate.Invalid(param, "invalid_type", "Invalid type for '%s': expected %s.", param, string(want))
}

func unsupportedParameter(param, why string) *translate.Error {
	return translate.Invalid(param, "unsupported_parameter", "Unsupported parameter: '%s' is not supported: %s.", param, why)
}

func unsupportedValue(param, value, why string) *translate.Error {
	return translate.Invalid(param, "unsupported_value", "Unsupported value: '%s' does not support '%s': %s.", param, clip(value), why)
}

func invalidValue(param, value, supported string) *translate.Error {
	return translate.Invalid(param, "invalid_value", "Invalid value: '%s'. Supported values are: %s.", clip(value), supported)
}

// maxEcho bounds what an error repeats of a client's own value, in bytes.
const maxEcho = 200

func clip(text string) string {
	if len(text) <= maxEcho {
		return text
	}
	return text[:maxEcho] + "…"
}
