package caddyfile

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// surfaces are the client protocols there are.
var surfaces = []string{"chat"}

// compat are the manners of dealing with what cannot have its effect, the default first.
var compat = []string{"lenient", "strict"}

// thinking pairs the names operators write with what they mean.
var thinking = []struct {
	name  string
	value translate.Thinking
}{
	{"auto", translate.ThinkingAuto},
	{"off", translate.ThinkingOff},
	{"hidden", translate.ThinkingHidden},
	{"reasoning", translate.ThinkingReasoning},
	{"content", translate.ThinkingContent},
}

func thinkingNames() []string {
	names := make([]string, len(thinking))
	for i, t := range thinking {
		names[i] = t.name
	}
	return names
}

// SetDefaults fills in what the operator left out, except for the guests. The environment is asked for the two variables that the
// default of Thinking depends on.
func (c *Config) SetDefaults(getenv func(string) string) {
	setDefault(&c.Affinity, new(caddy.Duration(time.Hour)))
	setDefault(&c.Cooldown.Min, caddy.Duration(5*time.Second))
	setDefault(&c.Cooldown.Max, max(caddy.Duration(time.Hour), c.Cooldown.Min))
	setDefault(&c.Retry.Attempts, 4)
	setDefault(&c.Retry.MaxWait, new(caddy.Duration(10*time.Second)))
	setDefault(&c.Retry.Duration, max(caddy.Duration(time.Minute), *c.Retry.MaxWait))
	setDefault(&c.Retry.Budget, 20)
	setDefault(&c.Retry.Queue, 1000)
	setDefault(&c.DefaultModel, "gemini-3-flash-preview")
	setDefault(&c.Thinking, defaultThinking(getenv))
	setDefault(&c.Compat, compat[0])
	setDefault(&c.MaxBody, 32<<20)
	setDefault(&c.FirstTokenTimeout, caddy.Duration(5*time.Minute))
	setDefault(&c.IdleTimeout, caddy.Duration(2*time.Minute))
	setDefault(&c.Keepalive, new(caddy.Duration(15*time.Second)))
	if len(c.Surfaces) == 0 {
		c.Surfaces = slices.Clone(surfaces)
	}
	for i := range c.Models {
		setDefault(&c.Models[i].UpstreamName, c.Models[i].Name)
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// defaultThinking honours the variables people know from other gateways to Gemini.
func defaultThinking(getenv func(string) string) string {
	switch {
	case getenv("ENABLE_REAL_THINKING") != "true":
		return "auto"
	case getenv("STREAM_THINKING_AS_CONTENT") == "true":
		return "content"
	default:
		return "reasoning"
	}
}

// ThinkingMode returns what Thinking means; the configuration must be valid.
func (c *Config) ThinkingMode() translate.Thinking {
	for _, t := range thinking {
		if t.name == c.Thinking {
			return t.value
		}
	}
	return translate.ThinkingAuto
}

// Strict reports whether parameters that cannot have their effect are refused.
func (c *Config) Strict() bool { return c.Compat == "strict" }

// Validate checks everything but the guests, which check themselves. Fields that were left out pass.
func (c *Config) Validate() error {
	for i, limit := range c.Limits {
		if err := limit.validate(); err != nil {
			return fmt.Errorf("limit %d: %w", i+1, err)
		}
	}
	for i, m := range c.Models {
		if err := m.validate(); err != nil {
			return fmt.Errorf("model %d: %w", i+1, err)
		}
		if slices.ContainsFunc(c.Models[:i], func(other Model) bool { return other.Name == m.Name }) {
			return fmt.Errorf("model '%s' is specified twice", m.Name)
		}
	}
	for service, base := range c.Endpoints {
		if err := checkEndpoint(service, base); err != nil {
			return err
		}
	}
	for _, name := range c.Surfaces {
		if err := checkWord("surfaces", name, surfaces); err != nil {
			return err
		}
	}
	if c.Thinking != "" {
		if err := checkWord("thinking", c.Thinking, thinkingNames()); err != nil {
			return err
		}
	}
	if c.Compat != "" {
		if err := checkWord("compat", c.Compat, compat); err != nil {
			return err
		}
	}
	if err := checkSafety(c.Safety); err != nil {
		return err
	}
	if err := c.Cooldown.validate(); err != nil {
		return err
	}
	return c.validateNumbers()
}

func (c *Config) validateNumbers() error {
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"retry attempts", int64(c.Retry.Attempts)},
		{"retry duration", int64(c.Retry.Duration)},
		{"retry budget", int64(c.Retry.Budget)},
		{"retry max_wait", orZero(c.Retry.MaxWait)},
		{"retry queue", int64(c.Retry.Queue)},
		{"hedge", int64(c.Hedge)},
		{"affinity", orZero(c.Affinity)},
		{"keepalive", orZero(c.Keepalive)},
		{"max_body", c.MaxBody},
		{"first_token_timeout", int64(c.FirstTokenTimeout)},
		{"idle_timeout", int64(c.IdleTimeout)},
	} {
		if field.value < 0 {
			return errNegative(field.name)
		}
	}
	if c.Retry.Budget > 100 {
		return fmt.Errorf("retry budget must be a percentage from 1 to 100, not %d", c.Retry.Budget)
	}
	if c.Hedge > 100 {
		return fmt.Errorf("hedge must be a percentage from 1 to 100, not %d", c.Hedge)
	}
	return nil
}

func orZero(d *caddy.Duration) int64 {
	if d == nil {
		return 0
	}
	return int64(*d)
}

func (l Limit) validate() error {
	if err := checkPattern("limit", l.Model); err != nil {
		return err
	}
	if l.RPM < 0 || l.RPD < 0 || l.TPM < 0 {
		return errNegative("limit")
	}
	if l.RPM == 0 && l.RPD == 0 && l.TPM == 0 {
		return fmt.Errorf("limit for '%s' sets neither rpm nor rpd nor tpm", l.Model)
	}
	return nil
}

func (c Cooldown) validate() error {
	if c.Min < 0 || c.Max < 0 {
		return errNegative("cooldown")
	}
	if c.Max != 0 && c.Max < c.Min {
		return fmt.Errorf("cooldown: the maximum %s is less than the minimum %s", time.Duration(c.Max), time.Duration(c.Min))
	}
	return nil
}

func (m Model) validate() error {
	if m.Name == "" {
		return errors.New("a model needs a name")
	}
	for i, name := range m.Fallback {
		switch {
		case name == "":
			return fmt.Errorf("model '%s' has a fallback without a name", m.Name)
		case name == m.Name:
			return fmt.Errorf("model '%s' cannot be its own fallback", m.Name)
		case slices.Contains(m.Fallback[:i], name):
			return fmt.Errorf("model '%s' has the fallback '%s' twice", m.Name, name)
		}
	}
	return nil
}

// checkEndpoint makes sure that a path can be appended to a base URL.
func checkEndpoint(service, base string) error {
	if err := checkWord("endpoint", service, services); err != nil {
		return err
	}
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("endpoint %s must be an http or https URL with a host and without user, query and fragment", service)
	}
	return nil
}

// checkPattern accepts what path.Match can match.
func checkPattern(name, pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
		return fmt.Errorf("%s: '%s' is not a pattern of model names", name, pattern)
	}
	return nil
}

func errNegative(name string) error { return fmt.Errorf("%s must not be negative", name) }
