package google

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// readAll returns every payload of a body, and the error that ended it unless that is io.EOF.
func readAll(src io.Reader) (payloads []string, err error) {
	r := eventReader{src: src}
	for {
		payload, err := r.next()
		if err == io.EOF {
			return payloads, nil
		}
		if err != nil {
			return payloads, err
		}
		payloads = append(payloads, string(payload))
	}
}

var framings = []struct {
	name, body string
	want       []string
}{
	{"line feeds", "data: {\"a\":1}\n\ndata: {\"b\":2}\n\n", []string{`{"a":1}`, `{"b":2}`}},
	{"carriage return and line feed", "data: {\"a\":1}\r\n\r\ndata: {\"b\":2}\r\n\r\n", []string{`{"a":1}`, `{"b":2}`}},
	{"carriage returns", "data: {\"a\":1}\r\rdata: {\"b\":2}\r\r", []string{`{"a":1}`, `{"b":2}`}},
	{"mixed line ends", "data: {\"a\":1}\r\n\ndata: {\"b\":2}\n\r\n\r", []string{`{"a":1}`, `{"b":2}`}},
	{"no blank after the colon", "data:{\"a\":1}\n\n", []string{`{"a":1}`}},
	{"comments and other fields", ": ping\nevent: x\nid: 7\nretry: 10\ndata: {\"a\":1}\n: ping\n\n:\n\n", []string{`{"a":1}`}},
	{"several data lines", "data: {\"a\":\r\ndata: 1,\r\ndata:\r\ndata:\"b\":2}\r\n\r\n", []string{"{\"a\":\n1,\n\n\"b\":2}"}},
	{"a comment between data lines", "data: {\"a\":\n: ping\ndata: 1}\n\n", []string{"{\"a\":\n1}"}},
	{"nothing ends the last event", "data: {\"a\":1}\n\ndata: {\"b\":2}", []string{`{"a":1}`, `{"b":2}`}},
	{"a line end ends the last event", "data: {\"a\":1}\n\ndata: {\"b\":2}\n", []string{`{"a":1}`, `{"b":2}`}},
	{"many empty lines", "\n\r\n\ndata: {\"a\":1}\n\n\n\n\n", []string{`{"a":1}`}},
	{"empty events", "data:\n\ndata: \n\ndata: {\"a\":1}\n\n", []string{`{"a":1}`}},
	{"another vendor's end", "data: {\"a\":1}\n\ndata: [DONE]\n\n", []string{`{"a":1}`}},
	{"byte order mark", "\xef\xbb\xbfdata: {\"a\":1}\n\n", []string{`{"a":1}`}},
	{"a bare value after an event", "data: {\"a\":1}\n\n{\n  \"error\": {\n    \"code\": 499\n  }\n}\n",
		[]string{`{"a":1}`, "{\n  \"error\": {\n    \"code\": 499\n  }\n}"}},
	{"a bare value right behind a data line", "data: {\"a\":1}\n{\"error\":{}}", []string{`{"a":1}`, `{"error":{}}`}},
	{"an event after a bare value", "{\"a\":1}\ndata: {\"b\":2}\n\n", []string{`{"a":1}`, `{"b":2}`}},
	{"a list", "[{\"a\":1}\n,\r\n{\"b\":[{\"c\":2}]}\n]\n", []string{`{"a":1}`, `{"b":[{"c":2}]}`}},
	{"a list without its end", "[{\"a\":1},\n", []string{`{"a":1}`}},
	{"an empty list", "[]", nil},
	{"one plain object", "{\"a\":1}", []string{`{"a":1}`}},
	{"brackets and quotes within strings", `[{"a":"}]\\\"{["},{"b":"data: x\\"}]`, []string{`{"a":"}]\\\"{["}`, `{"b":"data: x\\"}`}},
	{"a payload that looks like a field", "data: {\"a\":\"data: b\"}\n\n", []string{`{"a":"data: b"}`}},
	{"nothing", "", nil},
	{"only comments", ": a\n\n: b\n\n", nil},
	{"a page", "<html>\n<body>502</body>\n", nil},
}

