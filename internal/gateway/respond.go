package gateway

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// comment keeps a silent event stream alive: every client's event reader skips lines that begin with a colon.
const comment = ": keep-alive\n\n"

// statusClientGone is what is logged for a request whose client went away. It is nginx's convention, and never reaches anyone.
const statusClientGone = 499

// writeError answers with an error in the surface's own form.
func writeError(w http.ResponseWriter, s Surface, e *translate.Error) {
	status, body := s.Error(e)
	h := w.Header()
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(seconds(e.RetryAfter), 10))
		h.Set("Retry-After-Ms", strconv.FormatInt(int64(math.Ceil(float64(e.RetryAfter)/float64(time.Millisecond))), 10))
	}
	if e.Kind == translate.ErrQuota {
		// OpenAI's SDKs would otherwise repeat a request that cannot succeed for hours.
		h.Set("X-Should-Retry", "false")
	}
	writeJSON(w, status, body)
}

// setRateLimits sets OpenAI's headers on what may be spent, as far as that is known.
func setRateLimits(h http.Header, a rotator.Allowances) {
	set := func(of string, a rotator.Allowance) {
		if a.Limit == 0 {
			return
		}
		h.Set("X-Ratelimit-Limit-"+of, strconv.FormatInt(a.Limit, 10))
		h.Set("X-Ratelimit-Remaining-"+of, strconv.FormatInt(a.Remaining, 10))
		h.Set("X-Ratelimit-Reset-"+of, (time.Duration(seconds(a.Reset)) * time.Second).String())
	}
	set("Requests", a.Requests)
	set("Tokens", a.Tokens)
}

// seconds rounds up, so that a client which waits as long as it was told is not too early.
func seconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // JSON, and sent as such; a client that is gone needs no answer
}

// reply is the client's side of one exchange: what has been sent, and the means to send more. Only the exchange's own goroutine
// uses it.
type reply struct {
	w       http.ResponseWriter
	ctl     *http.ResponseController
	surface Surface
	buf     []byte
	// committed is set once the status line is gone; spoken once part of the answer itself is.
	committed, spoken bool
}

func newReply(w http.ResponseWriter, s Surface) *reply {
	return &reply{w: w, ctl: http.NewResponseController(w), surface: s}
}

// commit sends the headers of an event stream.
func (p *reply) commit() {
	if p.committed {
		return
	}
	p.committed = true
	h := p.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-transform") // no-transform keeps Caddy's encode from buffering events to compress them
	h.Set("X-Accel-Buffering", "no")
	p.w.WriteHeader(http.StatusOK)
}

// keepAlive sends a comment, and the headers before it if need be.
func (p *reply) keepAlive() error {
	p.commit()
	return p.send([]byte(comment))
}

// send writes bytes of an event stream and sees that they leave. How long a client may take to read them is the server's business:
// Caddy gives every write a minute unless told otherwise.
func (p *reply) send(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	p.commit()
	if _, err := p.w.Write(b); err != nil { //nolint:gosec // an event stream, and sent as such
		return err
	}
	if err := p.ctl.Flush(); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil // a handler in front collects the answer: it comes late, but it comes
}

// fail ends the exchange with an error: with an HTTP status while that is possible, else with an event in the stream.
func (p *reply) fail(e *translate.Error) {
	if !p.committed {
		writeError(p.w, p.surface, e)
		return
	}
	_ = p.send(p.surface.InBand(p.buf[:0], e)) // nothing is left to do for a client that is gone
}
