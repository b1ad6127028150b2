package openai

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// chatTool is a tool in OpenAI's form, or with the function's members beside the type as the Responses API has them.
type chatTool struct {
	Type     string       `json:"type"`
	Function *functionDef `json:"function"`
	functionDef
}

// functionDef declares a function.
type functionDef struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Parameters  jsontext.Value `json:"parameters"`
	Strict      *bool          `json:"strict"`
}

func (d *functionDef) translate(param string, origin int) (translate.Tool, *translate.Error) {
	if d.Name == "" {
		return translate.Tool{}, missingParameter(param + ".name")
	}
	tool := translate.Tool{Name: d.Name, Description: d.Description, Strict: d.Strict != nil && *d.Strict, Origin: origin}
	if d.Parameters.Kind() == '{' { // clients write null, "" and true for a function without arguments
		tool.Schema = freeJSON(d.Parameters)
	}
	return tool, nil
}

// legacyFunctions reports whether the client uses the form of before 2023-11, in which functions are no tools and an answer holds
// one call at most.
func (r *chatRequest) legacyFunctions() bool { return len(r.Tools) == 0 && len(r.Functions) > 0 }

func (r *chatRequest) addTools(to *translate.Request) *translate.Error {
	if r.legacyFunctions() {
		for i := range r.Functions {
			tool, failed := r.Functions[i].translate(fmt.Sprintf("functions[%d]", i), i)
			if failed != nil {
				return failed
			}
			to.Tools = append(to.Tools, tool)
		}
		return r.FunctionCall.addTo(to, "function_call")
	}
	for i := range r.Tools {
		tool, failed := r.Tools[i].translate(i)
		if failed != nil {
			return failed
		}
		to.Tools = append(to.Tools, tool)
	}
	return r.ToolChoice.addTo(to, "tool_choice")
}

func (t *chatTool) translate(i int) (translate.Tool, *translate.Error) {
	switch {
	case t.Type == "function" || t.Type == "" && t.Function != nil:
	case t.Type == "":
		return translate.Tool{}, missingParameter(fmt.Sprintf("tools[%d].type", i))
	default:
		return translate.Tool{}, invalidValue(fmt.Sprintf("tools[%d].type", i), t.Type, "'function'")
	}
	if t.Function != nil {
		return t.Function.translate(fmt.Sprintf("tools[%d].function", i), i)
	}
	if t.Name == "" {
		return translate.Tool{}, missingParameter(fmt.Sprintf("tools[%d].function", i))
	}
	return t.functionDef.translate(fmt.Sprintf("tools[%d]", i), i)
}

// toolChoice is tool_choice, or the older function_call: a word, or an object in OpenAI's, the Responses API's or Anthropic's form.
type toolChoice struct {
	Type         string        `json:"type"`
	Name         string        `json:"name"`
	Function     namedTool     `json:"function"`
	Custom       namedTool     `json:"custom"`
	AllowedTools *allowedTools `json:"allowed_tools"`
	Mode         string        `json:"mode"`
	Tools        []allowedTool `json:"tools"`
}

type namedTool struct {
	Name string `json:"name"`
}

type allowedTools struct {
	Mode  string        `json:"mode"`
	Tools []allowedTool `json:"tools"`
}

type allowedTool struct {
	Name     string    `json:"name"`
	Function namedTool `json:"function"`
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (c *toolChoice) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type plain toolChoice
	*c = toolChoice{}
	switch dec.PeekKind() {
	case '"', 'n':
		return json.UnmarshalDecode(dec, &c.Type)
	case '{':
		return json.UnmarshalDecode(dec, (*plain)(c))
	default:
		return expected("one of a string or object").refuse(dec)
	}
}

// addTo settles the choice. A name that no tool has is the client's mistake; a choice that leaves the model free needs no tools.
func (c *toolChoice) addTo(to *translate.Request, param string) *translate.Error {
	choice, failed := c.translate(param)
	if failed != nil {
		return failed
	}
	if len(to.Tools) == 0 {
		if choice.Mode == translate.ChoiceRequired || len(choice.Names) > 0 {
			return translate.Invalid(param, "", "Invalid value for '%s': '%s' is only allowed when 'tools' are specified.", param, param)
		}
		return nil
	}
	for _, name := range choice.Names {
		if !slices.ContainsFunc(to.Tools, func(t translate.Tool) bool { return t.Name == name }) {
			return translate.Invalid(param, "invalid_value", "Tool choice '%s' not found in 'tools' parameter.", clip(name))
		}
	}
	to.ToolChoice = choice
	return nil
}

func (c *toolChoice) translate(param string) (choice translate.ToolChoice, failed *translate.Error) {
	mode := c.Type
	switch {
	case c.AllowedTools != nil:
		mode = c.AllowedTools.Mode
		choice.Names = names(c.AllowedTools.Tools)
	case c.Type == "allowed_tools":
		mode = c.Mode
		choice.Names = names(c.Tools)
	case c.Function.Name != "" || c.Custom.Name != "" || c.Name != "":
		mode = "required"
		choice.Names = []string{cmp.Or(c.Function.Name, c.Custom.Name, c.Name)}
	case c.Type == "function" || c.Type == "tool" || c.Type == "custom":
		return choice, missingParameter(param + ".function.name")
	}
	switch mode {
	case "":
	case "auto":
		choice.Mode = translate.ChoiceAuto
	case "none":
		choice.Mode = translate.ChoiceNone
	case "required", "any":
		choice.Mode = translate.ChoiceRequired
	default:
		return choice, invalidValue(param, mode, "'none', 'auto', and 'required'")
	}
	return choice, nil
}

func names(tools []allowedTool) []string {
	list := make([]string, len(tools))
	for i, t := range tools {
		list[i] = cmp.Or(t.Function.Name, t.Name)
	}
	return list
}
