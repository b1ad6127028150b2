package accounts

import (
	"context"
	"time"
)

// State is what a module in the namespace http.gemini_proxy.state must be: it says where to keep what is known about accounts.
type State interface {
	// Store is where; nil for nowhere but in this process.
	Store() Store
}

// Store keeps one object for each account, by its fingerprint. It is safe for concurrent use, and honours contexts. It may last no
// longer than the module that gave it.
type Store interface {
	// Place tells stores apart: those of one place keep the same objects. It reveals nothing.
	Place() string
	// Load returns the object of an account; fs.ErrNotExist when there is none.
	Load(ctx context.Context, id string) ([]byte, error)
	// Save replaces the object of an account as a whole. What it holds is for nobody else to read: access tokens are among it.
	Save(ctx context.Context, id string, object []byte) error
	// Prune deletes objects that were not saved after a moment, at most so many, except for those of accounts in use.
	Prune(ctx context.Context, before time.Time, limit int, inUse func(id string) bool) error
	// Name is what people find the object of an account by.
	Name(id string) string
}
