package google

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// tokenEndpoint answers like Google's, unless told otherwise, and checks what every call for a token must be.
func tokenEndpoint(t *testing.T, answer func(form url.Values) (status int, body string)) roundTrip {
	return func(req *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		form, err := url.ParseQuery(string(body))
		if err != nil || req.Method != http.MethodPost || req.Header.Get("User-Agent") != product {
			t.Errorf("%s %s, %v, %v", req.Method, body, req.Header, err)
		}
		status, text := 200, `{"access_token":"ya29.fresh","expires_in":3599,"token_type":"Bearer"}`
		if answer != nil {
			status, text = answer(form)
		}
		resp := reply(status, text)
		resp.Header.Set("Content-Type", "application/json; charset=utf-8")
		resp.Request = req
		return resp, nil
	}
}

func minter(t *testing.T, o Options, secret string) rotator.Minter {
	t.Helper()
	parsed, err := ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := New(o).minter(parsed, Settings{ClientID: "cid", ClientSecret: "cs"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestKeyIsItsOwnToken(t *testing.T) {
	got, err := minter(t, Options{}, "the-key").Mint(t.Context())
	if err != nil || *got != (rotator.Token{Secret: "the-key", APIKey: true}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRefreshTokenIsTradedForAnAccessToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var forms []url.Values
		answers := []string{
			`{"access_token":"ya29.1","expires_in":3599}`,
			`{"access_token":"ya29.2","expires_in":100,"refresh_token":"1//new"}`,
			`{"access_token":"ya29.3"}`,
		}
		m := minter(t, Options{HTTP: tokenEndpoint(t, func(form url.Values) (int, string) {
			forms = append(forms, form)
			return 200, answers[len(forms)-1]
		})}, object("refresh_token", "1//old"))
		for i, want := range []rotator.Token{
			{Secret: "ya29.1", Expiry: time.Now().Add(3599 * time.Second)},
			{Secret: "ya29.2", Expiry: time.Now().Add(100 * time.Second)},
			{Secret: "ya29.3", Expiry: time.Now().Add(time.Hour)}, // Google's tokens live for an hour when it does not say
		} {
			got, err := m.Mint(t.Context())
			if err != nil || *got != want {
				t.Errorf("token %d: %+v, %v; want %+v", i, got, err, want)
			}
		}
		for i, refresh := range []string{"1//old", "1//old", "1//new"} { // kept when none came, else replaced
			want := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"cid"}, "client_secret": {"cs"}}
			if forms[i].Encode() != want.Encode() {
				t.Errorf("call %d: %v; want %v", i, forms[i], want)
			}
		}
	})
}

func TestAccessTokenInTheFileIsUsedOnceWhileItLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		endpoint := tokenEndpoint(t, func(url.Values) (int, string) { calls++; return 200, `{"access_token":"ya29.fresh"}` })
		lasting := time.Now().Add(10 * time.Minute)
		m := minter(t, Options{HTTP: endpoint}, object("refresh_token", "1//r", "access_token", "ya29.kept", "expiry_date", lasting.UnixMilli()))
		got, err := m.Mint(t.Context())
		if err != nil || got.Secret != "ya29.kept" || !got.Expiry.Equal(lasting) || calls != 0 {
			t.Errorf("%+v, %v, %d calls", got, err, calls)
		}
		// It is asked again when that one was refused: a fresh one is wanted.
		if got, err = m.Mint(t.Context()); err != nil || got.Secret != "ya29.fresh" || calls != 1 {
			t.Errorf("%+v, %v, %d calls", got, err, calls)
		}
		for name, secret := range map[string]string{
			"ended":       object("refresh_token", "1//r", "access_token", "x", "expiry_date", time.Now().Add(-time.Minute).UnixMilli()),
			"about to":    object("refresh_token", "1//r", "access_token", "x", "expiry_date", time.Now().Add(30*time.Second).UnixMilli()),
			"unknown end": object("refresh_token", "1//r", "access_token", "x"),
			"no token":    object("refresh_token", "1//r", "expiry_date", lasting.UnixMilli()),
		} {
			if got, err := minter(t, Options{HTTP: endpoint}, secret).Mint(t.Context()); err != nil || got.Secret != "ya29.fresh" {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
	})
}

