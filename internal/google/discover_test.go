package google

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// assistant is a Code Assist in memory: it answers calls in order, and keeps them.
type assistant struct {
	t       *testing.T
	answers []string // a body, or a status and a body
	calls   []string // method, path and body
}

func (a *assistant) RoundTrip(req *http.Request) (*http.Response, error) {
	body := ""
	if req.Body != nil {
		content, _ := io.ReadAll(req.Body)
		body = string(content)
	}
	a.calls = append(a.calls, strings.TrimSpace(req.Method+" "+req.URL.String()+" "+body))
	if req.Header.Get("Authorization") != "Bearer ya29.x" || req.Header.Get("User-Agent") != product {
		a.t.Errorf("%v", req.Header)
	}
	if len(a.answers) == 0 {
		a.t.Fatalf("one call too many: %s", a.calls)
	}
	next := a.answers[0]
	a.answers = a.answers[1:]
	if status, body, found := strings.Cut(next, " "); found && len(status) == 3 {
		return reply(int(status[0]-'0')*100+int(status[1]-'0')*10+int(status[2]-'0'), body), nil
	}
	return reply(200, next), nil
}

const (
	consumerAnswer = `{"allowedTiers":[{"id":"standard-tier","name":"Gemini Code Assist","userDefinedCloudaicompanionProject":true,"privacyNotice":{},"isDefault":true}],
 "ineligibleTiers":[{"reasonCode":"UNSUPPORTED_CLIENT","reasonMessage":"This client is no longer supported for Gemini Code Assist for individuals. To continue using Gemini, please migrate to the Antigravity suite of products: https://antigravity.google","tierId":"free-tier","tierName":"Gemini Code Assist for individuals"}]}`
	offerAnswer    = `{"allowedTiers":[{"id":"other-tier"},{"id":"standard-tier","isDefault":true}]}`
	freeAnswer     = `{"allowedTiers":[{"id":"free-tier","isDefault":true}]}`
	forbiddenByVPC = `403 {"error":{"code":403,"message":"Request is prohibited by organization's policy.","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SECURITY_POLICY_VIOLATED","domain":"googleapis.com"}]}}`
	pending        = `{"name":"operations/onboard-1/x","done":false}`
	onboarded      = `{"name":"operations/onboard-1/x","done":true,"response":{"cloudaicompanionProject":{"id":"new-proj","name":"new-proj"}}}`
	onboardedBare  = `{"done":true,"response":{}}`
)

const (
	assistBase = "https://cloudcode-pa.googleapis.com/v1internal"
	metaBare   = `{"ideType":"IDE_UNSPECIFIED","platform":"PLATFORM_UNSPECIFIED","pluginType":"GEMINI"}`
	metaP      = `{"ideType":"IDE_UNSPECIFIED","platform":"PLATFORM_UNSPECIFIED","pluginType":"GEMINI","duetProject":"p-1"}`
	loadBare   = "POST " + assistBase + ":loadCodeAssist " + `{"metadata":` + metaBare + `}`
	loadP      = "POST " + assistBase + ":loadCodeAssist " + `{"cloudaicompanionProject":"p-1","metadata":` + metaP + `}`
	pollCall   = "GET " + assistBase + "/operations/onboard-1/x"
)

func onboardCall(tier, project string) string {
	if project == "" {
		return "POST " + assistBase + ":onboardUser " + `{"tierId":"` + tier + `","metadata":` + metaBare + `}`
	}
	return "POST " + assistBase + ":onboardUser " + `{"tierId":"` + tier + `","cloudaicompanionProject":"` + project + `","metadata":` + metaP + `}`
}

