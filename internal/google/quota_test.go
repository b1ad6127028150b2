package google

import (
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

func TestQuotasAreToldApartByName(t *testing.T) {
	const requests, tokens = "generativelanguage.googleapis.com/generate_content_free_tier_requests",
		"generativelanguage.googleapis.com/generate_content_free_tier_input_token_count"
	for _, test := range []struct {
		id, metric string
		want       rotator.Quota
	}{
		{"GenerateRequestsPerMinutePerProjectPerModel-FreeTier", requests, rotator.QuotaRPM},
		{"GenerateRequestsPerDayPerProjectPerModel-FreeTier", requests, rotator.QuotaRPD},
		{"GenerateContentInputTokensPerModelPerMinute-FreeTier", tokens, rotator.QuotaTPM},
		{"GenerateContentPaidTierInputTokensPerModelPerMinute", tokens, rotator.QuotaTPM},
		{"GenerateContentInputTokensPerModelPerDay-FreeTier", tokens, rotator.QuotaTPD},
		{"GenerateContentOutputTokensPerModelPerMinute", tokens, rotator.QuotaOther},
		{"GenerateContentRequestsPerMinutePerProjectPerRegion", "", rotator.QuotaRPM},
		{"PerMinutePerModel", tokens, rotator.QuotaTPM},
		{"SomethingDaily", "", rotator.QuotaRPD},
		{"GenerateContent request limit per minute for a region", "generate content api requests per minute", rotator.QuotaRPM},
		{"Requests per day per user per tier", "", rotator.QuotaOther},
		{"ConcurrentRequests", requests, rotator.QuotaOther},
		{"", requests, rotator.QuotaOther},
	} {
		if got := quotaOf(test.id, test.metric); got != test.want {
			t.Errorf("%q of %q counts %v, want %v", test.id, test.metric, got, test.want)
		}
	}
}

func TestValuesOfQuotasAreFoundWhereverTheyStand(t *testing.T) {
	quota := func(id, metric, value string) string {
		return `{"quotaId":"` + id + `","quotaMetric":"` + metric + `"` + value + `}`
	}
	body := func(message, violations string) string {
		return `{"error":{"code":429,"message":"` + message + `","details":[{"violations":[` + violations + `]}]}}`
	}
	minute, day := quota("RequestsPerMinute", "m", ""), quota("RequestsPerDay", "m", "")
	for _, test := range []struct {
		name, body string
		want       []int64
	}{
		{"in the violation", body("metric: m, limit: 7, model: x", quota("RequestsPerMinute", "m", `,"quotaValue":"5"`)), []int64{5}},
		{"as a number", body("", quota("RequestsPerMinute", "m", `,"quotaValue":5`)), []int64{5}},
		{"in the sentence", body("Quota exceeded for metric: m, limit: 7, model: x\\nPlease retry in 5s.", minute), []int64{7}},
		{"in its lines", body("* metric: m, limit: 5, model: x\\n* metric: m, limit: 20, model: x", minute+","+day), []int64{5, 20}},
		{"not when lines are missing", body("* metric: m, limit: 5, model: x", minute+","+day), []int64{-1, -1}},
		{"not of another metric", body("* metric: other, limit: 5, model: x", minute), []int64{-1}},
		{"not below zero", body("", quota("RequestsPerMinute", "m", `,"quotaValue":"-3"`)), []int64{-1}},
		{"nowhere", body("", minute), []int64{-1}},
		{"nowhere, and the quota only in the sentence", body("Quota exceeded for quota metric 'Requests' and limit 'Requests per minute'.", ""), []int64{-1}},
		{"without a name there is no quota", body("* metric: m, limit: 5, model: x", ""), nil},
	} {
		violations := parseError(answer{status: 429, body: []byte(test.body)}).Fault.Violations
		if len(violations) != len(test.want) {
			t.Errorf("%s: %+v", test.name, violations)
			continue
		}
		for i, v := range violations {
			if v.Value != test.want[i] {
				t.Errorf("%s: violation %d has the value %d, want %d", test.name, i, v.Value, test.want[i])
			}
		}
	}
}

func TestViolationNamesTheModelThatIsCounted(t *testing.T) {
	f := parseError(answer{status: 429, body: []byte(perDayBody)}).Fault
	if f.Violations[0].Model != "" || f.Violations[1].Model != "gemini-3-flash" {
		t.Errorf("%+v", f.Violations)
	}
	inMetadata := `{"error":{"code":429,"details":[{"reason":"RATE_LIMIT_EXCEEDED","metadata":{"quota_limit":"RequestsPerMinute","model":"x"}}]}}`
	f = parseError(answer{status: 429, body: []byte(inMetadata)}).Fault
	if len(f.Violations) != 1 || f.Violations[0].Model != "x" || f.Violations[0].Value != -1 {
		t.Errorf("%+v", f.Violations)
	}
}

// The project a call is counted for tells which accounts share a quota, so it must be the right one.
func TestWhoIsChargedIsReadWhereItIsTrue(t *testing.T) {
	sentence := func(limit, service string) string {
		return `{"error":{"code":429,"message":"Quota exceeded for quota metric 'Requests' and limit '` + limit + `' of service '` + service +
			`' for consumer 'project_number:123'.","status":"RESOURCE_EXHAUSTED"}}`
	}
	info := func(code, reason, metadata string) string {
		return `{"error":{"code":` + code + `,"details":[{"reason":"` + reason + `","metadata":{"consumer":"projects/123",` + metadata + `}}]}}`
	}
	for _, test := range []struct {
		name, body string
		status     int
		isKey      bool
		want       string
	}{
		{"a spent quota", info("429", "RATE_LIMIT_EXCEEDED", `"quota_limit":"RequestsPerMinutePerProject"`), 429, false, "123"},
		{"a quota of none", info("429", "RATE_LIMIT_EXCEEDED", `"quota_limit":"RequestsPerDay","quota_limit_value":"0"`), 429, true, "123"},
		{"a spent quota, in words", sentence("Requests per minute", "aiplatform.googleapis.com"), 429, false, "123"},
		{"a user's quota", info("429", "RATE_LIMIT_EXCEEDED", `"quota_limit":"RequestsPerMinutePerProjectPerUser"`), 429, false, ""},
		{"a user's quota, in words", sentence("Requests per day per user per tier", "aiplatform.googleapis.com"), 429, false, ""},
		{"the OAuth client's project", info("429", "RATE_LIMIT_EXCEEDED", `"service":"cloudcode-pa.googleapis.com"`), 429, false, ""},
		{"the OAuth client's project, in words", sentence("Requests per minute", "cloudcode-pa.googleapis.com"), 429, false, ""},
		{"a key's project", info("403", "SERVICE_DISABLED", `"service":"generativelanguage.googleapis.com"`), 403, true, "123"},
		{"what a token may not use", info("403", "USER_PROJECT_DENIED", `"service":"generativelanguage.googleapis.com"`), 403, false, ""},
		{"another error", info("400", "FAILED_PRECONDITION", `"service":"generativelanguage.googleapis.com"`), 400, true, ""},
		{"no project", `{"error":{"code":429,"details":[{"reason":"X","metadata":{"consumer":"api_key:AIza"}}]}}`, 429, true, ""},
	} {
		if got := parseError(answer{status: test.status, body: []byte(test.body), isKey: test.isKey}).Fault.Consumer; got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