func TestTokensComeFromTheConfiguredEndpoint(t *testing.T) {
	var asked, audience string
	transport := roundTrip(func(req *http.Request) (*http.Response, error) {
		asked = req.URL.String()
		_ = req.ParseForm()
		audience = ""
		if parts := strings.Split(req.PostForm.Get("assertion"), "."); len(parts) == 3 {
			claims, err := base64.RawURLEncoding.DecodeString(parts[1])
			if err != nil {
				t.Error(err)
			}
			var c struct {
				Aud, Iss, Scope string
				Iat, Exp        int64
			}
			if err := json.Unmarshal(claims, &c); err != nil {
				t.Error(err)
			}
			audience = c.Aud
			if c.Iss != "bot@sa-proj.iam.gserviceaccount.com" || c.Scope != scope || c.Exp-c.Iat != 3600 ||
				req.PostForm.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
				t.Errorf("%s, %v", claims, req.PostForm)
			}
		}
		resp := reply(200, `{"access_token":"ya29.x","expires_in":3599}`)
		resp.Header.Set("Content-Type", "application/json")
		return resp, nil
	})
	const googles, own = "https://oauth2.googleapis.com/token", "https://own.example/token"
	for _, test := range []struct {
		name, endpoint, secret, asked, audience string
	}{
		{"refresh token", "", object("refresh_token", "r"), googles, ""},
		{"refresh token with an endpoint of its own", "", object("refresh_token", "r", "token_uri", own), own, ""},
		{"refresh token, configured", "http://127.0.0.1:1/o/", object("refresh_token", "r", "token_uri", own), "http://127.0.0.1:1/o/token", ""},
		{"service account", "", serviceAccountJSON(), googles, googles},
		{"service account with an endpoint of its own", "", serviceAccountJSON("token_uri", own), own, own},
		{"service account, configured", "http://127.0.0.1:1", serviceAccountJSON("token_uri", own), "http://127.0.0.1:1/token", own},
	} {
		m := minter(t, Options{HTTP: transport, Endpoints: Endpoints{OAuth: test.endpoint}}, test.secret)
		if _, err := m.Mint(t.Context()); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if asked != test.asked || audience != test.audience {
			t.Errorf("%s: asked %s for %q; want %s for %q", test.name, asked, audience, test.asked, test.audience)
		}
	}
}

