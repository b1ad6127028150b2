package googlesim

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// The constructors in this file are Replies with the errors that Google is known to give, as recorded or reported. Each fits
// every backend as far as the simulator is concerned; the comments name the one it is from.

func failure(e *apiError) Reply { return Reply{Status: e.Code, Body: e.body()} }

// RateMinute is the Developer API's 429 for a minute's quota.
func RateMinute(model string, delay time.Duration) Reply {
	return failure(developerQuota(requestsPerMinute, false, model, 5, delay))
}

// QuotaDay is the Developer API's 429 for a day's quota, with the useless delay that Google sends with it.
func QuotaDay(model string) Reply {
	return failure(developerQuota(requestsPerDay, false, model, 20, 0))
}

// LimitZero is the Developer API's 429 for a model the project has no quota for.
func LimitZero(model string) Reply {
	return failure(developerQuota(requestsPerDay, false, model, 0, 37*time.Second))
}

// Billing is the Developer API's 429 that names no quota: credit or a spend limit is used up.
func Billing() Reply {
	return failure(newError(429, "You exceeded your current quota, please check your plan and billing details. For more information on "+
		"this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.",
		newHelp("Learn more about Gemini API quotas", "https://ai.google.dev/gemini-api/docs/rate-limits")))
}

// Exhausted is the bare 429 of the Developer API and Code Assist for too many calls at once.
func Exhausted() Reply {
	return failure(newError(429, "Resource has been exhausted (e.g. check quota)."))
}

// SharedCapacity is Vertex AI's 429 for congestion of the shared pool.
func SharedCapacity() Reply {
	return failure(newError(429, "Resource exhausted. Please try again later. Please refer to "+
		"https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details."))
}

// VertexQuota is the classic 429 of Google Cloud's quotas.
func VertexQuota(project string, limit int64) Reply {
	return failure(classicQuota(Vertex, requestsPerMinute, project, "us-east2", limit))
}

// AssistRate is Code Assist's 429 for a limit that renews soon.
func AssistRate(model string, delay time.Duration, now time.Time) Reply {
	return failure(assistQuota(requestsPerMinute, model, delay, now))
}

// AssistExhausted is Code Assist's 429 for a day's quota.
func AssistExhausted(model string, delay time.Duration, now time.Time) Reply {
	return failure(assistQuota(requestsPerDay, model, delay, now))
}

// Capacity is Code Assist's 429 or 503 for a model that is overloaded for everybody. It names a delay unless that is 0.
func Capacity(status int, model string, delay time.Duration) Reply {
	e := newError(status, "No capacity available for model "+model+" on the server",
		newErrorInfo("MODEL_CAPACITY_EXHAUSTED", services[CodeAssist], map[string]string{"model": model}))
	if delay > 0 {
		e.Details = append(e.Details, retryInfo{typePrefix + "RetryInfo", seconds(delay)})
	}
	return failure(e)
}

// HighDemand is the 503 of the Developer API and Vertex AI for an overloaded model.
func HighDemand() Reply {
	return failure(newError(503, "This model is currently experiencing high demand. Spikes in demand are usually temporary. Please try "+
		"again later."))
}

// KeyInvalid is the Developer API's 400 for an API key that is none.
func KeyInvalid(key string) Reply { return failure(keyInvalid(key)) }

// Unauthorized is the 401 for an access token that is no longer accepted.
func Unauthorized() Reply { return failure(unauthorized("ACCESS_TOKEN_EXPIRED", Developer)) }

// LocationUnsupported is the Developer API's 400 for callers in the wrong country.
func LocationUnsupported() Reply {
	return failure(&apiError{
		Code: 400, Message: "User location is not supported for the API use.", Status: "FAILED_PRECONDITION",
	})
}

// ModelMissing is a backend's 404 for a model it does not have.
func ModelMissing(b Backend, project, model string) Reply {
	return failure(modelNotFound(&exchange{Backend: b, Project: project, Location: "global", Model: model}))
}

// InputTooLong is the 400 for more input than the model takes, in tokens.
func InputTooLong(count, limit int) Reply { return failure(tooManyTokens(count, limit)) }

// BadRequest is a 400 for the request's own fault, in words of the caller's choice.
func BadRequest(message string) Reply { return failure(invalid(message)) }

// Internal is a 500.
func Internal() Reply { return failure(newError(500, "Internal error encountered.")) }

// Deadline is a 504.
func Deadline() Reply {
	return failure(newError(504, "Deadline expired before operation could complete."))
}

// Cancelled is a 499 that the client did not cause.
func Cancelled() Reply { return failure(newError(499, "The operation was cancelled.")) }

// HTML502 is the front end's page for a 502.
func HTML502() Reply {
	return Reply{
		Status: http.StatusBadGateway, Header: http.Header{"Content-Type": {"text/html; charset=UTF-8"}},
		Body: "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n  <title>Error 502 (Server Error)!!1</title>\n  <p><b>502.</b> " +
			"<ins>That’s an error.</ins>\n  <p>The server encountered a temporary error and could not complete your request.<p>Please try " +
			"again in 30 seconds.  <ins>That’s all we know.</ins>\n",
	}
}

