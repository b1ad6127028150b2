package caddyfile_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy" // the transports

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/golden"
	_ "github.com/gemini-proxy/caddy-gemini-proxy/internal/guests"
)

// Every file in testdata is a directive, a line of dashes, and the JSON it means or the error it is refused with.
func TestDirectivesReadAsTheGoldenFilesSay(t *testing.T) {
	golden.Run(t, "testdata/*.caddyfiletest", read)
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
	for _, directive := range golden.Inputs(f, "testdata/*.caddyfiletest") {
		f.Add(directive)
	}
	f.Fuzz(func(t *testing.T, directive string) { read(t, directive) })
}
