package gemini

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

func remedied(t testing.TB, req *translate.Request, b translate.Backend, name string, r Remedies) *Encoded {
	t.Helper()
	e, err := Encode(req, b, model(t, name), r)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// toolTalk is a conversation with two steps of calls in the current turn and one before it.
func toolTalk(signatures ...string) *translate.Request {
	req := talk(user(text("a")), assistant(call("id1", "f", `{}`, signatures[0])), toolSaid(result("id1", `1`)), assistant(text("b")),
		user(text("c")), assistant(call("id2", "f", `{}`, signatures[1])), toolSaid(result("id2", `1`)),
		assistant(call("id3", "f", `{}`, signatures[2]), call("id4", "f", `{}`, "")), toolSaid(result("id3", `1`), result("id4", `1`)))
	req.Tools = []translate.Tool{{Name: "f", Schema: jsontext.Value(`{"type":"object","properties":{"a":{"type":"string","maxLength":5}}}`)}}
	return req
}

// sentSignatures are the signatures of a body's calls, in order; a call without one is "-".
func sentSignatures(t *testing.T, e *Encoded) string {
	t.Helper()
	var list []string
	for part := range strings.SplitSeq(e.member(t, "contents"), `"functionCall":`) {
		_, rest, signed := strings.Cut(part, `"thoughtSignature":"`)
		value, _, _ := strings.Cut(rest, `"`)
		if !signed {
			value = "-"
		}
		list = append(list, value)
	}
	return strings.Join(list[1:], " ")
}

func TestSignaturesWithRemedies(t *testing.T) {
	const a, b, c = "YWFh", "YmJi", "Y2Nj"
	tests := []struct {
		name, model string
		signatures  []string
		remedies    Remedies
		want        string
	}{
		{"none", newest, []string{a, b, c}, Remedies{}, a + " " + b + " " + c + " -"},
		{"some are lost", newest, []string{a, "", ""}, Remedies{}, a + " " + unsigned + " " + unsigned + " -"},
		{"all are given up", newest, []string{a, b, c}, Remedies{Unsigned: 3}, "- " + unsigned + " " + unsigned + " -"},
		{"what came after the refused ones is kept", newest, []string{a, b, c}, Remedies{Unsigned: 2}, "- " + unsigned + " " + c + " -"},
		{"models that need none", older, []string{a, b, c}, Remedies{Unsigned: 3}, "- - - -"},
		{"every step", newest, []string{"", "", c}, Remedies{SignAll: true}, unsigned + " " + unsigned + " " + c + " -"},
		{"every step, of a model not known to want it", older, []string{"", "", ""}, Remedies{SignAll: true}, unsigned + " " + unsigned + " " + unsigned + " -"},
	}
	for _, tt := range tests {
		e := remedied(t, toolTalk(tt.signatures...), translate.GeminiAPI, tt.model, tt.remedies)
		if got := sentSignatures(t, e); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestRemedies(t *testing.T) {
	const sig = "YWFh"
	withAnswer := talk(user(text("hi")))
	withAnswer.Format = translate.Format{Kind: translate.FormatSchema, Schema: jsontext.Value(`{"type":"object","properties":{"a":{"type":"string"}}}`)}
	forced := toolTalk("", "", "")
	forced.ToolChoice.Mode = translate.ChoiceRequired
	bare := talk(user(text("hi")))
	bare.Tools = []translate.Tool{{Name: "f"}}
	bare.ToolChoice.Mode = translate.ChoiceRequired
	penalized := talk(user(text("hi")))
	penalized.Sampling.PresencePenalty = new(0.5)
	signed, unsignedTalk := toolTalk(sig, "", sig), toolTalk("", "", "")
	schema := Complaint{Kind: ComplaintSchema}
	unclear := Complaint{Kind: ComplaintUnclear}
	none := Remedies{}
	tests := []struct {
		name      string
		req       *translate.Request
		backend   translate.Backend
		before    Remedies
		complaint Complaint
		want      Remedies // the same as before: none
	}{
		{"ids", signed, translate.GeminiAPI, none, Complaint{Kind: ComplaintCallIDs}, Remedies{NoIDs: true}},
		{"ids that were not sent", signed, translate.Vertex, none, Complaint{Kind: ComplaintCallIDs}, none},
		{"ids that are gone", signed, translate.GeminiAPI, Remedies{NoIDs: true}, Complaint{Kind: ComplaintCallIDs}, Remedies{NoIDs: true}},
		{"signatures", signed, translate.GeminiAPI, none, Complaint{Kind: ComplaintSignature}, Remedies{Unsigned: 2}},
		{"newer signatures", signed, translate.GeminiAPI, Remedies{Unsigned: 1}, Complaint{Kind: ComplaintSignature}, Remedies{Unsigned: 2}},
		{"signatures that are gone", signed, translate.GeminiAPI, Remedies{Unsigned: 2}, Complaint{Kind: ComplaintSignature}, Remedies{Unsigned: 2}},
		{"no signatures", unsignedTalk, translate.GeminiAPI, none, Complaint{Kind: ComplaintSignature}, none},
		{"missing signatures", unsignedTalk, translate.GeminiAPI, none, Complaint{Kind: ComplaintUnsigned}, Remedies{SignAll: true}},
		{"missing signatures without calls", withAnswer, translate.GeminiAPI, none, Complaint{Kind: ComplaintUnsigned}, none},
		{"a tool's schema", signed, translate.GeminiAPI, none, schema, Remedies{Parameters: SchemaLite}},
		{"a tool's lighter schema", signed, translate.GeminiAPI, Remedies{Parameters: SchemaLite}, schema, Remedies{Parameters: SchemaProto}},
		{"a tool's least schema", signed, translate.GeminiAPI, Remedies{Parameters: SchemaProto}, schema, Remedies{Parameters: SchemaProto}},
		{"a tool's schema's form", signed, translate.GeminiAPI, none, Complaint{Kind: ComplaintSchema, Structure: true}, Remedies{Parameters: SchemaProto}},
		{"another's schema", signed, translate.GeminiAPI, none, Complaint{Kind: ComplaintSchema, Answer: true}, none},
		{"a tool without a schema", bare, translate.GeminiAPI, none, schema, none},
		{"an answer's schema", withAnswer, translate.GeminiAPI, none, schema, Remedies{Answer: SchemaLite}},
		{"an answer's older schema", withAnswer, translate.GeminiAPI, Remedies{Answer: SchemaProto}, schema, Remedies{Answer: SchemaWords}},
		{"an answer's schema in words", withAnswer, translate.GeminiAPI, Remedies{Answer: SchemaWords}, schema, Remedies{Answer: SchemaWords}},
		{"JSON mode", withAnswer, translate.GeminiAPI, none, Complaint{Kind: ComplaintJSONMode}, Remedies{Answer: SchemaUnaided}},
		{"JSON mode that is not used", signed, translate.GeminiAPI, none, Complaint{Kind: ComplaintJSONMode}, none},
		{"penalties", penalized, translate.GeminiAPI, none, Complaint{Kind: ComplaintPenalties}, Remedies{NoPenalties: true}},
		{"penalties that were not sent", signed, translate.GeminiAPI, none, Complaint{Kind: ComplaintPenalties}, none},
		{"unclear", signed, translate.GeminiAPI, none, unclear, Remedies{Parameters: SchemaLite}},
		{"unclear, and a call is a must", forced, translate.GeminiAPI, none, unclear, Remedies{Parameters: SchemaLite, FreeCalls: true}},
		{"unclear, without a schema", bare, translate.GeminiAPI, none, unclear, none},
		{"unclear, as in vain as before", signed, translate.GeminiAPI, Remedies{Incurable: true}, unclear, Remedies{Incurable: true}},
		{"clear though others were in vain", signed, translate.GeminiAPI, Remedies{Incurable: true}, schema, Remedies{Incurable: true, Parameters: SchemaLite}},
		{"thinking that was not asked for", signed, translate.GeminiAPI, none, Complaint{Kind: ComplaintLevel, Level: "LOW"}, none},
		{"no complaint", signed, translate.GeminiAPI, none, Complaint{}, none},
	}
	for _, tt := range tests {
		e := remedied(t, tt.req, tt.backend, newest, tt.before)
		got, ok := e.Remedy(&tt.complaint)
		if got != tt.want || ok != (tt.want != tt.before) {
			t.Errorf("%s: %+v, %v, want %+v", tt.name, got, ok, tt.want)
		}
	}
}

func TestWhatRemediesGiveUpIsSaid(t *testing.T) {
	forced := toolTalk("", "", "")
	forced.ToolChoice = translate.ToolChoice{Mode: translate.ChoiceRequired, Names: []string{"f"}}
	formed := talk(user(text("hi")))
	formed.Format = translate.Format{Kind: translate.FormatSchema, Schema: jsontext.Value(`{"type":"object","properties":{"a":{"type":"string","maxLength":3}}}`)}
	tests := []struct {
		req      *translate.Request
		remedies Remedies
		member   string
		want     string
		ignored  []string
	}{
		{forced, Remedies{Parameters: SchemaProto}, "toolConfig", `{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}`, nil},
		{forced, Remedies{FreeCalls: true}, "toolConfig", `{"functionCallingConfig":{"mode":"AUTO"}}`, []string{"tool_choice"}},
		{
			formed,
			Remedies{Answer: SchemaLite},
			"generationConfig",
			`{"responseMimeType":"application/json","responseJsonSchema":{"type":"object","properties":{"a":{"type":"string","description":"(maxLength: 3)"}}}}`, nil,
		},
		{
			formed,
			Remedies{Answer: SchemaProto},
			"generationConfig",
			`{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT","properties":{"a":{"type":"STRING","description":"(maxLength: 3)"}}}}`, nil,
		},
		{formed, Remedies{Answer: SchemaWords}, "generationConfig", `{"responseMimeType":"application/json"}`, []string{"response_format"}},
		{formed, Remedies{Answer: SchemaUnaided}, "generationConfig", ``, []string{"response_format"}},
	}
	for _, tt := range tests {
		e := remedied(t, tt.req, translate.GeminiAPI, newest, tt.remedies)
		if got := e.member(t, tt.member); got != tt.want || !slices.Equal(e.Ignored, tt.ignored) {
			t.Errorf("%+v: %s, ignored %q, want %s, %q", tt.remedies, got, e.Ignored, tt.want, tt.ignored)
		}
		words := `It must obey this JSON Schema:\n{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"maxLength\":3}}}`
		if said := strings.Contains(string(e.Body), words); said != (tt.remedies.Answer >= SchemaWords) {
			t.Errorf("%+v: the schema stands in words: %v", tt.remedies, said)
		}
	}
}

func TestThinkingWithRemedies(t *testing.T) {
	level := func(name string) Complaint { return Complaint{Kind: ComplaintLevel, Level: name} }
	tests := []struct {
		name, model string
		reasoning   translate.Reasoning
		complaints  []Complaint
		want        string
	}{
		{"the next level below", newest, translate.Reasoning{Effort: "medium"}, []Complaint{level("MEDIUM")}, `{"thinkingLevel":"LOW"}`},
		{"the lowest there is", newest, translate.Reasoning{Effort: "low"}, []Complaint{level("LOW")}, `{"thinkingLevel":"MEDIUM"}`},
		{"one after the other", newest, translate.Reasoning{Effort: "low"}, []Complaint{level("LOW"), level("MEDIUM")}, `{"thinkingLevel":"HIGH"}`},
		{"no level at all", newest, translate.Reasoning{Effort: "low"}, []Complaint{level("LOW"), level("MEDIUM"), level("HIGH")}, ``},
		{"a level nobody knows", newest, translate.Reasoning{Effort: "low"}, []Complaint{level("EXTREME")}, `{"thinkingLevel":"LOW"}`},
		{
			"a list of levels", newest,
			translate.Reasoning{Effort: "medium"},
			[]Complaint{{Kind: ComplaintLevel, Level: "MEDIUM", Levels: []string{"HIGH"}}},
			`{"thinkingLevel":"HIGH"}`,
		},
		{"a budget instead of levels", newest, translate.Reasoning{Effort: "low"}, []Complaint{level("")}, `{"thinkingBudget":1024}`},
		{"levels instead of a budget", older, translate.Reasoning{Effort: "medium"}, []Complaint{{Kind: ComplaintBudget}}, `{"thinkingLevel":"MEDIUM"}`},
		{"neither", newest, translate.Reasoning{Effort: "low"}, []Complaint{level(""), {Kind: ComplaintBudget}}, ``},
		{"no control", newest, translate.Reasoning{Effort: "low"}, []Complaint{{Kind: ComplaintThinking}}, ``},
		{"bounds of the budget", older, translate.Reasoning{Budget: new(20000)}, []Complaint{{Kind: ComplaintBudget, Least: 128, Most: 8192}}, `{"thinkingBudget":8192}`},
		{"the least budget", older, translate.Reasoning{Budget: new(5)}, []Complaint{{Kind: ComplaintBudget, Least: 128, Most: 8192}}, `{"thinkingBudget":128}`},
		{"off within bounds", older, translate.Reasoning{Effort: "none"}, []Complaint{{Kind: ComplaintBudget, Least: 128, Most: 8192}}, `{"thinkingBudget":0}`},
		{"off, which is refused", older, translate.Reasoning{Effort: "none"}, []Complaint{{Kind: ComplaintBudget, Least: 128, Most: 8192, Off: true}}, `{"thinkingBudget":128}`},
		{"a model that cannot but think", older, translate.Reasoning{Effort: "none"}, []Complaint{{Kind: ComplaintDisable}}, `{"thinkingBudget":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := talk(user(text("hi")))
			req.Reasoning = tt.reasoning
			var r Remedies
			for _, c := range tt.complaints {
				r, _ = remedied(t, req, translate.GeminiAPI, tt.model, r).Remedy(&c)
			}
			want := tt.want
			if want != "" {
				want = `{"thinkingConfig":` + want + `}`
			}
			e := remedied(t, req, translate.GeminiAPI, tt.model, r)
			if got := e.member(t, "generationConfig"); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if ignored := tt.want == ""; ignored != slices.Contains(e.Ignored, "reasoning_effort") {
				t.Errorf("ignored %q", e.Ignored)
			}
		})
	}
}

// complaintsAbout are complaints of every kind.
func complaintsAbout(r *rand.Rand) Complaint {
	return Complaint{
		Kind: ComplaintKind(r.IntN(int(ComplaintUnclear) + 1)), Parameters: r.IntN(2) == 0, Answer: r.IntN(2) == 0, Structure: r.IntN(2) == 0,
		Level: append(levels, "")[r.IntN(len(levels)+1)], Least: r.IntN(3) * 100, Most: r.IntN(3) * 5000, Off: r.IntN(2) == 0,
	}
}

// Whatever Google complains about, and as often as it likes, there is an end to what is tried, and every try keeps the rules.
func FuzzRemedies(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed)
	}
	backends := []translate.Backend{translate.GeminiAPI, translate.Vertex, translate.CodeAssist}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 2))
		req := randomRequest(r)
		b, m := backends[r.IntN(3)], model(t, []string{newest, older, "gemma-4-31b-it"}[r.IntN(3)])
		var remedies Remedies
		for range 20 {
			e := remedied(t, req, b, m.ID, remedies)
			checkTurns(t, e, b, m)
			if remedies.NoIDs && strings.Contains(string(e.Body), `"functionResponse":{"id":`) {
				t.Fatalf("ids in %s", e.Body)
			}
			c := complaintsAbout(r)
			next, ok := e.Remedy(&c)
			if ok == (next == remedies) {
				t.Fatalf("%+v after %+v, %v", next, remedies, ok)
			}
			remedies = next
		}
		// The same complaint again and again.
		c := complaintsAbout(r)
		for tries := 0; ; tries++ {
			next, ok := remedied(t, req, b, m.ID, remedies).Remedy(&c)
			if !ok {
				return
			}
			if remedies = next; tries > 4 {
				t.Fatalf("%+v is never given up", c)
			}
		}
	})
}

var here = Place{Backend: translate.GeminiAPI, Host: "here"}

func TestLessons(t *testing.T) {
	everything := Remedies{
		Unsigned: 2, SignAll: true, NoIDs: true, Parameters: SchemaProto, Answer: SchemaLite, FreeCalls: true,
		Thinking: ThinkingRemedy{always: true},
	}
	req := toolTalk("YWFh", "YmJi", "")
	req.Format = translate.Format{Kind: translate.FormatSchema, Schema: jsontext.Value(`{"type":"object"}`)}
	otherTools := toolTalk("YWFh", "YmJi", "")
	otherTools.Tools = append(otherTools.Tools, translate.Tool{Name: "g", Schema: jsontext.Value(`{"type":"object"}`)})
	otherForm := toolTalk("YWFh", "YmJi", "")
	otherForm.Format = translate.Format{Kind: translate.FormatSchema, Schema: jsontext.Value(`{"type":"array"}`)}
	withoutAnswer := everything
	withoutAnswer.Answer = SchemaFull
	host, ofModel := Remedies{NoIDs: true}, Remedies{NoIDs: true, SignAll: true, Thinking: everything.Thinking}
	conversation := ofModel
	conversation.Unsigned = 2
	tests := []struct {
		name  string
		req   *translate.Request
		place Place
		model string
		want  Remedies
	}{
		{"the same", req, here, newest, everything},
		{"another host", req, Place{Backend: translate.GeminiAPI, Host: "there"}, newest, Remedies{}},
		{"another backend", req, Place{Backend: translate.Vertex, Host: "here"}, newest, Remedies{}},
		{"another model", req, here, older, host},
		{"a plain question", talk(user(text("hi"))), here, newest, ofModel},
		{"other tools, no format", otherTools, here, newest, conversation},
		{"another form of answer", otherForm, here, newest, withoutAnswer},
		{
			"another conversation", toolTalk("Y2Nj", "YWFh", ""), here, newest,
			Remedies{NoIDs: true, SignAll: true, Thinking: everything.Thinking, Parameters: SchemaProto, FreeCalls: true},
		},
	}
	l := NewLessons()
	split := func(schemas ...string) *translate.Request {
		req := talk(user(text("hi")))
		for i, schema := range schemas {
			req.Tools = append(req.Tools, translate.Tool{Name: fmt.Sprint("f", i), Schema: jsontext.Value(schema)})
		}
		return req
	}
	l.Learn(split("1", "23"), here, model(t, newest), Remedies{Parameters: SchemaLite})
	if got := l.Remedies(split("12", "3"), here, model(t, newest)); got != (Remedies{}) {
		t.Errorf("schemas that only look the same when written together are not: %+v", got)
	}
	l = NewLessons()
	if got := l.Remedies(req, here, model(t, newest)); got != (Remedies{}) {
		t.Errorf("nobody has taught %+v", got)
	}
	l.Learn(req, here, model(t, newest), everything)
	for _, tt := range tests {
		if got := l.Remedies(tt.req, tt.place, model(t, tt.model)); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	l.Learn(req, here, model(t, newest), Remedies{Parameters: SchemaLite, Incurable: true, Unsigned: 5})
	everything.Incurable, everything.Unsigned = true, 5
	if got := l.Remedies(req, here, model(t, newest)); got != everything {
		t.Errorf("%+v after more was learned, want %+v", got, everything)
	}
}

func TestLessonsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, m := NewLessons(), model(t, newest)
		req := talk(user(text("hi")))
		l.Learn(req, here, m, Remedies{NoIDs: true})
		time.Sleep(lessonLife)
		if !l.Remedies(req, here, m).NoIDs {
			t.Error("forgotten too soon")
		}
		l.Learn(req, here, m, Remedies{NoIDs: true}) // to know a thing already is not to learn it
		time.Sleep(time.Second)
		if l.Remedies(req, here, m).NoIDs {
			t.Error("never found out whether it still holds")
		}
	})
}

func TestLessonsAreBounded(t *testing.T) {
	l, m := NewLessons(), model(t, newest)
	req := talk(user(text("hi")))
	for i := range 3 * maxLessons {
		place := Place{Host: fmt.Sprint(i)}
		l.Learn(req, place, m, Remedies{NoIDs: true})
		if !l.Remedies(req, place, m).NoIDs {
			t.Fatalf("lesson %d is not there", i)
		}
	}
	if n := len(l.young) + len(l.old); n > 2*maxLessons || n < maxLessons {
		t.Errorf("%d lessons are kept", n)
	}
}

// Requests learn and ask at the same time; the race detector looks on.
func TestLessonsOfManyRequestsAtOnce(t *testing.T) {
	l, m := NewLessons(), model(t, newest)
	req := toolTalk("YWFh", "", "")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				place := Place{Host: fmt.Sprint(j)}
				l.Learn(req, place, m, Remedies{Unsigned: i + 1, NoIDs: true})
				if r := l.Remedies(req, place, m); !r.NoIDs || r.Unsigned < i+1 {
					t.Errorf("%+v, just after more was learned", r)
				}
			}
		})
	}
	wg.Wait()
}
