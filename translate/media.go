package translate

import "iter"

// Media is a picture, sound, film or document, inline or by reference.
type Media struct {
	MIME string // may be empty with a URI, when only Google can know
	Data []byte // raw bytes; nil when URI is set
	URI  string // a URI Google itself can read
	// Param is the path of the field that holds the URI in the client's request, for errors.
	Param string
	Name  string // file name; optional
	// Source is where the data is yet to be got from; nil when it is here, or at Google's. None is left when a request is encoded.
	Source *Source
	Detail Detail
}

// Source is a URL on somebody's server. The client gave it for the data that is there.
type Source struct {
	URL     string // http or https
	Param   string // the path of the field that holds it in the client's request, for errors
	Picture bool   // nothing but media will do; else any file
}

// Invalid is the refusal of the field that the source was given in. The reason is for the client to read.
func (s *Source) Invalid(reason error) *Error {
	code := "invalid_value"
	if s.Picture {
		code = "invalid_image_url"
	}
	return Invalid(s.Param, code, "Invalid '%s': %v.", s.Param, reason)
}

// Detail is how closely the model should look at a picture.
type Detail uint8

// The details. Auto leaves it to the model.
const (
	DetailAuto Detail = iota
	DetailLow
	DetailHigh
)

// Media are all media of the conversation, in order: those that somebody said, and those that tools returned.
func (r *Request) Media() iter.Seq[*Media] {
	return func(yield func(*Media) bool) {
		for i := range r.Messages {
			for j := range r.Messages[i].Parts {
				switch p := &r.Messages[i].Parts[j]; p.Kind {
				case PartMedia:
					if !yield(p.Media) {
						return
					}
				case PartResult:
					for k := range p.Result.Media {
						if !yield(&p.Result.Media[k]) {
							return
						}
					}
				case PartText, PartThought, PartCall: // hold none
				}
			}
		}
	}
}
