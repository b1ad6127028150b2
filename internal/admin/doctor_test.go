package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/guests"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// sentinel is in every secret.
const sentinel = "sentinel-7c1e"

// clinic is a simulated Google, and a configuration with credentials that are known to it.
type clinic struct {
	*testing.T
	google  *googlesim.Server
	sources []map[string]any
}

func newClinic(t *testing.T) *clinic {
	sim := googlesim.New(googlesim.Options{})
	if _, err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return &clinic{T: t, google: sim}
}

// add puts a secret into the configuration.
func (c *clinic) add(label, secret string, options ...string) {
	variable := fmt.Sprint("DOCTOR_", len(c.sources))
	c.Setenv(variable, secret)
	source := map[string]any{"source": "env", "names": []string{variable}, "label": label}
	for i := 0; i < len(options); i += 2 {
		source[options[i]] = options[i+1]
	}
	c.sources = append(c.sources, source)
}

// key adds an API key, and returns it.
func (c *clinic) key(label string) string {
	key := sentinel + "-key-" + label
	c.google.AddKey(key, "project-of-"+label)
	c.add(label, key)
	return key
}

// user adds a user of Code Assist, and returns the name.
func (c *clinic) user(label string, standing googlesim.Assist) string {
	refresh := "1//" + sentinel + "-" + label
	c.google.AddUser(googlesim.User{
		Name: label, RefreshToken: refresh, ClientID: "client", ClientSecret: sentinel + "-client", Project: "project-of-" + label, Assist: standing,
	})
	c.add(label, `{"refresh_token":"`+refresh+`"}`, "client_id", "client", "client_secret", sentinel+"-client")
	return label
}

// service adds a service account, and returns its address.
func (c *clinic) service(label string) string {
	file, err := c.google.AddServiceAccount(label, "project-of-"+label, "")
	if err != nil {
		c.Fatal(err)
	}
	c.add(label, string(file))
	return label + "@project-of-" + label + ".iam.gserviceaccount.com"
}

// handler is the configuration of a gemini_proxy with all that was added.
func (c *clinic) handler() map[string]any {
	return map[string]any{
		"handler": "gemini_proxy", "credentials": c.sources, "max_body": 33554432,
		"endpoint": map[string]string{
			"gemini_api": c.google.URL(), "vertex": c.google.URL(), "code_assist": c.google.URL(), "oauth": c.google.URL(),
		},
	}
}

// file is a configuration with handlers, in one of the places where Caddy may have them.
func (c *clinic) file(handlers ...map[string]any) string {
	c.Helper()
	subroute := map[string]any{"handler": "subroute", "routes": []any{map[string]any{"handle": handlers}}}
	config, err := json.Marshal(map[string]any{"apps": map[string]any{"http": map[string]any{"servers": map[string]any{
		"other": map[string]any{"listen": []string{":1"}},
		"one":   map[string]any{"routes": []any{map[string]any{"handle": []any{map[string]any{"handler": "vars"}, subroute}}}},
	}}}})
	if err != nil {
		c.Fatal(err)
	}
	path := filepath.Join(c.TempDir(), "caddy.json")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		c.Fatal(err)
	}
	return path
}

// report is what the doctor says in JSON.
func (c *clinic) report(args ...string) (r Report, err error) {
	c.Helper()
	out, err := run(c.T, doctorCommand, append(args, "--json")...)
	c.discreet(out)
	if failed := json.Unmarshal([]byte(out), &r); failed != nil {
		c.Fatalf("%v, %v\n%s", err, failed, out)
	}
	return r, err
}

// discreet checks that a text holds no secret.
func (c *clinic) discreet(text string) {
	c.Helper()
	for _, secret := range []string{sentinel, "PRIVATE KEY", "ya29.", "1//"} {
		if strings.Contains(text, secret) {
			c.Errorf("%s is in %s", secret, text)
		}
	}
}

