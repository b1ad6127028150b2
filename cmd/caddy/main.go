// Command caddy is Caddy with gemini_proxy compiled in, for `go run ./cmd/caddy` while developing. Users build theirs with xcaddy.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/gemini-proxy/caddy-gemini-proxy"
)

func main() {
	caddycmd.Main()
}
