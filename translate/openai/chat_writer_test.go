package openai

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

var update = flag.Bool("update", false, "write the golden files anew")

const created = 1_700_000_000

// answer is a question's settings and the events that answer it.
type answer struct {
	request translate.Request
	form    chatForm
	events  []translate.Event
}

// write renders the answer, in one of the forms.
func (a answer) write(stream bool) []byte {
	a.form.stream = stream
	w := newChatWriter(&a.request, a.form, created)
	var sent, buffer []byte
	for _, ev := range a.events {
		// A connection's buffer is used again, and so is the fold's memory: a writer may keep nothing of either.
		if ev.Call != nil {
			own := *ev.Call
			own.Args = bytes.Clone(own.Args)
			ev.Call = &own
		}
		buffer = w.Append(buffer[:0], &ev)
		sent = append(sent, buffer...)
		clear(buffer)
		if ev.Call != nil {
			clear(ev.Call.Args)
		}
	}
	return append(sent, w.Finish(buffer[:0])...)
}

func says(text string) translate.Event { return translate.Event{Kind: translate.EventText, Text: text} }

func thinks(text string) translate.Event {
	return translate.Event{Kind: translate.EventThought, Text: text}
}

func calls(id, name, args string, signature translate.Signature) translate.Event {
	return translate.Event{Kind: translate.EventCall, Call: &translate.Call{ID: id, Name: name, Args: []byte(args), Signature: signature}}
}

func shows(mime, data string) translate.Event {
	return translate.Event{Kind: translate.EventMedia, Media: &translate.Media{MIME: mime, Data: []byte(data)}}
}

func carrying(ev translate.Event, signature translate.Signature) translate.Event {
	ev.Signature = signature
	return ev
}

func likely(tokens ...translate.LogProb) translate.Event {
	return translate.Event{Kind: translate.EventLogProbs, LogProbs: tokens}
}

func cites(start, end int, uri, title string) translate.Event {
	return translate.Event{Kind: translate.EventCitation, Citation: &translate.Citation{Start: start, End: end, URI: uri, Title: title}}
}

func ends(finish translate.Finish) translate.Event {
	return translate.Event{Kind: translate.EventFinish, Finish: finish}
}

func signed(value string) translate.Signature {
	return translate.Signature{Origin: translate.OriginGeminiAPI, Value: value}
}

func by(candidate int, ev translate.Event) translate.Event {
	ev.Candidate = candidate
	return ev
}

var used = translate.Event{Kind: translate.EventUsage, Usage: translate.Usage{
	Prompt: 317, Cached: 100, PromptAudio: 3, Completion: 233, Reasoning: 60, CompletionAudio: 2,
}}

var reasoning = translate.Request{Model: "gemini-3-flash-preview", Thinking: translate.ThinkingReasoning}

