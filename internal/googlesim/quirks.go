package googlesim

import "slices"

// Quirks are ways in which models and deployments have been seen to differ from what Google documents for their kind. The zero Quirks
// are none.
type Quirks struct {
	// NoCallIDs has the Developer API refuse functionCall.id and functionResponse.id, as the others do.
	NoCallIDs bool
	// NoJSONSchema leaves only the older fields for schemas: parameters and responseSchema.
	NoJSONSchema bool
	// MaxStates is how much the constraints of one schema may add up to; 0 is any amount.
	MaxStates int
	// Unclear has Google refuse schemas without saying that it is about them.
	Unclear bool
	// Levels are the thinking levels of models that take others than documented, by the models' names.
	Levels map[string][]string
	// AssistModels has Code Assist serve every Gemini model, as it does for accounts that try them early.
	AssistModels bool
}

// Behave gives the Server quirks, in the place of those it had.
func (s *Server) Behave(q Quirks) { s.quirks.Store(&q) }

// levelsOf are the thinking levels a model takes.
func (q *Quirks) levelsOf(m *model) []string {
	if levels, odd := q.Levels[m.name]; odd {
		return levels
	}
	return m.levels
}

// jsonSchemaFields are the fields that deployments have been without.
var jsonSchemaFields = []string{"parametersJsonSchema", "responseJsonSchema"}

// unknown reports whether a field that is documented does not exist.
func (q *Quirks) unknown(m *protoMessage, name string) bool {
	return q.NoJSONSchema && slices.Contains(jsonSchemaFields, name) ||
		q.NoCallIDs && name == "id" && (m.name == "FunctionCall" || m.name == "FunctionResponse")
}

const statesMessage = "The specified schema produces a constraint that has too many states for serving."

// schema checks a schema, of either dialect, and says whatever is wrong with it as unclearly as it must.
func (q *Quirks) schema(schema *node, refused *apiError) *apiError {
	if refused == nil && q.MaxStates > 0 && states(schema) > q.MaxStates {
		refused = invalid(statesMessage)
	}
	if refused != nil && q.Unclear {
		return invalid(bareMessage)
	}
	return refused
}

// states is a measure of a schema's constraints. Names of properties do not count as keywords.
func states(schema *node) int {
	total := len(schema.get("enum").list())
	for _, bound := range []string{"maxItems", "minItems", "maxLength", "minLength"} {
		total += schema.get(bound).integer()
	}
	for _, keyword := range schemaMaps {
		for _, p := range schema.get(keyword).membersOf() {
			total += states(p.value)
		}
	}
	for _, keyword := range schemaLists {
		for _, option := range schema.get(keyword).list() {
			total += states(option)
		}
	}
	for _, keyword := range schemaOnes {
		if one := schema.get(keyword); one.isObject() {
			total += states(one)
		}
	}
	return total
}
