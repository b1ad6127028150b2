package gateway

import (
	"errors"
	"net/http"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// exhausted says to the client why no account was left to try. last is the failure of the request's latest attempt, nil when the pool
// knew in advance: a failure seen is more telling than a pool that has nothing untried left.
func (x *exchange) exhausted(m *gemini.Model, err error, last *translate.Error) *translate.Error {
	e, ok := errors.AsType[*rotator.Exhausted](err)
	if !ok {
		return asClientError(err)
	}
	if last != nil {
		return x.timed(m, last)
	}
	retry := max(e.RetryAfter, time.Second)
	switch e.Cause {
	case rotator.CauseUnknownModel, rotator.CauseAbsent:
		return modelNotFound(x.request.Model)
	case rotator.CauseDisabled:
		return &translate.Error{
			Kind: translate.ErrServer, Status: http.StatusServiceUnavailable, Code: "no_credentials",
			Message: "No account of this gateway is usable at the moment.", RetryAfter: e.RetryAfter,
		}
	case rotator.CauseOverloaded:
		return &translate.Error{
			Kind: translate.ErrOverloaded, Status: http.StatusServiceUnavailable, Code: "server_is_overloaded",
			Message: "The model is overloaded. Please try again later.", RetryAfter: retry,
		}
	case rotator.CauseNotEntitled:
		return &translate.Error{
			Kind: translate.ErrQuota, Status: http.StatusTooManyRequests, Code: "insufficient_quota",
			Message: "No account of this gateway has a quota for this model.", RetryAfter: retry,
		}
	case rotator.CauseQuota:
		return &translate.Error{
			Kind: translate.ErrQuota, Status: http.StatusTooManyRequests, Code: "insufficient_quota",
			Message: "Every account of this gateway has used up its quota for this model.", RetryAfter: retry,
		}
	case rotator.CauseTooLarge:
		return &translate.Error{
			Kind: translate.ErrTooLarge, Status: http.StatusRequestEntityTooLarge, Code: "request_too_large", Param: "messages",
			Message: "The prompt is larger than what any account of this gateway may spend on this model in a minute.",
		}
	case rotator.CauseCrowded:
		return &translate.Error{
			Kind: translate.ErrRateLimit, Status: http.StatusTooManyRequests, Code: "rate_limit_exceeded",
			Message: "Too many requests wait for this gateway already.", RetryAfter: retry,
		}
	default:
		return &translate.Error{
			Kind: translate.ErrRateLimit, Status: http.StatusTooManyRequests, Code: "rate_limit_exceeded",
			Message: "Every account of this gateway is at its rate limit for this model.", RetryAfter: retry,
		}
	}
}
