// Package accept tells people who look at a page from programs, by what they say they take.
package accept

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// HTML reports whether a client would rather have a page than JSON, as browsers say of themselves. Who takes either alike, or says
// nothing, is a program.
func HTML(h http.Header) bool {
	page, data := 0.0, 0.0
	for item := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		kind, params, err := mime.ParseMediaType(item)
		if err != nil {
			continue
		}
		quality := 1.0
		if q, said := params["q"]; said {
			if quality, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		switch kind {
		case "text/html":
			page = max(page, quality)
		case "application/json":
			data = max(data, quality)
		}
	}
	return page > data
}
