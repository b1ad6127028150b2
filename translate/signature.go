package translate

import "strings"

// Signature is Google's opaque thought signature, tied to the class of backend that issued it. The zero Signature is none.
type Signature struct {
	Origin SignatureOrigin
	Value  string // Google's own base64, unchanged
}

// SignatureOrigin is the class of backend that can read a signature: the Developer API's are not interchangeable with the others'.
type SignatureOrigin uint8

// The origins. A signature of unknown origin (another gateway's, or raw from Google) is tried on any backend.
const (
	OriginUnknown SignatureOrigin = iota
	OriginGeminiAPI
	OriginCloud // Vertex and Code Assist
)

// MaxSignature bounds a signature a client may send back, in bytes; longer ones are treated as missing.
const MaxSignature = 32 << 10

// OriginOf is the class a backend's signatures belong to.
func OriginOf(b Backend) SignatureOrigin {
	if b == GeminiAPI {
		return OriginGeminiAPI
	}
	return OriginCloud
}

// IsZero reports whether there is no signature.
func (s Signature) IsZero() bool { return s.Value == "" }

// FitsOn reports whether a backend can read the signature, as far as its origin tells.
func (s Signature) FitsOn(b Backend) bool {
	return !s.IsZero() && (s.Origin == OriginUnknown || s.Origin == OriginOf(b))
}

const carrierPrefix = "gt1."

// Carrier is the form in which a signature travels through clients: gt1.<origin>.<value>, with origin g or v.
func (s Signature) Carrier() string {
	switch {
	case s.IsZero():
		return ""
	case s.Origin == OriginGeminiAPI:
		return carrierPrefix + "g." + s.Value
	case s.Origin == OriginCloud:
		return carrierPrefix + "v." + s.Value
	default:
		return s.Value
	}
}

// ParseCarrier reads what a client sent back: one of our carriers, or a raw signature of unknown origin. Anything too long is none.
func ParseCarrier(text string) Signature {
	if len(text) > MaxSignature {
		return Signature{}
	}
	rest, ours := strings.CutPrefix(text, carrierPrefix)
	if !ours {
		return Signature{Value: text}
	}
	origin, value, _ := strings.Cut(rest, ".")
	switch origin {
	case "g":
		return Signature{Origin: OriginGeminiAPI, Value: value}
	case "v":
		return Signature{Origin: OriginCloud, Value: value}
	default:
		return Signature{}
	}
}
