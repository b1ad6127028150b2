package geminiproxy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// operated is a site with an admin endpoint.
type operated struct {
	*site
	admin string // its port
}

func newOperated(t *testing.T) *operated { return &operated{site: newSite(t, 0), admin: freePort(t)} }

func (o *operated) config(directives string) []byte {
	o.Helper()
	off, on := []byte(`"admin":{"disabled":true}`), fmt.Appendf(nil, `"admin":{"listen":"127.0.0.1:%s"}`, o.admin)
	adapted := o.site.config(directives)
	if !bytes.Contains(adapted, off) {
		o.Fatalf("no %s in %s", off, adapted)
	}
	return bytes.Replace(adapted, off, on, 1)
}

// operate asks the admin endpoint, and returns what it answers.
func (o *operated) operate(method, path, body string) (status int, answer string) {
	o.Helper()
	r, err := http.NewRequestWithContext(o.Context(), method, "http://127.0.0.1:"+o.admin+"/gemini_proxy/accounts"+path, strings.NewReader(body))
	if err != nil {
		o.Fatal(err)
	}
	r.Close = true // a connection that is kept ends with the next reload, perhaps as it is used
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		o.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		o.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// do is operate with POST, which must succeed.
func (o *operated) do(path, body string) {
	o.Helper()
	if status, answer := o.operate(http.MethodPost, path, body); status != http.StatusOK {
		o.Fatalf("%s %s: %d %s", path, body, status, answer)
	}
}

// states is the state of each account by its label, as the admin endpoint shows it.
func (o *operated) states() map[string]string {
	o.Helper()
	_, answer := o.operate(http.MethodGet, "", "")
	var shown struct {
		Accounts []struct{ Label, State string }
	}
	if err := json.Unmarshal([]byte(answer), &shown); err != nil {
		o.Fatal(err, answer)
	}
	states := make(map[string]string)
	for _, a := range shown.Accounts {
		states[a.Label] = a.State
	}
	return states
}

// asked sends n requests, which must all be answered with the status, and returns how many calls Google had meanwhile by account.
func (o *operated) asked(n, status int, path string) map[string]int {
	o.Helper()
	client := o.client(1)
	before := len(o.google.Calls(googlesim.Match{}))
	for range n {
		answer, err := client.Do(o.request(context.Background(), http.MethodPost, path+"/v1/chat/completions", ask))
		if err != nil {
			o.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != status {
			o.Fatalf("%s, want %d: %s", answer.Status, status, text)
		}
	}
	calls := make(map[string]int)
	for _, c := range o.google.Calls(googlesim.Match{})[before:] {
		calls[strings.TrimPrefix(c.Account, secret+"-key-")]++
	}
	return calls
}

func TestAnOperatorTakesAnAccountOutAndIn(t *testing.T) {
	o := newOperated(t)
	config := o.config(proxy)
	o.run(config)
	if calls := o.asked(6, http.StatusOK, ""); calls["1"] != 2 {
		t.Fatalf("calls %v", calls)
	}
	o.do("/disable", `{"label": "env-1"}`)
	if calls := o.asked(6, http.StatusOK, ""); calls["1"] != 0 {
		t.Errorf("calls %v while the first is disabled", calls)
	}
	o.run(config) // a forced reload
	if calls := o.asked(4, http.StatusOK, ""); calls["1"] != 0 || o.states()["env-1"] != "disabled" {
		t.Errorf("calls %v after a reload, states %v", calls, o.states())
	}
	o.do("/enable", `{"label": "env-1"}`)
	if calls := o.asked(3, http.StatusOK, ""); calls["1"] == 0 {
		t.Errorf("calls %v when the first is enabled", calls)
	}
	if status, answer := o.operate(http.MethodPost, "/disable", `{"label": "env-4"}`); status != http.StatusNotFound || strings.Contains(answer, "env-") {
		t.Errorf("an unknown label: %d %s", status, answer)
	}
}

func TestAnOperatorLiftsACooldownOfADay(t *testing.T) {
	o := newOperated(t)
	o.run(o.config(strings.Replace(proxy, "TEST_KEY_*", "TEST_KEY_1", 1)))
	for _, target := range []string{`{"label": "env-1"}`, `{"all": true}`} {
		o.google.Script(googlesim.Match{Method: "streamGenerateContent"}, googlesim.QuotaDay("gemini-3-flash-preview"))
		o.asked(1, http.StatusTooManyRequests, "")
		if calls := o.asked(1, http.StatusTooManyRequests, ""); calls["1"] != 0 {
			t.Fatalf("calls %v while it cools", calls)
		}
		o.do("/reset", target)
		if calls := o.asked(1, http.StatusOK, ""); calls["1"] != 1 {
			t.Errorf("calls %v after the reset of %s", calls, target)
		}
	}
}

// twoSites is two handlers with the first account in common, which each gives a label of its own.
const twoSites = `
	handle_path /one/* {
		gemini_proxy {
			credentials env TEST_KEY_1
			endpoint gemini_api GOOGLE
			anonymous
		}
	}
	handle_path /two/* {
		gemini_proxy {
			credentials env TEST_KEY_1 {
				label mine
			}
			endpoint gemini_api GOOGLE
			anonymous
		}
	}`

func TestTwoHandlersShareWhatAnOperatorSays(t *testing.T) {
	o := newOperated(t)
	o.run(o.config(twoSites))
	o.asked(1, http.StatusOK, "/one")
	o.asked(1, http.StatusOK, "/two")
	if states := o.states(); len(states) != 1 {
		t.Errorf("one account is shown as %v", states)
	}
	for _, label := range []string{"env-1", "mine"} {
		o.do("/disable", `{"label": "`+label+`"}`)
		for _, path := range []string{"/one", "/two"} {
			if calls := o.asked(1, http.StatusServiceUnavailable, path); len(calls) != 0 {
				t.Errorf("%s: calls %v while %s is disabled", path, calls, label)
			}
		}
		o.do("/enable", `{"label": "`+label+`"}`)
		o.asked(1, http.StatusOK, "/one")
		o.asked(1, http.StatusOK, "/two")
	}
}

func TestAFailedReloadIsNotSeenByOperators(t *testing.T) {
	o := newOperated(t)
	o.run(o.config(strings.Replace(proxy, "TEST_KEY_*", "TEST_KEY_1 TEST_KEY_2", 1)))
	o.do("/disable", `{"label": "env-1"}`)
	before := o.states()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	// All modules are provisioned by the time that a listener is refused.
	next := bytes.Replace(o.config(proxy), []byte("127.0.0.1:"+o.port), []byte(taken.Addr().String()), 1)
	for range 2 {
		if err := caddy.Load(next, true); err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Fatalf("the configuration loads, or fails for another reason: %v", err)
		}
		if after := o.states(); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("accounts %v, before the failed reload %v", after, before)
		}
	}
	if calls := o.asked(4, http.StatusOK, ""); calls["1"] != 0 || calls["2"] != 4 {
		t.Errorf("calls %v", calls)
	}
	if status, _ := o.operate(http.MethodPost, "/disable", `{"label": "env-3"}`); status != http.StatusNotFound {
		t.Errorf("an account of the failed configuration: %d", status)
	}
	o.do("/enable", `{"label": "env-1"}`)
	if calls := o.asked(4, http.StatusOK, ""); calls["1"] == 0 {
		t.Errorf("calls %v when the first is enabled", calls)
	}
}
