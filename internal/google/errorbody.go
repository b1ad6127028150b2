package google

import (
	"bytes"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// lenient are the options for everything that comes from outside.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// text is a JSON string, or a number or boolean where a string was expected. Other values count as empty rather than as an error,
// so that one odd member does not hide the rest.
type text string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *text) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	switch dec.PeekKind() {
	case '"', '0', 't', 'f':
		tok, err := dec.ReadToken()
		if err == nil {
			*t = text(tok.String())
		}
		return err
	default:
		return dec.SkipValue()
	}
}

// status is google.rpc.Status in JSON, as Google and its older interfaces write it.
type status struct {
	Code    text           `json:"code"`
	Message text           `json:"message"`
	Status  text           `json:"status"`
	Details jsontext.Value `json:"details"`
	Errors  jsontext.Value `json:"errors"`
}

// detail is any of google.rpc's error details. Their members tell them apart, so "@type" is not read: it has been seen misspelt.
type detail struct {
	// ErrorInfo
	Reason   text            `json:"reason"`
	Domain   text            `json:"domain"`
	Metadata map[string]text `json:"metadata"`
	// RetryInfo
	RetryDelay text `json:"retryDelay"`
	// QuotaFailure
	Violations []quotaViolation `json:"violations"`
	// BadRequest
	FieldViolations []struct {
		Field text `json:"field"`
	} `json:"fieldViolations"`
	// DebugInfo. It echoes API keys and is never shown to anybody.
	Detail text `json:"detail"`
}

// report is what an error answer says, whatever its wrapping.
type report struct {
	status  int    // HTTP
	state   string // google.rpc.Code by name
	message string
	garbage bool // the body was none of Google's JSON

	reason       string
	metadata     map[string]text
	retry        time.Duration
	violations   []rotator.Violation
	field, debug string
}

// readReport reads an error body. httpStatus is 0 within a stream.
func readReport(body []byte, httpStatus int) report {
	st, nested, ok := findStatus(body)
	if !ok {
		return report{status: orUnknown(httpStatus), message: plainMessage(body), garbage: true}
	}
	r := report{status: httpStatus, state: string(st.Status), message: string(st.Message)}
	code, _ := strconv.Atoi(string(st.Code))
	if code < 400 || code > 599 {
		code = httpStatusOf[r.state]
	}
	if (nested || httpStatus < 400) && code != 0 {
		r.status = code
	}
	r.status = orUnknown(r.status)
	r.readDetails(st.Details)
	r.readLegacy(st.Errors)
	r.completeViolations()
	return r
}

func orUnknown(httpStatus int) int {
	if httpStatus == 0 {
		return http.StatusInternalServerError
	}
	return httpStatus
}

func (r *report) readDetails(list jsontext.Value) {
	var details []jsontext.Value
	if json.Unmarshal(list, &details, lenient) != nil {
		return
	}
	for _, value := range details {
		var d detail
		if json.Unmarshal(value, &d, lenient) != nil {
			continue
		}
		r.take(&d)
	}
}

func (r *report) take(d *detail) {
	if d.Reason != "" && r.reason == "" {
		r.reason, r.metadata = string(d.Reason), d.Metadata
	}
	r.retry = max(r.retry, parseDelay(string(d.RetryDelay)))
	for i := range d.Violations {
		if v := &d.Violations[i]; v.QuotaID != "" || v.Metric != "" {
			r.violations = append(r.violations, v.violation())
		}
	}
	if len(d.FieldViolations) > 0 && r.field == "" {
		r.field = string(d.FieldViolations[0].Field)
	}
	if r.debug == "" {
		r.debug = string(d.Detail)
	}
}

// readLegacy reads the errors list of Google's older interfaces where the current form said less.
func (r *report) readLegacy(list jsontext.Value) {
	var legacy []struct {
		Message text `json:"message"`
		Reason  text `json:"reason"`
	}
	if json.Unmarshal(list, &legacy, lenient) != nil || len(legacy) == 0 {
		return
	}
	if r.message == "" {
		r.message = string(legacy[0].Message)
	}
	if r.reason == "" {
		r.reason = string(legacy[0].Reason)
	}
}

// maxNesting is how many errors may be wrapped in each other's messages as JSON text. Google's own client goes as deep.
const maxNesting = 10

