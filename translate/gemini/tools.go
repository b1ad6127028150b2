package gemini

import (
	"slices"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// maxTools is what Google's documentation allows of function declarations in one request.
const maxTools = 512

// declarations are the request's tools, the last of those that share a name, and the Origin of each.
func declarations(tools []translate.Tool, n *names) (out []functionDeclaration, origins []int, err error) {
	last := make(map[string]int, len(tools))
	for i := range tools {
		last[tools[i].Name] = i
	}
	if len(last) > maxTools {
		return nil, nil, translate.Invalid("tools", "array_above_max_length",
			"Too many tools: %d, of which the model takes at most %d.", len(last), maxTools)
	}
	var cleaner schemaCleaner
	out, origins = make([]functionDeclaration, 0, len(last)), make([]int, 0, len(last))
	for i := range tools {
		tool := &tools[i]
		if last[tool.Name] != i {
			continue
		}
		schema, err := cleaner.parameters(tool.Schema)
		if err != nil {
			return nil, nil, translate.Invalid(toolParam(tool.Origin, "parameters"), "invalid_function_parameters",
				"Invalid schema for function '%s': it is not valid JSON.", tool.Name)
		}
		out = append(out, functionDeclaration{Name: n.toWire(tool.Name), Description: tool.Description, ParametersJSONSchema: schema})
		origins = append(origins, tool.Origin)
	}
	return out, origins, nil
}

// Google's function calling modes.
const (
	modeAuto      = "AUTO"
	modeNone      = "NONE"
	modeAny       = "ANY"
	modeValidated = "VALIDATED" // free to call or not, but a call obeys its schema
)

// calling is the part of a tool choice that Google needs to be told; nil for its default. Names may be restricted only where a call
// is made to obey its schema.
func calling(req *translate.Request, n *names) *toolConfig {
	var config functionCallingConfig
	choice := req.ToolChoice
	switch choice.Mode {
	case translate.ChoiceNone:
		config.Mode = modeNone
	case translate.ChoiceRequired:
		config.Mode = modeAny
	case translate.ChoiceAuto:
		config.Mode = modeAuto
		if len(choice.Names) > 0 || slices.ContainsFunc(req.Tools, func(t translate.Tool) bool { return t.Strict }) {
			config.Mode = modeValidated
		}
	default:
		return nil
	}
	if config.Mode == modeAny || config.Mode == modeValidated {
		for _, name := range choice.Names {
			config.AllowedFunctionNames = append(config.AllowedFunctionNames, n.toWire(name))
		}
	}
	return &toolConfig{FunctionCallingConfig: config}
}
