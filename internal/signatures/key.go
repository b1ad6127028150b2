package signatures

import (
	"crypto/sha256"
	"encoding/binary"
)

// Key is what a signature is found by. It is a digest: nothing of a conversation is in it, and nobody can make two that are the same. The
// zero Key is none.
type Key [sha256.Size]byte

// Tenant is whose conversations they are. What one client has been answered must not shape what another is told: a signature stands for
// thoughts about the whole conversation, and the model goes on from them. No client is ever shown the signature that was found for it, but
// the answer may show what the thoughts were about. So nothing is found across tenants, and within one:
//
//   - By its ID a call is found by whoever knows that, and only who was given it does: ours hold 130 random bits, and Google's some 40,
//     each guess at which is a request to a model.
//   - By its content a call is found only where the model was told the same before it, word for word, as Call.Context says: whoever has
//     that has nothing to learn. Even so it is not for tenants that are known by their address alone, which may be those of thousands.
type Tenant struct {
	ID string
	// Anonymous is set when ID is an address, and not a user that somebody has identified.
	Anonymous bool
}

// What a digest is of.
const (
	ofID = iota
	ofContent
)

// ByID is the key of a call by the ID that the tenant was given for it; none for a call without one.
func ByID(t Tenant, id string) Key {
	if id == "" {
		return Key{}
	}
	var scratch [256]byte
	b := t.digested(scratch[:0], ofID)
	return sha256.Sum256(append(b, id...))
}

// Call is a call as clients send it back whatever they do to IDs.
type Call struct {
	Family  string // of the model: see translate.Signature
	Context uint64 // a hash of all that the model had been told before it
	Ordinal int    // how many calls there were before it in the conversation
	Name    string
	Args    []byte // the object in its canonical form
}

// ByContent is the key of a call by what it says. It is not for anonymous tenants.
func ByContent(t Tenant, c *Call) Key {
	b := t.digested(make([]byte, 0, 256+len(c.Args)), ofContent)
	b = appendText(b, c.Family)
	b = binary.BigEndian.AppendUint64(b, c.Context)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Ordinal))
	b = appendText(b, c.Name)
	return sha256.Sum256(append(b, c.Args...))
}

// digested begins what a digest is taken of.
func (t Tenant) digested(dst []byte, of byte) []byte {
	if t.Anonymous {
		of |= 0x80 // an address is no user's name
	}
	return appendText(append(dst, of), t.ID)
}

// appendText appends a text so that it cannot run into what follows.
func appendText(dst []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint64(dst, uint64(len(text))), text...)
}
