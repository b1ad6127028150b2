package guests

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
)

func init() {
	caddy.RegisterModule(new(FileCredentials))
}

// maxSecret bounds what is read of a credentials file; real ones have a few kilobytes.
const maxSecret = 1 << 20

// FileCredentials takes credentials from files: an API key, or the JSON of a credentials file, in each. Files that change, come or go
// while the configuration runs are noticed within seconds. What a file cannot be read as is logged, and what it held before stays in
// use.
type FileCredentials struct {
	// The paths of the files. `*`, `?` and `[a-z]` stand for parts of a name, and placeholders are allowed. Directories are passed
	// over. At the start every path must lead to at least one file.
	Paths []string `json:"paths,omitempty"`

	proxyconfig.CredentialOptions

	patterns []string // the paths without placeholders
	files    []secretFile
	missing  bool // it has been said that no file is usable
	logger   *zap.Logger

	mu      sync.Mutex
	secrets []proxyconfig.Secret // what is in use, without numbers
	numbers map[string]int       // of their accounts, by path
}

// CaddyModule returns the Caddy module information.
func (*FileCredentials) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.gemini_proxy.credentials.files",
		New: func() caddy.Module { return new(FileCredentials) },
	}
}

// UnmarshalCaddyfile sets up the source from Caddyfile tokens. Syntax:
//
//	credentials files <glob...> {
//	    <options...>
//	}
func (f *FileCredentials) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the source's name
	f.Paths = d.RemainingArgs()
	if len(f.Paths) == 0 {
		return d.Err("credentials files needs at least one path")
	}
	return f.UnmarshalBlock(d)
}

// Provision reads the files.
func (f *FileCredentials) Provision(ctx caddy.Context) error {
	f.logger, f.numbers = ctx.Logger(), make(map[string]int)
	for _, path := range f.Paths {
		pattern, err := resolve(path)
		if err != nil {
			return fmt.Errorf("path: %w", err)
		}
		paths, err := matchingFiles(pattern)
		if err != nil {
			return fmt.Errorf("path %s: %w", pattern, err)
		}
		if len(paths) == 0 {
			return fmt.Errorf("no file matches %s", pattern)
		}
		f.patterns = append(f.patterns, pattern)
	}
	for _, path := range f.find() {
		info := fileInfo(path)
		secret, err := readSecret(path)
		if err != nil {
			return err
		}
		f.files = append(f.files, secretFile{path: path, info: info, value: secret.Value})
	}
	f.secrets = secretsOf(f.files)
	return nil
}

// Secrets returns what the files held when they were last looked at. It is safe for concurrent use.
func (f *FileCredentials) Secrets() []proxyconfig.Secret {
	f.mu.Lock()
	defer f.mu.Unlock()
	secrets := slices.Clone(f.secrets)
	for i := range secrets {
		secrets[i].Number = f.numbers[secrets[i].Origin]
	}
	return secrets
}

// remember keeps the number of a file's account, so that others that come and go do not rename it.
func (f *FileCredentials) remember(path string, number int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.numbers[path] = number
}

// find lists the files that the patterns lead to now, in the order of the configuration, each once.
func (f *FileCredentials) find() []string {
	var found []string
	seen := make(map[string]bool)
	for _, pattern := range f.patterns {
		paths, _ := matchingFiles(pattern) // a bad pattern was refused at the start
		for _, path := range paths {
			if !seen[path] {
				seen[path] = true
				found = append(found, path)
			}
		}
	}
	return found
}

// matchingFiles lists what a pattern leads to, in alphabetical order, but for directories: where Kubernetes mounts secrets, there are
// some beside the files.
func matchingFiles(pattern string) ([]string, error) {
	paths, err := filepath.Glob(pattern)
	return slices.DeleteFunc(paths, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.IsDir()
	}), err
}

// readSecret reads one credentials file. Its errors name the file, never what is in it.
func readSecret(path string) (proxyconfig.Secret, error) {
	file, err := os.Open(path) //nolint:gosec // G703: which file is for the operator to say
	if err != nil {
		return proxyconfig.Secret{}, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return proxyconfig.Secret{}, err
	}
	value := strings.TrimSpace(string(content))
	switch {
	case len(content) > maxSecret:
		err = errors.New("too large for a credentials file")
	case value == "":
		err = errors.New("the file is empty")
	}
	if err != nil {
		return proxyconfig.Secret{}, fmt.Errorf("%s: %w", path, err)
	}
	return proxyconfig.Secret{Value: value, Origin: path}, nil
}

// Interface guards
var (
	_ caddy.Provisioner            = (*FileCredentials)(nil)
	_ caddyfile.Unmarshaler        = (*FileCredentials)(nil)
	_ proxyconfig.CredentialSource = (*FileCredentials)(nil)
	_ proxyconfig.Watcher          = (*FileCredentials)(nil)
	_ numbering                    = (*FileCredentials)(nil)
)
