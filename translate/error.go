package translate

import (
	"fmt"
	"net/http"
	"time"
)

// ErrorKind is what went wrong in terms every surface has a word for.
type ErrorKind uint8

// The kinds of Error.
const (
	ErrServer         ErrorKind = iota // ours or Google's fault
	ErrInvalid                         // the request cannot be served as it is
	ErrAuthentication                  // the client's key
	ErrPermission
	ErrNotFound
	ErrTooLarge
	ErrRateLimit  // soon again
	ErrQuota      // not soon again
	ErrOverloaded // the model has no capacity
	ErrTimeout
)

// Error is a failure as a client may see it: nothing in it names an account, a project or a key. Surfaces render it their own way.
type Error struct {
	Kind   ErrorKind
	Status int // HTTP
	// Code is OpenAI's machine-readable code, the richest vocabulary among the surfaces; empty for none.
	Code string
	// Param is the path of the field at fault in the client's own request, such as messages[2].content; empty for none.
	Param   string
	Message string
	// RetryAfter is how long a client should wait; zero when Google or the pool named no time.
	RetryAfter time.Duration
	// TokenCount and TokenLimit are set with code context_length_exceeded, when known.
	TokenCount, TokenLimit int
}

func (e *Error) Error() string {
	if e.Param != "" {
		return fmt.Sprintf("%d %s (%s): %s", e.Status, e.Code, e.Param, e.Message)
	}
	return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message)
}

// Invalid is a 400 about one field of the client's request.
func Invalid(param, code, format string, args ...any) *Error {
	return &Error{Kind: ErrInvalid, Status: http.StatusBadRequest, Code: code, Param: param, Message: fmt.Sprintf(format, args...)}
}

// Unauthenticated is the refusal of a request without a key that is known here.
func Unauthenticated() *Error {
	return &Error{
		Kind: ErrAuthentication, Status: http.StatusUnauthorized, Code: "invalid_api_key",
		Message: "No valid API key was given. Send the key of this gateway as: Authorization: Bearer <key>.",
	}
}
