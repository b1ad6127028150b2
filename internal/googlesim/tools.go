package googlesim

import (
	"fmt"
	"regexp"
	"slices"
)

// Messages about tools that Google's documentation does not quote, so that their wording here is a guess.
const (
	tooManyFunctionsMessage = "at most %d function declarations are allowed"
	bothParametersMessage   = "only one of parameters and parameters_json_schema can be set"
	namesWithoutAnyMessage  = "Allowed function names can only be set when the function calling mode is ANY or VALIDATED."
)

const maxFunctions = 512

// functionName is what the Developer API and newer Vertex AI take as a function's name.
var functionName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$`)

const functionDepthMessage = "FunctionDeclaration in the request exceeds the maximum allowed nesting depth"

// tools checks what the model may call.
func (j *judge) tools() *apiError {
	seen := map[string]bool{}
	native := 0
	for i, tool := range j.request.get("tools").list() {
		for _, m := range tool.members {
			if m.name != "functionDeclarations" && m.name != "mcpServers" {
				native++
			}
		}
		for k, d := range tool.get("functionDeclarations").list() {
			path := fmt.Sprintf("tools[%d].function_declarations[%d]", i, k)
			name := d.get("name").str()
			if !functionName.MatchString(name) {
				return field(path+".name", "[FIELD_INVALID] Invalid function name. Must start with a letter or an underscore. Must be "+
					"alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.")
			}
			if seen[name] {
				return invalid("Duplicate function declaration found: " + name)
			}
			seen[name] = true
			if refused := j.function(d, path); refused != nil {
				return refused
			}
		}
	}
	if len(seen) > maxFunctions {
		return field("tools", tooManyFunctionsMessage, maxFunctions)
	}
	return j.mixed(native > 0, len(seen) > 0)
}

func (j *judge) function(d *node, path string) *apiError {
	if d.has("parameters") && d.has("parametersJsonSchema") {
		return field(path+".parameters", bothParametersMessage)
	}
	for _, name := range []string{"parameters", "response"} {
		if legacy := d.get(name); legacy != nil {
			w := schemaWalk{judge: j, function: d.get("name").str()}
			if refused := j.quirks.schema(legacy, w.root(legacy, path+"."+name, functionDepthMessage)); refused != nil {
				return refused
			}
		}
	}
	for _, name := range []string{"parametersJsonSchema", "responseJsonSchema"} {
		if free := d.get(name); free != nil {
			if refused := j.quirks.schema(free, j.jsonSchema(free, functionDepthMessage)); refused != nil {
				return refused
			}
		}
	}
	return nil
}

// mixed checks that Google's own tools and functions are together only where the model can do that.
func (j *judge) mixed(native, functions bool) *apiError {
	if !native || !functions {
		return nil
	}
	if j.model.generation < 30 {
		return j.either(
			invalid("Tool use with function calling is unsupported"),
			invalid("Multiple tools are supported only when they are all search tools."))
	}
	if j.developer() && !j.request.at("toolConfig", "includeServerSideToolInvocations").isTrue() {
		return invalid("Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function calling.")
	}
	return nil
}

// toolConfig checks which tools the model must call.
func (j *judge) toolConfig() *apiError {
	choice := j.request.at("toolConfig", "functionCallingConfig")
	mode := choice.get("mode").str()
	if len(choice.get("allowedFunctionNames").list()) > 0 && !slices.Contains([]string{"ANY", "VALIDATED"}, mode) {
		return invalid(namesWithoutAnyMessage)
	}
	if mode == "ANY" && len(declarations(j.request)) == 0 {
		return invalid("Function calling config is set without function_declarations.")
	}
	return nil
}
