package caddyfile_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

func noEnv(string) string { return "" }

func TestDefaultsFillInWhatWasLeftOut(t *testing.T) {
	var c proxyconfig.Config
	c.SetDefaults(noEnv)
	got, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"affinity":3600000000000,"cooldown":{"min":5000000000,"max":3600000000000},` +
		`"retry":{"attempts":4,"duration":60000000000,"budget":20,"max_wait":10000000000,"queue":1000},` +
		`"default_model":"gemini-3-flash-preview","surfaces":["chat"],"thinking":"auto","compat":"lenient","max_body":33554432,` +
		`"keepalive":15000000000,"first_token_timeout":300000000000,"idle_timeout":120000000000}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if err := c.Validate(); err != nil {
		t.Errorf("the defaults are not valid: %v", err)
	}
}

func TestDefaultsLeaveWhatWasSaid(t *testing.T) {
	off := caddy.Duration(0)
	c := proxyconfig.Config{
		Cooldown:  proxyconfig.Cooldown{Min: caddy.Duration(2 * time.Hour)},
		Keepalive: &off,
		Affinity:  &off,
		Retry:     proxyconfig.Retry{MaxWait: &off},
		Thinking:  "hidden",
		Models:    []proxyconfig.Model{{Name: "a"}, {Name: "b", UpstreamName: "c"}},
	}
	c.SetDefaults(func(string) string { return "true" })
	if *c.Keepalive != 0 || *c.Affinity != 0 || *c.Retry.MaxWait != 0 {
		t.Errorf("0 became keepalive %d, affinity %d, max_wait %d", *c.Keepalive, *c.Affinity, *c.Retry.MaxWait)
	}
	if c.Cooldown.Max != c.Cooldown.Min {
		t.Errorf("a minimum cooldown above the default maximum must raise it: %v", time.Duration(c.Cooldown.Max))
	}
	if c.ThinkingMode() != translate.ThinkingHidden {
		t.Errorf("the environment overrode thinking hidden: %q", c.Thinking)
	}
	if c.Models[0].UpstreamName != "a" || c.Models[1].UpstreamName != "c" {
		t.Errorf("upstream names: %+v", c.Models)
	}
}

func TestPatienceThatWasAskedForIsNotCutShortByADefault(t *testing.T) {
	patient := caddy.Duration(90 * time.Second)
	for _, test := range []struct {
		said, want time.Duration
	}{{0, 90 * time.Second}, {20 * time.Second, 20 * time.Second}} {
		c := proxyconfig.Config{Retry: proxyconfig.Retry{MaxWait: &patient, Duration: caddy.Duration(test.said)}}
		c.SetDefaults(func(string) string { return "" })
		if got := time.Duration(c.Retry.Duration); got != test.want {
			t.Errorf("max_wait 90s, duration %v: duration is %v, want %v", test.said, got, test.want)
		}
	}
}

func TestThinkingFollowsTheEnvironmentWhenTheDirectiveIsSilent(t *testing.T) {
	for _, test := range []struct {
		real, content string
		want          translate.Thinking
	}{
		{"", "", translate.ThinkingAuto},
		{"", "true", translate.ThinkingAuto},
		{"false", "true", translate.ThinkingAuto},
		{"true", "", translate.ThinkingReasoning},
		{"true", "false", translate.ThinkingReasoning},
		{"true", "true", translate.ThinkingContent},
	} {
		var c proxyconfig.Config
		c.SetDefaults(func(name string) string {
			return map[string]string{"ENABLE_REAL_THINKING": test.real, "STREAM_THINKING_AS_CONTENT": test.content}[name]
		})
		if got := c.ThinkingMode(); got != test.want {
			t.Errorf("ENABLE_REAL_THINKING=%q STREAM_THINKING_AS_CONTENT=%q: got %q", test.real, test.content, c.Thinking)
		}
	}
}

func TestEveryThinkingModeIsUnderstood(t *testing.T) {
	for name, want := range map[string]translate.Thinking{
		"auto": translate.ThinkingAuto, "off": translate.ThinkingOff, "hidden": translate.ThinkingHidden,
		"reasoning": translate.ThinkingReasoning, "content": translate.ThinkingContent,
	} {
		c := proxyconfig.Config{Thinking: name}
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
		if got := c.ThinkingMode(); got != want {
			t.Errorf("thinking %s means %d, not %d", name, got, want)
		}
	}
}

func TestValidateRefusesJSONThatNoCaddyfileCouldMean(t *testing.T) {
	for name, config := range map[string]string{
		"negative keepalive":           `{"keepalive": -1}`,
		"negative attempts":            `{"retry": {"attempts": -1}}`,
		"negative retry duration":      `{"retry": {"duration": -1}}`,
		"negative retry budget":        `{"retry": {"budget": -1}}`,
		"retry budget over 100":        `{"retry": {"budget": 101}}`,
		"negative max_wait":            `{"retry": {"max_wait": -1}}`,
		"negative queue":               `{"retry": {"queue": -1}}`,
		"negative affinity":            `{"affinity": -1}`,
		"negative hedge":               `{"hedge": -1}`,
		"hedge over 100":               `{"hedge": 101}`,
		"negative body size":           `{"max_body": -1}`,
		"negative first token timeout": `{"first_token_timeout": -1}`,
		"negative idle timeout":        `{"idle_timeout": -1}`,
		"negative limit":               `{"limit": [{"model": "*", "rpm": -1}]}`,
		"limit without numbers":        `{"limit": [{"model": "*"}]}`,
		"limit without model":          `{"limit": [{"rpm": 1}]}`,
		"broken pattern":               `{"limit": [{"model": "[", "rpm": 1}]}`,
		"cooldown upside down":         `{"cooldown": {"min": 2, "max": 1}}`,
		"unknown surface":              `{"surfaces": ["responses"]}`,
		"unknown thinking":             `{"thinking": "loud"}`,
		"unknown manner":               `{"compat": "sloppy"}`,
		"unknown harm":                 `{"safety": [{"category": "HARM_CATEGORY_RUDENESS", "threshold": "OFF"}]}`,
		"unknown threshold":            `{"safety": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "NONE"}]}`,
		"harm without threshold":       `{"safety": [{"category": "HARM_CATEGORY_HARASSMENT"}]}`,
		"unknown service":              `{"endpoint": {"bing": "https://example.com"}}`,
		"endpoint without host":        `{"endpoint": {"vertex": "https:///x"}}`,
		"model without name":           `{"model": [{"upstream_name": "x"}]}`,
		"model twice":                  `{"model": [{"name": "x"}, {"name": "x"}]}`,
		"model its own fallback":       `{"model": [{"name": "x", "fallback": ["x"]}]}`,
	} {
		var c proxyconfig.Config
		if err := json.Unmarshal([]byte(config), &c); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c.Validate() == nil {
			t.Errorf("%s: %s passes", name, config)
		}
	}
}
