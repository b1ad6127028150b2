package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	"github.com/spf13/cobra"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/guests"
)

// keyVariable is the environment variable with the key that clients must send.
const keyVariable = "GATEWAY_KEY"

func runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [--listen <addr>]",
		Short: "Runs a gateway with the credentials of the environment, without a Caddyfile",
		Long: `
Runs a gateway with the defaults of the directive gemini_proxy. Who pays is taken from the
environment: GEMINI_API_KEY, GEMINI_API_KEY_1, ... hold API keys, GCP_SERVICE_ACCOUNT,
GCP_SERVICE_ACCOUNT_1, ... the JSON of other credentials, and
GOOGLE_APPLICATION_CREDENTIALS the path of such JSON.

Clients must send the key in ` + keyVariable + `, as an OpenAI client sends its API key. Without
that variable the gateway listens on a loopback address only, where everybody on this
machine may use it, except for web pages that come from elsewhere.

It speaks HTTP without TLS, so keys and prompts can be read on the way: for a network, put
a server with TLS before it, or write a Caddyfile. The admin API is at Caddy's default
address, where 'caddy gemini-proxy accounts' finds it.

	$ GEMINI_API_KEY=<key> caddy gemini-proxy run
	$ GEMINI_API_KEY=<key> ` + keyVariable + `=<password> caddy gemini-proxy run --listen :8080
`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringP("listen", "l", "127.0.0.1:8080", "The address to listen on")
	cmd.RunE = caddycmd.WrapCommandFuncForCobra(func(fs caddycmd.Flags) (int, error) {
		return runGateway(fs.String("listen"), cmd.OutOrStdout())
	})
	return cmd
}

// runGateway serves until a signal ends the process.
func runGateway(listen string, out io.Writer) (int, error) {
	caddy.TrapSignals()
	address, err := reachable(listen)
	if err != nil {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("the address to listen on: %w", err)
	}
	config, err := RunConfig(listen)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if err := caddy.Run(config); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	fmt.Fprintf(out, "The gateway listens on http://%s. Ctrl+C ends it.\n", address)
	select {}
}

// RunConfig is the configuration of a gateway that listens on an address. If the environment has a key for clients, they must send it;
// otherwise the address must be a loopback one.
func RunConfig(listen string) (*caddy.Config, error) {
	var routes caddyhttp.RouteList
	handler := proxyconfig.Config{}
	if _, keyed := os.LookupEnv(keyVariable); keyed { // a key that is empty refuses to start
		routes = append(routes, clientKeyRoute())
	} else {
		host, _, err := net.SplitHostPort(listen)
		if err != nil {
			return nil, fmt.Errorf("the address to listen on: %w", err)
		}
		if !loopback(host) {
			return nil, errors.New("everybody in the network could spend your quota: set " + keyVariable + " to the key that clients must send, " +
				"or listen on a loopback address such as 127.0.0.1:8080")
		}
		handler.Anonymous = true
		routes = append(routes, foreignPagesRoute(host))
	}
	routes = append(routes,
		caddyhttp.Route{HandlersRaw: []json.RawMessage{caddyconfig.JSONModuleObject(handler, "handler", "gemini_proxy", nil)}},
		caddyhttp.Route{HandlersRaw: []json.RawMessage{answerWith(http.StatusNotFound)}},
	)
	return plainServer(listen, 2*time.Minute, routes), nil
}

// loopback reports whether only this machine reaches a server that listens on a host.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// clientKeyRoute lets only those pass who know the key.
func clientKeyRoute() caddyhttp.Route {
	keys := guests.ClientKeys{Keys: map[string][]string{"gateway": {"{env." + keyVariable + "}"}}}
	authentication := caddyauth.Authentication{ProvidersRaw: caddy.ModuleMap{"client_keys": caddyconfig.JSON(keys, nil)}}
	return caddyhttp.Route{HandlersRaw: []json.RawMessage{caddyconfig.JSONModuleObject(authentication, "handler", "authentication", nil)}}
}

// foreignPagesRoute refuses what pages from elsewhere have a browser on this machine send. Such a page could not read the answer, but
// it could spend quota; and it could read the answer, too, if its name were made to resolve to this machine.
func foreignPagesRoute(host string) caddyhttp.Route {
	local := caddyhttp.MatchHost{"localhost", "127.0.0.1", "::1"}
	if !slices.Contains(local, host) {
		local = append(local, host)
	}
	elsewhere := caddy.ModuleMap{"not": caddyconfig.JSON([]caddy.ModuleMap{{"host": caddyconfig.JSON(local, nil)}}, nil)}
	foreign := caddy.ModuleMap{"header": caddyconfig.JSON(caddyhttp.MatchHeader{"Sec-Fetch-Site": {"cross-site"}}, nil)}
	return caddyhttp.Route{
		MatcherSetsRaw: caddyhttp.RawMatcherSets{elsewhere, foreign},
		HandlersRaw:    []json.RawMessage{answerWith(http.StatusForbidden)},
		Terminal:       true,
	}
}

// answerWith is a handler that answers with a status and nothing else.
func answerWith(status int) json.RawMessage {
	return caddyconfig.JSONModuleObject(caddyhttp.StaticResponse{StatusCode: caddyhttp.WeakString(fmt.Sprint(status))},
		"handler", "static_response", nil)
}
