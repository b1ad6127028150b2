package google

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// quotaViolation is a violation of google.rpc.QuotaFailure.
type quotaViolation struct {
	QuotaID    text            `json:"quotaId"`
	Metric     text            `json:"quotaMetric"`
	Value      text            `json:"quotaValue"`
	Dimensions map[string]text `json:"quotaDimensions"`
}

// noValue is how a Violation says that Google did not name the quota's value. Proto JSON leaves out zeros, so it may be zero.
const noValue = -1

func (v *quotaViolation) violation() rotator.Violation {
	out := newViolation(v.QuotaID, v.Metric, v.Value)
	if len(v.Dimensions) > 0 {
		out.Model = string(v.Dimensions["model"])
		out.Dimensions = make(map[string]string, len(v.Dimensions))
		for k, dim := range v.Dimensions {
			out.Dimensions[k] = string(dim)
		}
	}
	return out
}

func newViolation(id, metric, value text) rotator.Violation {
	return rotator.Violation{
		QuotaID: string(id), Metric: string(metric), Value: quotaValue(string(value)), Quota: quotaOf(string(id), string(metric)),
	}
}

func quotaValue(s string) int64 {
	value, err := strconv.ParseInt(s, 10, 64)
	if err != nil || value < 0 {
		return noValue
	}
	return value
}

// quotaOf reads what a quota counts from its name, such as GenerateRequestsPerDayPerProjectPerModel-FreeTier or
// GenerateContentInputTokensPerModelPerMinute-FreeTier. The metric alone does not tell: a minute's and a day's quota share one. Quotas
// of a user are not counted here, nor are tokens of answers.
func quotaOf(id, metric string) rotator.Quota {
	id = squeeze(id)
	tokens := strings.Contains(id, "token") || strings.Contains(metric, "token")
	minute, day := strings.Contains(id, "perminute"), strings.Contains(id, "perday") || strings.Contains(id, "daily")
	switch {
	case strings.Contains(id, "peruser"), strings.Contains(id, "output"):
		return rotator.QuotaOther
	case minute && tokens:
		return rotator.QuotaTPM
	case minute:
		return rotator.QuotaRPM
	case day && tokens:
		return rotator.QuotaTPD
	case day:
		return rotator.QuotaRPD
	default:
		return rotator.QuotaOther
	}
}

var (
	quotaInText   = regexp.MustCompile(`\bmetric: (\S+), limit: ([0-9]+)`)
	classicInText = regexp.MustCompile(`^Quota exceeded for quota metric '([^']*)' and limit '([^']*)'`)
)

// completeViolations adds what Google says about quotas outside QuotaFailure: in the metadata of ErrorInfo, which is how Google
// Cloud names a quota, or in its sentence, where the details are missing, which names them for people; and in the lines of the other
// kind of sentence, which are in the order of the violations and name no window of their own.
func (r *report) completeViolations() {
	if id := r.metadata["quota_limit"]; id != "" && len(r.violations) == 0 {
		v := newViolation(id, r.metadata["quota_metric"], r.metadata["quota_limit_value"])
		v.Model = string(r.metadata["model"])
		r.violations = append(r.violations, v)
	}
	if m := classicInText.FindStringSubmatch(r.message); m != nil && len(r.violations) == 0 {
		r.violations = append(r.violations, newViolation(text(m[2]), text(strings.ToLower(m[1])), ""))
	}
	lines := quotaInText.FindAllStringSubmatch(r.message, len(r.violations)+1)
	if len(lines) != len(r.violations) {
		return
	}
	for i, line := range lines {
		if v := &r.violations[i]; v.Value == noValue && v.Metric == line[1] {
			v.Value = quotaValue(line[2])
		}
	}
}
