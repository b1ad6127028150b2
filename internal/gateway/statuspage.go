package gateway

import (
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// The page for people shows what the JSON says, and asks for it again and again. It is one document without anything from elsewhere.
var (
	//go:embed statuspage/page.html
	pageFrame string
	//go:embed statuspage/style.css
	pageStyle string
	//go:embed statuspage/script.js
	pageScript string

	statusPage = strings.NewReplacer("{{style}}", pageStyle, "{{script}}", pageScript).Replace(pageFrame)

	// statusPolicy lets the browser run and load these parts and nothing else, whatever a label may contain.
	statusPolicy = "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src " +
		sourceHash(pageStyle) + "; script-src " + sourceHash(pageScript)
)

// sourceHash names a text within a page, in Content-Security-Policy's form.
func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func writeStatusPage(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", statusPolicy)
	h.Set("Referrer-Policy", "no-referrer") // the address may hold a client's key
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(statusPage)))
	_, _ = io.WriteString(w, statusPage) // a client that is gone needs no answer
}
