package google

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// Bodies as Google sends them: recorded, or quoted in public reports.
const (
	perMinuteBody = `{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. To monitor your current usage, head to: https://ai.dev/rate-limit. \n* Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 2, model: gemini-2.5-pro\nPlease retry in 56.09774s.","status":"RESOURCE_EXHAUSTED","details":[
 {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"generativelanguage.googleapis.com/generate_content_free_tier_requests","quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier","quotaDimensions":{"location":"global","model":"gemini-2.5-pro"},"quotaValue":"2"}]},
 {"@type":"type.googleapis.com/google.rpc.Help","links":[{"description":"Learn more about Gemini API quotas","url":"https://ai.google.dev/gemini-api/docs/rate-limits"}]},
 {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"56s"}]}}`
	perDayBody = `{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED","details":[
 {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[
  {"quotaMetric":"generativelanguage.googleapis.com/generate_content_free_tier_requests","quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier","quotaValue":"5"},
  {"quotaMetric":"generativelanguage.googleapis.com/generate_content_free_tier_requests","quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier","quotaDimensions":{"model":"gemini-3-flash"},"quotaValue":"20"}]},
 {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"0s"}]}}`
	billingBody     = `{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.Help","links":[{"description":"Learn more about Gemini API quotas","url":"https://ai.google.dev/gemini-api/docs/rate-limits"}]}]}}`
	bareQuotaBody   = `{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}`
	sharedQuotaBody = `{"error":{"code":429,"message":"Resource exhausted. Please try again later. Please refer to https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details.","status":"RESOURCE_EXHAUSTED"}}`
	regionQuotaBody = `{"error":{"code":429,"message":"Quota exceeded for quota metric 'Generate Content API requests per minute' and limit 'GenerateContent request limit per minute for a region' of service 'generativelanguage.googleapis.com' for consumer 'project_number:348715329010'.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_EXCEEDED","domain":"googleapis.com","metadata":{"service":"generativelanguage.googleapis.com","consumer":"projects/348715329010","quota_limit_value":"%s","quota_limit":"GenerateContentRequestsPerMinutePerProjectPerRegion","quota_location":"us-east2","quota_metric":"generativelanguage.googleapis.com/generate_content_requests"}}]}}`
	assistShortBody = `{"error":{"code":429,"message":"You have exhausted your capacity on this model. Your quota will reset after 0s.","status":"RESOURCE_EXHAUSTED","details":[
 {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_EXCEEDED","domain":"cloudcode-pa.googleapis.com","metadata":{"uiMessage":"true","model":"gemini-3-flash-preview","quotaResetDelay":"539.477544ms","quotaResetTimeStamp":"1999-12-31T23:59:59Z"}},
 {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"0.539477544s"}]}}`
	assistGoneBody = `{"error":{"code":429,"message":"Individual quota reached. Please upgrade your subscription to increase your limits. Resets in 9h22m20s.","status":"RESOURCE_EXHAUSTED","details":[
 {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"QUOTA_EXHAUSTED","domain":"cloudcode-pa.googleapis.com","metadata":{"quotaResetTimeStamp":"2000-01-01T09:22:21Z","quotaResetDelay":"33740.910400305s","uiMessage":"true","model":"gemini-3-pro-preview"}},
 {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"33740.910400305s"}]}}`
	capacityBody   = `{"error":{"code":%d,"message":"No capacity available for model gemini-3-pro-preview on the server","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"MODEL_CAPACITY_EXHAUSTED","domain":"cloudcode-pa.googleapis.com","metadata":{"model":"gemini-3-pro-preview"}},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"9s"}]}}`
	keyInvalidBody = `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[
 {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com","metadata":{"service":"generativelanguage.googleapis.com"}},
 {"@type":"type.googleapis.com/google.rpc.LocalizedMessage","locale":"en-US","message":"API key not valid. Please pass a valid API key."},
 {"@type":"type.googleapis.com/google.rpc.DebugInfo","detail":"Invalid API key: key1234"}]}}`
	disabledBody   = `{"error":{"code":403,"message":"Generative Language API has not been used in project 12345678 before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/generativelanguage.googleapis.com/overview?project=12345678 then retry.","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.Help","links":[{"description":"Google developers console API activation","url":"https://console.developers.google.com/apis/api/generativelanguage.googleapis.com/overview?project=12345678"}]},{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SERVICE_DISABLED","domain":"googleapis.com","metadata":{"service":"generativelanguage.googleapis.com","consumer":"projects/12345678"}}]}}`
	permissionBody = `{"error":{"code":403,"message":"Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/projects/test-project-id-1234/locations/us-central1/publishers/google/models/gemini-1.5-flash' (or it may not exist).","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"IAM_PERMISSION_DENIED","domain":"aiplatform.googleapis.com","metadata":{"permission":"aiplatform.endpoints.predict"}}]}}`
	licenceBody    = `{"error":{"code":403,"message":"You are currently configured to use a Google Cloud Project but lack a Gemini Code Assist license. Please contact your administrator to request a license. (#3501)","errors":[{"message":"You are currently configured","domain":"global","reason":"forbidden"}],"status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SUBSCRIPTION_REQUIRED","domain":"cloudaicompanion.googleapis.com"}]}}`
	verifyBody     = `{"error":{"code":403,"message":"Verify your account to continue.","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"VALIDATION_REQUIRED","domain":"cloudcode-pa.googleapis.com","metadata":{"validation_url":"https://accounts.google.com/verify?x=1"}}]}}`
	tooLongBody    = `{"error":{"code":400,"message":"The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}`
	templateBody   = `{"error":{"code":400,"message":"$grpcMessage","status":"FAILED_PRECONDITION","details":[{"@type":"type.googleapis.com/google.rpc.DebugInfo","detail":"[ORIGINAL ERROR] generic::failed_precondition: User location is not supported for the API use. [google.rpc.error_details_ext] { message: \"User location is not supported for the API use.\" }"}]}}`
	htmlBody       = "<!DOCTYPE html>\n<html lang=en>\n  <title>Error 404 (Not Found)!!1</title>\n  <p>The requested URL was not found."
	overloadBody   = `{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}`
)

