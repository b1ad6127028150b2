package openai

import (
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
)

var (
	full = ModelInfo{ID: "gemini-3-flash-preview", Name: "Gemini 3 \"Flash\"", Created: 1_700_000_000, Context: 1048576, Output: 65536}
	bare = ModelInfo{ID: "own\nname"}
)

func TestModelsAreListedInOpenAIsForm(t *testing.T) {
	const one = `{"id":"gemini-3-flash-preview","object":"model","created":1700000000,"owned_by":"google","name":"Gemini 3 \"Flash\"",` +
		`"context_length":1048576,"max_completion_tokens":65536}`
	const other = `{"id":"own\nname","object":"model","created":0,"owned_by":"google"}`
	for got, want := range map[string]string{
		string(ModelList([]ModelInfo{full, bare})): `{"object":"list","data":[` + one + "," + other + "]}\n",
		string(ModelList(nil)):                     `{"object":"list","data":[]}` + "\n",
		string(Model(full)):                        one + "\n",
	} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestModelsObeyOpenAIsSchemas(t *testing.T) {
	v := conformance.NewValidator(t)
	v.Check(t, "ListModelsResponse", ModelList([]ModelInfo{full, bare}))
	v.Check(t, "Model", Model(bare))
}
