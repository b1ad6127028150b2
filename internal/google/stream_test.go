package google

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

const oneEvent = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]}}]}\r\n\r\n"

func open(t testing.TB, body io.Reader) *Stream {
	return newStream(t.Context(), io.NopCloser(body), false)
}

// drain reads a stream to its end, and returns its text and what ended it.
func drain(s *Stream) (text string, err error) {
	var r gemini.Response
	for {
		if err := s.Next(&r); err != nil {
			return text, err
		}
		for _, c := range r.Candidates {
			for _, p := range c.Parts {
				text += p.Text
			}
		}
	}
}

func TestEndsOfStreams(t *testing.T) {
	const failure = `{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}`
	for _, test := range []struct {
		name   string
		body   string
		text   string
		kind   rotator.FaultKind // of the error; none when reason is empty
		reason string
	}{
		{"complete", oneEvent + oneEvent, "HiHi", 0, ""},
		{"no event at all", "", "", 0, ""},
		{"only comments", ": ping\n\n", "", 0, ""},
		{"an error first", "data: " + failure + "\n\n", "", rotator.FaultModelCapacity, "UNAVAILABLE"},
		{"an error later", oneEvent + "data: " + failure + "\n\n" + oneEvent, "Hi", rotator.FaultModelCapacity, "UNAVAILABLE"},
		{"a bare error later", oneEvent + failure + "\n", "Hi", rotator.FaultModelCapacity, "UNAVAILABLE"},
		{"a list that is an error", "[" + failure + "]", "", rotator.FaultModelCapacity, "UNAVAILABLE"},
		{"a list that is an error, as an event", "data: [" + failure + "]\n\n", "", rotator.FaultModelCapacity, "UNAVAILABLE"},
		{"an error of the credential", "data: " + strings.ReplaceAll(keyInvalidBody, "\n", "") + "\n\n", "", rotator.FaultDead, "API_KEY_INVALID"},
		{"an error without a code", oneEvent + "data: {\"error\":{\"status\":\"CANCELLED\",\"message\":\"The operation was cancelled.\"}}\n\n",
			"Hi", rotator.FaultTransient, "CANCELLED"},
		{"a page", "<html>\n<body>\n<h1>502</h1>\n</html>\n", "", rotator.FaultTransient, "NOT_AN_EVENT_STREAM"},
		{"a line of text", "upstream connect error", "", rotator.FaultTransient, "NOT_AN_EVENT_STREAM"},
		{"text after events", oneEvent + "so long\n", "Hi", 0, ""},
		{"no JSON first", "data: {oops\n\n", "", rotator.FaultTransient, "MALFORMED_EVENT"},
		{"no JSON later", oneEvent + "data: {oops\n\n" + oneEvent, "Hi", rotator.FaultIncomplete, "MALFORMED_EVENT"},
		{"half an event at the end", oneEvent + oneEvent[:30], "Hi", rotator.FaultIncomplete, "MALFORMED_EVENT"},
		{"half a bare value", oneEvent + failure[:30], "Hi", rotator.FaultIncomplete, "CONNECTION_BROKEN"},
		{"a list of answers", "[" + strings.ReplaceAll(strings.TrimSpace(oneEvent), "data: ", "") + "\n,\r\n" +
			strings.ReplaceAll(strings.TrimSpace(oneEvent), "data: ", "") + "]", "HiHi", 0, ""},
		{"one plain answer", strings.TrimPrefix(oneEvent, "data: "), "Hi", 0, ""},
		{"wrapped by Code Assist", "data: {\"response\":{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]}}]}}\n\n", "Hi", 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, strings.NewReader(test.body))
			text, err := drain(s)
			if text != test.text {
				t.Errorf("text %q; want %q", text, test.text)
			}
			if test.reason == "" {
				if err != io.EOF {
					t.Errorf("%v; want the end", err)
				}
				return
			}
			e, ok := err.(*Error)
			if !ok || e.Fault.Kind != test.kind || e.Fault.Reason != test.reason || e.Client == nil {
				t.Fatalf("%v; want kind %d, %s", err, test.kind, test.reason)
			}
			if again := s.Next(new(gemini.Response)); again != err {
				t.Errorf("the error is not final: %v", again)
			}
		})
	}
}

func TestFirstEventThatIsAnErrorIsTheSameAsTheHTTPStatus(t *testing.T) {
	for _, row := range errorRows {
		var one bytes.Buffer
		if json.Compact(&one, []byte(row.body)) != nil || row.status < 400 || row.name == "cancelled, not by us" {
			continue
		}
		body := one.String()
		if !strings.Contains(body, `"code"`) {
			body = strings.Replace(body, `{"error":{`, fmt.Sprintf(`{"error":{"code":%d,`, row.status), 1)
		}
		_, err := drain(open(t, strings.NewReader("data: "+body+"\n\n")))
		inBand, ok := err.(*Error)
		byStatus := parseError(answer{status: row.status, body: []byte(row.body)})
		if !ok || inBand.Fault.Kind != byStatus.Fault.Kind || inBand.Fault.Reason != byStatus.Fault.Reason ||
			inBand.Fault.Status != byStatus.Fault.Status || inBand.Path != byStatus.Path || *inBand.Client != *byStatus.Client {
			t.Errorf("%s: %v; want %v", row.name, err, byStatus)
		}
	}
}

func TestKeysAndTokensThatAreRefusedWithinAStream(t *testing.T) {
	const failure = `{"error":{"code":401,"status":"UNAUTHENTICATED","message":"x"}}`
	for isKey, kind := range map[bool]rotator.FaultKind{true: rotator.FaultDead, false: rotator.FaultUnauthorized} {
		for _, body := range []string{"data: " + failure + "\n\n", "data: [" + failure + "]\n\n", failure} {
			err := newStream(t.Context(), io.NopCloser(strings.NewReader(body)), isKey).Next(new(gemini.Response))
			if e, ok := err.(*Error); !ok || e.Fault.Kind != kind {
				t.Errorf("key: %t: %s: %v", isKey, body, err)
			}
		}
	}
}

