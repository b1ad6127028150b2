package openai

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Whatever a client sends, it is understood the same way every time and however it is spaced, or refused in OpenAI's form; and what is
// understood can be answered in a way that adds up.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		with(twoTools + `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"function":{"name":"f"}}]}},"n":2`),
		with(`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"$ref":"#"}}},"stop":["a"],"seed":1e3`),
		`{"messages":[{"role":"assistant","tool_calls":[{"id":"c__sig__S","function":{"name":"f","arguments":"{\"a\":\"\\ud800\"}}"}}]},
			{"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"[1]"}]},{"role":"function","name":"f","content":"{}"}]}`,
		`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":"data:image/png;base64,iVBORw0KGgo="},
			{"type":"file","file":{"file_data":"JVBERi0xLjQ"}},{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}],
			"extra_body":{"google":{"thinking_config":{"thinkingBudget":7}}},"reasoning":{"max_tokens":1},"thinking":{"type":"enabled"}}`,
		`{"functions":[{"name":"f"}],"function_call":"auto","messages":[{"role":"assistant","function_call":{"name":"f","arguments":"7"}}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := string(body)
		request, newWriter, err := Chat{}.Decode(nil, body)
		if string(body) != before {
			t.Fatalf("the body became %q", body)
		}
		if spaced := jsontext.Value(before); spaced.Indent() == nil {
			if _, _, again := (Chat{}).Decode(nil, spaced); (again == nil) != (err == nil) {
				t.Errorf("error %v, and %v with other space", err, again)
			}
		}
		if err != nil {
			checkRefusal(t, request, err)
			return
		}
		if again, _, err := (Chat{}).Decode(nil, body); err != nil || !reflect.DeepEqual(request, again) {
			t.Errorf("decoded again: %v, %+v, not %+v", err, again, request)
		}
		checkRequest(t, request)
		w := newWriter()
		sent := answerTo(request, w)
		if request.Stream {
			conformance.CheckStream(t, sent, w.(*chatWriter).form.usage)
		} else {
			conformance.ParseCompletion(t, sent)
		}
	})
}

// checkRefusal checks that there is an error that tells the client something, and not too much, in OpenAI's form.
func checkRefusal(t *testing.T, request *translate.Request, err error) {
	t.Helper()
	e, ok := errors.AsType[*translate.Error](err)
	if !ok || request != nil || e.Kind != translate.ErrInvalid || e.Status != http.StatusBadRequest || e.Message == "" {
		t.Fatalf("error %T %v, request %v", err, err, request)
	}
	status, answer := Chat{}.Error(e)
	var form struct {
		Error struct {
			Message string  `json:"message"`
			Type    string  `json:"type"`
			Param   *string `json:"param"`
			Code    *string `json:"code"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer, &form, json.RejectUnknownMembers(true)); err != nil || form.Error.Message == "" || form.Error.Type == "" ||
		status != http.StatusBadRequest || len(answer) > 2000 {
		t.Errorf("error %v: %d with %d bytes: %s", err, status, len(answer), answer)
	}
}

// answerTo writes an answer of everything: a thought, a text and a call of the first tool for each choice.
func answerTo(request *translate.Request, w translate.Writer) (sent []byte) {
	write := func(ev translate.Event) { sent = w.Append(sent, &ev) }
	choices, finish := max(1, request.Sampling.Candidates), translate.FinishStop
	for choice := range choices {
		write(by(choice, thinks("hm")))
		write(by(choice, says("x")))
		if len(request.Tools) > 0 {
			write(by(choice, calls("", request.Tools[0].Name, `{"input":"x"}`, translate.Signature{})))
			finish = translate.FinishCalls
		}
	}
	for choice := range choices {
		write(by(choice, ends(finish)))
	}
	write(used)
	return w.Finish(sent)
}

// Text that stands for JSON becomes JSON in valid Unicode, whatever it is.
func FuzzFreeJSON(f *testing.F) {
	for _, seed := range []string{`{"a":1}{"b":2}`, `[1,"\ud800"]`, `null`, `{"a":`, "\xff", `{"\"":[{}]}x`, `1e400`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if args := repairArguments(text); !isObject(args) {
			t.Errorf("arguments %q of %q", args, text)
		}
		if output := toolOutput(text); !output.IsValid(tolerant) || !utf8.Valid(output) || !isObject(wrap("output", output)) {
			t.Errorf("output %q of %q", output, text)
		}
		if isDataURL(text) {
			if mediaType, data, err := parseDataURL(text); err == nil && len(data) == 0 {
				t.Errorf("no data, type %q, no error", mediaType)
			}
		}
	})
}

// Whatever a model answers, in whatever order, must add up in every SDK.
func FuzzWriter(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, "some \u2028 text", "fn_name")
	}
	f.Fuzz(func(t *testing.T, seed uint64, text, name string) {
		r := rand.New(rand.NewPCG(seed, seed))
		a := randomAnswer(r, text, name)
		conformance.CheckStream(t, a.write(true), a.form.usage)
		conformance.ParseCompletion(t, a.write(false))
	})
}

// randomAnswer is any sequence of events that the order of translate.Event allows.
func randomAnswer(r *rand.Rand, text, name string) answer {
	a := answer{
		request: translate.Request{Model: text, Thinking: translate.Thinking(1 + r.IntN(4)), Sampling: translate.Sampling{Candidates: r.IntN(4)}},
		form:    chatForm{usage: r.IntN(2) == 0, functionCall: r.IntN(4) == 0},
	}
	candidates := max(1, a.request.Sampling.Candidates)
	called := make([]bool, candidates)
	for range r.IntN(30) {
		ev := translate.Event{Text: text, Signature: translate.Signature{Value: text}}
		switch candidate := r.IntN(candidates); r.IntN(8) {
		case 0:
			ev.Kind = translate.EventText
		case 1:
			ev.Kind = translate.EventThought
		case 2:
			called[candidate] = true
			ev = calls([]string{"", name, "fixed"}[r.IntN(3)], "f"+name, []string{`{}`, `{"a":{"b":[1]}}`}[r.IntN(2)], ev.Signature)
			ev.Candidate = candidate
		case 3:
			ev = shows([]string{"image/png", "audio/wav", "audio/L16;rate=24000", "video/mp4"}[r.IntN(4)], text)
		case 4:
			ev = cites(r.IntN(9), r.IntN(9), text, text)
		case 5:
			ev.Kind = translate.EventSignature
		case 6:
			ev.Kind = translate.EventBlocked
		case 7:
			ev = likely(translate.LogProb{Token: text, Log: -r.Float64() * 1e6, Top: []translate.LogProb{{Token: name}}})
		}
		if ev.Kind != translate.EventCall {
			ev.Candidate = r.IntN(candidates)
		}
		a.events = append(a.events, ev)
	}
	for i := range r.IntN(candidates + 1) {
		finish := []translate.Finish{translate.FinishStop, translate.FinishLength, translate.FinishFilter}[r.IntN(3)]
		if called[i] {
			finish = translate.FinishCalls
		}
		a.events = append(a.events, by(i, ends(finish)))
	}
	a.events = append(a.events, used)
	return a
}
