package gemini

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// The tests in this file are public reports of schemas that Google refused, or that came to harm on the way to it.

// allBackends are the backends with a model that there is on each of them.
var allBackends = []translate.Backend{translate.GeminiAPI, translate.Vertex, translate.CodeAssist}

const everywhere = "gemini-3-flash-preview"

// schemaRequest has a schema for the arguments of a tool, for the answer, or for both.
func schemaRequest(parameters, answer string) *translate.Request {
	req := talk(user(text("hi")))
	if parameters != "" {
		req.Tools = []translate.Tool{{Name: "f", Schema: jsontext.Value(parameters)}}
	}
	if answer != "" {
		req.Format = translate.Format{Kind: translate.FormatSchema, Schema: jsontext.Value(answer)}
	}
	return req
}

// checkTaken checks that the strict simulator of Google takes a request on every backend, at every stage of its schemas.
func (g *strictGoogle) checkTaken(t *testing.T, req *translate.Request) {
	t.Helper()
	for _, b := range allBackends {
		for _, stage := range []SchemaStage{SchemaFull, SchemaLite, SchemaProto} {
			e := remedied(t, req, b, everywhere, Remedies{Parameters: stage, Answer: stage})
			if status, answer := g.ask(t, b, everywhere, e.Body); status != http.StatusOK {
				t.Errorf("%s, stage %d: %d %s\n%s", b, stage, status, answer, e.Body)
			}
		}
	}
}

// checkReport checks the two dialects of a schema, and that Google takes them.
func checkReport(t *testing.T, schema, free, proto string) {
	t.Helper()
	newStrictGoogle(t).checkTaken(t, schemaRequest(schema, schema))
	for stage, want := range map[SchemaStage]string{SchemaFull: `"parametersJsonSchema":` + free, SchemaProto: `"parameters":` + proto} {
		e := remedied(t, schemaRequest(schema, ""), translate.GeminiAPI, newest, Remedies{Parameters: stage})
		if got := e.member(t, "tools"); got != `[{"functionDeclarations":[{"name":"f",`+want+`}]}]` {
			t.Errorf("stage %d: %s,\nwant %s", stage, got, want)
		}
	}
}

