package gemini

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// randomRequest is any request a surface could make, more or less.
func randomRequest(r *rand.Rand) *translate.Request {
	pick := func(options ...string) string { return options[r.IntN(len(options))] }
	ids := []string{"", "a", "b", "c", ownID}
	values := []string{``, `null`, `""`, `"text"`, `1`, `[1,{}]`, `{}`, `{"a":{"b":[null]}}`, ` {"x":1} `, `{"x":1,"x":2}`, `"\ud800"`}
	media := func() *translate.Media {
		if r.IntN(3) == 0 {
			return &translate.Media{MIME: "video/mp4", URI: "https://www.youtube.com/watch?v=x"}
		}
		return &translate.Media{MIME: "image/png", Data: []byte(pick("x", "xyz"))}
	}
	signature := func() translate.Signature {
		return translate.Signature{Origin: translate.SignatureOrigin(r.IntN(3)), Value: pick("", sig, "no base64!", "abcde")}
	}
	req := &translate.Request{Thinking: translate.Thinking(r.IntN(5))}
	for origin := range r.IntN(12) {
		m := translate.Message{Role: translate.Role(r.IntN(4)), Name: pick("", "", "ann", "bob"), Origin: origin}
		for range r.IntN(4) {
			p := translate.Part{Kind: translate.PartKind(r.IntN(5)), Signature: signature()}
			switch p.Kind {
			case translate.PartText, translate.PartThought:
				p.Text = pick("", "hi", " ", "é\xff")
			case translate.PartMedia:
				p.Media = media()
			case translate.PartCall:
				p.Call = &translate.Call{ID: ids[r.IntN(len(ids))], Name: pick("f", "g h", ""), Args: jsontext.Value(values[r.IntN(len(values))]), Signature: signature()}
			case translate.PartResult:
				p.Result = &translate.Result{CallID: ids[r.IntN(len(ids))], Name: pick("", "f", "g h"), Output: jsontext.Value(values[r.IntN(len(values))]), Error: r.IntN(4) == 0}
				if r.IntN(4) == 0 {
					p.Result.Media = []translate.Media{*media()}
				}
			}
			m.Parts = append(m.Parts, p)
		}
		req.Messages = append(req.Messages, m)
	}
	for origin := range r.IntN(4) {
		req.Tools = append(req.Tools, translate.Tool{Name: pick("f", "g h", "g_h", ""), Schema: jsontext.Value(values[r.IntN(len(values))]), Strict: r.IntN(3) == 0, Freeform: r.IntN(4) == 0, Origin: origin})
	}
	req.ToolChoice = translate.ToolChoice{Mode: translate.ChoiceMode(r.IntN(4))}
	if r.IntN(2) == 0 && len(req.Tools) > 0 { // surfaces refuse names that no tool has
		req.ToolChoice.Names = []string{req.Tools[r.IntN(len(req.Tools))].Name}
	}
	req.Format = translate.Format{Kind: translate.FormatKind(r.IntN(3)), Schema: jsontext.Value(values[r.IntN(len(values))])}
	req.Reasoning.Effort = translate.Effort(pick("", "none", "minimal", "low", "medium", "high", "xhigh", "max", "other"))
	if r.IntN(3) == 0 {
		req.Reasoning.Budget = new(r.IntN(70_000) - 2)
	}
	if r.IntN(2) == 0 {
		req.Builtins = []translate.Builtin{{Kind: translate.BuiltinKind(r.IntN(4)), Param: "p"}, {Kind: translate.BuiltinSearch, Param: "q"}}
		req.Safety = []translate.SafetySetting{{Category: "HARM_CATEGORY_HARASSMENT", Threshold: "OFF"}}
		req.Tier = translate.ServiceTier(pick("", "flex", "priority"))
		req.Output = translate.Output{Modalities: []translate.Modality{translate.Modality(r.IntN(2))}, Voice: "alloy", ImageSize: pick("", "2K")}
		req.Sampling = translate.Sampling{Stop: []string{"1", "2", "3", "4", "5", "6"}, Temperature: new(r.Float64()), TopP: new(float64(r.IntN(2))), Seed: new(r.Int64()), PresencePenalty: new(1.0), MaxTokens: new(r.IntN(100_000))}
	}
	return req
}

