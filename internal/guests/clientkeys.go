package guests

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/accept"
)

func init() {
	caddy.RegisterModule(new(ClientKeys))
}

// ClientKeys identifies users by keys they send, where clients of language models send them: in the header `Authorization` as a Bearer
// token, in `x-api-key`, `x-goog-api-key` or `api-key`, in the query parameter `key`, or, from a browser, as the password of HTTP Basic
// authentication with any user name.
//
// The user's ID is the label of the key. Query parameters are part of what access logs show, so clients that can should send a header.
type ClientKeys struct {
	// The keys of each user, by the user's label. They should be placeholders such as `{env.ALICE_KEY}`. A user may have several, so
	// that one can be replaced while both are in use. No key may be empty, and no two users may have the same.
	Keys map[string][]string `json:"keys,omitempty"`

	digests []clientDigest
}

// clientDigest is one key, in a form that tells nothing about it.
type clientDigest struct {
	sum   [sha256.Size]byte
	label string
}

// digestSalt makes digests worthless outside this process.
var digestSalt = func() []byte {
	salt := make([]byte, sha256.Size)
	rand.Read(salt) // never fails
	return salt
}()

// CaddyModule returns the Caddy module information.
func (*ClientKeys) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.authentication.providers.client_keys",
		New: func() caddy.Module { return new(ClientKeys) },
	}
}

// UnmarshalCaddyfile sets up the provider from Caddyfile tokens. Syntax:
//
//	client_keys {
//	    <label> <key...>
//	}
func (c *ClientKeys) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the directive's name
	if d.NextArg() {
		return d.Err("client_keys takes a block of labels and keys, no arguments")
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		label := d.Val()
		if _, ok := c.Keys[label]; ok {
			return d.Errf("client_keys: '%s' already specified", label)
		}
		keys := d.RemainingArgs()
		if len(keys) == 0 {
			return d.Errf("client_keys: '%s' needs at least one key", label)
		}
		if c.Keys == nil {
			c.Keys = make(map[string][]string)
		}
		c.Keys[label] = keys
	}
	if len(c.Keys) == 0 {
		return d.Err("client_keys needs a block with at least one label and its key")
	}
	return nil
}

// Provision resolves the keys. It refuses those that are empty: a variable nobody set must not let in everybody who sends nothing.
func (c *ClientKeys) Provision(caddy.Context) error {
	if len(c.Keys) == 0 {
		return errors.New("no keys: nobody could be identified")
	}
	for _, label := range slices.Sorted(maps.Keys(c.Keys)) {
		if label == "" {
			return errors.New("a label is empty")
		}
		if len(c.Keys[label]) == 0 {
			return fmt.Errorf("%s has no key", label)
		}
		for n, key := range c.Keys[label] {
			key, err := resolve(key)
			if err != nil {
				return fmt.Errorf("key %d of %s: %w", n+1, label, err)
			}
			if err := c.add(label, strings.TrimSpace(key)); err != nil {
				return fmt.Errorf("key %d of %s %w", n+1, label, err)
			}
		}
	}
	return nil
}

func (c *ClientKeys) add(label, key string) error {
	if key == "" {
		return errors.New("is empty")
	}
	sum := digest(key)
	if other := c.match(sum); other != "" && other != label {
		return fmt.Errorf("is also a key of %s", other)
	}
	c.digests = append(c.digests, clientDigest{sum: sum, label: label})
	return nil
}

// Authenticate identifies the user. Without one it says how to send a key, and leaves the answer to its caller.
func (c *ClientKeys) Authenticate(w http.ResponseWriter, r *http.Request) (caddyauth.User, bool, error) {
	for _, key := range presentedKeys(r) {
		if label := c.match(digest(key)); label != "" {
			return caddyauth.User{ID: label}, true, nil
		}
	}
	challenge := "Bearer"
	if accept.HTML(r.Header) {
		challenge = `Basic realm="API key as password", charset="UTF-8"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	refuse(r.Context())
	return caddyauth.User{}, false, nil
}

// match returns the label of the key with this digest, empty when there is none. How long it takes does not depend on which it is.
func (c *ClientKeys) match(sum [sha256.Size]byte) string {
	found := -1
	for i := range c.digests {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(c.digests[i].sum[:], sum[:]), i, found)
	}
	if found < 0 {
		return ""
	}
	return c.digests[found].label
}

func digest(key string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, digestSalt)
	mac.Write([]byte(key))
	mac.Sum(sum[:0])
	return sum
}

// presentedKeys returns what a request offers as keys, one of each place at most. Some clients fill several places, not all of them
// with the key that is meant.
func presentedKeys(r *http.Request) []string {
	_, password, _ := r.BasicAuth()
	offers := []string{
		bearer(r.Header.Get("Authorization")),
		r.Header.Get("X-Api-Key"),
		r.Header.Get("X-Goog-Api-Key"),
		r.Header.Get("Api-Key"),
		password,
	}
	if r.URL.RawQuery != "" {
		offers = append(offers, r.URL.Query().Get("key"))
	}
	keys := offers[:0]
	for _, offer := range offers {
		if offer = strings.TrimSpace(offer); offer != "" {
			keys = append(keys, offer)
		}
	}
	return keys
}

// bearer returns the token of an Authorization header; empty for other schemes.
func bearer(authorization string) string {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// Interface guards
var (
	_ caddy.Provisioner       = (*ClientKeys)(nil)
	_ caddyfile.Unmarshaler   = (*ClientKeys)(nil)
	_ caddyauth.Authenticator = (*ClientKeys)(nil)
)
