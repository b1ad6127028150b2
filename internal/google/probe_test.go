package google

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// probed asks about a secret, and returns the calls that were made beside the finding.
func probed(t *testing.T, secret string, o Settings, answers func(url string) (int, string)) (f *Finding, calls []string, err error) {
	t.Helper()
	client := New(Options{UserAgent: "the-product/1", HTTP: roundTrip(func(req *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(req.Body)
		url := req.URL.String()
		calls = append(calls, url+" "+string(body))
		if req.Method != http.MethodPost || req.Header.Get("User-Agent") != "the-product/1" {
			t.Errorf("%s %s, %v", req.Method, url, req.Header)
		}
		if url == defaultOAuth+"/token" {
			resp := reply(200, `{"access_token":"ya29.new","expires_in":3599,"token_type":"Bearer"}`)
			resp.Header.Set("Content-Type", "application/json")
			resp.Request = req
			return resp, nil
		}
		key, bearer := req.Header.Get("X-Goog-Api-Key"), req.Header.Get("Authorization")
		if wantKey := !strings.HasPrefix(secret, "{"); wantKey && (key != secret || bearer != "") || !wantKey && (key != "" || bearer != "Bearer ya29.new") {
			t.Errorf("%s: key %q, bearer %q", url, key, bearer)
		}
		status, answer := answers(url)
		return reply(status, answer), nil
	})})
	parsed, err := ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	cred, err := client.Credential(parsed, o)
	if err != nil {
		t.Fatal(err)
	}
	f, err = client.Probe(t.Context(), cred, "m-1")
	return f, calls, err
}

const (
	userOfVertex = `{"type":"authorized_user","client_id":"cid","client_secret":"cs","refresh_token":"1//old","quota_project_id":"p-1"}`
	// lasting came with an access token that lasts.
	lasting = `{"refresh_token":"1//old","access_token":"ya29.seed","expiry_date":4102444800000}`
	counted = `{"totalTokens":1,"promptTokensDetails":[{"modality":"TEXT","tokenCount":1}]}`
)

func TestProbeAsksOneQuestionThatSpendsNoQuota(t *testing.T) {
	for _, c := range []struct {
		name, secret string
		settings     Settings
		project      string
		calls        []string
	}{
		{"a key", "the-key", Settings{}, "", []string{
			"https://generativelanguage.googleapis.com/v1beta/models/m-1:countTokens " + countQuestion}},
		{"a key of Vertex AI", "the-key", Settings{Backend: translate.Vertex}, "", []string{
			"https://aiplatform.googleapis.com/v1beta1/publishers/google/models/m-1:countTokens " + countQuestion}},
		{"a user of Vertex AI", userOfVertex, Settings{Location: "us"}, "p-1", []string{
			"https://oauth2.googleapis.com/token client_id=cid&client_secret=cs&grant_type=refresh_token&refresh_token=1%2F%2Fold",
			"https://aiplatform.us.rep.googleapis.com/v1beta1/projects/p-1/locations/us/publishers/google/models/m-1:countTokens " + countQuestion}},
		{"a user of Code Assist", lasting, Settings{ClientID: "cid", ClientSecret: "cs"}, "found", []string{
			"https://oauth2.googleapis.com/token client_id=cid&client_secret=cs&grant_type=refresh_token&refresh_token=1%2F%2Fold",
			loadBare[len("POST "):],
			assistBase + `:retrieveUserQuota {"project":"found"}`}},
	} {
		f, calls, err := probed(t, c.secret, c.settings, func(url string) (int, string) {
			if strings.HasSuffix(url, ":loadCodeAssist") {
				return 200, `{"currentTier":{"id":"standard-tier"},"cloudaicompanionProject":"found"}`
			}
			if strings.HasSuffix(url, ":retrieveUserQuota") {
				return 200, `{}`
			}
			return 200, counted
		})
		if err != nil || f.Project != c.project || len(f.Left) > 0 {
			t.Errorf("%s: %+v, %v", c.name, f, err)
		}
		if !slices.Equal(calls, c.calls) {
			t.Errorf("%s: calls\n%s\nwant\n%s", c.name, strings.Join(calls, "\n"), strings.Join(c.calls, "\n"))
		}
	}
}

func TestProbeTellsWhatCodeAssistHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in the year 2000
		f, _, err := probed(t, lasting, Settings{ClientID: "cid", ClientSecret: "cs", Project: "p-1"}, func(url string) (int, string) {
			if strings.HasSuffix(url, ":loadCodeAssist") {
				return 200, `{"currentTier":{"id":"standard-tier"}}`
			}
			return 200, `{"buckets":[{"modelId":"a","tokenType":"REQUESTS","remainingAmount":"812","remainingFraction":0.812,
				"resetTime":"2026-02-03T10:15:00Z"},{"modelId":"b","remainingFraction":-1,"resetTime":"1970-01-01T00:00:00Z"},
				{"modelId":"c","remainingFraction":7,"resetTime":17}]}`
		})
		want := []Left{{"a", 0.812, time.Date(2026, 2, 3, 10, 15, 0, 0, time.UTC)}, {"b", 0, time.Time{}}, {"c", 1, time.Time{}}}
		if err != nil || f.Project != "p-1" || !slices.Equal(f.Left, want) {
			t.Errorf("%+v, %v", f, err)
		}
	})
}

func TestProbeSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		answer string
		kind   rotator.FaultKind
		reason string
	}{
		{"a dead key", 400, `{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}`, rotator.FaultDead, "API_KEY_INVALID"},
		{"a model that is not there", 404, `{"error":{"code":404,"message":"models/m-1 is not found","status":"NOT_FOUND"}}`, rotator.FaultNotEntitled, "NOT_FOUND"},
		{"the page of a hotel", 200, `<html>Welcome! Please accept our terms.`, rotator.FaultTransient, "ANSWER_NOT_UNDERSTOOD"},
		{"JSON of somebody else", 200, `{"status":"ok"}`, rotator.FaultTransient, "ANSWER_NOT_UNDERSTOOD"},
	} {
		f, _, err := probed(t, "the-key", Settings{}, func(string) (int, string) { return c.status, c.answer })
		fault, isFault := errors.AsType[*rotator.Fault](err)
		if f != nil || !isFault || fault.Kind != c.kind || fault.Reason != c.reason {
			t.Errorf("%s: %+v, %v", c.name, f, err)
		}
	}
}

func TestProbeEndsWithItsContext(t *testing.T) {
	client := New(Options{HTTP: roundTrip(func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	})})
	parsed, _ := ParseSecret("the-key")
	cred, err := client.Credential(parsed, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client.Probe(ctx, cred, "m-1")
	if fault, isFault := errors.AsType[*rotator.Fault](err); !isFault || fault.Kind != rotator.FaultCanceled {
		t.Errorf("%v", err)
	}
}
