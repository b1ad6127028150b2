package admin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// running serves the admin API and returns its address.
func running(t *testing.T) string {
	server := httptest.NewServer(adminAPI())
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// run runs a command as the shell would, and returns what it prints.
func run(t *testing.T, command func() *cobra.Command, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestCommandsDoWhatTheySay(t *testing.T) {
	p := handler(t, "one", "two")
	address := running(t)
	use(p, nil)
	use(p, nil)
	for _, c := range []struct {
		name, want string
		command    func() *cobra.Command
		args       []string
		used       string // by two calls then
	}{
		{"disable", "one is disabled\n", disableCommand, []string{"one"}, "two two"},
		{"reset all", "one is disabled\ntwo is ready\n", resetCommand, []string{"--all"}, "two two"},
		{"enable", "one is ready\n", enableCommand, []string{"one"}, "one one"},
		{"reset", "two is ready\n", resetCommand, []string{"two"}, "one one"},
	} {
		out, err := run(t, c.command, append(c.args, "--address", address)...)
		if err != nil || out != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, out, err, c.want)
		}
		if got := use(p, nil) + " " + use(p, nil); got != c.used {
			t.Errorf("%s: used %s, want %s", c.name, got, c.used)
		}
	}
	use(p, &rotator.Fault{Kind: rotator.FaultQuotaLong, Delay: time.Hour})
	out, err := run(t, accountsCommand, "--address", address)
	if err != nil || strings.Count(out, "\none ") != 1 || !strings.Contains(out, "quota_long until 20") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = run(t, accountsCommand, "--json", "--address", address)
	var shown rotator.PoolSnapshot
	if err != nil || json.Unmarshal([]byte(out), &shown) != nil || len(shown.Accounts) != 2 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestCommandsThatCannotBeMeantAreRefused(t *testing.T) {
	p := handler(t, "one")
	address := running(t)
	for _, c := range []struct {
		name    string
		command func() *cobra.Command
		args    []string
	}{
		{"disable nothing", disableCommand, nil},
		{"disable two", disableCommand, []string{"one", "two"}},
		{"disable an unknown one", disableCommand, []string{"two"}},
		{"disable all", disableCommand, []string{"--all"}},
		{"disable a blank", disableCommand, []string{""}},
		{"enable nothing", enableCommand, nil},
		{"reset nothing", resetCommand, nil},
		{"reset one and all", resetCommand, []string{"one", "--all"}},
		{"show one", accountsCommand, []string{"one"}},
	} {
		if out, err := run(t, c.command, append(c.args, "--address", address)...); err == nil {
			t.Errorf("%s: %s", c.name, out)
		}
	}
	if state := p.Snapshot().Accounts[0].State; state != rotator.StateReady {
		t.Errorf("the account is %s", state)
	}
}

func TestCommandsFindTheAdminAPIThroughTheConfiguration(t *testing.T) {
	handler(t, "one")
	config := filepath.Join(t.TempDir(), "caddy.json")
	if err := os.WriteFile(config, []byte(`{"admin": {"listen": "`+running(t)+`"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run(t, disableCommand, "one", "--config", config); err != nil || out != "one is disabled\n" {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := run(t, accountsCommand, "--config", filepath.Join(t.TempDir(), "none.json")); err == nil {
		t.Errorf("without a configuration: %q", out)
	}
}

func TestAnswersOfSomethingElseAreErrors(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	if out, err := run(t, accountsCommand, "--address", address); err == nil {
		t.Errorf("accounts: %q", out)
	}
	if out, err := run(t, enableCommand, "one", "--address", address); err == nil {
		t.Errorf("enable: %q", out)
	}
}

func TestTheTableIsAligned(t *testing.T) {
	until := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	shown := rotator.PoolSnapshot{
		Pool: rotator.PoolCounts{Accounts: 3, Ready: 1, Cooling: 1, Disabled: 1, InFlight: 2, Queued: 4},
		Accounts: []rotator.AccountSnapshot{
			{Label: "env-1", Aliases: []string{"mine"}, Backend: "vertex", QuotaGroup: "p1", State: "ready", Requests: 123, Errors: 2,
				Models: []rotator.ModelAccount{
					{Model: "gemini-2.5-pro", State: "cooling", Reason: "quota_long", Until: until,
						RPM: rotator.Usage{Used: 0, Limit: 5}, RPD: rotator.Usage{Used: 20, Limit: 20}, TPM: rotator.Usage{Used: 7}},
					{Model: "gemini-3-flash-preview", State: "ready"},
				}},
			{Label: "env-2", Backend: "gemini_api", QuotaGroup: "env-2", State: "disabled", Reason: "bad\x1b[31m\nkey"},
		},
		Models: []rotator.ModelSnapshot{{Model: "gemini-3.1-pro", State: "overloaded", Until: until}, {Model: "m", State: "ready"}},
		Notes:  []string{"these 2 accounts share one project\x07"},
	}
	want := `
LABEL        BACKEND     GROUP  STATE     REASON        REQUESTS  ERRORS  MODEL                   STATE                                  RPM  RPD    TPM
env-1, mine  vertex      p1     ready     -             123       2       gemini-2.5-pro          quota_long until 2026-11-24T08:00:00Z  0/5  20/20  7
                                                                          gemini-3-flash-preview  ready                                  0    0      0
env-2        gemini_api  env-2  disabled  bad?[31m?key  0         0       -                       -                                      -    -      -

gemini-3.1-pro is overloaded until 2026-11-24T08:00:00Z
these 2 accounts share one project?
Accounts: 1 ready, 1 cooling, 1 disabled. Requests in flight: 2, waiting: 4
`
	var out strings.Builder
	if err := printAccounts(&out, &shown); err != nil || "\n"+out.String() != want {
		t.Errorf("%v, got\n%swant%s", err, out.String(), want)
	}
	out.Reset()
	if err := printAccounts(&out, &rotator.PoolSnapshot{}); err != nil || !strings.HasPrefix(out.String(), "No accounts") {
		t.Errorf("%v, got %s", err, out.String())
	}
}

func TestChangedAccountsAreToldInALine(t *testing.T) {
	var out strings.Builder
	err := printChanged(&out, []rotator.AccountSnapshot{
		{Label: "a", State: "ready"}, {Label: "b", State: "disabled", Reason: rotator.ByOperator}, {Label: "c", State: "cooling", Reason: "rate_short"},
	})
	if want := "a is ready\nb is disabled\nc is cooling: rate_short\n"; err != nil || out.String() != want {
		t.Errorf("%v, got %q", err, out.String())
	}
}
