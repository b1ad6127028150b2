package gemini

import (
	"slices"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// maxTools is what Google's documentation allows of function declarations in one request.
const maxTools = 512

// declarations declares the request's tools, the last of those that share a name.
func (e *encoder) declarations() error {
	tools := e.req.Tools
	last := make(map[string]int, len(tools))
	for i := range tools {
		last[tools[i].Name] = i
	}
	if len(last) > maxTools {
		return translate.Invalid("tools", "array_above_max_length",
			"Too many tools: %d, of which the model takes at most %d.", len(last), maxTools)
	}
	declared, origins := make([]functionDeclaration, 0, len(last)), make([]int, 0, len(last))
	for i := range tools {
		tool := &tools[i]
		if last[tool.Name] != i {
			continue
		}
		schema, err := e.cleaner.parameters(tool.Schema)
		if err != nil {
			return translate.Invalid(toolParam(tool.Origin, "parameters"), "invalid_function_parameters",
				"Invalid schema for function '%s': it is not valid JSON.", tool.Name)
		}
		e.done.sent.parameters = e.done.sent.parameters || schema != nil
		d := functionDeclaration{Name: e.names.toWire(tool.Name), Description: tool.Description}
		d.ParametersJSONSchema, d.Parameters = e.done.remedies.Parameters.fields(schema, true)
		declared = append(declared, d)
		origins = append(origins, tool.Origin)
	}
	e.out.Tools, e.done.tools = []tool{{FunctionDeclarations: declared}}, origins
	return nil
}

// Google's function calling modes.
const (
	modeAuto      = "AUTO"
	modeNone      = "NONE"
	modeAny       = "ANY"
	modeValidated = "VALIDATED" // free to call or not, but a call obeys its schema
)

// calling tells Google of a tool choice what it needs to be told beside its default. Names may be restricted only where a call is made
// to obey its schema.
func (e *encoder) calling() {
	var config functionCallingConfig
	choice := e.req.ToolChoice
	switch choice.Mode {
	case translate.ChoiceNone:
		config.Mode = modeNone
	case translate.ChoiceRequired:
		config.Mode = modeAny
		if e.done.remedies.FreeCalls {
			config.Mode = modeAuto
			e.done.Ignored = append(e.done.Ignored, "tool_choice")
		}
	case translate.ChoiceAuto:
		config.Mode = modeAuto
		if len(choice.Names) > 0 || slices.ContainsFunc(e.req.Tools, func(t translate.Tool) bool { return t.Strict }) {
			config.Mode = modeValidated
		}
	default:
		return
	}
	e.done.sent.forced = config.Mode == modeAny
	if config.Mode == modeAny || config.Mode == modeValidated {
		for _, name := range choice.Names {
			config.AllowedFunctionNames = append(config.AllowedFunctionNames, e.names.toWire(name))
		}
	}
	e.out.ToolConfig = &toolConfig{FunctionCallingConfig: config}
}
