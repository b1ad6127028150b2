package googlesim

import (
	"net/http"
	"strings"
	"testing"
)

// TestLoadCodeAssistTellsWhereAUserStands checks the answer for each kind of user.
func TestLoadCodeAssistTellsWhereAUserStands(t *testing.T) {
	s := newTestServer(t, Options{})
	s.addUser(User{Name: "consumer"})
	s.addUser(User{Name: "managed", Assist: Assist{Licensed: true, Tier: standardTier, ManagedProject: "chosen"}})
	s.addUser(User{Name: "own", Project: "mine", Assist: Assist{Licensed: true, Tier: standardTier}})
	s.addUser(User{Name: "new", Project: "mine", Assist: Assist{Licensed: true}})
	s.addUser(User{Name: "suspect", Assist: Assist{Licensed: true, ValidationURL: "https://example.com/verify"}})
	for _, one := range []struct {
		user, tier, project, reason string
	}{
		{"consumer", "", "", "UNSUPPORTED_CLIENT"},
		{"managed", standardTier, "chosen", ""},
		{"own", standardTier, "mine", ""},
		{"new", "", "", ""},
		{"suspect", "", "", "VALIDATION_REQUIRED"},
	} {
		t.Run(one.user, func(t *testing.T) {
			body := `{"cloudaicompanionProject":"mine","metadata":{"pluginType":"GEMINI","duetProject":"mine"}}`
			got := decode[loadAnswer](t, s.post(t, "/v1internal:loadCodeAssist", s.bearer(one.user), body).body)
			tier, reason := "", ""
			if got.CurrentTier != nil {
				tier = got.CurrentTier.ID
			}
			if len(got.Ineligible) > 0 {
				reason = got.Ineligible[0].ReasonCode
			}
			if tier != one.tier || got.Project != one.project || reason != one.reason {
				t.Errorf("tier %q, project %q, reason %q; want %q, %q, %q", tier, got.Project, reason, one.tier, one.project, one.reason)
			}
			if len(got.Allowed) != 1 || !got.Allowed[0].IsDefault {
				t.Errorf("allowed tiers %+v", got.Allowed)
			}
		})
	}
	if got := s.post(t, "/v1internal:loadCodeAssist", s.bearer("own"), `{"project":"x"}`); got.status != 400 {
		t.Errorf("an unknown field got %d", got.status)
	}
}

// TestOnboardingTakesAsManyPollsAsDeclared follows an operation to its end, after which the user may generate.
func TestOnboardingTakesAsManyPollsAsDeclared(t *testing.T) {
	s := newTestServer(t, Options{})
	s.addUser(User{Name: "ann", Project: "mine", Assist: Assist{Licensed: true, Polls: 2}})
	h := s.bearer("ann")
	generate := func() int {
		body := `{"model":"gemini-2.5-flash","project":"mine","request":` + talk(user(hello)) + `}`
		return s.post(t, "/v1internal:generateContent", h, body).status
	}
	if got := generate(); got != 403 {
		t.Errorf("before onboarding: %d", got)
	}
	onboard := `{"tierId":"standard-tier","cloudaicompanionProject":"mine","metadata":{}}`
	o := decode[operation](t, s.post(t, "/v1internal:onboardUser", h, onboard).body)
	for polls := range 2 {
		if o.Done || o.Response != nil {
			t.Fatalf("done after %d polls: %+v", polls, o)
		}
		o = decode[operation](t, s.do(t, http.MethodGet, "/v1internal/"+o.Name, h, "").body)
	}
	if !o.Done || o.Response == nil || o.Response.Project.ID != "mine" {
		t.Errorf("in the end: %+v", o)
	}
	if got := generate(); got != 200 {
		t.Errorf("after onboarding: %d", got)
	}
	if got := s.do(t, http.MethodGet, "/v1internal/operations/other", h, ""); got.status != 404 {
		t.Errorf("an unknown operation got %d", got.status)
	}
}

