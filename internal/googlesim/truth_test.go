package googlesim

import (
	"bufio"
	"compress/gzip"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// recording is one exchange with the real Google.
type recording struct {
	ID         string         `json:"id"`
	Source     string         `json:"source_path"`
	API        string         `json:"api"`
	Method     string         `json:"method"`
	Model      string         `json:"model"`
	Path       string         `json:"path"`
	Query      string         `json:"query"`
	Status     int            `json:"status"`
	Request    jsontext.Value `json:"request"`
	Response   jsontext.Value `json:"response"`
	Provenance string         `json:"provenance"`
}

// recordings are those of generate calls whose request is known.
func recordings(t *testing.T) []recording {
	t.Helper()
	file, err := os.Open(filepath.Join(moduleRoot(t), "../shared/data/gemini-recorded.jsonl.gz"))
	if err != nil {
		t.Skipf("no recorded traffic: %v", err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []recording
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var r recording
		if err := json.Unmarshal(lines.Bytes(), &r, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)); err != nil {
			t.Fatal(err)
		}
		if slices.Contains([]string{"generateContent", "streamGenerateContent"}, r.Method) && r.Request.Kind() == '{' &&
			slices.Contains([]string{"recorded", "recorded_stripped", "fixture_official"}, r.Provenance) {
			all = append(all, r)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

// successors stand for models that were shut down since their recordings were made and obeyed the same rules.
var successors = map[string]string{
	"gemini-1.5-flash": "gemini-2.0-flash", "gemini-1.5-flash-002": "gemini-2.0-flash", "gemini-1.5-pro-002": "gemini-2.0-flash",
	"gemini-2.0-flash-exp": "gemini-2.0-flash", "gemini-2.0-flash-thinking-exp": "gemini-2.5-flash",
	"gemini-2.0-flash-preview-image-generation": "gemini-2.0-flash", "gemini-2.5-flash-image": "gemini-2.5-flash",
	"gemini-2.5-flash-image-preview": "gemini-2.5-flash",
}

// circumstance is what a recorded answer depends on besides the request.
type circumstance uint8

const (
	ordinary   circumstance = iota
	unknownKey              // the client had a bad API key
	cloudKey                // the client tried Vertex AI with an API key
	stripped                // the recording has <MASSIVE_TEXT> where there were megabytes
	metered                 // the same, and the project had a quota of a million input tokens a minute
)

// circumstances are those of the recordings that need them.
var circumstances = map[string]circumstance{
	"g-39a97da1bdef": unknownKey, "g-765d1b8e7db5": unknownKey, "g-6325c7995384": unknownKey,
	"g-b89ffd09461a": cloudKey, "g-c621578e2c98": stripped, "g-0da054490e40": metered,
}

// disputed are requests that Google answered although the simulator refuses them by default, and why it does.
var disputed = map[string]string{
	"g-8bebbf27443f": "functionResponse.id on Vertex AI: other deployments of it refuse that, see Options.CloudCallIDs",
}

// TestRecordedRequestsFareAsTheyDidAtGoogle sends every recorded request: what Google answered is answered, what it refused is
// refused with the same status and words.
func TestRecordedRequestsFareAsTheyDidAtGoogle(t *testing.T) {
	strict, lax := truthServer(t, Options{TrustSignatures: true}), truthServer(t, Options{TrustSignatures: true, CloudCallIDs: true})
	all := recordings(t)
	for _, r := range all {
		got := strict.send(t, r)
		if disputed[r.ID] != "" {
			if got.status != http.StatusBadRequest {
				t.Errorf("%s is no longer disputed", r.ID)
			}
			got = lax.send(t, r)
		}
		if got.status != r.Status {
			t.Errorf("%s (%s, %s, %s): got %d %s\nGoogle said %d %.300s", r.ID, r.API, r.Model, r.Source, got.status, got.body,
				r.Status, r.Response)
			continue
		}
		if want := errorMessage(r.Response); r.Status != http.StatusOK && want == "" ||
			numbers(errorMessage([]byte(got.body))) != numbers(want) {
			t.Errorf("%s:\ngot  %s\nwant %s", r.ID, got.body, want)
		}
	}
	if len(all) < 600 {
		t.Errorf("only %d recordings", len(all))
	}
}

func truthServer(t *testing.T, o Options) *testServer {
	s := newTestServer(t, o)
	s.AddKey("key", "project")
	s.AddKey("metered", "metered-project")
	s.SetLimits("metered-project", "*", Limits{TPM: 1_000_000})
	s.SetPaid("metered-project")
	s.addCloudUser("user", "PROJECT")
	return s
}

// send makes a recorded call.
func (s *testServer) send(t *testing.T, r recording) answered {
	t.Helper()
	body, model := string(r.Request), r.Model
	if successor := successors[model]; successor != "" {
		model = successor
	}
	header := http.Header{"X-Goog-Api-Key": {"key"}}
	path := "/v1beta/models/" + model + ":" + r.Method
	if r.API == "vertex" {
		path = "/v1beta1/projects/PROJECT/locations/global/publishers/google/models/" + model + ":" + r.Method
		header = s.bearer("user")
	}
	switch circumstances[r.ID] {
	case unknownKey:
		header.Set("X-Goog-Api-Key", "unknown")
	case cloudKey:
		header = http.Header{"X-Goog-Api-Key": {"key"}}
	case metered:
		header.Set("X-Goog-Api-Key", "metered")
		fallthrough
	case stripped:
		body = strings.ReplaceAll(body, "<MASSIVE_TEXT>", strings.Repeat("text ", 100_000))
	}
	return s.post(t, path+"?alt=sse", header, body)
}

func errorMessage(body []byte) string {
	var e struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	json.Unmarshal(body, &e) // what is no error has no message
	return e.Error.Message
}

var figure = regexp.MustCompile(`[0-9]+(\.[0-9]+)?`)

// numbers replaces figures that depend on the moment and on how tokens are counted.
func numbers(text string) string { return figure.ReplaceAllString(text, "N") }
