package geminiproxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/accounts"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
)

// load provisions and validates a handler as Caddy does. The handler is cleaned up by unload, and at the end of the test.
func load(t *testing.T, config string) (h *Handler, unload func(), err error) {
	t.Helper()
	around, err := caddy.ProvisionContext(&caddy.Config{StorageRaw: []byte(`{"module": "file_system", "root": "` + t.TempDir() + `"}`)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(around)
	t.Cleanup(cancel)
	module, err := ctx.LoadModuleByID("http.handlers.gemini_proxy", []byte(config))
	if err != nil {
		return nil, cancel, err
	}
	return module.(*Handler), cancel, nil
}

// inline is the configuration of a handler with these API keys.
func inline(keys ...string) string {
	return fmt.Sprintf(`{"credentials": [{"source": "inline", "secrets": ["%s"]}]}`, strings.Join(keys, `", "`))
}

// references counts the handlers that hold the account of an API key.
func references(t *testing.T, key string) int {
	t.Helper()
	secret, err := google.ParseSecret(key)
	if err != nil {
		t.Fatal(err)
	}
	cred, err := google.New(google.Options{}).Credential(secret, google.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return accounts.References(cred.ID)
}

func TestAFailedReloadLeavesTheRunningHandlersAccountsAlone(t *testing.T) {
	if _, _, err := load(t, inline("first", "second")); err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]string{
		"the third secret is bad":  inline("first", "second", "not a key"),
		"a limit is bad":           strings.Replace(inline("first", "second"), "{", `{"limit": [{"model": "["}], `, 1),
		"there is no such policy":  strings.Replace(inline("first", "second"), "{", `{"policy": {"policy": "luck"}, `, 1),
		"there is no such state":   strings.Replace(inline("first", "second"), "{", `{"state": {"state": "redis"}, `, 1),
		"hedge is too much":        strings.Replace(inline("first", "second"), "{", `{"hedge": 200, `, 1),
		"there is no such setting": strings.Replace(inline("first", "second"), "{", `{"luck": true, `, 1),
	} {
		if _, _, err := load(t, config); err == nil {
			t.Errorf("%s, and the configuration loads", name)
		}
		for _, key := range []string{"first", "second"} {
			if n := references(t, key); n != 1 {
				t.Errorf("%s: the account is held by %d handlers, not 1", name, n)
			}
		}
	}
}

func TestAccountsAreHeldAsLongAsAHandlerHasThem(t *testing.T) {
	_, unloadOld, err := load(t, inline("kept", "dropped"))
	if err != nil {
		t.Fatal(err)
	}
	_, unloadNew, err := load(t, inline("kept"))
	if err != nil {
		t.Fatal(err)
	}
	if kept, dropped := references(t, "kept"), references(t, "dropped"); kept != 2 || dropped != 1 {
		t.Errorf("while both are loaded: %d and %d", kept, dropped)
	}
	unloadOld()
	if kept, dropped := references(t, "kept"), references(t, "dropped"); kept != 1 || dropped != 0 {
		t.Errorf("after the reload: %d and %d", kept, dropped)
	}
	unloadNew()
	if kept := references(t, "kept"); kept != 0 {
		t.Errorf("at the end: %d", kept)
	}
}

func TestProvisioningAsksNothingOverTheNetwork(t *testing.T) {
	var calls atomic.Int32
	network := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer network.Close()
	t.Setenv("TEST_REFRESH_TOKEN", `{"refresh_token": "1//x", "client_id": "id", "client_secret": "hush"}`)
	t.Setenv("CLOUDSDK_CONFIG", t.TempDir())
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(network.URL, "http://"))
	_, _, err := load(t, fmt.Sprintf(`{
		"credentials": [
			{"source": "env", "names": ["TEST_REFRESH_TOKEN"]},
			{"source": "inline", "secrets": ["{env.TEST_REFRESH_TOKEN}"], "backend": "vertex", "project": "project"},
			{"source": "adc"}
		],
		"endpoint": {"gemini_api": %[1]q, "vertex": %[1]q, "code_assist": %[1]q, "oauth": %[1]q},
		"transport": {"protocol": "http", "dial_timeout": "1s"}
	}`, network.URL))
	if err != nil {
		t.Fatal(err)
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestAHandlerWithoutCredentialsTakesThoseOfTheEnvironment(t *testing.T) {
	t.Setenv("GEMINI_API_KEY", "from-the-environment")
	if _, _, err := load(t, `{}`); err != nil {
		t.Fatal(err)
	}
	if n := references(t, "from-the-environment"); n != 1 {
		t.Errorf("the account is held %d times", n)
	}
}

func TestEveryPolicyCanBeLoaded(t *testing.T) {
	for _, policy := range []string{"headroom", "round_robin", "fill_first", "weighted", "random"} {
		config := strings.Replace(inline("key"), "{", fmt.Sprintf(`{"policy": {"policy": %q}, `, policy), 1)
		if _, _, err := load(t, config); err != nil {
			t.Error(err)
		}
	}
}

func TestEveryOptionOfTheRotationCanBeLoaded(t *testing.T) {
	for _, options := range []string{
		`"state": {"state": "storage"}`, `"state": {"state": "memory"}`, `"affinity": 0`, `"affinity": 60000000000`, `"hedge": 5`,
		`"retry": {"max_wait": 0}`, `"retry": {"max_wait": 60000000000, "queue": 1}`,
	} {
		if _, _, err := load(t, strings.Replace(inline("key"), "{", "{"+options+", ", 1)); err != nil {
			t.Errorf("%s: %v", options, err)
		}
	}
}

// Where requests may not wait, nothing may be held back from them.
func TestNobodyWaitsWhereTheWaitIsZero(t *testing.T) {
	for wait, want := range map[string]int{`"max_wait": 0`: 0, `"max_wait": "1s"`: 7} {
		h, _, err := load(t, strings.Replace(inline("key"), "{", `{"retry": {"queue": 7, `+wait+`}, `, 1))
		if err != nil {
			t.Fatal(err)
		}
		if got := h.poolOptions(nil).Queue; got != want {
			t.Errorf("%s: %d may wait, want %d", wait, got, want)
		}
	}
}
