// Package guests holds the modules that gemini_proxy brings for its own namespaces, and for Caddy's: sources of credentials,
// policies, and client_keys.
package guests

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/caddyserver/caddy/v2"
)

// resolve replaces the placeholders in a value that may be a secret, or may hold one. Its errors name at most a placeholder of a
// variable or file: what looks like another placeholder may be the secret itself, such as JSON in its braces.
func resolve(value string) (string, error) {
	resolved, err := caddy.NewReplacer().ReplaceOrErr(value, true, true)
	if err == nil {
		return resolved, nil
	}
	if placeholder := publicPlaceholder.FindString(err.Error()); placeholder != "" {
		return "", fmt.Errorf("the placeholder %s is empty or not known", placeholder)
	}
	return "", errors.New("a placeholder is not known; braces that do not mean one are written with a backslash before them")
}

var publicPlaceholder = regexp.MustCompile(`\{(env\.\w+|file\.[\w./~-]+)\}`)
