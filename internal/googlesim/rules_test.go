package googlesim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// ruleCase is a request that Google refuses and one that differs as little as possible and is fine.
type ruleCase struct {
	name    string
	backend Backend
	model   string
	bad     string
	good    string
	message string // part of the refusal
}

// Models of the generations that rules tell apart.
const (
	old   = "gemini-2.0-flash"
	two   = "gemini-2.5-flash"
	twoP  = "gemini-2.5-pro"
	three = "gemini-3-flash-preview"
	pro3  = "gemini-3-pro-preview"
	idful = "gemini-3.5-flash" // matches call ids
	late  = "gemini-3.6-flash" // takes no prefill
	four  = "gemini-4-argon"
	gemma = "gemma-4-31b-it"
)

// with is a plain question with more fields.
func with(fields string) string {
	return `{"contents":[{"role":"user","parts":[{"text":"Hello"}]}],` + fields + `}`
}

// config is a plain question with a generationConfig.
func config(fields string) string { return with(`"generationConfig":{` + fields + `}`) }

// talk is a conversation of the given contents.
func talk(contents ...string) string { return `{"contents":[` + strings.Join(contents, ",") + `]}` }

func user(parts ...string) string {
	return `{"role":"user","parts":[` + strings.Join(parts, ",") + `]}`
}

func says(parts ...string) string {
	return `{"role":"model","parts":[` + strings.Join(parts, ",") + `]}`
}

// params is a question with one function of that parameters schema.
func params(schema string) string {
	return functions(`{"name":"f","parameters":` + schema + `}`)
}

func functions(declarations string) string {
	return with(`"tools":[{"functionDeclarations":[` + declarations + `]}]`)
}

const (
	hello  = `{"text":"Hello"}`
	call   = `{"functionCall":{"name":"f","args":{}}}`
	result = `{"functionResponse":{"name":"f","response":{}}}`
	sentry = `{"functionCall":{"name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"}`
	object = `{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}`
)

// TestForbiddenRequestsGetGooglesWords checks each rule on a request that breaks it and one that just keeps it.
func TestForbiddenRequestsGetGooglesWords(t *testing.T) {
	for _, group := range [][]ruleCase{fieldCases(), turnCases(), signatureCases(), toolCases(), schemaCases(), jsonSchemaCases(), configCases(), partCases()} {
		for _, one := range group {
			t.Run(one.name, func(t *testing.T) {
				s := newTestServer(t, Options{})
				s.AddKey("key", "p")
				s.addCloudUser("user", "p")
				if got := s.ask(t, one, one.good); got.status != http.StatusOK {
					t.Errorf("refused what is fine: %s\n%s", got.body, one.good)
				}
				got := s.ask(t, one, one.bad)
				if message := errorMessage([]byte(strings.Trim(got.body, "[]"))); got.status != http.StatusBadRequest ||
					!strings.Contains(message, one.message) {
					t.Errorf("got %d %q\nwant 400 with %q\nfor %s", got.status, message, one.message, one.bad)
				}
			})
		}
	}
}

// ask sends a generate request to the case's backend; the Developer API when it names none.
func (s *testServer) ask(t *testing.T, one ruleCase, body string) answered {
	t.Helper()
	const query = ":streamGenerateContent?alt=sse"
	switch one.backend {
	case Vertex:
		return s.post(t, "/v1beta1/projects/p/locations/global/publishers/google/models/"+one.model+query, s.bearer("user"), body)
	case CodeAssist:
		wrapped := fmt.Sprintf(`{"model":%q,"project":"p","request":%s}`, one.model, body)
		return s.post(t, "/v1internal"+query, s.bearer("user"), wrapped)
	default:
		return s.post(t, "/v1beta/models/"+one.model+query, withKey("key"), body)
	}
}

