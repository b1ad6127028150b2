package geminiproxy_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// What an operator says in the Caddyfile about the content of requests must arrive where requests are decoded and sent.
func TestOptionsForWhatIsAskedReachGoogle(t *testing.T) {
	s := newSite(t, 0)
	with := func(options string) { s.load(strings.Replace(proxy, "anonymous", "anonymous\n"+options, 1)) }
	ask := func(field string) (status int, ignored, text string) {
		t.Helper()
		answer, err := s.client(1).Do(s.request(t.Context(), http.MethodPost, "/v1/chat/completions", "{"+field+question))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, answer.Header.Get("X-Gemini-Proxy-Ignored"), string(body)
	}
	const biased = `"logit_bias":{"50256":-100},`

	with("compat lenient\nsafety harassment only_high")
	if status, ignored, text := ask(biased); status != http.StatusOK || ignored != "logit_bias" {
		t.Errorf("lenient: %d, ignored %q: %s", status, ignored, text)
	}
	calls := s.google.Calls(googlesim.Match{})
	var sent struct {
		SafetySettings []struct{ Category, Threshold string }
	}
	if err := json.Unmarshal(calls[len(calls)-1].Body, &sent); err != nil {
		t.Fatal(err)
	}
	if got := sent.SafetySettings; len(got) != 1 || got[0].Category != "HARM_CATEGORY_HARASSMENT" || got[0].Threshold != "BLOCK_ONLY_HIGH" {
		t.Errorf("safety as sent: %v", got)
	}

	with("compat strict")
	if status, _, text := ask(biased); status != http.StatusBadRequest || !strings.Contains(text, `"param":"logit_bias"`) {
		t.Errorf("strict: %d %s", status, text)
	}
	if status, _, text := ask(""); status != http.StatusOK {
		t.Errorf("strict refuses a plain question: %d %s", status, text)
	}
	if n := len(s.google.Calls(googlesim.Match{})); n != len(calls)+1 {
		t.Errorf("%d more calls, for one request that was served", n-len(calls))
	}
}