// answers are by the name of their golden files.
var answers = map[string]answer{
	"text": {
		request: reasoning,
		form:    chatForm{usage: true},
		events: []translate.Event{
			thinks("Let me "), thinks("see.\n"), says("Hel"), says(""), says("lo \"wörld\" \u2028\u0085🙂\x00\xff\r\n"),
			{Kind: translate.EventSignature, Signature: signed("c2ln")},
			ends(translate.FinishStop), used,
		},
	},
	"calls": {
		request: reasoning,
		events: []translate.Event{
			says("Looking."), calls("", "get_weather", `{"city":"Zürich","n":1.0}`, signed("QQ==")), calls("b7-up_stream", "get_time", `{}`,
				translate.Signature{}), ends(translate.FinishCalls), used,
		},
	},
	"only_a_call": {
		request: reasoning,
		form:    chatForm{usage: true},
		events:  []translate.Event{calls("id", "f", `{"a":[1,2]}`, translate.Signature{}), ends(translate.FinishCalls), used},
	},
	"thoughts_in_content": {
		request: translate.Request{Model: "m", Thinking: translate.ThinkingContent},
		events: []translate.Event{
			thinks("hm"), thinks(" ja"), says("Zürich 🙂 is"), says(" it."), cites(0, 6, "https://a.example/", "A"),
			cites(7, 9, "https://b.example/", ""), ends(translate.FinishStop), used,
		},
	},
	"pictures_and_sources": {
		request: reasoning,
		events: []translate.Event{
			says("Here: "), shows("image/png", "one"), cites(0, 4, "https://a.example/", "A \"quoted\" title"), shows("image/jpeg", "two"),
			{Kind: translate.EventMedia, Media: &translate.Media{MIME: "image/webp", URI: "https://example.com/a.webp"}},
			says("done."), cites(6, 10, "https://b.example/", ""), ends(translate.FinishStop), used,
		},
	},
	"signed_pictures_and_sound": {
		request: reasoning,
		events: []translate.Event{
			carrying(shows("image/png", "one"), signed("c2ln")), shows("audio/L16;codec=pcm;rate=16000", "\x01\x02"),
			shows("audio/L16;codec=pcm;rate=16000", "\x03\x04"), ends(translate.FinishStop), used,
		},
	},
	"log_probabilities": {
		request: reasoning,
		events: []translate.Event{
			says("Zü"), likely(translate.LogProb{Token: "Z", Log: -0.5, Top: []translate.LogProb{{Token: "Z", Log: -0.5}, {Token: "\xff", Log: -1e-7}}},
				translate.LogProb{Token: "ü"}), says("rich"), likely(), likely(translate.LogProb{Token: "rich", Log: -3}),
			ends(translate.FinishStop), used,
		},
	},
	"blocked": {
		request: reasoning,
		form:    chatForm{usage: true},
		events: []translate.Event{
			{Kind: translate.EventBlocked, Text: "The request was blocked by Gemini (SAFETY)."}, ends(translate.FinishFilter), used,
		},
	},
	"length_without_text": {
		request: reasoning,
		events:  []translate.Event{ends(translate.FinishLength), used},
	},
	"two_choices": {
		request: translate.Request{Model: "m", Thinking: translate.ThinkingHidden, Sampling: translate.Sampling{Candidates: 2}},
		form:    chatForm{usage: true},
		events: []translate.Event{
			by(1, says("B1 ")), by(0, thinks("hidden")), by(0, says("A1 ")), by(1, calls("x", "f", `{}`, translate.Signature{})),
			by(0, calls("x", "f", `{}`, translate.Signature{})), by(0, ends(translate.FinishCalls)), by(1, ends(translate.FinishCalls)), used,
		},
	},
	"one_choice_withheld": {
		request: translate.Request{Model: "m", Sampling: translate.Sampling{Candidates: 2}},
		events:  []translate.Event{says("only this"), ends(translate.FinishStop), used},
	},
	"custom_calls": {
		request: translate.Request{Model: "m", Tools: []translate.Tool{{Name: "patch", Freeform: true}, {Name: "f"}}},
		events: []translate.Event{
			calls("a", "patch", `{"input":"*** Begin\n\"x\""}`, signed("QQ==")), calls("b", "f", `{}`, translate.Signature{}),
			calls("c", "patch", `{"text":1}`, translate.Signature{}), calls("d", "patch", `{"input":null}`, translate.Signature{}),
			ends(translate.FinishCalls), used,
		},
	},
	"function_call": {
		request: reasoning,
		form:    chatForm{functionCall: true},
		events: []translate.Event{
			calls("a", "f", `{"x":1}`, signed("QQ==")), calls("b", "g", `{}`, translate.Signature{}), ends(translate.FinishCalls), used,
		},
	},
}

func TestAnswersMatchTheirGoldenFiles(t *testing.T) {
	for name, a := range answers {
		compareGolden(t, name+".sse", a.write(true))
		compareGolden(t, name+".json", a.write(false))
	}
}

var randomIDs = regexp.MustCompile(`(chatcmpl-)[0-9A-Za-z]{29}|(call_gp)[0-9A-Za-z]{22}|(audio_)[0-9A-Za-z]{24}`)

