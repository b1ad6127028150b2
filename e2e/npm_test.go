package e2e

import (
	"os"
	"os/exec"
	"testing"
)

// TestNPMClients runs the tests of the folder npm, which print their own results, against the same gateways.
func TestNPMClients(t *testing.T) {
	healthy, faulty := demo(t), troubled(t)
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	if _, err := os.Stat("npm/node_modules"); err != nil {
		t.Skip("the npm clients are not installed: run npm ci in e2e/npm")
	}
	command := exec.CommandContext(t.Context(), node, "--test", "--test-reporter=spec")
	command.Dir = "npm"
	command.Env = append(os.Environ(),
		"E2E_BASE_URL="+healthy.url,
		"E2E_TROUBLED_URL="+faulty.url,
		"E2E_KEY="+faulty.key,
		"E2E_MODEL="+model,
		"E2E_SPENT_MODEL="+spentModel,
		"E2E_OVERLOADED_MODEL="+overloadedModel,
		"E2E_BROKEN_MODEL="+brokenModel,
	)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		t.Error(err)
	}
}
