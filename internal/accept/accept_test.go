package accept

import (
	"net/http"
	"testing"
)

func TestWhoPrefersAPage(t *testing.T) {
	for accept, want := range map[string]bool{
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": true,
		"text/html":                           true,
		"application/json;q=0.5, text/html":   true,
		"":                                    false,
		"*/*":                                 false,
		"application/json, text/plain, */*":   false,
		"text/html, application/json":         false,
		"text/html;q=0.5, application/json":   false,
		"text/html;q=0":                       false,
		"text/html;q=much, application/json ": false,
	} {
		if got := HTML(http.Header{"Accept": {accept}}); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
	if !HTML(http.Header{"Accept": {"application/json;q=0.1", "text/html"}}) {
		t.Error("only the first of two lines is read")
	}
}
