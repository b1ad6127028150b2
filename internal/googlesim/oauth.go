package googlesim

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// cloudScope is what every grant here is for.
const cloudScope = "https://www.googleapis.com/auth/cloud-platform"

// oauthError is the token endpoint's kind of error (RFC 6749, section 5.2).
type oauthError struct {
	status      int
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"`
	Scope       string `json:"scope"`
	TokenType   string `json:"token_type"`
}

// grantee finds whom a form of the token endpoint speaks for. The name is known even when the grant is refused, if it can be.
func (s *Server) grantee(form url.Values) (*account, *oauthError) {
	switch form.Get("grant_type") {
	case "refresh_token":
		return s.accounts.byRefreshToken(form)
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		return s.accounts.byAssertion(form.Get("assertion"), s.now())
	case "":
		return nil, &oauthError{400, "invalid_request", "Missing required parameter: grant_type"}
	default:
		return nil, &oauthError{400, "unsupported_grant_type", "Invalid grant_type: " + form.Get("grant_type")}
	}
}

func (a *accounts) byRefreshToken(form url.Values) (*account, *oauthError) {
	a.mu.Lock()
	defer a.mu.Unlock()
	who := a.refresh[form.Get("refresh_token")]
	secret, known := a.clients[form.Get("client_id")]
	switch {
	case !known:
		return who, &oauthError{401, "invalid_client", "The OAuth client was not found."}
	case secret != form.Get("client_secret"):
		return who, &oauthError{401, "invalid_client", "The provided client secret is invalid."}
	case form.Get("refresh_token") == "":
		return nil, &oauthError{400, "invalid_request", "Missing required parameter: refresh_token"}
	case who == nil || who.user.ClientID != form.Get("client_id"):
		return who, &oauthError{400, "invalid_grant", "Bad Request"}
	case who.refreshDenied:
		return who, &oauthError{400, "invalid_grant", "Token has been expired or revoked."}
	}
	return who, nil
}

// claims are those of a service account's assertion.
type claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Scope    string `json:"scope"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

func (a *accounts) byAssertion(assertion string, now time.Time) (*account, *oauthError) {
	refuse := func(who *account, why string) (*account, *oauthError) {
		return who, &oauthError{400, "invalid_grant", why}
	}
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return refuse(nil, "Invalid JWT: Failed audience check or malformed assertion.")
	}
	var head struct {
		Algorithm string `json:"alg"`
		Type      string `json:"typ"`
		KeyID     string `json:"kid"`
	}
	var c claims
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || decodeSegment(parts[0], &head) != nil || decodeSegment(parts[1], &c) != nil || head.Algorithm != "RS256" {
		return refuse(nil, "Invalid JWT: malformed assertion.")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	who := a.service[c.Issuer]
	if who == nil {
		return refuse(nil, "Invalid grant: account not found")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(who.public, crypto.SHA256, digest[:], signature) != nil {
		return refuse(who, "Invalid JWT Signature.")
	}
	issued, expires := time.Unix(c.Issued, 0), time.Unix(c.Expires, 0)
	const skew = 5 * time.Minute // what Google's clocks may differ from a client's
	switch {
	case c.Audience != who.audience:
		return refuse(who, "Invalid JWT: Failed audience check. The right audience is "+who.audience)
	case c.Scope == "":
		return who, &oauthError{400, "invalid_scope", "Invalid OAuth scope or ID token audience provided."}
	case issued.After(now.Add(skew)), !expires.After(now.Add(-skew)), expires.Sub(issued) > time.Hour:
		return refuse(who, "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "+
			"Check your iat and exp values in the JWT claim.")
	case who.refreshDenied:
		return refuse(who, "Invalid grant: account not found")
	}
	return who, nil
}

func decodeSegment(segment string, into any) error {
	data, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// mint gives the account a new access token and forgets those that have ended.
func (a *accounts) mint(who *account, now time.Time, lifetime time.Duration) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for token, end := range who.tokens {
		if !now.Before(end) {
			delete(who.tokens, token)
			delete(a.bearer, token)
		}
	}
	a.minted++
	token := fmt.Sprintf("ya29.simulated-%d-%s", a.minted, rand.Text())
	who.tokens[token], a.bearer[token] = now.Add(lifetime), who
	return token
}

// serveToken is the token endpoint.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request, c *exchange) {
	form, err := url.ParseQuery(string(c.payload))
	if err != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		s.answerJSON(w, c, http.StatusBadRequest, encodeJSON(oauthError{Code: "invalid_request", Description: "Malformed form."}))
		return
	}
	who, refused := s.grantee(form)
	c.identify(who)
	s.log.note(c)
	if s.answerScripted(w, r, c) {
		return
	}
	if refused != nil {
		s.answerJSON(w, c, refused.status, encodeJSON(refused))
		return
	}
	token := s.accounts.mint(who, s.now(), s.opts.TokenLifetime)
	s.answerJSON(w, c, http.StatusOK, encodeJSON(tokenAnswer{token, int(s.opts.TokenLifetime / time.Second), cloudScope, "Bearer"}))
}
