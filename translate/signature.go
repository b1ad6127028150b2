package translate

import (
	"slices"
	"strings"
)

// Signature is Google's opaque thought signature, tied to the class of backend that issued it. The zero Signature is none.
type Signature struct {
	Origin SignatureOrigin
	// Family is the generation of models that issued it; empty when unknown, as it is of all that clients carry.
	Family string
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

// Unsigned is what Google's documentation gives for the first call of a step whose signature is lost or never was: sent as it is.
const Unsigned = "skip_thought_signature_validator"

// standIns are what clients that know Google's API put where they have no signature: Unsigned, the other value documented for it, and both
// in the base64 that signatures come in.
var standIns = []string{
	Unsigned, "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",
	"context_engineering_is_the_way_to_go", "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv",
}

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

// ParseCarrier reads what a client sent back: one of our carriers, or a raw signature of unknown origin. What is too long is none, and so
// is what stands for a signature: whether something must stand there depends on the model, and on whether the signature can be found.
func ParseCarrier(text string) Signature {
	s := Signature{Value: text}
	if rest, ours := strings.CutPrefix(text, carrierPrefix); ours {
		origin, value, _ := strings.Cut(rest, ".")
		s.Value = value
		switch origin {
		case "g":
			s.Origin = OriginGeminiAPI
		case "v":
			s.Origin = OriginCloud
		default:
			return Signature{}
		}
	}
	if s.IsZero() || len(s.Value) > MaxSignature || slices.Contains(standIns, s.Value) {
		return Signature{}
	}
	return s
}
