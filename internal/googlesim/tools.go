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
	undeclaredNameMessage   = "Allowed function names must be names of function declarations."
	mixedModeMessage        = "Built-in tools with Function calling need the function calling mode VALIDATED, ANY or NONE."
)

// Messages about tools as reported.
const (
	functionNameMessage = "[FIELD_INVALID] Invalid function name. Must start with a letter or an underscore. Must be " +
		"alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128."
	emptyToolMessage = "required one_of 'tool_type' must have one initialized field"
	retrievalMessage = "google_search_retrieval is not supported. Please use google_search tool instead."
	mixedMessage     = "Built-in tools ({%s}) and Custom tools (Function Calling) cannot be combined"
)

const maxFunctions = 512

// What function names may be, on the Developer API and on older deployments of the others.
var (
	functionName      = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$`)
	cloudFunctionName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)
)

func (j *judge) functionName(name string) bool {
	if j.developer() {
		return functionName.MatchString(name)
	}
	return cloudFunctionName.MatchString(name)
}

const functionDepthMessage = "FunctionDeclaration in the request exceeds the maximum allowed nesting depth"

// tools checks what the model may call.
func (j *judge) tools() *apiError {
	seen := map[string]bool{}
	native := ""
	for i, tool := range j.request.get("tools").list() {
		if len(tool.members) == 0 || tool.has("functionDeclarations") && len(tool.get("functionDeclarations").list()) == 0 {
			return field(fmt.Sprintf("tools[%d].tool_type", i), emptyToolMessage)
		}
		if tool.has("googleSearchRetrieval") {
			return invalid(retrievalMessage)
		}
		for _, m := range tool.members {
			if m.name != "functionDeclarations" && m.name != "mcpServers" {
				native = snake(m.name)
			}
		}
		for k, d := range tool.get("functionDeclarations").list() {
			path := fmt.Sprintf("tools[%d].function_declarations[%d]", i, k)
			name := d.get("name").str()
			if !j.functionName(name) {
				return field(path+".name", functionNameMessage)
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
	if native == "" || len(seen) == 0 {
		return nil
	}
	return j.mixed(native)
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

// mixed checks that functions and a tool of Google's own are together only where the model can do that.
func (j *judge) mixed(native string) *apiError {
	switch {
	case j.model.generation < 30:
		return j.either(
			invalid("Tool use with function calling is unsupported"),
			invalid("Multiple tools are supported only when they are all search tools."))
	case j.exchange.Backend == CodeAssist:
		return invalid(fmt.Sprintf(mixedMessage, native))
	case j.developer() && !j.request.at("toolConfig", "includeServerSideToolInvocations").isTrue():
		return invalid("Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function calling.")
	case !slices.Contains([]string{"VALIDATED", "ANY", "NONE"}, j.request.at("toolConfig", "functionCallingConfig", "mode").str()):
		return invalid(mixedModeMessage)
	}
	return nil
}

// toolConfig checks which tools the model must call.
func (j *judge) toolConfig() *apiError {
	choice := j.request.at("toolConfig", "functionCallingConfig")
	if choice == nil {
		return nil
	}
	names, declared := choice.get("allowedFunctionNames").list(), declarations(j.request)
	if len(names) > 0 && !slices.Contains([]string{"ANY", "VALIDATED"}, choice.get("mode").str()) {
		return invalid(namesWithoutAnyMessage)
	}
	if len(declared) == 0 {
		return invalid("Function calling config is set without function_declarations.")
	}
	for _, name := range names {
		if !slices.ContainsFunc(declared, func(d declaration) bool { return d.name == name.str() }) {
			return invalid(undeclaredNameMessage)
		}
	}
	return nil
}
