package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/spf13/cobra"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/guests"
)

func demoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo [--listen <addr>]",
		Short: "Runs a gateway to a simulated Google, to try things without credentials",
		Long: `
Runs a gateway and a simulated Google in one process, and prints commands to try. The
simulated Google knows 25 API keys with the quotas of a free tier, which the gateway uses
in turn. Nothing leaves this machine, and no credentials are needed.

Everybody who can reach the address may use the gateway.

	$ caddy gemini-proxy demo --listen 127.0.0.1:9000
`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringP("listen", "l", "127.0.0.1:8080", "The address to listen on")
	cmd.RunE = caddycmd.WrapCommandFuncForCobra(func(fs caddycmd.Flags) (int, error) {
		return demo(fs.String("listen"), cmd.OutOrStdout())
	})
	return cmd
}

// demo serves until a signal ends the process.
func demo(listen string, out io.Writer) (int, error) {
	caddy.TrapSignals()
	address, err := reachable(listen)
	if err != nil {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("the address to listen on: %w", err)
	}
	sim, keys := googlesim.Demo()
	google, err := sim.Start()
	if err != nil {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("starting the simulated Google: %w", err)
	}
	defer sim.Close()
	if err := caddy.Run(demoConfig(listen, google, keys)); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	fmt.Fprintf(out, demoHint, address, len(keys), googlesim.DemoLimits.RPM)
	select {}
}

// reachable is where a client on this machine finds a server that listens on an address.
func reachable(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", err
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("%q is not the number of a port", port)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// demoHint can be pasted into a shell as a whole.
const demoHint = `
# The gateway listens on http://%[1]s. Behind it is a simulated Google with %[2]d API keys of %[3]d requests a minute each.

# A chat completion:
curl http://%[1]s/v1/chat/completions -H 'Content-Type: application/json' -d '{"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": "Hello"}]}'

# The same as a stream:
curl -N http://%[1]s/v1/chat/completions -H 'Content-Type: application/json' -d '{"model": "gemini-3-flash-preview", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'

# The accounts, and what they have used:
curl http://%[1]s/v1/status

# Ctrl+C ends it.
`

// demoConfig is a gateway for everybody to a Google at a URL, with no admin endpoint.
func demoConfig(listen, google string, keys []string) *caddy.Config {
	credentials := &guests.InlineCredentials{Values: keys, CredentialOptions: proxyconfig.CredentialOptions{Label: "demo"}}
	handler := proxyconfig.Config{
		CredentialsRaw: []json.RawMessage{caddyconfig.JSONModuleObject(credentials, "source", "inline", nil)},
		Endpoints:      map[string]string{"gemini_api": google, "vertex": google, "code_assist": google, "oauth": google},
		Anonymous:      true,
	}
	config := plainServer(listen, 5*time.Second, caddyhttp.RouteList{{
		HandlersRaw: []json.RawMessage{caddyconfig.JSONModuleObject(handler, "handler", "gemini_proxy", nil)},
	}})
	config.Admin.Disabled = true
	config.Logging = onlyErrors()
	return config
}

// onlyErrors logs nothing that a person at a terminal does not have to know.
func onlyErrors() *caddy.Logging {
	return &caddy.Logging{Logs: map[string]*caddy.CustomLog{caddy.DefaultLoggerName: {BaseLog: caddy.BaseLog{Level: "ERROR"}}}}
}

// plainServer is a configuration with one server that speaks HTTP without TLS, and nothing written to disk. When it is stopped,
// streams have some grace to finish.
func plainServer(listen string, grace time.Duration, routes caddyhttp.RouteList) *caddy.Config {
	app := caddyhttp.App{
		GracePeriod: caddy.Duration(grace),
		Servers: map[string]*caddyhttp.Server{"gateway": {
			Listen:    []string{listen},
			AutoHTTPS: &caddyhttp.AutoHTTPSConfig{Disabled: true},
			Routes:    routes,
		}},
	}
	persist := false
	return &caddy.Config{
		Admin:   &caddy.AdminConfig{Config: &caddy.ConfigSettings{Persist: &persist}},
		AppsRaw: caddy.ModuleMap{"http": caddyconfig.JSON(app, nil)},
	}
}
