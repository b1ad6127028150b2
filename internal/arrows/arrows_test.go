package arrows

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/gemini-proxy/caddy-gemini-proxy"

// room is what one package may import beside the standard library: packages of this module, and modules of others.
type room struct {
	own   []string
	other []string
}

const (
	caddy     = "github.com/caddyserver/caddy/v2"
	cel       = "cel.dev/cel-go"
	certmagic = "github.com/caddyserver/certmagic"
	json2     = "github.com/go-json-experiment/json"
	oauth2    = "golang.org/x/oauth2"
	ssrf      = "code.dny.dev/ssrf"
	zap       = "go.uber.org/zap"
)

// rooms is every package by its path in the module; "." is the root.
var rooms = map[string]room{
	"rotator":             {},
	"translate":           {other: []string{json2}},
	"translate/gemini":    {own: []string{"translate"}, other: []string{json2}},
	"translate/openai":    {own: []string{"translate"}, other: []string{json2}},
	"internal/google":     {own: []string{"rotator", "translate", "translate/gemini"}, other: []string{json2, oauth2}},
	"internal/fetch":      {other: []string{ssrf}},
	"internal/signatures": {own: []string{"translate"}},
	"internal/gateway": {
		own: []string{
			"rotator", "translate", "translate/gemini", "translate/openai", "internal/accept", "internal/fetch", "internal/google", "internal/signatures",
		},
		other: []string{json2},
	},
	"internal/accept":      {},
	"internal/googlesim":   {other: []string{json2}},
	"internal/conformance": {other: []string{"github.com/santhosh-tekuri/jsonschema/v6"}},
	"internal/arrows":      {},
	"internal/golden":      {},
	"caddyfile":            {own: []string{"rotator", "translate"}, other: []string{caddy, "github.com/dustin/go-humanize"}},
	"internal/accounts":    {own: []string{"rotator", "translate/gemini", "internal/signatures"}, other: []string{caddy, zap}},
	"internal/guests": {
		own:   []string{"caddyfile", "rotator", "translate", "translate/openai", "internal/accept", "internal/accounts", "internal/google"},
		other: []string{caddy, cel, certmagic, zap},
	},
	"internal/observe": {own: []string{"rotator", "internal/gateway"}, other: []string{caddy, zap}},
	"internal/admin": {
		own: []string{
			"caddyfile", "rotator", "translate", "translate/gemini", "internal/accounts", "internal/gateway", "internal/google", "internal/googlesim",
			"internal/guests", "internal/observe",
		},
		other: []string{caddy, "github.com/spf13/cobra"},
	},
	".": {
		own: []string{
			"caddyfile", "rotator", "translate", "translate/gemini", "translate/openai",
			"internal/accounts", "internal/admin", "internal/fetch", "internal/gateway", "internal/google", "internal/guests",
			"internal/observe",
		},
		other: []string{caddy, zap},
	},
	"cmd/caddy": {own: []string{"."}, other: []string{caddy}},
	"bench/quota": {own: []string{
		"rotator", "translate/gemini", "translate/openai", "internal/gateway", "internal/google", "internal/googlesim",
	}},
}

// pure packages must not link Caddy, not even through somebody else.
var pure = []string{
	"rotator", "translate", "translate/gemini", "translate/openai", "internal/fetch", "internal/google", "internal/gateway", "internal/googlesim",
	"internal/accept", "internal/conformance", "internal/signatures",
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func TestImportsFollowTheDrawing(t *testing.T) {
	for _, p := range packages(t) {
		path := local(p.ImportPath)
		r, drawn := rooms[path]
		if !drawn {
			t.Errorf("package %s is not in the drawing: add it, with what it may import", path)
			continue
		}
		for _, imported := range p.Imports {
			if !r.allows(imported) {
				t.Errorf("%s must not import %s", path, imported)
			}
		}
	}
}

func TestPurePackagesDoNotLinkCaddy(t *testing.T) {
	seen := 0
	for _, p := range packages(t) {
		if !slices.Contains(pure, local(p.ImportPath)) {
			continue
		}
		seen++
		for _, dependency := range p.Deps {
			if strings.HasPrefix(dependency, "github.com/caddyserver/") {
				t.Errorf("%s depends on %s", p.ImportPath, dependency)
			}
		}
	}
	if seen != len(pure) {
		t.Errorf("%d of the %d pure packages exist", seen, len(pure))
	}
}

func (r room) allows(imported string) bool {
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return true // the standard library
	}
	if within(imported, module) {
		return slices.Contains(r.own, local(imported))
	}
	return slices.ContainsFunc(r.other, func(allowed string) bool { return within(imported, allowed) })
}

func within(path, module string) bool { return path == module || strings.HasPrefix(path, module+"/") }

// local is the path of one of our packages in the module; "." is the root.
func local(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

// packages asks the go command, which knows about build tags and what is linked in the end.
func packages(t *testing.T) []goPackage {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", module+"/...")
	var complaint strings.Builder
	command.Stderr = &complaint
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, complaint.String())
	}
	var list []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p goPackage
		if err := decoder.Decode(&p); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}
