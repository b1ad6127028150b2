package gateway_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// The tests in this file are about requests that Google refuses for their form, and takes in another one.

// inBothWays runs a rule for streamed and plain answers to requests of the test's own, each in a world with one account.
func inBothWays(t *testing.T, test func(w *world, ask func(body map[string]any) *answer)) {
	t.Helper()
	for name, how := range map[string]func() map[string]any{"plain": plain, "stream": stream} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(w *world) {
				w.key(1)
				test(w, func(body map[string]any) *answer {
					all := how()
					maps.Copy(all, body)
					return w.ask(all)
				})
			})
		})
	}
}

// wantHealthy checks that nothing was held against the account.
func (w *world) wantHealthy() {
	w.Helper()
	w.wantReady(1)
	if a := w.account(1); a.Errors != 0 {
		w.Errorf("the account has %d errors: %s", a.Errors, a.Reason)
	}
}

// lastBody is the request that Google got last.
func (w *world) lastBody() string {
	calls := w.google.Calls(googlesim.Match{Method: "streamGenerateContent"})
	return string(calls[len(calls)-1].Body)
}

// toolLoop is a conversation in which a tool was called and has answered.
func toolLoop(model, id, signature string) map[string]any {
	called := map[string]any{"id": id, "type": "function", "function": map[string]any{"name": "f", "arguments": "{}"}}
	if signature != "" {
		called["extra_content"] = map[string]any{"google": map[string]any{"thought_signature": signature}}
	}
	return map[string]any{"model": model, "messages": []any{
		map[string]any{"role": "user", "content": "Hello"},
		map[string]any{"role": "assistant", "content": nil, "tool_calls": []any{called}},
		map[string]any{"role": "tool", "tool_call_id": id, "content": "done"},
	}}
}

// foreignSignature is one that Google cannot read: another service's, or another key's.
const foreignSignature = "Zm9yZWlnbiBzaWduYXR1cmU="

// crush#1698, gemini-cli#13467, CLIProxyAPI#1538, Antigravity-Manager#3342
func TestSignaturesThatGoogleCannotReadAreGivenUp(t *testing.T) {
	inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
		w.start()
		a := ask(toolLoop(model, "call_1", foreignSignature))
		w.text(a)
		w.wantCalls("", 2)
		w.wantHealthy()
		if got := a.Header().Get("X-Gemini-Proxy-Attempts"); got != "2" {
			w.Errorf("%s attempts", got)
		}
		if tries := a.record.Tries; len(tries) != 2 || tries[0].Status != http.StatusBadRequest || tries[1].Outcome != gateway.OutcomeAnswered {
			w.Errorf("the record says %+v", tries)
		}
		if body := w.lastBody(); strings.Contains(body, foreignSignature) || strings.Count(body, "skip_thought_signature_validator") != 1 {
			w.Errorf("Google was sent %s", body)
		}

		w.text(ask(toolLoop(model, "call_1", foreignSignature))) // the conversation goes on as it was mended
		w.wantCalls("", 3)
		w.text(ask(toolLoop(model, "call_1", "b3RoZXI="))) // another one has to be mended by itself
		w.wantCalls("", 5)
	})
}

func TestSignaturesAreGivenUpOnce(t *testing.T) {
	for _, complaint := range []string{"Corrupted thought signature.", "Invalid thought signature."} {
		inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
			w.start()
			w.google.Always(googlesim.Match{}, googlesim.BadRequest(complaint))
			w.wantError(ask(toolLoop(model, "call_1", foreignSignature)), http.StatusBadRequest, "invalid_value")
			w.wantCalls("", 2)
			w.wantHealthy()
			w.wantError(ask(toolLoop(model, "call_1", "")), http.StatusBadRequest, "invalid_value") // nothing to give up
			w.wantCalls("", 3)
		})
	}
}

// withTool is a question with a tool of that parameters schema.
func withTool(schema string) map[string]any {
	return map[string]any{"tools": []any{map[string]any{
		"type": "function", "function": map[string]any{"name": "f", "parameters": json.RawMessage(schema)},
	}}}
}