func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	got = randomIDs.ReplaceAll(got, []byte("$1$2$3<random>"))
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is now:\n%s", name, got)
	}
}

func TestAStreamAddsUpToTheSameAnswerAsTheWhole(t *testing.T) {
	for name, a := range answers {
		t.Run(name, func(t *testing.T) {
			streamed := conformance.CheckStream(t, a.write(true), a.form.usage)
			whole := conformance.ParseCompletion(t, a.write(false))
			if streamed.ID == whole.ID {
				t.Error("two answers have one id")
			}
			if a.form.usage != (streamed.Usage != nil) || streamed.Usage != nil && *streamed.Usage != *whole.Usage {
				t.Errorf("usage %+v and %+v", streamed.Usage, whole.Usage)
			}
			streamed.ID, streamed.Object, streamed.Usage = whole.ID, whole.Object, whole.Usage
			for _, c := range []conformance.Completion{streamed, whole} {
				for i := range c.Choices {
					if len(c.Choices[i].Message.Annotations) == 0 {
						c.Choices[i].Message.Annotations = nil
					}
					if sound := c.Choices[i].Message.Audio; sound != nil {
						sound.ID = "random"
					}
					for j, call := range c.Choices[i].Message.ToolCalls {
						if translate.OwnCallID(call.ID) {
							c.Choices[i].Message.ToolCalls[j].ID = "random"
						}
					}
				}
			}
			if !reflect.DeepEqual(streamed, whole) {
				t.Errorf("streamed %+v\n   whole %+v", streamed, whole)
			}
		})
	}
}

func TestAnswersObeyOpenAIsSchemas(t *testing.T) {
	v := conformance.NewValidator(t)
	for _, a := range answers {
		v.Check(t, "CreateChatCompletionResponse", a.write(false))
		if slices.ContainsFunc(a.request.Tools, func(t translate.Tool) bool { return t.Freeform }) {
			continue // OpenAI's schema of chunks knows no custom calls, unlike that of whole answers
		}
		events := conformance.Events(t, a.write(true))
		for _, data := range events[:len(events)-1] {
			v.Check(t, "CreateChatCompletionStreamResponse", data)
		}
	}
}

// message is the message of an answer's first choice.
func message(t *testing.T, a answer) conformance.Message {
	t.Helper()
	return conformance.CheckStream(t, a.write(true), a.form.usage).Choices[0].Message
}

func TestThoughtsAreShownAsTheOperatorChose(t *testing.T) {
	events := []translate.Event{
		thinks("one "), thinks("two"), says("A"), thinks("three"), calls("c", "f", `{}`, translate.Signature{}), thinks("four"),
		ends(translate.FinishCalls), used,
	}
	for thinking, want := range map[translate.Thinking][2]string{
		translate.ThinkingOff:       {"A", ""},
		translate.ThinkingHidden:    {"A", ""},
		translate.ThinkingReasoning: {"A", "one twothreefour"},
		translate.ThinkingContent: {
			"<thinking>one two</thinking>A<thinking>three</thinking><thinking>four</thinking>", "",
		},
	} {
		m := message(t, answer{request: translate.Request{Thinking: thinking}, events: events})
		if m.Content != want[0] || m.Reasoning != want[1] {
			t.Errorf("%d: content %q, reasoning %q", thinking, m.Content, m.Reasoning)
		}
	}
}

func TestThoughtsInContentCloseBeforeTheCall(t *testing.T) {
	sse := string(answer{request: translate.Request{Thinking: translate.ThinkingContent}, events: []translate.Event{
		thinks("hm"), calls("c", "f", `{}`, translate.Signature{}), ends(translate.FinishCalls), used,
	}}.write(true))
	closed, called := strings.Index(sse, "</thinking>"), strings.Index(sse, "tool_calls")
	if closed < 0 || called < closed {
		t.Errorf("closed at %d, called at %d:\n%s", closed, called, sse)
	}
}

