package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/openai"
)

const (
	system   = `{"role":"system","content":"Be brief."}`
	hello    = `{"role":"user","content":"Hello"}`
	reply    = `{"role":"assistant","content":"Hi!"}`
	question = `{"role":"user","content":"How are you?"}`
	weather  = `"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}]`
)

// said is a request of these messages, with further members after them.
func said(t testing.TB, messages string, members ...string) *translate.Request {
	t.Helper()
	body := `{"messages":[` + messages + `]`
	for _, m := range members {
		body += "," + m
	}
	request, _, err := openai.Chat{}.Decode(http.Header{}, []byte(body+"}"))
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func TestTurnsOfAConversationBelongTogether(t *testing.T) {
	of := func(messages string, members ...string) uint64 {
		return gateway.Conversation(said(t, messages, members...), http.Header{})
	}
	first := of(system+","+hello, weather)
	for name, turn := range map[string]uint64{
		"again":           of(system+","+hello, weather),
		"a turn later":    of(system+","+hello+","+reply+","+question, weather),
		"another model":   of(system+","+hello, weather, `"model":"gemini-2.5-pro"`),
		"other settings":  of(system+","+hello, weather, `"temperature":1`, `"stream":true`),
		"told in between": of(system+","+hello+","+reply+`,{"role":"system","content":"Hurry."},`+question, weather),
	} {
		if turn != first {
			t.Errorf("%s: another conversation", name)
		}
	}
	for name, other := range map[string]uint64{
		"another question":     of(system+","+question, weather),
		"other instructions":   of(`{"role":"system","content":"Be thorough."},`+hello, weather),
		"no instructions":      of(hello, weather),
		"no tools":             of(system + "," + hello),
		"another tool":         of(system+","+hello, strings.Replace(weather, "weather", "whether", 1)),
		"another schema":       of(system+","+hello, strings.Replace(weather, `"object"`, `"object","properties":{}`, 1)),
		"the same words moved": of(`{"role":"system","content":"Be brief.Hello"},{"role":"user","content":""}`, weather),
		"a picture with it":    of(system+","+picture("AAAA"), weather),
		"another picture":      of(system+","+picture("AAAB"), weather),
	} {
		if other == first {
			t.Errorf("%s: the same conversation", name)
		}
	}
	parts := func(first, second string) string {
		return `{"role":"user","content":[{"type":"text","text":"` + first + `"},{"type":"text","text":"` + second + `"}]}`
	}
	described := func(words string) string {
		return strings.Replace(weather, `"name"`, `"description":"`+words+`","name"`, 1)
	}
	for name, pair := range map[string][2]uint64{
		"pictures":     {of(picture("AAAA")), of(picture("AAAB"))},
		"pieces":       {of(parts("ab", "c")), of(parts("a", "bc"))},
		"roles":        {of(system + "," + hello), of(strings.Replace(system, "system", "assistant", 1) + "," + hello)},
		"descriptions": {of(hello, described("Today's weather.")), of(hello, described("Tomorrow's weather."))},
	} {
		if pair[0] == pair[1] {
			t.Errorf("%s are not told apart", name)
		}
	}
}

func picture(data string) string {
	return `{"role":"user","content":[{"type":"text","text":"Hello"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + data + `"}}]}`
}

func TestConversationGoesByTheNameTheClientGivesIt(t *testing.T) {
	by := func(header, name, member string) uint64 {
		h := http.Header{}
		if header != "" {
			h.Set(header, name)
		}
		request := said(t, hello, `"x":1`)
		if member != "" {
			request = said(t, question, member)
		}
		return gateway.Conversation(request, h)
	}
	unnamed := by("", "", "")
	for _, header := range gateway.SessionHeaders {
		if header != http.CanonicalHeaderKey(header) {
			t.Errorf("%s is not how net/http spells it", header)
		}
		switch a := by(header, "a", ""); {
		case a == unnamed || a == by(header, "b", ""):
			t.Errorf("%s is ignored", header)
		case a != by("", "", `"prompt_cache_key":"a"`):
			t.Errorf("%s: the name does not stand for the conversation, whoever gives it", header)
		case by(header, "", "") != unnamed:
			t.Errorf("%s: an empty name is one", header)
		}
	}
	if by("Session-Id", "a", `"session_id":"b"`) != by("", "", `"session_id":"b"`) {
		t.Error("a header counts for more than the body")
	}
	if by("Authorization", "a", "") != unnamed {
		t.Error("any header counts")
	}
}

func TestRequestWithNothingToBeKnownByHasNoConversation(t *testing.T) {
	if id := gateway.Conversation(said(t, system), http.Header{}); id != 0 {
		t.Errorf("%d, want 0", id)
	}
}

func TestConversationOfALargePromptCostsNoMemory(t *testing.T) {
	request := largeRequest(t)
	if n := testing.AllocsPerRun(10, func() { gateway.Conversation(request, http.Header{}) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkConversation(b *testing.B) {
	request := largeRequest(b)
	b.ReportAllocs()
	for b.Loop() {
		gateway.Conversation(request, http.Header{})
	}
}

func largeRequest(t testing.TB) *translate.Request {
	t.Helper()
	request, _, err := openai.Chat{}.Decode(http.Header{}, conformance.LargeChatRequest())
	if err != nil {
		t.Fatal(err)
	}
	return request
}
