package googlesim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// status429 is what tests read of a 429.
type status429 struct {
	Error struct {
		Message string `json:"message"`
		Details []struct {
			Type       string            `json:"@type"`
			Reason     string            `json:"reason"`
			Domain     string            `json:"domain"`
			Metadata   map[string]string `json:"metadata"`
			Delay      string            `json:"retryDelay"`
			Violations []violation       `json:"violations"`
			Links      jsontext.Value    `json:"links"`
		} `json:"details"`
	} `json:"error"`
}

// asker asks the same question again and again.
type asker struct {
	*testServer
	t       *testing.T
	backend Backend
	model   string
}

func (a asker) want(status int, says ...string) answered {
	a.t.Helper()
	got := a.ask(a.t, ruleCase{backend: a.backend, model: a.model}, talk(user(hello)))
	if got.status != status {
		a.t.Fatalf("got %d %s, want %d", got.status, got.body, status)
	}
	for _, part := range says {
		if !strings.Contains(got.body, part) {
			a.t.Errorf("%s does not say %s", got.body, part)
		}
	}
	return got
}

func newAsker(t *testing.T, c *clock, b Backend, l Limits) asker {
	s := newTestServer(t, Options{Now: c.Now})
	s.AddKey("key", "p")
	s.AddKey("other", "q")
	s.addCloudUser("user", "p")
	s.SetLimits("p", "gemini-3-*", l)
	return asker{s, t, b, three}
}

// TestMinuteQuotaRenews checks requests a minute: what is refused does not count, other models and projects are untouched, and
// the next minute is free.
func TestMinuteQuotaRenews(t *testing.T) {
	c := noon()
	c.now = c.now.Add(20*time.Second + 500*time.Millisecond)
	a := newAsker(t, c, Developer, Limits{RPM: 2})
	a.want(200)
	a.want(200)
	for range 3 {
		a.want(429, "Please retry in 39.5s.", `"retryDelay": "39s"`, `"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"`,
			`"quotaValue": "2"`, "generate_content_free_tier_requests, limit: 2, model: gemini-3-flash-preview")
	}
	elsewhere := a
	elsewhere.model = two
	elsewhere.want(200)
	if got := a.post(t, "/v1beta/models/"+three+":generateContent", withKey("other"), talk(user(hello))); got.status != 200 {
		t.Errorf("another project got %d", got.status)
	}
	c.now = c.now.Add(39*time.Second + 499*time.Millisecond)
	a.want(429)
	c.now = c.now.Add(time.Millisecond)
	a.want(200)
	a.want(200)
	a.want(429)
}

// TestDayQuotaRenewsAtMidnightPacific checks requests a day, in winter and on the days when clocks change.
func TestDayQuotaRenewsAtMidnightPacific(t *testing.T) {
	for _, day := range []struct{ from, midnight string }{
		{"2026-11-20T20:00:00Z", "2026-11-21T08:00:00Z"},
		{"2026-11-01T05:00:00Z", "2026-11-01T07:00:00Z"}, // the evening before the clocks go back
		{"2026-11-01T07:00:00Z", "2026-11-02T08:00:00Z"}, // the day they do, of 25 hours
		{"2027-03-14T08:00:00Z", "2027-03-15T07:00:00Z"}, // and one of 23
	} {
		c := &clock{parseTime(t, day.from)}
		a := newAsker(t, c, Developer, Limits{RPD: 1})
		a.want(200)
		a.want(429, `"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"`, "Please retry in 60s.")
		c.now = parseTime(t, day.midnight).Add(-time.Second)
		a.want(429)
		c.now = parseTime(t, day.midnight)
		a.want(200)
		a.want(429)
	}
}

