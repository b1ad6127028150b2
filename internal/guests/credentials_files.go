package guests

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
)

func init() {
	caddy.RegisterModule(new(FileCredentials))
}

// maxSecret bounds what is read of a credentials file; real ones have a few kilobytes.
const maxSecret = 1 << 20

// FileCredentials takes credentials from files: an API key, or the JSON of a credentials file, in each.
type FileCredentials struct {
	// The paths of the files. `*`, `?` and `[a-z]` stand for parts of a name, and placeholders are allowed. Every path must lead to
	// at least one file.
	Paths []string `json:"paths,omitempty"`

	proxyconfig.CredentialOptions

	secrets []proxyconfig.Secret
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
func (f *FileCredentials) Provision(caddy.Context) error {
	seen := make(map[string]bool)
	for _, pattern := range f.Paths {
		pattern, err := resolve(pattern)
		if err != nil {
			return fmt.Errorf("path: %w", err)
		}
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("path %s: %w", pattern, err)
		}
		if len(paths) == 0 {
			return fmt.Errorf("no file matches %s", pattern)
		}
		for _, path := range paths {
			if seen[path] {
				continue
			}
			seen[path] = true
			secret, err := readSecret(path)
			if err != nil {
				return err
			}
			f.secrets = append(f.secrets, secret)
		}
	}
	return nil
}

// Secrets returns what the files hold.
func (f *FileCredentials) Secrets() []proxyconfig.Secret { return f.secrets }

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
)
