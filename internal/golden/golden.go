// Package golden runs tests whose cases are files: an input, a line of dashes, and what must come of it. It is imported by tests only.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what comes of the inputs now into the golden files")

const separator = "----------\n"

// Run compares, for each file that the pattern names, what comes of its input with what the file says.
func Run(t *testing.T, pattern string, outcome func(t *testing.T, input string) string) {
	t.Helper()
	for _, file := range files(t, pattern) {
		t.Run(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), func(t *testing.T) {
			input, want := read(t, file)
			got := outcome(t, input)
			if *update {
				if err := os.WriteFile(file, []byte(input+separator+got), 0o644); err != nil { //nolint:gosec // for everybody to read, as the rest
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// Inputs returns the inputs alone, for fuzzing to start from.
func Inputs(tb testing.TB, pattern string) (inputs []string) {
	tb.Helper()
	for _, file := range files(tb, pattern) {
		input, _ := read(tb, file)
		inputs = append(inputs, input)
	}
	return inputs
}

func files(tb testing.TB, pattern string) []string {
	tb.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		tb.Fatalf("no golden files %s: %v", pattern, err)
	}
	return found
}

func read(tb testing.TB, file string) (input, want string) {
	tb.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	input, want, ok := strings.Cut(string(content), separator)
	if !ok {
		tb.Fatalf("%s has no line %q", file, separator)
	}
	return input, want
}
