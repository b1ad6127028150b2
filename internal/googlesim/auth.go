package googlesim

import (
	"net/http"
	"strings"
	"time"
)

const (
	badToken = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid " +
		"authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
	noToken = "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid " +
		"authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
	keyOnCloud = "API keys are not supported by this API. Expected OAuth2 access token or other authentication credentials that " +
		"assert a principal. See https://cloud.google.com/docs/authentication"
	unregistered = "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other " +
		"form of API consumer identity to call this API."
	badKey   = "API key not valid. Please pass a valid API key."
	twoCreds = "Multiple authentication credentials received. Please pass only one."
)

// services are the backends' names in Google's own errors.
var services = map[Backend]string{
	Developer: "generativelanguage.googleapis.com", Vertex: "aiplatform.googleapis.com", CodeAssist: "cloudcode-pa.googleapis.com",
}

// authenticate finds out who calls and which project pays. The account is nil exactly when it returns an error.
func (s *Server) authenticate(r *http.Request, c *exchange) (*account, *apiError) {
	key := r.Header.Get("X-Goog-Api-Key")
	if key == "" {
		key = r.URL.Query().Get("key")
	}
	token, hasToken := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	keyAllowed := c.Backend == Developer || c.express
	switch {
	case key != "" && r.Header.Get("Authorization") != "":
		return nil, invalid(twoCreds)
	case key != "" && !keyAllowed:
		return nil, newError(401, keyOnCloud, newErrorInfo("CREDENTIALS_MISSING", "googleapis.com", s.serviceOf(c)))
	case key != "":
		return s.accounts.byKey(key, c)
	case hasToken:
		if p := r.Header.Get("X-Goog-User-Project"); c.Backend == Developer {
			c.Project = p
		}
		return s.accounts.byToken(token, s.now(), c)
	case keyAllowed:
		return nil, newError(403, unregistered)
	default:
		return nil, newError(401, noToken, newErrorInfo("CREDENTIALS_MISSING", "googleapis.com", s.serviceOf(c)))
	}
}

func (s *Server) serviceOf(c *exchange) map[string]string {
	return map[string]string{"service": services[c.Backend]}
}

func (a *accounts) byKey(key string, c *exchange) (*account, *apiError) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := a.keys[key]
	if found == nil || found.revoked {
		return nil, keyInvalid(key)
	}
	c.Project = found.project
	return found, nil
}

func keyInvalid(key string) *apiError {
	return newError(400, badKey,
		newErrorInfo("API_KEY_INVALID", "googleapis.com", map[string]string{"service": services[Developer]}),
		localizedMessage{typePrefix + "LocalizedMessage", "en-US", badKey},
		debugInfo{typePrefix + "DebugInfo", "Invalid API key: " + key})
}

func (a *accounts) byToken(token string, now time.Time, c *exchange) (*account, *apiError) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := a.bearer[token]
	if found == nil {
		return nil, unauthorized("ACCESS_TOKEN_TYPE_UNSUPPORTED", c.Backend)
	}
	if !now.Before(found.tokens[token]) {
		return nil, unauthorized("ACCESS_TOKEN_EXPIRED", c.Backend)
	}
	if c.Project == "" {
		c.Project = found.project
	}
	return found, nil
}

func unauthorized(reason string, b Backend) *apiError {
	return newError(401, badToken, newErrorInfo(reason, "googleapis.com", map[string]string{"service": services[b]}))
}

// mayBill reports whether an account has a project.
func (a *accounts) mayBill(who *account, project string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return who.projects[project]
}