// errorBody is a body with a message, a status and perhaps a reason.
func errorBody(message, status, reason string) string {
	body, _ := json.Marshal(message)
	details := ""
	if reason != "" {
		details = fmt.Sprintf(`,"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":%q,"domain":"googleapis.com"}]`, reason)
	}
	return fmt.Sprintf(`{"error":{"message":%s,"status":%q%s}}`, body, status, details)
}

type errorRow struct {
	name   string
	status int
	body   string
	kind   rotator.FaultKind
	reason string
	delay  time.Duration
	client int    // HTTP status a client sees
	code   string // and code
}

var errorRows = []errorRow{
	// 429 and capacity.
	{"a minute's quota", 429, perMinuteBody, rotator.FaultRateShort, "RESOURCE_EXHAUSTED", 56097740 * time.Microsecond, 429, "rate_limit_exceeded"},
	{"a day's quota among others", 429, perDayBody, rotator.FaultQuotaLong, "RESOURCE_EXHAUSTED", 0, 429, "insufficient_quota"},
	{"no quota named", 429, billingBody, rotator.FaultQuotaLong, "BILLING", 0, 429, "insufficient_quota"},
	{"bare", 429, bareQuotaBody, rotator.FaultRateShort, "RESOURCE_EXHAUSTED", 0, 429, "rate_limit_exceeded"},
	{"shared capacity", 429, sharedQuotaBody, rotator.FaultModelCapacity, "RESOURCE_EXHAUSTED", 0, 503, "server_is_overloaded"},
	{"a region's quota of none", 429, fmt.Sprintf(regionQuotaBody, "0"), rotator.FaultNotEntitled, "LIMIT_ZERO", 0, 429, "insufficient_quota"},
	{"a region's quota", 429, fmt.Sprintf(regionQuotaBody, "60"), rotator.FaultRateShort, "RATE_LIMIT_EXCEEDED", 0, 429, "rate_limit_exceeded"},
	{"Code Assist, short", 429, assistShortBody, rotator.FaultRateShort, "RATE_LIMIT_EXCEEDED", 539477544, 429, "rate_limit_exceeded"},
	{"Code Assist, gone", 429, assistGoneBody, rotator.FaultQuotaLong, "QUOTA_EXHAUSTED", 33740910400305, 429, "insufficient_quota"},
	{"Code Assist, gone, in words", 429,
		errorBody("You have exhausted your capacity on this model. Your quota will reset after 19h14m47s.", "RESOURCE_EXHAUSTED", ""),
		rotator.FaultQuotaLong, "RESOURCE_EXHAUSTED", 19*time.Hour + 14*time.Minute + 47*time.Second, 429, "insufficient_quota"},
	{"a long wait for no reason given", 429, errorBody("Please retry in 5m1s.", "RESOURCE_EXHAUSTED", ""),
		rotator.FaultQuotaLong, "RESOURCE_EXHAUSTED", 301 * time.Second, 429, "insufficient_quota"},
	{"a wait that is just short", 429, errorBody("Please retry in 5m.", "RESOURCE_EXHAUSTED", ""),
		rotator.FaultRateShort, "RESOURCE_EXHAUSTED", 300 * time.Second, 429, "rate_limit_exceeded"},
	{"no credits", 429, errorBody("No credits.", "RESOURCE_EXHAUSTED", "INSUFFICIENT_G1_CREDITS_BALANCE"),
		rotator.FaultQuotaLong, "INSUFFICIENT_G1_CREDITS_BALANCE", 0, 429, "insufficient_quota"},
	{"limit of none, in words", 429,
		errorBody("You exceeded your current quota.\n* Quota exceeded for metric: x/free_tier_requests, limit: 0, model: gemini-3-pro\nPlease retry in 12s.",
			"RESOURCE_EXHAUSTED", ""),
		rotator.FaultNotEntitled, "LIMIT_ZERO", 12 * time.Second, 429, "insufficient_quota"},
	{"limit that begins with a nought", 429, errorBody("Quota exceeded, limit: 0.5, model: x. Please retry in 2s.", "RESOURCE_EXHAUSTED", ""),
		rotator.FaultRateShort, "RESOURCE_EXHAUSTED", 2 * time.Second, 429, "rate_limit_exceeded"},
	{"no capacity, 429", 429, fmt.Sprintf(capacityBody, 429), rotator.FaultModelCapacity, "MODEL_CAPACITY_EXHAUSTED", 9 * time.Second, 503, "server_is_overloaded"},
	{"no capacity, 503", 503, fmt.Sprintf(capacityBody, 503), rotator.FaultModelCapacity, "MODEL_CAPACITY_EXHAUSTED", 9 * time.Second, 503, "server_is_overloaded"},
	{"no capacity, in words", 429, errorBody("No capacity available for model x on the server", "RESOURCE_EXHAUSTED", ""),
		rotator.FaultModelCapacity, "RESOURCE_EXHAUSTED", 0, 503, "server_is_overloaded"},
	{"overloaded", 503, overloadBody, rotator.FaultModelCapacity, "UNAVAILABLE", 0, 503, "server_is_overloaded"},
	{"high demand", 503,
		errorBody("This model is currently experiencing high demand. Spikes in demand are usually temporary. Please try again later.", "UNAVAILABLE", ""),
		rotator.FaultModelCapacity, "UNAVAILABLE", 0, 503, "server_is_overloaded"},

	// Credentials.
	{"token no longer accepted", 401, errorBody("Request had invalid authentication credentials.", "UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED"),
		rotator.FaultUnauthorized, "ACCESS_TOKEN_EXPIRED", 0, 503, "upstream_auth"},
	{"key refused", 400, keyInvalidBody, rotator.FaultDead, "API_KEY_INVALID", 0, 503, "upstream_auth"},
	{"key refused, in words", 400, errorBody("API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", ""),
		rotator.FaultDead, "API_KEY_INVALID", 0, 503, "upstream_auth"},
	{"key expired, in words", 400, errorBody("API key expired. Please renew the API key.", "INVALID_ARGUMENT", ""),
		rotator.FaultDead, "API_KEY_INVALID", 0, 503, "upstream_auth"},
	{"key not found, in words", 400, errorBody("API Key not found. Please pass a valid API key.", "INVALID_ARGUMENT", ""),
		rotator.FaultDead, "API_KEY_INVALID", 0, 503, "upstream_auth"},
	{"location", 400, errorBody("User location is not supported for the API use.", "FAILED_PRECONDITION", ""),
		rotator.FaultSetup, "LOCATION_UNSUPPORTED", 0, 403, "unsupported_country_region_territory"},
	{"location, in an unfilled template", 400, templateBody,
		rotator.FaultSetup, "LOCATION_UNSUPPORTED", 0, 403, "unsupported_country_region_territory"},
	{"no free tier here", 400,
		errorBody("Gemini API free tier is not available in your country. Please enable billing on your project in Google AI Studio.", "FAILED_PRECONDITION", ""),
		rotator.FaultSetup, "LOCATION_UNSUPPORTED", 0, 403, "unsupported_country_region_territory"},
	{"no licence", 403, licenceBody, rotator.FaultSetup, "SUBSCRIPTION_REQUIRED", 0, 503, "upstream_auth"},
	{"no licence, in words", 403, errorBody("You do not have a valid license of this product. (#3501)", "PERMISSION_DENIED", ""),
		rotator.FaultSetup, "SUBSCRIPTION_REQUIRED", 0, 503, "upstream_auth"},
	{"to be verified", 403, verifyBody, rotator.FaultDead, "VALIDATION_REQUIRED", 0, 503, "upstream_auth"},
	{"banned", 403, errorBody("This service has been disabled for this account.", "PERMISSION_DENIED", "TOS_VIOLATION"),
		rotator.FaultDead, "TOS_VIOLATION", 0, 503, "upstream_auth"},
	{"service disabled", 403, disabledBody, rotator.FaultSetup, "SERVICE_DISABLED", 0, 503, "upstream_auth"},
	{"no permission", 403, permissionBody, rotator.FaultSetup, "IAM_PERMISSION_DENIED", 0, 503, "upstream_auth"},
	{"suspended", 403, errorBody("Permission denied: Consumer 'api_key:AIzaSyA' has been suspended.", "PERMISSION_DENIED", "CONSUMER_SUSPENDED"),
		rotator.FaultDead, "CONSUMER_SUSPENDED", 0, 503, "upstream_auth"},
	{"suspended, in words", 403, errorBody("Permission denied: Consumer 'api_key:AIzaSyA' has been suspended.", "PERMISSION_DENIED", ""),
		rotator.FaultDead, "CONSUMER_SUSPENDED", 0, 503, "upstream_auth"},
	{"consumer invalid", 403, errorBody("Project invalid.", "PERMISSION_DENIED", "CONSUMER_INVALID"),
		rotator.FaultSetup, "CONSUMER_INVALID", 0, 503, "upstream_auth"},
	{"no billing", 403, errorBody("This API method requires billing to be enabled.", "PERMISSION_DENIED", "BILLING_DISABLED"),
		rotator.FaultSetup, "BILLING_DISABLED", 0, 503, "upstream_auth"},
	{"key blocked for the service", 403, errorBody("Blocked.", "PERMISSION_DENIED", "API_KEY_SERVICE_BLOCKED"),
		rotator.FaultDead, "API_KEY_SERVICE_BLOCKED", 0, 503, "upstream_auth"},
	{"key blocked for the referrer", 403, errorBody("Blocked.", "PERMISSION_DENIED", "API_KEY_HTTP_REFERRER_BLOCKED"),
		rotator.FaultDead, "API_KEY_HTTP_REFERRER_BLOCKED", 0, 503, "upstream_auth"},
	{"key blocked for the address", 403, errorBody("Blocked.", "PERMISSION_DENIED", "API_KEY_IP_ADDRESS_BLOCKED"),
		rotator.FaultDead, "API_KEY_IP_ADDRESS_BLOCKED", 0, 503, "upstream_auth"},
	{"network policy", 403, errorBody("Request is prohibited by organization's policy.", "PERMISSION_DENIED", "SECURITY_POLICY_VIOLATED"),
		rotator.FaultSetup, "SECURITY_POLICY_VIOLATED", 0, 503, "upstream_auth"},
	{"leaked", 403, errorBody("Your API key was reported as leaked. Please use another API key.", "PERMISSION_DENIED", ""),
		rotator.FaultDead, "API_KEY_LEAKED", 0, 503, "upstream_auth"},
	{"project denied", 403, errorBody("Your project has been denied access. Please contact support.", "PERMISSION_DENIED", ""),
		rotator.FaultDead, "PROJECT_DENIED", 0, 503, "upstream_auth"},
	{"forbidden for no known reason", 403, errorBody("The caller does not have permission", "PERMISSION_DENIED", ""),
		rotator.FaultSetup, "PERMISSION_DENIED", 0, 503, "upstream_auth"},

	// The request.
	{"too long", 400, tooLongBody, rotator.FaultTooLong, "TOKEN_COUNT", 0, 400, "context_length_exceeded"},
	{"too long, without numbers", 400, errorBody("The input token count exceeds the maximum number of tokens allowed.", "INVALID_ARGUMENT", ""),
		rotator.FaultTooLong, "TOKEN_COUNT", 0, 400, "context_length_exceeded"},
	{"invalid", 400, errorBody("Request contains an invalid argument.", "INVALID_ARGUMENT", ""),
		rotator.FaultRequest, "INVALID_ARGUMENT", 0, 400, "invalid_value"},
	{"a client's tool named like a refusal of a key", 400,
		errorBody(`Invalid JSON payload received. Unknown name "API key not valid" at 'tools[0].function_declarations[0]': Cannot find field.`, "INVALID_ARGUMENT", ""),
		rotator.FaultRequest, "INVALID_ARGUMENT", 0, 400, "invalid_value"},
	{"a request that names the project", 400,
		errorBody("projects/p/locations/global/cachedContents/1 of project_number:348715329010 (bot@x.iam.gserviceaccount.com) is gone.", "INVALID_ARGUMENT", ""),
		rotator.FaultRequest, "INVALID_ARGUMENT", 0, 400, "invalid_value"},
	{"no log probabilities", 400, errorBody("Logprobs is not enabled for models/gemini-2.0-flash", "INVALID_ARGUMENT", ""),
		rotator.FaultRequest, "INVALID_ARGUMENT", 0, 400, "unsupported_parameter"},
	{"one answer to a call", 400, errorBody("Only one candidate can be specified in the current model", "INVALID_ARGUMENT", ""),
		rotator.FaultRequest, "INVALID_ARGUMENT", 0, 400, "unsupported_value"},
	{"payload too large", 400, errorBody("Request payload size exceeds the limit: 20971520 bytes.", "INVALID_ARGUMENT", ""),
		rotator.FaultRequest, "INVALID_ARGUMENT", 0, 413, "request_too_large"},
	{"entity too large", 413, "<html><title>413 Request Entity Too Large of project-1</title>",
		rotator.FaultRequest, "REQUEST_ENTITY_TOO_LARGE", 0, 413, "request_too_large"},
	{"cache not found", 404, errorBody("Not found: cache content metadata 8754364356910645200.", "NOT_FOUND", ""),
		rotator.FaultRequest, "NOT_FOUND", 0, 400, "invalid_value"},

	// The model.
	{"no such model", 404,
		errorBody("models/gemini-5.0-flash is not found for API version v1, or is not supported for generateContent. Call ListModels to see the list.", "NOT_FOUND", ""),
		rotator.FaultNotEntitled, "NOT_FOUND", 0, 404, "model_not_found"},
	{"no longer for new users", 404, errorBody("This model models/gemini-2.5-flash-lite is no longer available to new users.", "NOT_FOUND", ""),
		rotator.FaultNotEntitled, "NOT_FOUND", 0, 404, "model_not_found"},
	{"no such model on Vertex", 404,
		errorBody("Publisher Model `projects/p/locations/l/publishers/google/models/x` was not found or your project does not have access to it.", "NOT_FOUND", ""),
		rotator.FaultNotEntitled, "NOT_FOUND", 0, 404, "model_not_found"},
	{"no such model on Code Assist", 404, errorBody("Requested entity was not found.", "NOT_FOUND", ""),
		rotator.FaultNotEntitled, "NOT_FOUND", 0, 404, "model_not_found"},
	{"wrong host or location", 404, htmlBody, rotator.FaultTransient, "NOT_FOUND", 0, 502, "upstream_error"},
	{"a proxy that wants no such thing", 403, "<html><title>Blocked for project-1</title>", rotator.FaultTransient, "FORBIDDEN", 0, 502, "upstream_error"},
	{"a proxy that wants a login", 401, "Log in first, project-1", rotator.FaultTransient, "UNAUTHORIZED", 0, 502, "upstream_error"},
	{"a front end's own 400", 400, "<html><title>Bad request of project-1</title>", rotator.FaultTransient, "BAD_REQUEST", 0, 502, "upstream_error"},
	{"a front end's own 429", 429, "<html><title>Too many requests of project-1</title>", rotator.FaultRateShort, "TOO_MANY_REQUESTS", 0, 429, "rate_limit_exceeded"},

	// Passing.
	{"request timeout", 408, "", rotator.FaultTransient, "REQUEST_TIMEOUT", 0, 504, "timeout"},
	{"aborted", 409, errorBody("Aborted.", "ABORTED", ""), rotator.FaultTransient, "ABORTED", 0, 502, "upstream_error"},
	{"cancelled, not by us", 499, errorBody("The operation was cancelled.", "CANCELLED", ""),
		rotator.FaultTransient, "CANCELLED", 0, 502, "upstream_error"},
	{"internal", 500, errorBody("Internal error encountered.", "INTERNAL", ""), rotator.FaultTransient, "INTERNAL", 0, 500, ""},
	{"bad gateway", 502, "<html><head><title>502 Server Error</title></head>", rotator.FaultTransient, "BAD_GATEWAY", 0, 502, "upstream_error"},
	{"unavailable, but not Google's word", 503, "upstream connect error", rotator.FaultTransient, "SERVICE_UNAVAILABLE", 0, 503, "upstream_unavailable"},
	{"deadline", 504, errorBody("Deadline expired before operation could complete.", "DEADLINE_EXCEEDED", ""),
		rotator.FaultTransient, "DEADLINE_EXCEEDED", 0, 504, "timeout"},
	{"redirect", 302, errorBody("Unknown Error.", "UNKNOWN", ""), rotator.FaultTransient, "UNKNOWN", 0, 500, ""},
	{"redirect without a body", 307, "", rotator.FaultTransient, "TEMPORARY_REDIRECT", 0, 502, "upstream_error"},
}