func TestRefusalsOfTokens(t *testing.T) {
	oauthError := func(code, description string) string {
		return object("error", code, "error_description", description)
	}
	for _, test := range []struct {
		name   string
		status int
		body   string
		kind   rotator.FaultKind
		reason string
	}{
		{"revoked", 400, oauthError("invalid_grant", "Token has been expired or revoked."), rotator.FaultDead, "INVALID_GRANT"},
		{"to sign in again", 400, object("error", "invalid_grant", "error_description", "reauth related error (invalid_rapt)", "error_subtype", "invalid_rapt"),
			rotator.FaultDead, "INVALID_RAPT"},
		{"bad signature", 400, oauthError("invalid_grant", "Invalid JWT Signature."), rotator.FaultDead, "INVALID_GRANT"},
		{"clock", 400, oauthError("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."),
			rotator.FaultSetup, "CLOCK_SKEW"},
		{"malformed", 400, oauthError("invalid_request", "Missing required parameter"), rotator.FaultDead, "INVALID_REQUEST"},
		{"grant type", 400, oauthError("unsupported_grant_type", ""), rotator.FaultDead, "UNSUPPORTED_GRANT_TYPE"},
		{"scope", 400, oauthError("invalid_scope", ""), rotator.FaultDead, "INVALID_SCOPE"},
		{"no such client", 401, oauthError("invalid_client", "The OAuth client was not found."), rotator.FaultClientDead, "INVALID_CLIENT"},
		{"client may not", 401, oauthError("unauthorized_client", "Unauthorized"), rotator.FaultDead, "UNAUTHORIZED_CLIENT"},
		{"denied", 403, oauthError("access_denied", "Account restricted"), rotator.FaultDead, "ACCESS_DENIED"},
		{"another organisation", 403, oauthError("org_internal", ""), rotator.FaultDead, "ORG_INTERNAL"},
		{"policy", 403, oauthError("admin_policy_enforced", ""), rotator.FaultDead, "ADMIN_POLICY_ENFORCED"},
		{"too often", 429, oauthError("rate_limit_exceeded", "Slow down"), rotator.FaultTransient, "RATE_LIMIT_EXCEEDED"},
		{"their fault", 500, oauthError("internal_failure", ""), rotator.FaultTransient, "INTERNAL_FAILURE"},
		{"their fault, with a word that would be final", 503, oauthError("invalid_grant", ""), rotator.FaultTransient, "INVALID_GRANT"},
		{"a page", 502, "<html><title>502</title></html>", rotator.FaultTransient, "TOKEN_REFUSED"},
		{"a proxy's refusal", 403, "<html><title>Forbidden</title></html>", rotator.FaultTransient, "TOKEN_REFUSED"},
		{"a redirect", 302, "", rotator.FaultTransient, "TOKEN_REFUSED"},
		{"no token", 200, `{"expires_in":3599}`, rotator.FaultTransient, "TOKEN_UNAVAILABLE"},
		{"no JSON", 200, `<html>`, rotator.FaultTransient, "TOKEN_UNAVAILABLE"},
	} {
		for kind, secret := range map[string]string{"refresh token": object("refresh_token", "1//r"), "service account": serviceAccountJSON()} {
			if kind == "service account" && test.name == "no token" {
				continue // x/oauth2 checks that for refresh tokens only; the next test is about it
			}
			m := minter(t, Options{HTTP: tokenEndpoint(t, func(url.Values) (int, string) { return test.status, test.body })}, secret)
			_, err := m.Mint(t.Context())
			f, ok := err.(*rotator.Fault)
			if !ok || f.Kind != test.kind || f.Reason != test.reason {
				t.Errorf("%s, %s: %v; want kind %d, %s", kind, test.name, err, test.kind, test.reason)
			}
		}
	}
}

func TestAnswerWithoutATokenIsNone(t *testing.T) {
	m := minter(t, Options{HTTP: tokenEndpoint(t, func(url.Values) (int, string) { return 200, `{"expires_in":3599}` })}, serviceAccountJSON())
	if token, err := m.Mint(t.Context()); err == nil {
		t.Errorf("%+v", token)
	}
}

func TestRefusalsNameNobody(t *testing.T) {
	const body = `{"error":"invalid_grant","error_description":"Account jane@example.com with token 1//0abcdefgh was deleted, client secret GOCSPX-abc"}`
	m := minter(t, Options{HTTP: tokenEndpoint(t, func(url.Values) (int, string) { return 400, body })}, object("refresh_token", "1//r"))
	_, err := m.Mint(t.Context())
	if err == nil || strings.Contains(err.Error(), "jane") || strings.Contains(err.Error(), "abcdefgh") || strings.Contains(err.Error(), "GOCSPX") {
		t.Error(err)
	}
}

