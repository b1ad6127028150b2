package google

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// hosts is a network on which some hosts are down, and which counts who is called.
type hosts struct {
	down  map[string]bool
	calls map[string]int
}

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.calls[r.URL.Host]++
	if h.down[r.URL.Host] {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

func TestUnreachableHostIsLeftAloneForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hosts{down: map[string]bool{"a.test": true}, calls: map[string]int{}}
		c := New(Options{Endpoints: Endpoints{GeminiAPI: "http://a.test", Vertex: "http://b.test"}, HTTP: h})
		call := func(b translate.Backend) *Error {
			_, err := c.Stream(t.Context(), Call{Backend: b, Model: "m", Token: &rotator.Token{Secret: "k", APIKey: true}})
			e, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("error %v", err)
			}
			return e
		}
		want := func(calls int) {
			t.Helper()
			if h.calls["a.test"] != calls {
				t.Errorf("%d calls to the host that is down, want %d", h.calls["a.test"], calls)
			}
		}

		for range breakerFailures {
			if e := call(translate.GeminiAPI); e.Unsent || e.Fault.Reason == "ENDPOINT_DOWN" {
				t.Fatalf("not tried: %+v", e.Fault)
			}
		}
		want(breakerFailures)
		e := call(translate.GeminiAPI)
		if !e.Unsent || e.Fault.Kind != rotator.FaultTransient || e.Fault.Reason != "ENDPOINT_DOWN" {
			t.Errorf("fault %+v, unsent %v", e.Fault, e.Unsent)
		}
		if e.Client.Status != http.StatusServiceUnavailable || e.Client.RetryAfter != breakerMinOpen {
			t.Errorf("client sees %+v", e.Client)
		}
		want(breakerFailures)
		if e := call(translate.Vertex); e.Unsent {
			t.Error("another host is left alone as well")
		}

		// One call shows how it stands, and the next wait is longer.
		time.Sleep(breakerMinOpen)
		call(translate.GeminiAPI)
		call(translate.GeminiAPI)
		want(breakerFailures + 1)
		time.Sleep(breakerMinOpen)
		call(translate.GeminiAPI)
		want(breakerFailures + 1)
		time.Sleep(breakerMinOpen)
		delete(h.down, "a.test")
		for range 3 {
			if e := call(translate.GeminiAPI); e.Unsent {
				t.Error("a host that answers is still left alone")
			}
		}
		want(breakerFailures + 4)
	})
}

func TestBreakerStaysOpenHalfAMinuteAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b breaker
		for range breakerFailures {
			b.failed("a")
		}
		for range 10 {
			time.Sleep(b.wait("a"))
			if wait := b.wait("a"); wait != 0 {
				t.Fatalf("no call is let through after the wait: %v more", wait)
			}
			if b.wait("a") == 0 {
				t.Fatal("a second call is let through beside the first")
			}
			b.failed("a")
		}
		if wait := b.wait("a"); wait != breakerMaxOpen {
			t.Errorf("open for %v, want %v", wait, breakerMaxOpen)
		}
		for range 20 {
			b.failed("a") // calls that were under way
		}
		if wait := b.wait("a"); wait != breakerMaxOpen {
			t.Errorf("open for %v after more failures, want %v", wait, breakerMaxOpen)
		}
	})
}

func (h *hosts) CloseIdleConnections() { h.calls["closed"]++ }

func TestIdleConnectionsAreClosedWhereThereAreAny(t *testing.T) {
	h := &hosts{calls: map[string]int{}}
	New(Options{HTTP: h}).CloseIdleConnections()
	if h.calls["closed"] != 1 {
		t.Error("the transport was not told")
	}
	New(Options{HTTP: roundTrip(nil)}).CloseIdleConnections() // one that keeps none
}

func TestFailuresThatAreNotInARowDoNotOpenTheBreaker(t *testing.T) {
	var b breaker
	for range 10 * breakerFailures {
		for range breakerFailures - 1 {
			b.failed("a")
		}
		b.answered("a")
	}
	if wait := b.wait("a"); wait != 0 {
		t.Errorf("open for %v", wait)
	}
}
