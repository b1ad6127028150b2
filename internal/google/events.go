package google

import (
	"bytes"
	"errors"
	"io"
)

// Bounds of an event, in bytes. A picture arrives in one event, so events of 20 MiB are ordinary.
const (
	maxEvent    = 64 << 20
	firstBuffer = 16 << 10
	minRead     = 4 << 10
	keepBuffer  = 1 << 20 // a larger buffer is let go of when its event has been read
)

var errEventTooLarge = errors.New("an event exceeds 64 MiB")

// eventReader cuts a body into the JSON payloads of its events, whatever their framing: server-sent events (with any line ending,
// comments, several data lines to an event, a last event without an empty line), and JSON values that stand by themselves, as bare
// errors between events do, or the elements of a list where something in between ignored that events were asked for.
//
// Payloads are slices of its buffer: nothing is copied except to make room, and to join the data lines of one event.
type eventReader struct {
	src io.Reader
	buf []byte
	pos int // start of what has not been consumed
	end int // end of what has been read
	err error

	scan   int // up to here has been searched for the end of the line or value at pos
	began  bool
	skipLF bool // the last line ended in CR: an LF that follows belongs to it

	inData             bool // an event is under way; its data so far is buf[dataStart:dataEnd]
	dataStart, dataEnd int

	value valueScanner // within a bare value

	foreign bool // there was text that belongs to no event
}

var (
	dataField     = []byte("data:")
	doneMark      = []byte("[DONE]") // ends other vendors' streams
	byteOrderMark = []byte("\xef\xbb\xbf")
)

// next returns the payload of the next event, valid until the call after. At the end of the body it returns the body's error: io.EOF
// for a complete one, io.ErrUnexpectedEOF for one that ends within a bare value.
func (r *eventReader) next() ([]byte, error) {
	r.shrink()
	for {
		payload, more := r.step()
		switch {
		case payload != nil:
			return payload, nil
		case !more:
		case r.err != nil:
			return r.last()
		case !r.fill():
			return nil, errEventTooLarge
		}
	}
}

// step consumes one line or one bare value. It returns a payload when that completes an event, and more when the buffer does not
// hold all of it.
func (r *eventReader) step() (payload []byte, more bool) {
	if r.skipLF && r.pos < r.end {
		r.skipLF = false
		if r.buf[r.pos] == '\n' {
			r.consume(r.pos + 1)
		}
	}
	if !r.inData {
		if r.skipSeparators() {
			return nil, true
		}
		if r.buf[r.pos] == '{' {
			return r.bareValue()
		}
	} else if r.pos < r.end && r.buf[r.pos] == '{' {
		return r.dispatch(), false // a bare value right behind an event ends it
	}
	eol := r.lineEnd()
	if eol < 0 {
		return nil, true
	}
	start := r.pos
	r.skipLF = r.buf[eol] == '\r'
	r.consume(eol + 1)
	if start == eol {
		return r.dispatch(), false
	}
	r.line(start, eol)
	return nil, false
}

func (r *eventReader) consume(to int) { r.pos, r.scan = to, to }

// skipSeparators passes over what may stand between events: space, empty lines, and the punctuation of a JSON list. It reports whether
// nothing is left.
func (r *eventReader) skipSeparators() bool {
	if !r.began && r.err == nil && r.end-r.pos < len(byteOrderMark) {
		return true // too little to tell whether there is a byte order mark
	}
	if !r.began {
		r.began = true
		if bytes.HasPrefix(r.buf[r.pos:r.end], byteOrderMark) {
			r.consume(r.pos + len(byteOrderMark))
		}
	}
	for p := r.pos; p < r.end; p++ {
		switch r.buf[p] {
		case ' ', '\t', '\r', '\n', ',', '[', ']':
		default:
			if p > r.pos {
				r.consume(p)
			}
			return false
		}
	}
	r.consume(r.end)
	return true
}

func (r *eventReader) bareValue() (payload []byte, more bool) {
	n, done := r.value.scan(r.buf[r.scan:r.end])
	r.scan += n
	if !done {
		return nil, true
	}
	payload = r.buf[r.pos:r.scan]
	r.consume(r.scan)
	return payload, false
}

// lineEnd finds the end of the line at pos, or -1.
func (r *eventReader) lineEnd() int {
	unsearched := r.buf[r.scan:r.end]
	end := bytes.IndexByte(unsearched, '\n')
	if end >= 0 {
		unsearched = unsearched[:end]
	}
	if cr := bytes.IndexByte(unsearched, '\r'); cr >= 0 {
		end = cr
	}
	if end < 0 {
		r.scan = r.end
		return -1
	}
	return r.scan + end
}