func TestMintingEndsWithItsContextAndKeepsNoneOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := true
		answer := tokenEndpoint(t, nil)
		transport := roundTrip(func(req *http.Request) (*http.Response, error) {
			if hang {
				<-req.Context().Done()
				return nil, req.Context().Err()
			}
			return answer(req)
		})
		for _, secret := range []string{object("refresh_token", "1//r"), serviceAccountJSON()} {
			hang = true
			m := minter(t, Options{HTTP: transport}, secret)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			start := time.Now()
			_, err := m.Mint(ctx)
			cancel()
			if f, ok := err.(*rotator.Fault); !ok || f.Kind != rotator.FaultTransient || time.Since(start) != 5*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
			start = time.Now()
			_, err = m.Mint(t.Context())
			if f, ok := err.(*rotator.Fault); !ok || f.Kind != rotator.FaultTransient || time.Since(start) != tokenTimeout {
				t.Errorf("without a deadline: %v after %v", err, time.Since(start))
			}
			hang = false
			if token, err := m.Mint(t.Context()); err != nil || token.Secret != "ya29.fresh" {
				t.Errorf("after a context that ended: %+v, %v", token, err)
			}
		}
	})
}

func TestUnreachableTokenEndpointPasses(t *testing.T) {
	refused := errors.New("connection refused")
	m := minter(t, Options{HTTP: roundTrip(func(*http.Request) (*http.Response, error) { return nil, refused })}, object("refresh_token", "1//r"))
	_, err := m.Mint(t.Context())
	if f, ok := err.(*rotator.Fault); !ok || f.Kind != rotator.FaultTransient || !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
}

func TestRedirectsOfTokenCallsAreNotFollowed(t *testing.T) {
	stolen := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			stolen = true
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	m := minter(t, Options{Endpoints: Endpoints{OAuth: server.URL}}, object("refresh_token", "1//r"))
	if _, err := m.Mint(t.Context()); err == nil || stolen {
		t.Errorf("%v, followed: %t", err, stolen)
	}
}

func TestExternalCredentialsThatMakeNoSenseAreDead(t *testing.T) {
	_, err := minter(t, Options{}, object("type", "impersonated_service_account", "x", sentinel)).Mint(t.Context())
	if f, ok := err.(*rotator.Fault); !ok || f.Kind != rotator.FaultDead || strings.Contains(err.Error(), sentinel) {
		t.Errorf("%v", err)
	}
}

func TestMintersAreSafeForConcurrentUse(t *testing.T) {
	m := minter(t, Options{HTTP: tokenEndpoint(t, func(url.Values) (int, string) {
		return 200, `{"access_token":"ya29.x","refresh_token":"1//next"}`
	})}, object("refresh_token", "1//r"))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := m.Mint(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestMachineUsesTheFileThatIsThereWhenATokenIsNeeded(t *testing.T) {
	var form bytes.Buffer
	transport := tokenEndpoint(t, func(f url.Values) (int, string) {
		form.WriteString(f.Get("refresh_token"))
		return 200, `{"access_token":"ya29.adc","expires_in":3599}`
	})
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent")
	m, _, err := New(Options{HTTP: transport}).minter(Machine(), Settings{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Mint(t.Context())
	if f, ok := err.(*rotator.Fault); !ok || f.Kind != rotator.FaultSetup || f.Reason != "NO_DEFAULT_CREDENTIALS" {
		t.Errorf("no file: %v", err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", writeFile(t, userSecret()))
	token, err := m.Mint(t.Context())
	if err != nil || token.Secret != "ya29.adc" || form.String() != "1//r" {
		t.Errorf("%+v, %v, %s", token, err, form.String())
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", writeFile(t, serviceAccountJSON()))
	if token, err = m.Mint(t.Context()); err != nil || token.Project != "sa-proj" {
		t.Errorf("%+v, %v", token, err)
	}
	named, _, err := New(Options{HTTP: transport}).minter(Machine(), Settings{Project: "p-1"})
	if err != nil {
		t.Fatal(err)
	}
	if token, err = named.Mint(t.Context()); err != nil || token.Project != "" {
		t.Errorf("the operator's project is overruled: %+v, %v", token, err)
	}
}
