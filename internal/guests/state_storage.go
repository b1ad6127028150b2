package guests

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/certmagic"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/accounts"
)

func init() {
	caddy.RegisterModule(new(StorageState))
}

// StorageState keeps what is known about accounts in Caddy's own storage, where certificates are kept too: the file system, or whatever
// storage module is configured. There is one object for each account, `gemini_proxy/accounts/<fingerprint>.json`. It holds access tokens,
// which end within hours, and never a key, a refresh token or another credential.
type StorageState struct {
	store *storageStore
}

// CaddyModule returns the Caddy module information.
func (*StorageState) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.gemini_proxy.state.storage",
		New: func() caddy.Module { return new(StorageState) },
	}
}

// UnmarshalCaddyfile sets up the state from Caddyfile tokens. Syntax:
//
//	state storage
func (*StorageState) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return onlyName(d, "state storage")
}

// Provision finds the storage.
func (s *StorageState) Provision(ctx caddy.Context) error {
	storage := ctx.Storage()
	s.store = &storageStore{storage: storage, place: place(storage)}
	return nil
}

// Store returns Caddy's storage.
func (s *StorageState) Store() accounts.Store { return s.store }

// place is a digest of what a storage is and how it is configured: with each configuration there is a new value of the same storage.
func place(storage certmagic.Storage) string {
	settings, err := json.Marshal(storage)
	if err != nil {
		settings = fmt.Appendf(nil, "%p", storage)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%T %s", storage, settings))
	return hex.EncodeToString(sum[:])
}

// storageStore is the accounts in a storage of Caddy's.
type storageStore struct {
	storage certmagic.Storage
	place   string
}

const (
	accountsPrefix = "gemini_proxy/accounts"
	objectSuffix   = ".json"
)

// Place implements accounts.Store.
func (s *storageStore) Place() string { return s.place }

// Name implements accounts.Store: it is the key in the storage.
func (s *storageStore) Name(id string) string { return path.Join(accountsPrefix, id+objectSuffix) }

// Load implements accounts.Store.
func (s *storageStore) Load(ctx context.Context, id string) ([]byte, error) {
	return s.storage.Load(ctx, s.Name(id))
}

// Save implements accounts.Store.
func (s *storageStore) Save(ctx context.Context, id string, object []byte) error {
	return s.storage.Store(ctx, s.Name(id), object)
}

// Prune implements accounts.Store. Whatever else is left among the objects, such as what a write left behind that was cut short, goes too.
func (s *storageStore) Prune(ctx context.Context, before time.Time, limit int, inUse func(id string) bool) error {
	keys, err := s.storage.List(ctx, accountsPrefix, false)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	for _, key := range keys {
		if limit == 0 {
			return nil
		}
		if inUse(strings.TrimSuffix(path.Base(key), objectSuffix)) {
			continue
		}
		info, err := s.storage.Stat(ctx, key)
		if err != nil || info.Modified.After(before) {
			continue // gone since, or not old
		}
		if err := s.storage.Delete(ctx, key); err != nil {
			return err
		}
		limit--
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*StorageState)(nil)
	_ caddyfile.Unmarshaler = (*StorageState)(nil)
	_ accounts.State        = (*StorageState)(nil)
	_ accounts.Store        = (*storageStore)(nil)
)
