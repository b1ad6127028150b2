package rotator

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSnapshotShowsWhatStatusPromises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is midnight UTC of 1 January 2000
		g := NewGroup()
		candidates := []Candidate{candidate(1, g), candidate(7, NewGroup())}
		candidates[0].Credential.Minter = &mint{life: time.Hour}
		candidates[0].Credential.ID, candidates[0].Credential.QuotaGroup = "fingerprint", "fingerprint" // none but its own
		candidates[1].Credential.QuotaGroup, candidates[1].Credential.Models = "shared", []string{"other"}
		defer candidates[0].Account.Close()
		p := NewPool(candidates, Options{Limits: []Limit{{Model: "*", RPM: 5, TPM: 250_000}}})

		lease := take(t, p, Query{Model: "m", Tokens: 1000})
		if _, err := lease.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		take(t, p, Query{Model: "m", Tokens: 500})
		time.Sleep(2 * time.Second)
		d := lease.Decide(&Fault{Kind: FaultRateShort, Delay: 30*time.Second + time.Millisecond}, Attempts{})
		lease.Settle(Outcome{Called: true, Decision: d})
		p.options.Models.overload("m", time.Now().Add(20*time.Second), time.Now())

		got, err := json.MarshalIndent(p.Snapshot(), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		want := `{
 "pool": {"accounts": 2, "ready": 1, "cooling": 1, "disabled": 0, "cached_tokens": 1, "in_flight": 1, "queued": 0},
 "accounts": [
  {"index": 1, "label": "account-1", "backend": "gemini_api", "quota_group": "account-1", "state": "cooling", "reason": "rate_short",
   "token": {"cached": true, "expires_in": 3598}, "requests": 2, "errors": 1, "in_flight": 1,
   "models": [{"model": "m", "state": "cooling", "until": "2000-01-01T00:00:33Z", "reason": "rate_short",
    "rpm": {"used": 1, "limit": 5}, "rpd": {"used": 1, "resets_at": "2000-01-01T08:00:00Z"}, "tpm": {"used": 500, "limit": 250000}}]},
  {"index": 7, "label": "account-7", "backend": "gemini_api", "quota_group": "shared", "state": "ready", "reason": "",
   "token": {"cached": false}, "requests": 0, "errors": 0, "in_flight": 0, "models": []}],
 "models": [{"model": "m", "state": "overloaded", "until": "2000-01-01T00:00:22Z"}]}`
		if squeeze(string(got)) != squeeze(want) {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
}

// A token that could not be had, and a host that is known to be down, cost Google no call.
func TestOnlyCallsThatWereMadeCount(t *testing.T) {
	p := NewPool(fleet(1), Options{})
	for _, called := range []bool{true, false} {
		lease := take(t, p, Query{Model: "m"})
		lease.Settle(Outcome{Called: called, Decision: lease.Decide(&Fault{Kind: FaultTransient}, Attempts{})})
		if a := p.Snapshot().Accounts[0]; a.Requests != 1 || a.Errors != 1 {
			t.Errorf("called (%v): %d requests, %d errors", called, a.Requests, a.Errors)
		}
	}
}

// held is an API key.
type held struct{ apiKey }

func (h held) Held() *Token { return &Token{Secret: string(h.apiKey), APIKey: true} }

func TestAnAPIKeyIsAtHandFromTheStart(t *testing.T) {
	candidates := fleet(2)
	candidates[0].Credential.Minter = held{"key"}
	p := NewPool(candidates, Options{})
	if s := p.Snapshot(); s.Pool.CachedTokens != 1 || !s.Accounts[0].Token.Cached {
		t.Errorf("status shows %+v", s)
	}
	fresh := &Token{Secret: "fresh"}
	candidates[0].current.Store(fresh)
	if p.Replace(candidates); candidates[0].current.Load() != fresh {
		t.Error("a token in use was replaced")
	}
}

func squeeze(s string) string { return strings.NewReplacer(" ", "", "\n", "").Replace(s) }

func TestSnapshotShowsGroupWithoutHeadroomAsCooling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPD: 1}}})
		call(t, p, "m")
		m := p.Snapshot().Accounts[0].Models[0]
		if m.State != "cooling" || m.Reason != "quota_long" || !m.Until.Equal(nextMidnight(time.Now())) {
			t.Errorf("status shows %+v", m)
		}
	})
}

func TestSnapshotShowsOnlyModelsThatTheAccountMayServe(t *testing.T) {
	g := NewGroup()
	candidates := []Candidate{candidate(1, g), candidate(2, g)}
	candidates[1].Credential.Models = []string{"other"}
	p := NewPool(candidates, Options{})
	call(t, p, "m")
	s := p.Snapshot()
	if len(s.Accounts[0].Models) != 1 || len(s.Accounts[1].Models) != 0 {
		t.Errorf("status shows %+v", s.Accounts)
	}
}
