package googlesim

import (
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// apiError is an error as Google's services answer it: a google.rpc.Status in a JSON envelope.
type apiError struct {
	Code    int           `json:"code"`
	Message string        `json:"message"`
	Errors  []legacyError `json:"errors,omitempty"`
	Status  string        `json:"status"`
	Details []any         `json:"details,omitempty"` // the detail types below
}

// legacyError is the older form, which Code Assist still adds.
type legacyError struct {
	Message string `json:"message"`
	Domain  string `json:"domain"`
	Reason  string `json:"reason"`
}

const typePrefix = "type.googleapis.com/google.rpc."

type errorInfo struct {
	Type     string            `json:"@type"`
	Reason   string            `json:"reason"`
	Domain   string            `json:"domain"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

type retryInfo struct {
	Type       string `json:"@type"`
	RetryDelay string `json:"retryDelay"`
}

type quotaFailure struct {
	Type       string      `json:"@type"`
	Violations []violation `json:"violations"`
}

type violation struct {
	QuotaMetric     string            `json:"quotaMetric"`
	QuotaID         string            `json:"quotaId"`
	QuotaDimensions map[string]string `json:"quotaDimensions,omitempty"`
	QuotaValue      string            `json:"quotaValue,omitempty"`
}

type help struct {
	Type  string `json:"@type"`
	Links []link `json:"links"`
}

type link struct {
	Description string `json:"description"`
	URL         string `json:"url"`
}

type badRequest struct {
	Type       string           `json:"@type"`
	Violations []fieldViolation `json:"fieldViolations"`
}

type fieldViolation struct {
	Field       string `json:"field,omitempty"`
	Description string `json:"description"`
}

type localizedMessage struct {
	Type    string `json:"@type"`
	Locale  string `json:"locale"`
	Message string `json:"message"`
}

type debugInfo struct {
	Type   string `json:"@type"`
	Detail string `json:"detail"`
}

func newErrorInfo(reason, domain string, metadata map[string]string) errorInfo {
	return errorInfo{typePrefix + "ErrorInfo", reason, domain, metadata}
}

func newHelp(description, url string) help {
	return help{typePrefix + "Help", []link{{description, url}}}
}

// statusNames are google.rpc.Code's names by the HTTP status Google maps them to.
var statusNames = map[int]string{
	400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED",
	413: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE",
	504: "DEADLINE_EXCEEDED",
}

func newError(code int, message string, details ...any) *apiError {
	return &apiError{Code: code, Message: message, Status: statusNames[code], Details: details}
}

func invalid(message string) *apiError { return newError(http.StatusBadRequest, message) }

func (e *apiError) Error() string { return e.Message }

// body is the error's envelope, indented as Google sends it.
func (e *apiError) body() string {
	return encodeJSON(struct {
		Error *apiError `json:"error"`
	}{e}, jsontext.WithIndent("  "))
}

// encodeJSON writes one of this package's own types, which cannot fail.
func encodeJSON(v any, opts ...json.Options) string {
	data, err := json.Marshal(v, append(opts, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))...)
	if err != nil {
		panic(err)
	}
	return string(data)
}
