package googlesim

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// listedModel is a model as the Developer API describes it.
type listedModel struct {
	Name        string   `json:"name"`
	Version     string   `json:"version"`
	DisplayName string   `json:"displayName"`
	Input       int      `json:"inputTokenLimit"`
	Output      int      `json:"outputTokenLimit"`
	Methods     []string `json:"supportedGenerationMethods"`
	Thinking    bool     `json:"thinking,omitzero"`
}

func (m *model) listed() listedModel {
	return listedModel{
		Name: "models/" + m.name, Version: "001", DisplayName: m.name, Input: m.input, Output: m.output,
		Methods: generateMethods, Thinking: m.thinks(),
	}
}

// serveModels answers models.list and models.get of the Developer API.
func (s *Server) serveModels(w http.ResponseWriter, r *http.Request, c *exchange) {
	if c.Method == "models.get" {
		m, found := s.quirks.Load().findModel(Developer, c.Model)
		if !found {
			s.refuse(w, c, modelNotFound(c))
			return
		}
		s.answerJSON(w, c, http.StatusOK, encodeJSON(m.listed(), jsontext.WithIndent("  ")))
		return
	}
	size, _ := strconv.Atoi(cmp.Or(r.URL.Query().Get("pageSize"), "50"))
	from, _ := strconv.Atoi(r.URL.Query().Get("pageToken"))
	if size < 1 || from < 0 || from > len(models) {
		s.refuse(w, c, invalid("Request contains an invalid argument."))
		return
	}
	var page struct {
		Models []listedModel `json:"models"`
		Next   string        `json:"nextPageToken,omitempty"`
	}
	to := min(from+size, len(models))
	for _, m := range models[from:to] {
		page.Models = append(page.Models, m.listed())
	}
	if to < len(models) {
		page.Next = strconv.Itoa(to)
	}
	s.answerJSON(w, c, http.StatusOK, encodeJSON(page, jsontext.WithIndent("  ")))
}

// authorize decides whether an account may bill the project it names.
func (s *Server) authorize(who *account, c *exchange) *apiError {
	switch {
	case who.kind == keyAccount || c.Project == "" || s.accounts.mayBill(who, c.Project):
		return nil
	case c.Backend == Vertex:
		resource := fmt.Sprintf("projects/%s/locations/%s/publishers/google/models/%s", c.Project, c.Location, c.Model)
		return newError(403, fmt.Sprintf("Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/%s' "+
			"(or it may not exist).", resource), newErrorInfo("IAM_PERMISSION_DENIED", services[Vertex],
			map[string]string{"permission": "aiplatform.endpoints.predict", "resource": resource}))
	case c.Backend == CodeAssist:
		resource := "projects/" + c.Project + "/locations/global"
		return newError(403, fmt.Sprintf("Permission 'cloudaicompanion.companions.generateChat' denied on resource "+
			"'//cloudaicompanion.googleapis.com/%s' (or it may not exist).", resource), newErrorInfo("IAM_PERMISSION_DENIED",
			"cloudaicompanion.googleapis.com", map[string]string{
				"permission": "cloudaicompanion.companions.generateChat", "resource": resource,
			}))
	default:
		return newError(403, "Caller does not have required permission to use project "+strings.TrimSpace(c.Project)+".",
			newErrorInfo("USER_PROJECT_DENIED", "googleapis.com", map[string]string{"consumer": "projects/" + c.Project}))
	}
}
