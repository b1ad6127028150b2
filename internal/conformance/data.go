// Package conformance holds what tests measure answers by: OpenAI's own schemas, the rules their SDKs add streams up by, and traffic
// that was recorded elsewhere. It is imported by tests only.
package conformance

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Data is an unpacked file of recorded data. The files are third parties' and not part of the repository: a test that needs one is
// skipped where they are not at hand.
func Data(tb testing.TB, name string) []byte {
	tb.Helper()
	file, err := os.Open(dataPath(tb, name))
	if err != nil {
		tb.Skipf("skipped: the recorded data is not here: %v", err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		tb.Fatal(err)
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// AtHand reports whether there is a file that Data would find.
func AtHand(tb testing.TB, name string) bool {
	tb.Helper()
	_, err := os.Stat(dataPath(tb, name))
	return err == nil
}

func dataPath(tb testing.TB, name string) string {
	tb.Helper()
	return filepath.Join(root(tb), "..", "shared", "data", name)
}

// root is the folder of go.mod.
func root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatal("no go.mod above the working directory")
		}
		dir = parent
	}
}

// each reads a file of recorded data, one JSON object a line.
func each[T any](tb testing.TB, name string, take func(T)) {
	tb.Helper()
	const longestLine = 64 << 20
	lines := bufio.NewScanner(bytes.NewReader(Data(tb, name)))
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		var one T
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			tb.Fatal(err)
		}
		take(one)
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
}

// Recording is one exchange with Google that somebody recorded.
type Recording struct {
	ID         string          `json:"id"`
	API        string          `json:"api"`
	Method     string          `json:"method"`
	Model      string          `json:"model"`
	Status     int             `json:"status"`
	Request    json.RawMessage `json:"request"`
	Response   json.RawMessage `json:"response"`
	SSE        string          `json:"sse"` // the body, if it was a stream of events
	Provenance string          `json:"provenance"`
	Tags       []string        `json:"tags"`
}

// Generates reports whether it is a call of generateContent or of its streaming sister.
func (r *Recording) Generates() bool {
	return r.Method == "generateContent" || r.Method == "streamGenerateContent"
}

// Recordings are all recorded exchanges with Google.
func Recordings(tb testing.TB) (list []Recording) {
	tb.Helper()
	each(tb, "gemini-recorded.jsonl.gz", func(r Recording) { list = append(list, r) })
	return list
}

// Exchange is one recorded request to an API of OpenAI's form.
type Exchange struct {
	ID       string          `json:"id"`
	Endpoint string          `json:"endpoint"`
	Host     string          `json:"host"`
	Status   int             `json:"status"`
	Request  json.RawMessage `json:"request"`
}

// Exchanges are the recorded requests to an endpoint, such as chat/completions, whose body is known. Without an endpoint they are all
// that were recorded.
func Exchanges(tb testing.TB, endpoint string) (list []Exchange) {
	tb.Helper()
	each(tb, "openai-recorded.jsonl.gz", func(one Exchange) {
		known := one.Endpoint == endpoint && len(one.Request) > 0 && string(one.Request) != "null"
		if known || endpoint == "" {
			list = append(list, one)
		}
	})
	return list
}
