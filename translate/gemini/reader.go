package gemini

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"math"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// tolerant is how JSON from outside is read and passed on: Google and clients alike send duplicate names and broken UTF-8 now and
// then, and neither is worth losing an answer for.
var tolerant = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// maxScratch bounds the memory a reader keeps between payloads, in bytes.
const maxScratch = 64 << 10

// reader walks over one JSON payload without building a tree. A value of another kind than the one asked for is passed over and
// reads as the zero value, so that only malformed JSON is an error.
type reader struct {
	dec     jsontext.Decoder
	src     bytes.Buffer
	scratch []byte
}

func (d *reader) open(payload []byte) {
	// The decoder reads a bytes.Buffer in place.
	d.src = *bytes.NewBuffer(payload)
	d.dec.Reset(&d.src, tolerant)
}

func (d *reader) close() {
	d.src = bytes.Buffer{}
	d.dec.Reset(&d.src)
	if cap(d.scratch) > maxScratch {
		d.scratch = nil
	}
}

// end checks that nothing follows the value just read.
func (d *reader) end() error {
	_, err := d.dec.ReadToken()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	default:
		return errors.New("gemini: more than one JSON value in a payload")
	}
}

func (d *reader) skip() error { return d.dec.SkipValue() }

// object calls field for each member of an object. Field must read the member's value, and must not keep the name. Names with escapes,
// which Google does not write, are never recognised.
func (d *reader) object(field func(name []byte) error) error {
	if d.dec.PeekKind() != '{' {
		return d.skip()
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	for d.dec.PeekKind() != '}' {
		name, err := d.dec.ReadValue()
		if err != nil {
			return err
		}
		if err := field(name[1 : len(name)-1]); err != nil {
			return err
		}
	}
	_, err := d.dec.ReadToken()
	return err
}

// array calls element, which must read one value, for each element of an array.
func (d *reader) array(element func() error) error {
	if d.dec.PeekKind() != '[' {
		return d.skip()
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	for d.dec.PeekKind() != ']' {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := d.dec.ReadToken()
	return err
}

// text reads a string. It returns last, without an allocation, when the string is equal to it.
func (d *reader) text(last string) (string, error) {
	if err := d.unquote(); err != nil {
		return "", err
	}
	if string(d.scratch) == last {
		return last, nil
	}
	return string(d.scratch), nil
}

// unquote reads a string into d.scratch.
func (d *reader) unquote() error {
	d.scratch = d.scratch[:0]
	raw, err := d.dec.ReadValue()
	if err != nil || raw[0] != '"' {
		return err
	}
	// The only error left is broken UTF-8, of which the replacement is already made.
	d.scratch, _ = jsontext.AppendUnquote(d.scratch, raw)
	return nil
}

// value reads any value and returns a copy of it.
func (d *reader) value() (jsontext.Value, error) {
	raw, err := d.dec.ReadValue()
	return raw.Clone(), err
}

func (d *reader) boolean() (bool, error) {
	raw, err := d.dec.ReadValue()
	return len(raw) > 0 && raw[0] == 't', err
}

func (d *reader) count() (int, error) {
	raw, err := d.dec.ReadValue()
	return int(parseCount(raw)), err
}

// base64 reads bytes in any of the alphabets protocol buffers' JSON allows, with or without padding. What cannot be read is empty.
func (d *reader) base64() ([]byte, error) {
	if err := d.unquote(); err != nil {
		return nil, err
	}
	text := bytes.TrimRight(d.scratch, "=")
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	data := make([]byte, encoding.DecodedLen(len(text)))
	n, err := encoding.Decode(data, text)
	if err != nil {
		return nil, nil
	}
	return data[:n], nil
}

// count is a non-negative counter: a number, or a string as protocol buffers' JSON writes 64-bit integers.
type count int

// UnmarshalJSON implements json.Unmarshaler; it takes anything.
func (c *count) UnmarshalJSON(raw []byte) error {
	*c = parseCount(raw)
	return nil
}

func parseCount(raw []byte) count {
	raw = bytes.Trim(raw, `"`)
	var n int64
	for _, c := range raw {
		if c < '0' || c > '9' || n > math.MaxInt32 {
			f, err := strconv.ParseFloat(string(raw), 64)
			if err != nil || !(f > 0) {
				return 0
			}
			return count(min(f, math.MaxInt32))
		}
		n = n*10 + int64(c-'0')
	}
	return count(n)
}
