package google

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// roundTrip is a transport in memory.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// reply is an HTTP answer.
func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

var (
	aKey   = &rotator.Token{Secret: "the-key", APIKey: true}
	aToken = &rotator.Token{Secret: "the-token"}
)

func TestAddressOfEveryCall(t *testing.T) {
	const method = ":streamGenerateContent?alt=sse"
	elsewhere := Endpoints{
		GeminiAPI: "http://127.0.0.1:1/g/", Vertex: "http://127.0.0.1:1/v/", CodeAssist: "http://127.0.0.1:1/c//", OAuth: "http://127.0.0.1:1/o/",
	}
	for _, test := range []struct {
		name      string
		endpoints Endpoints
		call      Call
		want      string
	}{
		{"Developer API", Endpoints{}, Call{Backend: translate.GeminiAPI, Token: aKey},
			"https://generativelanguage.googleapis.com/v1beta/models/gemini-3.8-flash" + method},
		{"Developer API elsewhere", elsewhere, Call{Backend: translate.GeminiAPI, Token: aKey},
			"http://127.0.0.1:1/g/v1beta/models/gemini-3.8-flash" + method},
		{"Vertex, location not said", Endpoints{}, Call{Backend: translate.Vertex, Project: "p-1", Token: aToken},
			"https://aiplatform.googleapis.com/v1beta1/projects/p-1/locations/global/publishers/google/models/gemini-3.8-flash" + method},
		{"Vertex, one region", Endpoints{}, Call{Backend: translate.Vertex, Project: "p-1", Location: "europe-west4", Token: aToken},
			"https://europe-west4-aiplatform.googleapis.com/v1beta1/projects/p-1/locations/europe-west4/publishers/google/models/gemini-3.8-flash" + method},
		{"Vertex, several regions", Endpoints{}, Call{Backend: translate.Vertex, Project: "p-1", Location: "eu", Token: aToken},
			"https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/p-1/locations/eu/publishers/google/models/gemini-3.8-flash" + method},
		{"Vertex elsewhere", elsewhere, Call{Backend: translate.Vertex, Project: "p-1", Location: "us", Token: aToken},
			"http://127.0.0.1:1/v/v1beta1/projects/p-1/locations/us/publishers/google/models/gemini-3.8-flash" + method},
		{"Vertex, a project of an organisation's domain", Endpoints{}, Call{Backend: translate.Vertex, Project: "example.com:p-1", Token: aToken},
			"https://aiplatform.googleapis.com/v1beta1/projects/example.com:p-1/locations/global/publishers/google/models/gemini-3.8-flash" + method},
		{"Vertex, the token's project first", Endpoints{},
			Call{Backend: translate.Vertex, Project: "p-1", Token: &rotator.Token{Secret: "x", Project: "found"}},
			"https://aiplatform.googleapis.com/v1beta1/projects/found/locations/global/publishers/google/models/gemini-3.8-flash" + method},
		{"Vertex express mode", Endpoints{}, Call{Backend: translate.Vertex, Location: "eu", Project: "p-1", Token: aKey},
			"https://aiplatform.googleapis.com/v1beta1/publishers/google/models/gemini-3.8-flash" + method},
		{"Code Assist", Endpoints{}, Call{Backend: translate.CodeAssist, Token: aToken},
			"https://cloudcode-pa.googleapis.com/v1internal" + method},
		{"Code Assist elsewhere", elsewhere, Call{Backend: translate.CodeAssist, Token: aToken},
			"http://127.0.0.1:1/c/v1internal" + method},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.call.Model = "gemini-3.8-flash"
			test.call.Body = []byte("{}")
			req, err := New(Options{Endpoints: test.endpoints}).newGenerate(t.Context(), &test.call)
			if err != nil {
				t.Fatal(err)
			}
			if req.URL.String() != test.want || req.Method != http.MethodPost {
				t.Errorf("%s %s\nwant %s", req.Method, req.URL, test.want)
			}
		})
	}
}

