package gemini

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Google's documentation allows function names of 128 characters with colons, older deployments only these 64 without.
const maxFunctionName = 64

// names is the bijection between the names a client gave its tools and those Google accepts. It follows from the request's tools
// alone, so the fold of an answer finds the same names as the encoder of its request.
type names struct {
	wire   map[string]string // client's → Google's
	client map[string]string // Google's → client's
}

func newNames(tools []translate.Tool) names {
	n := names{wire: make(map[string]string, len(tools)), client: make(map[string]string, len(tools))}
	for i := range tools { // names that are fine as they are come first: they must not make way for a sanitised one
		if name := tools[i].Name; validName(name) {
			n.wire[name], n.client[name] = name, name
		}
	}
	for i := range tools {
		name := tools[i].Name
		if _, done := n.wire[name]; done {
			continue
		}
		wire := sanitizeName(name)
		for _, taken := n.client[wire]; taken; _, taken = n.client[wire] {
			wire = hashedName(wire, name+wire)
		}
		n.wire[name], n.client[wire] = wire, name
	}
	return n
}

// toWire is the name to send for a client's name, which need not be declared: histories name tools of earlier requests.
func (n names) toWire(name string) string {
	if wire, ok := n.wire[name]; ok {
		return wire
	}
	return sanitizeName(name)
}

// toClient is the client's name for one Google used. Google shows its models the tools as default_api.<name>, which they repeat at
// times.
func (n names) toClient(wire string) string {
	if name, ok := n.client[wire]; ok {
		return name
	}
	if rest, ok := strings.CutPrefix(wire, "default_api"); ok && rest != "" && (rest[0] == ':' || rest[0] == '.') {
		if name, ok := n.client[rest[1:]]; ok {
			return name
		}
	}
	return wire
}

func validName(name string) bool {
	if name == "" || len(name) > maxFunctionName || !nameStart(name[0]) {
		return false
	}
	for i := range len(name) {
		if !nameChar(name[i]) {
			return false
		}
	}
	return true
}

func sanitizeName(name string) string {
	if validName(name) {
		return name
	}
	var b strings.Builder
	if name == "" || !nameStart(name[0]) {
		b.WriteByte('_')
	}
	for _, c := range name {
		if c < 0x80 && nameChar(byte(c)) {
			b.WriteByte(byte(c))
		} else {
			b.WriteByte('_')
		}
	}
	if b.Len() > maxFunctionName {
		return hashedName(b.String(), name)
	}
	return b.String()
}

// hashedName is a valid name with a tail made from the original, to tell apart what sanitising made equal.
func hashedName(name, original string) string {
	sum := sha256.Sum256([]byte(original))
	return name[:min(len(name), maxFunctionName-9)] + "_" + hex.EncodeToString(sum[:4])
}

func nameStart(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func nameChar(c byte) bool {
	return nameStart(c) || '0' <= c && c <= '9' || c == '-' || c == '.'
}
