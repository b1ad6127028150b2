package google

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// codeAssist mints the tokens of a Code Assist account, and finds out which Google Cloud project it works with. Minting is where that
// belongs: it happens ahead of time and apart from requests, and what was found is looked up again with every new token.
type codeAssist struct {
	inner      rotator.Minter
	client     *Client
	configured string // by the operator; empty for whatever Code Assist chose

	mu    sync.Mutex
	found string
}

func (m *codeAssist) Mint(ctx context.Context) (*rotator.Token, error) {
	t, err := m.inner.Mint(ctx)
	if err != nil {
		return nil, err
	}
	project, fault := m.client.discover(ctx, t.Secret, m.configured)
	known := m.remember(project)
	if fault != nil && (fault.Kind != rotator.FaultTransient || known == "") {
		return nil, fault // a passing failure is no reason to lose a project that works
	}
	t.Project = known
	return t, nil
}

// remember keeps a project that was found, and returns the last one that was.
func (m *codeAssist) remember(project string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if project != "" {
		m.found = project
	}
	return m.found
}

// Limits of onboarding. Google's own client looks every five seconds, without an end.
const (
	pollInterval    = 5 * time.Second
	onboardingLimit = 60 * time.Second
)

// Tiers of Code Assist that its protocol names.
const (
	standardTier = "standard-tier"
	freeTier     = "free-tier"
	legacyTier   = "legacy-tier"
)

// discover asks Code Assist which project an account works with, and has the account onboarded if it is not yet. configured is the
// project the operator named, or empty. The error is a *rotator.Fault.
func (c *Client) discover(ctx context.Context, token, configured string) (string, *rotator.Fault) {
	var loaded loadAnswer
	err := c.assist(ctx, token, ":loadCodeAssist", loadRequest{configured, newMetadata(configured)}, &loaded)
	if err != nil && err.Reason == "SECURITY_POLICY_VIOLATED" {
		// Behind VPC Service Controls the question itself is forbidden, the service is not.
		loaded, err = loadAnswer{CurrentTier: &tier{ID: standardTier}}, nil
	}
	if err != nil {
		return "", err
	}
	if loaded.CurrentTier != nil {
		return loaded.project(string(loaded.Project), configured)
	}
	unserved := loaded.refusal()
	if unserved != nil && (unserved.Reason != reasonUnsupported || configured == "") {
		return "", unserved
	}
	// With a project, an account that is refused as a consumer's may still have a licence that waits to be used.
	project, err := c.onboard(ctx, token, loaded.defaultTier(), configured)
	switch {
	case err == nil:
		return loaded.project(project, configured)
	case unserved != nil && err.Kind != rotator.FaultTransient:
		return "", unserved
	default:
		return "", err
	}
}

// onboard has Code Assist set up an account for a tier, and waits until it has. The answer names a project, or not.
func (c *Client) onboard(ctx context.Context, token, tierID, configured string) (string, *rotator.Fault) {
	ctx, cancel := context.WithTimeoutCause(ctx, onboardingLimit, errOnboarding)
	defer cancel()
	if tierID == freeTier {
		configured = "" // which that tier takes for a failed precondition
	}
	var op operation
	err := c.assist(ctx, token, ":onboardUser", onboardRequest{tierID, configured, newMetadata(configured)}, &op)
	for err == nil && !op.Done {
		if !operationName.MatchString(string(op.Name)) {
			return "", assistFault(rotator.FaultTransient, "ONBOARDING_FAILED", "Code Assist named no operation to wait for")
		}
		select {
		case <-time.After(pollInterval):
		case <-ctx.Done():
			return "", unreachable(ctx, ctx.Err())
		}
		name := op.Name
		op = operation{}
		err = c.assist(ctx, token, "/"+string(name), nil, &op)
	}
	switch {
	case err != nil:
		return "", err
	case op.Error.Message != "" || op.Error.Code != "":
		return "", assistFault(rotator.FaultSetup, "ONBOARDING_FAILED", "onboarding to Code Assist failed: "+string(op.Error.Message))
	}
	return string(op.Response.Project), nil
}

var errOnboarding = errors.New("onboarding to Code Assist took too long")

// operationName keeps an operation's name from becoming any other path.
var operationName = regexp.MustCompile(`^operations/[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$`)

