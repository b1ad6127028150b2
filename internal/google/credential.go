package google

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Settings are what an operator says about a credential; each may be empty.
type Settings struct {
	// Backend is the service to use the secret with, instead of the one such secrets are for.
	Backend translate.Backend
	// ClientID and ClientSecret are the OAuth client of a refresh token whose JSON names none.
	ClientID, ClientSecret string
	// Project is the Google Cloud project, instead of the one the secret names.
	Project  string
	Location string
}

// Credential makes of a secret and what the operator said about it a credential with its fingerprint, project, quota group and minter.
// Index, Label, Weight and Models are left to the caller, who may also name another quota group. It asks nothing over the network. Its
// errors say what cannot work, and contain no secret.
func (c *Client) Credential(s *Secret, o Settings) (*rotator.Credential, error) {
	backend := cmp.Or(o.Backend, s.Backend)
	cred := &rotator.Credential{Backend: string(backend), Project: cmp.Or(o.Project, s.Project), Location: o.Location, Weight: 1}
	if backend == translate.Vertex {
		cred.Project = cmp.Or(cred.Project, s.QuotaProject)
		cred.Location = cmp.Or(o.Location, defaultLocation)
	}
	if err := check(s, cred); err != nil {
		return nil, err
	}
	minter, client, err := c.minter(s, o)
	if err != nil {
		return nil, err
	}
	cred.ClientID, cred.Minter = client.id, minter
	besides := []string{client.id, client.secret}
	switch {
	case backend == translate.CodeAssist:
		cred.Minter = &codeAssist{inner: minter, client: c, configured: cred.Project}
		besides = append(besides, cred.Project) // what the account is entitled to depends on it
	case s.Kind == SecretMachine:
		besides = append(besides, cred.Project)
	}
	if quotaProject := s.quotaProject(backend, o); quotaProject != "" {
		cred.Minter = withQuotaProject{cred.Minter, quotaProject}
	}
	cred.ID = s.fingerprint(backend, besides...)
	cred.QuotaGroup = cmp.Or(cred.Project, cred.ID)
	return cred, nil
}

// check refuses what cannot work.
func check(s *Secret, cred *rotator.Credential) error {
	switch backend := translate.Backend(cred.Backend); {
	case backend != translate.GeminiAPI && backend != translate.Vertex && backend != translate.CodeAssist:
		return fmt.Errorf("unknown backend %q: use gemini_api, vertex or code_assist", backend)
	case backend == translate.CodeAssist && s.Kind == SecretAPIKey:
		return errors.New("code_assist takes no API keys: it needs a refresh token")
	case backend == translate.CodeAssist && isNumber(cred.Project):
		return errors.New("code_assist needs the project's ID, not its number")
	case cred.Project != "" && !projectName.MatchString(cred.Project):
		return errors.New("the project is no name of a Google Cloud project")
	case backend != translate.Vertex:
		return nil
	case !locationName.MatchString(cred.Location):
		return fmt.Errorf("%q is no location of Google's", cred.Location)
	case cred.Project == "" && s.Kind != SecretAPIKey && s.Kind != SecretMachine:
		return errors.New("vertex needs a project, and the secret names none")
	}
	return nil
}

// quotaProject is the project to name apart in calls with an access token: the one a user's credentials come with, and, since the
// Developer API has none in its paths, there also the one the operator named.
func (s *Secret) quotaProject(b translate.Backend, o Settings) string {
	switch {
	case s.Kind == SecretAPIKey:
		return ""
	case b == translate.GeminiAPI:
		return cmp.Or(o.Project, s.QuotaProject)
	default:
		return s.QuotaProject
	}
}

// oauthClient is who asks for tokens.
type oauthClient struct{ id, secret string }

// minter makes the minter for the secret alone, and says which OAuth client it asks as.
func (c *Client) minter(s *Secret, o Settings) (rotator.Minter, oauthClient, error) {
	switch s.Kind {
	case SecretAPIKey:
		return apiKey{s.value}, oauthClient{}, nil
	case SecretRefreshToken:
		client := oauthClient{s.ClientID, s.clientSecret}
		if client.id == "" {
			client = oauthClient{o.ClientID, o.ClientSecret}
		}
		if client.id == "" || client.secret == "" {
			return nil, client, errors.New("a refresh token needs the OAuth client it was issued to: client_id and client_secret")
		}
		return c.refreshTokenMinter(s, client), client, nil
	case SecretServiceAccount:
		minter, err := c.serviceAccountMinter(s)
		return minter, oauthClient{}, err
	case SecretExternal:
		return &external{client: c, json: []byte(s.value), credType: s.credType}, oauthClient{}, nil
	default:
		return &machine{client: c, settings: o}, oauthClient{}, nil
	}
}
