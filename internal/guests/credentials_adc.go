package guests

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
)

func init() {
	caddy.RegisterModule(new(ADCCredentials))
}

// ADCCredentials takes Google's Application Default Credentials: the file that the environment variable GOOGLE_APPLICATION_CREDENTIALS
// names, else the one that `gcloud auth application-default login` leaves, else the identity of the machine or workload it runs on.
type ADCCredentials struct {
	proxyconfig.CredentialOptions

	secret proxyconfig.Secret
}

// CaddyModule returns the Caddy module information.
func (*ADCCredentials) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.gemini_proxy.credentials.adc",
		New: func() caddy.Module { return new(ADCCredentials) },
	}
}

// UnmarshalCaddyfile sets up the source from Caddyfile tokens. Syntax:
//
//	credentials adc {
//	    <options...>
//	}
func (a *ADCCredentials) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the source's name
	if d.NextArg() {
		return d.Err("credentials adc takes no arguments")
	}
	return a.UnmarshalBlock(d)
}

// Provision finds the file. Without one it leaves the metadata server for the first token that is needed: a configuration is
// provisioned without asking anything over the network.
func (a *ADCCredentials) Provision(caddy.Context) error {
	var err error
	if path := os.Getenv(adcVariable); path != "" {
		a.secret, err = readSecret(path)
		return err
	}
	a.secret, err = readSecret(gcloudFile())
	if errors.Is(err, fs.ErrNotExist) {
		a.secret, err = proxyconfig.Secret{Origin: "the metadata server"}, nil
	}
	return err
}

// Secrets returns the one credential.
func (a *ADCCredentials) Secrets() []proxyconfig.Secret { return []proxyconfig.Secret{a.secret} }

// gcloudFile is where gcloud leaves Application Default Credentials, according to Google's documentation.
func gcloudFile() string {
	const name = "application_default_credentials.json"
	if dir := os.Getenv("CLOUDSDK_CONFIG"); dir != "" {
		return filepath.Join(dir, name)
	}
	if runtime.GOOS == "windows" {
		return filepath.Join(os.Getenv("APPDATA"), "gcloud", name)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/" // a service without a home has no such file either
	}
	return filepath.Join(home, ".config", "gcloud", name)
}

// Interface guards
var (
	_ caddy.Provisioner            = (*ADCCredentials)(nil)
	_ caddyfile.Unmarshaler        = (*ADCCredentials)(nil)
	_ proxyconfig.CredentialSource = (*ADCCredentials)(nil)
)
