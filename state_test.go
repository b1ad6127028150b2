package geminiproxy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/accounts"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// everyKind is a pool of three API keys and two users whose access tokens have to be refreshed.
const everyKind = `
	gemini_proxy {
		credentials env TEST_KEY_*
		credentials env TEST_USER_* {
			backend code_assist
			label user
		}
		affinity off
		endpoint gemini_api GOOGLE
		endpoint code_assist GOOGLE
		endpoint oauth GOOGLE
		anonymous
	}`

// addUsers has Google know two users, whose refresh tokens contain the secret.
func (s *site) addUsers() {
	s.Helper()
	for _, n := range []string{"1", "2"} {
		refresh := "1//" + secret + "-refresh-" + n
		s.google.AddUser(googlesim.User{
			Name: "user-" + n, RefreshToken: refresh, ClientID: "client", ClientSecret: secret + "-client",
			Assist: googlesim.Assist{Tier: "standard-tier", Licensed: true, ManagedProject: "managed-" + n},
		})
		s.Setenv("TEST_USER_"+n, fmt.Sprintf(`{"refresh_token":%q,"client_id":"client","client_secret":%q}`, refresh, secret+"-client"))
	}
}

// known is what the admin endpoint shows of the accounts, but for what passes by itself.
func (o *operated) known() string {
	o.Helper()
	_, answer := o.operate(http.MethodGet, "", "")
	var shown struct{ Accounts []map[string]any }
	if err := json.Unmarshal([]byte(answer), &shown); err != nil {
		o.Fatal(err, answer)
	}
	for _, a := range shown.Accounts {
		if token := a["token"].(map[string]any); token["expires_in"] != nil {
			token["expires_in"] = "some time"
		} else {
			delete(a, "token") // that of an API key is at hand once it was used
		}
	}
	text, err := json.MarshalIndent(shown.Accounts, "", " ")
	if err != nil {
		o.Fatal(err)
	}
	return string(text)
}