// Google's own compatible endpoint puts thoughts there when a client names a tag for them.
func TestThoughtsAreTaggedAsTheClientWants(t *testing.T) {
	for _, c := range []struct {
		members  string
		thinking translate.Thinking
		want     string
	}{
		{`"extra_body":{"google":{"thought_tag_marker":"think"}}`, translate.ThinkingReasoning, "<think>hm</think>a"},
		{`"google":{"thought_tag_marker":"think"}`, translate.ThinkingContent, "<think>hm</think>a"},
		{`"google":{"thought_tag_marker":"think"}`, translate.ThinkingHidden, "a"},
		{`"google":{"thought_tag_marker":"\"><script>"}`, translate.ThinkingReasoning, "a"},
		{`"google":{"thought_tag_marker":""}`, translate.ThinkingContent, "<thinking>hm</thinking>a"},
	} {
		request, newWriter := mustDecode(t, with(`"stream":true,`+c.members))
		request.Thinking = c.thinking
		w := newWriter()
		var sse []byte
		for _, ev := range []translate.Event{thinks("hm"), says("a"), ends(translate.FinishStop), used} {
			sse = w.Append(sse, &ev)
		}
		if got := conformance.CheckStream(t, w.Finish(sse), false).Choices[0].Message.Content; got != c.want {
			t.Errorf("%s: %q, want %q", c.members, got, c.want)
		}
	}
}

func TestCitationsPointIntoTheContentTheClientSees(t *testing.T) {
	for _, c := range []struct {
		thinking translate.Thinking
		events   []translate.Event
		want     string
	}{
		{translate.ThinkingReasoning, []translate.Event{thinks("hm"), says("Zürich 🙂"), cites(7, 8, "u", "")}, "🙂"},
		{translate.ThinkingContent, []translate.Event{thinks("hm"), says("Zürich 🙂"), cites(7, 8, "u", "")}, "🙂"},
		{translate.ThinkingContent, []translate.Event{says("ab"), thinks("hm"), says("cd"), cites(0, 2, "u", "")}, "ab"},
		{translate.ThinkingContent, []translate.Event{says("ab"), thinks("hm"), says("cd"), cites(2, 4, "u", "")}, "cd"},
		{translate.ThinkingContent, []translate.Event{says("ab"), thinks("hm"), says("cd"), cites(1, 3, "u", "")}, "b<thinking>hm</thinking>c"},
		{translate.ThinkingContent, []translate.Event{thinks("x"), says("ab"), thinks("hm"), says("cd"), cites(2, 3, "u", "")}, "c"},
	} {
		m := message(t, answer{
			request: translate.Request{Thinking: c.thinking}, events: append(c.events, ends(translate.FinishStop), used),
		})
		cited := m.Annotations[0].URLCitation
		if got := string([]rune(m.Content)[cited.Start:cited.End]); got != c.want {
			t.Errorf("%+v of %q is %q, want %q", cited, m.Content, got, c.want)
		}
	}
}

func TestCallIDsAreGooglesWhereClientsCanTakeThem(t *testing.T) {
	none := translate.Signature{}
	m := message(t, answer{events: []translate.Event{
		calls("Ab_1-z", "f", `{}`, none), calls("", "f", `{}`, none), calls("Ab_1-z", "f", `{}`, none), calls("a.b", "f", `{}`, none),
		calls(strings.Repeat("x", 40), "f", `{}`, none), calls(strings.Repeat("x", 41), "f", `{}`, none), calls("é", "f", `{}`, none),
		ends(translate.FinishCalls), used,
	}})
	kept := map[int]string{0: "Ab_1-z", 4: strings.Repeat("x", 40)}
	for i, call := range m.ToolCalls {
		if want := kept[i]; want != "" && call.ID != want || want == "" && !translate.OwnCallID(call.ID) {
			t.Errorf("call %d has id %q", i, call.ID)
		}
	}
}

