package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/guests"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// patient is a credential to be examined.
type patient struct {
	*rotator.Credential
	aliases []string // what other handlers call it
	client  *google.Client
	model   string // to ask about
}

// handlers finds every gemini_proxy in a configuration file, wherever it is nested.
func handlers(file, adapter string) ([]proxyconfig.Config, error) {
	text, _, _, err := caddycmd.LoadConfig(file, adapter)
	if err != nil {
		return nil, err
	}
	var config any
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	found, err := handlersIn(config)
	if err == nil && len(found) == 0 {
		err = errors.New("there is no gemini_proxy in the configuration")
	}
	return found, err
}

func handlersIn(node any) (found []proxyconfig.Config, err error) {
	var below []any
	switch node := node.(type) {
	case []any:
		below = node
	case map[string]any:
		if node["handler"] == "gemini_proxy" {
			config, err := handlerConfig(node)
			return []proxyconfig.Config{config}, err
		}
		for _, key := range slices.Sorted(maps.Keys(node)) {
			below = append(below, node[key])
		}
	}
	for _, child := range below {
		more, err := handlersIn(child)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

func handlerConfig(node map[string]any) (config proxyconfig.Config, err error) {
	text, err := json.Marshal(node)
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil {
		return config, fmt.Errorf("reading the configuration of gemini_proxy: %w", err)
	}
	return config, nil
}

// admit loads the credentials of handlers as Caddy would, without listening, logging or starting anything. complaints are about handlers
// whose credentials could not be loaded. discharge lets go of what was loaded.
func admit(configs []proxyconfig.Config) (patients []patient, complaints []string, discharge func(), err error) {
	base, err := caddy.ProvisionContext(&caddy.Config{Logging: onlyErrors()})
	if err != nil {
		return nil, nil, nil, fmt.Errorf("preparing to load modules: %w", err)
	}
	ctx, cancel := caddy.NewContext(base)
	var clients []*google.Client
	known := make(map[string]int) // places in patients
	for i := range configs {
		config := &configs[i]
		config.SetDefaults(os.Getenv)
		where := fmt.Sprint(config.Endpoints, string(config.TransportRaw)) // loading empties the fields
		client, credentials, err := load(ctx, config)
		if err != nil {
			complaints = append(complaints, err.Error())
			continue
		}
		clients = append(clients, client)
		for _, cred := range credentials {
			// What several handlers have is asked about once, unless they ask somebody else.
			key := cred.ID + where
			if at, twice := known[key]; twice {
				patients[at].call(cred.Label)
				continue
			}
			known[key] = len(patients)
			patients = append(patients, patient{Credential: cred, client: client, model: modelFor(cred, config)})
		}
	}
	return patients, complaints, func() {
		for _, client := range clients {
			client.CloseIdleConnections()
		}
		cancel()
	}, nil
}

func load(ctx caddy.Context, config *proxyconfig.Config) (*google.Client, []*rotator.Credential, error) {
	client, err := guests.Client(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	sources, err := guests.Sources(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	credentials, err := guests.Credentials(sources, client, ctx.Logger())
	return client, credentials, err
}

// call notes one more label.
func (p *patient) call(label string) {
	if label != p.Label && !slices.Contains(p.aliases, label) {
		p.aliases = append(p.aliases, label)
	}
}

// modelFor is the model to ask about: what answers requests that name none, or, where the operator lets the credential not serve that,
// the first in the catalogue that it may serve.
func modelFor(cred *rotator.Credential, config *proxyconfig.Config) string {
	name := gemini.NormalizeModel(config.DefaultModel)
	for _, m := range config.Models {
		if m.Name == name {
			name = m.UpstreamName
		}
	}
	if len(cred.Models) == 0 || mayServe(cred, name) {
		return name
	}
	for _, m := range gemini.NewCatalogue().List() {
		if mayServe(cred, m.ID) {
			return m.ID
		}
	}
	return name
}

func mayServe(cred *rotator.Credential, model string) bool {
	return slices.ContainsFunc(cred.Models, func(pattern string) bool {
		ok, err := path.Match(pattern, model)
		return ok && err == nil
	})
}

// examine asks Google about the credential.
func (p *patient) examine(ctx context.Context) Diagnosis {
	d := Diagnosis{
		Label: p.Label, Aliases: p.aliases, Backend: p.Backend, QuotaGroup: p.QuotaGroup, Project: p.Project, Model: p.model,
	}
	if d.QuotaGroup == p.ID {
		d.QuotaGroup = p.Label // a group of its own
	}
	finding, err := p.client.Probe(ctx, p.Credential, p.model)
	if err == nil {
		d.healthy(finding)
		return d
	}
	fault, ok := errors.AsType[*rotator.Fault](err)
	if !ok {
		fault = &rotator.Fault{Kind: rotator.FaultTransient, Err: err}
	}
	d.faulty(fault)
	return d
}
