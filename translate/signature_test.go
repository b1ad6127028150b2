package translate

import (
	"strings"
	"testing"
)

func TestCarriersBringTheirSignatureBack(t *testing.T) {
	const value = "CiQB0e+/AA=="
	for _, tt := range []struct {
		signature Signature
		carrier   string
	}{
		{Signature{}, ""},
		{Signature{Value: value}, value},
		{Signature{Origin: OriginGeminiAPI, Value: value}, "gt1.g." + value},
		{Signature{Origin: OriginCloud, Value: value}, "gt1.v." + value},
		{Signature{Origin: OriginCloud, Value: strings.Repeat("A", MaxSignature)}, "gt1.v." + strings.Repeat("A", MaxSignature)},
	} {
		if got := tt.signature.Carrier(); got != tt.carrier {
			t.Errorf("%+v travels as %q, want %q", tt.signature, got, tt.carrier)
		}
		if got := ParseCarrier(tt.carrier); got != tt.signature {
			t.Errorf("%q is %+v, want %+v", tt.carrier, got, tt.signature)
		}
	}
	// Carriers do not say which models issued a signature.
	if got := (Signature{Origin: OriginGeminiAPI, Family: "3", Value: value}).Carrier(); got != "gt1.g."+value {
		t.Errorf("carrier %q", got)
	}
}

func TestWhatIsNoSignatureIsNone(t *testing.T) {
	for name, carrier := range map[string]string{
		"too long":                           strings.Repeat("A", MaxSignature+1),
		"too long, in a carrier":             "gt1.g." + strings.Repeat("A", MaxSignature+1),
		"an origin nobody has":               "gt1.x.CiQB",
		"no origin":                          "gt1.CiQB",
		"a carrier of nothing":               "gt1.g.",
		"a stand-in":                         "skip_thought_signature_validator",
		"a stand-in as LiteLLM writes it":    "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",
		"another stand-in":                   "context_engineering_is_the_way_to_go",
		"another stand-in, in base64":        "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv",
		"a stand-in that went through a tag": "gt1.g.skip_thought_signature_validator",
	} {
		if got := ParseCarrier(carrier); !got.IsZero() || got != (Signature{}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestSignaturesFitTheBackendsOfTheirClass(t *testing.T) {
	for _, tt := range []struct {
		signature Signature
		on        map[Backend]bool
	}{
		{Signature{}, map[Backend]bool{}},
		{Signature{Value: "a"}, map[Backend]bool{GeminiAPI: true, Vertex: true, CodeAssist: true}},
		{Signature{Origin: OriginGeminiAPI, Value: "a"}, map[Backend]bool{GeminiAPI: true}},
		{Signature{Origin: OriginCloud, Value: "a"}, map[Backend]bool{Vertex: true, CodeAssist: true}},
	} {
		for _, b := range []Backend{GeminiAPI, Vertex, CodeAssist} {
			if got := tt.signature.FitsOn(b); got != tt.on[b] {
				t.Errorf("%+v on %s: %v", tt.signature, b, got)
			}
			if s := (Signature{Origin: OriginOf(b), Value: "a"}); !s.FitsOn(b) {
				t.Errorf("what %s issued does not fit on it", b)
			}
		}
	}
}
