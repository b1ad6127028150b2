package openai

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// mustDecode decodes a body that has to be acceptable.
func mustDecode(t *testing.T, body string) (*translate.Request, func() translate.Writer) {
	t.Helper()
	request, newWriter, err := Chat{}.Decode(nil, []byte(body))
	if err != nil {
		t.Fatalf("%s\n%v", body, err)
	}
	checkRequest(t, request)
	return request, newWriter
}

// refused is the error of a body that has to be refused.
func refused(t *testing.T, body string) *translate.Error {
	t.Helper()
	_, _, err := Chat{}.Decode(nil, []byte(body))
	e, ok := errors.AsType[*translate.Error](err)
	if !ok {
		t.Fatalf("%s\naccepted, or refused with another error: %v", body, err)
	}
	if e.Kind != translate.ErrInvalid || e.Status != 400 || e.Message == "" {
		t.Errorf("%s\nrefused with kind %d, status %d, message %q", body, e.Kind, e.Status, e.Message)
	}
	return e
}

// checkRequest checks what every backend relies on.
func checkRequest(t *testing.T, r *translate.Request) {
	t.Helper()
	last := -1
	for _, m := range r.Messages {
		if m.Origin <= last && m.Origin != translate.NoOrigin {
			t.Errorf("message from entry %d comes after one from entry %d", m.Origin, last)
		}
		last = max(last, m.Origin)
		for _, p := range m.Parts {
			checkPart(t, m.Role, p)
		}
	}
	for _, tool := range r.Tools {
		if tool.Name == "" || tool.Schema != nil && !isObject(tool.Schema) {
			t.Errorf("tool %q with schema %s", tool.Name, tool.Schema)
		}
	}
	if r.Format.Kind == translate.FormatSchema && !isObject(r.Format.Schema) {
		t.Errorf("format with schema %s", r.Format.Schema)
	}
	if n := len(r.Sampling.Stop); n > maxStops {
		t.Errorf("%d stop sequences", n)
	}
}

func checkPart(t *testing.T, role translate.Role, p translate.Part) {
	t.Helper()
	if (p.Kind == translate.PartResult) != (role == translate.RoleTool) || p.Kind == translate.PartCall && role != translate.RoleModel {
		t.Errorf("part of kind %d in a message of role %d", p.Kind, role)
	}
	switch p.Kind {
	case translate.PartText:
		if p.Text == "" || !utf8.ValidString(p.Text) {
			t.Errorf("text part %q", p.Text)
		}
	case translate.PartCall:
		if p.Call.Name == "" || !isObject(p.Call.Args) {
			t.Errorf("call %q with arguments %s", p.Call.Name, p.Call.Args)
		}
	case translate.PartResult:
		if !p.Result.Output.IsValid(jsontext.AllowDuplicateNames(true)) || p.Result.CallID == "" && p.Result.Name == "" {
			t.Errorf("result of %q %q: %s", p.Result.CallID, p.Result.Name, p.Result.Output)
		}
	case translate.PartMedia:
		m := p.Media
		ways := 0
		for _, given := range []bool{m.Data != nil && m.MIME != "", m.URI != "", m.Source != nil && m.Source.URL != "" && m.Source.Param != ""} {
			if given {
				ways++
			}
		}
		if ways != 1 {
			t.Errorf("media %q %q with %d bytes, source %+v", m.MIME, m.URI, len(m.Data), m.Source)
		}
	default:
		t.Errorf("part of kind %d", p.Kind)
	}
}

// isObject reports whether JSON is an object in valid Unicode, which is what Google takes.
func isObject(v jsontext.Value) bool {
	return v.Kind() == '{' && v.IsValid(jsontext.AllowDuplicateNames(true))
}
