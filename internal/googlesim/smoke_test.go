package googlesim

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestSmoke(t *testing.T) {
	s := New(Options{})
	url, err := s.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.AddKey("k1", "p1")
	s.AddUser(User{Name: "u", RefreshToken: "rt", ClientID: "c", ClientSecret: "s", Project: "pu", Assist: Assist{Licensed: true, Tier: "standard-tier"}})
	post := func(path, auth, body string) string {
		r, _ := http.NewRequest("POST", url+path, strings.NewReader(body))
		if strings.HasPrefix(auth, "Bearer") {
			r.Header.Set("Authorization", auth)
		} else {
			r.Header.Set("X-Goog-Api-Key", auth)
		}
		if strings.HasPrefix(body, "grant") {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		out := fmt.Sprintf("%d %s\n%s", resp.StatusCode, resp.Header, b)
		t.Log(out)
		return string(b)
	}
	post("/v1beta/models/gemini-3-flash-preview:streamGenerateContent?alt=sse", "k1", `{"contents":[{"role":"user","parts":[{"text":"Hello there, how are you doing this fine day?"}]}]}`)
	post("/v1beta/models/gemini-2.5-flash:generateContent", "k1", `{"contents":[{"role":"user","parts":[{"text":"Hello"}]}],"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}`)
	post("/v1beta/models/gemini-3-flash-preview:streamGenerateContent", "k1", `{"contents":[{"role":"user","parts":[{"text":"What is the weather in Paris, Tokyo and New York?"}]}],"tools":[{"functionDeclarations":[{"name":"get_weather","parametersJsonSchema":{"type":"object","properties":{"city":{"type":"string"},"unit":{"enum":["c","f"]}},"required":["city","unit"]}}]}]}`)
	tok := post("/token", "", "grant_type=refresh_token&refresh_token=rt&client_id=c&client_secret=s")
	_, tok, _ = strings.Cut(tok, `access_token":"`)
	tok, _, _ = strings.Cut(tok, `"`)
	post("/v1internal:streamGenerateContent?alt=sse", "Bearer "+tok, `{"model":"gemini-3-flash-preview","project":"pu","request":{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}}`)
	post("/v1internal:loadCodeAssist", "Bearer "+tok, `{"metadata":{}}`)
	post("/v1beta1/projects/pu/locations/global/publishers/google/models/gemini-3-flash-preview:streamGenerateContent?alt=sse", "Bearer "+tok, `{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}`)
}
