package googlesim

import (
	"net/http"
	"strings"
	"testing"
)

// jsonParams is a question with one function of that schema in the newer dialect.
func jsonParams(schema string) string {
	return functions(`{"name":"f","parametersJsonSchema":` + schema + `}`)
}

// Each quirk refuses one request and lets another one pass that is as like it as possible; without the quirk both pass.
func TestQuirks(t *testing.T) {
	called := func(id string) string {
		return talk(user(hello), says(`{"functionCall":{`+id+`"name":"f","args":{}}}`), user(`{"functionResponse":{`+id+`"name":"f","response":{}}}`))
	}
	tests := []struct {
		quirks    Quirks
		model     string
		bad, good string
		message   string
	}{
		{Quirks{NoCallIDs: true}, two, called(`"id":"1",`), called(``), `Unknown name \"id\" at 'contents[1].parts[0].function_call': Cannot find field.`},
		{Quirks{NoJSONSchema: true}, two, jsonParams(`{"type":"object","properties":{"a":{"type":"string"}}}`), params(object),
			`Unknown name \"parametersJsonSchema\" at 'tools[0].function_declarations[0]': Cannot find field.`},
		{Quirks{NoJSONSchema: true}, two, config(`"responseMimeType":"application/json","responseJsonSchema":{"type":"string"}`),
			config(`"responseMimeType":"application/json","responseSchema":{"type":"STRING"}`), `Unknown name \"responseJsonSchema\" at 'generation_config'`},
		{Quirks{MaxStates: 10}, two, jsonParams(`{"type":"object","properties":{"maxItems":{"type":"array","items":{"enum":["a","b"]},"maxItems":9}}}`),
			jsonParams(`{"type":"object","properties":{"maxItems":{"type":"array","items":{"enum":["a","b"]},"maxItems":8}}}`), statesMessage},
		{Quirks{MaxStates: 10}, two, config(`"responseMimeType":"application/json","responseSchema":{"type":"STRING","maxLength":"11"}`),
			config(`"responseMimeType":"application/json","responseSchema":{"type":"STRING","maxLength":"10"}`), statesMessage},
		{Quirks{MaxStates: 1, Unclear: true}, two, jsonParams(`{"enum":["a","b"]}`), jsonParams(`{"enum":["a"]}`), `"message": "` + bareMessage + `"`},
		{Quirks{Levels: map[string][]string{three: {"LOW"}}}, three, config(`"thinkingConfig":{"thinkingLevel":"HIGH"}`),
			config(`"thinkingConfig":{"thinkingLevel":"LOW"}`), "Thinking level HIGH is not supported for this model."},
	}
	for _, tt := range tests {
		s := newTestServer(t, Options{})
		s.AddKey("key", "p")
		one := ruleCase{backend: Developer, model: tt.model}
		for _, body := range []string{tt.bad, tt.good} {
			if got := s.ask(t, one, body); got.status != http.StatusOK {
				t.Errorf("without quirks: %s\n%s", got.body, body)
			}
		}
		s.Behave(tt.quirks)
		if got := s.ask(t, one, tt.good); got.status != http.StatusOK {
			t.Errorf("%+v: refused what is fine: %s\n%s", tt.quirks, got.body, tt.good)
		}
		if got := s.ask(t, one, tt.bad); got.status != http.StatusBadRequest || !strings.Contains(got.body, tt.message) {
			t.Errorf("%+v: %d %s, want %q", tt.quirks, got.status, got.body, tt.message)
		}
	}
}

// Code Assist serves few models, and more where it is told to; Gemma is none of them.
func TestCodeAssistServesModelsEarlyWhereToldTo(t *testing.T) {
	s := newTestServer(t, Options{})
	s.addCloudUser("user", "p")
	for _, early := range []bool{false, true} {
		s.Behave(Quirks{AssistModels: early})
		for model, want := range map[string]bool{three: true, four: early, "gemini-3.8-flash": early, gemma: false} {
			got := s.ask(t, ruleCase{backend: CodeAssist, model: model}, talk(user(hello)))
			if served := got.status == http.StatusOK; served != want || !served && got.status != http.StatusNotFound {
				t.Errorf("%s, early %t: %d", model, early, got.status)
			}
		}
	}
}
