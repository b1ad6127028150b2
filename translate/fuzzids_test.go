package translate_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/openai"
)

// cleanID is what every client and every other gateway takes.
var cleanID = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,40}$`)

// A step of a model is a few calls at once, as Google sends them.
type modelStep struct {
	Candidates []modelAnswer `json:"candidates"`
}

type modelAnswer struct {
	Content struct {
		Role  string     `json:"role"`
		Parts []callPart `json:"parts"`
	} `json:"content"`
	FinishReason string `json:"finishReason"`
}

type callPart struct {
	FunctionCall struct {
		ID   string         `json:"id,omitempty"`
		Name string         `json:"name"`
		Args map[string]int `json:"args"`
	} `json:"functionCall"`
	ThoughtSignature string `json:"thoughtSignature,omitempty"`
}

// stepOf makes calls with ids of the given text: one for each line, some of them without, some the same.
func stepOf(r *rand.Rand, ids string) (step modelStep) {
	var answer modelAnswer
	answer.FinishReason, answer.Content.Role = "STOP", "model"
	lines := strings.Split(ids, "\n")
	for i, id := range lines[:min(len(lines), 8)] {
		var p callPart
		p.FunctionCall.ID, p.FunctionCall.Args = strings.ToValidUTF8(id, "?"), map[string]int{"i": i}
		p.FunctionCall.Name = []string{"f", "g"}[r.IntN(2)]
		if i == 0 {
			p.ThoughtSignature = "c2lnbmF0dXJl"
		}
		answer.Content.Parts = append(answer.Content.Parts, p)
	}
	step.Candidates = []modelAnswer{answer}
	return step
}

// FuzzIDs takes calls with any ids of Google's to a client and back to Google. The client gets ids that all clients can take, each once.
// Whatever order it answers the calls in, and whatever it makes of the ids on the way as long as it keeps them apart, Google gets each
// result with its call, in the order of the calls, under the id it gave or under none.
func FuzzIDs(f *testing.F) {
	f.Add("", uint64(1))
	for seed := range uint64(20) {
		f.Add("abc\nabc\n\nd_e-f", seed)
	}
	f.Add("call_gpABCDEFGHIJKLMNOPQRSTUV\nwith blank\nÿ", uint64(3))
	for seed := range uint64(8) {
		f.Add("x__thought__c2ln\n__sig__c2ln\n"+strings.Repeat("z", 41), seed)
	}
	f.Add("__thought_\n_vsi_c2ln\n_vsig__c2ln\n", uint64(36))
	f.Add(strings.Repeat("a\n", 9), uint64(9))
	models := gemini.NewCatalogue()
	f.Fuzz(func(t *testing.T, ids string, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 3))
		step := stepOf(r, ids)
		calls := toClient(t, models, step)
		google := step.Candidates[0].Content.Parts
		if len(calls) != len(google) {
			t.Fatalf("%d of %d calls", len(calls), len(google))
		}
		seen := map[string]bool{}
		for _, c := range calls {
			if !cleanID.MatchString(c.ID) || seen[c.ID] {
				t.Errorf("id %q of %+v", c.ID, calls)
			}
			seen[c.ID] = true
		}
		which := r.IntN(len(renamings))
		for _, b := range []translate.Backend{translate.GeminiAPI, translate.Vertex, translate.CodeAssist} {
			body := toGoogle(t, models, b, calls, r.Perm(len(calls)), renamings[which])
			back := checkReturn(t, body, google, b)
			for i := range google {
				if given := google[i].FunctionCall.ID; which == 0 && b == translate.GeminiAPI && given == calls[i].ID && !translate.OwnCallID(given) && back[i] != given {
					t.Errorf("the call of id %q came back with %q", given, back[i])
				}
			}
		}
	})
}

// Clients have been seen to make other ids of those they get.
var renamings = []func(i int, id string) string{
	func(_ int, id string) string { return id },
	func(i int, _ string) string { return fmt.Sprintf("toolu_%02d", i) },
	func(_ int, id string) string { return id + "__thought__c2ln" },
	func(i int, _ string) string { return fmt.Sprintf("call_gp%022d", i) }, // like ours
}

type clientCall struct {
	ID       string
	Function struct{ Name, Arguments string }
}

// toClient is a model's step as a client reads it.
func toClient(t *testing.T, models *gemini.Catalogue, step modelStep) (calls []clientCall) {
	t.Helper()
	const question = `{"messages":[{"role":"user","content":"q"}],"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]}`
	request, newWriter, err := openai.Chat{}.Decode(nil, []byte(question))
	if err != nil {
		t.Fatal(err)
	}
	m, _ := models.Find("gemini-3-flash-preview")
	fold, writer := gemini.NewFold(translate.GeminiAPI, m, request), newWriter()
	body, err := json.Marshal(step)
	if err != nil {
		t.Fatal(err)
	}
	var response gemini.Response
	if err := response.Decode(body); err != nil {
		t.Fatal(err)
	}
	events, _ := fold.End(fold.Add(nil, &response))
	var sent []byte
	for i := range events {
		sent = writer.Append(sent, &events[i])
	}
	completion := conformance.ParseCompletion(t, writer.Finish(sent))
	text, err := json.Marshal(completion.Choices[0].Message.ToolCalls)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &calls); err != nil {
		t.Fatal(err)
	}
	return calls
}

