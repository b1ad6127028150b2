package gateway_test

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// The tests in this file are about connections to Google: those that cannot be made or break, and what comes over them.

// failingOnce is a transport whose first call fails after a while.
type failingOnce struct {
	http.RoundTripper
	after time.Duration
	err   error
	calls atomic.Int32
}

func (f *failingOnce) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.calls.Add(1) == 1 {
		time.Sleep(f.after)
		return nil, f.err
	}
	return f.RoundTripper.RoundTrip(r)
}

func TestCallThatCannotBeMadeIsMadeElsewhere(t *testing.T) {
	for name, fault := range map[string]*failingOnce{
		"refused":                {err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}},
		"reset":                  {err: &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}},
		"no such host":           {err: &net.DNSError{Err: "no such host", IsNotFound: true}},
		"certificate":            {err: &tls.CertificateVerificationError{Err: errors.New("signed by an unknown authority")}},
		"timeout before headers": {after: 30 * time.Second, err: &net.OpError{Op: "read", Net: "tcp", Err: timeoutError{}}},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, ask func() *answer) {
				transport := &failingOnce{RoundTripper: w.transport, after: fault.after, err: fault.err}
				w.options.Google = google.New(google.Options{Endpoints: endpoints, HTTP: transport})
				w.key(1)
				w.key(2)
				w.start()
				a := ask()
				w.text(a)
				if a.record.Attempts != 2 || a.record.Account != "env-2" || a.took != fault.after {
					w.Errorf("%d attempts, the last with %s, took %v", a.record.Attempts, a.record.Account, a.took)
				}
				w.wantReady(2)
				if s := w.account(1); len(s.Models) > 0 && s.Models[0].State != "ready" {
					w.Errorf("the model rests: %+v", s.Models[0])
				}
			})
		})
	}
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// zipped is an event stream as it arrives when Google compresses it, each event for itself.
func zipped(events ...string) googlesim.Reply {
	reply := googlesim.Reply{Header: http.Header{"Content-Type": {"text/event-stream"}, "Content-Encoding": {"gzip"}}}
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	for _, e := range events {
		_, _ = zip.Write([]byte("data: " + e + "\r\n\r\n"))
		_ = zip.Flush()
		reply.Frames = append(reply.Frames, out.String())
		out.Reset()
	}
	_ = zip.Close()
	reply.Frames = append(reply.Frames, out.String())
	return reply
}

func TestCompressedAnswerIsReadAsItComes(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.start()
		reply := zipped(
			`{"candidates":[{"content":{"role":"model","parts":[{"text":"one "}]}}]}`,
			`{"candidates":[{"content":{"role":"model","parts":[{"text":"two"}]},"finishReason":"STOP"}]}`,
		)
		reply.Pace = time.Second
		w.script("", reply)
		a := ask()
		if c := w.completion(a); c.Content != "one two" || c.Finish != "stop" {
			w.Errorf("answer: %+v", c)
		}
		if a.record.FirstToken != time.Second {
			w.Errorf("first token after %v, though it came after a second", a.record.FirstToken)
		}
		if h := w.google.Calls(googlesim.Match{Method: "streamGenerateContent"})[0].Header; !strings.Contains(h.Get("Accept-Encoding"), "gzip") {
			w.Errorf("Accept-Encoding %q", h.Get("Accept-Encoding"))
		}
	})
}

func TestHeadersAloneAreNoFirstToken(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.options.FirstToken = 2 * time.Minute
		w.options.AttemptsFor = 5 * time.Minute
		w.key(1)
		w.key(2)
		w.start()
		w.script("key-1", googlesim.StallAfter(0))
		a := ask()
		w.text(a)
		if a.took != 2*time.Minute || a.record.Attempts != 2 || a.record.Account != "env-2" {
			w.Errorf("took %v: %+v", a.took, a.record)
		}
		w.wantReady(2)
	})
}
