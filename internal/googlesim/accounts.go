package googlesim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"sync"
	"time"
)

// User is a Google account that gave consent to an OAuth client.
type User struct {
	// Name is how calls and scripts refer to the account; the refresh token when empty.
	Name         string
	RefreshToken string
	ClientID     string
	ClientSecret string
	// Project is the Google Cloud project the user may bill; see also Server.Grant.
	Project string
	// Assist is the user's standing there. The zero value is a consumer, whom Google no longer serves.
	Assist Assist
}

// Assist is what Code Assist knows of a user.
type Assist struct {
	// Tier is the current tier, such as "standard-tier"; empty when the user is not onboarded.
	Tier string
	// Licensed users may generate and be onboarded; all others are told so.
	Licensed bool
	// ManagedProject is the project Code Assist itself chose for the user: loadCodeAssist and onboardUser answer it. When empty,
	// they answer the project they were asked about.
	ManagedProject string
	// ValidationURL, when set, makes loadCodeAssist ask the user to verify the account there.
	ValidationURL string
	// Polls is how often onboarding is still unfinished when the client looks; OnboardError is what it then fails with, if
	// anything.
	Polls        int
	OnboardError string
}

type accountKind uint8

const (
	keyAccount accountKind = iota
	userAccount
	serviceAccount
)

// account is one credential Google knows. Its fields are guarded by accounts.mu.
type account struct {
	kind     accountKind
	name     string
	project  string // of a key: its own; of the others: the first of their projects
	projects map[string]bool

	revoked       bool // of a key
	refreshDenied bool
	user          User
	public        *rsa.PublicKey
	audience      string
	tokens        map[string]time.Time // live access tokens and when they end
}

// accounts is everyone who may call. All methods are safe for concurrent use.
type accounts struct {
	mu      sync.Mutex
	keys    map[string]*account // by API key
	refresh map[string]*account // by refresh token
	service map[string]*account // by e-mail address
	bearer  map[string]*account // by access token
	clients map[string]string   // OAuth client id → secret
	minted  int

	onboardings map[string]*onboarding // by name of operation
}

func (a *accounts) init() {
	a.keys, a.refresh, a.service = map[string]*account{}, map[string]*account{}, map[string]*account{}
	a.bearer, a.clients, a.onboardings = map[string]*account{}, map[string]string{}, map[string]*onboarding{}
}

// AddKey declares an API key of a project. Calls made with it are recorded under the key itself.
func (s *Server) AddKey(key, project string) {
	s.accounts.mu.Lock()
	defer s.accounts.mu.Unlock()
	s.accounts.keys[key] = newAccount(keyAccount, key, project)
}

// AddUser declares a user and, when it is new, the user's OAuth client.
func (s *Server) AddUser(u User) {
	s.accounts.mu.Lock()
	defer s.accounts.mu.Unlock()
	if u.Name == "" {
		u.Name = u.RefreshToken
	}
	a := newAccount(userAccount, u.Name, u.Project)
	a.user = u
	if p := u.Assist.ManagedProject; p != "" {
		a.projects[p] = true
	}
	s.accounts.refresh[u.RefreshToken] = a
	s.accounts.clients[u.ClientID] = u.ClientSecret
}

// AddServiceAccount declares a service account of a project and returns its key file. Calls are recorded under its e-mail
// address, which is name@project.iam.gserviceaccount.com. tokenURI is what the key file names as token endpoint and what
// assertions must name as their audience; empty stands for the simulator's own, which is known only once the server was started.
func (s *Server) AddServiceAccount(name, project, tokenURI string) (keyFile []byte, err error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	email := name + "@" + project + ".iam.gserviceaccount.com"
	if tokenURI == "" {
		tokenURI = s.URL() + "/token"
	}
	a := newAccount(serviceAccount, email, project)
	a.public, a.audience = &private.PublicKey, tokenURI
	s.accounts.mu.Lock()
	s.accounts.service[email] = a
	s.accounts.mu.Unlock()
	return []byte(encodeJSON(struct {
		Type         string `json:"type"`
		ProjectID    string `json:"project_id"`
		PrivateKeyID string `json:"private_key_id"`
		PrivateKey   string `json:"private_key"`
		ClientEmail  string `json:"client_email"`
		TokenURI     string `json:"token_uri"`
		Universe     string `json:"universe_domain"`
	}{
		"service_account", project, "1", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), email, tokenURI,
		"googleapis.com",
	})), nil
}

// Grant lets an account bill one more project.
func (s *Server) Grant(name, project string) {
	s.accounts.edit(name, func(a *account) { a.projects[project] = true })
}

// RevokeKey makes Google refuse an API key as invalid from now on.
func (s *Server) RevokeKey(key string) {
	s.accounts.edit(key, func(a *account) { a.revoked = true })
}

// RevokeTokens ends all access tokens the account has now, before their time; it may get new ones.
func (s *Server) RevokeTokens(name string) {
	s.accounts.edit(name, func(a *account) {
		for token := range a.tokens {
			delete(s.accounts.bearer, token)
		}
		clear(a.tokens)
	})
}

// DisableRefresh makes the token endpoint answer invalid_grant to the account from now on. Its access tokens live on.
func (s *Server) DisableRefresh(name string) {
	s.accounts.edit(name, func(a *account) { a.refreshDenied = true })
}

// RemoveClient makes the token endpoint answer invalid_client to every user of an OAuth client.
func (s *Server) RemoveClient(clientID string) {
	s.accounts.mu.Lock()
	defer s.accounts.mu.Unlock()
	delete(s.accounts.clients, clientID)
}

func newAccount(kind accountKind, name, project string) *account {
	a := &account{kind: kind, name: name, project: project, projects: map[string]bool{}, tokens: map[string]time.Time{}}
	if project != "" {
		a.projects[project] = true
	}
	return a
}

// edit changes the account of that name. An undeclared name is a mistake in the caller's own script, so it panics.
func (a *accounts) edit(name string, change func(*account)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, known := range []map[string]*account{a.keys, a.refresh, a.service} {
		for _, one := range known {
			if one.name == name {
				change(one)
				return
			}
		}
	}
	panic("googlesim: no account named " + name)
}
