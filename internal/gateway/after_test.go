package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// The tests in this file are about what happens after part of the answer has reached the client: nothing can be taken back.

// vercel#19169, CLIProxyAPI 522b4de: an answer that breaks off is never passed off as one that stopped.
func TestBrokenStreamKeepsItsTextAndEndsWithAnError(t *testing.T) {
	for name, fault := range map[string]googlesim.Reply{
		"reset":            googlesim.ResetAfter(2),
		"no finish reason": googlesim.NoFinish(2),
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(w *world) {
				w.key(1)
				w.key(2)
				w.start()
				w.script("", fault)
				text := w.wantInBand(w.ask(stream()), "upstream_incomplete")
				if text == "" {
					w.Error("the text before the break is lost")
				}
				w.wantCalls("", 1)
			})
		})
	}
}

func TestBrokenAnswerThatIsNotStreamedIsAskedAgain(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.key(2)
		w.start()
		for i, fault := range []googlesim.Reply{googlesim.ResetAfter(2), googlesim.NoFinish(2)} {
			w.script("", fault)
			w.text(w.ask(plain()))
			w.wantCalls("", 4*i+2)
			stop := w.google.Always(googlesim.Match{}, fault)
			w.wantError(w.ask(plain()), http.StatusBadGateway, "upstream_incomplete")
			w.wantCalls("", 4*i+4)
			stop()
		}
	})
}

// vercel#17230: also one that Google sends bare, as JSON among the events.
func TestErrorInTheMiddleOfAStreamIsMapped(t *testing.T) {
	for name, fault := range map[string]googlesim.Reply{
		"event":     googlesim.MidStream(2, googlesim.HighDemand()),
		"bare JSON": googlesim.MidStreamBare(2, googlesim.HighDemand()),
		"a list":    googlesim.MidStreamBare(2, googlesim.AsArray(googlesim.HighDemand())),
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(w *world) {
				w.key(1)
				w.start()
				w.script("", fault)
				if text := w.wantInBand(w.ask(stream()), "server_is_overloaded"); text == "" {
					w.Error("the text before the error is lost")
				}
			})
		})
	}
}

func TestFinishComesOnceAndLastHoweverOftenGoogleSaysIt(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.start()
		w.script("",
			googlesim.Reply{Events: []string{
				`{"candidates":[{"content":{"role":"model","parts":[{"text":"one "}]},"finishReason":"STOP"}]}`,
				`{"candidates":[{"content":{"role":"model","parts":[{"text":"two"}]},"finishReason":"STOP"}]}`,
			}},
			googlesim.Reply{Events: []string{
				`{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]}}]}`,
				`{"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP"}]}`,
			}})
		if c := w.completion(ask()); c.Content != "one two" || c.Finish != "stop" {
			w.Errorf("text: %+v", c)
		}
		if c := w.completion(ask()); len(c.Calls) != 1 || c.Finish != "tool_calls" {
			w.Errorf("call: %+v", c)
		}
	})
}

func TestPartsAndCallsAreCountedOnWhereverTheyCome(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.start()
		w.script("", googlesim.Reply{Events: []string{
			`{"candidates":[{"content":{"role":"model","parts":[{"text":"a"},{"text":"b"},{"functionCall":{"name":"f","args":{"x":1}}}]}}]}`,
			`{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"f","args":{"x":2}}},{"functionCall":{"name":"g"}}]}}]}`,
			`{"candidates":[{"content":{"role":"model","parts":[{"text":"c"}]},"finishReason":"STOP"}]}`,
		}})
		c := w.completion(ask())
		if c.Content != "abc" || len(c.Calls) != 3 {
			w.Fatalf("answer: %+v", c)
		}
		for i, want := range []string{`f {"x":1}`, `f {"x":2}`, `g {}`} {
			if got := c.Calls[i].Name + " " + c.Calls[i].Arguments; got != want {
				w.Errorf("call %d: %s, want %s", i, got, want)
			}
		}
	})
}

// CLIProxyAPI
func TestSeveralAnswersAreToldApart(t *testing.T) {
	simulated(t, func(w *world) {
		w.key(1)
		w.start()
		two := func(body map[string]any) map[string]any {
			body["n"], body["model"] = 2, "gemini-2.5-flash"
			return body
		}
		plain := conformance.ParseCompletion(w, w.ask(two(plain())).Body.Bytes())
		streamed := conformance.CheckStream(w, w.ask(two(stream())).Body.Bytes(), true)
		for name, c := range map[string]conformance.Completion{"plain": plain, "stream": streamed} {
			if len(c.Choices) != 2 || c.Choices[1].Message.Content == "" || c.Choices[1].FinishReason != "stop" {
				w.Errorf("%s: %+v", name, c.Choices)
			}
		}
		w.wantCalls("", 2)
	})
}