func fieldCases() []ruleCase {
	plain := talk(user(hello))
	return []ruleCase{
		{"malformed JSON", "", two, `{"contents":[}`, plain, "Invalid JSON payload received. Unexpected token."},
		{"no object", "", two, `[]`, plain, "Root element must be a message."},
		{
			"too deep", "", two, with(`"labels":` + strings.Repeat(`{"a":`, 120) + "1" + strings.Repeat("}", 120)), plain,
			"Message too deep.",
		},
		{
			"unknown field at the top", "", two, with(`"x":1`), plain,
			`Invalid JSON payload received. Unknown name "x": Cannot find field.`,
		},
		{
			"unknown field deep inside", "", two,
			params(`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"array","items":{"type":"string","const":"c"}}}}`),
			params(`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"array","items":{"type":"string"}}}}`),
			`Invalid JSON payload received. Unknown name "const" at 'tools[0].function_declarations[0].parameters.properties[1].value.items': ` +
				`Cannot find field.`,
		},
		{"two unknown fields", "", two, with(`"x":1,"y":2`), plain, "\n" + `Invalid JSON payload received. Unknown name "y"`},
		{
			"snake case is read", "", two, with(`"generation_config":{"max_output_tokens":"x"}`),
			with(`"generation_config":{"max_output_tokens":9}`),
			`Invalid value at 'generation_config.max_output_tokens' (TYPE_INT32), "x"`,
		},
		{
			"list for one", "", two, params(`{"type":"OBJECT","properties":{"a":{"type":["STRING"]}}}`), params(object),
			`Unknown name "type" at 'tools[0].function_declarations[0].parameters.properties[0].value': Proto field is not repeating, ` +
				`cannot start list.`,
		},
		{
			"scalar for message", "", two, `{"contents":"Hello"}`, plain,
			`Invalid value at 'contents[0]' (type.googleapis.com/google.ai.generativelanguage.v1beta.Content), "Hello"`,
		},
		{
			"unknown enum value", "", three, config(`"thinkingConfig":{"thinkingLevel":"some"}`),
			config(`"thinkingConfig":{"thinkingLevel":"low"}`),
			`Invalid value at 'generation_config.thinking_config.thinking_level' ` +
				`(type.googleapis.com/google.ai.generativelanguage.v1beta.ThinkingLevel), "some"`,
		},
		{
			"no base64", "", two, talk(user(`{"inlineData":{"mimeType":"image/png","data":"*"}}`)),
			talk(user(`{"inlineData":{"mimeType":"image/png","data":"AA=="}}`)),
			`Invalid value at 'contents[0].parts[0].inline_data.data' (TYPE_BYTES), Base64 decoding failed for "*"`,
		},
		{
			"no base64 on Code Assist", CodeAssist, three, talk(user(hello), says(`{"text":"x","thoughtSignature":"not base64"}`),
				user(hello)), plain,
			`Invalid value at 'request.contents[1].parts[0].thought_signature' (TYPE_BYTES), Base64 decoding failed for "not base64"`,
		},
		{"seed beyond int32", "", two, config(`"seed":2147483648`), config(`"seed":-2147483648`), `(TYPE_INT32), 2147483648`},
		{
			"two kinds of data in a part", "", two, talk(user(`{"text":"a","inlineData":{"mimeType":"image/png","data":"AA=="}}`)), plain,
			`Invalid value at 'contents[0].parts[0]' (oneof), oneof field 'data' is already set. Cannot set 'inlineData'`,
		},
		{
			"arguments that are no object", "", old, talk(user(hello), says(`{"functionCall":{"name":"f","args":"x"}}`), user(result)),
			talk(user(hello), says(call), user(result)), `(type.googleapis.com/google.protobuf.Struct), "x"`,
		},
		{
			"call id on Vertex", Vertex, two, talk(user(hello), says(`{"functionCall":{"name":"f","id":"1"}}`), user(result)),
			talk(user(hello), says(call), user(result)), `Unknown name "id" at 'contents[1].parts[0].function_call': Cannot find field.`,
		},
		{
			"result id on Code Assist", CodeAssist, two, talk(user(hello), says(call), user(`{"functionResponse":{"name":"f","id":"1"}}`)),
			talk(user(hello), says(call), user(result)),
			`Unknown name "id" at 'request.contents[2].parts[0].function_response': Cannot find field.`,
		},
		{"serviceTier on Vertex", Vertex, two, with(`"serviceTier":"flex"`), with(`"modelArmorConfig":{}`), `Unknown name "serviceTier"`},
		{
			"audioTimestamp on the Developer API", "", two, config(`"audioTimestamp":true`), config(`"enableEnhancedCivicAnswers":true`),
			`Unknown name "audioTimestamp" at 'generation_config'`,
		},
		{
			"imageConfig on Code Assist", CodeAssist, two, config(`"imageConfig":{}`), config(`"routingConfig":{}`),
			`Unknown name "imageConfig" at 'request.generation_config'`,
		},
		{
			"continuationToken on Code Assist", CodeAssist, two, with(`"continuationToken":"AA=="`), with(`"labels":{"a":"b"}`),
			`Unknown name "continuationToken" at 'request'`,
		},
	}
}

