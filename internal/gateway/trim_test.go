package gateway_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// sixStops are more stop sequences than Google takes.
var sixStops = []string{"1", "2", "3", "4", "5", "ENOUGH"}

const spent = `,"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3,"totalTokenCount":10}}`

// counted adds to an event what the answer has cost so far.
func counted(event string) string { return strings.TrimSuffix(event, "}") + spent }

func TestAnswersEndWhereGoogleIsNotToldTo(t *testing.T) {
	one := maps.Clone(declares("f"))
	one["parallel_tool_calls"] = false
	for name, c := range map[string]struct {
		body   map[string]any
		events []string
		want   completion
	}{
		"the sixth stop sequence": {
			map[string]any{"stop": sixStops}, []string{says(`{"text":"a EN"}`, ""), counted(says(`{"text":"OUGH b"}`, "")), says(`{"text":"c"}`, "STOP")},
			completion{Content: "a ", Finish: "stop"},
		},
		"one call where there may be one only": {
			one, []string{
				counted(says(`{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"f","args":{"a":2}}}`, "")),
				says(`{"functionCall":{"name":"f","args":{"a":3}}}`, "STOP"),
			},
			completion{Finish: "tool_calls"},
		},
	} {
		for _, end := range []googlesim.End{googlesim.EndClean, googlesim.EndHang, googlesim.EndReset} {
			t.Run(name, func(t *testing.T) {
				both(t, func(w *world, _ func() *answer) {
					w.key(1)
					w.start()
					events := c.events
					if end != googlesim.EndClean {
						events = events[:len(events)-1]
					}
					w.script("", googlesim.Reply{Events: events, Pace: time.Second, End: end})
					body := maps.Clone(c.body)
					if isStream(w) {
						maps.Copy(body, stream())
					}
					a := w.ask(body)
					got := w.completion(a)
					if got.Content != c.want.Content || got.Finish != c.want.Finish || len(got.Calls) != strings.Count(c.want.Finish, "tool_calls") ||
						got.PromptTokens != 7 {
						w.Errorf("%+v", got)
					}
					if a.record.FinishReason != c.want.Finish || a.record.Error != "" || a.took > 3*time.Second {
						w.Errorf("recorded %q %q after %v", a.record.FinishReason, a.record.Error, a.took)
					}
					w.wantCalls("", 1)
				})
			})
		}
	}
}

// Vertex says what an answer costs with its last event: until then there is something to wait for.
func TestAnAnswerThatHasEndedIsReadUntilItsCostIsKnown(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		w.script("", googlesim.Reply{Events: []string{says(`{"text":"a1b"}`, ""), says(`{"text":"c"}`, ""), counted(says(`{"text":"d"}`, "MAX_TOKENS"))}})
		body := map[string]any{"stop": sixStops}
		if isStream(w) {
			maps.Copy(body, stream())
		}
		if got := w.completion(w.ask(body)); got.Content != "a" || got.Finish != "stop" || got.PromptTokens != 7 {
			w.Errorf("%+v", got)
		}
	})
}

// An answer that has ended for the client cannot fail any more.
func TestNothingIsWrongWithAnAnswerThatBreaksOffAfterItsEnd(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		w.script("", googlesim.Reply{Events: []string{says(`{"text":"a1b"}`, "")}, End: googlesim.EndReset})
		body := map[string]any{"stop": sixStops}
		if isStream(w) {
			maps.Copy(body, stream())
		}
		a := w.ask(body)
		if got := w.completion(a); got.Content != "a" || got.Finish != "stop" || a.record.FinishReason != "stop" {
			w.Errorf("%+v, recorded %q", got, a.record.FinishReason)
		}
	})
}

// safety is what Google was told in its latest call.
func (w *world) safety() (settings []translate.SafetySetting) {
	w.Helper()
	calls := w.google.Calls(googlesim.Match{Method: "streamGenerateContent"})
	var body struct {
		SafetySettings []translate.SafetySetting `json:"safetySettings"`
	}
	if err := json.Unmarshal(calls[len(calls)-1].Body, &body); err != nil {
		w.Fatal(err)
	}
	return body.SafetySettings
}

func TestTheOperatorsSafetyHoldsWhereAClientSaysNothing(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.options.Safety = []translate.SafetySetting{{Category: "HARM_CATEGORY_HARASSMENT", Threshold: "BLOCK_ONLY_HIGH"}}
		w.start()
		w.text(w.ask(plain()))
		if got := w.safety(); len(got) != 1 || got[0] != w.options.Safety[0] {
			w.Errorf("%v", got)
		}
		own := translate.SafetySetting{Category: "HARM_CATEGORY_JAILBREAK", Threshold: "OFF"}
		w.text(w.ask(map[string]any{"safety_settings": []any{own}}))
		if got := w.safety(); len(got) != 1 || got[0] != own {
			w.Errorf("%v", got)
		}
	})
}