func TestEventsOfEveryFraming(t *testing.T) {
	for _, test := range framings {
		t.Run(test.name, func(t *testing.T) {
			got, err := readAll(strings.NewReader(test.body))
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

// pieces reads a body in pieces of the given sizes, which repeat.
type pieces struct {
	rest  []byte
	sizes []int
	n     int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	size := max(1, p.sizes[p.n%len(p.sizes)])
	p.n++
	n := copy(b[:min(size, len(b))], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func TestEventsAreTheSameWhereverTheBodyIsSplit(t *testing.T) {
	for _, test := range framings {
		t.Run(test.name, func(t *testing.T) {
			for cut := range len(test.body) {
				got, err := readAll(&pieces{rest: []byte(test.body), sizes: []int{cut + 1, len(test.body)}})
				if err != nil || !slices.Equal(got, test.want) {
					t.Fatalf("cut at %d: got %q, %v; want %q", cut+1, got, err, test.want)
				}
			}
			got, err := readAll(iotest.OneByteReader(strings.NewReader(test.body)))
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("byte by byte: got %q, %v; want %q", got, err, test.want)
			}
			got, err = readAll(iotest.DataErrReader(strings.NewReader(test.body)))
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("end together with data: got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

// FuzzEvents checks that what a body holds does not depend on where the network cuts it, on what came before, or on the line ends, and that
// it is always something.
func FuzzEvents(f *testing.F) {
	for i, test := range framings {
		f.Add([]byte(test.body), []byte(framings[(i+5)%len(framings)].body), i, i/2+1)
	}
	f.Fuzz(func(t *testing.T, body, more []byte, first, second int) {
		whole, wholeErr := readAll(bytes.NewReader(body))
		same := func(how string, src io.Reader) {
			t.Helper()
			if got, err := readAll(src); !slices.Equal(whole, got) || !errors.Is(err, wholeErr) {
				t.Errorf("%s: got %q, %v; want %q, %v", how, got, err, whole, wholeErr)
			}
		}
		same("cut in pieces", &pieces{rest: body, sizes: []int{first & 0xfff, second & 0xf, 1}})
		for cut := 1; cut < min(len(body), 256); cut++ {
			same("cut in two", &pieces{rest: body, sizes: []int{cut, len(body)}})
		}
		for _, payload := range whole {
			if payload == "" || payload == "[DONE]" || strings.TrimSpace(payload) != payload {
				t.Errorf("payload %q", payload)
			}
		}
		if wholeErr != nil {
			return
		}
		if !bytes.HasPrefix(more, byteOrderMark) {
			rest, restErr := readAll(bytes.NewReader(more))
			whole, wholeErr = append(whole, rest...), restErr
			same("one body after another", io.MultiReader(bytes.NewReader(body), strings.NewReader("\n\n"), bytes.NewReader(more)))
		}
		if bytes.IndexByte(body, '\r') < 0 {
			crlf, err := readAll(bytes.NewReader(bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n"))))
			for i := range crlf { // bare values are as they came
				crlf[i] = strings.ReplaceAll(crlf[i], "\r\n", "\n")
			}
			if lf, _ := readAll(bytes.NewReader(body)); err != nil || !slices.Equal(lf, crlf) {
				t.Errorf("other line ends: got %q, %v; want %q", crlf, err, lf)
			}
		}
	})
}

func TestBareValueThatEndsEarlyIsNoCompleteBody(t *testing.T) {
	got, err := readAll(strings.NewReader("data: {\"a\":1}\n\n{\"error\": {\"code\": 4"))
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(got) != 1 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestBrokenConnectionDropsTheEventItBroke(t *testing.T) {
	broken := errors.New("reset")
	body := io.MultiReader(strings.NewReader("data: {\"a\":1}\n\ndata: {\"b\":2}\n"), iotest.ErrReader(broken))
	got, err := readAll(body)
	if !errors.Is(err, broken) || !slices.Equal(got, []string{`{"a":1}`}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestReaderThatReturnsNothingForEverIsAnError(t *testing.T) {
	if _, err := readAll(silent{}); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestLargeEventsAreReadWholeAndTheirMemoryIsLetGoOf(t *testing.T) {
	large := `{"a":"` + strings.Repeat("x", 20<<20) + `"}`
	body := "data: " + large + "\r\n\r\n" + "data: {\"b\":2}\r\n\r\n" + large + "\n"
	r := eventReader{src: &pieces{rest: []byte(body), sizes: []int{100_000, 7, 16 << 10}}}
	for i, want := range []string{large, `{"b":2}`, large} {
		got, err := r.next()
		if err != nil || string(got) != want {
			t.Fatalf("event %d: %d bytes, %v; want %d", i, len(got), err, len(want))
		}
		if i == 1 && len(r.buf) > keepBuffer {
			t.Errorf("%d bytes are kept after an event of 20 MiB", len(r.buf))
		}
	}
	if _, err := r.next(); err != io.EOF {
		t.Error(err)
	}
}

// endless is an event, a bare value or a line of text that never ends.
type endless struct{ first string }

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	n := copy(b, e.first)
	e.first = e.first[n:]
	return len(b), nil
}

func TestEventsOfManyLinesOutgrowTheBuffer(t *testing.T) {
	line := strings.Repeat("x", 1000)
	want := strings.Repeat(line+"\n", 99) + line
	body := strings.Repeat("data: "+line+"\r\n", 100) + "\r\n"
	for size := range 40 {
		got, err := readAll(&pieces{rest: []byte(body + body), sizes: []int{size * 100, 7}})
		if err != nil || !slices.Equal(got, []string{want, want}) {
			t.Fatalf("pieces of %d bytes: %d events, %v", size*100, len(got), err)
		}
	}
}

func TestEventsHaveABound(t *testing.T) {
	for _, first := range []string{`data: {"a":"`, "data: {\n: ", `{"a":"`, "<"} {
		r := eventReader{src: &endless{first}}
		if _, err := r.next(); !errors.Is(err, errEventTooLarge) {
			t.Errorf("%q…: %v", first, err)
		}
		if len(r.buf) > maxEvent+2*minRead {
			t.Errorf("%q…: the buffer grew to %d bytes", first, len(r.buf))
		}
	}
}

func TestReadingEventsDoesNotAllocate(t *testing.T) {
	body := strings.Repeat("data: {\"candidates\":[]}\r\n\r\n", 20_000)
	r := eventReader{src: strings.NewReader(body)}
	if _, err := r.next(); err != nil { // makes the buffer
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(10_000, func() {
		if _, err := r.next(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for an event", n)
	}
}