// findStatus finds the innermost error of a body: an object or a list of them, an event of a stream, or JSON text within the message
// of another error. nested is true for the last.
func findStatus(body []byte) (st status, nested, ok bool) {
	st, ok = openStatus(body)
	for range maxNesting {
		if !ok {
			break
		}
		inner, found := openStatus([]byte(st.Message))
		if !found {
			break
		}
		st, nested = inner, true
	}
	return st, nested, ok
}

func openStatus(body []byte) (status, bool) {
	body = unframe(body)
	if len(body) == 0 || (body[0] != '{' && body[0] != '[') {
		return status{}, false
	}
	if st, ok := decodeStatus(body); ok {
		return st, true
	}
	return decodeStatus(mendCommas(body))
}

func decodeStatus(body []byte) (status, bool) {
	list := []jsontext.Value{body}
	if body[0] == '[' && json.Unmarshal(body, &list, lenient) != nil {
		return status{}, false
	}
	for _, value := range list {
		var wrapper struct {
			Error jsontext.Value `json:"error"`
			status
		}
		if json.Unmarshal(value, &wrapper, lenient) != nil {
			continue
		}
		switch wrapper.Error.Kind() {
		case '{':
			var st status
			if json.Unmarshal(wrapper.Error, &st, lenient) == nil {
				return st, true
			}
		case '"':
			var words text
			if json.Unmarshal(wrapper.Error, &words, lenient) == nil {
				return status{Message: words}, true
			}
		default:
			if wrapper.Message != "" && wrapper.Code+wrapper.Status != "" {
				return wrapper.status, true
			}
		}
	}
	return status{}, false
}

// unframe takes the data lines out of what looks like an event stream, and returns anything else as it is.
func unframe(body []byte) []byte {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, byteOrderMark))
	if !bytes.HasPrefix(body, dataField) {
		return body
	}
	var data []byte
	for line := range bytes.Lines(body) {
		if rest, isData := bytes.CutPrefix(line, dataField); isData {
			data = append(data, rest...)
		}
	}
	return bytes.TrimSpace(data)
}

// mendCommas drops the commas outside strings that separate nothing. Google's older front ends have sent lists with holes.
func mendCommas(body []byte) []byte {
	out := make([]byte, 0, len(body))
	inString, pending := false, false
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case inString:
			out = append(out, c)
			if c == '\\' && i+1 < len(body) {
				i++
				out = append(out, body[i])
			} else if c == '"' {
				inString = false
			}
		case c == ' ', c == '\t', c == '\r', c == '\n':
		case c == ',':
			pending = len(out) > 0 && out[len(out)-1] != '[' && out[len(out)-1] != '{'
		default:
			if pending && c != ']' && c != '}' {
				out = append(out, ',')
			}
			pending, inString = false, c == '"'
			out = append(out, c)
		}
	}
	return out
}

var htmlTitle = regexp.MustCompile(`(?is)<title>\s*(.*?)\s*</title>`)

// plainMessage is what a body that is not JSON says for itself: the title of a page, or its first line.
func plainMessage(body []byte) string {
	if m := htmlTitle.FindSubmatch(body); m != nil {
		return shorten(string(m[1]))
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if strings.HasPrefix(line, "<") {
		return ""
	}
	return shorten(strings.ToValidUTF8(line, "�"))
}

// httpStatusOf are the HTTP statuses of google.rpc.Code, for errors that carry only its name.
var httpStatusOf = map[string]int{
	"INVALID_ARGUMENT":    http.StatusBadRequest,
	"FAILED_PRECONDITION": http.StatusBadRequest,
	"OUT_OF_RANGE":        http.StatusBadRequest,
	"UNAUTHENTICATED":     http.StatusUnauthorized,
	"PERMISSION_DENIED":   http.StatusForbidden,
	"NOT_FOUND":           http.StatusNotFound,
	"ABORTED":             http.StatusConflict,
	"ALREADY_EXISTS":      http.StatusConflict,
	"RESOURCE_EXHAUSTED":  http.StatusTooManyRequests,
	"CANCELLED":           statusClientClosed,
	"UNKNOWN":             http.StatusInternalServerError,
	"INTERNAL":            http.StatusInternalServerError,
	"DATA_LOSS":           http.StatusInternalServerError,
	"UNIMPLEMENTED":       http.StatusNotImplemented,
	"UNAVAILABLE":         http.StatusServiceUnavailable,
	"DEADLINE_EXCEEDED":   http.StatusGatewayTimeout,
}
