package gemini

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// FuzzFold feeds two answers to folds: arbitrary payloads, separated by newlines, and one that a model could give, in pieces of any size.
// Whatever comes, the events keep the order surfaces rely on; and of what makes sense, nothing is lost, doubled or reordered.
func FuzzFold(f *testing.F) {
	for i, stream := range []string{
		candidateOf(`{"text":"a"},{"functionCall":{"name":"f","args":{}}}`, "STOP"),
		"{\"response\":" + candidateOf(`{"text":"a","thought":true,"thoughtSignature":"c2ln"}`, "") + "}\n" + candidateOf(`{"text":"é"}`, "SAFETY"),
		candidateOf(`{"functionCall":{"name":"f","partialArgs":[{"jsonPath":"$.a[0]['b'].c","stringValue":"x","willContinue":true},{"jsonPath":"$.a[]"}],"willContinue":true}}`, "STOP"),
		candidateOf(`{"functionCall":{"name":"0","partialArgs":[{"jsonPath":"$[0]"}]}}`, ""),
		`{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":"5","promptTokensDetails":[{"modality":"AUDIO","tokenCount":5}]}}`,
		`{"candidates":[{"index":2,"content":{"parts":[{"inlineData":{"data":"AA=="}}]},"groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}],"groundingSupports":[{"segment":{"endIndex":3},"groundingChunkIndices":[0]}]}}]}`,
	} {
		f.Add([]byte(stream), "some \u2028 wörds", uint64(i))
	}
	for seed := range uint64(40) {
		f.Add([]byte{}, "one\ntwo 𝟛 ", seed)
	}
	tools := []translate.Tool{{Name: "f"}, {Name: "g"}}
	f.Fuzz(func(t *testing.T, stream []byte, text string, seed uint64) {
		payloads := bytes.Split(stream, []byte("\n"))
		events, fold := foldAll(t, tools, payloads, false)
		again, _ := foldAll(t, tools, payloads, true)
		if !slices.Equal(toldAll(events), toldAll(again)) {
			t.Fatalf("events keep memory that is used again: %q, and with memory of their own %q", toldAll(again), toldAll(events))
		}
		checkOrder(t, events, fold)

		r := rand.New(rand.NewPCG(seed, 5))
		p := newPlan(r, strings.ToValidUTF8(text, "?"))
		events, fold = foldAll(t, tools, p.payloads(r), true)
		checkOrder(t, events, fold)
		p.check(t, events)
	})
}

// foldAll folds payloads and returns all events. The memory of payloads may be used again as soon as they are added.
func foldAll(t *testing.T, tools []translate.Tool, payloads [][]byte, reuse bool) (events []translate.Event, fold *Fold) {
	t.Helper()
	fold = NewFold(translate.Vertex, model(t, newest), &translate.Request{Tools: tools})
	var r Response
	var memory []byte
	for _, payload := range payloads {
		if !reuse {
			r, memory = Response{}, nil
		}
		memory = append(memory[:0], payload...)
		if r.Decode(memory) == nil {
			events = fold.Add(events, &r)
		}
		for i := range memory {
			memory[i] = 'x'
		}
		if !reuse {
			memory = nil
		}
	}
	events, _ = fold.End(events)
	return events, fold
}

func toldAll(events []translate.Event) (all []string) {
	for _, e := range events {
		all = append(all, told(e))
	}
	return all
}

// checkOrder checks that content comes first, then one finish for each candidate, then the usage; or content and an error.
func checkOrder(t *testing.T, events []translate.Event, fold *Fold) {
	t.Helper()
	finished := map[int]bool{}
	for i, e := range events {
		switch e.Kind {
		case translate.EventFinish:
			if finished[e.Candidate] || fold.Err() != nil {
				t.Fatalf("candidate %d finished, error %v, after %q", e.Candidate, fold.Err(), toldAll(events[:i]))
			}
			finished[e.Candidate] = true
		case translate.EventUsage:
			u := e.Usage
			if i != len(events)-1 || u.Prompt < 0 || u.Completion < 0 || u.Reasoning > u.Completion || u.Cached < 0 {
				t.Fatalf("usage %+v, the last of %q", u, toldAll(events))
			}
		default:
			if len(finished) > 0 {
				t.Fatalf("%s after a finish", told(e))
			}
			checkContent(t, e)
		}
	}
	if ended := len(events) > 0 && events[len(events)-1].Kind == translate.EventUsage; ended != (fold.Err() == nil) || ended != (len(finished) > 0) {
		t.Fatalf("%d finished, error %v: %q", len(finished), fold.Err(), toldAll(events))
	}
}

