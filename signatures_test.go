package geminiproxy_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// A client that carries no signatures does not notice that the configuration was changed between two steps of its work.
func TestSignaturesOutliveAReload(t *testing.T) {
	s := newSite(t, 0)
	s.load(proxy)
	const (
		tools = `"tools":[{"type":"function","function":{"name":"get_weather"}}],"messages":[`
		asked = `{"role":"user","content":"What is the weather in Paris?"}`
	)
	ask := func(messages string) (answer struct {
		Choices []struct {
			Message struct {
				ToolCalls []struct{ ID string } `json:"tool_calls"`
			}
		}
	},
	) {
		t.Helper()
		response, err := s.client(1).Do(s.request(t.Context(), http.MethodPost, "/v1/chat/completions", "{"+tools+messages+"]}"))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v", response.Status, err)
		}
		return answer
	}
	first := ask(asked)
	if len(first.Choices) != 1 || len(first.Choices[0].Message.ToolCalls) != 1 {
		t.Fatalf("answer %+v", first)
	}
	s.load("header X-Reloaded yes\n" + proxy)
	id := first.Choices[0].Message.ToolCalls[0].ID
	ask(asked + `,{"role":"assistant","tool_calls":[{"id":"` + id + `","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},` +
		`{"role":"tool","tool_call_id":"` + id + `","content":"fine"}`)
	calls := s.google.Calls(googlesim.Match{})
	if issued := calls[0].Signature; issued == "" || !strings.Contains(string(calls[len(calls)-1].Body), `"thoughtSignature":"`+issued+`"`) {
		t.Errorf("Google signed with %q, and got %s", issued, calls[len(calls)-1].Body)
	}
}
