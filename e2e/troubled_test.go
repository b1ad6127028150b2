package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// clientKey is what the troubled gateway's clients show; the demo takes any.
const clientKey = "e2e-client-key"

// The models that the troubled gateway's Google refuses, each its own way.
const (
	spentModel      = "gemini-2.5-pro"        // one request a day, which is spent
	overloadedModel = "gemini-2.5-flash"      // has no capacity
	brokenModel     = "gemini-2.5-flash-lite" // the connection breaks after the first words
)

const overloaded = `{"error": {"code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE"}}`

// startTroubled runs the gateway from a Caddyfile in front of a simulated Google in this process.
func startTroubled(binary, dir string) (gateway, func(), error) {
	google := googlesim.New(googlesim.Options{})
	google.AddKey("e2e-api-key", "e2e-project")
	google.SetLimits("", spentModel, googlesim.Limits{RPD: 1})
	google.Always(googlesim.Match{Model: overloadedModel}, googlesim.Reply{Status: http.StatusServiceUnavailable, Body: overloaded})
	google.Always(googlesim.Match{Model: brokenModel}, googlesim.Reply{Lead: 1, End: googlesim.EndReset})
	url, err := google.Start()
	if err != nil {
		return gateway{}, nil, err
	}
	g, stop, err := startCaddyfile(binary, dir, url)
	if err != nil {
		google.Close()
		return gateway{}, nil, err
	}
	stopBoth := func() {
		stop()
		google.Close()
	}
	client, params := g.client(), question("Spend the quota.")
	params.Model = spentModel
	if _, err := client.Chat.Completions.New(context.Background(), params); err != nil {
		stopBoth()
		return gateway{}, nil, fmt.Errorf("the first request of the day: %w", err)
	}
	return g, stopBoth, nil
}

func startCaddyfile(binary, dir, google string) (gateway, func(), error) {
	address, err := freeAddress()
	if err != nil {
		return gateway{}, nil, err
	}
	caddyfile := filepath.Join(dir, "troubled.caddyfile")
	config := fmt.Sprintf(`{
	admin off
}

http://%s {
	client_keys {
		e2e %s
	}
	gemini_proxy {
		credentials inline e2e-api-key
		endpoint gemini_api %s
	}
}
`, address, clientKey, google)
	if err := os.WriteFile(caddyfile, []byte(config), 0o600); err != nil {
		return gateway{}, nil, err
	}
	return start(binary, dir, address, "run", "--adapter", "caddyfile", "--config", caddyfile)
}