// FuzzEncode checks, for random requests, models and backends, the rules by which Google refuses whole requests, and asks the strict
// simulator what it knows.
func FuzzEncode(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed)
	}
	g := newStrictGoogle(f)
	names := []string{newest, older, "gemini-4-argon", "gemma-4-31b-it", "gemini-2.5-flash-image", "gemini-embedding-001", "gemini-7"}
	backends := []translate.Backend{translate.GeminiAPI, translate.Vertex, translate.CodeAssist}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		req := randomRequest(r)
		b, m := backends[r.IntN(3)], model(t, names[r.IntN(len(names))])
		e, err := Encode(req, b, m, Remedies{})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Encode(req, b, m, Remedies{}); err != nil || !bytes.Equal(again.Body, e.Body) {
			t.Fatalf("encoded twice: %s and %s (%v)", e.Body, again.Body, err)
		}
		checkTurns(t, e, b, m)
		if served := m.Kind == KindText && m.ID != "gemini-7" && (b == translate.GeminiAPI || b == translate.Vertex && m.ID != "gemma-4-31b-it"); served {
			if status, answer := g.ask(t, b, m.ID, e.Body); status != http.StatusOK {
				t.Fatalf("%s, %s: %d %s\n%s", b, m.ID, status, answer, e.Body)
			}
		}
		for _, path := range []string{"contents[0].parts[0]", "contents[99]", "tools[0].function_declarations[0]", "system_instruction"} {
			e.Param(path)
		}
	})
}

type wirePart struct {
	Text             *string
	InlineData       json.RawMessage
	FileData         json.RawMessage
	FunctionCall     *struct{ ID, Name string }
	FunctionResponse *struct {
		ID, Name string
		Response map[string]json.RawMessage
	}
	ThoughtSignature string
}

func checkTurns(t *testing.T, e *Encoded, b translate.Backend, m *Model) {
	t.Helper()
	var body struct {
		Contents []struct {
			Role  string
			Parts []wirePart
		}
	}
	if err := json.Unmarshal(e.Body, &body); err != nil {
		t.Fatalf("%v in %s", err, e.Body)
	}
	n := len(body.Contents)
	if n == 0 || body.Contents[0].Role != "user" || body.Contents[n-1].Role != "user" {
		t.Fatalf("the user does not begin and end: %s", e.Body)
	}
	var open []wirePart // the calls of the content before
	current := 0        // the content that begins the current turn
	for i, c := range body.Contents {
		var calls, responses []wirePart
		if len(c.Parts) == 0 {
			t.Fatalf("contents[%d] has no parts: %s", i, e.Body)
		}
		for _, p := range c.Parts {
			if p.Text != nil && *p.Text == "" {
				t.Fatalf("contents[%d] has an empty text: %s", i, e.Body)
			}
			if p.FunctionCall != nil {
				calls = append(calls, p)
			}
			if p.FunctionResponse != nil {
				responses = append(responses, p)
			}
		}
		if len(responses) != len(open) {
			t.Fatalf("contents[%d] answers %d of %d calls: %s", i, len(responses), len(open), e.Body)
		}
		for j, p := range responses {
			if r, c := p.FunctionResponse, open[j].FunctionCall; r.Name == "" || r.Name != c.Name || r.ID != c.ID || r.Response == nil ||
				r.ID != "" && b != translate.GeminiAPI {
				t.Fatalf("contents[%d]: response %+v to call %+v", i, r, c)
			}
		}
		if c.Role == "user" && len(responses) == 0 {
			current = i
		}
		if c.Role == "user" && len(calls) > 0 {
			t.Fatalf("contents[%d]: the user calls: %s", i, e.Body)
		}
		open = calls
	}
	for i := current; i < n; i++ {
		for _, p := range body.Contents[i].Parts {
			if p.FunctionCall != nil {
				if m.Generation.Signatures && p.ThoughtSignature == "" {
					t.Fatalf("contents[%d]: unsigned step: %s", i, e.Body)
				}
				break
			}
		}
	}
}
