package fetch

import (
	"net"
	"net/url"
	"time"

	"code.dny.dev/ssrf"
)

// connectTime bounds looking a name up and connecting to what it stands for.
const connectTime = 5 * time.Second

// Public is a dialer of public addresses only, on the ports of HTTP and HTTPS. It asks resolver for the addresses of a name, or the
// system's resolver when that is nil. The addresses themselves are judged, right before the connection is made: a name that leads
// inside, or that leads outside when it is looked up and inside when it is used, is no way in.
func Public(resolver *net.Resolver) *net.Dialer {
	return &net.Dialer{Timeout: connectTime, Resolver: resolver, Control: ssrf.New().Safe}
}

// parse reads a URL that may be asked for.
func parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, refusal("it is not a URL")
	}
	return u, check(u)
}

// check judges what a URL says by itself. Where its host leads is judged when it is dialed.
func check(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return refusal("it is not an http or https URL")
	case u.Hostname() == "":
		return refusal("it names no host")
	case u.User != nil:
		return refusal("it holds a user name, and nobody is logged in to for a picture")
	case u.Port() != "" && u.Port() != "80" && u.Port() != "443":
		return refusal("its port is neither 80 nor 443")
	}
	return nil
}
