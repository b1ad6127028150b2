package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// clientKey is what clients of the gateways with a Caddyfile show; the demo takes any. They themselves show googleKey.
const (
	clientKey = "e2e-client-key"
	googleKey = "e2e-api-key"
)

// The models that the troubled gateway's Google refuses, each its own way.
const (
	spentModel      = "gemini-2.5-pro"        // one request a day, which is spent
	overloadedModel = "gemini-2.5-flash"      // has no capacity
	brokenModel     = "gemini-2.5-flash-lite" // the connection breaks after the first words
)

const overloaded = `{"error": {"code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE"}}`

// startTroubled runs the gateway from a Caddyfile in front of a simulated Google in this process.
func startTroubled() (gateway, func(), error) {
	google := googlesim.New(googlesim.Options{})
	google.AddKey(googleKey, "e2e-project")
	google.SetLimits("", spentModel, googlesim.Limits{RPD: 1})
	google.Always(googlesim.Match{Model: overloadedModel}, googlesim.Reply{Status: http.StatusServiceUnavailable, Body: overloaded})
	google.Always(googlesim.Match{Model: brokenModel}, googlesim.Reply{Lead: 1, End: googlesim.EndReset})
	if _, err := google.Start(); err != nil {
		return gateway{}, nil, err
	}
	address, err := freeAddress()
	if err != nil {
		google.Close()
		return gateway{}, nil, err
	}
	g, stop, err := startCaddyfile(address, google)
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

// startCaddyfile runs the gateway from a Caddyfile in front of a simulated Google that knows googleKey. Nothing it learns outlives it.
func startCaddyfile(address string, google *googlesim.Server) (gateway, func(), error) {
	caddyfile, admin := configuration(address)
	config := fmt.Sprintf(`{
	admin %s
}

http://%s {
	client_keys {
		e2e %s
	}
	gemini_proxy {
		credentials inline %s
		endpoint gemini_api %s
		state memory
	}
}
`, admin, address, clientKey, googleKey, google.URL())
	if err := os.WriteFile(caddyfile, []byte(config), 0o600); err != nil {
		return gateway{}, nil, err
	}
	return start(address, "run", "--adapter", "caddyfile", "--config", caddyfile)
}

// configuration is where a gateway finds its Caddyfile, and the address of its admin endpoint.
func configuration(address string) (caddyfile, admin string) {
	name := filepath.Join(scratch, strings.ReplaceAll(address, ":", "-"))
	return name + ".caddyfile", "unix/" + name + ".sock"
}
