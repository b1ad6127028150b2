package gateway_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// The tests in this file are about credentials: tokens that must be had before a call, and Google's refusals of an account.

func TestRevokedKeyIsDisabledAtTheFirstRefusal(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.key(2)
		w.start()
		w.google.RevokeKey("key-1")
		for n := range 3 {
			w.text(ask())
			w.wantCalls("", n+2) // one more than requests: the revoked key was tried once
		}
		if a := w.account(1); a.State != "disabled" || !strings.Contains(a.Reason, "API_KEY_INVALID") {
			w.Errorf("account of the revoked key: %s, %q", a.State, a.Reason)
		}
	})
}

func TestStaleTokenIsRefreshedOnceOnTheSameAccount(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.user(1)
		w.user(2)
		w.start()
		w.text(ask())
		w.google.RevokeTokens("user-1")
		w.text(ask())
		w.wantCalls("", 3) // one before, one refused, one again
		w.wantCalls("user-2", 0)
		if got := w.refreshes("user-1"); got != 2 {
			w.Errorf("%d refreshes, want the first and one more", got)
		}
	})
}

func TestConcurrentStaleTokensCauseOneRefresh(t *testing.T) {
	simulated(t, func(w *world) {
		w.user(1)
		w.start()
		w.text(w.ask(plain()))
		w.google.RevokeTokens("user-1")
		w.concurrently(10, func() { w.text(w.ask(plain())) })
		if got := w.refreshes("user-1"); got != 2 {
			w.Errorf("%d refreshes, want the first and one more", got)
		}
	})
}

func TestAccountWhoseFreshTokenIsRefusedIsDisabled(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.user(1)
		w.user(2)
		w.start()
		w.script("user-1", googlesim.Unauthorized(), googlesim.Unauthorized())
		w.text(ask())
		w.wantCalls("", 3)
		if a := w.account(1); a.State != "disabled" || a.Reason == "" {
			w.Errorf("refused account: %s, %q", a.State, a.Reason)
		}
		w.text(ask())
		w.wantCalls("user-1", 2)
	})
}

func TestDeadRefreshTokenDisablesTheAccount(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.user(1)
		w.user(2)
		w.start()
		w.google.DisableRefresh("user-1")
		a := ask()
		w.text(a)
		if a.record.Attempts != 1 {
			w.Errorf("%d attempts: a token that could not be had is no call", a.record.Attempts)
		}
		w.wantCalls("user-1", 0)
		if s := w.account(1); s.State != "disabled" || !strings.Contains(strings.ToLower(s.Reason), "invalid_grant") {
			w.Errorf("account: %s, %q", s.State, s.Reason)
		}
		w.text(ask())
		if got := w.google.Count(googlesim.Match{Backend: googlesim.OAuth, Account: "user-1"}); got != 1 {
			w.Errorf("%d refreshes of a dead token, want 1", got)
		}
	})
}

func TestRefusedOAuthClientDisablesAllItsAccounts(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.user(1)
		w.user(2)
		w.key(3)
		w.start()
		w.google.RemoveClient("client")
		w.text(ask())
		for n := 1; n <= 2; n++ {
			if s := w.account(n); s.State != "disabled" {
				w.Errorf("account %d of the refused client: %s, %q", n, s.State, s.Reason)
			}
		}
		if got := w.google.Count(googlesim.Match{Backend: googlesim.OAuth}); got != 1 {
			w.Errorf("%d refreshes with a refused client, want 1", got)
		}
	})
}

func TestForbiddenAccountIsDisabledWithTheReasonInWords(t *testing.T) {
	const again = 30 * time.Minute
	for reason, probe := range map[string]bool{
		"TOS_VIOLATION": false, "VALIDATION_REQUIRED": false, "CONSUMER_SUSPENDED": false, "LEAKED": false,
		"API_KEY_SERVICE_BLOCKED": false, "DENIED": false,
		"SUBSCRIPTION_REQUIRED": true, "SERVICE_DISABLED": true, "IAM_PERMISSION_DENIED": true,
	} {
		t.Run(reason, func(t *testing.T) {
			both(t, func(w *world, ask func() *answer) {
				w.key(1)
				w.key(2)
				w.start()
				w.script("key-1", googlesim.Forbidden(reason))
				w.text(ask())
				w.wantCalls("", 2)
				if s := w.account(1); s.State != "disabled" || s.Reason == "" {
					w.Errorf("account: %s, %q", s.State, s.Reason)
				}
				time.Sleep(again - time.Second)
				w.text(ask())
				w.wantCalls("key-1", 1)
				time.Sleep(2 * time.Second)
				w.text(ask())
				want := 1
				if probe {
					want = 2
				}
				w.wantCalls("key-1", want)
			})
		})
	}
}

