package googlesim

import (
	"io"
	"maps"
	"net"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
)

const jsonType = "application/json; charset=UTF-8"

// answerJSON sends a whole answer.
func (s *Server) answerJSON(w http.ResponseWriter, c *exchange, status int, body string) {
	s.send(w, c, status, jsonType, body)
}

func (s *Server) send(w http.ResponseWriter, c *exchange, status int, contentType, body string) {
	s.log.answered(c, status)
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", contentType)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) //nolint:gosec // no browser is served; a client that is gone is noticed by its context
}

// refuse sends an error. On streaming calls it is labelled as the stream it is not, and where the answer would have been an array
// the error is the array's one element; so it always is on Code Assist.
func (s *Server) refuse(w http.ResponseWriter, c *exchange, e *apiError) {
	contentType, body := jsonType, e.body()
	if c.streams() {
		if c.sse {
			contentType = "text/event-stream"
		}
		if !c.sse || c.Backend == CodeAssist {
			body = "[" + body + "]"
		}
	}
	s.send(w, c, e.Code, contentType, body)
}

// stream sends an answer event by event, as server-sent events or as a JSON array.
type stream struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	c       *exchange
	started bool
	events  int
}

// start sends the headers, once.
func (t *stream) start() {
	if t.started {
		return
	}
	t.started = true
	if t.w.Header().Get("Content-Type") == "" {
		if t.c.sse {
			t.w.Header().Set("Content-Type", "text/event-stream")
		} else {
			t.w.Header().Set("Content-Type", jsonType)
		}
	}
	t.s.log.answered(t.c, http.StatusOK)
	t.w.WriteHeader(http.StatusOK)
	t.flush()
}

// event sends one event's JSON.
func (t *stream) event(payload string) {
	switch {
	case t.c.sse:
		payload = "data: " + payload + "\r\n\r\n"
	case t.events == 0:
		payload = "[" + payload
	default:
		payload = "\n,\n" + payload
	}
	t.events++
	t.raw(payload)
}

func (t *stream) raw(frame string) {
	t.start()
	_, _ = io.WriteString(t.w, frame) //nolint:gosec // as above; a client that is gone is noticed by its context
	t.flush()
}

// end completes the answer.
func (t *stream) end() {
	if !t.c.sse && t.events > 0 {
		t.raw("\n]")
	} else if !t.c.sse {
		t.raw("[]")
	}
	t.start()
}

func (t *stream) flush() { http.NewResponseController(t.w).Flush() }

// reset breaks the connection. It does not return. What was sent already is left to arrive: a TCP reset could overtake it.
func reset(w http.ResponseWriter, started bool) {
	if started {
		panic(http.ErrAbortHandler)
	}
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // an RST instead of an orderly end
		}
		conn.Close()
	}
	panic(http.ErrAbortHandler)
}

// answerScripted answers a call for which the script has a failure, and reports whether it did. What it has for a generate call
// that may succeed is left in c.reply; other methods know only whole bodies and delays.
func (s *Server) answerScripted(w http.ResponseWriter, r *http.Request, c *exchange) bool {
	c.reply = s.script.next(c.record)
	switch {
	case c.reply == nil:
		return false
	case c.reply.fails() || !c.generates() && c.reply.Body != "":
		s.play(w, r, c, nil)
		return true
	case c.generates():
		return false
	default:
		return !pause(r.Context(), c.reply.Delay)
	}
}

// play carries out c.reply. Ordinary are the events the call would have been answered with.
func (s *Server) play(w http.ResponseWriter, r *http.Request, c *exchange, ordinary []string) {
	reply := c.reply
	maps.Copy(w.Header(), reply.Header)
	t := &stream{s: s, w: w, r: r, c: c}
	if reply.EarlyHeaders {
		t.start()
	}
	if !pause(r.Context(), reply.Delay) {
		return
	}
	if reply.Body != "" {
		contentType := jsonType
		if c.streams() && c.sse { // so are the errors of streaming calls labelled, too
			contentType = "text/event-stream"
		}
		s.send(w, c, reply.status(), contentType, reply.Body)
		t.started = true
	}
	for _, event := range append(ordinary[:min(reply.Lead, len(ordinary)):min(reply.Lead, len(ordinary))], reply.Events...) {
		if !pause(r.Context(), reply.Pace) {
			return
		}
		t.event(event)
	}
	for _, frame := range reply.Frames {
		if !pause(r.Context(), reply.Pace) {
			return
		}
		t.raw(frame)
	}
	switch {
	case reply.End == EndReset:
		reset(w, t.started)
	case reply.End == EndHang:
		<-r.Context().Done()
	case !t.started && reply.status() != http.StatusOK:
		s.send(w, c, reply.status(), jsonType, "")
	case !t.started || t.events > 0 && len(reply.Frames) == 0:
		t.end()
	}
}

var spaced = jsontext.SpaceAfterColon(true)