func TestNamesThatWouldBePathsAreRefusedUnsent(t *testing.T) {
	client := New(Options{HTTP: roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("a call was made")
		return reply(200, ""), nil
	})})
	for _, model := range []string{"", ".", "..", "../x", "a/b", "a%2fb", "a?b", "a#b", "a b", "a:predict", "a\r\nX: y", "ä", strings.Repeat("a", 129)} {
		for _, backend := range []translate.Backend{translate.GeminiAPI, translate.Vertex, translate.CodeAssist} {
			_, err := client.Stream(t.Context(), Call{Backend: backend, Model: model, Project: "p", Token: aToken, Body: []byte("{}")})
			e, ok := err.(*Error)
			if !ok || e.Fault.Kind != rotator.FaultRequest || e.Client.Status != 404 || e.Client.Code != "model_not_found" {
				t.Errorf("model %q on %s: %v", model, backend, err)
			}
		}
	}
	for _, test := range []struct{ project, location string }{
		{"..", ""}, {"a/b", ""}, {"", ""}, {"p?x", ""}, {"p", "evil.example/"}, {"p", "a.b"}, {"p", "x@evil"}, {"p", "EU"}, {"p", ".."},
	} {
		_, err := client.Stream(t.Context(), Call{
			Backend: translate.Vertex, Model: "m", Project: test.project, Location: test.location, Token: aToken, Body: []byte("{}"),
		})
		e, ok := err.(*Error)
		if !ok || e.Fault.Kind != rotator.FaultDead || e.Client.Status != 503 {
			t.Errorf("project %q, location %q: %v", test.project, test.location, err)
		}
	}
	_, err := client.Stream(t.Context(), Call{Backend: "bing", Model: "m", Token: aToken})
	if e, ok := err.(*Error); !ok || e.Fault.Kind != rotator.FaultDead {
		t.Errorf("unknown backend: %v", err)
	}
}

func TestBodyThatIsNoJSONIsNobodysAccountsFault(t *testing.T) {
	_, err := New(Options{}).Stream(t.Context(), Call{Backend: translate.CodeAssist, Model: "m", Token: aToken, Body: []byte("{")})
	if e, ok := err.(*Error); !ok || e.Fault.Kind != rotator.FaultRequest || e.Client.Status != 500 {
		t.Errorf("%v", err)
	}
}

func TestWhoCallsIsSaidInOneHeader(t *testing.T) {
	for _, test := range []struct {
		name  string
		token *rotator.Token
		want  map[string]string
	}{
		{"API key", aKey, map[string]string{"X-Goog-Api-Key": "the-key"}},
		{"API key with a quota project", &rotator.Token{Secret: "k", APIKey: true, QuotaProject: "q"}, map[string]string{"X-Goog-Api-Key": "k"}},
		{"access token", aToken, map[string]string{"Authorization": "Bearer the-token"}},
		{"access token with a quota project", &rotator.Token{Secret: "x", QuotaProject: "q"},
			map[string]string{"Authorization": "Bearer x", "X-Goog-User-Project": "q"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			call := Call{Backend: translate.GeminiAPI, Model: "m", Token: test.token, Body: []byte("{}")}
			req, err := New(Options{UserAgent: "caddy-gemini-proxy/1.2.3"}).newGenerate(t.Context(), &call)
			if err != nil {
				t.Fatal(err)
			}
			test.want["User-Agent"], test.want["Content-Type"] = "caddy-gemini-proxy/1.2.3", "application/json"
			for name := range req.Header {
				if req.Header.Get(name) != test.want[name] {
					t.Errorf("%s: %q; want %q", name, req.Header.Get(name), test.want[name])
				}
			}
			if len(req.Header) != len(test.want) {
				t.Errorf("%v; want %v", req.Header, test.want)
			}
		})
	}
}

func TestCodeAssistEnvelope(t *testing.T) {
	body := []byte(`{"contents":[{"role":"user","parts":[{"text":"<&\u2028 \"}"}]}]}`)
	call := Call{Backend: translate.CodeAssist, Model: "m", Project: "conf", RequestID: `id"},{`, Token: aToken, Body: body}
	read := func(call Call) map[string]json.RawMessage {
		t.Helper()
		req, err := New(Options{}).newGenerate(t.Context(), &call)
		if err != nil {
			t.Fatal(err)
		}
		content, _ := io.ReadAll(req.Body)
		if int64(len(content)) != req.ContentLength {
			t.Errorf("length %d; want %d", req.ContentLength, len(content))
		}
		var envelope map[string]json.RawMessage
		if err := json.Unmarshal(content, &envelope); err != nil {
			t.Fatal(err)
		}
		return envelope
	}
	got := read(call)
	if len(got) != 4 || string(got["model"]) != `"m"` || string(got["project"]) != `"conf"` || string(got["user_prompt_id"]) != `"id\"},{"` ||
		string(got["request"]) != string(body) {
		t.Errorf("%s", got)
	}
	call.Token = &rotator.Token{Secret: "x", Project: "found"}
	if got = read(call); string(got["project"]) != `"found"` {
		t.Errorf("the discovered project is not sent: %s", got["project"])
	}
	call.Token, call.Project, call.RequestID = aToken, "", ""
	if got = read(call); len(got) != 2 {
		t.Errorf("what is not known is not left out: %s", got)
	}
}