func TestProjectOfACodeAssistAccount(t *testing.T) {
	for _, test := range []struct {
		name       string
		configured string
		answers    []string
		project    string
		calls      []string
		wait       time.Duration
	}{
		{"a tier with a project", "", []string{`{"currentTier":{"id":"standard-tier"},"cloudaicompanionProject":"its-proj"}`}, "its-proj", []string{loadBare}, 0},
		{"a project as an object", "", []string{`{"currentTier":{"id":"standard-tier"},"cloudaicompanionProject":{"id":"its-proj"}}`}, "its-proj", []string{loadBare}, 0},
		{"a tier, and the operator's project", "p-1", []string{`{"currentTier":{"id":"standard-tier"}}`}, "p-1", []string{loadP}, 0},
		{"Code Assist's project before the operator's", "p-1",
			[]string{`{"currentTier":{"id":"standard-tier"},"cloudaicompanionProject":"its-proj"}`}, "its-proj", []string{loadP}, 0},
		{"a tier, though another is refused", "", []string{`{"currentTier":{"id":"standard-tier"},"cloudaicompanionProject":"its-proj",` + consumerAnswer[1:]},
			"its-proj", []string{loadBare}, 0},
		{"behind VPC Service Controls", "p-1", []string{forbiddenByVPC}, "p-1", []string{loadP}, 0},
		{"onboarded at once", "p-1", []string{offerAnswer, onboarded}, "new-proj", []string{loadP, onboardCall("standard-tier", "p-1")}, 0},
		{"onboarded after two looks", "p-1", []string{offerAnswer, pending, pending, onboarded}, "new-proj",
			[]string{loadP, onboardCall("standard-tier", "p-1"), pollCall, pollCall}, 10 * time.Second},
		{"onboarded into the operator's project", "p-1", []string{offerAnswer, onboardedBare}, "p-1", []string{loadP, onboardCall("standard-tier", "p-1")}, 0},
		{"the free tier takes no project", "p-1", []string{freeAnswer, onboarded}, "new-proj", []string{loadP, onboardCall("free-tier", "")}, 0},
		{"no default tier", "p-1", []string{`{"allowedTiers":[{"id":"x"}]}`, onboarded}, "new-proj", []string{loadP, onboardCall("legacy-tier", "p-1")}, 0},
		{"a licence not yet used", "p-1", []string{consumerAnswer, onboarded}, "new-proj", []string{loadP, onboardCall("standard-tier", "p-1")}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				google := &assistant{t: t, answers: test.answers}
				start := time.Now()
				project, fault := New(Options{HTTP: google}).discover(t.Context(), "ya29.x", test.configured)
				if fault != nil || project != test.project {
					t.Errorf("%q, %v; want %q", project, fault, test.project)
				}
				if !slices.Equal(google.calls, test.calls) {
					t.Errorf("calls\n%s\nwant\n%s", strings.Join(google.calls, "\n"), strings.Join(test.calls, "\n"))
				}
				if time.Since(start) != test.wait {
					t.Errorf("took %v; want %v", time.Since(start), test.wait)
				}
			})
		})
	}
}

func TestCodeAssistAccountsThatAreNotServed(t *testing.T) {
	for _, test := range []struct {
		name       string
		configured string
		answers    []string
		kind       rotator.FaultKind
		reason     string
		message    string // part of it
	}{
		{"a consumer", "", []string{consumerAnswer}, rotator.FaultDead, "UNSUPPORTED_CLIENT", "Google no longer serves consumer Code Assist accounts"},
		{"a consumer with a project but no licence", "p-1", []string{consumerAnswer, "403 " + licenceBody},
			rotator.FaultDead, "UNSUPPORTED_CLIENT", "Google no longer serves consumer Code Assist accounts"},
		{"to be verified", "p-1", []string{`{"allowedTiers":[{"id":"standard-tier","isDefault":true}],"ineligibleTiers":[{"reasonCode":"VALIDATION_REQUIRED","validationUrl":"https://verify.example/x"}]}`},
			rotator.FaultDead, "VALIDATION_REQUIRED", "https://verify.example/x"},
		{"a tier without a project", "", []string{`{"currentTier":{"id":"standard-tier"}}`}, rotator.FaultDead, "PROJECT_REQUIRED", "configure one"},
		{"a tier without a project, with Google's reasons", "",
			[]string{`{"currentTier":{"id":"standard-tier"},"ineligibleTiers":[{"reasonCode":"A","reasonMessage":"Too young."},{"reasonCode":"B"},{"reasonMessage":"Too far."}]}`},
			rotator.FaultDead, "PROJECT_REQUIRED", "Too young., Too far."},
		{"onboarded into nothing", "", []string{offerAnswer, onboardedBare}, rotator.FaultDead, "PROJECT_REQUIRED", ""},
		{"onboarding refused", "p-1", []string{offerAnswer, "400 " + errorBody("Precondition check failed.", "FAILED_PRECONDITION", "")},
			rotator.FaultSetup, "FAILED_PRECONDITION", "Precondition check failed."},
		{"onboarding that fails", "p-1", []string{offerAnswer, pending, `{"done":true,"error":{"code":9,"message":"No seats left."}}`},
			rotator.FaultSetup, "ONBOARDING_FAILED", "No seats left."},
		{"a permission missing", "p-1", []string{"403 " + permissionBody}, rotator.FaultSetup, "IAM_PERMISSION_DENIED", ""},
		{"an endpoint that is another", "p-1", []string{"404 " + htmlBody}, rotator.FaultTransient, "NOT_FOUND", ""},
		{"a token that is refused", "p-1", []string{"401 " + errorBody("x", "UNAUTHENTICATED", "")}, rotator.FaultUnauthorized, "UNAUTHENTICATED", ""},
		{"an operation that is a path", "p-1", []string{offerAnswer, `{"name":"operations/../../x","done":false}`},
			rotator.FaultTransient, "ONBOARDING_FAILED", ""},
		{"too many calls", "p-1", []string{"429 " + bareQuotaBody}, rotator.FaultTransient, "RESOURCE_EXHAUSTED", ""},
		{"overload", "p-1", []string{"503 " + overloadBody}, rotator.FaultTransient, "UNAVAILABLE", ""},
		{"a page", "p-1", []string{"<html>"}, rotator.FaultTransient, "ANSWER_NOT_JSON", ""},
		{"overload while a consumer is onboarded", "p-1", []string{consumerAnswer, "503 " + overloadBody}, rotator.FaultTransient, "UNAVAILABLE", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				google := &assistant{t: t, answers: test.answers}
				project, fault := New(Options{HTTP: google}).discover(t.Context(), "ya29.x", test.configured)
				if fault == nil || fault.Kind != test.kind || fault.Reason != test.reason || !strings.Contains(fault.Message, test.message) {
					t.Errorf("%q, %+v; want kind %d, %s", project, fault, test.kind, test.reason)
				}
				if len(google.answers) != 0 {
					t.Errorf("not asked for: %q", google.answers)
				}
			})
		})
	}
}

func TestOnboardingEndsAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		google := &assistant{t: t, answers: append([]string{offerAnswer}, slices.Repeat([]string{pending}, 20)...)}
		start := time.Now()
		_, fault := New(Options{HTTP: google}).discover(t.Context(), "ya29.x", "p-1")
		if fault == nil || fault.Kind != rotator.FaultTransient || time.Since(start) != onboardingLimit || !errors.Is(fault, errOnboarding) {
			t.Errorf("%v after %v", fault, time.Since(start))
		}
	})
}

func TestDiscoveryEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		google := &assistant{t: t, answers: []string{offerAnswer, pending, pending, pending}}
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		start := time.Now()
		_, fault := New(Options{HTTP: google}).discover(ctx, "ya29.x", "p-1")
		if fault == nil || fault.Kind != rotator.FaultTransient || time.Since(start) != 7*time.Second {
			t.Errorf("%v after %v", fault, time.Since(start))
		}
	})
}

// minted is a minter whose tokens cost nothing.
type minted struct{ n *int }

func (m minted) Mint(context.Context) (*rotator.Token, error) {
	*m.n++
	return &rotator.Token{Secret: "ya29.x"}, nil
}

func TestTokensOfCodeAssistNameTheProjectTheyAreFor(t *testing.T) {
	const found = `{"currentTier":{"id":"standard-tier"},"cloudaicompanionProject":"its-proj"}`
	const moved = `{"currentTier":{"id":"standard-tier"},"cloudaicompanionProject":"new-proj"}`
	google := &assistant{t: t, answers: []string{"503 x", found, "503 x", moved, "403 " + licenceBody}}
	tokens := 0
	m := &codeAssist{inner: minted{&tokens}, client: New(Options{HTTP: google})}
	for i, want := range []string{"", "its-proj", "its-proj", "new-proj", ""} {
		token, err := m.Mint(t.Context())
		if want == "" {
			if f, ok := err.(*rotator.Fault); !ok || token != nil {
				t.Errorf("mint %d: %+v, %v", i, token, f)
			}
			continue
		}
		if err != nil || token.Project != want {
			t.Errorf("mint %d: %+v, %v; want %s", i, token, err, want)
		}
	}
	if tokens != 5 || len(google.answers) != 0 {
		t.Errorf("%d tokens, %d answers left", tokens, len(google.answers))
	}
}

func TestAnswersOfCodeAssistMayHoldWhatIsNotKnown(t *testing.T) {
	google := &assistant{t: t, answers: []string{
		`{"currentTier":null,"allowedTiers":null,"ineligibleTiers":[{"reasonCode":7}],"newField":[1]}`, onboarded,
	}}
	if project, fault := New(Options{HTTP: google}).discover(t.Context(), "ya29.x", ""); fault != nil || project != "new-proj" {
		t.Errorf("%q, %v", project, fault)
	}
}