func turnCases() []ruleCase {
	done := talk(user(hello), says(call), user(result))
	return []ruleCase{
		{"no contents", "", two, `{}`, talk(user(hello)), "* GenerateContentRequest.contents: contents is not specified"},
		{
			"no parts", "", two, `{"contents":[{"role":"user"}]}`, talk(user(hello)),
			"GenerateContentRequest.contents[0].parts: contents.parts must not be empty.",
		},
		{
			"part without data", "", two, talk(user(`{}`)), talk(user(hello), says(`{"thoughtSignature":"AAAA"}`), user(hello)),
			"* GenerateContentRequest.contents[0].parts[0].data: required oneof field 'data' must have one initialized field",
		},
		{"empty text on Vertex", Vertex, two, talk(user(`{"text":""}`)), talk(user(hello)), "must have a text parameter"},
		{
			"unknown role", "", two, talk(`{"role":"assistant","parts":[{"text":"x"}]}`), talk(`{"parts":[{"text":"x"}]}`),
			"Please use a valid role: user, model.",
		},
		{"no role on Vertex", Vertex, two, talk(`{"parts":[{"text":"x"}]}`), talk(user(hello)), "Please use a valid role: user, model."},
		{"model first", "", two, talk(says(hello), user(hello)), talk(user(hello), says(hello), user(hello)), firstTurnMessage},
		{"call first", "", two, talk(says(call), user(result)), done, callOrderMessage},
		{
			"fewer results than calls", "", two, talk(user(hello), says(call, call), user(result)), talk(user(hello), says(call,
				call), user(result, result)),
			countMessage,
		},
		{"more results than calls", "", two, talk(user(hello), says(call), user(result, result)), done, countMessage},
		{"no result", "", two, talk(user(hello), says(call), user(hello)), talk(user(hello), says(call), user(result),
			user(hello)), countMessage},
		{"some results on 2.0", "", old, talk(user(hello), says(call, call), user(result)), talk(user(hello), says(call),
			user(hello)), countMessage},
		{"result of nothing", "", two, talk(user(result)), done, answerMessage},
		{
			"result of another function", "", two, talk(user(hello), says(call), user(`{"functionResponse":{"name":"g"}}`)), done,
			nameMismatchMessage,
		},
		{
			"results in another order", "", two,
			talk(user(hello), says(call, `{"functionCall":{"name":"g"}}`), user(`{"functionResponse":{"name":"g"}}`, result)),
			talk(user(hello), says(call, `{"functionCall":{"name":"g"}}`), user(result, `{"functionResponse":{"name":"g"}}`)),
			nameMismatchMessage,
		},
		{
			"result without name", "", two, talk(user(hello), says(call), user(`{"functionResponse":{"response":{}}}`)), done,
			"GenerateContentRequest.contents[2].parts[0].function_response.name: Name cannot be empty.",
		},
		{"another id from 3.5 on", "", idful, identified("one", "two"), identified("one", "one"), idMismatchMessage},
		{"prefill from 3.6 on", "", late, talk(user(hello), says(hello)), talk(user(hello), says(hello), user(hello)), endingMessage},
		{"prefill on 3.5-flash-lite", "", "gemini-3.5-flash-lite", talk(user(hello), says(hello)), talk(user(hello)), endingMessage},
		{"media in results before 3", "", two, mediaResult(call), done, mediaResponseMessage},
		{
			"picture of a kind nobody knows", "", two, talk(user(`{"inlineData":{"mimeType":"image/svg+xml","data":"AA=="}}`)),
			talk(user(`{"inlineData":{"mimeType":"text/csv","data":"AA=="}}`)), "Unsupported MIME type: image/svg+xml",
		},
		{
			"system instruction for Gemma", "", gemma, with(`"systemInstruction":{"parts":[{"text":"x"}]}`), talk(user(hello)),
			"Developer instruction is not enabled for models/gemma-4-31b-it",
		},
		{
			"empty system instruction", "", two, with(`"systemInstruction":{"parts":[]}`),
			with(`"systemInstruction":{"parts":{"text":"x"}}`),
			"GenerateContentRequest.system_instruction.parts: contents.parts must not be empty.",
		},
		{
			"cache with tools", "", two, with(`"cachedContent":"cachedContents/x","systemInstruction":{"parts":[{"text":"x"}]}`),
			with(`"cachedContent":"cachedContents/x"`), "CachedContent can not be used with GenerateContent request",
		},
	}
}

