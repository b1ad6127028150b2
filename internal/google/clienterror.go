package google

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// clientError is what a client may hear of a fault, should it come to that. Google's own sentence is passed on only where the client's
// request is at fault, and without anything that says whose account was used.
func clientError(f *rotator.Fault, sentence string) *translate.Error {
	e := &translate.Error{Kind: translate.ErrServer, RetryAfter: f.Delay}
	switch f.Kind {
	case rotator.FaultRequest:
		requestError(e, f, sentence)
	case rotator.FaultTooLong:
		e.Kind, e.Status, e.Code, e.Message = translate.ErrInvalid, http.StatusBadRequest, "context_length_exceeded",
			"The input exceeds the model's maximum context length."
	case rotator.FaultRateShort:
		e.Kind, e.Status, e.Code, e.Message = translate.ErrRateLimit, http.StatusTooManyRequests, "rate_limit_exceeded",
			"The rate limit for this model was reached. Please try again later."
	case rotator.FaultQuotaLong:
		e.Kind, e.Status, e.Code, e.Message = translate.ErrQuota, http.StatusTooManyRequests, "insufficient_quota",
			"The quota for this model is used up."
	case rotator.FaultNotEntitled:
		notEntitled(e, f)
	case rotator.FaultModelCapacity:
		e.Kind, e.Status, e.Code, e.Message = translate.ErrOverloaded, http.StatusServiceUnavailable, "server_is_overloaded",
			"The model is overloaded. Please try again later."
	case rotator.FaultUnauthorized, rotator.FaultDead, rotator.FaultSetup, rotator.FaultClientDead:
		credentialError(e, f)
	case rotator.FaultCanceled:
		e.Status, e.Code, e.Message = statusClientClosed, "request_canceled", "The request was canceled."
	case rotator.FaultIncomplete:
		e.Status, e.Code, e.Message = http.StatusBadGateway, "upstream_incomplete", "The model's answer broke off."
	default:
		transientError(e, f)
	}
	return e
}

// requestError keeps Google's sentence: it is the only help the client gets with its request.
func requestError(e *translate.Error, f *rotator.Fault, sentence string) {
	e.Kind, e.Status, e.Message = translate.ErrInvalid, http.StatusBadRequest, scrub(sentence)
	if e.Message == "" {
		e.Message = "The model's service refused the request (" + f.Reason + ")."
	}
	switch {
	case f.Status == http.StatusRequestEntityTooLarge, payloadTooLarge(sentence):
		e.Kind, e.Status, e.Code = translate.ErrTooLarge, http.StatusRequestEntityTooLarge, "request_too_large"
	case f.Reason == reasonModelName:
		e.Kind, e.Status, e.Code, e.Param = translate.ErrNotFound, http.StatusNotFound, "model_not_found", "model"
		e.Message = "The requested model does not exist."
	case f.Status == 0 || f.Status >= 500:
		e.Kind, e.Status, e.Message = translate.ErrServer, http.StatusInternalServerError, "The request could not be prepared."
	default:
		e.Code = "invalid_value"
		for i := range unsupported {
			if o := &unsupported[i]; o.sentence.MatchString(sentence) {
				e.Code, e.Param = o.code, o.param
			}
		}
	}
}

// unsupported are the sentences by which Google refuses what the model at hand cannot do, and OpenAI's words for that.
var unsupported = []struct {
	sentence    *regexp.Regexp
	code, param string
}{
	{regexp.MustCompile(`(?i)^logprobs is not enabled`), "unsupported_parameter", "logprobs"},
	{regexp.MustCompile(`(?i)^(?:multiple candidates is not enabled|only one candidate can be specified)`), "unsupported_value", "n"},
}

func payloadTooLarge(sentence string) bool {
	return strings.HasPrefix(sentence, "Request payload size exceeds")
}

// notEntitled tells a model that is not there from one the accounts have no quota for.
func notEntitled(e *translate.Error, f *rotator.Fault) {
	if f.Status == http.StatusTooManyRequests {
		e.Kind, e.Status, e.Code, e.Message = translate.ErrQuota, http.StatusTooManyRequests, "insufficient_quota",
			"There is no quota for this model."
		return
	}
	e.Kind, e.Status, e.Code, e.Param, e.Message = translate.ErrNotFound, http.StatusNotFound, "model_not_found", "model",
		"The requested model does not exist or is not available."
}

// credentialError never says 401, nor 403 about permissions: a client would take its own key for bad.
func credentialError(e *translate.Error, f *rotator.Fault) {
	if f.Reason == reasonLocation {
		e.Kind, e.Status, e.Code, e.Message = translate.ErrPermission, http.StatusForbidden, "unsupported_country_region_territory",
			"The model's service is not available where this gateway runs."
		return
	}
	e.Status, e.Code, e.Message = http.StatusServiceUnavailable, "upstream_auth",
		"The model's service refused the gateway's own credential. Your key is not at fault."
}

func transientError(e *translate.Error, f *rotator.Fault) {
	switch {
	case f.Reason == reasonTimeout, f.Status == http.StatusGatewayTimeout, f.Status == http.StatusRequestTimeout:
		e.Kind, e.Status, e.Code, e.Message = translate.ErrTimeout, http.StatusGatewayTimeout, "timeout",
			"The model's service took too long to answer."
	case f.Status == http.StatusInternalServerError:
		e.Status, e.Message = http.StatusInternalServerError, "The model's service had an internal error."
	case f.Status == http.StatusServiceUnavailable:
		e.Status, e.Code, e.Message = http.StatusServiceUnavailable, "upstream_unavailable", "The model's service is unavailable."
	default:
		e.Status, e.Code, e.Message = http.StatusBadGateway, "upstream_error", "The model's service could not be reached."
	}
}

var tokenCounts = regexp.MustCompile(`(?i)input token count\D{0,12}(\d{1,12})\D+(\d{1,12})`)

// tooLong adds the numbers, in the sentence that clients look for to shorten their conversation.
func tooLong(e *translate.Error, sentence string) {
	m := tokenCounts.FindStringSubmatch(sentence)
	if m == nil {
		return
	}
	e.TokenCount, _ = strconv.Atoi(m[1])
	e.TokenLimit, _ = strconv.Atoi(m[2])
	e.Message = "This model's maximum context length is " + m[2] + " tokens. However, your messages resulted in " + m[1] + " tokens."
}

// fieldPath finds a field of GenerateContentRequest in one of Google's sentences.
var fieldPath = regexp.MustCompile(`\b(?:contents|tools|system_?[iI]nstruction|generation_?[cC]onfig|tool_?[cC]onfig|` +
	`safety_?[sS]ettings|[cC]ached_?[cC]ontent|labels)\b(?:\[[^\]\s]{1,100}\]|\.[A-Za-z_$][A-Za-z0-9_$-]*)*`)

// path is the field at fault, as far as Google says.
func (r *report) path() string {
	if p := fieldPath.FindString(r.field); p != "" {
		return p
	}
	return fieldPath.FindString(r.words())
}
