package google

import (
	"reflect"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

func TestComplaints(t *testing.T) {
	const (
		ids       = gemini.ComplaintCallIDs
		signature = gemini.ComplaintSignature
		unsigned  = gemini.ComplaintUnsigned
		level     = gemini.ComplaintLevel
		budget    = gemini.ComplaintBudget
		disable   = gemini.ComplaintDisable
	)
	tools := gemini.Complaint{Kind: gemini.ComplaintSchema, Parameters: true, Structure: true}
	form := gemini.Complaint{Kind: gemini.ComplaintSchema, Answer: true, Structure: true}
	some := gemini.Complaint{Kind: gemini.ComplaintSchema, Structure: true}
	none := gemini.Complaint{}
	tests := []struct {
		message string
		want    gemini.Complaint
	}{
		// Ids.
		{`Invalid JSON payload received. Unknown name "id" at 'contents[7].parts[0].function_response': Cannot find field.`, gemini.Complaint{Kind: ids}},
		{`Invalid JSON payload received. Unknown name "id" at 'contents[1].parts[0].function_call': Cannot find field.` + "\n" +
			`Invalid JSON payload received. Unknown name "id" at 'contents[2].parts[0].function_response': Cannot find field.`, gemini.Complaint{Kind: ids}},
		{`Invalid JSON payload received. Unknown name "id" at 'request.contents[1].parts[0].functionCall': Cannot find field.`, gemini.Complaint{Kind: ids}},
		{`Invalid JSON payload received. Unknown name "id" at 'contents[1].parts[0].executable_code': Cannot find field.`, none},
		{`Invalid JSON payload received. Unknown name "idea" at 'contents[1].parts[0].function_call': Cannot find field.`, none},

		// Thought signatures.
		{`Corrupted thought signature.`, gemini.Complaint{Kind: signature}},
		{`Invalid thought signature.`, gemini.Complaint{Kind: signature}},
		{`Thought signature is not valid.`, gemini.Complaint{Kind: signature}},
		{`Invalid value at 'request.contents[1].parts[0].thought_signature' (TYPE_BYTES), Base64 decoding failed for "claude#x"`, gemini.Complaint{Kind: signature}},
		{"Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing " +
			"thought_signature may lead to degraded model performance. Additional data, function call `default_api:Bash` , position 2. Please refer to " +
			"https://ai.google.dev/gemini-api/docs/thought-signatures for more details.", gemini.Complaint{Kind: unsigned}},
		{"Unable to submit request because function call `xxx` in the 5. content block is missing a `thought_signature`. Learn more: https://x", gemini.Complaint{Kind: unsigned}},

		// JSON mode.
		{`Function calling with a response mime type: 'application/json' is unsupported`, gemini.Complaint{Kind: gemini.ComplaintJSONMode}},

		// Penalties.
		{`Penalty is not enabled for models/gemini-3.8-flash`, gemini.Complaint{Kind: gemini.ComplaintPenalties}},

		// Thinking.
		{`Thinking level MINIMAL is not supported for this model. Please retry with other thinking level.`, gemini.Complaint{Kind: level, Level: "MINIMAL"}},
		{`Unable to submit request because thinking_level MEDIUM is not supported by this model. Learn more: https://x`, gemini.Complaint{Kind: level, Level: "MEDIUM"}},
		{`'minimal' is not a supported thinking level for this model. Allowed values are: medium, low, high.`,
			gemini.Complaint{Kind: level, Level: "MINIMAL", Levels: []string{"MEDIUM", "LOW", "HIGH"}}},
		{`Thinking level is not supported for this model.`, gemini.Complaint{Kind: level}},
		{`The thinking budget (52428) is invalid. Please choose a value between 128 and 32768.`, gemini.Complaint{Kind: budget, Least: 128, Most: 32768}},
		{`The thinking budget (0) is invalid. Please choose a value between 128 and 32768.`, gemini.Complaint{Kind: budget, Least: 128, Most: 32768, Off: true}},
		{`Thinking budget is not supported for this model.`, gemini.Complaint{Kind: budget}},
		{`Budget 0 is invalid. This model only works in thinking mode.`, gemini.Complaint{Kind: disable}},
		{`Unable to submit request because Thinking can't be disabled for this model. Learn more: https://x`, gemini.Complaint{Kind: disable}},
		{`Unable to submit request because The model does not support setting thinking_budget to 0.`, gemini.Complaint{Kind: disable}},
		{`thinking_config is not supported.`, gemini.Complaint{Kind: gemini.ComplaintThinking}},

		// Schemas.
		{`Invalid JSON payload received. Unknown name "additionalProperties" at 'tools[0].function_declarations[8].parameters.properties[1].value.items': Cannot find field.`, tools},
		{`Invalid JSON payload received. Unknown name "type" at 'request.tools[0].function_declarations[0].parameters': Proto field is not repeating, cannot start list.`, tools},
		{`Invalid JSON payload received. Unknown name "parametersJsonSchema" at 'tools[0].function_declarations[0]': Cannot find field.`, tools},
		{`Invalid JSON payload received. Unknown name "responseJsonSchema" at 'generation_config': Cannot find field.`, form},
		{`Invalid JSON payload received. Unknown name "const" at 'generation_config.response_schema': Cannot find field.`, form},
		{`Invalid value at 'generation_config.response_schema.max_items' (TYPE_INT64), 1.5`, form},
		{"* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties[data].properties: only allowed for OBJECT type\n", tools},
		{"* GenerateContentRequest.tools[0].function_declarations[0].parameters_json_schema: bad\n", tools},
		{`* GenerateContentRequest.generation_config.response_schema.properties["go_back"].properties: should be non-empty for OBJECT type` + "\n", form},
		{"Unable to submit request because `move` functionDeclaration `parameters.entries` schema specified other fields alongside any_of. When using any_of, it must be the only field set.", tools},
		{"Unable to submit request because `response_schema.a` schema didn't specify the schema type field. Learn more: https://x", form},
		{`A schema in GenerationConfig in the request exceeds the maximum allowed nesting depth.`, form},
		{`FunctionDeclaration in the request exceeds the maximum allowed nesting depth`, tools},
		{`maximum schema depth exceeded`, some},
		{`$ref 'QuestionOption' was set alongside unsupported fields. If a schema node has $ref set, then only description and default can be set alongside it`, some},
		{`reference to undefined schema at properties.target_object.anyOf.1`, some},
		{`The specified schema produces a constraint that has too many states for serving. Typical causes of this error are…`, gemini.Complaint{Kind: gemini.ComplaintSchema}},
		{`Request contains an invalid argument.`, gemini.Complaint{Kind: gemini.ComplaintUnclear}},

		// What no other form mends, and what quotes the client.
		{"* GenerateContentRequest.contents[2].parts[0].function_response.name: Name cannot be empty.\n", none},
		{"* GenerateContentRequest.tools[0].function_declarations[0].name: [FIELD_INVALID] Invalid function name.\n", none},
		{`Invalid value at 'generation_config.temperature' (TYPE_DOUBLE), "hot"`, none},
		{`Duplicate function declaration found: Corrupted thought signature.`, none},
		{"Unsupported MIME type: \nCorrupted thought signature.", none},
		{`Invalid JSON payload received. Unknown name "Corrupted thought signature" at 'labels': Cannot find field.`, none},
		{`Request contains an invalid argument. It is the first one.`, none},
		{`Please use a valid role: user, model.`, none},
	}
	for _, tt := range tests {
		e := parseError(answer{status: 400, body: []byte(errorBody(tt.message, "INVALID_ARGUMENT", ""))})
		if !reflect.DeepEqual(e.Complaint, tt.want) {
			t.Errorf("%s\n is %+v,\nwant %+v", tt.message, e.Complaint, tt.want)
		}
	}
}

// Only a refusal of the request is a complaint about its form, whatever it says.
func TestOnlyRequestsAtFaultAreComplainedAbout(t *testing.T) {
	for _, status := range []int{401, 403, 404, 429, 500, 503} {
		e := parseError(answer{status: status, body: []byte(errorBody("Corrupted thought signature.", "", ""))})
		if e.Complaint.Kind != gemini.ComplaintNone {
			t.Errorf("status %d: %+v", status, e.Complaint)
		}
	}
	if e := parseError(answer{status: 400, body: []byte("Corrupted thought signature.")}); e.Complaint.Kind != gemini.ComplaintNone {
		t.Errorf("a page that is not Google's: %+v", e.Complaint)
	}
}

func TestHost(t *testing.T) {
	tests := []struct {
		endpoints Endpoints
		backend   translate.Backend
		location  string
		want      string
	}{
		{Endpoints{}, translate.GeminiAPI, "", "https://generativelanguage.googleapis.com"},
		{Endpoints{}, translate.CodeAssist, "", "https://cloudcode-pa.googleapis.com"},
		{Endpoints{}, translate.Vertex, "", "https://aiplatform.googleapis.com"},
		{Endpoints{}, translate.Vertex, "eu", "https://aiplatform.eu.rep.googleapis.com"},
		{Endpoints{}, translate.Vertex, "us-central1", "https://us-central1-aiplatform.googleapis.com"},
		{Endpoints{GeminiAPI: "https://a.test/", Vertex: "https://b.test", CodeAssist: "https://c.test"}, translate.GeminiAPI, "", "https://a.test"},
		{Endpoints{GeminiAPI: "https://a.test/", Vertex: "https://b.test", CodeAssist: "https://c.test"}, translate.Vertex, "us-central1", "https://b.test"},
		{Endpoints{GeminiAPI: "https://a.test/", Vertex: "https://b.test", CodeAssist: "https://c.test"}, translate.CodeAssist, "", "https://c.test"},
	}
	for _, tt := range tests {
		if got := New(Options{Endpoints: tt.endpoints}).Host(tt.backend, tt.location); got != tt.want {
			t.Errorf("Host(%s, %q) = %s, want %s", tt.backend, tt.location, got, tt.want)
		}
	}
}
