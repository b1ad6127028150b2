package geminiproxy

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

var update = flag.Bool("update", false, "write what Caddyfiles adapt to now into the golden files")

const separator = "----------\n"

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
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			config, want, ok := strings.Cut(string(content), separator)
			if !ok {
				t.Fatalf("%s has no line %q", file, separator)
			}
			got := adapt(t, "Caddyfile", []byte(config))
			if *update {
				if err := os.WriteFile(file, []byte(config+separator+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
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