func identified(callID, resultID string) string {
	return talk(user(hello), says(fmt.Sprintf(`{"functionCall":{"name":"f","id":%q},"thoughtSignature":"skip_thought_signature_validator"}`, callID)),
		user(fmt.Sprintf(`{"functionResponse":{"name":"f","id":%q}}`, resultID)))
}

func mediaResult(call string) string {
	return talk(user(hello), says(call),
		user(`{"functionResponse":{"name":"f","response":{},"parts":[{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}}`))
}

func signatureCases() []ruleCase {
	signed := func(b Backend) string {
		return `{"functionCall":{"name":"f","args":{}},"thoughtSignature":"` + signature(b, 7) + `"}`
	}
	altered := strings.Replace(signed(Developer), "Eis", "Eit", 1)
	broken := []byte(signature(Developer, 7))
	broken[30] ^= 1
	encoded := `{"functionCall":{"name":"f"},"thoughtSignature":"c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="}`
	step := func(calls ...string) string { return talk(user(hello), says(calls...), user(result)) }
	return []ruleCase{
		{
			"no signature", "", three, step(call), step(sentry),
			"Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing " +
				"thought_signature may lead to degraded model performance. Additional data, function call `default_api:f` , position 2.",
		},
		{
			"no signature on Vertex", Vertex, three, step(call), step(signed(Vertex)),
			"Unable to submit request because function call `f` in the 2. content block is missing a `thought_signature`.",
		},
		{
			"first of parallel calls unsigned", "", three, talk(user(hello), says(call, sentry), user(result, result)),
			talk(user(hello), says(sentry, call), user(result, result)), "missing a thought_signature",
		},
		{
			"second step unsigned", "", three, talk(user(hello), says(sentry), user(result), says(call), user(result)),
			talk(user(hello), says(call), user(result), says(hello), user(hello), says(encoded), user(result)), "position 4",
		},
		{"altered signature", "", three, step(altered), step(signed(Developer)), corruptedMessage},
		{
			"altered MAC", "", three, step(`{"functionCall":{"name":"f"},"thoughtSignature":"` + string(broken) + `"}`),
			step(sentry), corruptedMessage,
		},
		{"signature of another backend", "", three, step(signed(Vertex)), step(encoded), corruptedMessage},
		{
			"signature of the Developer API on Code Assist", CodeAssist, three, step(signed(Developer)), step(signed(Vertex)),
			corruptedMessage,
		},
		{
			"altered signature of a text", "", four, talk(user(hello), says(`{"text":"x","thoughtSignature":"AAAA"}`), user(hello)),
			talk(user(hello), says(`{"text":"x","thoughtSignature":"`+signature(Developer, 1)+`"}`), user(hello)), corruptedMessage,
		},
	}
}