func TestDoctorTellsEveryTroubleApart(t *testing.T) {
	c := newClinic(t)
	count := func(account string) googlesim.Match { return googlesim.Match{Account: account, Method: "countTokens"} }
	c.key("healthy")
	c.google.RevokeKey(c.key("revoked"))
	c.google.Always(count(c.key("disabled-1")), googlesim.Forbidden("SERVICE_DISABLED"))
	c.google.Always(count(c.key("disabled-2")), googlesim.Forbidden("SERVICE_DISABLED"))
	c.google.Always(count(c.key("spent")), googlesim.QuotaDay("gemini-3-flash-preview"))
	c.google.Always(count(c.key("hasty")), googlesim.RateMinute("gemini-3-flash-preview", 30*time.Second))
	c.google.Always(count(c.key("unlucky")), googlesim.HTML502())
	c.service("service")
	c.google.Always(count(c.service("iam")), googlesim.Forbidden("IAM_PERMISSION_DENIED"))
	licensed := googlesim.Assist{Tier: "standard-tier", Licensed: true, ManagedProject: "managed"}
	c.google.SetLimits("managed", "gemini-2.5-pro", googlesim.Limits{RPD: 10})
	c.user("licensed", licensed)
	c.user("consumer", googlesim.Assist{})
	c.google.DisableRefresh(c.user("signed-out", licensed))
	c.google.Always(googlesim.Match{Account: c.user("used-up", licensed), Method: "retrieveUserQuota"}, googlesim.Reply{
		Body: `{"buckets":[{"modelId":"gemini-3-flash-preview","remainingFraction":0,"resetTime":"2999-01-01T00:00:00Z"}]}`})
	file := c.file(c.handler())

	r, err := c.report("--config", file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{ // state, reason, what the sentence says
		"healthy":    {stateGood, "", "answers for gemini-3-flash-preview"},
		"revoked":    {stateBad, "API_KEY_INVALID", "refuses it for good", "API key not valid. Please pass a valid API key."},
		"disabled-1": {stateBad, "SERVICE_DISABLED", "Enable it by visiting https://console.developers.google.com/apis/api/", "project=12345678"},
		"disabled-2": {stateBad, "SERVICE_DISABLED"},
		"spent":      {stateLater, "RESOURCE_EXHAUSTED", "its quota is used up"},
		"hasty":      {stateLater, "RESOURCE_EXHAUSTED", "too many requests in a short time, until 20", ". * Quota exceeded for metric: "},
		"unlucky":    {stateUnknown, "BAD_GATEWAY", "no answer"},
		"service":    {stateGood, "", "answers for gemini-3-flash-preview"},
		"iam":        {stateBad, "IAM_PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied"},
		"licensed":   {stateGood, "", "Code Assist serves this account; left: gemini-2.5-pro 100 %"},
		"consumer":   {stateBad, "UNSUPPORTED_CLIENT", "Google no longer serves consumer Code Assist accounts"},
		"signed-out": {stateBad, "INVALID_GRANT", "Token has been expired or revoked."},
		"used-up":    {stateLater, "", "its quota for gemini-3-flash-preview is used up, until 2999-01-01T00:00:00Z; left: gemini-3-flash-preview 0 %"},
	}
	if len(r.Credentials) != len(want) {
		t.Errorf("%d credentials, want %d", len(r.Credentials), len(want))
	}
	for i := range r.Credentials {
		d := &r.Credentials[i]
		w := want[d.Label]
		if d.Label != c.sources[i]["label"] || d.State != w[0] || d.Reason != w[1] {
			t.Errorf("%+v, want %q", *d, w)
		}
		for _, part := range w[2:] {
			if !strings.Contains(d.sentence(), part) {
				t.Errorf("%s: %s\nwant %s", d.Label, d.sentence(), part)
			}
		}
		if until := !d.Until.IsZero(); until != (d.Label == "hasty" || d.Label == "used-up") {
			t.Errorf("%s: until %s", d.Label, d.Until)
		}
	}
	if len(r.Notes) != 2 ||
		!strings.HasPrefix(r.Notes[0], "these 2 credentials share one project (12345678), so Google counts them as one: disabled-1, disabled-2") ||
		r.Notes[1] != "licensed, consumer, signed-out, used-up: "+guests.CodeAssistTerms {
		t.Errorf("notes %q", r.Notes)
	}

	out, err := run(t, doctorCommand, "--config", file)
	c.discreet(out)
	if err != nil || strings.Count(out, "\n") < 17 || !strings.Contains(out, "\nhealthy     gemini_api   healthy             good     answers for ") ||
		!strings.HasSuffix(out, "\nCredentials: 13, of which 3 can be used now\n") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, call := range c.google.Calls(googlesim.Match{}) {
		if strings.HasSuffix(strings.ToLower(call.Method), "generatecontent") {
			t.Errorf("%s was called for %s", call.Method, call.Account)
		}
	}
	if n := len(c.google.Calls(count(sentinel + "-key-healthy"))); n != 2 {
		t.Errorf("two examinations asked %d questions with a healthy key", n)
	}
}

func TestDoctorFailsWhenNothingIsGood(t *testing.T) {
	c := newClinic(t)
	c.google.RevokeKey(c.key("revoked"))
	if r, err := c.report("--config", c.file(c.handler())); err == nil || len(r.Credentials) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	broken := c.handler()
	broken["credentials"] = []map[string]any{{"source": "inline", "values": []string{"{" + sentinel + "}"}}}
	r, err := c.report("--config", c.file(broken))
	if err == nil || len(r.Credentials) != 0 || len(r.Errors) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, args := range [][]string{{"--config", c.file()}, {"--config", filepath.Join(c.TempDir(), "none")}, {"key-1"}} {
		if out, err := run(t, doctorCommand, args...); err == nil || out != "" {
			t.Errorf("%q: %v %s", args, err, out)
		}
	}
}

func TestDoctorExaminesTheEnvironmentWithoutAConfiguration(t *testing.T) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "GEMINI_API_KEY") || strings.HasPrefix(name, "GCP_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // Google itself is not to be asked
	var out strings.Builder
	if err := doctor(ctx, "", "", false, &out); err == nil || !strings.Contains(out.String(), "no credentials found: set GEMINI_API_KEY") {
		t.Errorf("%v %s", err, out.String())
	}
	t.Setenv("GEMINI_API_KEY_7", sentinel)
	out.Reset()
	if err := doctor(ctx, "", "", false, &out); err == nil || !strings.Contains(out.String(), "\nenv-7  gemini_api  env-7  unknown  the examination was interrupted") ||
		strings.Contains(out.String(), sentinel) {
		t.Errorf("%v %s", err, out.String())
	}
}