// withFormat is a question whose answer must obey that schema.
func withFormat(schema string) map[string]any {
	return map[string]any{"response_format": map[string]any{
		"type": "json_schema", "json_schema": map[string]any{"name": "answer", "schema": json.RawMessage(schema)},
	}}
}

const (
	boundedSchema    = `{"type":"object","properties":{"minimum":{"type":"array","items":{"type":"string"},"maxItems":60}}}`
	enumeratedSchema = `{"type":"object","properties":{"a":{"type":"string","enum":["x","y"]}}}`
	// stubbornSchema is another one at each stage, and none of them is simple.
	stubbornSchema = `{"type":"object","properties":{"a":{"type":"string","enum":["x","y"]},"b":{"type":"array","maxItems":60}}}`
)

func TestSchemasAreSimplifiedUntilGoogleTakesThem(t *testing.T) {
	tests := []struct {
		name    string
		quirks  googlesim.Quirks
		body    map[string]any
		calls   int
		ignored string
		sent    string // part of the request that was answered
	}{
		{"a tool's bounds", googlesim.Quirks{MaxStates: 10}, withTool(boundedSchema), 2, "",
			`"parametersJsonSchema":{"type":"object","properties":{"minimum":{"type":"array","items":{"type":"string"},"description":"(maxItems: 60)"}}}`},
		{"an answer's bounds", googlesim.Quirks{MaxStates: 10}, withFormat(boundedSchema), 2, "", `"responseJsonSchema":`},
		{"bounds, unclearly", googlesim.Quirks{MaxStates: 10, Unclear: true}, withTool(boundedSchema), 2, "", `"parametersJsonSchema":`},
		{"a tool in the older dialect", googlesim.Quirks{NoJSONSchema: true}, withTool(enumeratedSchema), 2, "",
			`"parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING","enum":["x","y"]}}}`},
		{"an answer in the older dialect", googlesim.Quirks{NoJSONSchema: true}, withFormat(enumeratedSchema), 2, "",
			`"responseSchema":{"type":"OBJECT","properties":{"a":{"type":"STRING","enum":["x","y"]}}}`},
		{"an answer in words", googlesim.Quirks{MaxStates: 1}, withFormat(stubbornSchema), 4, "response_format", `It must obey this JSON Schema:`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
				w.start()
				w.google.Behave(tt.quirks)
				for i := range 3 {
					a := ask(tt.body)
					w.completion(a)
					w.wantCalls("", tt.calls+i) // once mended, it is asked in that form at once
					if got := a.Header().Get("X-Gemini-Proxy-Ignored"); got != tt.ignored {
						w.Errorf("ignored %q, want %q", got, tt.ignored)
					}
					if body := w.lastBody(); !strings.Contains(body, tt.sent) {
						w.Errorf("Google was sent %s, want %s in it", body, tt.sent)
					}
				}
				w.wantHealthy()
				w.completion(ask(withTool(`{"type":"object","properties":{"b":{"type":"string"}}}`)))
				more := 3
				if tt.quirks.NoJSONSchema {
					more = 4 // a schema that nothing was learned about
				}
				w.wantCalls("", tt.calls+more)
			})
		})
	}
}

// What is learned about one schema says nothing about the same schema for another model.
func TestLessonsAreAboutAModel(t *testing.T) {
	inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
		w.start()
		w.google.Behave(googlesim.Quirks{MaxStates: 10})
		w.completion(ask(withTool(boundedSchema)))
		w.wantCalls("", 2)
		other := withTool(boundedSchema)
		other["model"] = flash
		w.completion(ask(other))
		w.wantCalls("", 4)
	})
}

func TestLessonsOutliveAGateway(t *testing.T) {
	inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
		w.options.Lessons = gemini.NewLessons()
		w.start()
		w.google.Behave(googlesim.Quirks{MaxStates: 10})
		w.completion(ask(withTool(boundedSchema)))
		w.start()
		w.completion(ask(withTool(boundedSchema)))
		w.wantCalls("", 3)
	})
}

