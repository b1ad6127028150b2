package openai

import (
	"reflect"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// conversation decodes the messages.
func conversation(t *testing.T, messages string) []translate.Message {
	t.Helper()
	request, _ := mustDecode(t, `{"model":"m","messages":[`+messages+`]}`)
	return request.Messages
}

func text(s string) translate.Part { return translate.Part{Kind: translate.PartText, Text: s} }

func call(id, name, args, signature string) translate.Part {
	return translate.Part{Kind: translate.PartCall, Call: &translate.Call{
		ID: id, Name: name, Args: []byte(args), Signature: translate.Signature{Value: signature},
	}}
}

func result(id, name, output string) translate.Part {
	return translate.Part{Kind: translate.PartResult, Result: &translate.Result{CallID: id, Name: name, Output: []byte(output)}}
}

func TestRolesBecomeTurnsInOrder(t *testing.T) {
	got := conversation(t, `{"role":"system","content":"s"},{"role":"developer","content":[{"type":"text","text":"d"}]},
		{"role":"user","name":"ann","content":"u"},{"role":"user","content":"u2"},
		{"role":"assistant","content":"a","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"c","content":"r"},{"role":"system","content":"late"}`)
	want := []translate.Message{
		{Role: translate.RoleSystem, Parts: []translate.Part{text("s")}, Origin: 0},
		{Role: translate.RoleSystem, Parts: []translate.Part{text("d")}, Origin: 1},
		{Role: translate.RoleUser, Name: "ann", Parts: []translate.Part{text("u")}, Origin: 2},
		{Role: translate.RoleUser, Parts: []translate.Part{text("u2")}, Origin: 3},
		{Role: translate.RoleModel, Parts: []translate.Part{text("a"), call("c", "f", "{}", "")}, Origin: 4},
		{Role: translate.RoleTool, Parts: []translate.Part{result("c", "", `"r"`)}, Origin: 5},
		{Role: translate.RoleSystem, Parts: []translate.Part{text("late")}, Origin: 6},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestContentThatSaysNothingMakesNoPart(t *testing.T) {
	for _, content := range []string{`""`, `null`, `[]`, `[{"type":"text","text":""}]`, `[{"type":"text"}]`} {
		if got := conversation(t, `{"role":"user","content":`+content+`}`); len(got) != 1 || len(got[0].Parts) != 0 {
			t.Errorf("%s: %+v", content, got)
		}
	}
}

func TestThoughtsAreNotReplayed(t *testing.T) {
	got := conversation(t, `{"role":"user","content":"u"},
		{"role":"assistant","content":"","reasoning_content":"hm","reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm"}]},
		{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"a"}]},
		{"role":"assistant","content":"<thought>hm</thought>b","extra_content":{"google":{"thought":true}}},
		{"role":"assistant","content":[{"type":"text","text":"<think>hm</think>d"}],"extra_content":{"google":{"thought":true}}},
		{"role":"assistant","content":"e </thought>","extra_content":{"google":{"thought":true}}},
		{"role":"assistant","content":"<thought>hm</thought>c"}`)
	var said []string
	for _, m := range got {
		for _, p := range m.Parts {
			said = append(said, p.Text)
		}
	}
	if want := "u|a|b|d|e </thought>|<thought>hm</thought>c"; strings.Join(said, "|") != want || len(got) != 6 || got[1].Origin != 2 {
		t.Errorf("%q in %d messages", said, len(got))
	}
}

func TestARefusalIsText(t *testing.T) {
	got := conversation(t, `{"role":"assistant","content":null,"refusal":"no"},{"role":"assistant","content":[{"type":"refusal","refusal":"never"}]}`)
	if !reflect.DeepEqual(got[0].Parts, []translate.Part{text("no")}) || !reflect.DeepEqual(got[1].Parts, []translate.Part{text("never")}) {
		t.Errorf("%+v", got)
	}
}

func TestArgumentsAreRepairedToAnObject(t *testing.T) {
	for arguments, want := range map[string]string{
		`"{\"a\":1.0,\"big\":12345678901234567890}"`: `{"a":1.0,"big":12345678901234567890}`,
		`" {\"a\":1}\n"`:             `{"a":1}`,
		`""`:                         `{}`,
		`"  "`:                       `{}`,
		`"null"`:                     `{}`,
		`null`:                       `{}`,
		`{"a":1}`:                    `{"a":1}`,
		`"[1]"`:                      `{"value":[1]}`,
		`"7"`:                        `{"value":7}`,
		`"\"text\""`:                 `{"value":"text"}`,
		`"{\"a\":1}{\"b\":2}"`:       `{"a":1}`,
		`"{\"a\":1} and so on"`:      `{"a":1}`,
		`"{\"a\":"`:                  `{"_raw":"{\"a\":"}`,
		`"rm -rf \"x\"\n"`:           `{"_raw":"rm -rf \"x\"\n"}`,
		`"{\"a\":\"\\ud800\"}"`:      "{\"a\":\"\ufffd\"}",
		`"{\"a\":1,\"a\":2}"`:        `{"a":1,"a":2}`,
		`"{\"a\":1},\"injected\":2"`: `{"a":1}`,
	} {
		got := conversation(t, `{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":`+arguments+`}}]}`)
		if args := string(got[0].Parts[0].Call.Args); args != want {
			t.Errorf("%s: %s, want %s", arguments, args, want)
		}
	}
}

func TestArgumentsTooDeepToTravelStayText(t *testing.T) {
	for _, deep := range []string{strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), strings.Repeat(`{"a":`, maxDepth+1)} {
		if got := repairArguments(deep); !strings.HasPrefix(string(got), `{"_raw":`) || !isObject(got) {
			t.Errorf("%.40s", got)
		}
		if got := toolOutput(deep); got.Kind() != '"' {
			t.Errorf("%.40s", got)
		}
	}
	if got := repairArguments(`{"a":"[[[\"[[["}`); string(got) != `{"a":"[[[\"[[["}` || depth(got) != 1 {
		t.Errorf("%s has depth %d", got, depth(got))
	}
}

func TestCustomCallsBecomeCallsWithOneText(t *testing.T) {
	got := conversation(t, `{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"patch","input":"*** \"x\""}}]}`)
	if want := call("c", "patch", `{"input":"*** \"x\""}`, ""); !reflect.DeepEqual(got[0].Parts[0], want) {
		t.Errorf("%+v", got[0].Parts[0].Call)
	}
}

func TestToolOutputsAreNotEncodedTwice(t *testing.T) {
	for content, want := range map[string]string{
		`"{\"a\":1.50,\"b\":12345678901234567890}"`: `{"a":1.50,"b":12345678901234567890}`,
		`"[1,{\"a\":2}]"`:        `[1,{"a":2}]`,
		`"42"`:                   `42`,
		`"12345678901234567890"`: `"12345678901234567890"`,
		`"true"`:                 `true`,
		`"null"`:                 `"null"`,
		`"\"quoted\""`:           `"\"quoted\""`,
		`"plain text\n"`:         `"plain text\n"`,
		`"{not json}"`:           `"{not json}"`,
		`"{\"a\":1} trailing"`:   `"{\"a\":1} trailing"`,
		`"007"`:                  `"007"`,
		`""`:                     `""`,
		`null`:                   `""`,
		`[]`:                     `""`,
		`[{"type":"text","text":"a"},{"type":"text","text":"b"}]`: `"a\nb"`,
		`[{"type":"text","text":"{\"a\":1}"}]`:                    `{"a":1}`,
	} {
		got := conversation(t, `{"role":"tool","tool_call_id":"c","content":`+content+`}`)
		if output := string(got[0].Parts[0].Result.Output); output != want {
			t.Errorf("%s: %s, want %s", content, output, want)
		}
	}
}

func TestPicturesOfAToolStayWithItsResult(t *testing.T) {
	got := conversation(t, `{"role":"tool","tool_call_id":"c","name":"shot","content":[{"type":"text","text":"see"},
		{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}`)
	r := got[0].Parts[0].Result
	if string(r.Output) != `"see"` || r.Name != "shot" || len(r.Media) != 1 || r.Media[0].MIME != "image/png" {
		t.Errorf("%+v", r)
	}
}

func TestFunctionMessagesArePairedByName(t *testing.T) {
	got := conversation(t, `{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{\"a\":1}"}},
		{"role":"function","name":"f","content":"1"},
		{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
		{"role":"function","name":"f","content":"2"},{"role":"function","name":"f","content":"3"}`)
	first, second := got[0].Parts[0].Call.ID, got[2].Parts[0].Call.ID
	if first == "" || first == second {
		t.Fatalf("ids %q and %q", first, second)
	}
	for i, want := range map[int]string{1: first, 3: second, 4: ""} {
		if r := got[i].Parts[0].Result; r.CallID != want || r.Name != "f" {
			t.Errorf("message %d: %+v", i, r)
		}
	}
}

func TestSignaturesAreFoundWhereverGatewaysPutThem(t *testing.T) {
	const function = `"type":"function","function":{"name":"f","arguments":"{}"}`
	for message, want := range map[string]string{
		`"tool_calls":[{"id":"c",` + function + `,"extra_content":{"google":{"thought_signature":"S"}}}]`:                          "S",
		`"tool_calls":[{"id":"c","type":"function","function":{"name":"f","extra_content":{"google":{"thought_signature":"S"}}}}]`: "S",
		`"tool_calls":[{"id":"c",` + function + `,"provider_specific_fields":{"thought_signature":"S"}}]`:                          "S",
		`"tool_calls":[{"id":"c","type":"function","function":{"name":"f","provider_specific_fields":{"thought_signature":"S"}}}]`: "S",
		`"tool_calls":[{"id":"c",` + function + `,"thought_signature":"S"}]`:                                                       "S",
		`"tool_calls":[{"id":"c",` + function + `,"thoughtSignature":"S"}]`:                                                        "S",
		`"tool_calls":[{"id":"c__thought__S",` + function + `}]`:                                                                   "S",
		`"tool_calls":[{"id":"c__sig__S",` + function + `}]`:                                                                       "S",
		`"tool_calls":[{"id":"c__thought__no",` + function + `,"extra_content":{"google":{"thought_signature":"S"}}}]`:             "S",
		`"extra_content":{"google":{"thought_signature":"S"}},"tool_calls":[{"id":"c",` + function + `}]`:                          "S",
		`"reasoning_details":[{"type":"reasoning.encrypted","data":"S","id":"c"}],"tool_calls":[{"id":"c",` + function + `}]`:      "S",
		`"reasoning_details":[{"type":"reasoning.encrypted","data":"S"}],"tool_calls":[{"id":"c",` + function + `}]`:               "S",
		`"thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"S"}],"tool_calls":[{"id":"c",` + function + `}]`:       "S",
		`"reasoning_details":[{"type":"reasoning.encrypted","data":"1"},{"type":"reasoning.encrypted","data":"2"}],"tool_calls":[{"id":"c",` +
			function + `}]`: "",
		`"content":[{"type":"thinking","thinking":"hm","signature":"S"}],"tool_calls":[{"id":"c",` + function + `}]`:             "S",
		`"provider_specific_fields":{"thought_signatures":["S"]},"tool_calls":[{"id":"c",` + function + `}]`:                     "S",
		`"provider_specific_fields":{"thought_signatures":["S","T"]},"tool_calls":[{"id":"c",` + function + `}]`:                 "",
		`"reasoning_details":[{"type":"reasoning.encrypted","data":"S","id":"rs_1"}],"tool_calls":[{"id":"c",` + function + `}]`: "S",
		`"tool_calls":[{"id":"c",` + function + `,"extra_content":{"google":{"thought_signature":"S"}},"thought_signature":"no"}],` +
			`"thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"no"}]`: "S",
		`"tool_calls":[{"id":"c","type":"function","function":{"name":"f","thought_signature":"no"},"extra_content":{"google":{"thought_signature":"S"}}}]`: "S",
		`"tool_calls":[{"id":"c",` + function + `,"extra_content":"odd","provider_specific_fields":7,"thought_signature":{}}]`:                              "",
		`"tool_calls":[{"id":"c",` + function + `,"extra_content":null}]`:                                                                                   "",
	} {
		got := conversation(t, `{"role":"assistant",`+message+`}`)
		if want := call("c", "f", "{}", want); !reflect.DeepEqual(got[0].Parts[0], want) {
			t.Errorf("%s:\n%+v", message, got[0].Parts[0].Call)
		}
	}
}

func TestOurOwnCarrierKeepsItsOrigin(t *testing.T) {
	got := conversation(t, `{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f"},
		"extra_content":{"google":{"thought_signature":"gt1.v.c2ln"}}}]}`)
	if s := got[0].Parts[0].Call.Signature; s != (translate.Signature{Origin: translate.OriginCloud, Value: "c2ln"}) {
		t.Errorf("%+v", s)
	}
}

func TestTheSignatureOfAMessageBelongsToItsText(t *testing.T) {
	got := conversation(t, `{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],
		"extra_content":{"google":{"thought_signature":"T"}},"tool_calls":[
		{"id":"c","type":"function","function":{"name":"f"},"extra_content":{"google":{"thought_signature":"S"}}},
		{"id":"d","type":"function","function":{"name":"g"}}]}`)
	want := []translate.Part{text("a"), text("b"), call("c", "f", "{}", "S"), call("d", "g", "{}", "")}
	want[1].Signature.Value = "T"
	if !reflect.DeepEqual(got[0].Parts, want) {
		t.Errorf("%+v", got[0].Parts)
	}
}

func TestTheSignatureOfATextIsNotTheCalls(t *testing.T) {
	got := conversation(t, `{"role":"assistant","content":"a","extra_content":{"google":{"thought_signature":"T"}},
		"tool_calls":[{"id":"c","type":"function","function":{"name":"f"}}]}`)
	want := []translate.Part{text("a"), call("c", "f", "{}", "")}
	want[0].Signature.Value = "T"
	if !reflect.DeepEqual(got[0].Parts, want) {
		t.Errorf("%+v", got[0].Parts)
	}
}

func TestReasoningDetailsFindTheirCallsById(t *testing.T) {
	got := conversation(t, `{"role":"assistant","content":null,"reasoning_details":[
		{"type":"reasoning.encrypted","data":"D","id":"d"},{"type":"reasoning.encrypted","data":"C","id":"c"},
		{"type":"reasoning.text","data":"no","id":"e"}],"tool_calls":[{"id":"c","function":{"name":"f"}},
		{"id":"d","function":{"name":"f"}},{"id":"e","function":{"name":"f"}}]}`)
	want := []translate.Part{call("c", "f", "{}", "C"), call("d", "f", "{}", "D"), call("e", "f", "{}", "")}
	if !reflect.DeepEqual(got[0].Parts, want) {
		t.Errorf("%+v", got[0].Parts)
	}
}

func TestTheSignatureOfASecondCallIsNotTheFirsts(t *testing.T) {
	got := conversation(t, `{"role":"assistant","content":null,"reasoning_details":[{"type":"reasoning.encrypted","data":"D","id":"d"}],
		"tool_calls":[{"id":"c","function":{"name":"f"}},{"id":"d","function":{"name":"f"}}]}`)
	if want := []translate.Part{call("c", "f", "{}", ""), call("d", "f", "{}", "D")}; !reflect.DeepEqual(got[0].Parts, want) {
		t.Errorf("%+v", got[0].Parts)
	}
}

func TestCallsOfTheResponsesAPIBringTheirSignature(t *testing.T) {
	const carried = `"extra_content":{"google":{"thought_signature":"S"}}`
	r, _ := mustDecode(t, `{"model":"m","input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{}",`+carried+`},
		{"type":"custom_tool_call","call_id":"d","name":"g","input":"x",`+carried+`}]}`)
	for i, want := range []translate.Part{call("c", "f", "{}", "S"), call("d", "g", `{"input":"x"}`, "S")} {
		if got := r.Messages[i].Parts; !reflect.DeepEqual(got, []translate.Part{want}) {
			t.Errorf("%+v", got)
		}
	}
}

func TestASecondCallNeverTakesTheMessagesSignature(t *testing.T) {
	got := conversation(t, `{"role":"assistant","content":null,"extra_content":{"google":{"thought_signature":"T"}},"tool_calls":[
		{"id":"c","type":"function","function":{"name":"f"},"extra_content":{"google":{"thought_signature":"S"}}},
		{"id":"d","type":"function","function":{"name":"g"}}]}`)
	if want := []translate.Part{call("c", "f", "{}", "S"), call("d", "g", "{}", "")}; !reflect.DeepEqual(got[0].Parts, want) {
		t.Errorf("%+v", got[0].Parts)
	}
}

// litellm#32545
func TestSignaturesInIdsAreStrippedFromResultsToo(t *testing.T) {
	got := conversation(t, `{"role":"tool","tool_call_id":"call_x__thought__c2ln","content":"r"}`)
	if id := got[0].Parts[0].Result.CallID; id != "call_x" {
		t.Errorf("%q", id)
	}
}

func TestMessageRefusalsNameCodeAndParam(t *testing.T) {
	const hi = `{"role":"user","content":"hi"},`
	for message, want := range map[string][2]string{
		`{"content":"x"}`:                {"missing_required_parameter", "messages[1].role"},
		`{"role":"bot","content":"x"}`:   {"invalid_value", "messages[1].role"},
		`{"role":7,"content":"x"}`:       {"invalid_type", "messages[1].role"},
		`{"role":"user","content":7}`:    {"invalid_type", "messages[1].content"},
		`{"role":"user","content":{}}`:   {"invalid_type", "messages[1].content"},
		`{"role":"user","content":[7]}`:  {"invalid_type", "messages[1].content[0]"},
		`{"role":"user","content":[{}]}`: {"missing_required_parameter", "messages[1].content[0].type"},
		`{"role":"user","content":[{"type":"text","text":"a"},{"type":"smell"}]}`: {"invalid_value", "messages[1].content[1].type"},
		`{"role":"user","content":[{"type":7}]}`:                                  {"invalid_type", "messages[1].content[0].type"},
		`{"role":"user","content":[{"type":"text","text":7}]}`:                    {"invalid_type", "messages[1].content[0].text"},
		`{"role":"user","content":[{"type":"image_url"}]}`:                        {"missing_required_parameter", "messages[1].content[0].image_url.url"},
		`{"role":"user","content":[{"type":"image_url","image_url":7}]}`:          {"invalid_type", "messages[1].content[0].image_url"},
		`{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}`:     {"missing_required_parameter", "messages[1].content[0].input_audio.data"},
		`{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"mid"}}]}`: {
			"invalid_value", "messages[1].content[0].input_audio.format",
		},
		`{"role":"user","content":[{"type":"file","file":{}}]}`: {"missing_required_parameter", "messages[1].content[0].file.file_data"},
		`{"role":"user","content":[{"type":"file","file":{"file_id":"file-abc123"}}]}`: {
			"invalid_value", "messages[1].content[0].file.file_id",
		},
		`{"role":"tool","content":"x"}`:     {"missing_required_parameter", "messages[1].tool_call_id"},
		`{"role":"function","content":"x"}`: {"missing_required_parameter", "messages[1].name"},
		`{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{}}]}`: {
			"missing_required_parameter", "messages[1].tool_calls[0].function.name",
		},
		`{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":7}}]}`: {
			"invalid_type", "messages[1].tool_calls[0].function.arguments",
		},
		`{"role":"assistant","tool_calls":{}}`:    {"invalid_type", "messages[1].tool_calls"},
		`{"role":"assistant","function_call":{}}`: {"missing_required_parameter", "messages[1].function_call.name"},
	} {
		e := refused(t, `{"messages":[`+hi+message+`]}`)
		if e.Code != want[0] || e.Param != want[1] {
			t.Errorf("%s: %q %q, want %q", message, e.Code, e.Param, want)
		}
	}
}
