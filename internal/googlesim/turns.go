package googlesim

import (
	"fmt"
	"slices"
)

// Messages about turns that Google's documentation does not quote, so that their wording here is a guess.
const (
	firstTurnMessage    = "Please ensure that multiturn requests start with a user turn."
	idMismatchMessage   = "Please ensure that the id and name of each function response match those of its function call."
	nameMismatchMessage = "Please ensure that function responses have the names of their function calls, in the same order."
	userCallsMessage    = "Please ensure that function calls are in turns of the model's."
	modelResultsMessage = "Please ensure that function responses are in turns of the user's."
	sameIDMessage       = "Please ensure that the function calls of a turn have different ids."
)

// Messages about turns as recorded or reported.
const (
	roleMessage  = "Please use a valid role: user, model."
	countMessage = "Please ensure that the number of function response parts is equal to the number of function call parts of the " +
		"function call turn."
	callOrderMessage = "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
	answerMessage    = "Please ensure that function response turn comes immediately after a function call turn."
	endingMessage    = "Requests ending with a model turn are not supported."
	textMessage      = "Unable to submit request because it must have a text parameter. Add a text parameter and try again. Learn more: " +
		"https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/gemini"
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
		if !j.developer() && c.get("role").str() != "model" && !slices.ContainsFunc(parts, speaks) {
			return invalid(textMessage)
		}
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
			if !model && p.has("functionCall") {
				return invalid(userCallsMessage)
			}
			if model && p.has("functionResponse") && !j.servesMCP() {
				return invalid(modelResultsMessage)
			}
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
	if j.servesMCP() {
		return calls[min(len(calls), len(j.turns[i].with("functionResponse"))):]
	}
	return calls
}

// servesMCP reports whether the Developer API itself runs functions, on servers it was given.
func (j *judge) servesMCP() bool {
	return slices.ContainsFunc(j.request.get("tools").list(), func(tool *node) bool { return tool.has("mcpServers") })
}

// pairs checks that results belong to the calls: by their ids where the calls have any, and by their order where they have not.
func (j *judge) pairs(calls, results []placedPart) *apiError {
	byID := map[string]string{}
	for _, c := range calls {
		id := c.at("functionCall", "id").str()
		if _, repeated := byID[id]; repeated && id != "" && j.model.matchesIDs() {
			return invalid(sameIDMessage)
		}
		byID[id] = c.at("functionCall", "name").str()
	}
	_, anonymous := byID[""]
	for i, r := range results {
		id, name := r.at("functionResponse", "id").str(), r.at("functionResponse", "name").str()
		called, known := byID[id]
		switch {
		case known && id != "" && called == name:
		case j.model.matchesIDs() && (id != "" || !anonymous):
			return invalid(idMismatchMessage)
		case name != calls[i].at("functionCall", "name").str():
			return invalid(nameMismatchMessage)
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
