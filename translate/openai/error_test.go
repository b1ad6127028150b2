package openai

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

func TestErrorsHaveOpenAIsTypeForTheirKind(t *testing.T) {
	for kind, want := range map[translate.ErrorKind]struct {
		status int
		name   string
	}{
		translate.ErrServer:         {500, "server_error"},
		translate.ErrInvalid:        {400, "invalid_request_error"},
		translate.ErrAuthentication: {401, "invalid_request_error"},
		translate.ErrPermission:     {403, "invalid_request_error"},
		translate.ErrNotFound:       {404, "invalid_request_error"},
		translate.ErrTooLarge:       {413, "invalid_request_error"},
		translate.ErrRateLimit:      {429, "rate_limit_error"},
		translate.ErrQuota:          {429, "insufficient_quota"},
		translate.ErrOverloaded:     {503, "server_error"},
		translate.ErrTimeout:        {504, "server_error"},
	} {
		status, body := Chat{}.Error(&translate.Error{Kind: kind, Message: "m"})
		if expected := `{"error":{"message":"m","type":"` + want.name + `","param":null,"code":null}}` + "\n"; status != want.status || string(body) != expected {
			t.Errorf("kind %d: %d %s", kind, status, body)
		}
	}
	if status, _ := (Chat{}).Error(&translate.Error{Kind: translate.ErrServer, Status: 502}); status != 502 {
		t.Errorf("status %d", status)
	}
}

func TestEveryMemberOfAnErrorIsThereAndQuoted(t *testing.T) {
	v := conformance.NewValidator(t)
	for _, e := range []*translate.Error{
		{},
		{Kind: translate.ErrInvalid, Status: 400, Code: "c\"", Param: "messages[0]\n", Message: "a \"b\"\u2028 \xff"},
	} {
		_, body := Chat{}.Error(e)
		v.Check(t, "ErrorResponse", body)
		data := conformance.Events(t, Chat{}.InBand([]byte("data: {}\n\n"), e))
		if len(data) != 2 {
			t.Fatalf("%q", data)
		}
		v.Check(t, "ErrorResponse", data[1])
	}
}

func TestAnErrorInAStreamIsOneEventAndTheLast(t *testing.T) {
	got := string(Chat{}.InBand(nil, &translate.Error{Kind: translate.ErrServer, Code: "upstream_incomplete", Message: "it broke off"}))
	if got != `data: {"error":{"message":"it broke off","type":"server_error","param":null,"code":"upstream_incomplete"}}`+"\n\n" {
		t.Errorf("%q", got)
	}
}

func TestTooLongAContextGetsOpenAIsSentence(t *testing.T) {
	e := &translate.Error{
		Kind: translate.ErrInvalid, Status: 400, Code: "context_length_exceeded", Message: "Google's own words", TokenCount: 1200000, TokenLimit: 1048576,
	}
	for want, e := range map[string]translate.Error{
		"This model's maximum context length is 1048576 tokens. However, your messages resulted in 1200000 tokens.": *e,
		"Google's own words": {Kind: e.Kind, Status: 400, Code: e.Code, Message: e.Message},
	} {
		_, body := Chat{}.Error(&e)
		var got struct {
			Error struct{ Message, Param string } `json:"error"`
		}
		if err := json.Unmarshal(body, &got); err != nil || got.Error.Message != want || got.Error.Param != "messages" {
			t.Errorf("%s", body)
		}
	}
}

func TestErrorsRepeatOnlySoMuchOfAValue(t *testing.T) {
	e := refused(t, `{"messages":[{"role":"`+strings.Repeat("x", 10_000)+`"}]}`)
	if len(e.Message) > 500 {
		t.Errorf("%d bytes", len(e.Message))
	}
}
