package gemini

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// eventsOf splits a recorded answer: an SSE text, an array of events, or one object.
func eventsOf(t testing.TB, r *conformance.Recording) (events [][]byte) {
	if r.SSE != "" {
		for _, line := range strings.Split(r.SSE, "\n") {
			if data, ok := strings.CutPrefix(strings.TrimSuffix(line, "\r"), "data:"); ok {
				events = append(events, []byte(data))
			}
		}
		return events
	}
	if bytes.HasPrefix(bytes.TrimSpace(r.Response), []byte("[")) {
		var list []json.RawMessage
		if err := json.Unmarshal(r.Response, &list); err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			events = append(events, e)
		}
		return events
	}
	return [][]byte{r.Response}
}

// seen is what an answer holds, found without the code under test.
type seen struct {
	text, thoughts string
	calls          []string // names with canonical arguments
	media          int
	finish         string
	blocked        bool
	usage          map[string]any
}

// walk reads an answer the simple way. Arguments in pieces are put together for the paths that occur: members of the root.
func walk(t testing.TB, events [][]byte) (s seen) {
	var name string
	var pieces map[string]any
	flush := func() {
		if name != "" {
			args, _ := json.Marshal(pieces)
			s.calls = append(s.calls, name+string(args))
			name = ""
		}
	}
	for _, e := range events {
		var event map[string]any
		if json.Unmarshal(e, &event) != nil {
			t.Fatalf("not JSON: %s", e)
		}
		if u, ok := event["usageMetadata"].(map[string]any); ok && u["totalTokenCount"] != nil {
			s.usage = u
		}
		if p, ok := event["promptFeedback"].(map[string]any); ok && (p["blockReason"] != nil || p["blockReasonMessage"] != nil) {
			s.blocked = true
		}
		candidates, _ := event["candidates"].([]any)
		for _, c := range candidates {
			candidate := c.(map[string]any)
			if reason, _ := candidate["finishReason"].(string); reason != "" {
				s.finish = reason
			}
			content, _ := candidate["content"].(map[string]any)
			parts, _ := content["parts"].([]any)
			for _, p := range parts {
				part := p.(map[string]any)
				text, _ := part["text"].(string)
				if part["thought"] == true {
					s.thoughts += text
				} else {
					s.text += text
				}
				if part["inlineData"] != nil {
					s.media++
				}
				if code, ok := part["executableCode"].(map[string]any); ok {
					s.text += code["code"].(string)
				}
				if result, ok := part["codeExecutionResult"].(map[string]any); ok {
					s.text += result["output"].(string)
				}
				call, ok := part["functionCall"].(map[string]any)
				if !ok {
					continue
				}
				if n, _ := call["name"].(string); n != "" {
					flush()
					name, pieces = n, map[string]any{}
					if args, ok := call["args"].(map[string]any); ok {
						pieces = args
					}
				}
				partial, _ := call["partialArgs"].([]any)
				for _, p := range partial {
					piece := p.(map[string]any)
					at := strings.TrimPrefix(piece["jsonPath"].(string), "$.")
					if text, ok := piece["stringValue"].(string); ok {
						before, _ := pieces[at].(string)
						pieces[at] = before + text
					} else {
						pieces[at] = piece["numberValue"]
					}
				}
			}
		}
	}
	flush()
	return s
}

// withoutFences undoes what the fold adds around code the model ran, so that the code itself can be compared.
var withoutFences = strings.NewReplacer("```python", "", "```output", "", "```", "", "\n", "")

