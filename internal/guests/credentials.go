package guests

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Credentials makes credentials of what the sources found, in their order. It asks nothing over the network. Its errors name the source
// and the number of the credential at fault, never the secret. A credential that is there twice is taken once, with a warning.
func Credentials(sources []proxyconfig.CredentialSource, client *google.Client, logger *zap.Logger) ([]*rotator.Credential, error) {
	a := assembly{
		client: client, logger: logger,
		numbers: make(map[string]int), labels: make(map[string]bool), byID: make(map[string]*rotator.Credential),
	}
	found := make([][]proxyconfig.Secret, len(sources))
	for i, source := range sources {
		found[i] = source.Secrets()
		for _, secret := range found[i] {
			a.numbers[sourceName(source)] = max(a.numbers[sourceName(source)], secret.Number)
		}
	}
	for i, source := range sources {
		if err := a.addAll(source, found[i]); err != nil {
			return nil, fmt.Errorf("credentials %s: %w", sourceName(source), err)
		}
	}
	a.warnOfCodeAssist()
	return a.credentials, nil
}

// assembly is the credentials of one handler as they come together.
type assembly struct {
	client *google.Client
	logger *zap.Logger

	credentials []*rotator.Credential
	byID        map[string]*rotator.Credential
	numbers     map[string]int // the highest so far, by source
	labels      map[string]bool
}

// numbering is a source that keeps the numbers its secrets were given, by their origin, and returns them with the secrets.
type numbering interface {
	remember(origin string, number int)
}

// sourceName is what the operator calls the source.
func sourceName(source proxyconfig.CredentialSource) string {
	return source.(caddy.Module).CaddyModule().ID.Name()
}

func (a *assembly) addAll(source proxyconfig.CredentialSource, secrets []proxyconfig.Secret) error {
	name := sourceName(source)
	options, err := resolveOptions(*source.Options())
	if err != nil {
		return err
	}
	for _, secret := range secrets {
		// Accounts without a number of their own follow the numbered ones, so that those keep theirs.
		if secret.Number == 0 {
			a.numbers[name]++
			secret.Number = a.numbers[name]
			if n, ok := source.(numbering); ok {
				n.remember(secret.Origin, secret.Number)
			}
		}
		label := options.Label
		if label == "" || len(secrets) > 1 {
			label = cmp.Or(label, name) + "-" + strconv.Itoa(secret.Number)
		}
		if err := a.add(secret, options, label); err != nil {
			return fmt.Errorf("account %d (%s): %w", secret.Number, secret.Origin, err)
		}
	}
	return nil
}

func (a *assembly) add(secret proxyconfig.Secret, o proxyconfig.CredentialOptions, label string) error {
	parsed := google.Machine()
	if secret.Value != "" {
		var err error
		if parsed, err = google.ParseSecret(secret.Value); err != nil {
			return err
		}
	}
	if parsed.Kind == google.SecretRefreshToken && parsed.ClientID == "" && (o.ClientID == "" || o.ClientSecret == "") {
		return errors.New("a refresh token needs the OAuth client it was issued to: set OAUTH_CLIENT_ID and OAUTH_CLIENT_SECRET, " +
			"or the options client_id and client_secret")
	}
	cred, err := a.client.Credential(parsed, google.Settings{
		Backend: translate.Backend(o.Backend), ClientID: o.ClientID, ClientSecret: o.ClientSecret, Project: o.Project, Location: o.Location,
	})
	if err != nil {
		return err
	}
	if same, ok := a.byID[cred.ID]; ok {
		a.logger.Warn("the same credential is configured twice; using it once",
			zap.String("account", same.Label), zap.String("ignored", secret.Origin))
		return nil
	}
	cred.Index, cred.Label = secret.Number, a.unique(label)
	cred.Weight, cred.Models = max(o.Weight, 1), o.Models
	cred.QuotaGroup = cmp.Or(o.QuotaGroup, cred.QuotaGroup)
	a.byID[cred.ID] = cred
	a.credentials = append(a.credentials, cred)
	return nil
}

// unique tells accounts with the same label apart, such as those of GEMINI_API_KEY_1 and GCP_SERVICE_ACCOUNT_1.
func (a *assembly) unique(label string) string {
	candidate := label
	for n := 2; a.labels[candidate]; n++ {
		candidate = label + "-" + strconv.Itoa(n)
	}
	a.labels[candidate] = true
	return candidate
}

// resolveOptions replaces the placeholders in the options of one source, and fills in the OAuth client of the environment.
func resolveOptions(o proxyconfig.CredentialOptions) (proxyconfig.CredentialOptions, error) {
	for _, field := range []struct {
		name  string
		value *string
	}{
		{"client_id", &o.ClientID},
		{"client_secret", &o.ClientSecret},
		{"project", &o.Project},
		{"location", &o.Location},
		{"quota_group", &o.QuotaGroup},
		{"label", &o.Label},
	} {
		resolved, err := resolve(*field.value)
		if err != nil {
			return o, fmt.Errorf("%s: %w", field.name, err)
		}
		*field.value = resolved
	}
	o.ClientID = cmp.Or(o.ClientID, os.Getenv("OAUTH_CLIENT_ID"))
	o.ClientSecret = cmp.Or(o.ClientSecret, os.Getenv("OAUTH_CLIENT_SECRET"))
	return o, nil
}

// CodeAssistTerms is what the operator of Code Assist accounts has to know.
const CodeAssistTerms = "Google's terms do not allow third-party software to use Gemini Code Assist, and accounts have been banned for " +
	"it; consumer accounts have been refused since 2026-06-18, only those with a Code Assist Standard or Enterprise licence are served. " +
	"API keys and service accounts are the supported way"

// warnOfCodeAssist says so once per handler.
func (a *assembly) warnOfCodeAssist() {
	var labels []string
	for _, cred := range a.credentials {
		if cred.Backend == string(translate.CodeAssist) {
			labels = append(labels, cred.Label)
		}
	}
	if len(labels) == 0 {
		return
	}
	a.logger.Warn(CodeAssistTerms, zap.Strings("accounts", labels))
}
