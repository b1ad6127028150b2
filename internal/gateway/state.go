package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/accept"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/openai"
)

// serveModels answers the list of models, or one of them. It asks nobody: what is offered is configuration and the catalogue.
func (x *Route) serveModels(w http.ResponseWriter, _ *http.Request, record *Record) {
	if x.argument == "" {
		writeJSON(w, http.StatusOK, openai.ModelList(x.gateway.offered()))
		return
	}
	models, failed := x.gateway.resolve(x.argument)
	if failed != nil {
		x.refuse(w, record, failed)
		return
	}
	writeJSON(w, http.StatusOK, openai.Model(modelInfo(gemini.NormalizeModel(x.argument), models[0])))
}

// offered is the catalogue with the operator's own names, in alphabetical order.
func (g *Gateway) offered() []openai.ModelInfo {
	var list []openai.ModelInfo
	for _, m := range g.Catalogue.List() {
		if _, renamed := g.models[m.ID]; !renamed {
			list = append(list, modelInfo(m.ID, m))
		}
	}
	for name := range g.models {
		if m, ok := g.find(name); ok {
			list = append(list, modelInfo(name, m))
		}
	}
	slices.SortFunc(list, func(a, b openai.ModelInfo) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func modelInfo(name string, m *gemini.Model) openai.ModelInfo {
	return openai.ModelInfo{ID: name, Created: m.Created(), Context: m.InputLimit, Output: m.OutputLimit}
}

// status is the answer of GET /v1/status.
type status struct {
	Object string `json:"object"`
	rotator.PoolSnapshot
}

func (x *Route) serveStatus(w http.ResponseWriter, r *http.Request, record *Record) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Accept")
	if accept.HTML(r.Header) {
		writeStatusPage(w)
		return
	}
	body, err := json.Marshal(status{Object: "gemini_proxy.status", PoolSnapshot: x.gateway.Pool.Snapshot()})
	if err != nil {
		x.refuse(w, record, asClientError(err))
		return
	}
	writeJSON(w, http.StatusOK, body)
}

// health is the answer of GET /v1/health: for load balancers, without detail, because it is open to anyone.
type health struct {
	Status string `json:"status"`
}

func (x *Route) serveHealth(w http.ResponseWriter, _ *http.Request, _ *Record) {
	code, answer := http.StatusOK, health{Status: "ok"}
	if !x.gateway.Pool.Ready() {
		code, answer.Status = http.StatusServiceUnavailable, "unavailable"
	}
	body, _ := json.Marshal(answer) // a struct of one string always marshals
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, code, body)
}
