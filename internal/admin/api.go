package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/accounts"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/observe"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

func init() {
	caddy.RegisterModule(new(API))
}

// API adds routes to Caddy's admin API, for operators to look at the accounts of gemini_proxy, to put them in and out of use, and to see
// what became of a request:
//
// Route | Body | What it does
// ------|------|-------------
// `GET /gemini_proxy/accounts` | | Shows what `/v1/status` does, for the accounts of all handlers together. An account that several handlers have is shown once; `aliases` are the labels that the others give it.
// `POST /gemini_proxy/accounts/disable` | `{"label": "env-1"}` | Puts an account out of use until it is enabled. Calls under way go on.
// `POST /gemini_proxy/accounts/enable` | `{"label": "env-1"}` | Makes an account usable again, whether an operator or a fault disabled it.
// `POST /gemini_proxy/accounts/reset` | `{"label": "env-1"}` or `{"all": true}` | Forgets faults of an account, cooldowns and learned limits of its quota group, and overloaded models, so that the next request tries. What was counted stays counted, and what an operator disabled stays disabled.
// `GET /gemini_proxy/explain/{x-request-id}` | | Tells how one of the last thousand exchanges about a model went, of all handlers: which accounts were considered and which were passed over and why, what was tried with what result, and how long the request waited. An exchange is known when it has ended.
//
// A label means all accounts that a handler calls so. The answer to a POST shows the accounts as they are afterwards. None of this
// shows a secret.
//
// It holds nothing, because Caddy never cleans up the routers of its admin API.
type API struct{}

const (
	pathAccounts = "/gemini_proxy/accounts"
	pathDisable  = pathAccounts + "/disable"
	pathEnable   = pathAccounts + "/enable"
	pathReset    = pathAccounts + "/reset"
	pathExplain  = "/gemini_proxy/explain/"
)

// Target is the body of a POST: the accounts it is about.
type Target struct {
	Label string `json:"label,omitempty"`
	All   bool   `json:"all,omitempty"` // for a reset only
}

// Changed is the answer to a POST: the accounts it was about, as they are now.
type Changed struct {
	Accounts []rotator.AccountSnapshot `json:"accounts"`
}

// maxTarget bounds the body of a POST, in bytes.
const maxTarget = 16 << 10

// CaddyModule returns the Caddy module information.
func (*API) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.gemini_proxy",
		New: func() caddy.Module { return new(API) },
	}
}

// Routes returns the routes below /gemini_proxy/.
func (*API) Routes() []caddy.AdminRoute {
	resetAll := func() bool { accounts.ResetAll(); return true }
	return []caddy.AdminRoute{
		{Pattern: pathAccounts, Handler: caddy.AdminHandlerFunc(show)},
		{Pattern: pathDisable, Handler: change(accounts.Disable, nil)},
		{Pattern: pathEnable, Handler: change(accounts.Enable, nil)},
		{Pattern: pathReset, Handler: change(accounts.Reset, resetAll)},
		{Pattern: pathExplain + "{id}", Handler: caddy.AdminHandlerFunc(explain)},
	}
}

func show(w http.ResponseWriter, r *http.Request) error {
	if err := only(http.MethodGet, w, r); err != nil {
		return err
	}
	return answer(w, accounts.Snapshot())
}

func explain(w http.ResponseWriter, r *http.Request) error {
	if err := only(http.MethodGet, w, r); err != nil {
		return err
	}
	explanation, known := observe.Explain(r.PathValue("id"))
	if !known {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("none of the last exchanges has this x-request-id")}
	}
	return answer(w, explanation)
}

// change is a route that does something to the accounts with a label, or to all where that is possible.
func change(labelled func(label string) bool, all func() bool) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := only(http.MethodPost, w, r); err != nil {
			return err
		}
		target, err := readTarget(w, r, all != nil)
		if err != nil {
			return err
		}
		var found bool
		if target.All {
			found = all()
		} else {
			found = labelled(target.Label)
		}
		if !found {
			return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("no account has this label")}
		}
		changed := Changed{Accounts: []rotator.AccountSnapshot{}}
		for _, a := range accounts.Snapshot().Accounts {
			if target.All || a.Named(target.Label) {
				changed.Accounts = append(changed.Accounts, a)
			}
		}
		return answer(w, changed)
	}
}

// readTarget reads the body of a request. Its errors repeat nothing of it: somebody may have sent a secret by mistake.
func readTarget(w http.ResponseWriter, r *http.Request, mayBeAll bool) (t Target, err error) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxTarget))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return t, caddy.APIError{HTTPStatus: http.StatusRequestEntityTooLarge, Err: errors.New("the body is too large")}
	}
	if err == nil {
		body := json.NewDecoder(bytes.NewReader(text))
		body.DisallowUnknownFields()
		err = body.Decode(&t)
		if _, more := body.Token(); err == nil && more != io.EOF {
			err = errors.New("more than one value")
		}
	}
	switch {
	case err == nil && t.Label != "" && !t.All, err == nil && t.Label == "" && t.All && mayBeAll:
		return t, nil
	case mayBeAll:
		err = errors.New(`the body must be {"label": "..."} or {"all": true}`)
	default:
		err = errors.New(`the body must be {"label": "..."}`)
	}
	return t, caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
}

// only refuses other methods than one.
func only(method string, w http.ResponseWriter, r *http.Request) error {
	if r.Method == method {
		return nil
	}
	w.Header().Set("Allow", method)
	return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("method not allowed")}
}

func answer(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}

// Interface guards
var _ caddy.AdminRouter = (*API)(nil)