// objects is what is kept, by name.
func (s *site) objects() map[string]string {
	s.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(keptAccounts(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".json" { // it is written under another name first
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm() != 0o600 {
			s.Errorf("%s has mode %v", path, info.Mode())
		}
		text, err := os.ReadFile(path)
		found[entry.Name()] = string(text)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		s.Fatal(err)
	}
	return found
}

// stop ends Caddy as a process does that exits.
func (s *site) stop() {
	s.Helper()
	if err := caddy.Stop(); err != nil {
		s.Fatal(err)
	}
	if left := accounts.Snapshot().Accounts; len(left) != 0 {
		s.Fatalf("accounts are still in memory: %v", left)
	}
}

func TestARestartForgetsNothing(t *testing.T) {
	o := newOperated(t)
	o.addUsers()
	o.google.SetLimits("project-1", "*", googlesim.Limits{RPD: 2})
	config := o.config(everyKind)
	o.run(config)
	o.asked(20, http.StatusOK, "")
	o.do("/disable", `{"label": "env-2"}`)
	before := o.known()
	for _, part := range []string{`"reason": "quota_long"`, `"limit": 2`, `"reason": "disabled by the operator"`, `"expires_in": "some time"`} {
		if !strings.Contains(before, part) {
			t.Fatalf("no %s before the restart:\n%s", part, before)
		}
	}
	o.stop()
	for name, object := range o.objects() {
		if strings.Contains(object, secret) {
			t.Errorf("%s holds a credential: %s", name, object)
		}
	}
	if n := len(o.objects()); n != 5 {
		t.Errorf("%d accounts are kept, want 5", n)
	}

	o.run(config)
	if after := o.known(); after != before {
		t.Errorf("after the restart it is\n%s\nnot\n%s", after, before)
	}
	o.google.ForgetCalls()
	calls := o.asked(20, http.StatusOK, "")
	if calls["1"] != 0 || calls["2"] != 0 || calls["3"] == 0 || calls["user-1"] == 0 || calls["user-2"] == 0 {
		t.Errorf("calls %v: the first is out of its quota, the second disabled", calls)
	}
	if n := o.google.Count(googlesim.Match{Backend: googlesim.OAuth}); n != 0 {
		t.Errorf("%d refreshes of tokens that were valid", n)
	}
	if n := o.google.Count(googlesim.Match{Method: "loadCodeAssist"}); n != 0 {
		t.Errorf("%d discoveries of projects that were known", n)
	}
}

func TestMemoryForgetsWithTheProcess(t *testing.T) {
	o := newOperated(t)
	config := o.config(strings.Replace(proxy, "anonymous", "anonymous\n state memory", 1))
	o.run(config)
	o.asked(3, http.StatusOK, "")
	before := o.known()
	o.run(config)
	if after := o.known(); after != before {
		t.Errorf("after a reload it is\n%s\nnot\n%s", after, before)
	}
	o.stop()
	if n := len(o.objects()); n != 0 {
		t.Errorf("%d accounts are kept", n)
	}
}

func TestWhatIsKeptAndCannotBeReadIsReportedAndIgnored(t *testing.T) {
	o := newOperated(t)
	config := o.config(proxy)
	o.run(config)
	o.asked(6, http.StatusOK, "")
	o.stop()
	broken := slices.Sorted(maps.Keys(o.objects()))[0]
	if err := os.WriteFile(filepath.Join(keptAccounts(), broken), []byte(`{"version":1,"requests`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(o.log, 0); err != nil {
		t.Fatal(err)
	}
	o.run(config)
	o.asked(6, http.StatusOK, "")
	o.stop()
	log, err := os.ReadFile(o.log)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(log, []byte(`"object":"gemini_proxy/accounts/`+broken+`"`)); n != 1 {
		t.Errorf("the log names the object %d times", n)
	}
	var sum int
	for name, object := range o.objects() {
		var o struct{ Requests int }
		if err := json.Unmarshal([]byte(object), &o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		sum += o.Requests
	}
	if sum != 6-2+6 {
		t.Errorf("%d requests are kept: those of one of three accounts were lost, so it should be 10", sum)
	}
}

func TestValidatingReadsWhatIsKeptAndWritesNothing(t *testing.T) {
	o := newOperated(t)
	o.addUsers()
	adapted := o.config(everyKind)
	o.run(adapted)
	o.asked(10, http.StatusOK, "")
	o.stop()
	kept, calls := o.objects(), o.google.Count(googlesim.Match{})
	if len(kept) != 5 {
		t.Fatalf("%d accounts are kept", len(kept))
	}
	var config caddy.Config
	if err := json.Unmarshal(adapted, &config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&config); err != nil {
		t.Fatal(err)
	}
	if after := o.objects(); !maps.Equal(after, kept) {
		t.Errorf("it is kept\n%v\nbefore\n%v", after, kept)
	}
	if n := o.google.Count(googlesim.Match{}); n != calls {
		t.Errorf("Google had %d calls", n-calls)
	}
}

// requests is how many requests the admin endpoint shows for all accounts, and how many of the day's quota are used.
func (o *operated) requests() (made, used int) {
	o.Helper()
	_, answer := o.operate(http.MethodGet, "", "")
	var shown struct {
		Accounts []struct {
			Requests int
			Models   []struct{ RPD struct{ Used int } }
		}
	}
	if err := json.Unmarshal([]byte(answer), &shown); err != nil {
		o.Fatal(err, answer)
	}
	for _, a := range shown.Accounts {
		made += a.Requests
		for _, m := range a.Models {
			used += m.RPD.Used
		}
	}
	return made, used
}

func TestTwoHandlersAndAReloadShareCounters(t *testing.T) {
	o := newOperated(t)
	config := o.config(twoSites)
	o.run(config)
	o.asked(2, http.StatusOK, "/one")
	o.asked(3, http.StatusOK, "/two")
	o.run(config)
	o.asked(1, http.StatusOK, "/two")
	o.stop()
	o.run(config)
	if made, used := o.requests(); made != 6 || used != 6 {
		t.Errorf("%d requests, %d of the day's quota, want 6", made, used)
	}
	o.run(o.config(strings.ReplaceAll(twoSites, "anonymous", "anonymous\n limit * rpd 7")))
	o.asked(1, http.StatusOK, "/one")
	for _, path := range []string{"/one", "/two"} {
		if calls := o.asked(1, http.StatusTooManyRequests, path); len(calls) != 0 {
			t.Errorf("%s: calls %v beyond the day's quota", path, calls)
		}
	}
}

func TestAFailedReloadChangesNothing(t *testing.T) {
	o := newOperated(t)
	o.addUsers()
	o.run(o.config(strings.Replace(everyKind, "TEST_KEY_*", "TEST_KEY_1 TEST_KEY_2", 1)))
	o.asked(8, http.StatusOK, "")
	o.do("/disable", `{"label": "env-1"}`)
	o.written(8)
	before, kept := o.known(), o.objects()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, directives := range map[string]string{
		"other accounts and limits": strings.Replace(everyKind, "anonymous", "anonymous\n limit * rpd 1\n policy random", 1),
		"no store":                  strings.Replace(everyKind, "anonymous", "anonymous\n state memory", 1),
		"fewer accounts":            strings.Replace(everyKind, "TEST_KEY_*", "TEST_KEY_2", 1),
	} {
		// All modules are provisioned by the time that a listener is refused.
		next := bytes.Replace(o.config(directives), []byte("127.0.0.1:"+o.port), []byte(taken.Addr().String()), 1)
		if err := caddy.Load(next, true); err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Fatalf("%s: the configuration loads, or fails for another reason: %v", name, err)
		}
		if after := o.known(); after != before {
			t.Errorf("%s: accounts\n%s\nbefore\n%s", name, after, before)
		}
		if after := o.objects(); !maps.Equal(after, kept) {
			t.Errorf("%s: it is kept\n%v\nbefore\n%v", name, after, kept)
		}
	}
	if calls := o.asked(8, http.StatusOK, ""); calls["1"] != 0 || calls["3"] != 0 || calls["2"] == 0 || calls["user-1"] == 0 {
		t.Errorf("calls %v", calls)
	}
	o.written(16)
}

// written waits until so many requests are kept.
func (o *operated) written(requests int) {
	o.Helper()
	ctx, cancel := context.WithTimeout(o.Context(), 10*time.Second)
	defer cancel()
	for {
		sum := 0
		for _, object := range o.objects() {
			var kept struct{ Requests int }
			if err := json.Unmarshal([]byte(object), &kept); err != nil {
				o.Fatal(err, object)
			}
			sum += kept.Requests
		}
		if sum == requests {
			return
		}
		select {
		case <-ctx.Done():
			o.Fatalf("%d requests are kept, want %d", sum, requests)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
