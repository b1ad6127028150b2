package e2e

import (
	"encoding/json"
	"testing"

	"github.com/openai/openai-go/v3"
)

func TestJSONSchema(t *testing.T) {
	client := demo(t).client()
	params := question("Describe a person.")
	params.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{
		OfJSONSchema: &openai.ResponseFormatJSONSchemaParam{JSONSchema: openai.ResponseFormatJSONSchemaJSONSchemaParam{
			Name:   "person",
			Strict: openai.Bool(true),
			Schema: map[string]any{
				"type": "object",
				"properties": map[string]any{
					"name":    map[string]any{"type": "string"},
					"age":     map[string]any{"type": "integer"},
					"hobbies": map[string]any{"type": "array", "items": map[string]any{"type": "string"}},
				},
				"required":             []string{"name", "age", "hobbies"},
				"additionalProperties": false,
			},
		}},
	}
	whole, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	checkPerson(t, whole.Choices[0].Message.Content)
	streamed, _ := accumulate(t, client, params)
	checkPerson(t, streamed.Choices[0].Message.Content)
}

func checkPerson(t *testing.T, text string) {
	t.Helper()
	var person struct {
		Name    *string   `json:"name"`
		Age     *int      `json:"age"`
		Hobbies *[]string `json:"hobbies"`
	}
	if err := json.Unmarshal([]byte(text), &person); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if person.Name == nil || person.Age == nil || person.Hobbies == nil {
		t.Errorf("%q lacks a required property", text)
	}
}

func TestJSONObject(t *testing.T) {
	client := demo(t).client()
	params := question("Describe a person in JSON.")
	params.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONObject: &openai.ResponseFormatJSONObjectParam{}}
	answer, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if text := answer.Choices[0].Message.Content; !json.Valid([]byte(text)) {
		t.Errorf("%q is not JSON", text)
	}
}
