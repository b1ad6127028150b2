package google

import (
	"cmp"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/oauth2/google"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// SecretKind is what a secret is, which decides how it becomes an access token.
type SecretKind uint8

// The kinds of Secret.
const (
	SecretAPIKey         SecretKind = iota
	SecretRefreshToken              // a user's OAuth refresh token, bare or as gcloud keeps it
	SecretServiceAccount            // a service account's private key
	SecretExternal                  // any other kind of Application Default Credentials
	SecretMachine                   // no secret at all: what the machine is known by
)

// Secret is one secret, understood. It is immutable.
type Secret struct {
	Kind SecretKind
	// Backend is the service such secrets are for, unless the operator says otherwise.
	Backend translate.Backend
	// Project is the Google Cloud project the secret names, QuotaProject the one whose quota a user's calls draw on. Empty when not
	// named.
	Project, QuotaProject string
	// ClientID is the OAuth client the secret names; empty for none.
	ClientID string

	clientSecret string
	value        string // API key, refresh token, or the whole JSON
	keyID, email string // of a service account
	credType     google.CredentialsType
	tokenURI     string
	seed         seed
}

// String says what kind of secret it is, so that printing one by mistake gives nothing away.
func (s *Secret) String() string {
	return [...]string{"API key", "refresh token", "service account", "external account", "identity of the machine"}[s.Kind]
}

// GoString is the same for %#v.
func (s *Secret) GoString() string { return s.String() }

// seed is an access token that came with a refresh token.
type seed struct {
	token  string
	expiry time.Time
}

// Machine is the secret of having none: Application Default Credentials as they are found when the first token is needed, which on
// Google Cloud and in workloads with an identity there is the metadata server.
func Machine() *Secret { return &Secret{Kind: SecretMachine, Backend: translate.Vertex} }

// anyToken is an access token, or a whole file within a file: programs that keep tokens differ.
type anyToken struct {
	text text
	file *secretFile
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *anyToken) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == '{' {
		t.file = new(secretFile)
		return json.UnmarshalDecode(dec, t.file)
	}
	return t.text.UnmarshalJSONFrom(dec)
}

// secretFile is every credential file there is: their members tell them apart.
type secretFile struct {
	Type         text     `json:"type"`
	Token        anyToken `json:"token"`
	AccessToken  text     `json:"access_token"`
	RefreshToken text     `json:"refresh_token"`
	ExpiryDate   text     `json:"expiry_date"` // milliseconds since 1970
	Expiry       text     `json:"expiry"`      // RFC 3339
	ClientID     text     `json:"client_id"`
	ClientSecret text     `json:"client_secret"`
	TokenURI     text     `json:"token_uri"`
	ProjectID    text     `json:"project_id"`
	QuotaProject text     `json:"quota_project_id"`
	ClientEmail  text     `json:"client_email"`
	PrivateKey   text     `json:"private_key"`
	PrivateKeyID text     `json:"private_key_id"`
}

// ParseSecret tells from its content what a secret is: the JSON of a service account, of a user's or another kind of Application
// Default Credentials, a refresh token in JSON that has no type, or else an API key. Its errors never contain any of the secret.
func ParseSecret(s string) (*Secret, error) {
	s = strings.TrimSpace(strings.TrimPrefix(s, string(byteOrderMark)))
	if !strings.HasPrefix(s, "{") {
		return parseKey(s)
	}
	var f secretFile
	if json.Unmarshal([]byte(s), &f, lenient) != nil {
		return nil, errors.New("the secret begins like JSON but is not")
	}
	switch f.Type {
	case "service_account":
		return f.serviceAccount(s)
	case "authorized_user":
		return f.refreshToken(translate.Vertex)
	case "":
		return f.refreshToken(translate.CodeAssist)
	}
	if credType := google.CredentialsType(f.Type); slices.Contains(externalTypes, credType) {
		return &Secret{
			Kind: SecretExternal, Backend: translate.Vertex, Project: string(f.ProjectID), QuotaProject: string(f.QuotaProject),
			credType: credType, value: s,
		}, nil
	}
	return nil, errors.New("the secret is JSON of a type that is no kind of Google credentials")
}

