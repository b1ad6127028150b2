package geminiproxy_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// explained is what an operator is told of an exchange.
type explained struct {
	RequestID string `json:"request_id"`
	Model     string
	Account   string
	Attempts  int
	Error     string
	Choices   []struct{ Account, Why string }
	Tries     []struct {
		Account, Outcome string
		Called           bool
		Status           int
	}
}

// explain asks the admin endpoint about an exchange, and returns the answer's text, too.
func (o *operated) explain(id string, status int) (e explained, text string) {
	o.Helper()
	r, err := http.NewRequestWithContext(o.Context(), http.MethodGet, "http://127.0.0.1:"+o.admin+"/gemini_proxy/explain/"+id, nil)
	if err != nil {
		o.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		o.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		o.Fatalf("%s %v %s", response.Status, err, body)
	}
	if err := json.Unmarshal(body, &e); err != nil {
		o.Fatalf("%v %s", err, body)
	}
	return e, string(body)
}

// exchange sends a request, and returns what its answer says it is called.
func (o *operated) exchange(path, body string, status int) (id string) {
	o.Helper()
	answer, err := o.client(1).Do(o.request(context.Background(), http.MethodPost, path, body))
	if err != nil {
		o.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != status {
		o.Fatalf("%s %v %s", answer.Status, err, text)
	}
	return answer.Header.Get("X-Request-Id")
}

func TestAnOperatorIsToldWhatBecameOfARequest(t *testing.T) {
	o := newOperated(t)
	config := o.config(proxy)
	o.run(config)
	o.google.Script(googlesim.Match{Method: "streamGenerateContent"}, googlesim.RateMinute("gemini-3-flash-preview", 0))
	retried := o.exchange("/v1/chat/completions", askStream, http.StatusOK)
	unknown := o.exchange("/v1/chat/completions", `{"model":"gpt-none",`+question, http.StatusNotFound)
	o.run(config) // the exchanges are still known after a reload

	e, text := o.explain(retried, http.StatusOK)
	if e.RequestID != retried || e.Attempts != 2 || len(e.Tries) != 2 || e.Error != "" || len(e.Choices) != 2 {
		t.Fatal(text)
	}
	first, second := e.Tries[0], e.Tries[1]
	if first.Outcome != "RESOURCE_EXHAUSTED" || first.Status != http.StatusTooManyRequests || !first.Called ||
		second.Outcome != "answered" || second.Account == first.Account || second.Account != e.Account {
		t.Error(text)
	}
	if e.Choices[0].Account != first.Account || e.Choices[1].Account != second.Account || e.Choices[0].Why == "" {
		t.Error(text)
	}
	for _, private := range []string{secret, "project-", "Tell me a story"} {
		if strings.Contains(text, private) {
			t.Errorf("%s is in %s", private, text)
		}
	}

	if e, text := o.explain(unknown, http.StatusOK); e.Error != "model_not_found" || e.Model != "gpt-none" || e.Tries == nil || len(e.Tries) != 0 {
		t.Error(text)
	}
	if _, text := o.explain("req_NOBODY", http.StatusNotFound); !strings.Contains(text, `"error":`) {
		t.Error(text)
	}
}