// TestOnboardingIsRefused checks the ways in which it fails.
func TestOnboardingIsRefused(t *testing.T) {
	s := newTestServer(t, Options{})
	s.addUser(User{Name: "consumer", Project: "mine"})
	s.addUser(User{Name: "ann", Project: "mine", Assist: Assist{Licensed: true, OnboardError: "no such organisation"}})
	for _, one := range []struct {
		user, body string
		status     int
		says       string
	}{
		{"consumer", `{"tierId":"standard-tier","cloudaicompanionProject":"mine"}`, 403, "SUBSCRIPTION_REQUIRED"},
		{"ann", `{"tierId":"standard-tier"}`, 400, "FAILED_PRECONDITION"},
		{"ann", `{"tierId":"free-tier","cloudaicompanionProject":"mine"}`, 400, "INVALID_ARGUMENT"},
		{"ann", `{"tierId":"standard-tier","cloudaicompanionProject":"theirs"}`, 403, "PERMISSION_DENIED"},
		{"ann", `{"tierId":"standard-tier","cloudaicompanionProject":"mine"}`, 200, "no such organisation"},
	} {
		if got := s.post(t, "/v1internal:onboardUser", s.bearer(one.user), one.body); got.status != one.status ||
			!strings.Contains(got.body, one.says) {
			t.Errorf("%s: got %d %s, want %d with %s", one.body, got.status, got.body, one.status, one.says)
		}
	}
}

// TestCountTokens checks the three forms of that method.
func TestCountTokens(t *testing.T) {
	s := newTestServer(t, Options{})
	s.AddKey("key", "p")
	s.addCloudUser("ann", "p")
	contents := talk(user(`{"text":"` + strings.Repeat("abcd", 10) + `"}`))
	tools := strings.TrimSuffix(contents, "}") + `,"tools":[{"functionDeclarations":[{"name":"f","description":"` + strings.Repeat("abcd", 10) + `"}]}]}`
	const (
		developer = "/v1beta/models/" + two + ":countTokens"
		vertex    = "/v1beta1/projects/p/locations/global/publishers/google/models/" + two + ":countTokens"
		assist    = "/v1internal:countTokens"
	)
	inAssist := func(request string) string {
		return `{"request":{"model":"models/` + two + `",` + strings.TrimPrefix(request, "{") + `}`
	}
	for _, one := range []struct {
		name, path, body string
		status           int
		says             string
	}{
		{"contents", developer, contents, 200, `"totalTokens": 10`},
		{"whole request", developer, `{"generateContentRequest":` + tools + `}`, 200, `"totalTokens": 21`},
		{"both", developer, `{"contents":[],"generateContentRequest":` + contents + `}`, 400, bareMessage},
		{"tools beside contents", developer, tools, 400, `Unknown name \"tools\"`},
		{"Vertex", vertex, tools, 200, `"totalTokens": 21`},
		{"Code Assist", assist, inAssist(contents), 200, `"totalTokens": 10`},
		{
			"thoughts on Code Assist", assist, inAssist(talk(user(hello), says(`{"text":"x","thought":true}`), user(hello))), 400,
			`Unknown name \"thought\" at 'request.contents[1].parts[0]'`,
		},
		{"unknown model", "/v1beta/models/gemini-9:countTokens", contents, 404, "gemini-9"},
	} {
		t.Run(one.name, func(t *testing.T) {
			h := s.bearer("ann")
			if got := s.post(t, one.path, h, one.body); got.status != one.status || !strings.Contains(got.body, one.says) {
				t.Errorf("got %d %s, want %d with %s", got.status, got.body, one.status, one.says)
			}
		})
	}
}

// TestModelsAreListedInPages checks models.list and models.get.
func TestModelsAreListedInPages(t *testing.T) {
	s := newTestServer(t, Options{})
	s.AddKey("key", "p")
	type page struct {
		Models []listedModel `json:"models"`
		Next   string        `json:"nextPageToken"`
	}
	var names []string
	token := ""
	for range len(models) {
		got := decode[page](t, s.do(t, http.MethodGet, "/v1beta/models?pageSize=5&pageToken="+token, withKey("key"), "").body)
		for _, m := range got.Models {
			names = append(names, m.Name)
		}
		if token = got.Next; token == "" {
			break
		}
	}
	if len(names) != len(models) || names[0] != "models/"+models[0].name {
		t.Errorf("listed %v", names)
	}
	if got := decode[listedModel](t, s.do(t, http.MethodGet, "/v1beta/models/"+three, withKey("key"), "").body); got.Input != 1_048_576 {
		t.Errorf("%+v", got)
	}
	for path, status := range map[string]int{"/v1beta/models/gemini-9": 404, "/v1beta/models?pageSize=-1": 400} {
		if got := s.do(t, http.MethodGet, path, withKey("key"), ""); got.status != status {
			t.Errorf("%s got %d", path, got.status)
		}
	}
}
