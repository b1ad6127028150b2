package gemini

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// FuzzFold feeds arbitrary payloads, separated by newlines, to one Response and one Fold. Whatever comes, the events keep the order
// surfaces rely on.
func FuzzFold(f *testing.F) {
	f.Add([]byte(candidateOf(`{"text":"a"},{"functionCall":{"name":"f","args":{}}}`, "STOP")))
	f.Add([]byte("{\"response\":" + candidateOf(`{"text":"a","thought":true,"thoughtSignature":"c2ln"}`, "") + "}\n" + candidateOf(`{"text":"é"}`, "SAFETY")))
	f.Add([]byte(candidateOf(`{"functionCall":{"name":"f","partialArgs":[{"jsonPath":"$.a[0]['b'].c","stringValue":"x","willContinue":true},{"jsonPath":"$.a[]"}],"willContinue":true}}`, "STOP")))
	f.Add([]byte(`{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":"5","promptTokensDetails":[{"modality":"AUDIO","tokenCount":5}]}}`))
	f.Add([]byte(`{"candidates":[{"index":2,"content":{"parts":[{"inlineData":{"data":"AA=="}}]},"groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}],"groundingSupports":[{"segment":{"endIndex":3},"groundingChunkIndices":[0]}]}}]}`))
	f.Fuzz(func(t *testing.T, stream []byte) {
		fold := NewFold(translate.Vertex, model(t, newest), &translate.Request{Tools: []translate.Tool{{Name: "f"}}})
		var r Response
		var events []translate.Event
		for payload := range bytes.SplitSeq(stream, []byte("\n")) {
			if r.Decode(payload) == nil {
				events = fold.Add(events, &r)
			}
		}
		for _, e := range events {
			checkContent(t, e)
		}
		ended, state := fold.End(nil)
		if state != EndComplete {
			if len(ended) > 0 || fold.Err() == nil {
				t.Fatalf("state %d with %v and error %v", state, ended, fold.Err())
			}
			return
		}
		finished := map[int]bool{}
		for i, e := range ended {
			switch {
			case i == len(ended)-1:
				if e.Kind != translate.EventUsage || e.Usage.Prompt < 0 || e.Usage.Reasoning > e.Usage.Completion {
					t.Fatalf("the last event is %+v", e)
				}
			case e.Kind == translate.EventFinish:
				if finished[e.Candidate] {
					t.Fatalf("candidate %d finished twice", e.Candidate)
				}
				finished[e.Candidate] = true
			case len(finished) > 0:
				t.Fatalf("%+v after a finish", e)
			default:
				checkContent(t, e)
			}
		}
		if len(finished) == 0 {
			t.Fatal("nothing finished")
		}
	})
}

func checkContent(t *testing.T, e translate.Event) {
	switch e.Kind {
	case translate.EventText, translate.EventThought, translate.EventBlocked:
		if e.Text == "" {
			t.Fatalf("empty event %+v", e)
		}
	case translate.EventCall:
		if e.Call.Name == "" || e.Call.Args.Kind() != '{' || !e.Call.Args.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
			t.Fatalf("call %+v", e.Call)
		}
	case translate.EventCitation:
		if e.Citation.Start < 0 || e.Citation.End <= e.Citation.Start {
			t.Fatalf("citation %+v", e.Citation)
		}
	case translate.EventFinish, translate.EventUsage:
		t.Fatalf("%+v among the content", e)
	}
}

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

// FuzzEncode checks, for random requests, models and backends, the rules by which Google refuses whole requests.
func FuzzEncode(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed)
	}
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
