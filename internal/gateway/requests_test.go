package gateway_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// reportedRequest is a request that Google is publicly known to have refused from some gateway or client, or that has been known to mean
// something else when it got there, under the number of one report.
type reportedRequest struct {
	name  string
	model string
	body  string // its members, beside the model, a question unless there are messages or input, and stream
	// want is what Google is sent, by the path of it in the body; an empty value is nothing.
	want    map[string]string
	ignored string // parameters the answer names
}

const (
	hi     = `{"role":"user","content":"hi"}`
	hiThen = `"messages":[` + hi + `,`
)

// called is a message in which the model calls functions by these ids, one after the other, with these arguments.
func called(args string, ids ...string) string {
	var list []string
	for _, id := range ids {
		list = append(list, `{"id":"`+id+`","type":"function","function":{"name":"f_`+id+`","arguments":`+args+`}}`)
	}
	return `{"role":"assistant","content":null,"tool_calls":[` + strings.Join(list, ",") + `]}`
}

func returned(id, content string) string {
	return `{"role":"tool","tool_call_id":"` + id + `","content":` + content + `}`
}

// responds is the part by which Google is told what a function returned.
func responds(id, response string) string {
	return `{"functionResponse":{"id":"` + id + `","name":"f_` + id + `","response":` + response + `}}`
}

const (
	pngURL    = `data:image/png;base64,iVBORw0KGgo=`
	pngInline = `{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}`
	pdfBase64 = `JVBERi0xLjQKJQ==`
	silent    = `{"role":"user","parts":[{"text":" "}]}`
	hiContent = `{"role":"user","parts":[{"text":"hi"}]}`
)

