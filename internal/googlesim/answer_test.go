package googlesim

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var update = flag.Bool("update", false, "write the golden files")

const weather = `{"name":"get_weather","parametersJsonSchema":{"type":"object","properties":{"city":{"type":"string"},` +
	`"unit":{"enum":["c","f"]},"days":{"type":"integer","minimum":2}},"required":["city","unit","days"]}}`

func question(text, fields string) string {
	return `{"contents":[{"role":"user","parts":[{"text":"` + text + `"}]}],` + fields + `}`
}

func withTools(text string, declarations ...string) string {
	return question(text, `"tools":[{"functionDeclarations":[`+strings.Join(declarations, ",")+`]}]`)
}

// TestStreams compares whole answers, byte for byte, with what they were: framing, order, usage and signatures of each backend.
func TestStreams(t *testing.T) {
	thoughts := `"generationConfig":{"thinkingConfig":{"includeThoughts":true}}`
	for _, one := range []struct {
		name    string
		backend Backend
		model   string
		body    string
	}{
		{"developer-text", Developer, three, question("Say something longer than one event", thoughts)},
		{"developer-2.5-calls", Developer, two, withTools("What is the weather in Paris and Tokyo?", weather)},
		{"developer-calls", Developer, three, withTools("What is the weather in Paris and Tokyo?", weather)},
		{"vertex-text", Vertex, three, question("Hello", thoughts)},
		{"assist-calls", CodeAssist, three, withTools("What is the weather in Paris?", weather)},
		{"developer-max-tokens", Developer, three, config(`"maxOutputTokens":3`)},
	} {
		t.Run(one.name, func(t *testing.T) {
			s := newTestServer(t, Options{Now: noon().Now})
			s.AddKey("key", "p")
			s.addCloudUser("user", "p")
			got := s.ask(t, ruleCase{backend: one.backend, model: one.model}, one.body)
			if got.header.Get("Content-Type") != "text/event-stream" {
				t.Errorf("content type %q", got.header.Get("Content-Type"))
			}
			compareGolden(t, one.name+".sse", got.body)
		})
	}
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// reply asks without streaming and gives the one response.
func reply(t *testing.T, model, body string) *response {
	t.Helper()
	s := newTestServer(t, Options{})
	s.AddKey("key", "p")
	got := s.post(t, "/v1beta/models/"+model+":generateContent", withKey("key"), body)
	if got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	r := decode[response](t, got.body)
	return &r
}

func calls(r *response) []string {
	var all []string
	for _, p := range r.Candidates[0].Content.Parts {
		if f := p.FunctionCall; f != nil {
			all = append(all, f.Name+string(compactValue(f.Args)))
		}
	}
	return all
}

func compactValue(v jsontext.Value) jsontext.Value {
	v.Compact()
	return v
}

// TestWhichToolsAreCalled checks the rules that answer documents.
func TestWhichToolsAreCalled(t *testing.T) {
	clock := `{"name":"clock","parametersJsonSchema":{"type":"object","properties":{"zone":{"type":"string"}},"required":["zone"]}}`
	none := `{"name":"clock"}`
	paris := `get_weather{"city":"Paris","unit":"c","days":2}`
	for _, one := range []struct {
		name string
		body string
		want []string
	}{
		{"no tool is named", withTools("Hello", weather), nil},
		{"a word of its name", withTools("What is the weather in Paris?", weather), []string{paris}},
		{"its name", withTools("Use get_weather for Paris", weather), []string{paris}},
		{"not just part of a word", withTools("o'clocklike", none), nil},
		{
			"each place", withTools("Compare the weather in Paris, New York, and Lima today", weather),
			[]string{paris, `get_weather{"city":"New York","unit":"c","days":2}`, `get_weather{"city":"Lima","unit":"c","days":2}`},
		},
		{"each tool", withTools("The weather and the clock in Paris", weather, clock), []string{paris, `clock{"zone":"Paris"}`}},
		{"a tool without parameters once", withTools("The clock in Paris and Lima", none), []string{`clock{}`}},
		{"the first stage", withTools("The weather in Paris then the clock of Lima", weather, clock), []string{paris}},
		{"mode NONE", question("The weather in Paris",
			`"tools":[{"functionDeclarations":[`+weather+`]}],"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}`), nil},
		{"mode ANY", question("Hello", `"tools":[{"functionDeclarations":[`+none+`]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}`), []string{`clock{}`}},
		{"allowed names", question("Hello", `"tools":[{"functionDeclarations":[`+weather+`,`+none+`]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY",`+
			`"allowedFunctionNames":["clock"]}}`), []string{`clock{}`}},
	} {
		t.Run(one.name, func(t *testing.T) {
			if got := calls(reply(t, two, one.body)); !slices.Equal(got, one.want) {
				t.Errorf("got %q, want %q", got, one.want)
			}
		})
	}
}

// TestToolLoopEndsInText plays a conversation of two stages with parallel calls: what the simulator sent is what it takes back.
func TestToolLoopEndsInText(t *testing.T) {
	s := newTestServer(t, Options{})
	s.AddKey("key", "p")
	clock := `{"name":"clock","parametersJsonSchema":{"type":"object","properties":{"zone":{"type":"string"}},"required":["zone"]}}`
	contents := []string{`{"role":"user","parts":[{"text":"The weather in Paris and Lima then the clock of Rome"}]}`}
	var said []string
	for range 3 {
		body := talk(contents...)
		body = strings.TrimSuffix(body, "}") + `,"tools":[{"functionDeclarations":[` + weather + `,` + clock + `]}]}`
		got := s.post(t, "/v1beta/models/"+idful+":generateContent", withKey("key"), body)
		if got.status != 200 {
			t.Fatalf("%d %s\n%s", got.status, got.body, body)
		}
		content := decode[response](t, got.body).Candidates[0].Content
		signed := content.Parts[0].ThoughtSignature
		if content.Parts[0].FunctionCall == nil {
			signed = "" // of a text
		}
		if all := s.Calls(Match{}); all[len(all)-1].Signature != signed {
			t.Errorf("remembers the signature %q, gave %q", all[len(all)-1].Signature, signed)
		}
		contents = append(contents, encodeJSON(content))
		var results []string
		for _, p := range content.Parts {
			if f := p.FunctionCall; f != nil {
				said = append(said, f.Name)
				results = append(results, fmt.Sprintf(`{"functionResponse":{"name":%q,"id":%q,"response":{"output":"fine"}}}`,
					f.Name, f.ID))
			} else {
				said = append(said, *p.Text)
			}
		}
		contents = append(contents, user(results...))
	}
	want := []string{"get_weather", "get_weather", "clock", `Here is what the tools said. get_weather: {"output":"fine"}. ` +
		`get_weather: {"output":"fine"}. clock: {"output":"fine"}.`}
	if !slices.Equal(said, want) {
		t.Errorf("said %q", said)
	}
}

// TestJSONAnswersObeyTheirSchema checks the instances made of schemas of both dialects.
func TestJSONAnswersObeyTheirSchema(t *testing.T) {
	for _, one := range []struct{ name, field, schema, want string }{
		{"no schema", "", "", `{"answer":"Q"}`},
		{
			"required in order", "responseJsonSchema",
			`{"type":"object","properties":{"b":{"type":"number"},"a":{"type":"string"},"c":{"type":"null"}},` +
				`"required":["a","b"]}`, `{"b":1,"a":"Q"}`,
		},
		{
			"legacy", "responseSchema", `{"type":"OBJECT","properties":{"n":{"type":"INTEGER"},"s":{"type":"STRING","enum":["x","y"]}},"required":["n","s"]}`,
			`{"n":1,"s":"x"}`,
		},
		{
			"references", "responseJsonSchema", `{"$defs":{"P":{"properties":{"x":{"type":"boolean"}},"required":["x"]}},"type":"object",` +
				`"properties":{"p":{"type":"array","items":{"$ref":"#/$defs/P"},"minItems":2}},"required":["p"]}`,
			`{"p":[{"x":true},{"x":true}]}`,
		},
		{
			"recursion", "responseJsonSchema", `{"$defs":{"N":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/N"},` +
				`{"type":"null"}]},"v":{"const":7}}}},"$ref":"#/$defs/N"}`,
			`{"next":{"next":{"next":{"next":{"next":{"next":{}}}}}}}`,
		},
		{"bounds", "responseJsonSchema", `{"properties":{"a":{"type":"integer","minimum":5},"b":{"type":"number","maximum":-2},` +
			`"c":{"type":"integer","exclusiveMinimum":3}},"required":["a","b","c"]}`, `{"a":5,"b":-2,"c":4}`},
		{
			"strings", "responseJsonSchema", `{"properties":{"a":{"type":"string","format":"date"},"b":{"type":["null","string"]},"c":{"type":"string",` +
				`"minLength":9},"d":{"type":"string","maxLength":2}},"required":["a","b","c","d"]}`,
			`{"a":"2026-01-02","b":"Q","c":"example..","d":"ex"}`,
		},
		{"no required", "responseJsonSchema", `{"properties":{"a":{"enum":[3]},"b":{}}}`, `{"a":3}`},
	} {
		t.Run(one.name, func(t *testing.T) {
			fields := `"generationConfig":{"responseMimeType":"application/json"`
			if one.schema != "" {
				fields += `,"` + one.field + `":` + one.schema
			}
			r := reply(t, three, question("Q", fields+"}"))
			if got := *r.Candidates[0].Content.Parts[0].Text; got != one.want {
				t.Errorf("got %s, want %s", got, one.want)
			}
		})
	}
	r := reply(t, three, question("Q", `"generationConfig":{"responseMimeType":"text/x.enum","responseSchema":{"type":"STRING","enum":["one","two"]}}`))
	if got := *r.Candidates[0].Content.Parts[0].Text; got != "one" {
		t.Errorf("enum %s", got)
	}
}

// TestLimitsOfAnAnswer checks stop sequences, token limits, candidates and how usage adds up.
func TestLimitsOfAnAnswer(t *testing.T) {
	text := func(r *response) string {
		if parts := r.Candidates[0].Content.Parts; len(parts) > 0 {
			return *parts[0].Text
		}
		return ""
	}
	whole := reply(t, two, question("Q", `"labels":{}`))
	if got := reply(t, "gemini-flash-latest", question("Q", `"labels":{}`)); got.ModelVersion != "gemini-3.8-flash" {
		t.Errorf("an alias answers as %s", got.ModelVersion)
	}
	if got := reply(t, two, config(`"stopSequences":["This"]`)); text(got) != "You asked: Hello. " ||
		got.Candidates[0].FinishReason != "STOP" {
		t.Errorf("stopped at %q for %s", text(got), got.Candidates[0].FinishReason)
	}
	if got := reply(t, two, config(`"maxOutputTokens":14`)); text(got) != "You aske" || got.Candidates[0].FinishReason != "MAX_TOKENS" {
		t.Errorf("cut to %q for %s", text(got), got.Candidates[0].FinishReason)
	}
	if got := reply(t, two, config(`"maxOutputTokens":14,"thinkingConfig":{"thinkingBudget":0}`)); len(text(got)) != 56 {
		t.Errorf("without thoughts cut to %q", text(got))
	}
	if got := reply(t, three, config(`"maxOutputTokens":2`)); len(got.Candidates[0].Content.Parts) != 0 ||
		got.UsageMetadata.ThoughtsTokenCount != 2 {
		t.Errorf("only thoughts, yet %+v", got.Candidates[0].Content)
	}
	if got := reply(t, two, config(`"candidateCount":3`)); len(got.Candidates) != 3 || got.Candidates[2].Index != 2 {
		t.Errorf("%d candidates", len(got.Candidates))
	}
	if u := whole.UsageMetadata; u.TotalTokenCount != u.PromptTokenCount+u.CandidatesTokenCount+u.ThoughtsTokenCount ||
		u.ThoughtsTokenCount != 12 {
		t.Errorf("usage %+v", u)
	}
}

// TestUnstreamedAndArrayAnswersSayTheSame checks that the three framings hold one answer.
func TestUnstreamedAndArrayAnswersSayTheSame(t *testing.T) {
	s := newTestServer(t, Options{})
	s.AddKey("key", "p")
	body := question("Say something that is longer than a single event can hold", `"labels":{}`)
	texts := func(all ...response) string {
		var b strings.Builder
		for _, r := range all {
			for _, p := range r.Candidates[0].Content.Parts {
				b.WriteString(*p.Text)
			}
		}
		return b.String()
	}
	want := texts(*reply(t, three, body))
	array := decode[[]response](t, s.post(t, "/v1beta/models/"+three+":streamGenerateContent", withKey("key"), body).body)
	if len(array) < 4 || texts(array...) != want {
		t.Errorf("%d events: %q, want %q", len(array), texts(array...), want)
	}
	var events []response
	for line := range strings.SplitSeq(s.ask(t, ruleCase{model: three}, body).body, "\r\n\r\n") {
		if payload, ok := strings.CutPrefix(line, "data: "); ok {
			var r response
			if err := json.Unmarshal([]byte(payload), &r); err != nil {
				t.Fatal(err)
			}
			events = append(events, r)
		}
	}
	if len(events) != len(array) || texts(events...) != want {
		t.Errorf("%d events: %q", len(events), texts(events...))
	}
}
