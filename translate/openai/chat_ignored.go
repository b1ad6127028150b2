package openai

import (
	"bytes"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// harmless are members without an effect here that change nothing about an answer where they have one: what they ask for is about
// accounting, caching, routing or speed. Even a strict gateway ignores them.
var harmless = []string{
	"metadata", "prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier", "service_tier",
	"session_id", "store", "stream_options", "stream_options.include_obfuscation", "user", // OpenAI's
	"client_metadata", "include", "truncation", "previous_response_id", // of its Responses API
	"cache_control", "extra_headers", "keep_alive", "models", "plugins", "provider", "route", "transforms", "usage", // of other gateways
}

// known are further members that are no mistake of the client's.
var known = []string{
	"logit_bias", "moderation", "modalities", "verbosity", "reasoning", "web_search_options.search_context_size", "functions", "function_call", // OpenAI's
	"chat_template_kwargs", "enable_thinking", "extra_body", "google", "generationConfig", "image_config", "include_reasoning", "labels",
	"min_p", "mirostat", "mirostat_eta", "mirostat_tau", "num_ctx", "options", "repetition_penalty", "safety_settings", "safetySettings",
	"text", "thinking", "top_a", "typical_p", "web_search_options", "cached_content", // of other APIs and gateways
}

// ignoredTypes are the types of members of OpenAI's own that are ignored. A strict gateway sees to them nevertheless.
var ignoredTypes = map[string]expected{
	"metadata": "an object", "prediction": "an object", "prompt_cache_key": "a string", "prompt_cache_retention": "a string",
	"safety_identifier": "a string", "store": "a boolean", "user": "a string",
}

// maxMetadata is how many notes OpenAI lets a client attach to a request.
const maxMetadata = 16

// refuseMistakes refuses, where the gateway is strict, what OpenAI refuses though it changes nothing about an answer.
func (r *chatRequest) refuseMistakes(to *translate.Request) *translate.Error {
	if !to.Strict {
		return nil
	}
	if r.StreamOptions != nil && !r.Stream {
		return translate.Invalid("stream_options", "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	switch {
	case r.Metadata.odd:
		return wrongType("metadata", ignoredTypes["metadata"])
	case r.PromptCacheKey.odd:
		return wrongType("prompt_cache_key", ignoredTypes["prompt_cache_key"])
	}
	if n := r.Metadata.or().count(); n > maxMetadata {
		return translate.Invalid("metadata", "object_above_max_properties", "Invalid 'metadata': too many properties. Expected an object "+
			"with at most %d properties, but got an object with %d properties instead.", maxMetadata, n)
	}
	return nil
}

// nameIgnored lists the members that were accepted and have no effect. Members that say nothing (null, false, empty) and those that
// ask for what happens anyway are not worth naming. A strict gateway refuses those that would have an effect on the answer elsewhere,
// and those that nobody knows.
func (r *chatRequest) nameIgnored(to *translate.Request) *translate.Error {
	for _, o := range []struct {
		name    string
		ignored bool
	}{
		{"stream_options", r.StreamOptions != nil && !r.Stream},
		{"stream_options.include_obfuscation", r.StreamOptions != nil && r.Stream && r.StreamOptions.IncludeObfuscation},
		{"web_search_options.search_context_size", r.WebSearchOptions.sized()},
		{"web_search_options", r.WebSearchOptions != nil && len(r.WebSearchOptions.Rest) > len("{}")},
		{"input", r.Input.given && !r.adopted},
		{"max_output_tokens", r.MaxOutputTokens != nil && !r.adopted},
		{"text", r.textIgnored()},
		{"functions", len(r.Functions) > 0 && !r.legacyFunctions()},
		{"function_call", r.FunctionCall.given && !r.legacyFunctions()},
		{"reasoning", r.Reasoning.odd || len(r.Reasoning.or().Rest) > len("{}")},
		{"include_reasoning", r.IncludeReasoning.odd},
		{"thinking", r.Thinking.odd || r.Thinking.value.ignored()},
		{"enable_thinking", r.EnableThinking.odd},
		{"chat_template_kwargs", r.ChatTemplate.odd || len(r.ChatTemplate.or().Rest) > len("{}")},
		{"google", r.Google.odd || r.Google.or().ignored()},
		{"extra_body", r.ExtraBody.odd || r.ExtraBody.or().ignored()},
		{"safety_settings", r.SafetySettings.odd},
		{"safetySettings", r.SafetySettingsCamel.odd},
		{"cached_content", r.CachedContent.odd},
		{"image_config", r.ImageConfig.odd},
		{"labels", r.Labels.odd},
		{"generationConfig", r.GenerationConfig.odd || r.GenerationConfig.or().ignored()},
		{"service_tier", r.tierIgnored()},
		{"usage", r.Usage.odd},
		{"prompt_cache_key", r.PromptCacheKey.odd},
		{"session_id", r.SessionID.odd},
		{"metadata", r.Metadata.odd || r.Metadata.value != nil && r.Metadata.value.ignored()},
	} {
		if !o.ignored {
			continue
		}
		if failed := ignore(to, o.name); failed != nil {
			return failed
		}
	}
	return r.nameRest(to)
}

// nameRest goes through the members that are not read.
func (r *chatRequest) nameRest(to *translate.Request) *translate.Error {
	dec := jsontext.NewDecoder(bytes.NewReader(r.Rest), tolerant)
	if _, err := dec.ReadToken(); err != nil { // nothing but members we know
		return nil
	}
	for dec.PeekKind() == '"' && len(to.Ignored) < maxIgnored {
		token, err := dec.ReadToken()
		if err != nil {
			return nil
		}
		name := token.String()
		value, err := dec.ReadValue()
		if err != nil {
			return nil
		}
		if want, own := ignoredTypes[name]; own && to.Strict && value.Kind() != 'n' && kindName(value.Kind()) != string(want) {
			return wrongType(name, want)
		}
		if saysNothing(value) {
			continue
		}
		if failed := ignore(to, name); failed != nil {
			return failed
		}
	}
	return nil
}

// ignore notes a member that has no effect.
func ignore(to *translate.Request, name string) *translate.Error {
	switch {
	case !to.Strict || slices.Contains(harmless, name):
	case slices.Contains(known, name):
		return unsupportedParameter(name, "it has no effect here")
	default:
		return translate.Invalid(clip(name), "unknown_parameter", "Unknown parameter: '%s'.", clip(name))
	}
	if isHeaderSafe(name) {
		to.Ignored = append(to.Ignored, name)
	}
	return nil
}

// maxIgnored and maxIgnoredName bound what a client can make its own response header hold.
const (
	maxIgnored     = 32
	maxIgnoredName = 64
)

func isHeaderSafe(name string) bool {
	return len(name) <= maxIgnoredName && name != "" && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789_-.[]") == ""
}

func saysNothing(value jsontext.Value) bool {
	switch string(value) {
	case "null", "false", `""`, "[]", "{}":
		return true
	default:
		return false
	}
}
