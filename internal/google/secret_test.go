package google

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// privateKey is the RSA key of the tests' service accounts, in PEM form.
var privateKey = sync.OnceValue(func() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
})

// object is JSON of pairs of names and values.
func object(pairs ...any) string {
	m := make(map[string]any)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func serviceAccountJSON(more ...any) string {
	return object(append([]any{
		"type", "service_account", "project_id", "sa-proj", "private_key_id", "kid-1", "private_key", privateKey(),
		"client_email", "bot@sa-proj.iam.gserviceaccount.com", "token_uri", "https://oauth2.googleapis.com/token",
	}, more...)...)
}

func TestWhatASecretIsIsToldFromItsContent(t *testing.T) {
	expiry := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name, text string
		want       Secret
	}{
		{"a key of today", "AQ.Ab8RN6-x", Secret{Kind: SecretAPIKey, Backend: translate.GeminiAPI, value: "AQ.Ab8RN6-x"}},
		{"a key of yesterday", "AIzaSyX", Secret{Kind: SecretAPIKey, Backend: translate.GeminiAPI, value: "AIzaSyX"}},
		{"a key of tomorrow", "x", Secret{Kind: SecretAPIKey, Backend: translate.GeminiAPI, value: "x"}},
		{"a key from a file", "\xef\xbb\xbf AIzaSyX\r\n", Secret{Kind: SecretAPIKey, Backend: translate.GeminiAPI, value: "AIzaSyX"}},
		{"a service account", serviceAccountJSON(), Secret{
			Kind: SecretServiceAccount, Backend: translate.Vertex, Project: "sa-proj", keyID: "kid-1",
			email: "bot@sa-proj.iam.gserviceaccount.com", tokenURI: "https://oauth2.googleapis.com/token",
		}},
		{"gcloud's user", object("type", "authorized_user", "client_id", "cid", "client_secret", "cs", "refresh_token", "1//r",
			"quota_project_id", "q-proj", "universe_domain", "googleapis.com", "account", ""), Secret{
			Kind: SecretRefreshToken, Backend: translate.Vertex, QuotaProject: "q-proj", ClientID: "cid", clientSecret: "cs", value: "1//r",
		}},
		{"Gemini CLI's user", object("access_token", "ya29.a", "refresh_token", "1//r", "scope", "s", "token_type", "Bearer", "id_token", "e",
			"expiry_date", expiry.UnixMilli()), Secret{
			Kind: SecretRefreshToken, Backend: translate.CodeAssist, value: "1//r", seed: seed{"ya29.a", expiry},
		}},
		{"expiry in Go's form", object("access_token", "ya29.a", "refresh_token", "1//r", "expiry", "2026-11-24T08:00:00Z"), Secret{
			Kind: SecretRefreshToken, Backend: translate.CodeAssist, value: "1//r", seed: seed{"ya29.a", expiry},
		}},
		{"expiry as text", object("access_token", "ya29.a", "refresh_token", "1//r", "expiry_date", fmt.Sprint(expiry.UnixMilli())), Secret{
			Kind: SecretRefreshToken, Backend: translate.CodeAssist, value: "1//r", seed: seed{"ya29.a", expiry},
		}},
		{"expiry that says nothing", object("access_token", "ya29.a", "refresh_token", "1//r", "expiry_date", nil, "expiry", 7), Secret{
			Kind: SecretRefreshToken, Backend: translate.CodeAssist, value: "1//r", seed: seed{token: "ya29.a"},
		}},
		{"Python's user", object("token", "ya29.a", "refresh_token", "1//r", "token_uri", "https://t.example/token", "client_id", "cid",
			"client_secret", "cs", "scopes", []string{"a"}, "expiry", "2026-11-24T08:00:00Z"), Secret{
			Kind: SecretRefreshToken, Backend: translate.CodeAssist, value: "1//r", ClientID: "cid", clientSecret: "cs",
			tokenURI: "https://t.example/token", seed: seed{"ya29.a", expiry},
		}},
		{"a wrapper", object("token", map[string]any{"refresh_token": "1//r", "access_token": "ya29.a", "expiry_date": expiry.UnixMilli()},
			"project_id", "w-proj", "email", "a@b.c", "client_id", "cid", "client_secret", "cs"), Secret{
			Kind: SecretRefreshToken, Backend: translate.CodeAssist, Project: "w-proj", value: "1//r", ClientID: "cid", clientSecret: "cs",
			seed: seed{"ya29.a", expiry},
		}},
		{"workload identity", object("type", "external_account", "audience", "//iam.googleapis.com/x"), Secret{
			Kind: SecretExternal, Backend: translate.Vertex, credType: "external_account",
		}},
		{"impersonation", object("type", "impersonated_service_account", "quota_project_id", "q-proj"), Secret{
			Kind: SecretExternal, Backend: translate.Vertex, credType: "impersonated_service_account", QuotaProject: "q-proj",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseSecret(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got.Kind == SecretServiceAccount || got.Kind == SecretExternal {
				if got.value != test.text {
					t.Errorf("the JSON is not kept")
				}
				got.value = ""
			}
			if !got.seed.expiry.Equal(test.want.seed.expiry) {
				t.Errorf("expiry %v; want %v", got.seed.expiry, test.want.seed.expiry)
			}
			got.seed.expiry = test.want.seed.expiry
			if *got != test.want {
				t.Errorf("got  %+v\nwant %+v", *got, test.want)
			}
		})
	}
}

// sentinel stands for what must never be repeated.
const sentinel = "hunter2-SENTINEL"

// badSecrets are none of the kinds there are.
func badSecrets() map[string]string {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		panic(err)
	}
	ecPEM := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return map[string]string{
		"empty":                          "",
		"blank":                          " \n\t ",
		"a byte order mark":              "\xef\xbb\xbf",
		"two keys":                       sentinel + " " + sentinel,
		"a key in quotes":                `"` + sentinel + `"`,
		"a key in single quotes":         "'" + sentinel + "'",
		"an empty list":                  "[]",
		"a control character":            sentinel + "\x00x",
		"a line break":                   sentinel + "\n" + sentinel,
		"an accented character":          sentinel + "é",
		"broken JSON":                    `{"refresh_token":"` + sentinel,
		"JSON that goes on":              `{"refresh_token":"x"} ` + sentinel,
		"JSON of no kind":                object("password", sentinel),
		"an empty object":                "{}",
		"an unknown type":                object("type", sentinel, "refresh_token", sentinel),
		"a type that is none":            object("type", []string{sentinel}),
		"an empty refresh token":         object("refresh_token", "", "access_token", sentinel),
		"a user without a refresh token": object("type", "authorized_user", "client_secret", sentinel),
		"an OAuth client":                object("installed", map[string]string{"client_secret": sentinel}),
		"a wrapper of nothing":           object("token", map[string]string{"access_token": sentinel}),
		"no e-mail":                      object("type", "service_account", "private_key", privateKey(), "project_id", sentinel),
		"no private key":                 object("type", "service_account", "client_email", sentinel),
		"a private key that is none":     object("type", "service_account", "client_email", "a@b.c", "private_key", sentinel),
		"a damaged private key": object("type", "service_account", "client_email", "a@b.c",
			"private_key", "-----BEGIN PRIVATE KEY-----\nTUlJRQ==\n-----END PRIVATE KEY-----\n"+sentinel),
		"a key of another kind": object("type", "service_account", "client_email", sentinel, "private_key", ecPEM),
	}
}

