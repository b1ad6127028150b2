package openai

import (
	"reflect"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

const (
	oneTool  = `"tools":[{"type":"function","function":{"name":"f"}}]`
	twoTools = `"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]`
)

func TestToolsInEveryForm(t *testing.T) {
	for body, want := range map[string][]translate.Tool{
		`"tools":null`: nil,
		`"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","const":1},"strict":true}}]`: {
			{Name: "f", Description: "d", Schema: []byte(`{"type":"object","const":1}`), Strict: true},
		},
		`"tools":[{"type":"function","name":"flat","description":null,"parameters":{},"strict":null}]`: {
			{Name: "flat", Schema: []byte(`{}`)},
		},
		`"tools":[{"function":{"name":"untyped","parameters":null}}]`:                  {{Name: "untyped"}},
		`"tools":[{"type":"function","function":{"name":"f","parameters":""}}]`:        {{Name: "f"}},
		`"tools":[{"type":"function","function":{"name":"f","parameters":true}}]`:      {{Name: "f"}},
		`"tools":[{"type":"function","function":{"name":"1 ü/…","cache_control":{}}}]`: {{Name: "1 ü/…"}},
		twoTools: {{Name: "f"}, {Name: "g", Origin: 1}},
		`"tools":[{"name":"anthropic","input_schema":{"type":"object"}}]`:     {{Name: "anthropic", Schema: []byte(`{"type":"object"}`)}},
		`"tools":[{"type":"custom","custom":{"name":"c","description":"d"}}]`: {{Name: "c", Description: "d", Freeform: true}},
		`"tools":[{"type":"custom","custom":{"name":"c","format":{"type":"grammar","grammar":{"syntax":"regex","definition":"a+"}}}}]`: {
			{Name: "c", Description: "\nInput format: regex\na+", Freeform: true},
		},
		`"tools":[{"type":"custom","name":"c","format":{"type":"text"}}]`: {{Name: "c", Freeform: true}},
		`"functions":[{"name":"old","parameters":{"type":"object"}}]`:     {{Name: "old", Schema: []byte(`{"type":"object"}`)}},
		oneTool + `,"functions":[{"name":"old"}]`:                         {{Name: "f"}},
		`"tools":[{"type":"function","function":{"name":"f","parameters":{"title":"\ud800 é"}}}]`: {
			{Name: "f", Schema: []byte("{\"title\":\"\ufffd é\"}")},
		},
	} {
		request, _ := mustDecode(t, with(body))
		if !reflect.DeepEqual(request.Tools, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", body, request.Tools, want)
		}
	}
}

func TestToolChoiceInEveryForm(t *testing.T) {
	const unset, auto, none, required = translate.ChoiceUnset, translate.ChoiceAuto, translate.ChoiceNone, translate.ChoiceRequired
	for choice, want := range map[string]translate.ToolChoice{
		`null`:       {Mode: unset},
		`"auto"`:     {Mode: auto},
		`"none"`:     {Mode: none},
		`"required"`: {Mode: required},
		`"any"`:      {Mode: required},
		`{"type":"function","function":{"name":"g"}}`: {Mode: required, Names: []string{"g"}},
		`{"type":"function","name":"g"}`:              {Mode: required, Names: []string{"g"}},
		`{"type":"auto"}`:                             {Mode: auto},
		`{"type":"any"}`:                              {Mode: required},
		`{"type":"tool","name":"f"}`:                  {Mode: required, Names: []string{"f"}},
		`{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}}`: {
			Mode: auto, Names: []string{"f"},
		},
		`{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"custom","custom":{"name":"f"}},{"type":"web_search"}]}}`: {
			Mode: required, Names: []string{"f"},
		},
		`{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}]}`: {
			Mode: required, Names: []string{"f", "g"},
		},
	} {
		request, _ := mustDecode(t, with(twoTools+`,"tool_choice":`+choice))
		if !reflect.DeepEqual(request.ToolChoice, want) {
			t.Errorf("%s: %+v", choice, request.ToolChoice)
		}
	}
}

func TestToolsOfGooglesInEveryForm(t *testing.T) {
	const search, code, urls, maps = translate.BuiltinSearch, translate.BuiltinCode, translate.BuiltinURLs, translate.BuiltinMaps
	for tool, want := range map[string]translate.BuiltinKind{
		`{"type":"web_search"}`: search, `{"type":"web_search_preview_2025_03_11"}`: search, `{"type":"web_search_20250305","name":"web_search"}`: search,
		`{"google_search":{}}`: search, `{"googleSearch":{}}`: search, `{"type":"google_search"}`: search, `{"googleSearchRetrieval":{}}`: search,
		`{"type":"code_interpreter","container":{"type":"auto"}}`: code, `{"codeExecution":{}}`: code, `{"code_execution":{}}`: code,
		`{"urlContext":{}}`: urls, `{"url_context":{}}`: urls, `{"type":"web_fetch_20250910"}`: urls,
		`{"googleMaps":{"enableWidget":true}}`: maps, `{"type":"google_maps"}`: maps,
	} {
		request, _ := mustDecode(t, with(`"tools":[{"type":"function","function":{"name":"f"}},`+tool+`],"tool_choice":"auto"`))
		if want := []translate.Builtin{{Kind: want, Param: "tools[1]"}}; !reflect.DeepEqual(request.Builtins, want) || len(request.Tools) != 1 {
			t.Errorf("%s: %+v, %d functions", tool, request.Builtins, len(request.Tools))
		}
	}
}

func TestAChoiceOfGooglesToolsIsTheModels(t *testing.T) {
	for _, choice := range []string{`"required"`, `{"type":"web_search_preview"}`} {
		for _, tools := range []string{`{"type":"web_search_preview"}`, `{"type":"web_search_preview"},{"type":"function","function":{"name":"f"}}`} {
			request, _ := mustDecode(t, with(`"tools":[`+tools+`],"tool_choice":`+choice))
			if len(request.ToolChoice.Names) > 0 || (request.ToolChoice.Mode != translate.ChoiceUnset) != (len(request.Tools) > 0 && choice == `"required"`) {
				t.Errorf("%s among %s: %+v", choice, tools, request.ToolChoice)
			}
		}
	}
}

func TestAFreeChoiceWithoutToolsIsNoMistake(t *testing.T) {
	for _, choice := range []string{`"auto"`, `"none"`} {
		request, _ := mustDecode(t, with(`"tool_choice":`+choice))
		if request.ToolChoice.Mode != translate.ChoiceUnset {
			t.Errorf("%s: %+v", choice, request.ToolChoice)
		}
	}
}

func TestFunctionCallOfTheLegacyForm(t *testing.T) {
	request, _ := mustDecode(t, with(`"functions":[{"name":"f"}],"function_call":{"name":"f"}`))
	if want := (translate.ToolChoice{Mode: translate.ChoiceRequired, Names: []string{"f"}}); !reflect.DeepEqual(request.ToolChoice, want) {
		t.Errorf("%+v", request.ToolChoice)
	}
}