var requests = []reportedRequest{
	{
		name: "gemini-cli#16415: results of parallel calls are one content, in the order of the calls",
		body: hiThen + called(`"{}"`, "a", "b", "c") + `,` + returned("c", `"3"`) + `,` + returned("b", `"2"`) + `,` + returned("a", `"1"`) + `]`,
		want: map[string]string{
			"contents/2/parts": `[` + responds("a", `{"output":1}`) + `,` + responds("b", `{"output":2}`) + `,` + responds("c", `{"output":3}`) + `]`,
			"contents/3":       ``,
		},
	}, {
		name: "gemini-cli#4217, #5443, #13292: a result that is missing is made up",
		body: hiThen + called(`"{}"`, "a", "b") + `,` + returned("b", `"2"`) + `]`,
		want: map[string]string{
			"contents/2/parts": `[` + responds("a", `{"error":"Tool result missing."}`) + `,` + responds("b", `{"output":2}`) + `]`,
		},
	}, {
		name: "Antigravity-Manager#3396, CLIProxyAPI#4959: a conversation that begins with a call is begun by the user",
		body: `"messages":[{"role":"system","content":"s"},` + called(`"{}"`, "a") + `,` + returned("a", `"1"`) + `]`,
		want: map[string]string{
			"contents/0": silent, "contents/1/role": `"model"`, "contents/2/parts": `[` + responds("a", `{"output":1}`) + `]`,
			"systemInstruction/parts": `[{"text":"s"}]`,
		},
	}, {
		name: "CLIProxyAPI#1292, vercel#3775, zuisong#83: what is empty makes no part, and no content without parts",
		body: hiThen + `{"role":"assistant","content":""},{"role":"assistant","content":null},{"role":"assistant","content":[]},
			{"role":"user","content":[{"type":"text","text":""},{"type":"text","text":"go"}]}]`,
		want: map[string]string{"contents": `[{"role":"user","parts":[{"text":"hi"},{"text":"go"}]}]`},
	}, {
		name: "CLIProxyAPI#1292: nor does a text that is empty beside a call",
		body: hiThen + strings.Replace(called(`"{}"`, "a"), "null", `""`, 1) + `,` + returned("a", `"1"`) + `]`,
		want: map[string]string{"contents/1/parts/0/functionCall/name": `"f_a"`, "contents/1/parts/1": ``},
	}, {
		name: "litellm#9733: where nothing is said at all, there is a space", body: `"messages":[{"role":"user","content":""}]`,
		want: map[string]string{"contents": `[` + silent + `]`},
	}, {
		name: "vercel#8027, EnviousWispr#1769: no thinking is the least that 2.5 Pro does", model: "gemini-2.5-pro",
		body: `"reasoning_effort":"none"`, want: map[string]string{"generationConfig": `{"thinkingConfig":{"thinkingBudget":128}}`},
	}, {
		name: "vercel#18989, #19038: minimal thinking of 3.7 Flash is low", model: "gemini-3.7-flash",
		body: `"reasoning_effort":"minimal"`, want: map[string]string{"generationConfig/thinkingConfig/thinkingLevel": `"LOW"`},
	}, {
		name: "vercel#18989: of 3 Flash it is minimal", model: "gemini-3-flash",
		body: `"reasoning_effort":"minimal"`, want: map[string]string{"generationConfig/thinkingConfig/thinkingLevel": `"MINIMAL"`},
	}, {
		name: "vercel#18989: of 3.1 Pro it is low", model: "gemini-3.1-pro-preview",
		body: `"reasoning_effort":"minimal"`, want: map[string]string{"generationConfig/thinkingConfig/thinkingLevel": `"LOW"`},
	}, {
		name: "Kilo#5139, Roo#10700: 2.5 is told a budget and no level", model: flash, body: `"reasoning_effort":"medium"`,
		want: map[string]string{"generationConfig": `{"thinkingConfig":{"includeThoughts":true,"thinkingBudget":8192}}`},
	}, {
		name: "Continue: Google's own thinking_config and reasoning_effort are one",
		body: `"reasoning_effort":"low","extra_body":{"google":{"thinking_config":{"include_thoughts":true}}}`,
		want: map[string]string{"generationConfig": `{"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"LOW"}}`},
	}, {
		name: "Continue: as the SDK for Python sends it, and 2.5", model: flash,
		body: `"reasoning_effort":"low","google":{"thinking_config":{"include_thoughts":false}}`,
		want: map[string]string{"generationConfig": `{"thinkingConfig":{"thinkingBudget":1024}}`},
	}, {
		name: "openai-gemini#63, MisakaNet#1473: penalties of 0 are none", body: `"frequency_penalty":0,"presence_penalty":0`,
		want: map[string]string{"generationConfig": ``},
	}, {
		name: "openai-gemini#63: penalties that 2.5 does not take are dropped", model: flash,
		body: `"frequency_penalty":0.5,"presence_penalty":0.5,"temperature":0`, want: map[string]string{"generationConfig": `{"temperature":0}`},
		ignored: "presence_penalty, frequency_penalty",
	}, {
		name: "MisakaNet#1473: nor does Gemini 4", model: "gemini-4-argon", body: `"frequency_penalty":0.5`,
		want: map[string]string{"generationConfig": ``}, ignored: "frequency_penalty",
	}, {
		name: "ChatterUI#227: a seed of more than 32 bits", body: `"seed":4294967301`, want: map[string]string{"generationConfig": `{"seed":4}`},
	}, {
		name: "more stop sequences than Google takes", body: `"stop":["a","b","c","d","e","f"]`,
		want: map[string]string{"generationConfig/stopSequences": `["a","b","c","d","e"]`},
	}, {
		name: "CLIProxyAPI: max_completion_tokens alone is a limit", body: `"max_completion_tokens":100`,
		want: map[string]string{"generationConfig": `{"maxOutputTokens":100}`},
	}, {
		name: "CLIProxyAPI#3469: which is no more than the model gives", body: `"max_completion_tokens":200000`,
		want: map[string]string{"generationConfig": `{"maxOutputTokens":65536}`},
	}, {
		name: "vercel#3599, CLIProxyAPI: results are objects, and JSON is not encoded twice",
		body: hiThen + called(`"{}"`, "a", "b", "c", "d", "e", "g") + `,` + returned("a", `"{\"x\":{\"y\":[1]}}"`) + `,` + returned("b", `"[1,2]"`) + `,` +
			returned("c", `"sunny"`) + `,` + returned("d", `[{"type":"text","text":"one"},{"type":"text","text":"two"}]`) + `,` +
			returned("e", `""`) + `,` + returned("g", `"{\"x\":1} and more"`) + `]`,
		want: map[string]string{"contents/2/parts": `[` + responds("a", `{"x":{"y":[1]}}`) + `,` + responds("b", `{"output":[1,2]}`) + `,` +
			responds("c", `{"output":"sunny"}`) + `,` + responds("d", `{"output":"one\ntwo"}`) + `,` + responds("e", `{"output":""}`) + `,` +
			responds("g", `{"output":"{\"x\":1} and more"}`) + `]`},
	}, {
		name: "litellm#23712: a picture that a tool returned is seen",
		body: hiThen + called(`"{}"`, "a") + `,` + returned("a", `[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"`+pngURL+`"}}]`) + `]`,
		want: map[string]string{"contents/2/parts": `[{"functionResponse":{"id":"a","name":"f_a","response":{"output":"see"},"parts":[` + pngInline + `]}}]`},
	}, {
		name: "vercel#12777: also in Anthropic's form, and by 2.5, after all results", model: flash,
		body: hiThen + called(`"{}"`, "a", "b") + `,` + returned("a", `[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]`) +
			`,` + returned("b", `"2"`) + `]`,
		want: map[string]string{"contents/2/parts": `[` + responds("a", `{"output":""}`) + `,` + responds("b", `{"output":2}`) + `,` + pngInline + `]`},
	}, {
		name: "CLIProxyAPI#1682: also in the form of the Responses API",
		body: `"input":[` + hi + `,{"type":"function_call","call_id":"a","name":"f_a","arguments":"{}"},
			{"type":"function_call_output","call_id":"a","output":[{"type":"input_image","image_url":"` + pngURL + `"}]}]`,
		want: map[string]string{"contents/2/parts/0/functionResponse/parts": `[` + pngInline + `]`},
	}, {
		name: "litellm#9798: a document by data URL, and by bare base64 with a name",
		body: `"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,` + pdfBase64 + `"}},
			{"type":"file","file":{"filename":"a.pdf","file_data":"` + pdfBase64 + `"}}]}]`,
		want: map[string]string{
			"contents/0/parts/0/inlineData": `{"mimeType":"application/pdf","data":"` + pdfBase64 + `"}`,
			"contents/0/parts/1/inlineData": `{"mimeType":"application/pdf","data":"` + pdfBase64 + `"}`,
		},
	}, {
		name: "CLIProxyAPI: developers say what systems say, also in the middle",
		body: `"messages":[{"role":"developer","content":"d"},{"role":"system","content":"s"},` + hi + `,{"role":"assistant","content":"yes"},
			{"role":"system","content":"be brief"},` + hi + `]`,
		want: map[string]string{
			"systemInstruction/parts": `[{"text":"d"},{"text":"s"}]`,
			"contents/2/parts":        `[{"text":"<system>\nbe brief\n</system>"},{"text":"hi"}]`,
		},
	}, {
		name: "CLIProxyAPI: what a system says comes after the results it stands among",
		body: hiThen + called(`"{}"`, "a") + `,{"role":"system","content":"be brief"},` + returned("a", `"1"`) + `]`,
		want: map[string]string{
			"contents/2/parts": `[` + responds("a", `{"output":1}`) + `]`, "contents/3/parts": `[{"text":"<system>\nbe brief\n</system>"}]`,
		},
	}, {
		name: "CLIProxyAPI: where only a system speaks, it is the user",
		body: `"messages":[{"role":"system","content":"s"}]`,
		want: map[string]string{"contents": `[{"role":"user","parts":[{"text":"s"}]}]`, "systemInstruction": ``},
	}, {
		name: "crewAI#6973, #7134: an answer that the client began is gone on with", model: "gemini-3.8-flash",
		body: hiThen + `{"role":"assistant","content":"I was"}]`,
		want: map[string]string{
			"contents/1": `{"role":"model","parts":[{"text":"I was"}]}`,
			"contents/2": `{"role":"user","parts":[{"text":"Continue exactly from where you stopped; do not repeat."}]}`,
		},
	}, {
		name: "CLIProxyAPI: no arguments", body: hiThen + called(`""`, "a") + `,` + returned("a", `"1"`) + `]`,
		want: map[string]string{"contents/1/parts/0/functionCall/args": `{}`},
	}, {
		name: "CLIProxyAPI: arguments that break off", body: hiThen + called(`"{\"x\":\"}],\\\"y"`, "a") + `,` + returned("a", `"1"`) + `]`,
		want: map[string]string{"contents/1/parts/0/functionCall/args": `{"_raw":"{\"x\":\"}],\\\"y"}`},
	}, {
		name: "CLIProxyAPI: arguments that are no object", body: hiThen + called(`"[1]"`, "a") + `,` + returned("a", `"1"`) + `]`,
		want: map[string]string{"contents/1/parts/0/functionCall/args": `{"value":[1]}`},
	}, {
		name: "litellm#34029, CLIProxyAPI#658, #659: a body of the Responses API, as Cursor sends it",
		body: `"input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]}],"instructions":"be brief",
			"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"x":{"type":"string"}}}},
			{"type":"custom","name":"patch","format":{"type":"grammar","syntax":"lark","definition":"start: x"}}],"tool_choice":"none"`,
		want: map[string]string{
			"contents": `[` + hiContent + `]`, "systemInstruction/parts": `[{"text":"be brief"}]`,
			"tools/0/functionDeclarations/0":      `{"name":"f","parametersJsonSchema":{"type":"object","properties":{"x":{"type":"string"}}}}`,
			"tools/0/functionDeclarations/1/name": `"patch"`,
		},
	}, {
		name: "ChatterUI#227: members that nobody knows, at any level",
		body: `"zzz":1,"extra_content":{"a":[{}]},"tools":[{"type":"function","zzz":1,"function":{"name":"f","zzz":1}}],"tool_choice":"none",
			"messages":[{"role":"user","zzz":1,"extra_content":{"google":7},"content":[{"type":"text","text":"hi","zzz":{}}]}]`,
		want:    map[string]string{"contents": `[` + hiContent + `]`, "tools": `[{"functionDeclarations":[{"name":"f"}]}]`},
		ignored: "extra_content, zzz",
	},
}