func TestReportedSchemas(t *testing.T) {
	tests := []struct{ name, schema, free, proto string }{
		{ // CLIProxyAPI#97, 5ire#42, openswarm#24, zed#44875
			"keywords that are no fields",
			`{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","additionalProperties":false,"properties":{"a":{"const":"x","x-hint":1},"b":{"type":"integer","exclusiveMinimum":0},"c":{"type":"object","propertyNames":{"pattern":"^a"},"additionalProperties":{"type":"string"}}},"strict":true}`,
			`{"type":"object","additionalProperties":false,"properties":{"a":{"enum":["x"]},"b":{"type":"integer","minimum":1},"c":{"type":"object","additionalProperties":{"type":"string"},"description":"(propertyNames: {\"pattern\":\"^a\"})"}}}`,
			`{"type":"OBJECT","properties":{"a":{"type":"STRING","enum":["x"]},"b":{"type":"INTEGER","description":"(minimum: 1)"},"c":{"type":"OBJECT","description":"(propertyNames: {\"pattern\":\"^a\"})","properties":{"key":{"type":"STRING"}}}},"propertyOrdering":["a","b","c"]}`,
		},
		{ // zed#53919, prism#974, vercel#10123
			"several types",
			`{"type":"object","properties":{"a":{"type":["string","null"]},"b":{"type":["string","integer"]}},"required":["a"]}`,
			`{"type":"object","properties":{"a":{"type":["string","null"]},"b":{"type":["string","integer"]}},"required":["a"]}`,
			`{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true},"b":{"anyOf":[{"type":"STRING"},{"type":"INTEGER"}]}},"propertyOrdering":["a","b"],"required":["a"]}`,
		},
		{ // opencode#46676, CLIProxyAPI#4545, weave#83
			"values that are nothing",
			`{"type":"object","properties":{"a":{"type":"string","enum":["","a",null]},"b":{"type":"string","enum":[""]}}}`,
			`{"type":"object","properties":{"a":{"type":["string","null"],"enum":["a"]},"b":{"type":"string"}}}`,
			`{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true,"enum":["a"]},"b":{"type":"STRING"}},"propertyOrdering":["a","b"]}`,
		},
		{ // vercel#18652, CLIProxyAPI#1076
			"values that are numbers",
			`{"type":"object","properties":{"a":{"type":"integer","enum":[1,2]},"b":{"type":"boolean","enum":[true]}}}`,
			`{"type":"object","properties":{"a":{"type":"integer","enum":[1,2]},"b":{"type":"boolean","description":"(one of: true)"}}}`,
			`{"type":"OBJECT","properties":{"a":{"type":"INTEGER","description":"(one of: 1 | 2)"},"b":{"type":"BOOLEAN","description":"(one of: true)"}},"propertyOrdering":["a","b"]}`,
		},
		{ // weave#83
			"an array of anything",
			`{"type":"object","properties":{"tools":{"type":"array"},"pair":{"type":"array","items":[]}}}`,
			`{"type":"object","properties":{"tools":{"type":"array","items":{}},"pair":{"type":"array","items":{}}}}`,
			`{"type":"OBJECT","properties":{"tools":{"type":"ARRAY","items":{"type":"STRING"}},"pair":{"type":"ARRAY","items":{"type":"STRING"}}},"propertyOrdering":["tools","pair"]}`,
		},
		{ // Kilo#11955
			"required properties that there are none of",
			`{"type":"object","properties":{"a":{"type":"string"}},"required":["a","path"]}`,
			`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`,
			`{"type":"OBJECT","properties":{"a":{"type":"STRING"}},"required":["a"]}`,
		},
		{ // browser-use#3786, vercel#11319
			"objects without properties",
			`{"type":"object","properties":{"go_back":{"type":"object","properties":{}}}}`,
			`{"type":"object","properties":{"go_back":{"type":"object","properties":{}}}}`,
			`{"type":"OBJECT","properties":{"go_back":{"type":"OBJECT","properties":{"key":{"type":"STRING"}}}}}`,
		},
		{ // opencode#11889
			"properties of a string",
			`{"type":"object","properties":{"data":{"type":"string","properties":{"a":{"type":"string"}},"required":["a"]}}}`,
			`{"type":"object","properties":{"data":{"type":"string"}}}`,
			`{"type":"OBJECT","properties":{"data":{"type":"STRING"}}}`,
		},
		{ // opencode#12295, gemini-cli#13326, gcli2api#374
			"references with company, to definitions in odd places",
			`{"type":"object","properties":{"q":{"$ref":"#/definitions/Q","description":"d","nullable":true,"title":"T"},"o":{"type":"object","properties":{"x":{"$ref":"#/$defs/X"}},"$defs":{"X":{"type":"string"}}}},"definitions":{"Q":{"type":"object","properties":{"a":{"type":"string"}}}}}`,
			`{"type":"object","properties":{"q":{"anyOf":[{"$ref":"#/$defs/Q","description":"d"},{"type":"null"}]},"o":{"type":"object","properties":{"x":{"$ref":"#/$defs/X"}}}},"$defs":{"Q":{"type":"object","properties":{"a":{"type":"string"}}},"X":{"type":"string"}}}`,
			`{"type":"OBJECT","properties":{"q":{"type":"OBJECT","description":"d","nullable":true,"properties":{"a":{"type":"STRING"}}},"o":{"type":"OBJECT","properties":{"x":{"type":"STRING"}}}},"propertyOrdering":["q","o"]}`,
		},
		{ // vercel#19141
			"a tree",
			`{"$ref":"#/$defs/Node","$defs":{"Node":{"type":"object","properties":{"value":{"type":"string"},"children":{"type":"array","items":{"$ref":"#/$defs/Node"}}},"required":["value","children"]}}}`,
			`{"type":"object","properties":{"value":{"type":"string"},"children":{"type":"array","items":{"$ref":"#/$defs/Node"}}},"required":["value","children"],"$defs":{"Node":{"type":"object","properties":{"value":{"type":"string"},"children":{"type":"array","items":{"$ref":"#/$defs/Node"}}},"required":["value"]}}}`,
			`{"type":"OBJECT","properties":{"value":{"type":"STRING"},"children":{"type":"ARRAY","items":{"type":"OBJECT","properties":{"value":{"type":"STRING"},"children":{"type":"ARRAY","items":{"type":"OBJECT","properties":{"key":{"type":"STRING"}}}}},"propertyOrdering":["value","children"],"required":["value"]}}},"propertyOrdering":["value","children"],"required":["value","children"]}`,
		},
		{ // CLIProxyAPI's cleaner, once
			"properties named like keywords",
			`{"type":"object","properties":{"title":{"type":"string"},"default":{"type":"string"},"type":{"type":"string"},"properties":{"type":"object","properties":{"$schema":{"type":"string"}}},"enum":{"type":"string"},"$ref":{"type":"string"},"required":{"type":"boolean"},"const":{"type":"string"}},"required":["title","required"]}`,
			`{"type":"object","properties":{"title":{"type":"string"},"default":{"type":"string"},"type":{"type":"string"},"properties":{"type":"object","properties":{"$schema":{"type":"string"}}},"enum":{"type":"string"},"$ref":{"type":"string"},"required":{"type":"boolean"},"const":{"type":"string"}},"required":["title","required"]}`,
			`{"type":"OBJECT","properties":{"title":{"type":"STRING"},"default":{"type":"STRING"},"type":{"type":"STRING"},"properties":{"type":"OBJECT","properties":{"$schema":{"type":"STRING"}}},"enum":{"type":"STRING"},"$ref":{"type":"STRING"},"required":{"type":"BOOLEAN"},"const":{"type":"STRING"}},"propertyOrdering":["title","default","type","properties","enum","$ref","required","const"],"required":["title","required"]}`,
		},
		{ // opencode#43495, vercel#14369
			"objects that may be null, and alternatives with company",
			`{"type":"object","properties":{"a":{"type":["object","null"],"properties":{"x":{"type":"string"}},"required":["x"]},"b":{"description":"d","anyOf":[{"type":"string"},{"type":"number"}]},"c":{"type":["array","null"],"items":{"type":"string"}}}}`,
			`{"type":"object","properties":{"a":{"type":["object","null"],"properties":{"x":{"type":"string"}},"required":["x"]},"b":{"anyOf":[{"type":"string","description":"d"},{"type":"number"}]},"c":{"type":["array","null"],"items":{"type":"string"}}}}`,
			`{"type":"OBJECT","properties":{"a":{"type":"OBJECT","nullable":true,"properties":{"x":{"type":"STRING"}},"required":["x"]},"b":{"anyOf":[{"type":"STRING","description":"d"},{"type":"NUMBER"}]},"c":{"type":"ARRAY","nullable":true,"items":{"type":"STRING"}}},"propertyOrdering":["a","b","c"]}`,
		},
		{ // vercel#19000
			"alternatives at the root",
			`{"anyOf":[{"type":"object","properties":{"to":{"type":"string"}},"required":["to"]},{"type":"object","properties":{"by":{"type":"number"}},"required":["by"]}]}`,
			`{"type":"object","properties":{"to":{"type":"string"},"by":{"type":"number"}},"description":"(required: to | by)"}`,
			`{"type":"OBJECT","description":"(required: to | by)","properties":{"to":{"type":"STRING"},"by":{"type":"NUMBER"}},"propertyOrdering":["to","by"]}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkReport(t, tt.schema, tt.free, tt.proto) })
	}
}

// An empty schema at the root says nothing in the older dialect, which takes no object without properties: browser-use#3786.
func TestParametersWithoutProperties(t *testing.T) {
	req := schemaRequest(`{"type":"object","properties":{}}`, "")
	newStrictGoogle(t).checkTaken(t, req)
	for stage, want := range map[SchemaStage]string{SchemaFull: `{"name":"f","parametersJsonSchema":{"type":"object","properties":{}}}`, SchemaProto: `{"name":"f"}`} {
		e := remedied(t, req, translate.GeminiAPI, newest, Remedies{Parameters: stage})
		if got := e.member(t, "tools"); got != `[{"functionDeclarations":[`+want+`]}]` {
			t.Errorf("stage %d: %s, want %s", stage, got, want)
		}
	}
}

// Inlined references made answers' schemas too deep: litellm#21597, Portkey#1546, js-genai#882.
func TestReferencesOfAnswersAreKept(t *testing.T) {
	var defs strings.Builder
	for i := range 6 {
		fmt.Fprintf(&defs, `"L%d":{"properties":{"name":{"title":"Name","type":"string"},"next":{"$ref":"#/$defs/L%d"},"others":{"items":{"$ref":"#/$defs/L%d"},"title":"Others","type":"array"}},"required":["name","next"],"title":"L%d","type":"object"},`, i, i+1, i+1, i)
	}
	schema := `{"$defs":{` + defs.String() + `"L6":{"enum":["a","b"],"title":"L6","type":"string"}},"properties":{"first":{"$ref":"#/$defs/L0"}},"required":["first"],"title":"R","type":"object"}`
	req := schemaRequest("", schema)
	newStrictGoogle(t).checkTaken(t, req)
	sent := remedied(t, req, translate.GeminiAPI, newest, Remedies{}).member(t, "generationConfig")
	if n := strings.Count(sent, `"$ref"`); n != 13 || len(sent) > len(schema)+100 {
		t.Errorf("%d references in %s", n, sent)
	}
	for i := range 6 {
		want := fmt.Sprintf(`"L%d":{"properties":{"name":{"title":"Name","type":"string"},"next":{"$ref":"#/$defs/L%d"},"others":{"items":{"$ref":"#/$defs/L%d"},"title":"Others","type":"array"}},"required":["name","next"],"title":"L%d","type":"object"}`, i, i+1, i+1, i)
		if !strings.Contains(sent, want) {
			t.Errorf("%s, without %s", sent, want)
		}
	}
}

// Nobody follows a circle for ever, whether it is of a tool's arguments or of the answer: vercel#19141.
func TestSchemasThatAreCircular(t *testing.T) {
	g := newStrictGoogle(t)
	for _, schema := range []string{
		`{"type":"object","properties":{"kids":{"type":"array","items":{"$ref":"#"}},"twin":{"$ref":"#"}},"required":["kids","twin"]}`,
		`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"required":["a"],"$defs":{"A":{"type":"object","properties":{"b":{"$ref":"#/$defs/B"}},"required":["b"]},"B":{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"required":["a"]}}}`,
		`{"type":"object","properties":{"j":{"$ref":"#/$defs/J"}},"$defs":{"J":{"anyOf":[{"type":"string"},{"type":"array","items":{"$ref":"#/$defs/J"}},{"type":"object","additionalProperties":{"$ref":"#/$defs/J"}}]}}}`,
	} {
		g.checkTaken(t, schemaRequest(schema, schema))
		for _, use := range []schemaUse{forParameters, forAnswer} {
			clean, err := cleanSchema(use, []byte(schema))
			if err != nil {
				t.Fatal(err)
			}
			checkFree(t, use, clean) // which wants every circle to have a way out
		}
	}
}

// Many arrays of many items together are refused without a word about them: python-genai#2170, vercel#21192.
func TestArraysOfManyItems(t *testing.T) {
	schema := func(bound int) string {
		var b strings.Builder
		for i := range 20 {
			fmt.Fprintf(&b, `"p%d":{"type":"array","items":{"type":"string"},"maxItems":%d},`, i, bound)
		}
		return `{"type":"object","properties":{` + b.String() + `"z":{"type":"string"}}}`
	}
	for bound, kept := range map[int]int{200: 0, 64: 14} {
		req := schemaRequest(schema(bound), "")
		newStrictGoogle(t).checkTaken(t, req)
		sent := remedied(t, req, translate.GeminiAPI, newest, Remedies{}).member(t, "tools")
		hints := strings.Count(sent, fmt.Sprintf(`"description":"(maxItems: %d)"`, bound))
		if n := strings.Count(sent, fmt.Sprintf(`"maxItems":%d`, bound)); n > kept || n*bound > maxItemsTotal || n+hints != 20 {
			t.Errorf("of arrays of %d items, %d are bounded and %d are said to be: %s", bound, n, hints, sent)
		}
	}
	// The schemas of a request count together.
	req := schemaRequest(schema(40), schema(40))
	newStrictGoogle(t).checkTaken(t, req)
	if e := remedied(t, req, translate.GeminiAPI, newest, Remedies{}); 40*strings.Count(string(e.Body), `"maxItems":40`) > maxItemsTotal {
		t.Errorf("%s", e.Body)
	}
}

// Schemas are cleaned, and nothing else, however much it looks like one: CLIProxyAPI once cleaned a whole request.
func TestArgumentsInTheHistoryAreLeftAlone(t *testing.T) {
	const args = `{"$schema":"s","const":1,"type":["string","null"],"enum":["",null,true],"properties":"x","required":["gone"],"additionalProperties":false,"parameters":{"$ref":"#/nowhere","default":null,"title":""}}`
	req := talk(user(text("a")), assistant(call("id1", "f", args, "")), toolSaid(result("id1", args)))
	req.Tools = []translate.Tool{{Name: "f", Schema: jsontext.Value(`{"type":"object","properties":{"const":{"const":1}}}`)}}
	for _, stage := range []SchemaStage{SchemaFull, SchemaLite, SchemaProto} {
		sent := remedied(t, req, translate.GeminiAPI, newest, Remedies{Parameters: stage}).member(t, "contents")
		if n := strings.Count(sent, args); n != 2 {
			t.Errorf("stage %d: %d times in %s", stage, n, sent)
		}
	}
}

// Before Gemini 3, JSON mode and functions exclude each other: python-genai#867, openai-agents#656, symfony/ai#803.
func TestAnswersInJSONBesideTools(t *testing.T) {
	const object = `{"type":"object","properties":{"a":{"type":"string","pattern":"^a"}}}`
	g := newStrictGoogle(t)
	req := schemaRequest(object, object)
	for name, asked := range map[string]bool{older: false, newest: true} {
		e := remedied(t, req, translate.GeminiAPI, name, Remedies{})
		if status, answer := g.ask(t, translate.GeminiAPI, name, e.Body); status != http.StatusOK {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		var body struct {
			GenerationConfig struct {
				ResponseMIMEType   string
				ResponseJSONSchema json.RawMessage
			}
			SystemInstruction json.RawMessage
			Contents          json.RawMessage
		}
		if err := json.Unmarshal(e.Body, &body); err != nil {
			t.Fatal(err)
		}
		said := strings.Contains(string(body.SystemInstruction)+string(body.Contents), `\"pattern\":\"^a\"`)
		if c := body.GenerationConfig; (c.ResponseMIMEType == mimeJSON) != asked || (c.ResponseJSONSchema != nil) != asked || said == asked {
			t.Errorf("%s: %s", name, e.Body)
		}
		if len(e.Ignored) > 0 {
			t.Errorf("%s: ignored %q", name, e.Ignored)
		}
	}
}

// The strict simulator of Google takes what the stages make of any schema, on every backend.
func TestTheStrictSimulatorTakesEveryStage(t *testing.T) {
	g := newStrictGoogle(t)
	for _, schema := range oddSchemas() {
		g.checkTaken(t, schemaRequest(schema, schema))
	}
	for seed := range uint64(150) {
		schema, err := json.Marshal(map[string]any{"type": "object", "properties": map[string]any{"a": randomSchema(rand.New(rand.NewPCG(seed, 5)), 0)}})
		if err != nil {
			t.Fatal(err)
		}
		g.checkTaken(t, schemaRequest(string(schema), string(schema)))
	}
}
