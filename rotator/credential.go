// Package rotator decides who pays for a request: it keeps a pool of accounts, their access tokens and what is known of their
// quotas, chooses one for each upstream call, and learns from how the call went. It knows no HTTP server, no Caddy and none of
// Google's JSON.
package rotator

import (
	"context"
	"time"
)

// Credential is configuration: one secret an operator gave, and what they said about it. It is immutable and may be shared.
type Credential struct {
	// ID is the fingerprint of the secret: accounts are found again by it after a configuration reload. It reveals nothing.
	ID string
	// Index is the number in the name of the variable the secret came from, or its position in its source. Counted from 1.
	Index   int
	Label   string // for people: logs, metrics, status
	Backend string // opaque here: accounts of different backends never share quota
	// QuotaGroup names the accounts that share one Google quota; never empty.
	QuotaGroup string
	// ClientID groups accounts that fail together when their OAuth client is refused; empty for none.
	ClientID string
	Project  string // Google Cloud project as configured; empty when it must be discovered or is not needed
	Location string // region, for backends that have regions
	Weight   int    // at least 1
	// Models are globs of the models it may serve; empty means every model.
	Models []string
	Minter Minter
}

// Minter gets access tokens. Mint is called by one goroutine at a time per account, never with the context of a request: it has a
// context of its own with a deadline, and must not keep it. Its errors are *Fault where the reason is known.
type Minter interface {
	Mint(ctx context.Context) (*Token, error)
}

// Holder may be implemented by a Minter whose token is at hand without being minted, such as an API key. It is in use from the start then.
type Holder interface {
	Held() *Token
}

// Token is what a call to Google is authorised with.
type Token struct {
	// Secret is the access token or API key.
	Secret string
	// Expiry is when it ends; the zero time means never.
	Expiry time.Time
	// Project is the Google Cloud project to bill, when minting discovered it; empty otherwise. It goes before Credential.Project.
	Project string
	// QuotaProject is the project whose quota a user's access token draws on, when it is named apart; empty otherwise.
	QuotaProject string
	// APIKey is true when Secret is an API key, which travels in a header of its own, and false for access tokens.
	APIKey bool
}
