package arrows

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// caddyVersion is what the module is built and tried with. A dependency that wants less than Caddy does can downgrade Caddy without a
// word, which this notices.
const caddyVersion = "v2.11.9"

func TestCaddyIsPinned(t *testing.T) {
	output, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}", caddy).Output()
	if err != nil {
		t.Fatal(err)
	}
	if version := strings.TrimSpace(string(output)); version != caddyVersion {
		t.Errorf("Caddy is %s, want %s", version, caddyVersion)
	}
}

// Blank-importing this module into somebody's Caddy must have no effect but registration.
func TestInitOnlyRegisters(t *testing.T) {
	found := 0
	for _, path := range tree(t) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "e2e/") {
			continue
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, filepath.Join(root, path), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok || function.Recv != nil || function.Name.Name != "init" {
				continue
			}
			found++
			for _, statement := range function.Body.List {
				if !registers(statement) {
					t.Errorf("%s: init does more than register", files.Position(statement.Pos()))
				}
			}
		}
	}
	if found == 0 {
		t.Error("no init function found: nothing is registered")
	}
}

func registers(statement ast.Stmt) bool {
	expression, ok := statement.(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := expression.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	function, ok := call.Fun.(*ast.SelectorExpr)
	return ok && strings.HasPrefix(function.Sel.Name, "Register")
}

// On file systems that ignore case, two such paths are one. A Caddyfile in the root would be such a path beside the package caddyfile.
func TestPathsDifferInMoreThanCase(t *testing.T) {
	seen := map[string]string{}
	for _, path := range tree(t) {
		folded := strings.ToLower(path)
		if other, taken := seen[folded]; taken {
			t.Errorf("%s and %s differ in case only", other, path)
		}
		seen[folded] = path
	}
}

const root = "../.."

// tree is every file and folder of the project, as slash-separated paths from its root, less what git and npm keep.
func tree(t *testing.T) []string {
	t.Helper()
	var paths []string
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules") {
			return fs.SkipDir
		}
		paths = append(paths, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}
