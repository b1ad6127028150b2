package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/openai"
)

// Route is one request that is the gateway's to answer.
type Route struct {
	gateway *Gateway
	endpoint
	argument string // the rest of the path, for endpoints below which there is one
	client   Client
}

// endpoint is what answers a path.
type endpoint struct {
	method  string  // GET includes HEAD
	surface Surface // renders the errors
	serve   func(x *Route, w http.ResponseWriter, r *http.Request, record *Record)
	// open is set for what may be asked without being identified.
	open bool
}

// modelsPath is the one path with something below it: a model's name, which may itself contain slashes.
const modelsPath = "/models"

// table lists the endpoints by their path without /v1.
func (g *Gateway) table() map[string]endpoint {
	return map[string]endpoint{
		modelsPath: {method: http.MethodGet, surface: openai.Chat{}, serve: (*Route).serveModels},
		"/status":  {method: http.MethodGet, surface: openai.Chat{}, serve: (*Route).serveStatus},
		"/health":  {method: http.MethodGet, surface: openai.Chat{}, serve: (*Route).serveHealth, open: true},

		"/chat/completions": {method: http.MethodPost, surface: g.Chat, serve: (*Route).converse},
	}
}

// bare are the paths also served without /v1: those whose names leave no doubt that an OpenAI client asks.
var bare = map[string]bool{modelsPath: true, "/chat/completions": true}

// Route finds what answers the request; nil when it is not the gateway's.
func (g *Gateway) Route(r *http.Request) *Route {
	path, versioned := strings.CutPrefix(r.URL.EscapedPath(), "/v1")
	path = strings.TrimSuffix(path, "/")
	var argument string
	if rest, ok := strings.CutPrefix(path, modelsPath+"/"); ok {
		name, err := url.PathUnescape(rest)
		if err != nil {
			return nil
		}
		path, argument = modelsPath, name
	}
	e, ok := g.routes[path]
	if !ok || !versioned && !bare[path] {
		return nil
	}
	return &Route{gateway: g, endpoint: e, argument: argument}
}

// Client is who asks.
type Client struct {
	// ID tells clients apart, so that those who wait are served in turn, however much one of them asks. It may be anything, and
	// clients that share one share a turn.
	ID string
	// Anonymous is set when the ID is an address, which others may share, and not a user that an authentication handler knows.
	Anonymous bool
	// Identified says whether the client may use the gateway: an authentication handler knows its user, or the operator serves anyone.
	Identified bool
}

// Serve answers the request. The record it returns is complete and nobody else's.
func (x *Route) Serve(w http.ResponseWriter, r *http.Request, c Client) *Record {
	record := newRecord(x.surface.Name())
	w.Header().Set("X-Request-Id", record.RequestID)
	x.client = c
	x.answer(w, r, c, record)
	record.Duration = time.Since(record.Start)
	return record
}

// answer checks whether the request may be answered, and answers it.
func (x *Route) answer(w http.ResponseWriter, r *http.Request, c Client, record *Record) {
	if !c.Identified && !x.open {
		w.Header().Set("WWW-Authenticate", "Bearer")
		x.refuse(w, record, translate.Unauthenticated())
		return
	}
	if allowed := x.methods(); !slices.Contains(allowed, r.Method) {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		x.refuse(w, record, &translate.Error{
			Kind: translate.ErrInvalid, Status: http.StatusMethodNotAllowed, Code: "method_not_supported",
			Message: "Not allowed to " + r.Method + " on " + r.URL.Path + ": use " + x.method + ".",
		})
		return
	}
	x.serve(x, w, r, record)
}

func (e *endpoint) methods() []string {
	if e.method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{e.method}
}

// refuse answers with an error before anything was tried.
func (x *Route) refuse(w http.ResponseWriter, record *Record, e *translate.Error) {
	record.fail(e)
	writeError(w, x.surface, e)
}
