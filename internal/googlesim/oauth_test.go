package googlesim

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// clock is one that tests move.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func noon() *clock { return &clock{time.Date(2026, 11, 20, 20, 0, 0, 0, time.UTC)} }

// TestRefreshGrant checks who gets a token, and in which words the others do not.
func TestRefreshGrant(t *testing.T) {
	s := newTestServer(t, Options{})
	s.addCloudUser("ann", "p")
	s.addCloudUser("bob", "p")
	s.DisableRefresh("bob")
	edit := func(name, value string) url.Values {
		form := s.refresh("ann")
		form.Set(name, value)
		return form
	}
	for _, one := range []struct {
		name   string
		form   url.Values
		status int
		says   string
	}{
		{"good", s.refresh("ann"), 200, `"expires_in":3599`},
		{"revoked", s.refresh("bob"), 400, `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`},
		{"unknown token", edit("refresh_token", "x"), 400, `"invalid_grant"`},
		{"no token", edit("refresh_token", ""), 400, `"invalid_request"`},
		{
			"unknown client", edit("client_id", "x"), 401,
			`{"error":"invalid_client","error_description":"The OAuth client was not found."}`,
		},
		{"wrong secret", edit("client_secret", "x"), 401, `"The provided client secret is invalid."`},
		{"unknown grant", edit("grant_type", "password"), 400, `"unsupported_grant_type"`},
		{"no grant", edit("grant_type", ""), 400, `"invalid_request"`},
	} {
		t.Run(one.name, func(t *testing.T) {
			if got := s.grant(t, one.form); got.status != one.status || !strings.Contains(got.body, one.says) {
				t.Errorf("got %d %s, want %d with %s", got.status, got.body, one.status, one.says)
			}
		})
	}
	if got := s.post(t, "/token", nil, s.refresh("ann").Encode()); got.status != 400 {
		t.Errorf("without its content type a form got %d", got.status)
	}
	s.RemoveClient("client")
	if got := s.grant(t, s.refresh("ann")); got.status != 401 {
		t.Errorf("a removed client got %d", got.status)
	}
	if n := s.Count(Match{Backend: OAuth, Account: "bob"}); n != 1 {
		t.Errorf("%d token calls counted for bob", n)
	}
}

// TestAccessTokensEnd checks expiry on the simulator's clock, and revocation before it.
func TestAccessTokensEnd(t *testing.T) {
	c := noon()
	s := newTestServer(t, Options{Now: c.Now, TokenLifetime: time.Hour})
	s.addCloudUser("ann", "p")
	token := func() http.Header {
		got := decode[tokenAnswer](t, s.grant(t, s.refresh("ann")).body)
		return http.Header{"Authorization": {got.TokenType + " " + got.AccessToken}}
	}
	ask := func(h http.Header) answered {
		return s.post(t, "/v1beta1/projects/p/locations/global/publishers/google/models/"+two+":generateContent", h, talk(user(hello)))
	}
	first := token()
	c.now = c.now.Add(time.Hour - time.Second)
	if got := ask(first); got.status != 200 {
		t.Errorf("a second before its end a token got %d %s", got.status, got.body)
	}
	c.now = c.now.Add(time.Second)
	if got := ask(first); got.status != 401 || !strings.Contains(got.body, "ACCESS_TOKEN_EXPIRED") {
		t.Errorf("at its end a token got %d %s", got.status, got.body)
	}
	second, third := token(), token()
	s.RevokeTokens("ann")
	for _, h := range []http.Header{second, third} {
		if got := ask(h); got.status != 401 || !strings.Contains(got.body, "invalid authentication credentials") {
			t.Errorf("a revoked token got %d %s", got.status, got.body)
		}
	}
	if got := ask(token()); got.status != 200 {
		t.Errorf("a token after the revocation got %d %s", got.status, got.body)
	}
	if n := len(s.accounts.bearer); n != 1 {
		t.Errorf("%d tokens are remembered, want the live one", n)
	}
}

// keyFile is what a test needs of a service account's.
type keyFile struct {
	Email string `json:"client_email"`
	Key   string `json:"private_key"`
	URI   string `json:"token_uri"`
}

func (k keyFile) assertion(t *testing.T, header string, c claims) string {
	t.Helper()
	block, _ := pem.Decode([]byte(k.Key))
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(encodeJSON(c)))
	digest := sha256.Sum256([]byte(text))
	signed, err := rsa.SignPKCS1v15(rand.Reader, private.(*rsa.PrivateKey), crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signed)
}

