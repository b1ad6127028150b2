package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/accounts"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// apiKey is a Minter.
type apiKey string

func (k apiKey) Mint(context.Context) (*rotator.Token, error) {
	return &rotator.Token{Secret: string(k), APIKey: true}, nil
}

// handler is the pool of a handler with accounts of these labels, in one quota group each.
func handler(t *testing.T, labels ...string) *rotator.Pool {
	t.Helper()
	hold := new(accounts.Hold)
	var candidates []rotator.Candidate
	for i, label := range labels {
		id := "fingerprint-of-" + label
		candidates = append(candidates, rotator.Candidate{
			Credential: &rotator.Credential{
				ID: id, Index: i + 1, Label: label, Backend: "gemini_api", QuotaGroup: id, Weight: 1, Minter: apiKey("secret-of-" + label),
			},
			Account: hold.Account(id), Group: hold.Group("gemini_api", id),
		})
	}
	p := rotator.NewPool(candidates, rotator.Options{Models: hold.Models(), Limits: []rotator.Limit{{Model: "*", RPM: 1000}}})
	hold.Pool(p)
	t.Cleanup(func() {
		if err := hold.Release(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// adminAPI serves the routes as Caddy's admin endpoint does.
func adminAPI() http.Handler {
	mux := http.NewServeMux()
	for _, route := range new(API).Routes() {
		mux.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := route.Handler.ServeHTTP(w, r); err != nil {
				failure := err.(caddy.APIError)
				http.Error(w, failure.Err.Error(), failure.HTTPStatus)
			}
		})
	}
	return mux
}

func ask(method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	adminAPI().ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

// use makes a call and settles it with a fault, if there is one. It returns the account's label, or empty if there was none.
func use(p *rotator.Pool, fault *rotator.Fault) string {
	lease, err := p.Acquire(rotator.Query{Model: "m"})
	if err != nil {
		return ""
	}
	outcome := rotator.Outcome{Called: true}
	if fault != nil {
		outcome.Decision = lease.Decide(fault, rotator.Attempts{Made: 1})
	}
	lease.Settle(outcome)
	return lease.Credential().Label
}

func TestRequestsThatAreNotUnderstoodAreRefused(t *testing.T) {
	p := handler(t, "one")
	large := `{"label": "` + strings.Repeat("x", maxTarget) + `"}`
	for _, c := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"show with POST", http.MethodPost, pathAccounts, "", http.StatusMethodNotAllowed},
		{"disable with GET", http.MethodGet, pathDisable, `{"label": "one"}`, http.StatusMethodNotAllowed},
		{"enable with PUT", http.MethodPut, pathEnable, `{"label": "one"}`, http.StatusMethodNotAllowed},
		{"reset with DELETE", http.MethodDelete, pathReset, `{"label": "one"}`, http.StatusMethodNotAllowed},
		{"something else", http.MethodPost, pathAccounts + "/explode", `{"label": "one"}`, http.StatusNotFound},
		{"no body", http.MethodPost, pathDisable, "", http.StatusBadRequest},
		{"no JSON", http.MethodPost, pathDisable, "label=one", http.StatusBadRequest},
		{"no object", http.MethodPost, pathDisable, `"one"`, http.StatusBadRequest},
		{"null", http.MethodPost, pathDisable, "null", http.StatusBadRequest},
		{"an empty object", http.MethodPost, pathReset, "{}", http.StatusBadRequest},
		{"an empty label", http.MethodPost, pathDisable, `{"label": ""}`, http.StatusBadRequest},
		{"another type", http.MethodPost, pathDisable, `{"label": 1}`, http.StatusBadRequest},
		{"another field", http.MethodPost, pathDisable, `{"label": "one", "until": "tomorrow"}`, http.StatusBadRequest},
		{"two values", http.MethodPost, pathDisable, `{"label": "one"} {"label": "one"}`, http.StatusBadRequest},
		{"something after it", http.MethodPost, pathDisable, `{"label": "one"}}`, http.StatusBadRequest},
		{"disable all", http.MethodPost, pathDisable, `{"all": true}`, http.StatusBadRequest},
		{"enable all", http.MethodPost, pathEnable, `{"all": true}`, http.StatusBadRequest},
		{"reset one and all", http.MethodPost, pathReset, `{"label": "one", "all": true}`, http.StatusBadRequest},
		{"too large", http.MethodPost, pathDisable, large, http.StatusRequestEntityTooLarge},
		{"padded", http.MethodPost, pathDisable, `{"label": "one"}` + strings.Repeat(" ", maxTarget), http.StatusRequestEntityTooLarge},
		{"unknown label", http.MethodPost, pathDisable, `{"label": "secret-of-one"}`, http.StatusNotFound},
		{"unknown label", http.MethodPost, pathEnable, `{"label": "secret-of-one"}`, http.StatusNotFound},
		{"unknown label", http.MethodPost, pathReset, `{"label": "secret-of-one"}`, http.StatusNotFound},
	} {
		w := ask(c.method, c.path, c.body)
		if w.Code != c.status {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.status)
		}
		if w.Code == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
			t.Errorf("%s: the answer does not say what is allowed", c.name)
		}
		if strings.Contains(w.Body.String(), "one") {
			t.Errorf("%s: the error repeats what was sent, or tells labels: %s", c.name, w.Body)
		}
		if state := p.Snapshot().Accounts[0].State; state != rotator.StateReady {
			t.Fatalf("%s: the account is %s all the same", c.name, state)
		}
	}
}

