package geminiproxy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// accountStatus is what the test needs of GET /v1/status.
type accountStatus struct {
	Index int
	Label string
	State string
}

// status asks the site for its accounts.
func (s *site) status(client *http.Client) []accountStatus {
	s.Helper()
	answer, err := client.Do(s.request(s.Context(), http.MethodGet, "/v1/status", ""))
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	var status struct{ Accounts []accountStatus }
	if err := json.NewDecoder(answer.Body).Decode(&status); err != nil {
		s.Fatal(err)
	}
	return status.Accounts
}

// Twenty-five OAuth credentials in numbered variables, two of which are missing: each account keeps its own number and its own project, and
// however many requests meet a cold pool, an account's token is asked for once.
func TestNumberedVariablesAreAccountsOfTheirOwn(t *testing.T) {
	s := newSite(t, 0)
	t.Setenv("OAUTH_CLIENT_ID", "client")
	t.Setenv("OAUTH_CLIENT_SECRET", "client-secret")
	var numbers []int
	for n := 1; n <= 25; n++ {
		if n == 3 || n == 17 {
			continue
		}
		numbers = append(numbers, n)
		s.google.AddUser(googlesim.User{
			Name: "user-" + strconv.Itoa(n), RefreshToken: "1//refresh-" + strconv.Itoa(n), ClientID: "client", ClientSecret: "client-secret",
			Assist: googlesim.Assist{Tier: "standard-tier", Licensed: true, ManagedProject: fmt.Sprintf("managed-%d", n)},
		})
		t.Setenv("GCP_SERVICE_ACCOUNT_"+strconv.Itoa(n), fmt.Sprintf(`{"access_token":"ya29.old","refresh_token":"1//refresh-%d",`+
			`"scope":"https://www.googleapis.com/auth/cloud-platform","token_type":"Bearer","expiry_date":1000}`, n))
	}
	s.load(`
	gemini_proxy {
		affinity off
		endpoint code_assist GOOGLE
		endpoint oauth GOOGLE
		anonymous
	}`)
	client := s.client(2)

	var found []int
	for _, a := range s.status(client) {
		found = append(found, a.Index)
		if a.Label != "env-"+strconv.Itoa(a.Index) || a.State != "ready" {
			t.Errorf("account %+v", a)
		}
	}
	if !slices.Equal(found, numbers) {
		t.Errorf("accounts %v, want %v", found, numbers)
	}

	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			answer, err := client.Do(s.request(t.Context(), http.MethodPost, "/v1/chat/completions", ask))
			if err != nil {
				t.Error(err)
				return
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Errorf("%s", answer.Status)
			}
		})
	}
	wg.Wait()
	used := 0
	for _, n := range numbers {
		name := "user-" + strconv.Itoa(n)
		calls := s.google.Calls(googlesim.Match{Account: name, Method: "streamGenerateContent"})
		refreshes := s.google.Count(googlesim.Match{Account: name, Backend: googlesim.OAuth})
		if used += min(len(calls), 1); refreshes != min(len(calls), 1) {
			t.Errorf("%s: %d calls, %d refreshes", name, len(calls), refreshes)
		}
		for _, c := range calls {
			if c.Project != fmt.Sprintf("managed-%d", n) {
				t.Errorf("%s billed %s", name, c.Project)
			}
		}
	}
	if used < 15 {
		t.Errorf("20 requests used only %d of 23 accounts", used)
	}
}
