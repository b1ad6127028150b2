package guests

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
)

func init() {
	caddy.RegisterModule(new(EnvCredentials))
}

// The variables that are read when none are named. Each of the first two also comes with numbers: GEMINI_API_KEY_1, GEMINI_API_KEY_2
// and so on.
const (
	oauthVariable = "GCP_SERVICE_ACCOUNT" // what gateways of this kind have always called it, whatever kind of account it is
	keyVariable   = "GEMINI_API_KEY"
	adcVariable   = "GOOGLE_APPLICATION_CREDENTIALS" // Google's own: the path of a file
)

// EnvCredentials takes credentials from environment variables: an API key, or the JSON of a credentials file, in each.
//
// Without names it reads GCP_SERVICE_ACCOUNT, GCP_SERVICE_ACCOUNT_1, GCP_SERVICE_ACCOUNT_2 and so on, GEMINI_API_KEY, GEMINI_API_KEY_1
// and so on, and the file that GOOGLE_APPLICATION_CREDENTIALS names. Numbers may be missing, and there is no highest one. The number in
// a variable's name is the number of its account.
type EnvCredentials struct {
	// The variables to read. A name that ends in `*` means every variable that begins so. A variable that is named in full must be
	// set.
	Names []string `json:"names,omitempty"`

	proxyconfig.CredentialOptions

	secrets []proxyconfig.Secret
}

// CaddyModule returns the Caddy module information.
func (*EnvCredentials) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.gemini_proxy.credentials.env",
		New: func() caddy.Module { return new(EnvCredentials) },
	}
}

// UnmarshalCaddyfile sets up the source from Caddyfile tokens. Syntax:
//
//	credentials env [<NAME|PREFIX_*> ...] {
//	    <options...>
//	}
func (e *EnvCredentials) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the source's name
	e.Names = d.RemainingArgs()
	return e.UnmarshalBlock(d)
}

// Provision reads the variables.
func (e *EnvCredentials) Provision(caddy.Context) error {
	vars := environment()
	if len(e.Names) == 0 {
		e.secrets = slices.Concat(vars.numbered(oauthVariable), vars.numbered(keyVariable))
		if path, ok := vars[adcVariable]; ok {
			secret, err := readSecret(path)
			if err != nil {
				return fmt.Errorf("%s: %w", adcVariable, err)
			}
			e.secrets = append(e.secrets, secret)
		}
		if len(e.secrets) == 0 {
			return errors.New("no credentials found: set GEMINI_API_KEY (or GEMINI_API_KEY_1, GEMINI_API_KEY_2, …), GCP_SERVICE_ACCOUNT " +
				"(or GCP_SERVICE_ACCOUNT_1, …) or GOOGLE_APPLICATION_CREDENTIALS, or name another source of credentials")
		}
		return nil
	}
	for _, name := range e.Names {
		found, err := vars.named(name)
		if err != nil {
			return err
		}
		e.secrets = append(e.secrets, found...)
	}
	return nil
}

// Secrets returns what the variables hold.
func (e *EnvCredentials) Secrets() []proxyconfig.Secret { return e.secrets }

// variables are the environment variables that are set and not empty.
type variables map[string]string

func environment() variables {
	vars := make(variables)
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); strings.TrimSpace(value) != "" {
			vars[name] = value
		}
	}
	return vars
}

// numbered returns the variable and those with its name, an underscore and a number, in order.
func (v variables) numbered(name string) []proxyconfig.Secret {
	wanted := regexp.MustCompile("^" + name + `(_[0-9]+)?$`)
	return v.matching(wanted.MatchString)
}

// named returns the variable of that name, or those that a name ending in * means.
func (v variables) named(name string) ([]proxyconfig.Secret, error) {
	prefix, many := strings.CutSuffix(name, "*")
	if !many {
		value, ok := v[name]
		if !ok {
			return nil, fmt.Errorf("the environment variable %s is not set", name)
		}
		return []proxyconfig.Secret{{Value: value, Origin: name, Number: trailingNumber(name)}}, nil
	}
	secrets := v.matching(func(variable string) bool { return strings.HasPrefix(variable, prefix) })
	if len(secrets) == 0 {
		return nil, fmt.Errorf("no environment variable %s is set", name)
	}
	return secrets, nil
}

// matching returns the variables whose names match, in the order of their numbers.
func (v variables) matching(match func(string) bool) []proxyconfig.Secret {
	var secrets []proxyconfig.Secret
	for variable, value := range v {
		if match(variable) {
			secrets = append(secrets, proxyconfig.Secret{Value: value, Origin: variable, Number: trailingNumber(variable)})
		}
	}
	slices.SortFunc(secrets, func(a, b proxyconfig.Secret) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), strings.Compare(a.Origin, b.Origin))
	})
	return secrets
}

// trailingNumber returns the number after the last underscore of a name, 0 when there is none.
func trailingNumber(name string) int {
	n, err := strconv.ParseUint(name[strings.LastIndexByte(name, '_')+1:], 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// Interface guards
var (
	_ caddy.Provisioner            = (*EnvCredentials)(nil)
	_ caddyfile.Unmarshaler        = (*EnvCredentials)(nil)
	_ proxyconfig.CredentialSource = (*EnvCredentials)(nil)
)