func TestConnectionThatBreaks(t *testing.T) {
	reset := errors.New("connection reset by peer")
	_, err := drain(open(t, iotest.ErrReader(reset)))
	if e, ok := err.(*Error); !ok || e.Fault.Kind != rotator.FaultTransient || !errors.Is(err, reset) {
		t.Errorf("before an event: %v", err)
	}
	text, err := drain(open(t, io.MultiReader(strings.NewReader(oneEvent+oneEvent[:20]), iotest.ErrReader(io.ErrUnexpectedEOF))))
	if e, ok := err.(*Error); !ok || e.Fault.Kind != rotator.FaultIncomplete || e.Client.Code != "upstream_incomplete" || text != "Hi" {
		t.Errorf("after an event: %q, %v", text, err)
	}
}

func TestNothingIsReturnedOnceTheContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newStream(ctx, io.NopCloser(strings.NewReader(oneEvent+oneEvent)), false)
	var r gemini.Response
	if err := s.Next(&r); err != nil {
		t.Fatal(err)
	}
	cancel()
	err := s.Next(&r)
	if e, ok := err.(*Error); !ok || e.Fault.Kind != rotator.FaultCanceled {
		t.Errorf("%v", err)
	}
}

func TestEventsComeAsTheyAreSentAndTheCallEndsWithItsContext(t *testing.T) {
	next, ended := make(chan bool, 1), make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range next {
			_, _ = io.WriteString(w, oneEvent)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
		close(ended)
	}))
	defer server.Close()
	client := New(Options{Endpoints: Endpoints{GeminiAPI: server.URL}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	next <- true
	s, err := client.Stream(ctx, Call{Backend: translate.GeminiAPI, Model: "m", Token: aKey, Body: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var r gemini.Response
	for range 3 {
		if err := s.Next(&r); err != nil {
			t.Fatal(err)
		}
		next <- true
	}
	if err := s.Next(&r); err != nil {
		t.Fatal(err)
	}
	close(next)
	go cancel()
	err = s.Next(&r)
	if e, ok := err.(*Error); !ok || e.Fault.Kind != rotator.FaultCanceled {
		t.Errorf("%v", err)
	}
	<-ended // or the test times out
}

func TestCompressedStreamsAreReadAsTheyCome(t *testing.T) {
	next := make(chan bool, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("no compression was asked for")
		}
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		for range next {
			_, _ = io.WriteString(zip, oneEvent)
			_ = zip.Flush()
			w.(http.Flusher).Flush()
		}
		_ = zip.Close()
	}))
	defer server.Close()
	next <- true
	s, err := New(Options{Endpoints: Endpoints{GeminiAPI: server.URL}}).Stream(t.Context(),
		Call{Backend: translate.GeminiAPI, Model: "m", Token: aKey, Body: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var r gemini.Response
	if err := s.Next(&r); err != nil { // hangs if the first event is held back until there is a second
		t.Fatal(err)
	}
	close(next)
	if err := s.Next(&r); err != io.EOF {
		t.Error(err)
	}
}

func TestRecordedStreamsAreReadToTheirEnd(t *testing.T) {
	n := 0
	for _, record := range conformance.Recordings(t) {
		if record.Status != 200 || record.Method != "streamGenerateContent" || record.SSE == "" {
			continue
		}
		n++
		_, whole := drain(open(t, strings.NewReader(record.SSE)))
		_, bytewise := drain(open(t, iotest.OneByteReader(strings.NewReader(record.SSE))))
		if (whole == io.EOF) != (bytewise == io.EOF) {
			t.Errorf("%s: %v; byte by byte: %v", record.ID, whole, bytewise)
		}
		if e, ok := whole.(*Error); ok && e.Fault.Reason != "CANCELLED" && e.Fault.Reason != "UNAVAILABLE" {
			t.Errorf("%s: %v", record.ID, whole)
		}
	}
	if n < 100 {
		t.Errorf("only %d recorded streams", n)
	}
}

// repeated is a body of many events of one kind.
type repeated struct {
	event []byte
	at    int
}

func (r *repeated) Read(b []byte) (n int, err error) {
	for n < len(b) {
		m := copy(b[n:], r.event[r.at:])
		n += m
		r.at = (r.at + m) % len(r.event)
	}
	return n, nil
}

// textEvent is a recorded event of a text answer with every counter.
const textEvent = `data: {"candidates": [{"content": {"parts": [{"text": "**Calculating the Days**\n\nI've been working on figuring out the number of days between the two."}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 38,"candidatesTokenCount": 12,"totalTokenCount": 106,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 38}],"thoughtsTokenCount": 68},"modelVersion": "gemini-2.5-flash","responseId": "48SHaPHpHKbG-8YPtZCawAk"}` + "\r\n\r\n"

func BenchmarkStreamNext(b *testing.B) {
	s := open(b, &repeated{event: []byte(textEvent)})
	var r gemini.Response
	b.SetBytes(int64(len(textEvent)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Next(&r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEventReader(b *testing.B) {
	for name, event := range map[string]string{
		"text":  textEvent,
		"20MiB": "data: {\"a\":\"" + strings.Repeat("x", 20<<20) + "\"}\r\n\r\n",
		"bare":  strings.TrimPrefix(textEvent, "data: "),
	} {
		b.Run(name, func(b *testing.B) {
			r := eventReader{src: &repeated{event: []byte(event)}}
			b.SetBytes(int64(len(event)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