func TestUnservedConsumerAccountIsDisabled(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.assist(1, googlesim.Assist{})
		w.assist(2, googlesim.Assist{Tier: "standard-tier", Licensed: true, ManagedProject: "managed-2"})
		w.start()
		w.text(ask())
		w.wantCalls("user-1", 0)
		if s := w.account(1); s.State != "disabled" || !strings.Contains(s.Reason, "no longer serves consumer Code Assist accounts") {
			w.Errorf("account: %s, %q", s.State, s.Reason)
		}
		if calls := w.google.Calls(googlesim.Match{Account: "user-2", Method: "streamGenerateContent"}); len(calls) != 1 ||
			calls[0].Project != "managed-2" {
			w.Errorf("calls of the licensed account: %+v", calls)
		}
	})
}

func TestColdStartCausesOneRefreshForEachAccountUsed(t *testing.T) {
	simulated(t, func(w *world) {
		w.policy = "round_robin"
		for n := 1; n <= 25; n++ {
			if n == 3 || n == 17 {
				continue
			}
			w.assist(n, googlesim.Assist{Tier: "standard-tier", Licensed: true, ManagedProject: fmt.Sprint("own-", n)})
		}
		w.start()
		w.concurrently(20, func() { w.text(w.ask(plain())) })
		used := 0
		for n := 1; n <= 25; n++ {
			name := "user-" + strconv.Itoa(n)
			calls := w.google.Calls(googlesim.Match{Account: name, Method: "streamGenerateContent"})
			if len(calls) > 0 {
				used++
				if got := w.refreshes(name); got != 1 {
					w.Errorf("%s was refreshed %d times", name, got)
				}
			}
			for _, c := range calls {
				if c.Project != fmt.Sprint("own-", n) {
					w.Errorf("%s billed %s", name, c.Project)
				}
			}
		}
		if used != 20 {
			w.Errorf("%d accounts used, want 20 in turn", used)
		}
	})
}

func TestDeadTokenEndpointKeepsNoRequestFromOtherAccounts(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		for n := 1; n <= 23; n++ {
			w.user(n)
		}
		w.key(24)
		w.start()
		w.google.Always(googlesim.Match{Backend: googlesim.OAuth}, googlesim.TokenError(http.StatusInternalServerError, "internal_failure", ""))
		for range 40 {
			a := ask()
			w.text(a)
			if a.record.Attempts != 1 {
				w.Errorf("%d attempts", a.record.Attempts)
			}
			time.Sleep(700 * time.Millisecond)
		}
		w.wantCalls("key-24", 40)
	})
}

func TestTokenThatIsStillGoodIsUsedWhileItCannotBeRefreshed(t *testing.T) {
	for name, fault := range map[string]googlesim.Reply{
		"error": googlesim.TokenError(http.StatusInternalServerError, "internal_failure", ""), "hangs": googlesim.Stall(),
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, ask func() *answer) {
				w.user(1)
				w.start()
				w.text(ask())
				stop := w.google.Always(googlesim.Match{Backend: googlesim.OAuth}, fault)
				time.Sleep(56 * time.Minute) // refreshed ahead by now; good for four minutes more
				before := w.refreshes("user-1")
				if before < 2 {
					w.Error("nobody tried to refresh the token ahead of its end")
				}
				a := ask()
				w.text(a)
				if a.took > 0 || a.record.Attempts != 1 {
					w.Errorf("%d attempts, took %v", a.record.Attempts, a.took)
				}
				time.Sleep(2 * time.Minute)
				if tries := w.refreshes("user-1") - before; tries > 8 {
					w.Errorf("%d tries to refresh within two minutes", tries)
				}
				stop()
				time.Sleep(90 * time.Second)
				w.text(ask())
				time.Sleep(2 * time.Minute) // beyond the end of the first token
				a = ask()
				w.text(a)
				if a.took > 0 {
					w.Errorf("took %v: the token was not refreshed as soon as it could be", a.took)
				}
			})
		})
	}
}

func TestHangingTokenEndpointIsWaitedForOnlySoLong(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		for n := 1; n <= 5; n++ {
			w.user(n)
		}
		w.key(6)
		w.start()
		w.google.Always(googlesim.Match{Backend: googlesim.OAuth}, googlesim.Stall())
		a := ask()
		w.text(a)
		if a.took > 30*time.Second {
			w.Errorf("the first request took %v", a.took)
		}
		if a = ask(); a.took > time.Second {
			w.Errorf("the second request took %v", a.took)
		}
		w.text(a)
	})
}

func TestUnreachableHostKeepsNoRequestFromOtherBackends(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		const users = 150
		for n := range users {
			w.user(n + 1)
		}
		w.key(users + 1)
		w.start()
		w.google.Always(googlesim.Match{Backend: googlesim.Vertex}, googlesim.Reset())
		answered := 0
		for range 20 {
			a := ask()
			if a.Code == http.StatusOK {
				answered++
			}
			if len(a.record.Tries) > 2 {
				w.Errorf("%d tries, though the second would do", len(a.record.Tries))
			}
			time.Sleep(100 * time.Millisecond)
		}
		if answered < 20 {
			w.Errorf("%d of 20 requests were answered, though a healthy account was there", answered)
		}
	})
}