func TestAccountsAreShownAsStatusShowsThem(t *testing.T) {
	p := handler(t, "one", "two")
	use(p, nil)
	w := ask(http.MethodGet, pathAccounts, "")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatal(w.Code, w.Header())
	}
	want, err := json.Marshal(p.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(w.Body.String()); got != string(want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if strings.Contains(w.Body.String(), "secret") || strings.Contains(w.Body.String(), "fingerprint") {
		t.Errorf("it shows what it should not: %s", w.Body)
	}
}

func TestWithoutAHandlerThereAreNoAccounts(t *testing.T) {
	w := ask(http.MethodGet, pathAccounts, "")
	var shown map[string]json.RawMessage
	if err := json.Unmarshal(w.Body.Bytes(), &shown); err != nil {
		t.Fatal(err)
	}
	if string(shown["accounts"]) != "[]" || string(shown["models"]) != "[]" {
		t.Errorf("%s", w.Body)
	}
	if w := ask(http.MethodPost, pathReset, `{"all": true}`); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"accounts":[]}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// changed is the labels and states of the accounts that an answer shows.
func changed(t *testing.T, w *httptest.ResponseRecorder) []string {
	t.Helper()
	var c Changed
	if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil || w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body, err)
	}
	list := []string{}
	for _, a := range c.Accounts {
		list = append(list, a.Label+" "+a.State)
	}
	return list
}

func TestChangesHoldAtOnce(t *testing.T) {
	p := handler(t, "one", "two")
	other := handler(t, "one")
	use(p, nil)
	use(p, nil)
	if got, want := changed(t, ask(http.MethodPost, pathDisable, `{"label": "one"}`)), []string{"one disabled"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := []string{use(p, nil), use(p, nil), use(other, nil)}; !slices.Equal(got, []string{"two", "two", ""}) {
		t.Errorf("used %q while one is disabled", got)
	}
	if got, want := changed(t, ask(http.MethodPost, pathReset, `{"all": true}`)), []string{"one disabled", "two ready"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := changed(t, ask(http.MethodPost, pathEnable, `{"label": "one"}`)), []string{"one ready"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := []string{use(p, nil), use(other, nil)}; !slices.Equal(got, []string{"one", "one"}) {
		t.Errorf("used %q when one is enabled", got)
	}
	if use(other, &rotator.Fault{Kind: rotator.FaultQuotaLong, Delay: time.Hour}) != "one" || use(other, nil) != "" {
		t.Fatal("one does not cool")
	}
	if got, want := changed(t, ask(http.MethodPost, pathReset, `{"label": "one"}`)), []string{"one ready"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if use(other, nil) != "one" {
		t.Error("one is not used after a reset")
	}
}

func TestAliasesNameAccountsToo(t *testing.T) {
	handler(t, "one")
	hold := new(accounts.Hold)
	defer hold.Release()
	id := "fingerprint-of-one"
	hold.Pool(rotator.NewPool([]rotator.Candidate{{
		Credential: &rotator.Credential{ID: id, Label: "alias", Backend: "gemini_api", QuotaGroup: id, Weight: 1, Minter: apiKey("k")},
		Account:    hold.Account(id), Group: hold.Group("gemini_api", id),
	}}, rotator.Options{}))
	if got, want := changed(t, ask(http.MethodPost, pathDisable, `{"label": "alias"}`)), []string{"one disabled"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