func TestARefusalThatNothingMendsIsTheClients(t *testing.T) {
	schema := func(n string) googlesim.Reply {
		return googlesim.BadRequest("* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties[a]: wrong " + n + "\n")
	}
	unclear := googlesim.BadRequest("Request contains an invalid argument.")
	states := googlesim.BadRequest("The specified schema produces a constraint that has too many states for serving.")
	inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
		w.start()
		w.script("", schema("1"), schema("2"))
		e := w.wantError(ask(withTool(boundedSchema)), http.StatusBadRequest, "invalid_value")
		if !strings.Contains(e.Message, "wrong 1") {
			w.Errorf("the client sees %q, which is not what Google said of its request", e.Message)
		}
		if e.Param == nil || *e.Param != "tools[0].function.parameters" {
			w.Errorf("param %v", e.Param)
		}
		w.wantCalls("", 2)
		w.wantHealthy()
		w.script("", unclear) // is not known to be in vain
		w.completion(ask(withTool(boundedSchema)))
		w.wantCalls("", 4)
	})
	t.Run("unclear", func(t *testing.T) {
		inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
			w.start()
			stop := w.google.Always(googlesim.Match{}, unclear)
			w.wantError(ask(withTool(boundedSchema)), http.StatusBadRequest, "invalid_value")
			w.wantCalls("", 3)
			w.wantError(ask(withTool(boundedSchema)), http.StatusBadRequest, "invalid_value") // as in vain as before: not tried again
			w.wantCalls("", 4)
			w.wantError(ask(plain()), http.StatusBadRequest, "invalid_value") // there is no schema it could be about
			w.wantCalls("", 5)
			stop()
			w.completion(ask(withTool(boundedSchema)))
			if !strings.Contains(w.lastBody(), `"maxItems":60`) {
				w.Errorf("what did not help was kept: %s", w.lastBody())
			}
			w.wantHealthy()
		})
	})
	t.Run("clear at first", func(t *testing.T) {
		inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
			w.start()
			w.script("", states, unclear, unclear)
			e := w.wantError(ask(withTool(boundedSchema)), http.StatusBadRequest, "invalid_value")
			if !strings.Contains(e.Message, "too many states") {
				w.Errorf("the client sees %q", e.Message)
			}
			w.wantCalls("", 3)
		})
	})
}

func TestMendingKeepsToTheAttempts(t *testing.T) {
	for attempts := 1; attempts <= 4; attempts++ {
		inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
			w.options.Attempts = attempts
			w.start()
			w.google.Behave(googlesim.Quirks{MaxStates: 1})
			a := ask(withFormat(stubbornSchema))
			if attempts == 4 {
				w.completion(a)
			} else {
				w.wantError(a, http.StatusBadRequest, "invalid_value")
			}
			w.wantCalls("", attempts)
		})
	}
}

// What was mended for one account is not to be mended again for the next.
func TestAMendedRequestGoesOnElsewhere(t *testing.T) {
	inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
		w.key(2)
		w.start()
		w.script("", googlesim.BadRequest("Corrupted thought signature."), googlesim.RateMinute(model, 37*time.Second))
		w.text(ask(toolLoop(model, "call_1", foreignSignature)))
		w.wantCalls("key-1", 2)
		w.wantCalls("key-2", 1)
	})
}

func TestCallIDsAreLeftOutWhereTheyAreNoField(t *testing.T) {
	inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
		w.start()
		w.google.Behave(googlesim.Quirks{NoCallIDs: true})
		w.text(ask(toolLoop(flash, "call_1", "")))
		w.wantCalls("", 2)
		w.text(ask(toolLoop(flash, "call_2", ""))) // remembered for the host: other conversations and models too
		w.text(ask(toolLoop(lite, "call_3", "")))
		w.wantCalls("", 4)
		w.wantHealthy()
	})
}

