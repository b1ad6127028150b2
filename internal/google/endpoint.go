package google

import (
	"cmp"
	"net/url"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Endpoints are base URLs that replace Google's own; empty ones mean Google's.
type Endpoints struct {
	GeminiAPI, Vertex, CodeAssist, OAuth string
}

// Google's own addresses. Vertex has one host for each region besides.
const (
	defaultGeminiAPI  = "https://generativelanguage.googleapis.com"
	defaultVertex     = "https://aiplatform.googleapis.com"
	defaultCodeAssist = "https://cloudcode-pa.googleapis.com"
	defaultOAuth      = "https://oauth2.googleapis.com"
)

// Versions of the interfaces. Stable ones (v1) lack fields that current models need.
const (
	geminiAPIVersion  = "/v1beta"
	vertexVersion     = "/v1beta1"
	codeAssistVersion = "/v1internal"
)

// trimmed returns the endpoints without trailing slashes, so that paths can be appended.
func (e Endpoints) trimmed() Endpoints {
	for _, base := range []*string{&e.GeminiAPI, &e.Vertex, &e.CodeAssist, &e.OAuth} {
		*base = strings.TrimRight(*base, "/")
	}
	return e
}

// tokenURL is where tokens are minted: at the configured endpoint, else where the credential says, else at Google's.
func (e *Endpoints) tokenURL(own string) string {
	if e.OAuth == "" && own != "" {
		return own
	}
	return cmp.Or(e.OAuth, defaultOAuth) + "/token"
}

func (e *Endpoints) codeAssist(suffix string) string {
	return cmp.Or(e.CodeAssist, defaultCodeAssist) + codeAssistVersion + suffix
}

// Methods of a model, and one of Code Assist's own.
const (
	streamMethod = ":streamGenerateContent?alt=sse"
	countMethod  = ":countTokens"
	quotaMethod  = ":retrieveUserQuota"
)

// Names that become part of a URL: letters, digits and a few signs, so that none can be a path of its own.
var (
	modelName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$`)
	projectName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.:-]{0,127}$`)
	locationName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
)

// methodURL is where a method of the call's model is called.
func (e *Endpoints) methodURL(call *Call, method string) (string, *Error) {
	if !modelName.MatchString(call.Model) {
		return "", refused(rotator.FaultRequest, reasonModelName, "no model of Google's has such a name")
	}
	// The expressions above leave nothing to escape today; escaping keeps that true if they ever grow.
	model := url.PathEscape(call.Model)
	switch call.Backend {
	case translate.GeminiAPI:
		return cmp.Or(e.GeminiAPI, defaultGeminiAPI) + geminiAPIVersion + "/models/" + model + method, nil
	case translate.CodeAssist:
		return e.codeAssist(method), nil
	case translate.Vertex:
		return e.vertexURL(call, model+method)
	default:
		return "", refused(rotator.FaultDead, "BACKEND_UNKNOWN", "unknown backend %q", call.Backend)
	}
}

func (e *Endpoints) vertexURL(call *Call, method string) (string, *Error) {
	const publisher = "/publishers/google/models/"
	if call.Token.APIKey {
		return cmp.Or(e.Vertex, defaultVertex) + vertexVersion + publisher + method, nil
	}
	location := cmp.Or(call.Location, defaultLocation)
	if !locationName.MatchString(location) {
		return "", refused(rotator.FaultDead, "LOCATION_INVALID", "%q is no location of Google's", location)
	}
	project := call.project()
	if !projectName.MatchString(project) {
		return "", refused(rotator.FaultDead, "PROJECT_INVALID", "vertex needs a Google Cloud project, and %q is none", project)
	}
	return cmp.Or(e.Vertex, vertexHost(location)) + vertexVersion + "/projects/" + url.PathEscape(project) +
		"/locations/" + location + publisher + method, nil
}

// defaultLocation serves every current model; single regions do not.
const defaultLocation = "global"

// Host is where the calls of a backend go, and of Vertex for a location: different hosts may take different requests.
func (c *Client) Host(b translate.Backend, location string) string {
	switch b {
	case translate.Vertex:
		return cmp.Or(c.endpoints.Vertex, vertexHost(cmp.Or(location, defaultLocation)))
	case translate.CodeAssist:
		return cmp.Or(c.endpoints.CodeAssist, defaultCodeAssist)
	default:
		return cmp.Or(c.endpoints.GeminiAPI, defaultGeminiAPI)
	}
}

// vertexHost is the base URL that serves a location, as in Google's SDKs.
func vertexHost(location string) string {
	switch location {
	case "global":
		return defaultVertex
	case "us", "eu":
		return "https://aiplatform." + location + ".rep.googleapis.com"
	default:
		return "https://" + location + "-aiplatform.googleapis.com"
	}
}

// envelope wraps an encoded request the way Code Assist takes it. It is made for each attempt, because the project is the account's.
func envelope(call *Call) ([]byte, error) {
	return json.Marshal(struct {
		Model        string         `json:"model"`
		Project      string         `json:"project,omitzero"`
		UserPromptID string         `json:"user_prompt_id,omitzero"`
		Request      jsontext.Value `json:"request"`
	}{call.Model, call.project(), call.RequestID, call.Body}, lenient, jsontext.PreserveRawStrings(true))
}