// lookUp is what stands at a path of a body; nil where nothing does.
func lookUp(body any, path string) any {
	for step := range strings.SplitSeq(path, "/") {
		switch at := body.(type) {
		case map[string]any:
			body = at[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(at) {
				return nil
			}
			body = at[i]
		default:
			return nil
		}
	}
	return body
}

// sentBody is what Google was asked in its latest call.
func (w *world) sentBody() (body any) {
	w.Helper()
	calls := w.google.Calls(googlesim.Match{Method: "streamGenerateContent"})
	if len(calls) == 0 {
		w.Fatal("Google was not asked")
	}
	if err := json.Unmarshal(calls[len(calls)-1].Body, &body); err != nil {
		w.Fatal(err)
	}
	return body
}

// ask asks, in the way of both.
func (q *reportedRequest) ask(w *world) *answer {
	w.Helper()
	body := plain()
	if isStream(w) {
		body = stream()
	}
	body["model"] = model
	if q.model != "" {
		body["model"] = q.model
	}
	var members map[string]any
	if err := json.Unmarshal([]byte("{"+q.body+"}"), &members); err != nil {
		w.Fatal(err)
	}
	maps.Copy(body, members)
	if members["input"] == nil {
		return w.ask(body)
	}
	text, err := json.Marshal(body)
	if err != nil {
		w.Fatal(err)
	}
	return w.send(w.Context(), http.MethodPost, chatPath, string(text), true)
}

func TestReportedRequestsReachGoogle(t *testing.T) {
	for _, q := range requests {
		t.Run(q.name, func(t *testing.T) {
			both(t, func(w *world, _ func() *answer) {
				w.key(1)
				w.start()
				a := q.ask(w)
				w.text(a)
				body := w.sentBody()
				for path, want := range q.want {
					got := lookUp(body, path)
					var wanted any
					if want != "" {
						if err := json.Unmarshal([]byte(want), &wanted); err != nil {
							w.Fatal(err)
						}
					}
					if !reflect.DeepEqual(got, wanted) {
						text, _ := json.Marshal(got)
						w.Errorf("%s is %s\nwant %s", path, text, want)
					}
				}
				if got := a.Header().Get("X-Gemini-Proxy-Ignored"); got != q.ignored {
					w.Errorf("ignored %q, want %q", got, q.ignored)
				}
				w.wantCalls("", 1)
			})
		})
	}
}

// OmniRoute#13752, gemini-cli#2966, void#961, seclab#287: names that Google does not take are others there, each its own, and come back as
// they were.
func TestNamesOfToolsComeBackAsTheyWere(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		names := []string{"1c_ssl_reload", "a b/c", "a_b_c", strings.Repeat("x", 70), strings.Repeat("x", 71), "fine-1.0", "ünï"}
		var tools []string
		for _, name := range names {
			tools = append(tools, `{"type":"function","function":{"name":"`+name+`"}}`)
		}
		q := reportedRequest{body: `"tools":[` + strings.Join(tools, ",") + `]`}
		q.ask(w)
		declared, _ := lookUp(w.sentBody(), "tools/0/functionDeclarations").([]any)
		var parts []string
		for _, d := range declared {
			name, _ := lookUp(d, "name").(string)
			parts = append(parts, `{"functionCall":{"name":"`+name+`"}}`)
		}
		w.script("", googlesim.Reply{Events: []string{says(strings.Join(parts, ","), "STOP")}})
		c := w.completion(q.ask(w))
		if len(c.Calls) != len(names) {
			w.Fatalf("calls %+v", c.Calls)
		}
		for i, name := range names {
			if c.Calls[i].Name != name {
				w.Errorf("%q came back as %q", name, c.Calls[i].Name)
			}
		}
	})
}
