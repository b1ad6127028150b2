package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// likelyModel's Google says how likely its tokens were, to requests that may ask.
const likelyModel = "gemini-2.0-flash"

const likely = `{"candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}, "finishReason": "STOP", "logprobsResult": {` +
	`"topCandidates": [{"candidates": [{"token": "Hi", "logProbability": -0.25}, {"token": "Yo", "logProbability": -1.5}]}], ` +
	`"chosenCandidates": [{"token": "Hi", "logProbability": -0.25}]}}], ` +
	`"usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 1, "totalTokenCount": 5}}`

// watched is a gateway of one test's own, whose Google tells what it was asked.
type watched struct {
	gateway
	google  *googlesim.Server
	address string

	mu   sync.Mutex // held while the gateway is stopped or started
	stop func()
}

// watch starts a gateway that runs until the test is over.
func watch(t *testing.T) *watched {
	t.Helper()
	if missing != "" {
		t.Skip(missing)
	}
	w, err := newWatched(t)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// newWatched may be called on any goroutine.
func newWatched(t *testing.T) (*watched, error) {
	w := &watched{google: googlesim.New(googlesim.Options{})}
	w.google.AddKey(googleKey, "e2e-project")
	w.google.Always(googlesim.Match{Model: likelyModel}, googlesim.Reply{Events: []string{likely}})
	if _, err := w.google.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(w.google.Close)
	var err error
	if w.address, err = freeAddress(); err != nil {
		return nil, err
	}
	if w.gateway, w.stop, err = startCaddyfile(w.address, w.google); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.stop()
	})
	return w, nil
}

// restart replaces the gateway by one that knows nothing of what was before. Google goes on.
func (w *watched) restart() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop()
	_, stop, err := startCaddyfile(w.address, w.google)
	if err != nil {
		w.stop = func() {}
		return err
	}
	w.stop = stop
	return nil
}

// reload has the gateway read its Caddyfile again. What it knows it keeps.
func (w *watched) reload() error {
	caddyfile, admin := configuration(w.address)
	output, err := exec.Command(binary, "reload", "--force", "--config", caddyfile, "--adapter", "caddyfile", "--address", admin).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

// asked is what a call to Google says of the steps before it, and what became of it.
type asked struct {
	Status int `json:"status"`
	// Signatures has, for every message of the model's that calls functions, what each call is signed with: "own" is the signature that
	// Google gave with that very step, "substitute" what it takes in place of a lost one, "foreign" is anything else, "none" is nothing.
	Signatures [][]string `json:"signatures"`
}

// substitute is what Google documents for calls whose signature is lost.
const substitute = "skip_thought_signature_validator"

// upstream is what Google was asked to generate, by one conversation since the last call of google.ForgetCalls.
func (w *watched) upstream() ([]asked, error) {
	var (
		all   []asked
		given []string // signatures, one for each step so far
	)
	for _, call := range w.google.Calls(googlesim.Match{Model: model}) {
		if !strings.HasSuffix(strings.ToLower(call.Method), "generatecontent") {
			continue
		}
		signatures, err := historySignatures(call.Body, given)
		if err != nil {
			return nil, fmt.Errorf("%w in %s", err, call.Body)
		}
		all = append(all, asked{call.Status, signatures})
		if call.Signature != "" {
			given = append(given, call.Signature)
		}
	}
	return all, nil
}

func historySignatures(body []byte, given []string) ([][]string, error) {
	var request struct {
		Contents []struct {
			Parts []struct {
				FunctionCall     json.RawMessage
				ThoughtSignature string
			}
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	steps := [][]string{}
	for _, content := range request.Contents {
		var kinds []string
		for _, part := range content.Parts {
			if part.FunctionCall == nil {
				continue
			}
			kind := "foreign"
			switch signature := part.ThoughtSignature; {
			case signature == "":
				kind = "none"
			case signature == substitute:
				kind = "substitute"
			case len(steps) < len(given) && signature == given[len(steps)]:
				kind = "own"
			}
			kinds = append(kinds, kind)
		}
		if kinds != nil {
			steps = append(steps, kinds)
		}
	}
	return steps, nil
}
