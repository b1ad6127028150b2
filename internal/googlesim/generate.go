package googlesim

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// serveGenerate answers generateContent and streamGenerateContent.
func (s *Server) serveGenerate(w http.ResponseWriter, r *http.Request, c *exchange) {
	m, refused := s.admit(c)
	if refused != nil {
		s.refuse(w, c, refused)
		return
	}
	a := compose(c, m, s.now())
	a.interrupt(c, cmp.Or(int(s.callOutput.Load()), outputGemini))
	s.log.signed(c, a.callSignature())
	if !c.streams() {
		s.serveUnary(w, r, c, a.whole().encode(c.Backend, a.trace))
		return
	}
	events := make([]string, 0, 8)
	for _, response := range a.events() {
		events = append(events, response.encode(c.Backend, a.trace))
	}
	if c.reply == nil {
		c.reply = &Reply{Lead: All, Pace: s.opts.Pace}
	}
	c.reply.Events = slices.Clone(c.reply.Events)
	for i, event := range c.reply.Events {
		if c.Backend == CodeAssist {
			c.reply.Events[i] = `{"response": ` + event + `,"traceId": "` + a.trace + `"}`
		}
	}
	s.play(w, r, c, events)
}

// admit decides whether Google would answer at all.
func (s *Server) admit(c *exchange) (*model, *apiError) {
	if refused := s.readFields(c); refused != nil {
		return nil, refused
	}
	m, found := s.quirks.Load().findModel(c.Backend, c.Model)
	if !found {
		return nil, modelNotFound(c)
	}
	if refused := s.validate(c, m); refused != nil {
		return nil, refused
	}
	tokens := countTokens(c.request)
	if over := s.quota.take(c, int64(tokens), s.now()); over != nil {
		s.log.refused(c, over.what)
		return nil, over.refusal(c, s.now())
	}
	if tokens > m.input {
		return nil, tooManyTokens(tokens, m.input)
	}
	c.cached = s.prompts.use(c, tokens, s.now())
	return m, nil
}

func (s *Server) serveUnary(w http.ResponseWriter, r *http.Request, c *exchange, ordinary string) {
	if c.reply == nil {
		s.answerJSON(w, c, http.StatusOK, indented(ordinary))
		return
	}
	reply := *c.reply
	switch {
	case reply.Body != "":
	case len(reply.Events) > 0:
		reply.Body = reply.Events[0]
		if c.Backend == CodeAssist {
			reply.Body = `{"response":` + reply.Body + `}`
		}
	default:
		reply.Body = indented(ordinary)
	}
	reply.Lead, reply.Events, reply.Frames = 0, nil, nil
	c.reply = &reply
	s.play(w, r, c, nil)
}

func indented(text string) string {
	v := jsontext.Value(text)
	if err := v.Indent(jsontext.WithIndent("  ")); err != nil { // what is no JSON stays as it is
		return text
	}
	return string(v) + "\n"
}

func modelNotFound(c *exchange) *apiError {
	switch c.Backend {
	case Developer:
		return newError(404, fmt.Sprintf("models/%s is not found for API version v1beta, or is not supported for generateContent. Call "+
			"ListModels to see the list of available models and their supported methods.", c.Model))
	case Vertex:
		return newError(404, fmt.Sprintf("Publisher Model `projects/%s/locations/%s/publishers/google/models/%s` was not found or your "+
			"project does not have access to it. Please ensure you are using a valid model version. For more information, see: "+
			"https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions", c.Project, c.Location, c.Model))
	default:
		return newError(404, "Requested entity was not found.")
	}
}

func tooManyTokens(count, limit int) *apiError {
	return invalid(fmt.Sprintf("The input token count (%d) exceeds the maximum number of tokens allowed (%d).", count, limit))
}

// countTokens estimates the input of a generate request: four bytes of text a token, 258 tokens a picture or file.
func countTokens(request *node) int {
	text, files := textSize(request)
	return max(1, tokensOf(text, files))
}

func tokensOf(text, files int) int { return (text+3)/4 + 258*files }

func textSize(n *node) (text, files int) {
	switch {
	case n == nil:
	case n.kind == '"' || n.kind == '0':
		text = len(n.text)
	case n.kind == '[':
		for _, item := range n.items {
			t, f := textSize(item)
			text, files = text+t, files+f
		}
	case n.kind == '{':
		for _, m := range n.members {
			switch camel(m.name) {
			case "inlineData", "fileData":
				files++
			case "thoughtSignature", "generationConfig", "safetySettings", "toolConfig", "role", "model":
			default:
				t, f := textSize(m.value)
				text, files = text+t, files+f
			}
		}
	}
	return text, files
}

// serveCount answers countTokens.
func (s *Server) serveCount(w http.ResponseWriter, c *exchange) {
	if refused := s.readFields(c); refused != nil {
		s.refuse(w, c, refused)
		return
	}
	if _, found := s.quirks.Load().findModel(c.Backend, c.Model); !found {
		s.refuse(w, c, modelNotFound(c))
		return
	}
	s.answerJSON(w, c, http.StatusOK, encodeJSON(struct {
		TotalTokens int `json:"totalTokens"`
	}{countTokens(c.request)}, jsontext.WithIndent("  ")))
}

// stamp is a time as Google writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
