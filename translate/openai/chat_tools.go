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
	Custom   *customDef   `json:"custom"`
	Format   customFormat `json:"format"`
	functionDef
	builtinTool
}

// functionDef declares a function.
type functionDef struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Parameters  jsontext.Value `json:"parameters"`
	InputSchema jsontext.Value `json:"input_schema"` // what Anthropic's protocol calls the parameters
	Strict      *bool          `json:"strict"`
}

func (d *functionDef) translate(param string, origin int) (translate.Tool, *translate.Error) {
	if d.Name == "" {
		return translate.Tool{}, missingParameter(param + ".name")
	}
	tool := translate.Tool{Name: d.Name, Description: d.Description, Strict: d.Strict != nil && *d.Strict, Origin: origin}
	for _, schema := range []jsontext.Value{d.Parameters, d.InputSchema} {
		if schema.Kind() == '{' { // clients write null, "" and true for a function without arguments
			tool.Schema = freeJSON(schema)
			break
		}
	}
	return tool, nil
}

// customDef declares a tool that takes text.
type customDef struct {
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Format      customFormat `json:"format"`
}

// customFormat is the form of the text, in the form of the chat API, or with the grammar's members beside the type as the Responses API
// has them.
type customFormat struct {
	Type    string  `json:"type"`
	Grammar grammar `json:"grammar"`
	grammar
}

type grammar struct {
	Syntax     string `json:"syntax"`
	Definition string `json:"definition"`
}

// translate tells the model of the form in words: Google constrains no text.
func (d *customDef) translate(param string, origin int) (translate.Tool, *translate.Error) {
	if d.Name == "" {
		return translate.Tool{}, missingParameter(param + ".name")
	}
	description := d.Description
	g := grammar{cmp.Or(d.Format.Grammar.Syntax, d.Format.Syntax), cmp.Or(d.Format.Grammar.Definition, d.Format.Definition)}
	if g.Definition != "" {
		description += "\nInput format: " + g.Syntax + "\n" + g.Definition
	}
	return translate.Tool{Name: d.Name, Description: description, Freeform: true, Origin: origin}, nil
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
	to.OneCall = r.ParallelToolCalls != nil && !*r.ParallelToolCalls
	for i := range r.Tools {
		if failed := r.Tools[i].addTo(to, i); failed != nil {
			return failed
		}
	}
	return r.ToolChoice.addTo(to, "tool_choice")
}

func (t *chatTool) addTo(to *translate.Request, i int) *translate.Error {
	param := fmt.Sprintf("tools[%d]", i)
	if kind, ok := t.builtin(); ok {
		to.Builtins = append(to.Builtins, translate.Builtin{Kind: kind, Param: param})
		return nil
	}
	if t.hosted() {
		if to.Strict {
			return unsupportedValue(param+".type", t.Type, "no such tool runs here")
		}
		to.Ignored = append(to.Ignored, param)
		return nil
	}
	tool, failed := t.translate(param, i)
	if failed == nil {
		to.Tools = append(to.Tools, tool)
	}
	return failed
}

func (t *chatTool) translate(param string, i int) (translate.Tool, *translate.Error) {
	switch {
	case t.Type == "custom" && t.Custom != nil:
		return t.Custom.translate(param+".custom", i)
	case t.Type == "custom":
		flat := customDef{Name: t.Name, Description: t.Description, Format: t.Format}
		return flat.translate(param, i)
	case t.Type == "function" || t.Type == "" && (t.Function != nil || t.Name != ""):
	case t.Type == "":
		return translate.Tool{}, missingParameter(param + ".type")
	default:
		return translate.Tool{}, invalidValue(param+".type", t.Type, "'function' and 'custom'")
	}
	if t.Function != nil {
		return t.Function.translate(param+".function", i)
	}
	if t.Name == "" {
		return translate.Tool{}, missingParameter(param + ".function")
	}
	return t.functionDef.translate(param, i)
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

	given bool // and not null
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
	Custom   namedTool `json:"custom"`
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (c *toolChoice) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type plain toolChoice
	kind := dec.PeekKind()
	*c = toolChoice{given: kind != 'n'}
	switch kind {
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
		if len(to.Builtins) > 0 {
			return nil // whether to use its own tools is the model's choice
		}
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
	case c.Type == "custom":
		return choice, missingParameter(param + ".custom.name")
	case c.Type == "function" || c.Type == "tool":
		return choice, missingParameter(param + ".function.name")
	}
	if _, builtin := builtinKind(mode); builtin {
		return choice, nil // see addTo
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

// names are those of the functions among the tools allowed. Others have none.
func names(tools []allowedTool) (list []string) {
	for _, t := range tools {
		if name := cmp.Or(t.Function.Name, t.Custom.Name, t.Name); name != "" {
			list = append(list, name)
		}
	}
	return list
}