func TestStreamIsReadHoweverItIsFramed(t *testing.T) {
	const first = `{"candidates": [{"content": {"role": "model","parts": [{"text": "Grüße"}]}}]}`
	const last = `{"candidates": [{"content": {"role": "model","parts": [{"text": "!"}]},"finishReason": "STOP"}]}`
	halves := strings.SplitAfterN(first, ",", 2)
	frames := map[string]string{
		"LF":                 "data: " + first + "\n\ndata: " + last + "\n\n",
		"CRLF":               "data: " + first + "\r\n\r\ndata: " + last + "\r\n\r\n",
		"comments, fields":   ": hi\nid: 1\nevent: x\ndata: " + first + "\n\n: hi\n\ndata: " + last + "\n\n",
		"several data lines": "data: " + halves[0] + "\ndata: " + halves[1] + "\n\ndata: " + last + "\n\n",
		"no blank line":      "data: " + first + "\n\ndata: " + last,
	}
	for name, text := range frames {
		for _, size := range []int{1, 7, len(text)} {
			t.Run(name, func(t *testing.T) {
				both(t, func(w *world, ask func() *answer) {
					w.key(1)
					w.start()
					w.script("", googlesim.Reply{Header: http.Header{"Content-Type": {"text/event-stream"}}, Frames: pieces(text, size)})
					if got := w.text(ask()); got != "Grüße!" {
						w.Errorf("in pieces of %d: %q", size, got)
					}
				})
			})
		}
	}
}

func pieces(text string, size int) (list []string) {
	for len(text) > size {
		list, text = append(list, text[:size]), text[size:]
	}
	return append(list, text)
}

func TestHugeEventArrives(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.start()
		huge := strings.Repeat("0123456789abcdef", 20<<20/16)
		w.script("", googlesim.Answer(huge, "!"))
		if got := w.text(ask()); got != huge+"!" {
			w.Errorf("%d bytes of %d arrived", len(got), len(huge)+1)
		}
	})
}

func TestOddAnswersAreTolerated(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.key(1)
		w.start()
		w.script("",
			googlesim.Reply{Events: []string{
				`{"candidates":[{"content":{"role":"model"},"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":3}}`,
			}},
			googlesim.Reply{Events: []string{
				`{"candidates":[]}`, `{"candidates":[{}]}`, `{"candidates":[{"content":{"parts":[{}]}}]}`,
				`{"candidates":[{"content":{"parts":[{"hologram":{"x":1}},{"text":"seen"}]}}]}`,
				`{"candidates":[{"finishReason":"A_NEW_ONE"}]}`,
			}})
		if c := w.completion(ask()); c.Content != "" || c.Finish != "length" {
			w.Errorf("no parts at the limit: %+v", c)
		}
		if c := w.completion(ask()); c.Content != "seen" || c.Finish != "stop" {
			w.Errorf("unknown parts and finish: %+v", c)
		}
	})
}

func TestStalledStreamIsEndedWithAnError(t *testing.T) {
	simulated(t, func(w *world) {
		w.options.Idle, w.options.KeepAlive = 30*time.Second, 0
		w.key(1)
		w.start()
		w.script("", googlesim.StallAfter(2))
		a := w.ask(stream())
		w.wantInBand(a, "upstream_incomplete")
		if a.took < 30*time.Second || a.took > 31*time.Second {
			w.Errorf("ended after %v", a.took)
		}
		synctest.Wait()
		if n := w.google.Active(); n != 0 {
			w.Errorf("%d calls are still being answered", n)
		}
	})
}

// CLIProxyAPI bf0e5c2: the call ends in the moment the client leaves, and nothing of it goes on: the bubble would not end otherwise.
func TestClientThatLeavesCancelsTheCallAndItsTokensCount(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		fault := googlesim.StallAfter(3)
		for _, body := range []map[string]any{stream(), plain()} {
			w.script("", fault)
			ctx, leave := context.WithCancel(w.Context())
			time.AfterFunc(10*time.Second, leave)
			a := w.askWith(ctx, body)
			if a.took != 10*time.Second {
				w.Errorf("the exchange ended %v after it began, the client left after 10 s", a.took)
			}
			synctest.Wait()
			if n := w.google.Active(); n != 0 {
				w.Errorf("%d calls are still being answered", n)
			}
			if a.record.Error != "client_gone" || a.record.Usage.Prompt == 0 {
				w.Errorf("record: %+v", a.record)
			}
			if s := w.account(1); s.State != "ready" || s.InFlight != 0 || s.Errors != 0 {
				w.Errorf("account: %+v", s)
			}
		}
	})
}
