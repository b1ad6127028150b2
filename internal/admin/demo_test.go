package admin

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestTheDemoSaysWhereAClientFindsIt(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080":  "127.0.0.1:8080",
		"localhost:9000":  "localhost:9000",
		":8080":           "127.0.0.1:8080",
		"0.0.0.0:8080":    "127.0.0.1:8080",
		"[::]:8080":       "127.0.0.1:8080",
		"[::1]:8080":      "[::1]:8080",
		"127.0.0.1":       "",
		"127.0.0.1:0":     "", // whoever reads the hint could not know the port
		"127.0.0.1:http":  "",
		"127.0.0.1:80000": "",
	} {
		if got, err := reachable(listen); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v; want %q", listen, got, err, want)
		}
	}
}

func TestTheDemosHintCanBePastedIntoAShell(t *testing.T) {
	hint := fmt.Sprintf(demoHint, "127.0.0.1:8080", 25, 5)
	if strings.Contains(hint, "%!") {
		t.Fatal(hint)
	}
	var commands, streams int
	for line := range strings.Lines(hint) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "# "):
			continue
		case !strings.HasPrefix(line, "curl ") || !strings.Contains(line, " http://127.0.0.1:8080/v1/"):
			t.Errorf("neither comment nor command: %s", line)
		}
		commands++
		if _, body, ok := strings.Cut(line, " -d '"); ok {
			var request struct{ Stream bool }
			if err := json.Unmarshal([]byte(strings.TrimSuffix(body, "'")), &request); err != nil {
				t.Errorf("%v in %s", err, line)
			}
			if request.Stream {
				streams++
			}
		}
	}
	if commands != 3 || streams != 1 {
		t.Errorf("%d commands, %d of them for a stream", commands, streams)
	}
}
