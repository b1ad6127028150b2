package google

import (
	"net/http"
	"sync"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// How a breaker judges a host. One broken connection is chance, and is tried again elsewhere; a host that answers nobody is left alone for
// a while, so that requests do not each wait for it to time out.
const (
	breakerFailures = 5 // in a row, of any calls
	breakerMinOpen  = 5 * time.Second
	breakerMaxOpen  = 30 * time.Second
)

// breaker knows which of Google's hosts cannot be reached. Only connections count: an answer, however bad, is an answer. The zero breaker
// is ready to use, and safe for concurrent use. It is bounded by the hosts that the configuration names.
type breaker struct {
	mu    sync.Mutex
	hosts map[string]*reachability
}

type reachability struct {
	failures int           // in a row
	open     time.Duration // how long it is left alone this time
	until    time.Time
	probing  bool // a call was let through to see how it stands
}

// wait is how long to leave a host alone, 0 when it may be called. When the time is over one call is let through, and the others wait on
// until that one has shown how it stands.
func (b *breaker) wait(host string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hosts[host]
	if h == nil || h.failures < breakerFailures {
		return 0
	}
	now := time.Now()
	if wait := h.until.Sub(now); wait > 0 {
		return wait
	}
	h.until, h.probing = now.Add(h.open), true
	return 0
}

// answered notes that a host can be reached.
func (b *breaker) answered(host string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.hosts, host)
}

// failed notes that it could not be. It is left alone longer each time it is tried in vain; calls that were under way already change
// nothing.
func (b *breaker) failed(host string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hosts[host]
	if h == nil {
		if b.hosts == nil {
			b.hosts = map[string]*reachability{}
		}
		h = new(reachability)
		b.hosts[host] = h
	}
	h.failures++
	switch {
	case h.failures == breakerFailures:
		h.open = breakerMinOpen
	case h.probing:
		h.open = min(h.open*2, breakerMaxOpen)
	default:
		return
	}
	h.probing, h.until = false, time.Now().Add(h.open)
}

// unreachableHost is the Error for a call that was not made because the breaker is open.
func unreachableHost(wait time.Duration) *Error {
	return &Error{
		Fault: &rotator.Fault{
			Kind: rotator.FaultTransient, Reason: "ENDPOINT_DOWN", Delay: wait, Message: "Google's host could not be reached lately",
		},
		Client: &translate.Error{
			Kind: translate.ErrServer, Status: http.StatusServiceUnavailable, Code: "upstream_unavailable",
			Message: "The model's service cannot be reached. Please try again later.", RetryAfter: wait,
		},
		Unsent: true,
	}
}
