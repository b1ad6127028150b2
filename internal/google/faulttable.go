package google

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// ruling is what kind of fault an error is, with a short word for it.
type ruling struct {
	kind   rotator.FaultKind
	reason string
}

// Words of our own for what Google has none for.
const (
	reasonTimeout   = "TIMEOUT"
	reasonLimitZero = "LIMIT_ZERO"
	reasonNotFound  = "NOT_FOUND"
	reasonLocation  = "LOCATION_UNSUPPORTED"
	reasonModelName = "MODEL_NAME_INVALID"
)

// statusClientClosed is Google's status for a cancelled call; net/http has no name for it.
const statusClientClosed = 499

// longDelay parts a short wait from a long one: Google's own client gives up on an account beyond it.
const longDelay = 5 * time.Minute

// byReason are the kinds of errors that give a reason (google.rpc.ErrorInfo), except for spent quotas.
var byReason = map[string]rotator.FaultKind{
	"API_KEY_INVALID":               rotator.FaultDead,
	"API_KEY_SERVICE_BLOCKED":       rotator.FaultDead,
	"API_KEY_HTTP_REFERRER_BLOCKED": rotator.FaultDead,
	"API_KEY_IP_ADDRESS_BLOCKED":    rotator.FaultDead,
	"CONSUMER_SUSPENDED":            rotator.FaultDead,
	"TOS_VIOLATION":                 rotator.FaultDead,
	"VALIDATION_REQUIRED":           rotator.FaultDead,
	"SUBSCRIPTION_REQUIRED":         rotator.FaultSetup,
	"SERVICE_DISABLED":              rotator.FaultSetup,
	"IAM_PERMISSION_DENIED":         rotator.FaultSetup,
	"CONSUMER_INVALID":              rotator.FaultSetup,
	"BILLING_DISABLED":              rotator.FaultSetup,
	"SECURITY_POLICY_VIOLATED":      rotator.FaultSetup,
}

// byText are errors that only their sentence tells apart. In a 400 the client's own words may be quoted, so sentences must begin this
// way, or a client could have accounts disabled by what it names its tools.
var byText = []struct {
	status int
	text   string // in lower case
	ruling
}{
	{http.StatusBadRequest, "api key not valid", ruling{rotator.FaultDead, "API_KEY_INVALID"}},
	{http.StatusBadRequest, "api key expired", ruling{rotator.FaultDead, "API_KEY_INVALID"}},
	{http.StatusBadRequest, "api key not found", ruling{rotator.FaultDead, "API_KEY_INVALID"}},
	{http.StatusBadRequest, "user location is not supported", ruling{rotator.FaultSetup, reasonLocation}},
	{http.StatusBadRequest, "gemini api free tier is not available", ruling{rotator.FaultSetup, reasonLocation}},
	{http.StatusBadRequest, "the input token count", ruling{rotator.FaultTooLong, "TOKEN_COUNT"}},
	{http.StatusBadRequest, "unable to submit request because the input token count", ruling{rotator.FaultTooLong, "TOKEN_COUNT"}},
	{http.StatusForbidden, "your api key was reported as leaked", ruling{rotator.FaultDead, "API_KEY_LEAKED"}},
	{http.StatusForbidden, "your project has been denied access", ruling{rotator.FaultDead, "PROJECT_DENIED"}},
	{http.StatusForbidden, "permission denied: consumer", ruling{rotator.FaultDead, "CONSUMER_SUSPENDED"}},
	{http.StatusForbidden, "verify your account to continue", ruling{rotator.FaultDead, "VALIDATION_REQUIRED"}},
	{http.StatusForbidden, "you are currently configured to use a google cloud project but lack", ruling{rotator.FaultSetup, "SUBSCRIPTION_REQUIRED"}},
	{http.StatusForbidden, "you do not have a valid license", ruling{rotator.FaultSetup, "SUBSCRIPTION_REQUIRED"}},
	{http.StatusForbidden, "this api method requires billing", ruling{rotator.FaultSetup, "BILLING_DISABLED"}},
	{http.StatusNotFound, "not found: cache content", ruling{rotator.FaultRequest, reasonNotFound}},
}