// TestAssertionGrant checks that a service account's assertion is verified in all its claims.
func TestAssertionGrant(t *testing.T) {
	c := noon()
	s := newTestServer(t, Options{Now: c.Now})
	declare := func(name string) keyFile {
		file, err := s.AddServiceAccount(name, "p", "http://google.test/token")
		if err != nil {
			t.Fatal(err)
		}
		return decode[keyFile](t, string(file))
	}
	sa, other := declare("sa"), declare("other")
	good := claims{sa.Email, sa.URI, cloudScope, c.now.Unix(), c.now.Add(time.Hour).Unix()}
	edit := func(change func(*claims)) claims {
		edited := good
		change(&edited)
		return edited
	}
	const rs256 = `{"alg":"RS256","typ":"JWT"}`
	for _, one := range []struct {
		name      string
		assertion string
		status    int
		says      string
	}{
		{"good", sa.assertion(t, rs256, good), 200, "access_token"},
		{"signed by another", other.assertion(t, rs256, good), 400, "Invalid JWT Signature."},
		{"unknown issuer", sa.assertion(t, rs256, edit(func(c *claims) { c.Issuer = "x" })), 400, "account not found"},
		{"wrong audience", sa.assertion(t, rs256, edit(func(c *claims) { c.Audience = "x" })), 400, "Failed audience check"},
		{"no scope", sa.assertion(t, rs256, edit(func(c *claims) { c.Scope = "" })), 400, "invalid_scope"},
		{
			"over", sa.assertion(t, rs256, edit(func(c *claims) { c.Issued -= 7200; c.Expires -= 7200 })), 400,
			"short-lived token (60 minutes)",
		},
		{"not begun", sa.assertion(t, rs256, edit(func(c *claims) { c.Issued += 600; c.Expires += 600 })), 400, "reasonable timeframe"},
		{"too long", sa.assertion(t, rs256, edit(func(c *claims) { c.Expires++ })), 400, "short-lived token"},
		{"other algorithm", sa.assertion(t, `{"alg":"none"}`, good), 400, "invalid_grant"},
		{"no JWT", "x", 400, "invalid_grant"},
	} {
		t.Run(one.name, func(t *testing.T) {
			got := s.grant(t, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {one.assertion}})
			if got.status != one.status || !strings.Contains(got.body, one.says) {
				t.Errorf("got %d %s, want %d with %s", got.status, got.body, one.status, one.says)
			}
		})
	}
	got := s.grant(t, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {sa.assertion(t,
		rs256, good)}})
	h := http.Header{"Authorization": {"Bearer " + decode[tokenAnswer](t, got.body).AccessToken}}
	for project, want := range map[string]int{"p": 200, "q": 403} {
		path := "/v1beta1/projects/" + project + "/locations/global/publishers/google/models/" + two + ":generateContent"
		if got := s.post(t, path, h, talk(user(hello))); got.status != want {
			t.Errorf("project %s: %d %s", project, got.status, got.body)
		}
	}
}

// TestWhoMayCall checks what each service says to each kind of credential.
func TestWhoMayCall(t *testing.T) {
	s := newTestServer(t, Options{})
	s.AddKey("key", "p")
	s.AddKey("dead", "p")
	s.RevokeKey("dead")
	s.addCloudUser("ann", "p")
	ann := s.bearer("ann")
	const (
		developer = "/v1beta/models/" + two + ":generateContent"
		vertex    = "/v1beta1/projects/p/locations/global/publishers/google/models/" + two + ":generateContent"
		foreign   = "/v1beta1/projects/q/locations/us-east1/publishers/google/models/" + two + ":generateContent"
		express   = "/v1beta1/publishers/google/models/" + two + ":generateContent"
		assist    = "/v1internal:generateContent"
	)
	plain := talk(user(hello))
	wrapped := `{"model":"` + two + `","project":"p","request":` + plain + `}`
	both := http.Header{"X-Goog-Api-Key": {"key"}, "Authorization": ann["Authorization"]}
	billed := http.Header{"Authorization": ann["Authorization"], "X-Goog-User-Project": {"q"}}
	for _, one := range []struct {
		name   string
		path   string
		header http.Header
		body   string
		status int
		says   string
	}{
		{"key", developer, withKey("key"), plain, 200, ""},
		{"key in the query", developer + "?key=key", nil, plain, 200, ""},
		{"token", developer, ann, plain, 200, ""},
		{"token for another project", developer, billed, plain, 403, "USER_PROJECT_DENIED"},
		{"nothing", developer, nil, plain, 403, "Method doesn't allow unregistered callers"},
		{"unknown key", developer, withKey("x"), plain, 400, `"reason": "API_KEY_INVALID"`},
		{"revoked key", developer, withKey("dead"), plain, 400, "API key not valid. Please pass a valid API key."},
		{"key as token", developer, http.Header{"Authorization": {"Bearer key"}}, plain, 401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"},
		{"key and token", developer, both, plain, 400, "Multiple authentication credentials received"},
		{"Vertex with token", vertex, ann, plain, 200, ""},
		{"Vertex with key", vertex, withKey("key"), plain, 401, "API keys are not supported by this API."},
		{"Vertex with nothing", vertex, nil, plain, 401, "CREDENTIALS_MISSING"},
		{
			"another's project on Vertex", foreign, ann, plain, 403,
			"Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/projects/q/locations/us-east1/",
		},
		{"express mode", express, withKey("key"), plain, 200, ""},
		{"Code Assist with token", assist, ann, wrapped, 200, ""},
		{"Code Assist with key", assist, withKey("key"), wrapped, 401, "API keys are not supported"},
		{
			"another's project on Code Assist", assist, ann, strings.Replace(wrapped, `"p"`, `"q"`, 1), 403,
			"cloudaicompanion.companions.generateChat",
		},
		{"no such path", "/v1beta/model", withKey("key"), plain, 404, "<title>Error 404 (Not Found)!!1</title>"},
		{"no such method", "/v1beta/models/" + two + ":embedNothing", withKey("key"), plain, 404, "Error 404"},
		{
			"no such model", "/v1beta/models/gemini-9:generateContent", withKey("key"), plain, 404,
			"models/gemini-9 is not found for API version v1beta",
		},
		{
			"no such model on Vertex", strings.Replace(vertex, two, "gemma-4-31b-it", 1), ann, plain, 404,
			"Publisher Model `projects/p/locations/global/",
		},
		{"no such model on Code Assist", assist, ann, strings.Replace(wrapped, two, four, 1), 404, "Requested entity was not found."},
	} {
		t.Run(one.name, func(t *testing.T) {
			if got := s.post(t, one.path, one.header, one.body); got.status != one.status || !strings.Contains(got.body, one.says) {
				t.Errorf("got %d %s, want %d with %s", got.status, got.body, one.status, one.says)
			}
		})
	}
	s.Grant("ann", "q")
	if got := s.post(t, foreign, ann, plain); got.status != 200 {
		t.Errorf("a granted project got %d %s", got.status, got.body)
	}
}