func parseTime(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestTokenQuotaCountsInput checks input tokens a minute.
func TestTokenQuotaCountsInput(t *testing.T) {
	c := noon()
	a := newAsker(t, c, Developer, Limits{TPM: 1000})
	ask := func(tokens int) answered {
		body := talk(user(fmt.Sprintf(`{"text":%q}`, strings.Repeat("abcd", tokens))))
		return a.ask(t, ruleCase{model: three}, body)
	}
	for _, step := range []struct{ tokens, status int }{{600, 200}, {400, 200}, {1, 429}} {
		got := ask(step.tokens)
		if got.status != step.status {
			t.Errorf("%d tokens: %d %s", step.tokens, got.status, got.body)
		}
		if got.status == 429 && !strings.Contains(got.body, "GenerateContentInputTokensPerModelPerMinute-FreeTier") {
			t.Error(got.body)
		}
	}
	c.now = c.now.Add(time.Minute)
	if got := ask(1001); got.status != 429 {
		t.Errorf("more than the quota at once: %d", got.status)
	}
}

// TestNoQuotaIsLimitZero checks a model that the project has no quota for.
func TestNoQuotaIsLimitZero(t *testing.T) {
	a := newAsker(t, noon(), Developer, Limits{RPD: NoQuota})
	a.want(429, "limit: 0, model: gemini-3-flash-preview", `"quotaValue": "0"`)
}

// TestPaidQuotasAreNamedSo checks the names of quotas of projects that pay.
func TestPaidQuotasAreNamedSo(t *testing.T) {
	a := newAsker(t, noon(), Developer, Limits{RPM: 1})
	a.SetPaid("p")
	a.want(200)
	if got := a.want(429); strings.Contains(got.body, "FreeTier") || strings.Contains(got.body, "free_tier") {
		t.Error(got.body)
	}
}

// TestCloudQuotas checks the bodies of the other backends.
func TestCloudQuotas(t *testing.T) {
	t.Run("Vertex", func(t *testing.T) {
		a := newAsker(t, noon(), Vertex, Limits{RPM: 1})
		a.want(200)
		e := decode[status429](t, a.want(429).body).Error
		if !strings.Contains(e.Message, "for consumer 'project_number:3487") || len(e.Details) != 2 ||
			e.Details[0].Reason != "RATE_LIMIT_EXCEEDED" ||
			e.Details[0].Metadata["quota_limit"] != "GenerateContentRequestsPerMinutePerProjectPerRegion" ||
			e.Details[0].Metadata["quota_limit_value"] != "1" || e.Details[0].Metadata["quota_location"] != "global" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("Code Assist, a minute", func(t *testing.T) {
		c := noon()
		a := newAsker(t, c, CodeAssist, Limits{RPM: 1})
		c.now = c.now.Add(40 * time.Second)
		a.want(200)
		body := a.want(429).body
		if !strings.HasPrefix(body, "[") {
			t.Errorf("no array: %s", body)
		}
		e := decode[[]status429](t, body)[0].Error
		if e.Message != "You have exhausted your capacity on this model. Your quota will reset after 20s." ||
			e.Details[0].Reason != "RATE_LIMIT_EXCEEDED" ||
			e.Details[0].Domain != "cloudcode-pa.googleapis.com" ||
			e.Details[0].Metadata["quotaResetTimeStamp"] != "2026-11-20T20:01:00Z" ||
			e.Details[0].Metadata["quotaResetDelay"] != "20s" || e.Details[1].Delay != "20s" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("Code Assist, a day that begins with the first call", func(t *testing.T) {
		c := noon()
		a := newAsker(t, c, CodeAssist, Limits{RPD: 1})
		a.want(200)
		c.now = c.now.Add(5 * time.Hour)
		e := decode[[]status429](t, a.want(429).body)[0].Error
		if e.Details[0].Reason != "QUOTA_EXHAUSTED" || e.Details[1].Delay != "68400s" || !strings.HasSuffix(e.Message,
			"reset after 19h0m0s.") {
			t.Errorf("%+v", e)
		}
		got := a.post(t, "/v1internal:retrieveUserQuota", a.bearer("user"), `{"project":"p"}`)
		for _, part := range []string{
			`"modelId": "gemini-3-flash-preview"`, `"remainingFraction": 0`,
			`"resetTime": "2026-11-21T20:00:00Z"`,
		} {
			if !strings.Contains(got.body, part) {
				t.Errorf("%s does not say %s", got.body, part)
			}
		}
		c.now = c.now.Add(19 * time.Hour)
		a.want(200)
	})
}

// TestRefusedRequestsCostNoQuota checks that a 400 is free.
func TestRefusedRequestsCostNoQuota(t *testing.T) {
	a := newAsker(t, noon(), Developer, Limits{RPM: 1})
	for range 3 {
		if got := a.ask(t, ruleCase{model: three}, `{}`); got.status != 400 {
			t.Fatal(got.body)
		}
	}
	a.want(200)
	a.want(429)
}

// TestLaterLimitsTakePrecedence checks how globs and the default project combine.
func TestLaterLimitsTakePrecedence(t *testing.T) {
	a := newAsker(t, noon(), Developer, Limits{RPM: 1})
	a.SetLimits("", "*", Limits{RPM: NoQuota})
	a.want(200) // the project's own count more than the default
	a.SetLimits("p", three, Limits{})
	a.want(200)
	a.want(200)
	a.model = two
	a.want(429)
}

// TestKeysOfAProjectShareItsQuota checks that Google counts by project, whoever calls for it.
func TestKeysOfAProjectShareItsQuota(t *testing.T) {
	s := newTestServer(t, Options{Now: noon().Now})
	for _, key := range []string{"key", "second", "third"} {
		s.AddKey(key, "p")
	}
	s.AddKey("stranger", "q")
	s.SetLimits("", "*", Limits{RPM: 2})
	for _, one := range []struct {
		key    string
		status int
	}{{"key", 200}, {"second", 200}, {"third", 429}, {"key", 429}, {"stranger", 200}} {
		if got := s.post(t, streamPath, withKey(one.key), talk(user(hello))); got.status != one.status {
			t.Errorf("%s: %d, want %d", one.key, got.status, one.status)
		}
	}
}

// TestClassicQuotasNameTheProject checks the Developer API's 429 in the form that tells which keys are one project's.
func TestClassicQuotasNameTheProject(t *testing.T) {
	for _, one := range []struct {
		limits Limits
		quota  string
	}{
		{Limits{RPM: 1}, "GenerateContentRequestsPerMinutePerProjectPerRegion"},
		{Limits{RPD: 1}, "GenerateContentRequestsPerDayPerProjectPerRegion"},
	} {
		a := newAsker(t, noon(), Developer, one.limits)
		a.AddKey("sibling", "p")
		a.SetClassicQuotas("p")
		a.want(200)
		consumers := map[string]bool{}
		for _, key := range []string{"key", "sibling"} {
			got := a.post(t, streamPath, withKey(key), talk(user(hello)))
			e := decode[status429](t, got.body).Error
			m := e.Details[0].Metadata
			if got.status != 429 || m["quota_limit"] != one.quota || m["quota_limit_value"] != "1" || m["quota_location"] != "global" ||
				m["service"] != services[Developer] || strings.Contains(got.body, "retryDelay") {
				t.Errorf("%d %s", got.status, got.body)
			}
			consumers[m["consumer"]] = true
		}
		if len(consumers) != 1 {
			t.Errorf("one project is %v", consumers)
		}
	}
}

// TestCallsSayWhichQuotaRefusedThem checks what the simulator remembers of refusals, and that Room foretells them.
func TestCallsSayWhichQuotaRefusedThem(t *testing.T) {
	for _, b := range []Backend{Developer, Vertex, CodeAssist} {
		for quota, limits := range map[string]Limits{"rpm": {RPM: 1}, "rpd": {RPD: 1}, "tpm": {TPM: 3}} {
			c := noon()
			a := newAsker(t, c, b, limits)
			a.want(200)
			if a.Room(b, "p", three, 2) {
				t.Errorf("%s %s: there is room", b, quota)
			}
			c.now = c.now.Add(time.Minute)
			if room := a.Room(b, "p", three, 2); room != (quota != "rpd") {
				t.Errorf("%s %s: a minute later there is room: %t", b, quota, room)
			}
			c.now = c.now.Add(24*time.Hour - time.Minute - time.Second) // still the day of Code Assist's first call
			if b == CodeAssist && quota == "rpd" && a.Room(b, "p", three, 2) {
				t.Error("Code Assist's day ends early")
			}
			c.now = c.now.Add(time.Second)
			if !a.Room(b, "p", three, 2) || !a.Room(b, "p", two, 2) || a.Room(b, "p", three, 4) != (quota != "tpm") {
				t.Errorf("%s %s: wrong room a day later", b, quota)
			}
			a.want(200)
			a.want(429)
			var refusals []string
			for _, call := range a.Calls(Match{Method: "streamGenerateContent"}) {
				refusals = append(refusals, call.Quota)
			}
			if want := []string{"", "", quota}; !slices.Equal(refusals, want) {
				t.Errorf("%s: refused for %q, want %q", b, refusals, want)
			}
		}
	}
}

// TestMinuteMaySlide checks quotas of a minute that is the last sixty seconds.
func TestMinuteMaySlide(t *testing.T) {
	for quota, limits := range map[string]Limits{"rpm": {RPM: 2}, "tpm": {TPM: 5}} {
		c := noon()
		s := newTestServer(t, Options{Now: c.Now, SlidingMinute: true})
		s.AddKey("key", "p")
		s.SetLimits("p", three, limits)
		a := asker{s, t, Developer, three}
		c.now = c.now.Add(40 * time.Second)
		a.want(200)
		c.now = c.now.Add(15 * time.Second)
		a.want(200)
		c.now = c.now.Add(44 * time.Second) // the clock's minute is over
		if a.Room(Developer, "p", three, 2) {
			t.Errorf("%s: there is room", quota)
		}
		a.want(429, "Please retry in 1s.")
		c.now = c.now.Add(time.Second)
		if !a.Room(Developer, "p", three, 2) {
			t.Errorf("%s: there is no room", quota)
		}
		a.want(200)
		a.want(429, "Please retry in 15s.")
	}
}
