package googlesim

import (
	"fmt"
	"slices"
	"strings"
)

// Messages about turns that Google's documentation does not quote, so that their wording here is a guess.
const (
	firstTurnMessage     = "Please ensure that multiturn requests start with a user turn."
	idMismatchMessage    = "Please ensure that the id and name of each function response match those of its function call."
	nameMismatchMessage  = "Please ensure that function responses have the names of their function calls, in the same order."
	mediaResponseMessage = "Multimodal function responses are not supported for this model."
)

// Messages about turns as recorded or reported.
const (
	roleMessage  = "Please use a valid role: user, model."
	countMessage = "Please ensure that the number of function response parts is equal to the number of function call parts of the " +
		"function call turn."
	callOrderMessage = "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
	answerMessage    = "Please ensure that function response turn comes immediately after a function call turn."
	endingMessage    = "Requests ending with a model turn are not supported."
)

// contentTurn is one content, or several in a row of the same role, which count as one.
type contentTurn struct {
	model bool
	first int // index of its first content
	parts []placedPart
}

// placedPart is a part and where it stands.
type placedPart struct {
	*node
	content, index int
}

func (t *contentTurn) with(name string) []placedPart {
	return slices.DeleteFunc(slices.Clone(t.parts), func(p placedPart) bool { return !p.has(name) })
}

// dataFields are those of which a part has one.
var dataFields = []string{
	"text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult", "toolCall",
	"toolResponse",
}

// contents checks that there is something to answer, and that each part is something.
func (j *judge) contents() *apiError {
	contents := j.request.get("contents").list()
	if len(contents) == 0 {
		return j.either(field("contents", "contents is not specified"), unable("at least one contents field is required"))
	}
	for i, c := range contents {
		parts := c.get("parts").list()
		if len(parts) == 0 {
			return invalid(fmt.Sprintf("GenerateContentRequest.contents[%d].parts: contents.parts must not be empty.", i))
		}
		for k, p := range parts {
			if refused := j.part(p, fmt.Sprintf("contents[%d].parts[%d]", i, k)); refused != nil {
				return refused
			}
		}
		if !j.developer() && c.get("role").str() != "model" && len(parts) == 1 && parts[0].has("text") &&
			parts[0].get("text").str() == "" {
			return invalid("Unable to submit request because it must have a text parameter. Add a text parameter and try again. Learn more: " +
				"https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/gemini")
		}
	}
	return nil
}

func (j *judge) part(p *node, path string) *apiError {
	// Google sends parts that hold nothing but a signature, and takes them back.
	if !p.has("thoughtSignature") && !slices.ContainsFunc(dataFields, p.has) {
		return field(path+".data", "required oneof field 'data' must have one initialized field")
	}
	for _, name := range []string{"functionCall", "functionResponse"} {
		if f := p.get(name); f != nil && f.get("name").str() == "" {
			return invalid(fmt.Sprintf("GenerateContentRequest.%s.%s.name: Name cannot be empty.", path, snake(name)))
		}
	}
	if j.model.generation < 30 && len(p.at("functionResponse", "parts").list()) > 0 {
		return invalid(mediaResponseMessage)
	}
	for _, blob := range append(p.at("functionResponse", "parts").list(), p) {
		mime := blob.at("inlineData", "mimeType").str()
		if blob.has("inlineData") && !supportedMIME(mime) {
			return invalid("Unsupported MIME type: " + mime)
		}
	}
	return nil
}

// mimeTypes are those Google's documentation lists for inline data, besides text/*.
var mimeTypes = []string{
	"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif", "application/pdf", "application/json",
	"audio/wav", "audio/x-wav", "audio/mp3", "audio/mpeg", "audio/aiff", "audio/aac", "audio/ogg", "audio/flac",
	"video/mp4", "video/mpeg", "video/mov", "video/quicktime", "video/avi", "video/x-flv", "video/mpg", "video/webm", "video/wmv",
	"video/3gpp",
}

func supportedMIME(mime string) bool {
	mime, _, _ = strings.Cut(strings.ToLower(mime), ";")
	return strings.HasPrefix(mime, "text/") || slices.Contains(mimeTypes, strings.TrimSpace(mime))
}

