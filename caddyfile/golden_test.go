package caddyfile_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy" // the transports

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
	_ "github.com/gemini-proxy/caddy-gemini-proxy/internal/guests"
)

var update = flag.Bool("update", false, "write what is read now into the golden files")

const separator = "----------\n"

// Every file in testdata is a directive, a line of dashes, and the JSON it means or the error it is refused with.
func TestDirectivesReadAsTheGoldenFilesSay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			directive, want, ok := strings.Cut(string(content), separator)
			if !ok {
				t.Fatalf("%s has no line %q", file, separator)
			}
			got := read(t, directive)
			if *update {
				if err := os.WriteFile(file, []byte(directive+separator+got), 0o644); err != nil {
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

// read returns the JSON of a directive, or the error it is refused with, as the golden files have it. JSON that is accepted must
// also pass as JSON, strictly decoded, and unchanged.
func read(t *testing.T, directive string) string {
	t.Helper()
	tokens, err := caddyfile.Tokenize([]byte(directive), "Caddyfile")
	if err != nil {
		return err.Error() + "\n"
	}
	var config proxyconfig.Config
	err = config.UnmarshalCaddyfile(caddyfile.NewDispenser(tokens))
	if err == nil {
		err = config.Validate()
	}
	if err != nil {
		return err.Error() + "\n"
	}
	got, err := json.MarshalIndent(config, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(got))
	decoder.DisallowUnknownFields()
	var again proxyconfig.Config
	if err := decoder.Decode(&again); err != nil {
		t.Fatalf("the JSON is not that of a Config: %v", err)
	}
	if second, _ := json.MarshalIndent(again, "", "\t"); !bytes.Equal(second, got) {
		t.Errorf("the JSON reads as:\n%s\nnot as:\n%s", second, got)
	}
	return string(got) + "\n"
}

// FuzzDirective looks for directives that break the parser, or that are accepted but mean JSON that is not.
func FuzzDirective(f *testing.F) {
	files, err := filepath.Glob("testdata/*.caddyfiletest")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		directive, _, _ := strings.Cut(string(content), separator)
		f.Add(directive)
	}
	f.Fuzz(func(t *testing.T, directive string) { read(t, directive) })
}
