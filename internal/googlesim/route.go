package googlesim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// exchange is one call being answered.
type exchange struct {
	Backend  Backend
	Method   string
	Model    string
	Project  string // who pays; from the path, the body or the credential
	Location string

	express bool // Vertex AI with an API key and no project in the path
	sse     bool // answer as server-sent events instead of an array
	name    string
	body    *node // as sent
	request *node // the generate request inside, with canonical names
	payload []byte
	account string // name of the one who calls; empty when unknown
	record  *Call  // belongs to the log, which guards it
	reply   *Reply // scripted, nil for the ordinary answer
	cached  int    // tokens of the prompt
	said    int    // bytes of the answer that earlier calls gave
}

var generateMethods = []string{"generateContent", "streamGenerateContent", "countTokens"}

var assistMethods = []string{
	"generateContent", "streamGenerateContent", "countTokens", "loadCodeAssist", "onboardUser", "retrieveUserQuota",
}

// route reads method and path. It reports false for what no host of Google's serves.
func route(r *http.Request) (*exchange, bool) {
	c := &exchange{sse: r.URL.Query().Get("alt") == "sse"}
	path := r.URL.Path
	switch {
	case path == "/token":
		c.Backend, c.Method = OAuth, "token"
		return c, r.Method == http.MethodPost
	case strings.HasPrefix(path, "/v1internal"):
		return c, c.routeAssist(r.Method, strings.TrimPrefix(path, "/v1internal"))
	case strings.HasPrefix(path, "/v1beta1/"):
		return c, c.routeVertex(r.Method, strings.TrimPrefix(path, "/v1beta1/"))
	case path == "/v1beta/models":
		c.Backend, c.Method = Developer, "models.list"
		return c, r.Method == http.MethodGet
	case strings.HasPrefix(path, "/v1beta/models/"):
		return c, c.routeDeveloper(r.Method, strings.TrimPrefix(path, "/v1beta/models/"))
	}
	return c, false
}

func (c *exchange) routeDeveloper(verb, rest string) bool {
	c.Backend = Developer
	model, method, called := strings.Cut(rest, ":")
	c.Model, c.Method = model, method
	if !called {
		c.Method = "models.get"
		return verb == http.MethodGet
	}
	return verb == http.MethodPost && slices.Contains(generateMethods, method)
}

func (c *exchange) routeVertex(verb, rest string) bool {
	c.Backend = Vertex
	if after, full := strings.CutPrefix(rest, "projects/"); full {
		var ok1, ok2 bool
		c.Project, after, ok1 = strings.Cut(after, "/locations/")
		c.Location, rest, ok2 = strings.Cut(after, "/")
		if !ok1 || !ok2 {
			return false
		}
	} else {
		c.express = true
	}
	rest, ok := strings.CutPrefix(rest, "publishers/google/models/")
	model, method, called := strings.Cut(rest, ":")
	c.Model, c.Method = model, method
	return ok && called && verb == http.MethodPost && slices.Contains(generateMethods, method)
}

func (c *exchange) routeAssist(verb, rest string) bool {
	c.Backend = CodeAssist
	if name, polled := strings.CutPrefix(rest, "/"); polled {
		c.Method, c.name = "operations.get", name
		return verb == http.MethodGet && strings.HasPrefix(name, "operations/")
	}
	method, called := strings.CutPrefix(rest, ":")
	c.Method = method
	return called && verb == http.MethodPost && slices.Contains(assistMethods, method)
}

func (c *exchange) streams() bool { return c.Method == "streamGenerateContent" }

func (c *exchange) generates() bool { return c.streams() || c.Method == "generateContent" }

func (c *exchange) identify(who *account) {
	if who != nil {
		c.account = who.name
	}
}

// parse reads the body as far as it is needed to know who pays and for what model: on Code Assist they are fields of it.
func (c *exchange) parse() *apiError {
	if strings.HasPrefix(c.Method, "models.") || c.Method == "operations.get" {
		return nil
	}
	body, refused := parseJSON(c.payload)
	if refused != nil {
		return refused
	}
	if !body.isObject() {
		return invalid("Invalid JSON payload received. Unknown name \"\": Root element must be a message.")
	}
	c.body, c.request = body, body
	if c.Backend != CodeAssist {
		return nil
	}
	c.request = body.get("request")
	if c.generates() {
		c.Model = body.get("model").str()
		if p := body.get("project").str(); p != "" {
			c.Project = p
		}
	} else if c.Method == "countTokens" {
		c.Model = strings.TrimPrefix(c.request.get("model").str(), "models/")
	}
	return nil
}

// serveNotFound is what Google's front end says about a path no service has.
func serveNotFound(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprint(w, notFoundPage)
}

const notFoundPage = `<!DOCTYPE html>
<html lang=en>
  <meta charset=utf-8>
  <title>Error 404 (Not Found)!!1</title>
  <p><b>404.</b> <ins>That’s an error.</ins>
  <p>The requested URL was not found on this server.  <ins>That’s all we know.</ins>
`