// instruction checks the system instruction.
func (j *judge) instruction() *apiError {
	system := j.request.get("systemInstruction")
	switch {
	case system == nil:
		return nil
	case len(system.get("parts").list()) == 0:
		return invalid("GenerateContentRequest.system_instruction.parts: contents.parts must not be empty.")
	case j.model.gemma():
		return invalid("Developer instruction is not enabled for models/" + j.model.name)
	}
	return nil
}

func (j *judge) cache() *apiError {
	if j.request.has("cachedContent") && slices.ContainsFunc([]string{"systemInstruction", "tools", "toolConfig"}, j.request.has) {
		return invalid("CachedContent can not be used with GenerateContent request setting system_instruction, tools or tool_config.\n\n" +
			"Proposed fix: move those values to CachedContent from GenerateContent request.")
	}
	return nil
}

// roles checks who speaks, and sorts the contents into turns.
func (j *judge) roles() *apiError {
	for i, c := range j.request.get("contents").list() {
		role := c.get("role").str()
		// "function" is what results were sent as before; Vertex AI does not take a role left out.
		if !slices.Contains([]string{"user", "model", "function"}, role) && (role != "" || !j.developer()) {
			return invalid(roleMessage)
		}
		model := role == "model"
		if last := len(j.turns) - 1; last < 0 || j.turns[last].model != model {
			j.turns = append(j.turns, contentTurn{model: model, first: i})
		}
		turn := &j.turns[len(j.turns)-1]
		for k, p := range c.get("parts").list() {
			turn.parts = append(turn.parts, placedPart{p, i, k})
		}
	}
	if j.turns[0].model {
		if len(j.turns[0].with("functionCall")) > 0 {
			return invalid(callOrderMessage)
		}
		return invalid(firstTurnMessage)
	}
	return nil
}

// functionTurns checks that every turn with calls is followed by one with as many results.
func (j *judge) functionTurns() *apiError {
	for i := range j.turns {
		turn := &j.turns[i]
		if !turn.model {
			if len(turn.with("functionResponse")) > 0 && (i == 0 || len(j.openCalls(i-1)) == 0) {
				return invalid(answerMessage)
			}
			continue
		}
		calls := j.openCalls(i)
		var results []placedPart
		if i+1 < len(j.turns) {
			results = j.turns[i+1].with("functionResponse")
		}
		// Gemini 2.0 lets calls go unanswered, as recorded requests show.
		if len(results) != len(calls) && (len(results) > 0 || j.model.generation != 20) {
			return invalid(countMessage)
		}
		if refused := j.pairs(calls, results); refused != nil {
			return refused
		}
	}
	return nil
}

// openCalls are the calls of turn i that the next turn is to answer. Those that the Developer API ran itself, on MCP servers it
// was given, are answered in the model's turn.
func (j *judge) openCalls(i int) []placedPart {
	calls := j.turns[i].with("functionCall")
	if !j.turns[i].model {
		return nil
	}
	for _, tool := range j.request.get("tools").list() {
		if tool.has("mcpServers") {
			return calls[min(len(calls), len(j.turns[i].with("functionResponse"))):]
		}
	}
	return calls
}

// pairs checks that results belong to the calls.
func (j *judge) pairs(calls, results []placedPart) *apiError {
	identified := slices.ContainsFunc(calls, func(p placedPart) bool { return p.at("functionCall", "id") != nil })
	for i, r := range results {
		id, name := r.at("functionResponse", "id").str(), r.at("functionResponse", "name").str()
		if !identified {
			if name != calls[i].at("functionCall", "name").str() {
				return invalid(nameMismatchMessage)
			}
			continue
		}
		matches := slices.ContainsFunc(calls, func(p placedPart) bool {
			return p.at("functionCall", "id").str() == id && p.at("functionCall", "name").str() == name
		})
		if !matches && j.model.generation >= 35 {
			return invalid(idMismatchMessage)
		}
	}
	return nil
}

// ending checks that it is the model's turn to speak.
func (j *judge) ending() *apiError {
	last := j.turns[len(j.turns)-1]
	if last.model && !j.model.prefills() && !last.parts[len(last.parts)-1].has("functionResponse") {
		return invalid(endingMessage)
	}
	return nil
}
