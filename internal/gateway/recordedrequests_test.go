package gateway_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// askedModels are of the generations that Google's rules tell apart.
var askedModels = []string{"gemini-2.5-flash", "gemini-3-flash-preview", "gemini-3.8-flash", "gemini-4-argon"}

// office is the beginning of what Google says to documents that its models before Gemini 4 do not read.
const office = "Unsupported MIME type: application/vnd.openxmlformats-officedocument."

// refused are the recorded requests that Google refuses with a 400, unless it is Gemini 4 that is asked, and why.
var refused = map[string]string{
	"o-220e07d57dd6": office, "o-1325485c2ff8": office, "o-2357bb8da3e4": office, // Word
	"o-9f00c5aa9b31": office, // Excel
}

// kindOf is what a recorded exchange is to the chat surface.
func kindOf(r conformance.Exchange) string {
	var body struct {
		Messages, Input json.RawMessage
	}
	switch {
	case len(r.Request) == 0 || string(r.Request) == "null":
		return "without a recorded body"
	case json.Unmarshal(r.Request, &body) == nil && body.Messages != nil:
		return chatBody
	case strings.HasPrefix(r.Endpoint, "responses") && body.Input != nil:
		return responsesBody
	default:
		return "of no chat: " + r.Endpoint
	}
}

// What is sent of the recordings: bodies of chat requests, and those of the Responses API, which Cursor sends to the chat route, too.
const (
	chatBody      = "of the chat API"
	responsesBody = "of the Responses API, sent to the chat route"
)

// Whatever a public client has sent to anybody is accepted, and so is what comes of it: by every backend, with models of every
// generation, however strict Google is. It does not matter what the one it was meant for made of it: what was refused there lacked a key, a
// model or a large enough window.
func TestRecordedRequestsAreAcceptedAndSoIsWhatComesOfThem(t *testing.T) {
	kinds := map[string]int{}
	var requests []conformance.Exchange
	for _, r := range conformance.Exchanges(t, "") {
		kind := kindOf(r)
		kinds[kind]++
		if kind == chatBody || kind == responsesBody {
			requests = append(requests, r)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		t.Logf("%d exchanges %s", kinds[kind], kind)
	}
	if kinds[chatBody] < 419 || kinds[responsesBody] < 332 {
		t.Fatalf("only %v", kinds)
	}
	for _, backend := range []string{"gemini_api", "vertex", "code_assist"} {
		for _, model := range askedModels {
			t.Run(backend+"/"+model, func(t *testing.T) {
				simulated(t, func(w *world) {
					w.google.Behave(googlesim.Quirks{AssistModels: true})
					if tally := w.replayAll(backend, model, requests); tally[acceptedAgain] > 0 {
						w.Errorf("Google refused %d requests that it accepted when they came again another way", tally[acceptedAgain])
					}
				})
			})
		}
		t.Run(backend+"/deployment without newer fields", func(t *testing.T) {
			simulated(t, func(w *world) {
				w.google.Behave(googlesim.Quirks{NoJSONSchema: true, NoCallIDs: true})
				w.replayAll(backend, askedModels[1], requests)
			})
		})
	}
}

// replayAll sends requests to a gateway with one account of a backend, and counts what comes of them.
func (w *world) replayAll(backend, model string, requests []conformance.Exchange) map[string]int {
	switch backend {
	case "gemini_api":
		w.key(1)
	case "vertex":
		w.user(1)
	default:
		w.assist(1, googlesim.Assist{Tier: "standard-tier", Licensed: true, ManagedProject: "managed-1"})
	}
	w.options.MaxBody = 64 << 20
	w.start()
	tally := map[string]int{}
	for _, r := range requests {
		tally[w.replay(r, model)]++
	}
	w.Logf("%d requests: %v", len(requests), tally)
	return tally
}

// What comes of a request.
const (
	accepted        = "accepted at once"
	acceptedAgain   = "accepted when sent again another way"
	refusedByGoogle = "refused by Google, rightly"
	failed          = "failed"
)

// replay sends a recorded request with a model of ours, and says what came of it.
func (w *world) replay(r conformance.Exchange, model string) string {
	var body map[string]json.RawMessage
	if err := json.Unmarshal(r.Request, &body); err != nil {
		w.Fatal(err)
	}
	body["model"], _ = json.Marshal(model)
	text, err := json.Marshal(body)
	if err != nil {
		w.Fatal(err)
	}
	defer w.google.ForgetCalls()
	plain := strings.ReplaceAll(string(text), `url":"https://`, `url":"http://`) // the world's web has no certificates
	a := w.send(w.Context(), http.MethodPost, chatPath, plain, true)
	if why := refused[r.ID]; why != "" && !strings.HasPrefix(model, "gemini-4-") {
		if a.Code != http.StatusBadRequest || !strings.Contains(a.Body.String(), why) {
			w.Errorf("%s: %d %s, want a 400: %s", r.ID, a.Code, a.Body, why)
		}
		return refusedByGoogle
	}
	refusals := slices.DeleteFunc(w.google.Calls(googlesim.Match{}), func(c googlesim.Call) bool { return c.Status != http.StatusBadRequest })
	switch {
	case a.Code != http.StatusOK || bytes.Contains(a.Body.Bytes(), []byte(`data: {"error":`)):
		w.Errorf("%s (%s): %d %s", r.ID, r.Host, a.Code, a.Body)
		for _, c := range refusals {
			w.Logf("Google refused %.2000s", c.Body)
		}
		return failed
	case len(refusals) > 0:
		return acceptedAgain
	default:
		return accepted
	}
}