// externalTypes are the kinds of Application Default Credentials that x/oauth2 alone understands.
var externalTypes = []google.CredentialsType{
	google.ExternalAccount, google.ExternalAccountAuthorizedUser, google.ImpersonatedServiceAccount, google.GDCHServiceAccount,
}

// parseKey accepts any text that can stand in a header. Google has changed the form of its keys before.
func parseKey(s string) (*Secret, error) {
	if s == "" {
		return nil, errors.New("the secret is empty")
	}
	if strings.ContainsAny(s[:1]+s[len(s)-1:], "\"'[]{}") {
		return nil, errors.New("the secret begins or ends with a quote or a bracket: was it quoted twice?")
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return nil, errors.New("the secret is neither JSON nor an API key: keys have no blanks, control or accented characters")
		}
	}
	return &Secret{Kind: SecretAPIKey, Backend: translate.GeminiAPI, value: s}, nil
}

func (f *secretFile) serviceAccount(s string) (*Secret, error) {
	switch {
	case f.ClientEmail == "":
		return nil, errors.New("the service account has no client_email")
	case !isRSAKey(string(f.PrivateKey)):
		return nil, errors.New("the service account's private_key is missing or is no RSA key in PEM form")
	}
	return &Secret{
		Kind: SecretServiceAccount, Backend: translate.Vertex, Project: string(f.ProjectID), QuotaProject: string(f.QuotaProject),
		email: string(f.ClientEmail), keyID: string(f.PrivateKeyID), tokenURI: string(f.TokenURI), value: s,
	}, nil
}

// isRSAKey reports whether s is what x/oauth2 will be able to sign with, so that a damaged key is found at the start.
func isRSAKey(s string) bool {
	block, _ := pem.Decode([]byte(s))
	if block == nil {
		return false
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		_, isRSA := key.(*rsa.PrivateKey)
		return isRSA
	}
	_, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	return err == nil
}

func (f *secretFile) refreshToken(backend translate.Backend) (*Secret, error) {
	if inner := f.Token.file; inner != nil && f.RefreshToken == "" {
		inner.ClientID, inner.ClientSecret = cmp.Or(inner.ClientID, f.ClientID), cmp.Or(inner.ClientSecret, f.ClientSecret)
		inner.ProjectID = cmp.Or(inner.ProjectID, f.ProjectID)
		return inner.refreshToken(backend)
	}
	if f.RefreshToken == "" {
		return nil, errors.New("the secret is JSON with neither a refresh_token nor a type: no kind of Google credentials")
	}
	return &Secret{
		Kind: SecretRefreshToken, Backend: backend, Project: string(f.ProjectID), QuotaProject: string(f.QuotaProject),
		ClientID: string(f.ClientID), clientSecret: string(f.ClientSecret), value: string(f.RefreshToken), tokenURI: string(f.TokenURI),
		seed: seed{string(cmp.Or(f.AccessToken, f.Token.text)), f.expires()},
	}, nil
}

// expires is when the access token in the file ends; the zero time when the file does not say.
func (f *secretFile) expires() time.Time {
	if ms, err := strconv.ParseFloat(string(f.ExpiryDate), 64); err == nil && ms > 0 && ms < math.MaxInt64/2 {
		return time.UnixMilli(int64(ms))
	}
	at, _ := time.Parse(time.RFC3339, string(f.Expiry))
	return at
}

// fingerprint identifies the account behind the secret on a backend without revealing it. Whatever would make an account work again
// that was found dead is part of it: another key or token, another OAuth client. So is what its token depends on besides.
func (s *Secret) fingerprint(b translate.Backend, besides ...string) string {
	identity := s.value
	if s.Kind == SecretServiceAccount { // the rest of its JSON may change
		identity = s.email + "\x00" + s.keyID
	}
	parts := slices.Concat([]string{product, string(b), strconv.Itoa(int(s.Kind)), identity}, besides)
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:fingerprintLen])
}

// fingerprintLen is in bytes: enough that no two accounts of anybody's collide.
const fingerprintLen = 16
