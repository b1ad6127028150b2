package google

import (
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

var (
	keySecret     = func() string { return "the-key" }
	refreshSecret = func() string { return object("refresh_token", "1//r") }
	userSecret    = func() string {
		return object("type", "authorized_user", "client_id", "gcloud", "client_secret", "gs", "refresh_token", "1//r", "quota_project_id", "q-proj")
	}
	accountSecret  = func() string { return serviceAccountJSON() }
	externalSecret = func() string { return object("type", "external_account", "audience", "x") }
)

func TestCredentialOfEverySecretAndBackend(t *testing.T) {
	oauth := Settings{ClientID: "cid", ClientSecret: "cs"}
	with := func(o Settings, change func(*Settings)) Settings { change(&o); return o }
	for _, test := range []struct {
		name                               string
		secret                             func() string
		settings                           Settings
		backend                            translate.Backend
		project, location, group, clientID string // group "" means the account's own
	}{
		{"key", keySecret, Settings{}, translate.GeminiAPI, "", "", "", ""},
		{"key of a project", keySecret, Settings{Project: "p-1"}, translate.GeminiAPI, "p-1", "", "p-1", ""},
		{"key on Vertex", keySecret, Settings{Backend: translate.Vertex}, translate.Vertex, "", "global", "", ""},
		{"refresh token", refreshSecret, oauth, translate.CodeAssist, "", "", "", "cid"},
		{"refresh token of a project", refreshSecret, with(oauth, func(o *Settings) { o.Project = "p-1" }),
			translate.CodeAssist, "p-1", "", "p-1", "cid"},
		{"refresh token on Vertex", refreshSecret, with(oauth, func(o *Settings) { o.Backend, o.Project, o.Location = translate.Vertex, "p-1", "eu" }),
			translate.Vertex, "p-1", "eu", "p-1", "cid"},
		{"user", userSecret, oauth, translate.Vertex, "q-proj", "global", "q-proj", "gcloud"},
		{"service account", accountSecret, Settings{}, translate.Vertex, "sa-proj", "global", "sa-proj", ""},
		{"service account in another project", accountSecret, Settings{Project: "p-1"}, translate.Vertex, "p-1", "global", "p-1", ""},
		{"service account on the Developer API", accountSecret, Settings{Backend: translate.GeminiAPI}, translate.GeminiAPI, "sa-proj", "", "sa-proj", ""},
		{"external", externalSecret, Settings{Project: "p-1"}, translate.Vertex, "p-1", "global", "p-1", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			secret, err := ParseSecret(test.secret())
			if err != nil {
				t.Fatal(err)
			}
			cred, err := New(Options{}).Credential(secret, test.settings)
			if err != nil {
				t.Fatal(err)
			}
			if test.group == "" {
				test.group = cred.ID
			}
			if cred.Backend != string(test.backend) || cred.Project != test.project || cred.Location != test.location ||
				cred.QuotaGroup != test.group || cred.ClientID != test.clientID || cred.Minter == nil || cred.Weight != 1 {
				t.Errorf("%+v", cred)
			}
		})
	}
}

func TestMachineNeedsNothingAtTheStart(t *testing.T) {
	cred, err := New(Options{HTTP: roundTrip(nil)}).Credential(Machine(), Settings{})
	if err != nil || cred.Backend != string(translate.Vertex) || cred.Project != "" || cred.ID == "" {
		t.Errorf("%+v, %v", cred, err)
	}
	other, err := New(Options{}).Credential(Machine(), Settings{Project: "p-1"})
	if err != nil || other.ID == cred.ID || other.Project != "p-1" {
		t.Errorf("%+v, %v", other, err)
	}
}

func TestWhatCannotWorkIsRefusedAtTheStart(t *testing.T) {
	oauth := Settings{ClientID: "cid", ClientSecret: "cs"}
	with := func(o Settings, change func(*Settings)) Settings { change(&o); return o }
	for _, test := range []struct {
		name     string
		secret   func() string
		settings Settings
	}{
		{"key on Code Assist", keySecret, Settings{Backend: translate.CodeAssist}},
		{"unknown backend", keySecret, Settings{Backend: "bing"}},
		{"refresh token without a client", refreshSecret, Settings{}},
		{"refresh token without the client's secret", refreshSecret, Settings{ClientID: "cid"}},
		{"Code Assist with a project's number", refreshSecret, with(oauth, func(o *Settings) { o.Project = "123456789012" })},
		{"refresh token on Vertex without a project", refreshSecret, with(oauth, func(o *Settings) { o.Backend = translate.Vertex })},
		{"external without a project", externalSecret, Settings{}},
		{"a project that is a path", accountSecret, Settings{Project: "a/../b"}},
		{"a location that is a host", accountSecret, Settings{Location: "evil.example/"}},
	} {
		secret, err := ParseSecret(test.secret())
		if err != nil {
			t.Fatal(err)
		}
		if cred, err := New(Options{}).Credential(secret, test.settings); err == nil {
			t.Errorf("%s: %+v", test.name, cred)
		}
	}
}

func TestQuotaProjectGoesWithUsersTokens(t *testing.T) {
	client := New(Options{HTTP: tokenEndpoint(t, nil)})
	for _, test := range []struct {
		name     string
		secret   func() string
		settings Settings
		want     string
	}{
		{"user on Vertex", userSecret, Settings{}, "q-proj"},
		{"user on Vertex in another project", userSecret, Settings{Project: "p-1"}, "q-proj"},
		{"user on the Developer API", userSecret, Settings{Backend: translate.GeminiAPI, Project: "p-1"}, "p-1"},
		{"service account on Vertex", accountSecret, Settings{Project: "p-1"}, ""},
		{"service account on the Developer API", accountSecret, Settings{Backend: translate.GeminiAPI}, ""},
		{"key of a project", keySecret, Settings{Project: "p-1"}, ""},
	} {
		secret, err := ParseSecret(test.secret())
		if err != nil {
			t.Fatal(err)
		}
		cred, err := client.Credential(secret, test.settings)
		if err != nil {
			t.Fatal(err)
		}
		var token *rotator.Token
		if token, err = cred.Minter.Mint(t.Context()); err != nil {
			t.Fatal(err)
		}
		if token.QuotaProject != test.want || token.APIKey != (test.name == "key of a project") {
			t.Errorf("%s: %+v", test.name, token)
		}
	}
}