// TokenError is an error of the token endpoint.
func TokenError(status int, code, description string) Reply {
	return Reply{Status: status, Body: encodeJSON(oauthError{Code: code, Description: description})}
}

// forbidden is a 403 by reason.
type forbidden struct {
	message, domain string
	metadata        map[string]string
	help            *link
}

const activation = "https://console.developers.google.com/apis/api/generativelanguage.googleapis.com/overview?project=12345678"

var forbiddens = map[string]forbidden{
	"SERVICE_DISABLED": {
		message: "Generative Language API has not been used in project 12345678 before or it is disabled. Enable it by visiting " +
			activation + " then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems " +
			"and retry.",
		domain: "googleapis.com", metadata: map[string]string{"service": services[Developer], "consumer": "projects/12345678"},
		help: &link{"Google developers console API activation", activation},
	},
	"IAM_PERMISSION_DENIED": {
		message: "Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/projects/test-project-id-1234/" +
			"locations/us-central1/publishers/google/models/gemini-1.5-flash' (or it may not exist).",
		domain: services[Vertex], metadata: map[string]string{
			"permission": "aiplatform.endpoints.predict",
			"resource":   "projects/test-project-id-1234/locations/us-central1/publishers/google/models/gemini-1.5-flash",
		},
	},
	"TOS_VIOLATION": {
		message: "This service has been disabled in this account for violation of Terms of Service. If you believe this is an error, " +
			"please submit an appeal.",
		domain: services[CodeAssist], metadata: map[string]string{
			"uiMessage": "true", "appeal_url": "https://example.com/appeal", "appeal_url_link_text": "Submit an appeal",
		},
	},
	"VALIDATION_REQUIRED": {
		message: "Verify your account to continue.", domain: services[CodeAssist], metadata: map[string]string{
			"validation_url": "https://accounts.google.com/verify", "validation_url_link_text": "Verify your account",
			"validation_error_message": "Verify your account to continue.",
		},
		help: &link{"Verify your account", "https://accounts.google.com/verify"},
	},
	"CONSUMER_SUSPENDED": {
		message: "Permission denied: Consumer 'api_key:AQ.simulated' has been suspended.", domain: "googleapis.com",
		metadata: map[string]string{"service": services[Developer], "consumer": "projects/12345678"},
	},
	"CONSUMER_INVALID": {message: "Project 'projects/12345678' not found or deleted.", domain: "googleapis.com"},
	"BILLING_DISABLED": {
		message: "This API method requires billing to be enabled. Please enable billing on project #12345678.",
		domain:  "googleapis.com",
	},
	"API_KEY_SERVICE_BLOCKED": {message: "Requests to this API generativelanguage.googleapis.com method " +
		"google.ai.generativelanguage.v1beta.GenerativeService.StreamGenerateContent are blocked.", domain: "googleapis.com"},
	"API_KEY_HTTP_REFERRER_BLOCKED": {message: "Requests from referer <empty> are blocked.", domain: "googleapis.com"},
	"API_KEY_IP_ADDRESS_BLOCKED":    {message: "The provided API key has an IP address restriction.", domain: "googleapis.com"},
	"SECURITY_POLICY_VIOLATED":      {message: "Request is prohibited by organization's policy.", domain: "googleapis.com"},
	// Without an ErrorInfo:
	"LEAKED": {message: "Your API key was reported as leaked. Please use another API key."},
	"DENIED": {message: "Your project has been denied access. Please contact support."},
}

// Forbidden is a 403 by the reason Google gives; LEAKED and DENIED stand for two that give none. An unknown reason panics.
func Forbidden(reason string) Reply {
	if reason == "SUBSCRIPTION_REQUIRED" {
		return failure(subscriptionRequired())
	}
	f, known := forbiddens[reason]
	if !known {
		panic("googlesim: no 403 with reason " + strconv.Quote(reason))
	}
	e := newError(403, f.message)
	if f.help != nil {
		e.Details = append(e.Details, newHelp(f.help.Description, f.help.URL))
	}
	if f.domain != "" {
		e.Details = append(e.Details, newErrorInfo(reason, f.domain, f.metadata))
	}
	return failure(e)
}

// Answer is a Reply that streams these texts and stops.
func Answer(texts ...string) Reply {
	var r Reply
	for i, text := range texts {
		one := candidate{Content: &content{Parts: []part{{Text: &text}}, Role: "model"}}
		u := &usage{PromptTokenCount: 4, CandidatesTokenCount: i + 1, TotalTokenCount: i + 5}
		if i == len(texts)-1 {
			one.FinishReason = "STOP"
		}
		r.Events = append(r.Events, encodeJSON(response{
			Candidates: []candidate{one}, UsageMetadata: u, ModelVersion: "scripted", ResponseID: fmt.Sprint("scripted-", len(texts)),
		}, spaced))
	}
	return r
}
