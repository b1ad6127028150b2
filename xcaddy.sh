#!/bin/sh
# Builds ./caddy: Caddy, at the version go.mod pins, with this module compiled in.
#
#   ./xcaddy.sh [<arguments of xcaddy build>...]
#   ./xcaddy.sh demo [<flags>...]   builds, then runs a gateway to a simulated Google: no credentials needed
#   ./xcaddy.sh run  [<flags>...]   builds, then runs Caddyfile.example
set -eu
cd "$(dirname "$0")"

# The same settings as for tests and tools let all of them share one build cache. The tags leave out databases that only Caddy's
# ACME server can use.
export GOFLAGS="${GOFLAGS:--buildvcs=false -tags=nobadger,nomysql,nopgx}"
export CGO_ENABLED="${CGO_ENABLED:-0}"

build() {
	# With a version, the replacement answers alone: without one, Go would ask the module proxy for this module.
	go tool xcaddy build "${CADDY_VERSION:-$(go list -m -f '{{.Version}}' github.com/caddyserver/caddy/v2)}" \
		--with "$(go list -m)@v0.0.0=." --output ./caddy "$@"
}

case ${1:-} in
demo)
	shift
	build
	exec ./caddy gemini-proxy demo "$@"
	;;
run)
	shift
	build
	exec ./caddy run --config Caddyfile.example "$@"
	;;
*)
	build "$@"
	;;
esac