// assist makes one call to Code Assist: with a body a POST, without one a GET.
func (c *Client) assist(ctx context.Context, token, suffix string, in, out any) *rotator.Fault {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return assistFault(rotator.FaultDead, "PROJECT_INVALID", err.Error())
		}
		method, body = http.MethodPost, bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.endpoints.codeAssist(suffix), body)
	if err != nil {
		return assistFault(rotator.FaultDead, "ENDPOINT_INVALID", err.Error())
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	c.authorize(req, &rotator.Token{Secret: token})
	resp, err := c.http.RoundTrip(req)
	if err != nil {
		return unreachable(ctx, err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	switch {
	case err != nil:
		return unreachable(ctx, err)
	case resp.StatusCode != http.StatusOK:
		return accountFault(parseError(answer{status: resp.StatusCode, body: content}).Fault)
	case json.Unmarshal(content, out, lenient) != nil:
		return assistFault(rotator.FaultTransient, "ANSWER_NOT_JSON", "Code Assist's answer is not understood")
	}
	return nil
}

// accountFault is a fault of a call that no client asked for: it can only be the account's, or pass.
func accountFault(f *rotator.Fault) *rotator.Fault {
	switch f.Kind {
	case rotator.FaultDead, rotator.FaultSetup, rotator.FaultUnauthorized:
	case rotator.FaultRequest, rotator.FaultNotEntitled:
		f.Kind = rotator.FaultSetup // it was asked with this account's project and tier
	default:
		f.Kind = rotator.FaultTransient
	}
	return f
}

func assistFault(kind rotator.FaultKind, reason, message string) *rotator.Fault {
	return &rotator.Fault{Kind: kind, Reason: reason, Message: scrubSecrets(message)}
}

// The wire forms of loadCodeAssist and onboardUser.

type metadata struct {
	IDEType     string `json:"ideType"`
	Platform    string `json:"platform"`
	PluginType  string `json:"pluginType"`
	DuetProject string `json:"duetProject,omitzero"`
}

// newMetadata says what has to be said, and claims to be no plugin of any editor.
func newMetadata(project string) metadata {
	return metadata{"IDE_UNSPECIFIED", "PLATFORM_UNSPECIFIED", "GEMINI", project}
}

type loadRequest struct {
	Project  string   `json:"cloudaicompanionProject,omitzero"`
	Metadata metadata `json:"metadata"`
}

type onboardRequest struct {
	TierID   string   `json:"tierId"`
	Project  string   `json:"cloudaicompanionProject,omitzero"`
	Metadata metadata `json:"metadata"`
}

type tier struct {
	ID        text `json:"id"`
	IsDefault bool `json:"isDefault"`
}

type ineligibleTier struct {
	ReasonCode    text `json:"reasonCode"`
	ReasonMessage text `json:"reasonMessage"`
	ValidationURL text `json:"validationUrl"`
}

type loadAnswer struct {
	CurrentTier     *tier            `json:"currentTier"`
	AllowedTiers    []tier           `json:"allowedTiers"`
	IneligibleTiers []ineligibleTier `json:"ineligibleTiers"`
	Project         projectRef       `json:"cloudaicompanionProject"`
}

type operation struct {
	Name     text   `json:"name"`
	Done     bool   `json:"done"`
	Error    status `json:"error"`
	Response struct {
		Project projectRef `json:"cloudaicompanionProject"`
	} `json:"response"`
}

// projectRef is a project by name: a string in one answer, an object with an id in the other.
type projectRef string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (p *projectRef) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == '{' {
		var object struct {
			ID text `json:"id"`
		}
		err := json.UnmarshalDecode(dec, &object)
		*p = projectRef(object.ID)
		return err
	}
	return (*text)(p).UnmarshalJSONFrom(dec)
}

// project settles which project an account works with: the one Code Assist says, else the one the operator named.
func (a *loadAnswer) project(found, configured string) (string, *rotator.Fault) {
	if project := cmp.Or(found, configured); project != "" {
		return project, nil
	}
	return "", assistFault(rotator.FaultDead, "PROJECT_REQUIRED", a.reasons("this account needs a Google Cloud project: configure one"))
}

const reasonUnsupported = "UNSUPPORTED_CLIENT"

// refusal is why an account that has no tier is not served; nil when it may get one.
func (a *loadAnswer) refusal() *rotator.Fault {
	for _, t := range a.IneligibleTiers {
		if t.ReasonCode == "VALIDATION_REQUIRED" && t.ValidationURL != "" {
			return assistFault(rotator.FaultDead, string(t.ReasonCode), "Google wants a person to verify the account at "+string(t.ValidationURL))
		}
	}
	if slices.ContainsFunc(a.IneligibleTiers, func(t ineligibleTier) bool { return t.ReasonCode == reasonUnsupported }) {
		return assistFault(rotator.FaultDead, reasonUnsupported, "Google no longer serves consumer Code Assist accounts")
	}
	return nil
}

// reasons are Google's words for why tiers are refused, or else the given ones.
func (a *loadAnswer) reasons(otherwise string) string {
	var words []string
	for _, t := range a.IneligibleTiers {
		if t.ReasonMessage != "" {
			words = append(words, string(t.ReasonMessage))
		}
	}
	if len(words) == 0 {
		return otherwise
	}
	return strings.Join(words, ", ")
}

func (a *loadAnswer) defaultTier() string {
	for _, t := range a.AllowedTiers {
		if t.IsDefault {
			return string(t.ID)
		}
	}
	return legacyTier
}

// isNumber reports whether a project was named by its number, which Code Assist does not take.
func isNumber(project string) bool {
	return project != "" && strings.Trim(project, "0123456789") == ""
}
