package googlesim

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
)

// signatureKey is the same in every process, so that a conversation outlives a restart of the demo.
var signatureKey = []byte("googlesim thought signatures")

// sentinels are the values that Google documents for history without signatures. They are sent raw, where they happen to be valid
// base64, or encoded.
var sentinels = []string{"skip_thought_signature_validator", "context_engineering_is_the_way_to_go"}

// signatureHead opens the envelope of Gemini 3's signatures: field 1, as long as the payload, inside field 2.
var signatureHead = []byte{0x12, payloadSize + 2, 0x0a, payloadSize}

const payloadSize = 1 + 8 + sha256.Size

// signature makes a thought signature: in its envelope a class byte, a serial number and a MAC.
func signature(b Backend, serial uint64) string {
	payload := binary.BigEndian.AppendUint64([]byte{signatureClass(b)}, serial)
	return base64.StdEncoding.EncodeToString(slices.Concat(signatureHead, payload, mac(payload)))
}

// signatureClass tells apart the backends whose signatures are not interchangeable.
func signatureClass(b Backend) byte {
	if b == Developer {
		return 'g'
	}
	return 'v'
}

func mac(payload []byte) []byte {
	h := hmac.New(sha256.New, signatureKey)
	h.Write(payload)
	return h.Sum(nil)
}

func isSentinel(text string, decoded []byte) bool {
	return slices.Contains(sentinels, text) || slices.Contains(sentinels, string(decoded))
}

// verifySignature reports whether a signature is one this package issued on that class of backend, unchanged.
func verifySignature(b Backend, raw []byte) bool {
	rest, ok := bytes.CutPrefix(raw, signatureHead)
	if !ok || len(rest) != payloadSize {
		return false
	}
	payload, sum := rest[:payloadSize-sha256.Size], rest[payloadSize-sha256.Size:]
	return payload[0] == signatureClass(b) && hmac.Equal(mac(payload), sum)
}