func TestRequestCanBeSentAgain(t *testing.T) {
	body := []byte(`{"contents":[]}`)
	for _, backend := range []translate.Backend{translate.GeminiAPI, translate.CodeAssist} {
		call := Call{Backend: backend, Model: "m", Token: aToken, Body: body}
		req, failed := New(Options{}).newGenerate(t.Context(), &call)
		if failed != nil {
			t.Fatal(failed)
		}
		first, _ := io.ReadAll(req.Body)
		again, err := req.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		second, _ := io.ReadAll(again)
		if string(first) != string(second) || len(first) == 0 {
			t.Errorf("%s: %s, then %s", backend, first, second)
		}
	}
	if string(body) != `{"contents":[]}` {
		t.Error("the body that attempts share was changed")
	}
}

func TestCallsOverHTTP(t *testing.T) {
	var status int
	var header http.Header
	var answer string
	followed := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/followed" {
			followed = true
		}
		for name := range header {
			w.Header().Set(name, header.Get(name))
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	client := New(Options{Endpoints: Endpoints{GeminiAPI: server.URL}})
	call := Call{Backend: translate.GeminiAPI, Model: "m", Token: aKey, Body: []byte("{}")}

	status, answer = 200, "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]},\"finishReason\":\"STOP\"}]}\r\n\r\n"
	stream, err := client.Stream(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	var r gemini.Response
	if err := stream.Next(&r); err != nil || len(r.Candidates) != 1 || r.Candidates[0].Parts[0].Text != "Hi" {
		t.Errorf("%v, %+v", err, r)
	}
	if err := stream.Next(&r); err != io.EOF {
		t.Error(err)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}

	status, answer = 429, perMinuteBody
	_, err = client.Stream(t.Context(), call)
	if e, ok := err.(*Error); !ok || e.Fault.Kind != rotator.FaultRateShort {
		t.Errorf("%v", err)
	}

	status, answer, header = 307, "", http.Header{"Location": {server.URL + "/followed"}}
	_, err = client.Stream(t.Context(), call)
	if e, ok := err.(*Error); !ok || e.Fault.Kind != rotator.FaultTransient || followed {
		t.Errorf("redirect: %v, followed: %t", err, followed)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client.Stream(ctx, call)
	if e, ok := err.(*Error); !ok || e.Fault.Kind != rotator.FaultCanceled {
		t.Errorf("canceled: %v", err)
	}
	server.Close()
	_, err = client.Stream(t.Context(), call)
	if e, ok := err.(*Error); !ok || e.Fault.Kind != rotator.FaultTransient || e.Client.Status != 502 {
		t.Errorf("nobody there: %v", err)
	}
}

func TestErrorBodiesAreReadUpToABound(t *testing.T) {
	client := New(Options{HTTP: roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 400, Body: io.NopCloser(&endless{first: "{"})}, nil
	})})
	_, err := client.Stream(t.Context(), Call{Backend: translate.GeminiAPI, Model: "m", Token: aKey, Body: []byte("{}")})
	if e, ok := err.(*Error); !ok || e.Fault.Kind != rotator.FaultTransient || len(e.Fault.Message) > 2*maxMessage {
		t.Errorf("%v", err)
	}
}

func TestErrorBodiesThatBreakOffAreJudgedByTheirStatus(t *testing.T) {
	body := io.MultiReader(strings.NewReader(`{"error":{"code":503,"mess`), iotest.ErrReader(io.ErrUnexpectedEOF))
	client := New(Options{HTTP: roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 429, Body: io.NopCloser(body)}, nil
	})})
	_, err := client.Stream(t.Context(), Call{Backend: translate.GeminiAPI, Model: "m", Token: aKey, Body: []byte("{}")})
	if e, ok := err.(*Error); !ok || e.Fault.Kind != rotator.FaultRateShort {
		t.Errorf("%v", err)
	}
}
