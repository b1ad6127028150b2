package geminiproxy

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/golden"
)

// adapt returns the JSON that Caddy makes of a Caddyfile, or its error.
func adapt(t *testing.T, name string, content []byte) string {
	t.Helper()
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(content, map[string]any{"filename": name})
	if err != nil {
		return err.Error() + "\n"
	}
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, config, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return indented.String() + "\n"
}

// Every file in testdata/adapt is a Caddyfile, a line of dashes, and the JSON it adapts to or the error it is refused with.
func TestCaddyfilesAdaptAsTheGoldenFilesSay(t *testing.T) {
	golden.Run(t, "testdata/adapt/*.caddyfiletest", func(t *testing.T, input string) string {
		return adapt(t, "Caddyfile", []byte(input))
	})
}

func TestTheExampleAdaptsAndKeepsSecretsOut(t *testing.T) {
	const name = "Caddyfile.example"
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if formatted := caddyfile.Format(content); !bytes.Equal(formatted, content) {
		t.Errorf("%s is not formatted as caddy fmt would have it", name)
	}
	t.Setenv("GEMINI_API_KEY", "sentinel-upstream")
	t.Setenv("GATEWAY_KEY", "sentinel-client")
	config := adapt(t, name, content)
	if !strings.Contains(config, `"handler": "gemini_proxy"`) || !strings.Contains(config, "{env.GATEWAY_KEY}") {
		t.Errorf("adapts to:\n%s", config)
	}
	if strings.Contains(config, "sentinel") {
		t.Errorf("shows a secret:\n%s", config)
	}
}