// classify says what kind of fault an error is: a fact about Google's answer, not a decision.
func classify(r *report, isKey bool) ruling {
	if r.garbage {
		return ruling{r.garbageKind(), r.shortReason()}
	}
	if r.status == http.StatusTooManyRequests {
		return r.quotaRuling()
	}
	if capacityReason(r.reason) {
		return ruling{rotator.FaultModelCapacity, r.reason}
	}
	if kind, known := byReason[r.reason]; known && r.status >= 400 && r.status < 500 {
		return ruling{kind, r.reason}
	}
	sentence := r.sentence()
	for i := range byText {
		if row := &byText[i]; row.status == r.status && strings.HasPrefix(sentence, row.text) {
			return row.ruling
		}
	}
	return ruling{r.kindByStatus(isKey), r.shortReason()}
}

// garbageKind judges an answer that is no error of Google's: the page of a front end, or of a proxy on the way. It says nothing about the
// account or the request, save that there were too many of them or too much of it.
func (r *report) garbageKind() rotator.FaultKind {
	switch r.status {
	case http.StatusTooManyRequests:
		return rotator.FaultRateShort
	case http.StatusRequestEntityTooLarge:
		return rotator.FaultRequest
	default:
		return rotator.FaultTransient
	}
}

func (r *report) kindByStatus(isKey bool) rotator.FaultKind {
	switch {
	case r.status == http.StatusUnauthorized && isKey:
		return rotator.FaultDead // a key has nothing to refresh
	case r.status == http.StatusUnauthorized:
		return rotator.FaultUnauthorized
	case r.status == http.StatusForbidden:
		return rotator.FaultSetup
	case r.status == http.StatusNotFound:
		return rotator.FaultNotEntitled
	case r.status == http.StatusServiceUnavailable:
		return rotator.FaultModelCapacity
	case r.status == http.StatusRequestTimeout, r.status == http.StatusConflict, r.status == statusClientClosed:
		return rotator.FaultTransient
	case r.status >= 400 && r.status < 500:
		return rotator.FaultRequest
	default:
		return rotator.FaultTransient
	}
}

// quotaRuling sorts the many kinds of 429, the worst first.
func (r *report) quotaRuling() ruling {
	sentence := r.sentence()
	delay := r.delay(time.Now())
	switch {
	case r.limitZero():
		return ruling{rotator.FaultNotEntitled, reasonLimitZero}
	case capacityReason(r.reason):
		return ruling{rotator.FaultModelCapacity, r.reason}
	case strings.HasPrefix(sentence, "no capacity available"), strings.HasPrefix(sentence, "resource exhausted. please try again later"):
		// Vertex shares its capacity between all projects: its bare 429 says nothing about the account.
		return ruling{rotator.FaultModelCapacity, r.shortReason()}
	case r.perDay(), delay > longDelay, r.reason == "QUOTA_EXHAUSTED", r.reason == "INSUFFICIENT_G1_CREDITS_BALANCE":
		return ruling{rotator.FaultQuotaLong, r.shortReason()}
	case delay == 0 && len(r.violations) == 0 && strings.HasPrefix(sentence, "you exceeded your current quota"):
		// No quota is named: prepaid credit or a spend limit, which come back nobody knows when.
		return ruling{rotator.FaultQuotaLong, "BILLING"}
	default:
		return ruling{rotator.FaultRateShort, r.shortReason()}
	}
}

func capacityReason(reason string) bool {
	return reason == "MODEL_CAPACITY_EXHAUSTED" || reason == "MODEL_CAPACITY_EXCEEDED"
}

var limitZeroText = regexp.MustCompile(`(?i)limit:\s*0(?:[^0-9.]|\.(?:[^0-9]|$)|$)`)

// limitZero reports whether the quota that ran out is none at all: the project does not have the model.
func (r *report) limitZero() bool {
	return r.metadata["quota_limit_value"] == "0" || limitZeroText.MatchString(r.message) ||
		slices.ContainsFunc(r.violations, func(v rotator.Violation) bool { return v.Value == 0 })
}