// line takes the line buf[start:end], which is not empty, of an event stream.
func (r *eventReader) line(start, end int) {
	line := r.buf[start:end]
	if !bytes.HasPrefix(line, dataField) {
		r.foreign = r.foreign || !ignorable(line)
		return
	}
	start += len(dataField)
	if start < end && r.buf[start] == ' ' {
		start++
	}
	if !r.inData {
		r.inData, r.dataStart, r.dataEnd = true, start, end
		return
	}
	// The field's name left room for the line feed that joins the lines.
	r.buf[r.dataEnd] = '\n'
	r.dataEnd += 1 + copy(r.buf[r.dataEnd+1:], r.buf[start:end])
}

// dispatch ends the event under way and returns its payload: nil for an event without data, and for the mark that ends other
// vendors' streams.
func (r *eventReader) dispatch() []byte {
	payload := bytes.TrimSpace(r.buf[r.dataStart:r.dataEnd])
	r.inData, r.dataStart, r.dataEnd = false, 0, 0
	if len(payload) == 0 || bytes.Equal(payload, doneMark) {
		return nil
	}
	return payload
}

// ignorable reports whether a line is one that event streams may hold besides data: a comment or another field.
func ignorable(line []byte) bool {
	name, _, _ := bytes.Cut(line, []byte(":"))
	switch string(name) {
	case "", "event", "id", "retry", "data":
		return true
	}
	return false
}

// last returns what is left of a body that has ended: an event that no empty line ended, then the body's error.
func (r *eventReader) last() ([]byte, error) {
	if r.err != io.EOF {
		return nil, r.err
	}
	if r.pos < r.end {
		start := r.pos
		r.consume(r.end)
		if !r.inData && r.buf[start] == '{' {
			r.err = io.ErrUnexpectedEOF
			return nil, r.err
		}
		r.line(start, r.end)
	}
	if payload := r.dispatch(); payload != nil {
		return payload, nil
	}
	return nil, r.err
}

// fill reads more of the body, after making room. It reports false when the event at hand is larger than any may be.
func (r *eventReader) fill() bool {
	if len(r.buf)-r.end < minRead && !r.makeRoom() {
		return false
	}
	for range 100 {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		r.err = err
		if n > 0 || err != nil {
			return true
		}
	}
	r.err = io.ErrNoProgress
	return true
}

// makeRoom moves the event at hand to the front of the buffer, and doubles the buffer if it fills more than half of it.
func (r *eventReader) makeRoom() bool {
	keep := r.pos
	if r.inData {
		keep = r.dataStart
	}
	held := r.end - keep
	if held > maxEvent {
		return false
	}
	buf := r.buf
	if held > len(buf)/2 || len(buf) == 0 {
		buf = make([]byte, min(max(2*len(buf), firstBuffer), maxEvent+2*minRead))
	}
	copy(buf, r.buf[keep:r.end])
	r.buf = buf
	r.pos, r.end, r.scan = r.pos-keep, r.end-keep, r.scan-keep
	if r.inData {
		r.dataStart, r.dataEnd = 0, r.dataEnd-keep
	}
	return true
}

// shrink lets go of a buffer that an unusually large event has left behind.
func (r *eventReader) shrink() {
	size := max(firstBuffer, 2*(r.end-r.pos))
	if len(r.buf) <= keepBuffer || size > keepBuffer {
		return
	}
	buf := make([]byte, size)
	r.end = copy(buf, r.buf[r.pos:r.end])
	r.scan -= r.pos
	r.buf, r.pos = buf, 0
}

// valueScanner finds the end of one JSON object.
type valueScanner struct {
	depth             int
	inString, escaped bool
}

// scan goes on where it left off, and returns how far it got and whether that is the end of the object.
func (v *valueScanner) scan(b []byte) (n int, done bool) {
	for i, c := range b {
		switch {
		case v.escaped:
			v.escaped = false
		case v.inString:
			v.escaped = c == '\\'
			v.inString = c != '"'
		case c == '"':
			v.inString = true
		case c == '{' || c == '[':
			v.depth++
		case c == '}' || c == ']':
			if v.depth--; v.depth == 0 {
				return i + 1, true
			}
		}
	}
	return len(b), false
}
