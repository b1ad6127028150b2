package guests

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// sentinel stands in secrets that must not be seen anywhere.
const sentinel = "s3ntinel"

const refreshToken = `{"refresh_token": "1//` + sentinel + `", "token_type": "Bearer"}`

// setEnv makes the environment of a test: these variables of those that matter, and no others.
func setEnv(t *testing.T, vars map[string]string) {
	t.Helper()
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		for _, prefix := range []string{oauthVariable, keyVariable, adcVariable, "OAUTH_CLIENT_", "CLOUDSDK_CONFIG"} {
			if strings.HasPrefix(name, prefix) {
				t.Setenv(name, "")
			}
		}
	}
	for name, value := range vars {
		t.Setenv(name, value)
	}
}

// origins lists what a source found, as name or name=value where the test cares.
func origins(secrets []proxyconfig.Secret) string {
	list := make([]string, len(secrets))
	for i, s := range secrets {
		list[i] = s.Origin
	}
	return strings.Join(list, " ")
}

func TestEnvFindsTheUsualVariablesWithGapsInOrder(t *testing.T) {
	setEnv(t, map[string]string{
		"GCP_SERVICE_ACCOUNT_10": "k10", "GCP_SERVICE_ACCOUNT_2": "k2", "GCP_SERVICE_ACCOUNT_1000": "k1000", "GCP_SERVICE_ACCOUNT": "k0",
		"GCP_SERVICE_ACCOUNT_3": "  ", "GCP_SERVICE_ACCOUNT_X": "no", "GCP_SERVICE_ACCOUNTS": "no", "GCP_SERVICE_ACCOUNT_4B": "no",
		"GEMINI_API_KEY_7": "g7", "GEMINI_API_KEY": "g0",
	})
	var e EnvCredentials
	if err := e.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	want := "GCP_SERVICE_ACCOUNT GCP_SERVICE_ACCOUNT_2 GCP_SERVICE_ACCOUNT_10 GCP_SERVICE_ACCOUNT_1000 GEMINI_API_KEY GEMINI_API_KEY_7"
	if got := origins(e.Secrets()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, s := range e.Secrets() {
		if s.Origin == "GCP_SERVICE_ACCOUNT_10" && (s.Number != 10 || s.Value != "k10") {
			t.Errorf("%+v", s)
		}
	}
}

func TestEnvReadsTheFileOfGoogleApplicationCredentials(t *testing.T) {
	path := filepath.Join(t.TempDir(), "adc.json")
	if err := os.WriteFile(path, []byte(refreshToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	setEnv(t, map[string]string{adcVariable: path})
	var e EnvCredentials
	if err := e.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	if len(e.Secrets()) != 1 || e.Secrets()[0].Value != refreshToken {
		t.Errorf("%+v", e.Secrets())
	}
	t.Setenv(adcVariable, path+".missing")
	if err := new(EnvCredentials).Provision(caddy.Context{}); err == nil || !strings.Contains(err.Error(), adcVariable) {
		t.Errorf("a path that leads nowhere: %v", err)
	}
}

func TestEnvSaysWhatToSetWhenThereIsNothing(t *testing.T) {
	setEnv(t, nil)
	err := new(EnvCredentials).Provision(caddy.Context{})
	if err == nil || !strings.Contains(err.Error(), "GEMINI_API_KEY") || !strings.Contains(err.Error(), "GCP_SERVICE_ACCOUNT") {
		t.Errorf("%v", err)
	}
}

func TestEnvTakesTheVariablesThatAreNamed(t *testing.T) {
	setEnv(t, map[string]string{
		"GEMINI_API_KEY": "not named", "TEAM_A_2": "a2", "TEAM_A_1": "a1", "TEAM_A_X": "ax", "TEAM_A_EMPTY": "", "OTHER": "o", "EMPTY": "",
	})
	for _, test := range []struct{ names, want, fails string }{
		{names: "OTHER TEAM_A_2", want: "OTHER TEAM_A_2"},
		{names: "TEAM_A_*", want: "TEAM_A_X TEAM_A_1 TEAM_A_2"},
		{names: "MISSING", fails: "MISSING"},
		{names: "EMPTY", fails: "EMPTY"},
		{names: "TEAM_A_1 TEAM_B_*", fails: "TEAM_B_*"},
	} {
		e := EnvCredentials{Names: strings.Fields(test.names)}
		err := e.Provision(caddy.Context{})
		switch {
		case test.fails != "":
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: error %v does not name %s", test.names, err, test.fails)
			}
		case err != nil || origins(e.Secrets()) != test.want:
			t.Errorf("%s: got %s, %v; want %s", test.names, origins(e.Secrets()), err, test.want)
		}
	}
}

func TestInlineResolvesPlaceholdersAndTakesJSONAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_INLINE", refreshToken)
	for value, want := range map[string]string{
		"AQ.plain":            "AQ.plain",
		"{env.TEST_INLINE}":   refreshToken,
		"{file." + path + "}": "from-file",
		refreshToken:          refreshToken,
	} {
		i := InlineCredentials{Values: []string{value}}
		if err := i.Provision(caddy.Context{}); err != nil {
			t.Errorf("%s: %v", value, err)
		} else if got := i.Secrets()[0].Value; got != want {
			t.Errorf("%s: got %q, want %q", value, got, want)
		}
	}
}

func TestErrorsNameAPlaceholderButNeverASecret(t *testing.T) {
	t.Setenv("TEST_EMPTY", "")
	for value, says := range map[string]string{
		"{env.TEST_EMPTY}":                        "{env.TEST_EMPTY}",
		"{env.TEST_UNSET}":                        "{env.TEST_UNSET}",
		"{file./no/such/file}":                    "{file./no/such/file}",
		"{" + sentinel + "}":                      "placeholder",
		`{"refresh_token": "` + sentinel + `", }`: "placeholder", // not quite JSON
	} {
		i := InlineCredentials{Values: []string{"fine", value}}
		err := i.Provision(caddy.Context{})
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "secret 2") {
			t.Errorf("%s: %v", value, err)
		}
		if err != nil && strings.Contains(err.Error(), sentinel) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

func TestFilesReadsEachFileOnce(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"b.json": "key-b", "a.json": "key-a\n", "c.txt": "key-c", "empty": " \n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TEST_DIR", dir)
	f := FileCredentials{Paths: []string{"{env.TEST_DIR}/*.json", filepath.Join(dir, "b.json"), filepath.Join(dir, "c.txt")}}
	if err := f.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, s := range f.Secrets() {
		values = append(values, s.Value)
	}
	if want := []string{"key-a", "key-b", "key-c"}; !slices.Equal(values, want) {
		t.Errorf("got %q, want %q", values, want)
	}
	for _, path := range []string{"none-*", "empty", "[", "{env.TEST_NO_DIR}"} {
		if err := (&FileCredentials{Paths: []string{filepath.Join(dir, path)}}).Provision(caddy.Context{}); err == nil {
			t.Errorf("%s passes", path)
		}
	}
}

func TestFilesRefusesWhatIsTooLargeForACredential(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(path, make([]byte, maxSecret+1), 0o600); err != nil {
		t.Fatal(err)
	}
	err := (&FileCredentials{Paths: []string{path}}).Provision(caddy.Context{})
	if err == nil || !strings.Contains(err.Error(), "too large") || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}

func TestADCPrefersTheVariableThenGcloudsFileThenTheMachine(t *testing.T) {
	dir := t.TempDir()
	setEnv(t, map[string]string{"CLOUDSDK_CONFIG": dir})
	found := func() proxyconfig.Secret {
		t.Helper()
		var a ADCCredentials
		if err := a.Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
		return a.Secrets()[0]
	}
	if got := found(); got.Value != "" {
		t.Errorf("without any file: %+v", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "application_default_credentials.json"), []byte("gcloud"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := found(); got.Value != "gcloud" {
		t.Errorf("with gcloud's file: %+v", got)
	}
	named := filepath.Join(dir, "named.json")
	if err := os.WriteFile(named, []byte("named"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(adcVariable, named)
	if got := found(); got.Value != "named" {
		t.Errorf("with the variable: %+v", got)
	}
}

// assembled provisions sources and makes credentials of what they find.
func assembled(t *testing.T, sources ...proxyconfig.CredentialSource) ([]*rotator.Credential, *observer.ObservedLogs, error) {
	t.Helper()
	for _, source := range sources {
		if err := source.(caddy.Provisioner).Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
	}
	core, logs := observer.New(zap.DebugLevel)
	credentials, err := Credentials(sources, google.New(google.Options{}), zap.New(core))
	return credentials, logs, err
}

func labels(credentials []*rotator.Credential) string {
	list := make([]string, len(credentials))
	for i, c := range credentials {
		list[i] = c.Label
	}
	return strings.Join(list, " ")
}

func TestAccountsKeepTheNumbersOfTheirVariables(t *testing.T) {
	vars := map[string]string{"OAUTH_CLIENT_ID": "id", "OAUTH_CLIENT_SECRET": "hush"}
	for n := 1; n <= 25; n++ {
		if n != 3 && n != 17 {
			vars[fmt.Sprintf("GCP_SERVICE_ACCOUNT_%d", n)] = fmt.Sprintf(`{"refresh_token": "1//%d"}`, n)
		}
	}
	setEnv(t, vars)
	credentials, logs, err := assembled(t, new(EnvCredentials))
	if err != nil {
		t.Fatal(err)
	}
	if len(credentials) != 23 {
		t.Fatalf("%d accounts: %s", len(credentials), labels(credentials))
	}
	for _, c := range credentials {
		if c.Index == 3 || c.Index == 17 {
			t.Errorf("account %d has no variable", c.Index)
		}
		if c.Backend != "code_assist" || c.ClientID != "id" || c.QuotaGroup != c.ID || c.Weight != 1 {
			t.Errorf("%+v", c)
		}
	}
	if credentials[2].Index != 4 || credentials[2].Label != "env-4" || credentials[22].Index != 25 {
		t.Errorf("indices are not the variables': %s", labels(credentials))
	}
	if n := logs.FilterMessageSnippet("Code Assist").Len(); n != 1 {
		t.Errorf("%d warnings about Code Assist, not one for all accounts", n)
	}
}

func TestAccountsWithoutANumberFollowTheNumberedOnes(t *testing.T) {
	setEnv(t, map[string]string{"GEMINI_API_KEY": "k", "GEMINI_API_KEY_1": "k1", "GEMINI_API_KEY_5": "k5", "TEST_KEY_1": "t1"})
	for _, test := range []struct {
		sources []proxyconfig.CredentialSource
		want    string
	}{
		{[]proxyconfig.CredentialSource{&EnvCredentials{Names: []string{"GEMINI_API_KEY"}}}, "env-1"},
		{[]proxyconfig.CredentialSource{new(EnvCredentials)}, "env-6 env-1 env-5"},
		{[]proxyconfig.CredentialSource{
			&InlineCredentials{Values: []string{"a", "b"}}, &InlineCredentials{Values: []string{"c"}},
		}, "inline-1 inline-2 inline-3"},
		{[]proxyconfig.CredentialSource{&EnvCredentials{Names: []string{"GEMINI_API_KEY_1", "TEST_KEY_1"}}}, "env-1 env-1-2"},
		{[]proxyconfig.CredentialSource{
			&InlineCredentials{Values: []string{"a", "b"}, CredentialOptions: proxyconfig.CredentialOptions{Label: "team"}},
			&InlineCredentials{Values: []string{"c"}, CredentialOptions: proxyconfig.CredentialOptions{Label: "alone"}},
		}, "team-1 team-2 alone"},
	} {
		credentials, _, err := assembled(t, test.sources...)
		if err != nil {
			t.Fatal(err)
		}
		if got := labels(credentials); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func TestWhatTheOperatorSaysAboutCredentialsHolds(t *testing.T) {
	t.Setenv("TEST_PROJECT", "p-from-env")
	credentials, logs, err := assembled(t,
		&InlineCredentials{Values: []string{"a"}, CredentialOptions: proxyconfig.CredentialOptions{
			Backend: "vertex", Project: "{env.TEST_PROJECT}", Location: "europe-west4", QuotaGroup: "g", Weight: 3, Models: []string{"gemini-2*"},
		}},
		&InlineCredentials{Values: []string{"b"}, CredentialOptions: proxyconfig.CredentialOptions{Project: "project-b"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	a, b := credentials[0], credentials[1]
	if a.Backend != "vertex" || a.Project != "p-from-env" || a.Location != "europe-west4" || a.QuotaGroup != "g" || a.Weight != 3 ||
		!slices.Equal(a.Models, []string{"gemini-2*"}) {
		t.Errorf("%+v", a)
	}
	if b.Backend != "gemini_api" || b.QuotaGroup != "project-b" || b.Weight != 1 {
		t.Errorf("%+v", b)
	}
	if logs.Len() != 0 {
		t.Errorf("nothing to warn of, but: %v", logs.All())
	}
}

func TestARefreshTokenNeedsItsOAuthClient(t *testing.T) {
	setEnv(t, map[string]string{"OAUTH_CLIENT_ID": "id"})
	_, _, err := assembled(t, &InlineCredentials{Values: []string{"AQ.fine", refreshToken}})
	for _, says := range []string{"inline", "account 2", "secret 2", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("the error does not say %q: %v", says, err)
		}
	}
	own := `{"refresh_token": "1//x", "client_id": "own", "client_secret": "hush"}`
	credentials, _, err := assembled(t, &InlineCredentials{Values: []string{own}})
	if err != nil || credentials[0].ClientID != "own" {
		t.Errorf("a client in the JSON is used: %v", err)
	}
	credentials, _, err = assembled(t, &InlineCredentials{Values: []string{refreshToken}, CredentialOptions: proxyconfig.CredentialOptions{
		ClientID: "configured", ClientSecret: "hush",
	}})
	if err != nil || credentials[0].ClientID != "configured" {
		t.Errorf("a configured client is used: %v", err)
	}
}

func TestTheSameCredentialIsUsedOnce(t *testing.T) {
	credentials, logs, err := assembled(t, &InlineCredentials{Values: []string{"AQ." + sentinel, "other", "AQ." + sentinel}})
	if err != nil {
		t.Fatal(err)
	}
	if got := labels(credentials); got != "inline-1 inline-2" {
		t.Errorf("accounts %s", got)
	}
	if logs.FilterMessageSnippet("twice").Len() != 1 {
		t.Errorf("logs: %v", logs.All())
	}
	for _, entry := range logs.All() {
		if line, _ := json.Marshal(entry.ContextMap()); strings.Contains(string(line)+entry.Message, sentinel) {
			t.Errorf("the log shows the secret: %s %s", entry.Message, line)
		}
	}
}

func TestABadSecretStopsTheStartWithoutShowingIt(t *testing.T) {
	for _, bad := range []string{
		`{"type": "service_account", "client_email": "x@y.z", "private_key": "` + sentinel + `"}`,
		`{"something": "` + sentinel + `"}`,
		"two words " + sentinel,
	} {
		t.Setenv("TEST_BAD_3", bad)
		_, _, err := assembled(t, &EnvCredentials{Names: []string{"TEST_BAD_3"}})
		if err == nil || !strings.Contains(err.Error(), "env") || !strings.Contains(err.Error(), "TEST_BAD_3") || !strings.Contains(err.Error(), "account 3") {
			t.Errorf("the error does not name source and number: %v", err)
		}
		if err != nil && strings.Contains(err.Error(), sentinel) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

func TestAServiceAccountIsForVertexAndItsOwnProject(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "sa-project", "client_email": "x@sa-project.iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
	})
	if err != nil {
		t.Fatal(err)
	}
	credentials, _, err := assembled(t, &InlineCredentials{Values: []string{string(secret)}})
	if err != nil {
		t.Fatal(err)
	}
	if c := credentials[0]; c.Backend != "vertex" || c.Project != "sa-project" || c.QuotaGroup != "sa-project" || c.Location != "global" {
		t.Errorf("%+v", c)
	}
}

func TestEveryOptionMayBeAPlaceholder(t *testing.T) {
	setEnv(t, nil)
	options := func() proxyconfig.CredentialOptions {
		return proxyconfig.CredentialOptions{ClientID: "id", ClientSecret: "hush", Project: "p", Location: "l", QuotaGroup: "g", Label: "n"}
	}
	for name, field := range map[string]func(*proxyconfig.CredentialOptions) *string{
		"client_id":     func(o *proxyconfig.CredentialOptions) *string { return &o.ClientID },
		"client_secret": func(o *proxyconfig.CredentialOptions) *string { return &o.ClientSecret },
		"project":       func(o *proxyconfig.CredentialOptions) *string { return &o.Project },
		"location":      func(o *proxyconfig.CredentialOptions) *string { return &o.Location },
		"quota_group":   func(o *proxyconfig.CredentialOptions) *string { return &o.QuotaGroup },
		"label":         func(o *proxyconfig.CredentialOptions) *string { return &o.Label },
	} {
		t.Setenv("TEST_OPTION", "resolved")
		o := options()
		*field(&o) = "{env.TEST_OPTION}"
		resolved, err := resolveOptions(o)
		if err != nil || *field(&resolved) != "resolved" {
			t.Errorf("%s: %q, %v", name, *field(&resolved), err)
		}
		t.Setenv("TEST_OPTION", "")
		if _, _, err := assembled(t, &InlineCredentials{Values: []string{"key"}, CredentialOptions: o}); err == nil ||
			!strings.Contains(err.Error(), name+": the placeholder {env.TEST_OPTION}") {
			t.Errorf("%s: the error does not name the option and what is wrong with it: %v", name, err)
		}
	}
}

func TestConfiguredOAuthClientsComeBeforeThatOfTheEnvironment(t *testing.T) {
	setEnv(t, map[string]string{"OAUTH_CLIENT_ID": "env-id", "OAUTH_CLIENT_SECRET": "env-secret"})
	for _, test := range []struct{ id, secret, wantID, wantSecret string }{
		{"", "", "env-id", "env-secret"},
		{"own-id", "own-secret", "own-id", "own-secret"},
	} {
		o, err := resolveOptions(proxyconfig.CredentialOptions{ClientID: test.id, ClientSecret: test.secret})
		if err != nil || o.ClientID != test.wantID || o.ClientSecret != test.wantSecret {
			t.Errorf("%q %q: got %q %q, %v", test.id, test.secret, o.ClientID, o.ClientSecret, err)
		}
	}
}

func TestTheIdentityOfTheMachineIsACredentialForVertex(t *testing.T) {
	setEnv(t, map[string]string{"CLOUDSDK_CONFIG": t.TempDir()})
	credentials, _, err := assembled(t, &ADCCredentials{CredentialOptions: proxyconfig.CredentialOptions{Project: "p"}})
	if err != nil || len(credentials) != 1 || credentials[0].Backend != "vertex" || credentials[0].Label != "adc-1" {
		t.Errorf("%+v, %v", credentials, err)
	}
}

// A file that is there and cannot be used is a mistake to mend, not a reason to become somebody else.
func TestABadFileOfGcloudsIsNotPassedOver(t *testing.T) {
	dir := t.TempDir()
	setEnv(t, map[string]string{"CLOUDSDK_CONFIG": dir})
	path := filepath.Join(dir, "application_default_credentials.json")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := new(ADCCredentials).Provision(caddy.Context{}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}

func TestABlankSecretIsRefused(t *testing.T) {
	err := (&InlineCredentials{Values: []string{"fine", " \n"}}).Provision(caddy.Context{})
	if err == nil || err.Error() != "secret 2 is empty" {
		t.Errorf("%v", err)
	}
}