func TestRecordedAnswersLoseNothing(t *testing.T) {
	answers := 0
	for _, rec := range conformance.Recordings(t) {
		if rec.Status != http.StatusOK || !rec.Generates() {
			continue
		}
		events := eventsOf(t, &rec)
		want := walk(t, events)
		backend := translate.GeminiAPI
		if rec.API == "vertex" {
			backend = translate.Vertex
		}
		fold := NewFold(backend, model(t, newest), &translate.Request{Tools: []translate.Tool{{Name: "any"}}})
		var r Response
		var got []translate.Event
		for _, e := range events {
			if err := r.Decode(e); err != nil {
				t.Fatalf("%s: %v in %s", rec.ID, err, e)
			}
			if r.Error != nil {
				break
			}
			got = fold.Add(got, &r)
		}
		ended, state := fold.End(nil)
		answers++

		var text, thoughts strings.Builder
		var calls []string
		var media int
		for _, e := range append(got, ended...) {
			switch e.Kind {
			case translate.EventText:
				if e.Text == "" {
					t.Errorf("%s: an empty text", rec.ID)
				}
				text.WriteString(e.Text)
			case translate.EventThought:
				thoughts.WriteString(e.Text)
			case translate.EventMedia:
				media++
				if len(e.Media.Data) == 0 && !slices.Contains(rec.Tags, "binary_dropped") || e.Media.MIME == "" {
					t.Errorf("%s: media lost: %+v", rec.ID, e.Media)
				}
			case translate.EventCall:
				var args any
				if err := json.Unmarshal(e.Call.Args, &args); err != nil {
					t.Errorf("%s: args %q: %v", rec.ID, e.Call.Args, err)
				}
				canonical, _ := json.Marshal(args)
				calls = append(calls, e.Call.Name+string(canonical))
			case translate.EventCitation:
				if e.Citation.Start < 0 || e.Citation.End <= e.Citation.Start || e.Citation.URI == "" {
					t.Errorf("%s: citation %+v", rec.ID, e.Citation)
				}
			}
		}
		if got, want := withoutFences.Replace(text.String()), withoutFences.Replace(want.text); got != want {
			t.Errorf("%s: text %q, want %q", rec.ID, got, want)
		}
		if thoughts.String() != want.thoughts {
			t.Errorf("%s: thoughts %q, want %q", rec.ID, thoughts.String(), want.thoughts)
		}
		if !reflect.DeepEqual(calls, want.calls) {
			t.Errorf("%s: calls %q, want %q", rec.ID, calls, want.calls)
		}
		if media != want.media {
			t.Errorf("%s: %d media, want %d", rec.ID, media, want.media)
		}
		checkEnd(t, rec.ID, want, ended, state, fold)
	}
	if answers < 700 {
		t.Errorf("only %d recorded answers", answers)
	}
}

func checkEnd(t *testing.T, id string, want seen, ended []translate.Event, state EndState, fold *Fold) {
	content := want.text != "" || len(want.calls) > 0 || want.media > 0
	wanted := EndComplete
	switch want.finish {
	case "MAX_TOKENS", "SAFETY", "RECITATION":
	case "UNEXPECTED_TOOL_CALL":
		wanted = EndUnusable
	case "":
		wanted = EndIncomplete
	default:
		if !content {
			wanted = EndUnusable
		}
	}
	if want.blocked {
		wanted = EndComplete
	} else if len(fold.candidates) == 0 {
		wanted = EndEmpty
	}
	if state != wanted {
		t.Errorf("%s: state %d, want %d (finish %q, content %v)", id, state, wanted, want.finish, content)
	}
	if (fold.Err() == nil) != (state == EndComplete) {
		t.Errorf("%s: state %d with error %v", id, state, fold.Err())
	}
	if state != EndComplete {
		if len(ended) != 0 {
			t.Errorf("%s: state %d with events %v", id, state, ended)
		}
		return
	}
	usage := ended[len(ended)-1]
	if usage.Kind != translate.EventUsage {
		t.Fatalf("%s: the last event is %+v", id, usage)
	}
	if total, ok := want.usage["totalTokenCount"].(float64); ok {
		// Not every recorded total is the sum of its parts; those are fixtures made by hand.
		sum := 0.0
		for _, name := range []string{"promptTokenCount", "toolUsePromptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"} {
			n, _ := want.usage[name].(float64)
			sum += n
		}
		if sum == total && usage.Usage.Total() != int(total) {
			t.Errorf("%s: usage %+v, want a total of %v", id, usage.Usage, total)
		}
	}
}
