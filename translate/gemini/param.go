package gemini

import (
	"fmt"
	"strconv"
	"strings"
)

// configParams are the client's names for the fields of generationConfig, toolConfig and the like, as Google's messages spell them
// without case and underscores.
var configParams = map[string]string{
	"temperature": "temperature", "topp": "top_p", "topk": "top_k", "maxoutputtokens": "max_tokens", "stopsequences": "stop",
	"seed": "seed", "presencepenalty": "presence_penalty", "frequencypenalty": "frequency_penalty",
	"responsemimetype": "response_format", "responsejsonschema": "response_format", "responseschema": "response_format",
	"thinkingconfig": "reasoning_effort", "toolconfig": "tool_choice",
	"responselogprobs": "logprobs", "logprobs": "top_logprobs", "responsemodalities": "modalities", "speechconfig": "audio.voice",
	"candidatecount": "n", "imageconfig": "image_config", "safetysettings": "safety_settings", "cachedcontent": "cached_content",
	"servicetier": "service_tier", "labels": "labels",
}

// Param translates a path in one of Google's messages about Body, in either spelling of its fields, into the field of the client's
// request that caused it. It is empty when no single field did.
func (e *Encoded) Param(googlePath string) string {
	path := strings.TrimPrefix(strings.TrimPrefix(googlePath, "GenerateContentRequest."), "request.")
	head, rest, _ := strings.Cut(path, ".")
	name, index := fieldIndex(head)
	switch name {
	case "contents":
		return e.contentParam(index, rest)
	case "systeminstruction":
		_, j := fieldIndex(rest)
		return messageParam(at(e.system, max(j, 0)))
	case "tools":
		return e.toolParam(rest)
	case "generationconfig":
		field, _, _ := strings.Cut(rest, ".")
		name, _ = fieldIndex(field)
	}
	return configParams[name]
}

func (e *Encoded) contentParam(index int, rest string) string {
	if index < 0 || index >= len(e.origins) {
		return ""
	}
	origins := e.origins[index]
	head, _, _ := strings.Cut(rest, ".")
	if name, j := fieldIndex(head); name == "parts" && j >= 0 {
		return messageParam(at(origins, j))
	}
	for _, origin := range origins {
		if origin >= 0 {
			return messageParam(origin)
		}
	}
	return ""
}

func (e *Encoded) toolParam(rest string) string {
	head, field, _ := strings.Cut(rest, ".")
	name, index := fieldIndex(head)
	if name != "functiondeclarations" {
		return "tools"
	}
	origin := at(e.tools, index)
	if origin < 0 {
		return "tools"
	}
	head, _, _ = strings.Cut(field, ".")
	switch name, _ = fieldIndex(head); name {
	case "parameters", "parametersjsonschema":
		return toolParam(origin, "parameters")
	case "name", "description":
		return toolParam(origin, name)
	default:
		return fmt.Sprintf("tools[%d]", origin)
	}
}

func toolParam(origin int, field string) string {
	return fmt.Sprintf("tools[%d].function.%s", origin, field)
}

func messageParam(origin int) string {
	if origin < 0 {
		return ""
	}
	return fmt.Sprintf("messages[%d]", origin)
}

// at is the origin at an index, -1 beyond the end.
func at(origins []int, index int) int {
	if index < 0 || index >= len(origins) {
		return -1
	}
	return origins[index]
}

// fieldIndex splits "functionDeclarations[5]" into the name, without case and underscores, and 5; the index is -1 when there is none.
func fieldIndex(segment string) (name string, index int) {
	name, rest, _ := strings.Cut(segment, "[")
	digits, _, _ := strings.Cut(rest, "]")
	index, err := strconv.Atoi(digits)
	if err != nil {
		index = -1
	}
	return strings.ToLower(strings.ReplaceAll(name, "_", "")), index
}
