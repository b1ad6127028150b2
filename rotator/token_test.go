package rotator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// apiKey mints itself, for ever.
type apiKey string

func (k apiKey) Mint(context.Context) (*Token, error) { return &Token{Secret: string(k)}, nil }

// mint is a Minter for tests. Its tokens are numbered from 1.
type mint struct {
	life  time.Duration // of its tokens
	takes time.Duration // to mint one
	fault error         // instead of a token
	calls atomic.Int64

	mu    sync.Mutex  // for changes meanwhile
	times []time.Time // of the calls
}

func (m *mint) Mint(ctx context.Context) (*Token, error) {
	n := m.calls.Add(1)
	m.mu.Lock()
	life, takes, fault := m.life, m.takes, m.fault
	m.times = append(m.times, time.Now())
	m.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if fault != nil {
		return nil, fault
	}
	return &Token{Secret: fmt.Sprint(n), Expiry: time.Now().Add(life)}, nil
}

func (m *mint) slow(takes time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.takes = takes
}

// made are the times of the calls so far.
func (m *mint) made() []time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.times)
}

func (m *mint) fail(fault error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = fault
}

// lone returns a pool of one account with that minter.
func lone(m Minter) (*Pool, *Account) {
	c := candidate(1, NewGroup())
	c.Credential.Minter = m
	return NewPool([]Candidate{c}, Options{}), c.Account
}

func token(t *testing.T, p *Pool) string {
	t.Helper()
	lease := take(t, p, Query{Model: "m"})
	defer lease.Settle(Outcome{Called: true})
	got, err := lease.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got.Secret
}

func tokenFault(t *testing.T, p *Pool) *Fault {
	t.Helper()
	lease := take(t, p, Query{Model: "m"})
	_, err := lease.Token(t.Context())
	f, ok := errors.AsType[*Fault](err)
	if !ok {
		t.Fatalf("error is %v, want a *Fault", err)
	}
	lease.Settle(Outcome{Decision: lease.Decide(f, Attempts{Made: 1, Transient: 1})})
	return f
}

func TestTwentyColdRequestsCauseOneRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{life: time.Hour, takes: time.Second}
		p, a := lone(m)
		defer a.Close()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if got := token(t, p); got != "1" {
					t.Errorf("token is %s, want the first", got)
				}
			})
		}
		wg.Wait()
		if n := m.calls.Load(); n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

func TestTokenIsRefreshedAheadOfItsEnd(t *testing.T) {
	for _, test := range []struct {
		life           time.Duration
		earliest, last time.Duration
		takes          time.Duration
	}{
		{time.Hour, 54*time.Minute + 30*time.Second, 55*time.Minute + 30*time.Second, 70 * time.Second},
		{5 * time.Minute, 4 * time.Minute, 4 * time.Minute, 10 * time.Second},
	} {
		t.Run(test.life.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &mint{life: test.life}
				p, a := lone(m)
				defer a.Close()
				token(t, p)
				time.Sleep(test.earliest - time.Millisecond)
				synctest.Wait()
				if got := token(t, p); got != "1" || m.calls.Load() != 1 {
					t.Errorf("before: token %s after %d refreshes", got, m.calls.Load())
				}
				m.slow(test.takes)
				time.Sleep(test.last - test.earliest + 2*time.Millisecond)
				synctest.Wait()
				if got := token(t, p); got != "1" || m.calls.Load() != 2 {
					t.Errorf("meanwhile: token %s after %d refreshes, want the old one while the new one comes", got, m.calls.Load())
				}
				time.Sleep(test.takes)
				synctest.Wait()
				start := time.Now()
				if got := token(t, p); got != "2" || time.Since(start) != 0 {
					t.Errorf("after: token %s after a wait of %v", got, time.Since(start))
				}
			})
		})
	}
}

func TestOldTokenIsUsedUntilItsEndWhileRefreshingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{life: time.Hour}
		p, a := lone(m)
		defer a.Close()
		start := time.Now()
		token(t, p)
		m.fail(&Fault{Kind: FaultTransient, Status: 500, Reason: "internal_failure"})
		time.Sleep(time.Hour - time.Millisecond)
		synctest.Wait()
		if got := token(t, p); got != "1" {
			t.Errorf("token is %s, want the old one", got)
		}
		// From the first failure on: after 1, 2, 4, … 60 seconds, each up to a fifth less.
		retries := m.made()[1:]
		for i, want := 1, time.Second; i < len(retries); i++ {
			if got := retries[i].Sub(retries[i-1]); got > want || got < want*4/5-time.Nanosecond {
				t.Errorf("retry %d after %v, want between %v and %v", i, got, want*4/5, want)
			}
			want = min(2*want, time.Minute)
		}
		if len(retries) < 8 {
			t.Errorf("%d tries since %v, want them to go on", len(retries), retries[0].Sub(start))
		}
		m.fail(nil)
		time.Sleep(aMinute)
		synctest.Wait()
		fresh := token(t, p)
		if fresh == "1" {
			t.Error("the token is past its end")
		}
		// The next trouble starts with short waits again.
		m.fail(&Fault{Kind: FaultTransient})
		before := len(m.made())
		time.Sleep(56 * time.Minute)
		synctest.Wait()
		retries = m.made()[before:]
		if got := retries[1].Sub(retries[0]); got > time.Second {
			t.Errorf("the first retry comes after %v, want a second at most", got)
		}
	})
}

func TestConcurrentRefusalsCauseOneRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{life: time.Hour}
		p, a := lone(m)
		defer a.Close()
		token(t, p)
		m.slow(time.Second)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				lease := take(t, p, Query{Model: "m"})
				defer lease.Settle(Outcome{Called: true})
				old, _ := lease.Token(t.Context())
				time.Sleep(time.Duration(i+1) * 200 * time.Millisecond) // some are refused only after the refresh
				lease.Renew(old)
				if got, err := lease.Token(t.Context()); err != nil || got.Secret != "2" {
					t.Errorf("after the refusal the token is %v, %v", got, err)
				}
			})
		}
		wg.Wait()
		if n := m.calls.Load(); n != 2 {
			t.Errorf("%d refreshes in all, want 2", n)
		}
	})
}

func TestKeyIsNeverRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a := lone(apiKey("k"))
		defer a.Close()
		first := token(t, p)
		time.Sleep(1000 * time.Hour)
		if a.refresh.ahead != nil || token(t, p) != first {
			t.Error("a key has no end, yet its refresh was planned")
		}
	})
}

func TestRequestLeavesButRefreshGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{life: time.Hour, takes: 5 * time.Second}
		p, a := lone(m)
		defer a.Close()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		lease := take(t, p, Query{Model: "m"})
		_, err := lease.Token(ctx)
		if f, _ := errors.AsType[*Fault](err); f == nil || f.Kind != FaultCanceled {
			t.Errorf("error is %v, want FaultCanceled", err)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := token(t, p); got != "1" || m.calls.Load() != 1 {
			t.Errorf("token %s after %d refreshes, want the one that was under way", got, m.calls.Load())
		}
	})
}

func TestSlowRefreshSendsRequestsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{life: time.Hour, takes: time.Hour} // until its deadline
		slow, quick := candidate(1, NewGroup()), candidate(2, NewGroup())
		slow.Credential.Minter = m
		p := NewPool([]Candidate{slow, quick}, Options{Policy: fillFirst{}})
		start := time.Now()
		if f := tokenFault(t, p); f.Kind != FaultTransient || time.Since(start) != 5*time.Second {
			t.Errorf("fault %v after %v, want a transient one after 5s", f, time.Since(start))
		}
		if got := call(t, p, "m"); got != 2 {
			t.Errorf("account %d is asked although its refresh hangs", got)
		}
		time.Sleep(30 * time.Second)
		if got := call(t, p, "m"); got != 2 {
			t.Errorf("account %d is asked although its refresh still hangs", got)
		}
		time.Sleep(45 * time.Second)
		synctest.Wait()
		if slow.refresh.flight != nil {
			t.Error("the refresh has not ended after its deadline")
		}
	})
}

func TestSlowRefreshThatSucceedsEndsTheOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a := lone(&mint{life: time.Hour, takes: 20 * time.Second})
		defer a.Close()
		tokenFault(t, p)
		if s := p.Snapshot().Accounts[0]; s.State != "cooling" {
			t.Errorf("state is %s while the token cannot be had", s.State)
		}
		time.Sleep(16 * time.Second)
		synctest.Wait()
		if s := p.Snapshot().Accounts[0]; s.State != "ready" || !s.Token.Cached {
			t.Errorf("state is %s although the token has come", s.State)
		}
	})
}

// A request that was given the account before it failed does not ask again for a token that is dead.
func TestDeadRefreshTokenIsNotAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{fault: &Fault{Kind: FaultDead}}
		p, _ := lone(m)
		late := take(t, p, Query{Model: "m"})
		tokenFault(t, p)
		if _, err := late.Token(t.Context()); err == nil || m.calls.Load() != 1 {
			t.Errorf("error %v after %d refreshes", err, m.calls.Load())
		}
	})
}

func TestAccountWithoutTokenIsSparedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{life: time.Hour, fault: errors.New("dial tcp: connection refused")}
		p, a := lone(m)
		defer a.Close()
		tokenFault(t, p)
		e := refused(t, p, Query{Model: "m"})
		if e.Cause != CauseDisabled || e.RetryAfter <= 0 || e.RetryAfter > time.Second {
			t.Errorf("cause %v, retry after %v", e.Cause, e.RetryAfter)
		}
		if s := p.Snapshot().Accounts[0]; s.State != "cooling" || s.Reason == "" {
			t.Errorf("status shows %s, %q", s.State, s.Reason)
		}
		time.Sleep(e.RetryAfter)
		m.fail(nil)
		if got := token(t, p); got != "2" {
			t.Errorf("token is %s", got)
		}
	})
}

func TestDeadRefreshTokenDisablesTheAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{takes: time.Second, fault: &Fault{Kind: FaultDead, Status: 400, Reason: "invalid_grant", Message: "Expired or revoked."}}
		p, _ := lone(m)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { tokenFault(t, p) })
		}
		wg.Wait()
		time.Sleep(1000 * time.Hour)
		if e := refused(t, p, Query{Model: "m"}); e.Cause != CauseDisabled || e.RetryAfter != 0 {
			t.Errorf("cause %v, retry after %v, want disabled for good", e.Cause, e.RetryAfter)
		}
		if n := m.calls.Load(); n != 1 {
			t.Errorf("asked %d times for a token that is dead", n)
		}
		if s := p.Snapshot().Accounts[0]; s.State != "disabled" || s.Reason != "invalid_grant: Expired or revoked." {
			t.Errorf("status shows %s, %q", s.State, s.Reason)
		}
	})
}

func TestRefusedClientDisablesAllItsAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := fleet(4)
		for i := range 3 {
			candidates[i].ClientID = "client"
			candidates[i].Credential.Minter = &mint{fault: &Fault{Kind: FaultClientDead, Status: 401, Reason: "invalid_client"}}
		}
		p := NewPool(candidates, Options{Policy: fillFirst{}})
		tokenFault(t, p)
		if got := p.Snapshot().Pool; got.Disabled != 3 || got.Ready != 1 {
			t.Errorf("%d disabled, %d ready, want the client's three disabled", got.Disabled, got.Ready)
		}
		if got := call(t, p, "m"); got != 4 {
			t.Errorf("account %d was asked", got)
		}
	})
}

func TestRefreshAheadThatIsRefusedDisablesTheAccount(t *testing.T) {
	for _, kind := range []FaultKind{FaultDead, FaultClientDead, FaultSetup} {
		synctest.Test(t, func(t *testing.T) {
			m := &mint{life: time.Hour}
			p, _ := lone(m)
			var told []Change
			p.options.Notify = func(c Change) { told = append(told, c) }
			token(t, p)
			m.fail(&Fault{Kind: kind, Reason: "refused"})
			time.Sleep(56 * time.Minute)
			synctest.Wait()
			refused(t, p, Query{Model: "m"})
			refused(t, p, Query{Model: "m"})
			if len(told) != 2 || told[0].State != "disabled" || told[0].Reason != "refused" || told[1].State != "exhausted" {
				t.Errorf("kind %d: told %+v, want once that it is disabled, and that no other is left", kind, told)
			}
		})
	}
}

func TestClosedAccountRefreshesOnlyOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{life: time.Hour}
		p, a := lone(m)
		token(t, p)
		a.Close()
		time.Sleep(2 * time.Hour)
		if n := m.calls.Load(); n != 1 {
			t.Errorf("%d refreshes, want none after Close", n-1)
		}
		if got := token(t, p); got != "2" {
			t.Errorf("token is %s: a request that holds a closed account gets none", got)
		}
		time.Sleep(2 * time.Hour)
		if n := m.calls.Load(); n != 2 {
			t.Errorf("%d refreshes were planned after Close", n-2)
		}
		p, a = lone(m)
		a.Close()
		token(t, p)
		if a.refresh.ahead != nil {
			t.Error("a timer was started after Close")
		}
	})
}

func TestRefreshAheadUsesTheNewestConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := &mint{life: time.Hour}, &mint{life: time.Hour}
		c := candidate(1, NewGroup())
		defer c.Account.Close()
		reload := func(m Minter) *Pool {
			credential := *c.Credential
			credential.Minter = m
			return NewPool([]Candidate{{Credential: &credential, Account: c.Account, Group: c.Group}}, Options{})
		}
		token(t, reload(before))
		token(t, reload(after)) // from memory
		time.Sleep(56 * time.Minute)
		synctest.Wait()
		if before.calls.Load() != 1 || after.calls.Load() != 1 {
			t.Errorf("%d refreshes by the old configuration, %d by the new one, want 1 and 1", before.calls.Load(), after.calls.Load())
		}
	})
}

func TestMintedTokenThatHasExpiredIsAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := lone(&mint{life: -time.Second})
		if f := tokenFault(t, p); f.Kind != FaultTransient {
			t.Errorf("fault is %v", f)
		}
	})
}
