package gemini

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

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
		schema, err := e.cleaner.parameters(toolSchema(tool))
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

// freeformSchema is that of a tool that takes text: a function of one argument.
var freeformSchema = jsontext.Value(`{"type":"object","properties":{"` + translate.FreeformArg + `":{"type":"string"}},"required":["` +
	translate.FreeformArg + `"]}`)

func toolSchema(t *translate.Tool) jsontext.Value {
	if t.Freeform {
		return freeformSchema
	}
	return t.Schema
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
			e.ignore("tool_choice")
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

// builtins adds the tools that run at Google. Where they cannot be had beside functions they are left out, because a client that
// declares functions relies on them.
func (e *encoder) builtins() {
	functions := len(e.req.Tools) > 0
	mixed := false
	for i, b := range e.req.Builtins {
		switch {
		case functions && !slices.Contains(e.model.Generation.BuiltinsWithTools, e.backend):
			e.ignore(b.Param)
		case slices.ContainsFunc(e.req.Builtins[:i], func(other translate.Builtin) bool { return other.Kind == b.Kind }):
		default:
			e.out.Tools = append(e.out.Tools, builtin(b.Kind))
			mixed = functions
		}
	}
	if mixed {
		e.mix()
	}
}

// mix allows tools of both kinds in one request, as Google's documentation wants it.
func (e *encoder) mix() {
	if e.out.ToolConfig == nil {
		e.out.ToolConfig = &toolConfig{FunctionCallingConfig: functionCallingConfig{Mode: modeAuto}}
	}
	if e.out.ToolConfig.FunctionCallingConfig.Mode == modeAuto {
		e.out.ToolConfig.FunctionCallingConfig.Mode = modeValidated
	}
	e.out.ToolConfig.IncludeServerSideToolInvocations = e.backend == translate.GeminiAPI // the others do not have the field
}

func builtin(kind translate.BuiltinKind) tool {
	switch kind {
	case translate.BuiltinSearch:
		return tool{GoogleSearch: &empty{}}
	case translate.BuiltinCode:
		return tool{CodeExecution: &empty{}}
	case translate.BuiltinURLs:
		return tool{URLContext: &empty{}}
	default:
		return tool{GoogleMaps: &empty{}}
	}
}