func TestThinkingIsFittedToWhatTheModelTakes(t *testing.T) {
	inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
		w.start()
		w.google.Behave(googlesim.Quirks{Levels: map[string][]string{model: {"LOW", "HIGH"}}})
		for i := range 3 {
			w.text(ask(map[string]any{"reasoning_effort": "medium"}))
			w.wantCalls("", 2+i)
			if !strings.Contains(w.lastBody(), `"thinkingLevel":"LOW"`) {
				w.Errorf("Google was sent %s", w.lastBody())
			}
		}
		w.text(ask(map[string]any{"reasoning_effort": "minimal"}))
		w.wantCalls("", 6)
		w.text(ask(map[string]any{"reasoning_effort": "high"}))
		w.wantCalls("", 7)
		w.wantHealthy()
	})
}

// openai-gemini#63, MisakaNet#1473: where the catalogue is wrong about it, this is found out once.
func TestPenaltiesAreLeftOutWhereAModelTakesNone(t *testing.T) {
	inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
		w.start()
		w.script("", googlesim.BadRequest("Penalty is not enabled for models/"+model))
		for i := range 2 {
			a := ask(map[string]any{"presence_penalty": 0.5, "frequency_penalty": 0.5})
			w.text(a)
			w.wantCalls("", 2+i)
			if got := a.Header().Get("X-Gemini-Proxy-Ignored"); got != "presence_penalty, frequency_penalty" || strings.Contains(w.lastBody(), "Penalty") {
				w.Errorf("ignored %q; Google was sent %s", got, w.lastBody())
			}
		}
		w.wantHealthy()
	})
}

// A refusal may come as the first event of a stream that has begun well.
func TestRefusalsWithinAStreamAreMended(t *testing.T) {
	inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
		w.start()
		w.script("", googlesim.FirstEvent(googlesim.BadRequest("Corrupted thought signature.")))
		w.text(ask(toolLoop(model, "call_1", foreignSignature)))
		w.wantCalls("", 2)
	})
}

// What the client has seen of an answer cannot be taken back, so nothing is asked again.
func TestNothingIsSimplifiedOnceTheAnswerHasBegun(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		w.script("", googlesim.MidStream(2, googlesim.BadRequest("The specified schema produces a constraint that has too many states for serving.")))
		body := stream()
		maps.Copy(body, withFormat(boundedSchema))
		if text := w.wantInBand(w.ask(body), "invalid_value"); text == "" {
			w.Error("the text before the error is lost")
		}
		w.wantCalls("", 1)
		w.completion(w.ask(body))
		if !strings.Contains(w.lastBody(), `"maxItems":60`) {
			w.Errorf("what was refused too late to be mended was simplified: %s", w.lastBody())
		}
	})
}

// python-genai#867, openai-agents#656, symfony/ai#803: models that have no JSON mode beside functions are asked for JSON in words, and
// what they put around it is taken off.
func TestJSONBesideFunctionsOfModelsWithoutThat(t *testing.T) {
	inBothWays(t, func(w *world, ask func(map[string]any) *answer) {
		w.start()
		body := withFormat(enumeratedSchema)
		maps.Copy(body, withTool(boundedSchema))
		body["model"] = flash
		w.completion(ask(body)) // the strict simulator takes it
		w.wantCalls("", 1)
		if sent := w.lastBody(); strings.Contains(sent, "responseMimeType") || !strings.Contains(sent, `It must obey this JSON Schema:`) {
			w.Errorf("Google was sent %s", sent)
		}
		w.script("", googlesim.Reply{Events: []string{
			says(`{"text":"`+"```json"+`\n{\"a\":"}`, ""), counted(says(`{"text":"\"x\"}\n`+"```"+`"}`, "STOP")),
		}})
		if got := w.completion(ask(body)); strings.TrimSpace(got.Content) != `{"a":"x"}` || got.Finish != "stop" {
			w.Errorf("%+v", got)
		}
	})
}