func TestDoctorExaminesWhatHandlersShareOnce(t *testing.T) {
	c := newClinic(t)
	key := c.key("mine")
	first := c.handler()
	c.sources = nil
	c.add("yours", key)
	c.key("other")
	broken := c.handler()
	broken["credentials"] = []map[string]any{{"source": "env", "names": []string{"DOCTOR_NONE"}}}
	r, err := c.report("--config", c.file(first, broken, c.handler()))
	if err != nil || len(r.Credentials) != 2 || r.Credentials[0].Label != "mine" || !slices.Equal(r.Credentials[0].Aliases, []string{"yours"}) {
		t.Errorf("%+v, %v", r, err)
	}
	if len(r.Errors) != 1 || !strings.Contains(r.Errors[0], "DOCTOR_NONE is not set") {
		t.Errorf("errors %q", r.Errors)
	}
	if calls := c.google.Calls(googlesim.Match{Account: key}); len(calls) != 1 {
		t.Errorf("%d questions with a key that two handlers have", len(calls))
	}
}

// wire is a transport that a configuration can name.
type wire struct{}

var wired atomic.Int64

func (wire) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.transport.doctor_test", New: func() caddy.Module { return new(wire) }}
}

func (*wire) RoundTrip(r *http.Request) (*http.Response, error) {
	wired.Add(1)
	return http.DefaultTransport.RoundTrip(r)
}

func TestDoctorAsksOverTheTransportOfTheConfiguration(t *testing.T) {
	caddy.RegisterModule(wire{})
	c := newClinic(t)
	c.key("healthy")
	handler := c.handler()
	handler["transport"] = map[string]any{"protocol": "doctor_test"}
	if _, err := c.report("--config", c.file(handler)); err != nil || wired.Load() != 1 {
		t.Errorf("%v, %d calls", err, wired.Load())
	}
}

func TestDoctorAsksAboutAModelThatTheCredentialMayServe(t *testing.T) {
	for _, c := range []struct {
		models []string
		config proxyconfig.Config
		want   string
	}{
		{nil, proxyconfig.Config{}, "gemini-3-flash-preview"},
		{nil, proxyconfig.Config{DefaultModel: "models/gemini-2.5-pro"}, "gemini-2.5-pro"},
		{nil, proxyconfig.Config{DefaultModel: "fast", Models: []proxyconfig.Model{{Name: "fast", UpstreamName: "gemini-2.5-flash"}}}, "gemini-2.5-flash"},
		{[]string{"gemini-3-*"}, proxyconfig.Config{}, "gemini-3-flash-preview"},
		{[]string{"gemini-2.5-pro"}, proxyconfig.Config{}, "gemini-2.5-pro"},
		{[]string{"nothing"}, proxyconfig.Config{}, "gemini-3-flash-preview"},
	} {
		c.config.SetDefaults(func(string) string { return "" })
		if got := modelFor(&rotator.Credential{Models: c.models}, &c.config); got != c.want {
			t.Errorf("%v, %s: %s, want %s", c.models, c.config.DefaultModel, got, c.want)
		}
	}
}

// roundTrip is a transport in memory.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// manyPatients have the same transport.
func manyPatients(t *testing.T, n int, transport roundTrip) []patient {
	client := google.New(google.Options{HTTP: transport})
	patients := make([]patient, n)
	for i := range patients {
		secret, err := google.ParseSecret(fmt.Sprint("key-", i))
		if err != nil {
			t.Fatal(err)
		}
		cred, err := client.Credential(secret, google.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		cred.Label = fmt.Sprint(i)
		patients[i] = patient{Credential: cred, client: client, model: "m"}
	}
	return patients
}

func TestDoctorsPatienceIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, most atomic.Int64
		begin := time.Now()
		for i, d := range examine(t.Context(), manyPatients(t, 20, func(r *http.Request) (*http.Response, error) {
			most.Store(max(most.Load(), asked.Add(1)))
			defer asked.Add(-1)
			<-r.Context().Done()
			return nil, r.Context().Err()
		})) {
			if d.State != stateUnknown || d.Reason != "TIMEOUT" || d.Label != fmt.Sprint(i) {
				t.Errorf("%+v", d)
			}
		}
		if took := time.Since(begin); took != 90*time.Second || most.Load() != 8 {
			t.Errorf("20 that get no answer took %s, %d at once", took, most.Load())
		}
	})
}

func TestDoctorCanBeInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, context.Canceled)
		defer cancel()
		begin := time.Now()
		for _, d := range examine(ctx, manyPatients(t, 20, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})) {
			if d.State != stateUnknown || d.sentence() != "the examination was interrupted (CANCELED)" {
				t.Errorf("%+v", d)
			}
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