func (r *report) perDay() bool { return r.quotaNamed("perday") || r.quotaNamed("daily") }

func (r *report) perMinute() bool { return r.quotaNamed("perminute") }

// quotaNamed reports whether one of the quotas that ran out has a name with such a part, which is squeezed.
func (r *report) quotaNamed(part string) bool {
	return strings.Contains(squeeze(string(r.metadata["quota_limit"])), part) ||
		slices.ContainsFunc(r.violations, func(v rotator.Violation) bool { return strings.Contains(squeeze(v.QuotaID), part) })
}

// squeeze makes names of quotas comparable: some are identifiers, such as RequestsPerDayPerProject, and some are for people, such as
// "Requests per day per user".
func squeeze(name string) string { return wordBreaks.Replace(strings.ToLower(name)) }

var wordBreaks = strings.NewReplacer(" ", "", "_", "", "-", "")

var modelInText = regexp.MustCompile(`\b(?:model:|for model) ([a-z][A-Za-z0-9._-]*[A-Za-z0-9])`)

// model is the model the error is about, if it says so.
func (r *report) model() string {
	if m := r.metadata["model"]; m != "" {
		return string(m)
	}
	for _, v := range r.violations {
		if m := v.Dimensions["model"]; m != "" {
			return m
		}
	}
	if m := modelInText.FindStringSubmatch(r.message); m != nil {
		return m[1]
	}
	return ""
}

var (
	consumerInText = regexp.MustCompile(`\bfor consumer 'project_number:([0-9]+)'`)
	assistInText   = regexp.MustCompile(`\bof service 'cloudcode-pa\.`)
)

// consumer is the project, by ID or number, that calls of the account are counted for, if the error says so. Only two kinds of errors
// do: a spent quota, unless it is counted by user, as all of Code Assist's are, for then the project is the OAuth client's, which its
// users share and their quotas do not; and a key that may not be used, which belongs to one project. Where an access token may not be
// used, the project may be the client's, or one that was asked for and is not the account's.
func (r *report) consumer(isKey bool) string {
	byUser := r.quotaNamed("peruser") || strings.HasPrefix(string(r.metadata["service"]), "cloudcode-pa.") || assistInText.MatchString(r.message)
	spent := r.status == http.StatusTooManyRequests && !byUser
	if !spent && (r.status != http.StatusForbidden || !isKey) {
		return ""
	}
	if project, isProject := strings.CutPrefix(string(r.metadata["consumer"]), "projects/"); isProject {
		return project
	}
	if m := consumerInText.FindStringSubmatch(r.message); spent && m != nil {
		return m[1]
	}
	return ""
}

// shortReason is the shortest word for the error.
func (r *report) shortReason() string {
	switch {
	case r.reason != "":
		return r.reason
	case r.state != "":
		return r.state
	default:
		return strings.ToUpper(strings.ReplaceAll(http.StatusText(r.status), " ", "_"))
	}
}

var originalError = regexp.MustCompile(`^(?:\[ORIGINAL ERROR\] )?generic::\w+: `)

// unfilled reports whether Google sent a template of a message instead of the message. A sentence may begin with a $ as well: that of
// $ref.
func (r *report) unfilled() bool {
	return strings.HasPrefix(r.message, "$") && !strings.Contains(r.message, " ")
}

// sentence is what an error is recognised by, in lower case. Where the message is an unfilled template, the sentence is in the debug
// information; that is read here and never shown, because it can hold keys.
func (r *report) sentence() string {
	if !r.unfilled() {
		return strings.ToLower(r.message)
	}
	return strings.ToLower(originalError.ReplaceAllString(r.debug, ""))
}

// words is Google's sentence as it may be shown to an operator; where a person has to act, with the page to do so.
func (r *report) words() string {
	switch url := r.metadata["validation_url"]; {
	case r.unfilled():
		return ""
	case url != "":
		return r.message + " " + string(url)
	default:
		return r.message
	}
}