func checkContent(t *testing.T, e translate.Event) {
	t.Helper()
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
	}
}

// plan is an answer before it is cut into pieces: for each candidate, what it holds.
type plan struct {
	candidates [][]planned
	reasons    []string
	prompt     int
	completion int
}

// planned is one thing that an answer holds: a text, a thought, a call or a picture.
type planned struct {
	kind translate.EventKind
	text string // of a call, its one argument
	name string
	id   string
	// unended calls come in pieces of which none is the last: something else ends them.
	unended bool
}

func newPlan(r *rand.Rand, text string) *plan {
	p := &plan{prompt: 1 + r.IntN(100), completion: r.IntN(100)}
	for range 1 + r.IntN(2) {
		list := []planned{{kind: translate.EventText, text: "begin"}}
		for i := range r.IntN(6) {
			one := planned{kind: []translate.EventKind{translate.EventText, translate.EventThought, translate.EventCall, translate.EventMedia}[r.IntN(4)], text: text}
			if one.kind == translate.EventCall {
				one.name, one.id = []string{"f", "g"}[r.IntN(2)], []string{"", fmt.Sprint("id", i)}[r.IntN(2)]
			}
			if last := len(list) - 1; one.kind == translate.EventCall {
				list[last].unended = list[last].kind == translate.EventCall
			}
			list = append(list, one)
		}
		p.candidates = append(p.candidates, list)
		p.reasons = append(p.reasons, []string{"STOP", "MAX_TOKENS", "SAFETY", "FUTURE_REASON"}[r.IntN(4)])
	}
	return p
}

type object map[string]any

// payloads are the answer as Google could send it.
func (p *plan) payloads(r *rand.Rand) (all [][]byte) {
	send := func(index int, parts []object, more object) {
		candidate := object{"content": object{"role": "model", "parts": parts}}
		if index > 0 || r.IntN(2) == 0 {
			candidate["index"] = index
		}
		for name, value := range more {
			candidate[name] = value
		}
		event := object{"candidates": []object{candidate}}
		if r.IntN(3) == 0 {
			event["usageMetadata"] = object{"promptTokenCount": r.IntN(50), "totalTokenCount": 7}
		}
		if r.IntN(4) == 0 {
			event = object{"response": event, "traceId": "t"}
		}
		text, _ := json.Marshal(event)
		all = append(all, text)
	}
	rest := make([][]object, len(p.candidates))
	for i, list := range p.candidates {
		for _, one := range list {
			rest[i] = append(rest[i], one.parts(r)...)
		}
	}
	for slices.ContainsFunc(rest, func(parts []object) bool { return len(parts) > 0 }) {
		i := r.IntN(len(rest))
		n := min(len(rest[i]), r.IntN(4))
		send(i, rest[i][:n], object{})
		rest[i] = rest[i][n:]
	}
	for i, reason := range p.reasons {
		send(i, []object{{"text": ""}}[:r.IntN(2)], object{"finishReason": reason})
	}
	for _, event := range []object{
		{"usageMetadata": object{"promptTokenCount": p.prompt, "candidatesTokenCount": p.completion, "totalTokenCount": p.prompt + p.completion}},
		{"usageMetadata": object{"trafficType": "ON_DEMAND"}, "candidates": []object{{"content": object{"role": "model"}}}},
		{"modelVersion": "m"},
	}[:1+r.IntN(3)] {
		text, _ := json.Marshal(event)
		all = append(all, text)
	}
	return all
}

