package conformance

import (
	"bytes"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Validator checks JSON against the schemas OpenAI publishes.
type Validator struct {
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
}

const specURL = "openai.json"

// Specification is the Data that a Validator needs.
const Specification = "openai-openapi.json.gz"

var shared struct {
	once      sync.Once
	validator *Validator
	err       error
}

// NewValidator reads OpenAI's published document, once per process. The test is skipped where the document is not at hand.
func NewValidator(tb testing.TB) *Validator {
	tb.Helper()
	spec := Data(tb, Specification)
	shared.once.Do(func() {
		var doc any
		if doc, shared.err = jsonschema.UnmarshalJSON(bytes.NewReader(spec)); shared.err != nil {
			return
		}
		compiler := jsonschema.NewCompiler()
		if shared.err = compiler.AddResource(specURL, modernise(doc)); shared.err != nil {
			return
		}
		shared.validator = &Validator{compiler: compiler, schemas: map[string]*jsonschema.Schema{}}
	})
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.validator
}

// Check fails the test when the JSON is not an instance of the named component, such as CreateChatCompletionResponse.
func (v *Validator) Check(tb testing.TB, component string, text []byte) {
	tb.Helper()
	schema, err := v.schema(component)
	if err != nil {
		tb.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		tb.Fatalf("%s: not JSON: %v\n%s", component, err, text)
	}
	if err := schema.Validate(value); err != nil {
		tb.Errorf("%s: %v\n%s", component, err, text)
	}
}

func (v *Validator) schema(component string) (*jsonschema.Schema, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.schemas[component]; s != nil {
		return s, nil
	}
	s, err := v.compiler.Compile(specURL + "#/components/schemas/" + component)
	if err == nil {
		v.schemas[component] = s
	}
	return s, err
}

// modernise makes JSON Schema 2020-12 of what the document still says in the words of OpenAPI 3.0 and of an earlier draft.
func modernise(node any) any {
	switch node := node.(type) {
	case []any:
		for i := range node {
			node[i] = modernise(node[i])
		}
	case map[string]any:
		for name, child := range node {
			node[name] = modernise(child)
		}
		delete(node, "$recursiveAnchor")
		if _, ok := node["$recursiveRef"]; ok {
			delete(node, "$recursiveRef")
			node["$ref"] = "#/components/schemas/CompoundFilter"
		}
		if node["nullable"] == true {
			delete(node, "nullable")
			return map[string]any{"anyOf": []any{node, map[string]any{"type": "null"}}}
		}
	}
	return node
}
