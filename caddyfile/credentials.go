package caddyfile

import (
	"context"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// CredentialSource is what a module in the namespace http.gemini_proxy.credentials must be. A source finds secrets when it is
// provisioned, without asking anything over the network; what a secret is good for is told from its content by the handler.
// Sources embed CredentialOptions, which implements Options for them.
type CredentialSource interface {
	// Secrets returns what the source found when it last looked, in the order accounts are to be listed in.
	Secrets() []Secret
	// Options returns what the operator said about the credentials of this source.
	Options() *CredentialOptions
}

// Watcher is a CredentialSource whose secrets may change while it is in use.
type Watcher interface {
	// Watch calls changed each time that Secrets has something else to return, in the goroutine it is called in, until ctx ends; then
	// it returns. What cannot be read changes nothing but the log.
	Watch(ctx context.Context, changed func())
}

// Secret is one credential as a source found it.
type Secret struct {
	// Value is an API key, or the JSON of a credentials file. Empty means the identity of the machine itself, which its cloud's
	// metadata server vouches for.
	Value string
	// Origin says where the value comes from, for error messages: a variable's name, a file's path. Never the value.
	Origin string
	// Number is the number in the origin's own name; 0 when it has none.
	Number int
}

// CredentialOptions is what can be said about the credentials of any source.
type CredentialOptions struct {
	// The Google service to use them with: `gemini_api`, `vertex` or `code_assist`.
	//
	// Default: `gemini_api` for API keys, `vertex` for service accounts and Application Default Credentials, `code_assist` for bare
	// refresh tokens
	Backend string `json:"backend,omitempty"`

	// The OAuth client that refresh tokens were issued to, where their JSON does not name it.
	//
	// Default: `{env.OAUTH_CLIENT_ID}`
	ClientID string `json:"client_id,omitempty"`

	// The secret of that OAuth client.
	//
	// Default: `{env.OAUTH_CLIENT_SECRET}`
	ClientSecret string `json:"client_secret,omitempty"`

	// The Google Cloud project that is billed.
	//
	// Default: the one named in the credential's JSON, else the one Google assigns
	Project string `json:"project,omitempty"`

	// The region of Vertex AI to use.
	//
	// Default: `global`
	Location string `json:"location,omitempty"`

	// The name of the Google quota these credentials share. Google counts per project, not per key: keys of one project belong in
	// one group.
	//
	// Default: the project, else each account has a group of its own
	QuotaGroup string `json:"quota_group,omitempty"`

	// What to call the account in logs and status. Where the source yields several, their numbers are appended.
	//
	// Default: the name of the source and the account's number, such as `env-7`
	Label string `json:"label,omitempty"`

	// The account's share under the policy `weighted`.
	//
	// Default: `1`
	Weight int `json:"weight,omitempty"`

	// The models these credentials may serve, as patterns in which `*` stands for any characters and `?` for one.
	//
	// Default: every model
	Models []string `json:"models,omitempty"`
}

// Options makes a source that embeds o a CredentialSource.
func (o *CredentialOptions) Options() *CredentialOptions { return o }

// UnmarshalBlock reads the options from the block of a credentials line, which may be missing. Syntax:
//
//	credentials <source> [<args...>] {
//	    backend       gemini_api|vertex|code_assist
//	    client_id     <id>
//	    client_secret <secret>
//	    project       <id>
//	    location      <region>
//	    quota_group   <name>
//	    label         <name>
//	    weight        <n>
//	    models        <patterns...>
//	}
func (o *CredentialOptions) UnmarshalBlock(d *caddyfile.Dispenser) error {
	seen := make(once)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if err := seen.check(d, option); err != nil {
			return err
		}
		var err error
		switch option {
		case "backend":
			o.Backend, err = word(d, backends)
		case "client_id":
			o.ClientID, err = text(d)
		case "client_secret":
			o.ClientSecret, err = text(d)
		case "project":
			o.Project, err = text(d)
		case "location":
			o.Location, err = text(d)
		case "quota_group":
			o.QuotaGroup, err = text(d)
		case "label":
			o.Label, err = text(d)
		case "weight":
			o.Weight, err = smallCount(d)
		case "models":
			o.Models, err = patterns(d)
		default:
			return d.Errf("unrecognized option of credentials '%s'", option)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Validate checks what can be checked without the secrets.
func (o *CredentialOptions) Validate() error {
	if o.Backend != "" {
		if err := checkWord("backend", o.Backend, backends); err != nil {
			return err
		}
	}
	if o.Weight < 0 {
		return errNegative("weight")
	}
	for _, p := range o.Models {
		if err := checkPattern("models", p); err != nil {
			return err
		}
	}
	return nil
}

var backends = []string{string(translate.GeminiAPI), string(translate.Vertex), string(translate.CodeAssist)}

// services are what has a base URL of its own.
var services = append(slices.Clone(backends), "oauth")
