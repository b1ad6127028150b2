package openai

import (
	"cmp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// builtinTool is one of Google's own tools in Google's own form, in both of the spellings its APIs accept: a member whose presence
// counts.
type builtinTool struct {
	Search     jsontext.Value `json:"googleSearch"`
	SearchOld  jsontext.Value `json:"google_search"`
	Code       jsontext.Value `json:"codeExecution"`
	CodeOld    jsontext.Value `json:"code_execution"`
	URLs       jsontext.Value `json:"urlContext"`
	URLsOld    jsontext.Value `json:"url_context"`
	Maps       jsontext.Value `json:"googleMaps"`
	MapsOld    jsontext.Value `json:"google_maps"`
	SearchLong jsontext.Value `json:"googleSearchRetrieval"`
}

// builtin is which of Google's tools this is, if it is one.
func (t *chatTool) builtin() (translate.BuiltinKind, bool) {
	if t.Type != "" {
		return builtinKind(t.Type)
	}
	for _, b := range []struct {
		value jsontext.Value
		kind  translate.BuiltinKind
	}{
		{t.Search, translate.BuiltinSearch},
		{t.SearchOld, translate.BuiltinSearch},
		{t.SearchLong, translate.BuiltinSearch},
		{t.Code, translate.BuiltinCode},
		{t.CodeOld, translate.BuiltinCode},
		{t.URLs, translate.BuiltinURLs},
		{t.URLsOld, translate.BuiltinURLs},
		{t.Maps, translate.BuiltinMaps},
		{t.MapsOld, translate.BuiltinMaps},
	} {
		if len(b.value) > 0 {
			return b.kind, true
		}
	}
	return 0, false
}

// builtinKind is which of Google's tools a type of OpenAI's, Anthropic's or of other gateways' means. Dates at the end of a type are
// versions.
func builtinKind(name string) (translate.BuiltinKind, bool) {
	for _, b := range []struct {
		prefix string
		kind   translate.BuiltinKind
	}{
		{"web_search", translate.BuiltinSearch},
		{"google_search", translate.BuiltinSearch},
		{"googleSearch", translate.BuiltinSearch},
		{"code_interpreter", translate.BuiltinCode},
		{"code_execution", translate.BuiltinCode},
		{"codeExecution", translate.BuiltinCode},
		{"web_fetch", translate.BuiltinURLs},
		{"url_context", translate.BuiltinURLs},
		{"urlContext", translate.BuiltinURLs},
		{"google_maps", translate.BuiltinMaps},
		{"googleMaps", translate.BuiltinMaps},
	} {
		if strings.HasPrefix(name, b.prefix) {
			return b.kind, true
		}
	}
	return 0, false
}

// hostedTools are types of tools that run at OpenAI or Anthropic, and have no counterpart at Google.
var hostedTools = []string{
	"apply_patch", "bash", "computer", "file_search", "image_generation", "local_shell", "mcp", "memory", "shell", "text_editor", "tool_search",
}

func (t *chatTool) hosted() bool {
	return slices.ContainsFunc(hostedTools, func(name string) bool {
		rest, ok := strings.CutPrefix(t.Type, name)
		return ok && (rest == "" || rest[0] == '_')
	})
}

// webSearchOptions has the model search the web. How much of what it finds it reads cannot be chosen.
type webSearchOptions struct {
	SearchContextSize string `json:"search_context_size"`

	UserLocation struct {
		Approximate place `json:"approximate"`
		place
	} `json:"user_location"`

	Rest jsontext.Value `json:",embed"`
}

// sized reports whether the client chose how much is read, otherwise than OpenAI does by itself.
func (o *webSearchOptions) sized() bool {
	return o != nil && o.SearchContextSize != "" && o.SearchContextSize != "medium"
}

// place is where a user is, roughly.
type place struct {
	City     string `json:"city"`
	Region   string `json:"region"`
	Country  string `json:"country"`
	Timezone string `json:"timezone"`
}

// sentence tells a model of the place: Google has fields for coordinates only. It is empty when nothing is known.
func (p place) sentence() string {
	parts := slices.DeleteFunc([]string{p.City, p.Region, p.Country}, func(s string) bool { return s == "" })
	switch where := strings.Join(parts, ", "); {
	case where != "" && p.Timezone != "":
		return "The user is in " + where + " (time zone " + p.Timezone + ")."
	case where != "":
		return "The user is in " + where + "."
	case p.Timezone != "":
		return "The user's time zone is " + p.Timezone + "."
	default:
		return ""
	}
}

// addSearch lets the model search, and tells it where the user is, after what the client itself has to say to it.
func (r *chatRequest) addSearch(to *translate.Request) *translate.Error {
	options := r.WebSearchOptions
	if options == nil {
		return nil
	}
	to.Builtins = append(to.Builtins, translate.Builtin{Kind: translate.BuiltinSearch, Param: "web_search_options"})
	location := cmp.Or(options.UserLocation.Approximate, options.UserLocation.place)
	if sentence := location.sentence(); sentence != "" {
		lead := slices.IndexFunc(to.Messages, func(m translate.Message) bool { return m.Role != translate.RoleSystem })
		if lead < 0 {
			lead = len(to.Messages)
		}
		to.Messages = slices.Insert(to.Messages, lead, translate.Message{
			Role: translate.RoleSystem, Parts: []translate.Part{textPart(sentence)}, Origin: translate.NoOrigin,
		})
	}
	return nil
}