// toGoogle is what Google gets of the client's next request, in which it has the results in some order and the ids it made.
func toGoogle(t *testing.T, models *gemini.Catalogue, b translate.Backend, calls []clientCall, order []int, rename func(int, string) string) []byte {
	t.Helper()
	type object map[string]any
	var said []object
	for i, c := range calls {
		said = append(said, object{"id": rename(i, c.ID), "type": "function", "function": object{"name": c.Function.Name, "arguments": c.Function.Arguments}})
	}
	messages := []object{{"role": "user", "content": "q"}, {"role": "assistant", "tool_calls": said}}
	for _, i := range order {
		messages = append(messages, object{"role": "tool", "tool_call_id": rename(i, calls[i].ID), "content": fmt.Sprintf(`{"r":%d}`, i)})
	}
	body, err := json.Marshal(object{"messages": messages})
	if err != nil {
		t.Fatal(err)
	}
	request, _, err := openai.Chat{}.Decode(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	m, _ := models.Find("gemini-3-flash-preview")
	encoded, err := gemini.Encode(request, b, m, gemini.Remedies{})
	if err != nil {
		t.Fatal(err)
	}
	return encoded.Body
}

// checkReturn checks that results stand with their calls, and returns the ids they have.
func checkReturn(t *testing.T, body []byte, google []callPart, b translate.Backend) (ids []string) {
	t.Helper()
	var back struct {
		Contents []struct {
			Parts []struct {
				FunctionCall *struct {
					ID, Name string
					Args     struct{ I int }
				}
				FunctionResponse *struct {
					ID, Name string
					Response struct{ R int }
				}
			}
		}
	}
	if err := json.Unmarshal(body, &back); err != nil || len(back.Contents) != 3 {
		t.Fatalf("%v in %s", err, body)
	}
	calls, results := back.Contents[1].Parts, back.Contents[2].Parts
	if len(calls) != len(google) || len(results) != len(google) {
		t.Fatalf("%d calls and %d results of %d: %s", len(calls), len(results), len(google), body)
	}
	used := map[string]bool{}
	for i := range google {
		c, r := calls[i].FunctionCall, results[i].FunctionResponse
		if c == nil || r == nil || c.Args.I != i || r.Response.R != i || c.Name != google[i].FunctionCall.Name || r.Name != c.Name || r.ID != c.ID {
			t.Fatalf("call %d: %+v with result %+v in %s", i, c, r, body)
		}
		if c.ID != "" && (b != translate.GeminiAPI || used[c.ID] || translate.OwnCallID(c.ID)) {
			t.Errorf("call %d has the id %q on backend %v: %s", i, c.ID, b, body)
		}
		used[c.ID] = true
		ids = append(ids, c.ID)
	}
	return ids
}
