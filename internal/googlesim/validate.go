package googlesim

import "fmt"

// roots are the messages that methods take.
var roots = map[Backend]map[string]string{
	Developer: {"generateContent": "Request", "streamGenerateContent": "Request", "countTokens": "CountRequest"},
	Vertex:    {"generateContent": "Request", "streamGenerateContent": "Request", "countTokens": "CountRequest"},
	CodeAssist: {
		"generateContent": "AssistRequest", "streamGenerateContent": "AssistRequest", "countTokens": "AssistCountRequest",
		"loadCodeAssist": "LoadRequest", "onboardUser": "OnboardRequest", "retrieveUserQuota": "QuotaRequest",
	},
}

// readFields checks that the body's fields are the method's, and gives them the names of their JSON form.
func (s *Server) readFields(c *exchange) *apiError {
	root, hasBody := roots[c.Backend][c.Method]
	if !hasBody {
		return nil
	}
	check := protoCheck{dialect: s.dialect(c.Backend)}
	c.body = check.message(protoMessages[root], c.body, "")
	if refused := check.refusal(); refused != nil {
		return refused
	}
	c.request = c.body
	if inner := c.body.get("request"); c.Backend == CodeAssist && (c.generates() || c.Method == "countTokens") {
		c.request = inner
		if c.Method == "countTokens" {
			return noThoughts(inner)
		}
	} else if inner := c.body.get("generateContentRequest"); inner != nil {
		if c.body.has("contents") {
			return invalid(bareMessage)
		}
		c.request = inner
	}
	return nil
}

// noThoughts refuses thoughts where Code Assist is to count tokens: that method does not know them.
func noThoughts(request *node) *apiError {
	for i, content := range request.get("contents").list() {
		for k, p := range content.get("parts").list() {
			if p.has("thought") {
				check := protoCheck{}
				check.unknown(fmt.Sprintf("request.contents[%d].parts[%d]", i, k), "thought", "Cannot find field.")
				return check.refusal()
			}
		}
	}
	return nil
}

// judge is the rules for generate requests, applied to one.
type judge struct {
	exchange        *exchange
	model           *model
	request         *node
	config          *node
	turns           []contentTurn
	maxItems        int // the sum of all in the request's schemas
	trustSignatures bool
	quirks          *Quirks
}

// validate applies the rules that depend on the model. The fields were read before.
func (s *Server) validate(c *exchange, m *model) *apiError {
	j := &judge{
		exchange: c, model: m, request: c.request, config: c.request.get("generationConfig"), trustSignatures: s.opts.TrustSignatures,
		quirks: s.quirks.Load(),
	}
	for _, rule := range []func(*judge) *apiError{
		(*judge).contents, (*judge).instruction, (*judge).cache, (*judge).safety, (*judge).tools, (*judge).toolConfig, (*judge).sampling,
		(*judge).output, (*judge).thinking, (*judge).roles, (*judge).functionTurns, (*judge).ending, (*judge).signatures,
		(*judge).continuation,
	} {
		if refused := rule(j); refused != nil {
			return refused
		}
	}
	return nil
}

func (j *judge) developer() bool { return j.exchange.Backend == Developer }

// field is a complaint about one field in the words of the Developer API, which the cloud backends share unless they have their
// own.
func field(path, format string, args ...any) *apiError {
	return invalid("* GenerateContentRequest." + path + ": " + fmt.Sprintf(format, args...) + "\n")
}

// unable is a complaint in the words of Vertex AI.
func unable(format string, args ...any) *apiError {
	return invalid("Unable to submit request because " + fmt.Sprintf(format, args...) + ". Learn more: " +
		"https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/gemini")
}

// either is the complaint in the words of the backend at hand.
func (j *judge) either(developer, cloud *apiError) *apiError {
	if j.developer() {
		return developer
	}
	return cloud
}
