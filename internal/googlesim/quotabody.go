package googlesim

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"
)

// quotaName is how a quota of the Developer API is called in errors.
type quotaName struct{ metric, id string }

// Names of the Developer API's quotas by resource, as recorded answers have them: without and with payment.
var (
	freeQuotas = [...]quotaName{
		requestsPerMinute: {"generate_content_free_tier_requests", "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"},
		requestsPerDay:    {"generate_content_free_tier_requests", "GenerateRequestsPerDayPerProjectPerModel-FreeTier"},
		tokensPerMinute:   {"generate_content_free_tier_input_token_count", "GenerateContentInputTokensPerModelPerMinute-FreeTier"},
	}
	paidQuotas = [...]quotaName{
		requestsPerMinute: {"generate_requests_per_model", "GenerateRequestsPerMinutePerProjectPerModel"},
		requestsPerDay:    {"generate_requests_per_model_per_day", "GenerateRequestsPerDayPerProjectPerModel"},
		tokensPerMinute:   {"generate_content_paid_tier_input_token_count", "GenerateContentPaidTierInputTokensPerModelPerMinute"},
	}
)

// refusal is the 429 a backend answers.
func (e *excess) refusal(c *exchange, now time.Time) *apiError {
	switch {
	case c.Backend == Vertex || c.Backend == Developer && e.classic:
		return classicQuota(c.Backend, e.what, c.Project, cmp.Or(c.Location, "global"), e.limit)
	case c.Backend == Developer:
		delay := e.reset
		if e.what == requestsPerDay { // the day's quota comes with the minute's delay, which misleads
			delay = now.Truncate(time.Minute).Add(time.Minute).Sub(now)
		}
		return developerQuota(e.what, e.paid, c.Model, e.limit, delay)
	default:
		return assistQuota(e.what, c.Model, e.reset, now)
	}
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

// developerQuota is the Developer API's, with the delay in the text and, in whole seconds, in a RetryInfo.
func developerQuota(what resource, paid bool, model string, limit int64, delay time.Duration) *apiError {
	name := freeQuotas[what]
	if paid {
		name = paidQuotas[what]
	}
	metric := services[Developer] + "/" + name.metric
	message := fmt.Sprintf("You exceeded your current quota, please check your plan and billing details. For more information on this "+
		"error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. To monitor your current usage, head to: "+
		"https://ai.dev/rate-limit. \n* Quota exceeded for metric: %s, limit: %d, model: %s\nPlease retry in %s.",
		metric, limit, model, seconds(delay))
	return newError(429, message,
		quotaFailure{typePrefix + "QuotaFailure", []violation{{
			metric, name.id, map[string]string{"location": "global", "model": model}, strconv.FormatInt(limit, 10),
		}}},
		newHelp("Learn more about Gemini API quotas", "https://ai.google.dev/gemini-api/docs/rate-limits"),
		retryInfo{typePrefix + "RetryInfo", seconds(delay.Truncate(time.Second))})
}

// classicQuota is the quota error of Google Cloud's services in general, which names no delay.
func classicQuota(b Backend, what resource, project, location string, limit int64) *apiError {
	var metric, name, id string
	kind := "generate_content_requests"
	switch what {
	case requestsPerMinute:
		metric, name, id = "Generate Content API requests per minute", "GenerateContent request limit per minute for a region",
			"GenerateContentRequestsPerMinutePerProjectPerRegion"
	case requestsPerDay:
		metric, name, id = "Generate Content API requests per day", "GenerateContent request limit per day for a region",
			"GenerateContentRequestsPerDayPerProjectPerRegion"
	case tokensPerMinute:
		metric, name, id = "Generate Content API input tokens per minute", "GenerateContent input token limit per minute for a region",
			"GenerateContentInputTokensPerMinutePerProjectPerRegion"
		kind = "generate_content_input_tokens"
	}
	service := services[b]
	number := projectNumber(project)
	message := fmt.Sprintf("Quota exceeded for quota metric '%s' and limit '%s' of service '%s' for consumer 'project_number:%s'.",
		metric, name, service, number)
	return newError(429, message,
		newErrorInfo("RATE_LIMIT_EXCEEDED", "googleapis.com", map[string]string{
			"service": service, "consumer": "projects/" + number, "quota_limit_value": strconv.FormatInt(limit, 10),
			"quota_limit": id, "quota_location": location, "quota_metric": service + "/" + kind,
		}),
		newHelp("Request a higher quota limit.", "https://cloud.google.com/docs/quota#requesting_higher_quota"))
}

// projectNumber is what Google calls a project where it does not use its name.
func projectNumber(project string) string {
	h := fnv.New32a()
	h.Write([]byte(project))
	return fmt.Sprintf("3487%010d", h.Sum32())
}

// assistQuota is Code Assist's: a rate limit for what renews within the minute, else exhaustion.
func assistQuota(what resource, model string, reset time.Duration, now time.Time) *apiError {
	reason := "RATE_LIMIT_EXCEEDED"
	if what == requestsPerDay {
		reason = "QUOTA_EXHAUSTED"
	}
	message := fmt.Sprintf("You have exhausted your capacity on this model. Your quota will reset after %s.",
		reset.Truncate(time.Second))
	return newError(429, message,
		newErrorInfo(reason, services[CodeAssist], map[string]string{
			"uiMessage": "true", "model": model, "quotaResetDelay": reset.String(),
			"quotaResetTimeStamp": now.Add(reset).UTC().Format(time.RFC3339),
		}),
		retryInfo{typePrefix + "RetryInfo", seconds(reset)})
}
