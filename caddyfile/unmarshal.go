package caddyfile

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	gemini_proxy [<matcher>] {
//	    # who pays
//	    credentials <source> [<args...>] {
//	        backend       gemini_api|vertex|code_assist
//	        client_id     <id>
//	        client_secret <secret>
//	        project       <id>
//	        location      <region>
//	        quota_group   <name>
//	        label         <name>
//	        weight        <n>
//	        models        <patterns...>
//	    }
//	    policy   <name> [<args...>]
//	    affinity off|<duration>
//	    limit    <model_pattern> [rpm <n>] [rpd <n>] [tpm <n>]
//	    cooldown <min> [<max>]
//	    retry {
//	        attempts <n>
//	        duration <duration>
//	        budget   <percent>
//	        max_wait <duration>
//	        queue    <n>
//	    }
//	    hedge <percent>
//
//	    # what is offered
//	    default_model <name>
//	    model         <name> [<upstream_name>] {
//	        fallback <names...>
//	    }
//	    surfaces      <names...>
//	    thinking      auto|off|hidden|reasoning|content
//	    compat        lenient|strict
//	    safety        <category> <threshold>
//
//	    # where it goes
//	    endpoint  gemini_api|vertex|code_assist|oauth <base_url>
//	    transport <name> {
//	        ...
//	    }
//
//	    # HTTP
//	    anonymous
//	    max_body            <size>
//	    keepalive           <duration>
//	    first_token_timeout <duration>
//	    idle_timeout        <duration>
//
//	    # what outlives the process
//	    state storage|memory
//	}
//
// The lines credentials, limit, model, safety and endpoint may be repeated. Sources of credentials are modules in the namespace
// http.gemini_proxy.credentials, policies in http.gemini_proxy.policies, transports in http.reverse_proxy.transport, and what keeps
// state in http.gemini_proxy.state.
func (c *Config) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the directive's name
	if err := nothing(d); err != nil {
		return err
	}
	seen := make(once)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		switch name {
		case "credentials", "limit", "model", "safety", "endpoint":
		default:
			if err := seen.check(d, name); err != nil {
				return err
			}
		}
		if err := c.unmarshalSubdirective(d, name); err != nil {
			return err
		}
	}
	return nil
}

// unmarshalSubdirective reads one line of the block, with the block it may open.
func (c *Config) unmarshalSubdirective(d *caddyfile.Dispenser, name string) (err error) {
	switch name {
	case "credentials":
		err = c.unmarshalCredentials(d)
	case "policy":
		c.PolicyRaw, err = guest[rotator.Policy](d, "http.gemini_proxy.policies.", "policy")
	case "affinity":
		c.Affinity, err = durationOrOff(d)
	case "limit":
		err = c.unmarshalLimit(d)
	case "cooldown":
		err = c.Cooldown.unmarshal(d)
	case "retry":
		err = c.Retry.unmarshal(d)
	case "hedge":
		c.Hedge, err = percent(d)
	case "default_model":
		c.DefaultModel, err = text(d)
	case "model":
		err = c.unmarshalModel(d)
	case "surfaces":
		c.Surfaces, err = words(d, surfaces)
	case "thinking":
		c.Thinking, err = word(d, thinkingNames())
	case "compat":
		c.Compat, err = word(d, compat)
	case "safety":
		err = c.unmarshalSafety(d)
	case "endpoint":
		err = c.unmarshalEndpoint(d)
	case "transport":
		c.TransportRaw, err = guest[http.RoundTripper](d, "http.reverse_proxy.transport.", "protocol")
	case "anonymous":
		c.Anonymous, err = true, nothing(d)
	case "max_body":
		c.MaxBody, err = size(d)
	case "keepalive":
		c.Keepalive, err = durationOrZero(d)
	case "first_token_timeout":
		c.FirstTokenTimeout, err = duration(d)
	case "idle_timeout":
		c.IdleTimeout, err = duration(d)
	case "state":
		c.StateRaw, err = guest[caddy.Module](d, "http.gemini_proxy.state.", "state")
	case "{":
		err = d.Err("unexpected block: the line it belongs to takes none")
	default:
		err = d.Errf("unrecognized subdirective '%s'", name)
	}
	return err
}

