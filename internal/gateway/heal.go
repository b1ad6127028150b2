package gateway

import (
	"bytes"
	"slices"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// encodedBody is the request as it is sent to one place for one model, however many accounts are tried there.
type encodedBody struct {
	place gemini.Place
	model *gemini.Model
	*gemini.Encoded
	// refused is the refusal that the remedies at hand are meant to mend, in the words that came first; nil when there was none.
	refused *google.Error
}

// encode is the request for an account and a model: at first with the remedies that earlier requests have taught.
func (x *exchange) encode(c *rotator.Credential, m *gemini.Model) (encodedBody, error) {
	backend := translate.Backend(c.Backend)
	place := gemini.Place{Backend: backend, Host: x.gateway.Google.Host(backend, c.Location)}
	if body := x.encoded(place, m); body != nil {
		return *body, nil
	}
	encoded, err := gemini.Encode(x.request, backend, m, x.gateway.Lessons.Remedies(x.request, place, m))
	if err != nil {
		return encodedBody{}, err
	}
	body := encodedBody{place: place, model: m, Encoded: encoded}
	x.bodies = append(x.bodies, body)
	return body, nil
}

// encoded is what has been encoded for a place and a model; nil when nothing has.
func (x *exchange) encoded(p gemini.Place, m *gemini.Model) *encodedBody {
	i := slices.IndexFunc(x.bodies, func(b encodedBody) bool { return b.place == p && b.model == m })
	if i < 0 {
		return nil
	}
	return &x.bodies[i]
}

// heal has the request encoded in another way when Google has refused the way it was, so that the same account can be asked again. Each
// of these tries is an attempt like any other, and none is made twice: every one of them gives up something more. What helped is
// remembered once an answer has come, which is when failed is nil. When there is nothing left to give up, failed becomes the first of
// the refusals: it is about what the client has said, and the others are about what was made of it.
func (x *exchange) heal(a *attempt, failed *google.Error) bool {
	if a.body.Encoded == nil {
		return false
	}
	body := x.encoded(a.body.place, a.body.model)
	if failed == nil {
		if body.refused != nil {
			x.gateway.Lessons.Learn(x.request, body.place, body.model, body.Remedies())
		}
		return false
	}
	complaint := &failed.Complaint
	if complaint.Kind == gemini.ComplaintNone {
		return false
	}
	if before := body.refused; before == nil || before.Complaint.Kind != complaint.Kind && complaint.Kind != gemini.ComplaintUnclear {
		first := *failed
		body.refused = &first
	}
	if x.mayTry() {
		if x.mend(body, complaint) {
			a.note(failed.Fault.Reason, failed.Fault.Status)
			return true
		}
		x.despair(body)
	}
	*failed = *body.refused
	return false
}

// mend encodes a body anew, in the next way that makes a difference to it; false when there is none.
func (x *exchange) mend(body *encodedBody, c *gemini.Complaint) bool {
	for encoded := body.Encoded; ; {
		remedies, ok := encoded.Remedy(c)
		if !ok {
			return false
		}
		var err error
		if encoded, err = gemini.Encode(x.request, body.place.Backend, body.model, remedies); err != nil {
			return false
		}
		if !bytes.Equal(encoded.Body, body.Body) {
			body.Encoded = encoded
			return true
		}
	}
}

// despair remembers that all was tried after a refusal that does not say what it is about, and none of it helped: the next such request
// is not worth as many calls.
func (x *exchange) despair(body *encodedBody) {
	if body.refused.Complaint.Kind == gemini.ComplaintUnclear {
		x.gateway.Lessons.Learn(x.request, body.place, body.model, gemini.Remedies{Incurable: true})
	}
}
