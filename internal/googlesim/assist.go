package googlesim

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// standardTier is the one tier Code Assist still has.
const standardTier = "standard-tier"

type tier struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	UserProject bool   `json:"userDefinedCloudaicompanionProject,omitzero"`
	IsDefault   bool   `json:"isDefault,omitzero"`
}

type ineligibleTier struct {
	ReasonCode    string `json:"reasonCode"`
	ReasonMessage string `json:"reasonMessage"`
	TierID        string `json:"tierId"`
	TierName      string `json:"tierName"`
	ValidationURL string `json:"validationUrl,omitempty"`
}

type loadAnswer struct {
	CurrentTier *tier            `json:"currentTier,omitempty"`
	Allowed     []tier           `json:"allowedTiers,omitempty"`
	Ineligible  []ineligibleTier `json:"ineligibleTiers,omitempty"`
	Project     string           `json:"cloudaicompanionProject,omitempty"`
}

type operation struct {
	Name     string         `json:"name"`
	Done     bool           `json:"done"`
	Error    *rpcStatus     `json:"error,omitempty"`
	Response *onboardAnswer `json:"response,omitempty"`
}

type rpcStatus struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

type onboardAnswer struct {
	Project struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"cloudaicompanionProject"`
}

// onboarding is one that was begun; accounts.mu guards it.
type onboarding struct {
	who     *account
	project string
	polls   int // that still find it unfinished
}

// serveAssist answers the methods of Code Assist that only it has.
func (s *Server) serveAssist(w http.ResponseWriter, c *exchange, who *account) {
	if refused := s.readFields(c); refused != nil {
		s.refuse(w, c, refused)
		return
	}
	var answer any
	var refused *apiError
	switch c.Method {
	case "loadCodeAssist":
		answer, refused = s.accounts.load(who, c)
	case "onboardUser":
		answer, refused = s.accounts.onboard(who, c)
	case "operations.get":
		answer, refused = s.accounts.poll(c.name)
	default:
		answer = s.quota.buckets(c, s.now())
	}
	if refused != nil {
		s.refuse(w, c, refused)
		return
	}
	s.answerJSON(w, c, http.StatusOK, encodeJSON(answer, jsontext.WithIndent("  ")))
}

func (a *accounts) load(who *account, c *exchange) (*loadAnswer, *apiError) {
	a.mu.Lock()
	defer a.mu.Unlock()
	standing := who.user.Assist
	offered := tier{standardTier, "Gemini Code Assist", "Unlimited coding assistant with the most powerful Gemini models", true, true}
	answer := &loadAnswer{Allowed: []tier{offered}}
	switch {
	case standing.ValidationURL != "":
		answer.Ineligible = []ineligibleTier{{
			"VALIDATION_REQUIRED", "Verify your account to continue.", standardTier, "Gemini Code Assist", standing.ValidationURL,
		}}
	case standing.Tier != "":
		answer.CurrentTier = &tier{standing.Tier, "Gemini Code Assist", "", true, true}
		answer.Project = standing.ManagedProject
		if answer.Project == "" {
			answer.Project = c.body.get("cloudaicompanionProject").str()
		}
	case !standing.Licensed:
		answer.Ineligible = []ineligibleTier{{
			"UNSUPPORTED_CLIENT", "This client is no longer supported for Gemini Code Assist for individuals. To continue using Gemini, " +
				"please migrate to the Antigravity suite of products: https://antigravity.google",
			"free-tier", "Gemini Code Assist for individuals", "",
		}}
	}
	return answer, nil
}

func (a *accounts) onboard(who *account, c *exchange) (*operation, *apiError) {
	a.mu.Lock()
	defer a.mu.Unlock()
	standing := who.user.Assist
	project := standing.ManagedProject
	if project == "" {
		project = c.body.get("cloudaicompanionProject").str()
	}
	switch {
	case !standing.Licensed:
		return nil, subscriptionRequired()
	case c.body.get("tierId").str() != standardTier:
		return nil, invalid("Request contains an invalid argument.")
	case project == "":
		return nil, &apiError{Code: 400, Message: "Precondition check failed.", Status: "FAILED_PRECONDITION"}
	case !who.projects[project]:
		return nil, newError(403, "The caller does not have permission")
	}
	name := "operations/onboard-" + strconv.Itoa(len(a.onboardings)+1)
	a.onboardings[name] = &onboarding{who, project, standing.Polls}
	return a.progress(name), nil
}

func (a *accounts) poll(name string) (*operation, *apiError) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.onboardings[name]
	if o == nil {
		return nil, newError(404, "Requested entity was not found.")
	}
	o.polls--
	return a.progress(name), nil
}

// progress is how far an onboarding is. When it is done, the user has a tier.
func (a *accounts) progress(name string) *operation {
	o := a.onboardings[name]
	answer := &operation{Name: name, Done: o.polls <= 0}
	switch {
	case !answer.Done:
	case o.who.user.Assist.OnboardError != "":
		answer.Error = &rpcStatus{9, o.who.user.Assist.OnboardError}
	default:
		o.who.user.Assist.Tier = standardTier
		o.who.user.Assist.ManagedProject = o.project
		answer.Response = &onboardAnswer{}
		answer.Response.Project.ID, answer.Response.Project.Name = o.project, o.project
	}
	return answer
}

// licensed decides whether a user may generate on Code Assist.
func (a *accounts) licensed(who *account) *apiError {
	a.mu.Lock()
	defer a.mu.Unlock()
	if standing := who.user.Assist; !standing.Licensed || standing.Tier == "" {
		return subscriptionRequired()
	}
	return nil
}

func subscriptionRequired() *apiError {
	const message = "You are currently configured to use a Google Cloud Project but lack a Gemini Code Assist license. Please contact " +
		"your administrator to request a license. (#3501)"
	e := newError(403, message, newErrorInfo("SUBSCRIPTION_REQUIRED", "cloudaicompanion.googleapis.com", nil))
	e.Errors = []legacyError{{message, "global", "forbidden"}}
	return e
}

// bucket is what is left of a quota.
type bucket struct {
	Model     string  `json:"modelId"`
	TokenType string  `json:"tokenType"`
	Amount    string  `json:"remainingAmount"`
	Fraction  float64 `json:"remainingFraction"`
	Reset     string  `json:"resetTime"`
}

type quotaAnswer struct {
	Buckets []bucket `json:"buckets,omitempty"`
}

// buckets is what the call's project has left today of each model that has a daily limit.
func (q *quota) buckets(c *exchange, now time.Time) quotaAnswer {
	q.mu.Lock()
	defer q.mu.Unlock()
	var answer quotaAnswer
	if p := c.body.get("project").str(); p != "" {
		c.Project = p
	}
	for _, m := range models {
		l, _ := q.limits(c.Project, m.name)
		if l.RPD <= 0 || !m.assist {
			continue
		}
		w := q.window(quotaKey{c.Project, m.name}, c.Backend, now)
		left := l.RPD - w.dayRequests
		answer.Buckets = append(answer.Buckets, bucket{
			m.name, "REQUESTS", fmt.Sprint(left), float64(left) / float64(l.RPD), w.dayEnd.UTC().Format(time.RFC3339),
		})
	}
	return answer
}