func (c *Config) unmarshalCredentials(d *caddyfile.Dispenser) error {
	raw, err := guest[CredentialSource](d, "http.gemini_proxy.credentials.", "source")
	if err != nil {
		return err
	}
	c.CredentialsRaw = append(c.CredentialsRaw, raw)
	return nil
}

// unmarshalLimit reads: limit <model_pattern> [rpm <n>] [rpd <n>] [tpm <n>]
func (c *Config) unmarshalLimit(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.Err("limit needs a pattern of model names")
	}
	limit := Limit{Model: d.Val()}
	for d.NextArg() {
		var target *int64
		switch d.Val() {
		case "rpm":
			target = &limit.RPM
		case "rpd":
			target = &limit.RPD
		case "tpm":
			target = &limit.TPM
		default:
			return d.Errf("unrecognized quota '%s': use rpm, rpd or tpm", d.Val())
		}
		if *target != 0 {
			return d.Errf("quota '%s' already specified", d.Val())
		}
		var err error
		if *target, err = nextCount(d); err != nil {
			return err
		}
	}
	if err := limit.validate(); err != nil {
		return d.WrapErr(err)
	}
	for _, other := range c.Limits {
		if other.Model == limit.Model {
			return d.Errf("limit for '%s' already specified", limit.Model)
		}
	}
	c.Limits = append(c.Limits, limit)
	return nil
}

// unmarshal reads: cooldown <min> [<max>]
func (c *Cooldown) unmarshal(d *caddyfile.Dispenser) error {
	values, err := durations(d, 2)
	if err != nil {
		return err
	}
	c.Min = values[0]
	if len(values) == 2 {
		c.Max = values[1]
	}
	if err := c.validate(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// unmarshal reads: retry { attempts <n>; duration <duration>; budget <percent>; max_wait <duration>; queue <n> }
func (r *Retry) unmarshal(d *caddyfile.Dispenser) error {
	if err := nothing(d); err != nil {
		return err
	}
	seen := make(once)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if err := seen.check(d, option); err != nil {
			return err
		}
		var err error
		switch option {
		case "attempts":
			r.Attempts, err = smallCount(d)
		case "duration":
			r.Duration, err = duration(d)
		case "budget":
			r.Budget, err = percent(d)
		case "max_wait":
			r.MaxWait, err = durationOrZero(d)
		case "queue":
			r.Queue, err = smallCount(d)
		default:
			err = d.Errf("unrecognized option of retry '%s'", option)
		}
		if err != nil {
			return err
		}
	}
	if len(seen) == 0 {
		return d.Err("retry needs a block that says attempts, duration, budget, max_wait or queue")
	}
	return nil
}

// unmarshalModel reads: model <name> [<upstream_name>] { fallback <names...> }
func (c *Config) unmarshalModel(d *caddyfile.Dispenser) error {
	var m Model
	args := d.RemainingArgs()
	switch len(args) {
	case 2:
		m.UpstreamName = args[1]
		fallthrough
	case 1:
		m.Name = args[0]
	default:
		return d.Err("model needs a name, and at most the name of the model behind it")
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "fallback" {
			return d.Errf("unrecognized option of model '%s'", d.Val())
		}
		if m.Fallback != nil {
			return d.Err("fallback already specified")
		}
		if m.Fallback = d.RemainingArgs(); len(m.Fallback) == 0 {
			return d.Err("fallback needs at least one model")
		}
	}
	if err := m.validate(); err != nil {
		return d.WrapErr(err)
	}
	for _, other := range c.Models {
		if other.Name == m.Name {
			return d.Errf("model '%s' already specified", m.Name)
		}
	}
	c.Models = append(c.Models, m)
	return nil
}

// unmarshalEndpoint reads: endpoint <service> <base_url>
func (c *Config) unmarshalEndpoint(d *caddyfile.Dispenser) error {
	var service, base string
	if !d.AllArgs(&service, &base) {
		return d.Err("endpoint needs the name of a service and its base URL")
	}
	if err := checkEndpoint(service, base); err != nil {
		return d.WrapErr(err)
	}
	if c.Endpoints[service] != "" {
		return d.Errf("endpoint '%s' already specified", service)
	}
	if c.Endpoints == nil {
		c.Endpoints = make(map[string]string)
	}
	c.Endpoints[service] = base
	return nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*Config)(nil)
	_ caddy.Validator       = (*Config)(nil)
)