func TestWhatIsNoSecretIsRefusedWithoutRepeatingIt(t *testing.T) {
	for name, text := range badSecrets() {
		secret, err := ParseSecret(text)
		if err == nil {
			t.Errorf("%s: taken for a %v", name, secret)
		} else if strings.Contains(err.Error(), sentinel) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseSecretRepeatsNothing(f *testing.F) {
	for _, text := range badSecrets() {
		f.Add(text)
	}
	f.Add(serviceAccountJSON("audience", sentinel))
	f.Add(object("type", "external_account", "audience", sentinel))
	f.Add(object("token", object("token", sentinel)))
	f.Add(sentinel)
	client := New(Options{})
	f.Fuzz(func(t *testing.T, text string) {
		for _, text := range []string{text, text + sentinel, sentinel + text} {
			secret, err := ParseSecret(text)
			if err == nil {
				if printed := fmt.Sprintf("%v %+v %#v %s", secret, secret, secret, secret); strings.Contains(printed, sentinel) {
					t.Error(printed)
				}
				_, err = client.Credential(secret, Settings{})
			}
			if err != nil && strings.Contains(err.Error(), sentinel) {
				t.Error(err)
			}
		}
	})
}

func TestFingerprintsTellAccountsApartAndGiveNothingAway(t *testing.T) {
	client := New(Options{})
	id := func(text string, o Settings) string {
		t.Helper()
		secret, err := ParseSecret(text)
		if err != nil {
			t.Fatal(err)
		}
		cred, err := client.Credential(secret, o)
		if err != nil {
			t.Fatal(err)
		}
		return cred.ID
	}
	oauth := Settings{ClientID: "cid", ClientSecret: "cs"}
	refresh := object("refresh_token", "1//r", "access_token", "ya29.a", "expiry_date", 1)
	distinct := map[string]string{
		"a key":                             id("key-1", Settings{}),
		"another key":                       id("key-2", Settings{}),
		"the key on Vertex":                 id("key-1", Settings{Backend: translate.Vertex}),
		"a refresh token":                   id(refresh, oauth),
		"another refresh token":             id(object("refresh_token", "1//s"), oauth),
		"the refresh token of a new client": id(refresh, Settings{ClientID: "cid", ClientSecret: "new"}),
		"the refresh token elsewhere":       id(refresh, Settings{ClientID: "cid", ClientSecret: "cs", Project: "other-proj"}),
		"a service account":                 id(serviceAccountJSON(), Settings{}),
		"a new key of it":                   id(serviceAccountJSON("private_key_id", "kid-2"), Settings{}),
	}
	seen := make(map[string]string)
	for name, id := range distinct {
		if other, twice := seen[id]; twice {
			t.Errorf("%s and %s have the same fingerprint", name, other)
		}
		seen[id] = name
		if len(id) != 2*fingerprintLen || strings.Trim(id, "0123456789abcdef") != "" {
			t.Errorf("%s: %q", name, id)
		}
	}
	// What changes by itself, or does not make another account, changes nothing.
	if id(object("refresh_token", "1//r", "access_token", "ya29.b", "expiry_date", 2), oauth) != distinct["a refresh token"] {
		t.Error("a new access token makes another account")
	}
	if id(serviceAccountJSON("universe_domain", "googleapis.com"), Settings{Location: "eu"}) != distinct["a service account"] {
		t.Error("another file of the same key makes another account")
	}
	if id(" key-1\n", Settings{Project: "p-1"}) != distinct["a key"] {
		t.Error("a label makes another account of a key")
	}
}

// writeFile writes a file for the test, and returns its path.
func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
