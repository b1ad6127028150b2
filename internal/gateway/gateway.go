// Package gateway is one HTTP exchange from end to end: it finds the surface a request is for, reads the body, lets the surface
// decode it, tries accounts of the pool until one answers, and writes the answer as the surface wants it. It knows no Caddy.
package gateway

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/fetch"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/signatures"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// Surface is a protocol that clients speak. Implementations are stateless and safe for concurrent use.
type Surface interface {
	// Name is the surface's name in configuration, logs and metrics.
	Name() string
	// Decode reads a request. Its errors are *translate.Error and name the field at fault. The function it returns makes the writer
	// of one answer; it is called once per attempt that needs one, after the request's Model and Thinking have been resolved.
	Decode(header http.Header, body []byte) (*translate.Request, func() translate.Writer, error)
	// Error is the body of an error that is answered with an HTTP status.
	Error(e *translate.Error) (status int, body []byte)
	// InBand appends the event that ends a stream which has already begun.
	InBand(dst []byte, e *translate.Error) []byte
}

// Model is an operator's row of the catalogue: a name clients may use, the model behind it, and what to try when every account is
// out of that one.
type Model struct {
	Name, Upstream string
	Fallback       []string
}

// Options is what a Gateway needs. All fields are required unless they say otherwise.
type Options struct {
	Pool         *rotator.Pool
	Google       *google.Client
	Catalogue    *gemini.Catalogue
	Chat         Surface
	DefaultModel string
	Models       []Model         // optional
	Lessons      *gemini.Lessons // what is known about the form requests must have; optional, for gateways to share and keep
	// Signatures remembers those of calls that clients do not send back; optional, for gateways to share and keep.
	Signatures *signatures.Cache
	Fetch      *fetch.Client // downloads what clients name by URL; optional
	Thinking   translate.Thinking
	Safety     []translate.SafetySetting // for requests that say nothing about it; optional

	MaxBody int64 // bytes
	// Attempts bounds the upstream calls of one request; AttemptsFor is how long after its start a new one may begin.
	Attempts    int
	AttemptsFor time.Duration
	// MaxWait is how long a request may wait altogether, when no account is left, for one that will be ready again; 0: not at all.
	MaxWait time.Duration
	// Affinity is set when the pool keeps conversations on one account.
	Affinity   bool
	KeepAlive  time.Duration // silence after which a waiting stream gets a comment; 0 is never
	FirstToken time.Duration // longest wait for the first meaningful event of an attempt
	Idle       time.Duration // longest silence after that

	// BodyStatus tells the HTTP status a middleware in front gave a failed read of the body; optional.
	BodyStatus func(error) (status int, ok bool)
}

// Gateway serves the routes of its surfaces. It is safe for concurrent use, and a request may outlive the configuration it began with.
type Gateway struct {
	Options
	models map[string]Model
	routes map[string]endpoint
}

// New makes a Gateway. Its errors are about names of models that lead nowhere.
func New(o Options) (*Gateway, error) {
	if o.Fetch == nil {
		o.Fetch = fetch.New(fetch.Options{})
	}
	if o.Lessons == nil {
		o.Lessons = gemini.NewLessons()
	}
	if o.Signatures == nil {
		o.Signatures = signatures.NewCache()
	}
	g := &Gateway{Options: o, models: make(map[string]Model, len(o.Models))}
	for _, m := range o.Models {
		g.models[m.Name] = m
	}
	g.routes = g.table()
	return g, g.checkModels()
}

// checkModels finds out now what every request for a name would find out later.
func (g *Gateway) checkModels() error {
	if _, ok := g.find(gemini.NormalizeModel(g.DefaultModel)); !ok {
		return fmt.Errorf("default_model: there is no model %q", g.DefaultModel)
	}
	for _, m := range g.Options.Models {
		for _, name := range append([]string{m.Name}, m.Fallback...) {
			if _, ok := g.find(name); !ok {
				return fmt.Errorf("model %s: there is no model %q", m.Name, cmp.Or(g.models[name].Upstream, name))
			}
		}
	}
	return nil
}

// resolve finds the models to try for the name a client asked for: the one it stands for, then the operator's fallbacks.
func (g *Gateway) resolve(asked string) ([]*gemini.Model, *translate.Error) {
	name := gemini.NormalizeModel(asked)
	first, ok := g.find(name)
	if !ok {
		return nil, modelNotFound(asked)
	}
	models := []*gemini.Model{first}
	for _, fallback := range g.models[name].Fallback {
		if m, ok := g.find(fallback); ok {
			models = append(models, m)
		}
	}
	return models, nil
}

// find is the model behind a name: the operator's row says which, or it is Google's own name.
func (g *Gateway) find(name string) (*gemini.Model, bool) {
	return g.Catalogue.Find(cmp.Or(g.models[name].Upstream, name))
}

// maxEcho bounds what is repeated of a name in an error, in bytes.
const maxEcho = 200

func modelNotFound(name string) *translate.Error {
	if len(name) > maxEcho {
		name = name[:maxEcho] + "…"
	}
	return &translate.Error{
		Kind: translate.ErrNotFound, Status: http.StatusNotFound, Code: "model_not_found", Param: "model",
		Message: "The model `" + name + "` does not exist or you do not have access to it.",
	}
}
