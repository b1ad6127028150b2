package openai

import (
	"encoding/json"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
)

// Whatever a public client has sent to a gateway that took it must be accepted. There are no exceptions.
func TestEveryRecordedChatRequestIsAccepted(t *testing.T) {
	requests := 0
	for _, exchange := range conformance.Exchanges(t, "chat/completions") {
		if exchange.Status != 200 {
			continue
		}
		requests++
		request, newWriter, err := Chat{}.Decode(nil, exchange.Request)
		if err != nil {
			t.Errorf("%s (%s): %v", exchange.ID, exchange.Host, err)
			continue
		}
		var sent struct {
			Messages []json.RawMessage `json:"messages"`
			Tools    []json.RawMessage `json:"tools"`
		}
		if err := json.Unmarshal(exchange.Request, &sent); err != nil {
			t.Fatal(err)
		}
		if len(request.Tools) != len(sent.Tools) || len(request.Messages) != len(sent.Messages) {
			t.Errorf("%s: %d of %d tools, %d of %d messages", exchange.ID,
				len(request.Tools), len(sent.Tools), len(request.Messages), len(sent.Messages))
		}
		checkRequest(t, request)
		if newWriter == nil {
			t.Errorf("%s: no writer", exchange.ID)
		}
	}
	const atLeast = 401 // requests with a body and an answer in the data of 2026-11
	if requests < atLeast {
		t.Errorf("%d requests were tried, expected %d at least", requests, atLeast)
	}
}

// Cursor sends bodies of the Responses API to the chat route: whatever public clients have sent to that API is understood here, too.
func TestEveryRecordedResponsesBodyIsReadAsAChat(t *testing.T) {
	requests := 0
	for _, exchange := range conformance.Exchanges(t, "responses") {
		if exchange.Status != 200 || len(exchange.Request) == 0 {
			continue
		}
		requests++
		request, _, err := Chat{}.Decode(nil, exchange.Request)
		if err != nil {
			t.Errorf("%s (%s): %v", exchange.ID, exchange.Host, err)
			continue
		}
		checkRequest(t, request)
	}
	const atLeast = 300 // in the data of 2026-11
	if requests < atLeast {
		t.Errorf("%d requests were tried, expected %d at least", requests, atLeast)
	}
}
