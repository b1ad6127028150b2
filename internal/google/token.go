package google

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"golang.org/x/oauth2/jwt"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// scope is what access tokens are asked for: all three backends accept it.
const scope = "https://www.googleapis.com/auth/cloud-platform"

const (
	// tokenTimeout bounds one call for a token.
	tokenTimeout = 30 * time.Second
	// defaultLifetime is assumed of tokens that come without one. Google's live for an hour.
	defaultLifetime = time.Hour
	// seedMargin is how long a token found in a file must last to be worth using.
	seedMargin = time.Minute
)

// tokenContext makes x/oauth2 use our transport, our name and our patience, while one token is minted.
func (c *Client) tokenContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	return context.WithValue(ctx, oauth2.HTTPClient, &http.Client{
		Transport: tokenTransport{c, ctx},
		// A redirect would take the secret somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}), cancel
}

// tokenTransport puts the context of the minting into each of its requests: x/oauth2 makes some without any.
type tokenTransport struct {
	client *Client
	ctx    context.Context
}

func (t tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(t.ctx)
	req.Header.Set("User-Agent", t.client.userAgent)
	return t.client.http.RoundTrip(req)
}

// mint gets one token from x/oauth2, in the form the pool keeps.
func mint(ctx context.Context, source oauth2.TokenSource) (*rotator.Token, *oauth2.Token, error) {
	t, err := source.Token()
	if err == nil && t.AccessToken == "" {
		err = errors.New("the answer holds no access token")
	}
	if err != nil {
		return nil, nil, tokenFault(ctx, err)
	}
	expiry := t.Expiry
	if expiry.IsZero() {
		expiry = time.Now().Add(defaultLifetime)
	}
	return &rotator.Token{Secret: t.AccessToken, Expiry: expiry}, t, nil
}

// apiKey is its own token.
type apiKey struct{ key string }

func (k apiKey) Mint(context.Context) (*rotator.Token, error) { return k.Held(), nil }

// Held makes it a rotator.Holder.
func (k apiKey) Held() *rotator.Token { return &rotator.Token{Secret: k.key, APIKey: true} }

// withQuotaProject names a quota project in the tokens of another minter.
type withQuotaProject struct {
	rotator.Minter
	project string
}

func (m withQuotaProject) Mint(ctx context.Context) (*rotator.Token, error) {
	t, err := m.Minter.Mint(ctx)
	if err != nil {
		return nil, err
	}
	t.QuotaProject = m.project
	return t, nil
}

// refreshToken trades a refresh token for access tokens.
type refreshToken struct {
	client *Client
	config oauth2.Config

	mu      sync.Mutex
	current string // Google may replace it when it is used
	seed    seed
}

func (c *Client) refreshTokenMinter(s *Secret, client oauthClient) *refreshToken {
	return &refreshToken{
		client: c,
		config: oauth2.Config{
			ClientID: client.id, ClientSecret: client.secret,
			Endpoint: oauth2.Endpoint{TokenURL: c.endpoints.tokenURL(s.tokenURI), AuthStyle: oauth2.AuthStyleInParams},
		},
		current: s.value,
		seed:    s.seed,
	}
}

func (m *refreshToken) Mint(ctx context.Context) (*rotator.Token, error) {
	current, seed := m.take()
	if time.Until(seed.expiry) > seedMargin && seed.token != "" {
		return &rotator.Token{Secret: seed.token, Expiry: seed.expiry}, nil
	}
	ctx, cancel := m.client.tokenContext(ctx)
	defer cancel()
	token, raw, err := mint(ctx, m.config.TokenSource(ctx, &oauth2.Token{RefreshToken: current}))
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.current = raw.RefreshToken // the one used, unless a new one came
	m.mu.Unlock()
	return token, nil
}

// take returns the refresh token, and the first time also the access token the file came with: should that be refused, the next is
// a fresh one.
func (m *refreshToken) take() (current string, s seed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, m.seed = m.seed, seed{}
	return m.current, s
}

// serviceAccount signs assertions with a private key and trades them for access tokens.
type serviceAccount struct {
	client *Client
	config *jwt.Config
}

func (c *Client) serviceAccountMinter(s *Secret) (*serviceAccount, error) {
	config, err := google.JWTConfigFromJSON([]byte(s.value), scope)
	if err != nil { // what it says may quote the JSON
		return nil, errors.New("the service account's JSON is not understood")
	}
	if c.endpoints.OAuth != "" {
		// The assertion stays addressed to whom the key's owner named.
		config.Audience, config.TokenURL = config.TokenURL, c.endpoints.tokenURL(s.tokenURI)
	}
	return &serviceAccount{client: c, config: config}, nil
}

func (m *serviceAccount) Mint(ctx context.Context) (*rotator.Token, error) {
	ctx, cancel := m.client.tokenContext(ctx)
	defer cancel()
	token, _, err := mint(ctx, m.config.TokenSource(ctx))
	return token, err
}

// external has x/oauth2 find the way to a token, as for workload identity federation and impersonation.
type external struct {
	client   *Client
	json     []byte
	credType google.CredentialsType
}

func (m *external) Mint(ctx context.Context) (*rotator.Token, error) {
	ctx, cancel := m.client.tokenContext(ctx)
	defer cancel()
	creds, err := google.CredentialsFromJSONWithType(ctx, m.json, m.credType, scope)
	if err != nil {
		return nil, &rotator.Fault{Kind: rotator.FaultDead, Reason: "CREDENTIALS_INVALID", Message: "Google's library refused the JSON"}
	}
	token, _, err := mint(ctx, creds.TokenSource)
	return token, err
}

// machine uses what Application Default Credentials there are when a token is needed, so that looking for them delays no start.
type machine struct {
	client   *Client
	settings Settings
}

func (m *machine) Mint(ctx context.Context) (*rotator.Token, error) {
	type result struct {
		token *rotator.Token
		err   error
	}
	done := make(chan result, 1)
	// The metadata server is asked without a context: the library's own limits end this goroutine, if late.
	go func() {
		token, err := m.find(ctx)
		done <- result{token, err}
	}()
	select {
	case r := <-done:
		return r.token, r.err
	case <-ctx.Done():
		return nil, tokenFault(ctx, ctx.Err())
	}
}

func (m *machine) find(ctx context.Context) (*rotator.Token, error) {
	ctx, cancel := m.client.tokenContext(ctx)
	defer cancel()
	creds, err := google.FindDefaultCredentials(ctx, scope)
	if err != nil {
		return nil, &rotator.Fault{
			Kind: rotator.FaultSetup, Reason: "NO_DEFAULT_CREDENTIALS", Message: "there are no Application Default Credentials here",
		}
	}
	token, _, err := mint(ctx, creds.TokenSource)
	if err != nil {
		return nil, err
	}
	if m.settings.Project == "" {
		token.Project = creds.ProjectID
	}
	return token, nil
}