// parts are the parts that one thing comes in.
func (one *planned) parts(r *rand.Rand) (parts []object) {
	switch one.kind {
	case translate.EventCall:
		return one.callParts(r)
	case translate.EventMedia:
		return []object{{"inlineData": object{"mimeType": "image/png", "data": []byte("x" + one.text)}}}
	}
	for _, piece := range pieces(r, one.text) {
		part := object{"text": piece}
		if one.kind == translate.EventThought {
			part["thought"] = true
		}
		parts = append(parts, part)
	}
	return parts
}

// callParts are a call at once, or in the pieces in which Vertex AI streams the arguments.
func (one *planned) callParts(r *rand.Rand) []object {
	call := object{"name": one.name}
	if one.id != "" {
		call["id"] = one.id
	}
	if r.IntN(2) == 0 {
		call["args"] = object{"a": one.text}
		return []object{{"functionCall": call}}
	}
	call["willContinue"] = true
	parts := []object{{"functionCall": call}}
	if r.IntN(4) == 0 { // a call is complete when the next begins
		first := object{"jsonPath": "$.a", "stringValue": one.text}
		return append(parts, object{"functionCall": object{"partialArgs": []object{first}, "willContinue": one.unended}})
	}
	for _, piece := range pieces(r, one.text) {
		arg := object{"jsonPath": "$.a", "stringValue": piece, "willContinue": true}
		parts = append(parts, object{"functionCall": object{"partialArgs": []object{arg}, "willContinue": true}})
	}
	return append(parts, object{"functionCall": object{}})
}

// pieces cuts a text between characters; some pieces are empty.
func pieces(r *rand.Rand, text string) (all []string) {
	runes := []rune(text)
	for len(runes) > 0 {
		n := r.IntN(len(runes) + 1)
		all = append(all, string(runes[:n]))
		runes = runes[n:]
	}
	return append(all, "")
}

// check compares events with what was planned, candidate by candidate.
func (p *plan) check(t *testing.T, events []translate.Event) {
	t.Helper()
	for index, list := range p.candidates {
		var got, want []string
		finish := -1
		for _, e := range events {
			switch {
			case e.Candidate != index || e.Kind == translate.EventUsage:
			case e.Kind == translate.EventFinish:
				finish = int(e.Finish)
			case e.Kind == translate.EventCall:
				got = gather(got, "call "+e.Call.Name+" "+e.Call.ID+" ", argumentA(e.Call.Args), true)
			case e.Kind == translate.EventMedia:
				got = gather(got, "media ", string(e.Media.Data), true)
			default:
				got = gather(got, fmt.Sprint(e.Kind, " "), e.Text, false)
			}
		}
		calls := 0
		for _, one := range list {
			switch one.kind {
			case translate.EventCall:
				calls++
				want = gather(want, "call "+one.name+" "+one.id+" ", one.text, true)
			case translate.EventMedia:
				want = gather(want, "media ", "x"+one.text, true)
			default:
				want = gather(want, fmt.Sprint(one.kind, " "), one.text, false)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("candidate %d: %q, want %q", index, got, want)
		}
		if wanted := p.finish(index, calls); finish != int(wanted) {
			t.Errorf("candidate %d finished by %d, want %v", index, finish, wanted)
		}
	}
	if u := events[len(events)-1].Usage; u.Prompt != p.prompt || u.Completion != p.completion {
		t.Errorf("usage %+v, want %d + %d", u, p.prompt, p.completion)
	}
}

func (p *plan) finish(index, calls int) translate.Finish {
	switch {
	case p.reasons[index] == "SAFETY":
		return translate.FinishFilter
	case calls > 0:
		return translate.FinishCalls
	case p.reasons[index] == "MAX_TOKENS":
		return translate.FinishLength
	default:
		return translate.FinishStop
	}
}

// gather appends something to a list of what an answer holds. Neighbours of one kind are one, unless they are things of their own.
func gather(list []string, kind, text string, own bool) []string {
	if last := len(list) - 1; !own && last >= 0 && strings.HasPrefix(list[last], kind) {
		list[last] += text
		return list
	}
	if text == "" && !own {
		return list
	}
	return append(list, kind+text)
}

func argumentA(args []byte) string {
	var object struct{ A string }
	_ = json.Unmarshal(args, &object) // nothing it could be compared with is in what is no object
	return object.A
}