func toolCases() []ruleCase {
	many := func(n int) string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf(`{"name":"f%d"}`, i)
		}
		return functions(strings.Join(all, ","))
	}
	f := `"tools":[{"functionDeclarations":[{"name":"f"}]}]`
	mixed := func(mode string) string {
		return with(`"tools":[{"googleSearch":{}},{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"` + mode + `"}}`)
	}
	return []ruleCase{
		{
			"name with a blank", "", two, functions(`{"name":"a b"}`), functions(`{"name":"a.b:c-d"}`),
			"[FIELD_INVALID] Invalid function name.",
		},
		{"name that begins with a digit", "", two, functions(`{"name":"1a"}`), functions(`{"name":"_1a"}`), "Invalid function name."},
		{
			"long name", "", two, functions(`{"name":"` + strings.Repeat("a", 129) + `"}`),
			functions(`{"name":"` + strings.Repeat("a", 128) + `"}`),
			"Invalid function name.",
		},
		{
			"the same name twice", "", two, functions(`{"name":"f"},{"name":"f"}`), functions(`{"name":"f"},{"name":"g"}`),
			"Duplicate function declaration found: f",
		},
		{"too many functions", "", two, many(513), many(512), "at most 512 function declarations are allowed"},
		{
			"both dialects", "", two, functions(`{"name":"f","parameters":` + object + `,"parametersJsonSchema":{}}`),
			functions(`{"name":"f","parametersJsonSchema":{}}`), bothParametersMessage,
		},
		{
			"search and functions before 3", "", two, with(`"tools":[{"googleSearch":{}},{"functionDeclarations":[{"name":"f"}]}]`),
			with(`"tools":[{"googleSearch":{}},{"urlContext":{}}]`), "Tool use with function calling is unsupported",
		},
		{
			"search and functions on Vertex before 3", Vertex, two,
			with(`"tools":[{"googleSearch":{}},{"functionDeclarations":[{"name":"f"}]}]`),
			with(`"tools":[{"googleSearch":{}}]`), "Multiple tools are supported only when they are all search tools.",
		},
		{
			"search and functions without leave", "", three, with(`"tools":[{"googleSearch":{}},{"functionDeclarations":[{"name":"f"}]}]`),
			with(`"tools":[{"googleSearch":{}},{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"includeServerSideToolInvocations":true,` +
				`"functionCallingConfig":{"mode":"VALIDATED"}}`),
			"include_server_side_tool_invocations",
		},
		{
			"search and functions in mode AUTO", Vertex, three, mixed("AUTO"), mixed("VALIDATED"), mixedModeMessage,
		},
		{
			"search and functions on Code Assist", CodeAssist, three, mixed("VALIDATED"), with(f), "Built-in tools ({google_search}) and Custom " +
				"tools (Function Calling) cannot be combined",
		},
		{
			"tool that is none", "", two, with(`"tools":[{}]`), with(`"tools":[]`),
			"* GenerateContentRequest.tools[0].tool_type: required one_of 'tool_type' must have one initialized field",
		},
		{"tool without functions", "", two, with(`"tools":[{"functionDeclarations":[]}]`), with(f), "tools[0].tool_type"},
		{
			"search of the first kind", "", two, with(`"tools":[{"googleSearchRetrieval":{}}]`), with(`"tools":[{"googleSearch":{}}]`),
			"google_search_retrieval is not supported. Please use google_search tool instead.",
		},
		{
			"long name on Vertex", Vertex, two, functions(`{"name":"` + strings.Repeat("a", 65) + `"}`),
			functions(`{"name":"` + strings.Repeat("a", 64) + `"}`), "Invalid function name.",
		},
		{"name with a colon on Code Assist", CodeAssist, two, functions(`{"name":"a:b"}`), functions(`{"name":"a.b"}`), "Invalid function name."},
		{
			"names nobody declared", "", two, with(f + `,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f","g"]}}`),
			with(f + `,"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED","allowedFunctionNames":["f"]}}`), undeclaredNameMessage,
		},
		{
			"names with AUTO", "", two, with(f + `,"toolConfig":{"functionCallingConfig":{"mode":"AUTO","allowedFunctionNames":["f"]}}`),
			with(f + `,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}`), namesWithoutAnyMessage,
		},
		{
			"mode without functions", "", two, with(`"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}`),
			with(`"toolConfig":{"retrievalConfig":{"languageCode":"en"}}`),
			"Function calling config is set without function_declarations.",
		},
	}
}