func TestSignaturesTravelInTheirCarrier(t *testing.T) {
	m := message(t, answer{events: []translate.Event{
		says("a"),
		{Kind: translate.EventSignature, Signature: signed("b2xk")},
		says("b"),
		{Kind: translate.EventSignature, Signature: translate.Signature{Origin: translate.OriginCloud, Value: "bmV3"}},
		calls("c", "f", `{}`, signed("QQ==")), calls("d", "f", `{}`, translate.Signature{}), ends(translate.FinishCalls), used,
	}})
	if m.ExtraContent.Google.ThoughtSignature != "gt1.v.bmV3" || m.ToolCalls[0].ExtraContent.Google.ThoughtSignature != "gt1.g.QQ==" ||
		m.ToolCalls[1].ExtraContent.Google.ThoughtSignature != "" {
		t.Errorf("%+v", m)
	}
}

// What an answer gives a client must be understood when the client sends it back.
func TestAnAnswerSentBackIsTheTurnItWas(t *testing.T) {
	a := answers["calls"]
	a.events = append([]translate.Event{says("a"), {Kind: translate.EventSignature, Signature: signed("dGV4dA==")}}, a.events...)
	var whole struct {
		Choices []struct {
			Message json.RawMessage `json:"message"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(a.write(false), &whole); err != nil {
		t.Fatal(err)
	}
	got := conversation(t, string(whole.Choices[0].Message))[0]
	want := []translate.Part{
		text("aLooking."), call(got.Parts[1].Call.ID, "get_weather", `{"city":"Zürich","n":1.0}`, ""),
		call("b7-up_stream", "get_time", `{}`, ""),
	}
	want[0].Signature = signed("dGV4dA==")
	want[1].Call.Signature = signed("QQ==")
	if got.Role != translate.RoleModel || !reflect.DeepEqual(got.Parts, want) {
		t.Errorf("%+v", got.Parts)
	}
}

func TestContentIsNullOnlyBesideCallsWithoutText(t *testing.T) {
	stop, called := ends(translate.FinishStop), ends(translate.FinishCalls)
	f := calls("c", "f", `{}`, translate.Signature{})
	for want, events := range map[string][]translate.Event{
		`"content":null`: {f, called},
		`"content":""`:   {stop},
		`"content":"x"`:  {says("x"), f, called},
	} {
		if body := string(answer{events: events}.write(false)); !strings.Contains(body, want) {
			t.Errorf("%s not in %s", want, body)
		}
	}
}

func TestEventsThatWouldBreakClientsAreLeftOut(t *testing.T) {
	c := conformance.CheckStream(t, answer{events: []translate.Event{
		says("a"), by(1, says("other")), by(-1, says("other")), shows("video/mp4", "x"),
		ends(translate.FinishStop), says("late"), ends(translate.FinishLength), used,
	}}.write(true), false)
	if len(c.Choices) != 1 || c.Choices[0].Message.Content != "a" || c.Choices[0].FinishReason != "stop" || c.Choices[0].Message.Images != nil ||
		c.Choices[0].Message.Audio != nil {
		t.Errorf("%+v", c)
	}
}

func TestPicturesThatAreTooLargeTogetherAreNotOnOneLine(t *testing.T) {
	large := strings.Repeat("x", maxLine/2)
	sse := answer{events: []translate.Event{
		shows("image/png", "small"), shows("image/png", large), shows("image/png", large), ends(translate.FinishStop), used,
	}}.write(true)
	var indices []int
	for _, event := range conformance.Events(t, sse) {
		if len(event) > 32<<20 {
			t.Errorf("a line of %d bytes", len(event))
		}
		var chunk struct {
			Choices []struct {
				Delta struct{ Images []struct{ Index int } }
			}
		}
		_ = json.Unmarshal(event, &chunk) // [DONE] is none
		for _, c := range chunk.Choices {
			for _, image := range c.Delta.Images {
				indices = append(indices, image.Index)
			}
		}
	}
	if !slices.Equal(indices, []int{0, 1, 2}) {
		t.Errorf("pictures %v", indices)
	}
}

func TestSoundIsInTheFormatThatWasAskedFor(t *testing.T) {
	events := []translate.Event{
		shows("audio/L16;codec=pcm;rate=24000", "\x01\x02"), shows("audio/wav", "no part of it"), ends(translate.FinishStop), used,
	}
	for format, want := range map[string]string{"pcm16": "\x01\x02", "wav": "RIFF", "": "RIFF"} {
		m := message(t, answer{request: translate.Request{Output: translate.Output{AudioFormat: format}}, events: events})
		if m.Audio == nil || !strings.HasPrefix(string(m.Audio.Data), want) || !strings.HasSuffix(string(m.Audio.Data), "\x01\x02") {
			t.Errorf("%q: %+v", format, m.Audio)
		}
	}
	m := message(t, answer{events: []translate.Event{shows("audio/mpeg", "ID3"), ends(translate.FinishStop), used}})
	if m.Audio == nil || string(m.Audio.Data) != "ID3" {
		t.Errorf("%+v", m.Audio)
	}
}

// The gateway settles the model after Decode, and makes a writer for every attempt.
func TestAWriterTakesTheModelSettledAfterDecode(t *testing.T) {
	request, newWriter := mustDecode(t, `{"messages":[{"role":"user","content":"hi"}],"stream":true,"n":2,
		"stream_options":{"include_usage":true}}`)
	request.Model, request.Thinking = "the-default", translate.ThinkingReasoning
	ids := map[string]bool{}
	for range 2 {
		w := newWriter()
		sse := w.Append(nil, &translate.Event{Kind: translate.EventThought, Text: "hm"})
		sse = w.Finish(sse)
		c := conformance.CheckStream(t, sse, true)
		if c.Model != "the-default" || len(c.Choices) != 2 || c.Choices[0].Message.Reasoning != "hm" || *c.Usage != (conformance.Usage{}) {
			t.Errorf("%+v", c)
		}
		ids[c.ID] = true
	}
	if len(ids) != 2 {
		t.Errorf("two answers have ids %v", ids)
	}
}

func TestUsageIsAskedForInTwoWays(t *testing.T) {
	for body, want := range map[string]bool{
		with(`"stream":true`): false,
		with(`"stream":true,"stream_options":{"include_usage":true}`):  true,
		with(`"stream":true,"stream_options":{"include_usage":false}`): false,
		with(`"stream":true,"stream_options":null`):                    false,
		with(`"stream":true,"usage":{"include":true}`):                 true,
	} {
		_, newWriter := mustDecode(t, body)
		conformance.CheckStream(t, newWriter().Finish(nil), want)
	}
}

func TestAnswersSayHowTheRequestWasTreated(t *testing.T) {
	flex := translate.Event{Kind: translate.EventTier, Tier: translate.TierFlex}
	for _, c := range []struct {
		name            string
		events          []translate.Event
		streamed, whole string // tiers: of the stream's chunks, and of the whole
	}{
		{"as usual", []translate.Event{says("a"), ends(translate.FinishStop), used}, "default", "default"},
		{"known from the beginning", []translate.Event{flex, says("a"), ends(translate.FinishStop), used}, "flex", "flex"},
		{"known at the end", []translate.Event{says("a"), flex, ends(translate.FinishStop), used}, "default", "flex"},
	} {
		a := answer{events: c.events}
		for text, want := range map[string]string{string(a.write(true)): c.streamed, string(a.write(false)): c.whole} {
			chunks := strings.Count(text, `"service_tier":`)
			if chunks == 0 || strings.Count(text, `"service_tier":"`+want+`"`) != chunks {
				t.Errorf("%s: want %s in %s", c.name, want, text)
			}
		}
	}
}

func TestTheFingerprintIsTheModels(t *testing.T) {
	a, b := fingerprint("a"), fingerprint("b")
	if a == b || a != fingerprint("a") || !regexp.MustCompile(`^fp_[0-9a-f]{10}$`).MatchString(a) {
		t.Errorf("%q and %q", a, b)
	}
}
