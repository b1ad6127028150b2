package gemini

import "github.com/gemini-proxy/caddy-gemini-proxy/translate"

// Remedies are departures from the usual way to encode a request, each of which mends something Google has refused. The zero value is
// the usual way. They are comparable.
type Remedies struct {
	// Unsigned is how many of the conversation's thought signatures, from its beginning, are not sent.
	Unsigned int
	// SignAll signs the first call of every step, not only where the model is known to want that.
	SignAll bool
	// NoIDs leaves the ids of calls and their results out: they are paired by position.
	NoIDs bool
	// Parameters is how the schemas of the tools are written, Answer how that of the answer is.
	Parameters, Answer SchemaStage
	// FreeCalls leaves it to the model whether to call a tool where the client wants a call: Google bounds the size of what a model
	// can be made to call.
	FreeCalls bool
	// Incurable is set when no way to write these schemas has mended a refusal that does not say what it is about. It changes nothing
	// about the encoding.
	Incurable bool
	// NoPenalties leaves the penalties for repetition out.
	NoPenalties bool
	// Thinking corrects the catalogue.
	Thinking ThinkingRemedy
}

// SchemaStage is how much of a JSON Schema is told to Google, the most first. What a stage leaves out of the constraints is told to the
// model in words, as far as a few words can.
type SchemaStage uint8

// The stages.
const (
	SchemaFull    SchemaStage = iota // everything Google's documentation names, in the fields for JSON Schema
	SchemaLite                       // without bounds, patterns, long enumerations and long descriptions
	SchemaProto                      // the same in the older fields, which take a part of OpenAPI 3.0's schemas
	SchemaWords                      // of an answer only: JSON, with the schema as an instruction
	SchemaUnaided                    // of an answer only: the instruction alone
)

// ComplaintKind is what Google objects to about a request.
type ComplaintKind uint8

// The kinds. ComplaintNone is an error that no other encoding mends.
const (
	ComplaintNone      ComplaintKind = iota
	ComplaintCallIDs                 // ids of calls are no field here
	ComplaintSignature               // a thought signature cannot be read here
	ComplaintUnsigned                // a call has no thought signature and needs one
	ComplaintSchema                  // a schema
	ComplaintJSONMode                // JSON mode, which does not go together with the rest of the request
	ComplaintPenalties               // penalties are not taken
	ComplaintLevel                   // a thinking level, or levels as such
	ComplaintBudget                  // a thinking budget, or budgets as such
	ComplaintDisable                 // the model cannot but think
	ComplaintThinking                // the model has no control over its thinking
	ComplaintUnclear                 // Google does not say what
)

// Complaint is a refusal that another encoding of the same request may mend, as far as Google's words tell.
type Complaint struct {
	Kind ComplaintKind
	// Parameters and Answer say whose schema it is; both are false when Google does not say.
	Parameters, Answer bool
	// Structure is set when the schema's form or its dialect is at fault, so that fewer constraints would not help.
	Structure bool
	// Level is the thinking level refused; Levels are those allowed, where Google lists them. Both are empty when levels are not taken
	// at all.
	Level  string
	Levels []string
	// Least and Most bound the thinking budget, in tokens; 0 when Google does not say. Off is set when the budget refused was 0.
	Least, Most int
	Off         bool
}

// sent is what a body holds that a refusal may be about.
type sent struct {
	signatures int  // usable ones of the conversation, those left out included
	calls      bool // of the model
	ids        bool
	parameters bool // a tool has a schema
	answer     bool // the answer has one, in a field for it
	jsonMode   bool
	forced     bool // the model has to call a tool
	penalties  bool
	thinking   bool
}

// Remedy says what to try after a refusal of this body: pure, and never the remedies it was encoded with, nor any less of them, so that
// trying ends. There is none when the refusal is about nothing in the body that could be put in another way.
func (e *Encoded) Remedy(c *Complaint) (Remedies, bool) {
	r := e.remedies
	switch c.Kind {
	case ComplaintCallIDs:
		r.NoIDs = r.NoIDs || e.sent.ids
	case ComplaintSignature:
		r.Unsigned = max(r.Unsigned, e.sent.signatures)
	case ComplaintUnsigned:
		r.SignAll = r.SignAll || e.sent.calls
	case ComplaintSchema:
		e.simplify(&r, c)
	case ComplaintJSONMode:
		if e.sent.jsonMode {
			r.Answer = SchemaUnaided
		}
	case ComplaintUnclear:
		if !r.Incurable {
			e.simplify(&r, c)
			r.FreeCalls = r.FreeCalls || e.sent.forced && e.sent.parameters
		}
	case ComplaintPenalties:
		r.NoPenalties = r.NoPenalties || e.sent.penalties
	case ComplaintLevel, ComplaintBudget, ComplaintDisable, ComplaintThinking:
		if e.sent.thinking {
			r.Thinking = r.Thinking.learn(c)
		}
	case ComplaintNone:
	}
	return r, r != e.remedies
}

// simplify goes one stage on with the schemas that were sent and may be meant.
func (e *Encoded) simplify(r *Remedies, c *Complaint) {
	either := c.Parameters == c.Answer
	if e.sent.parameters && (either || c.Parameters) {
		r.Parameters = min(r.Parameters.next(c), SchemaProto)
	}
	if e.sent.answer && (either || c.Answer) {
		r.Answer = min(r.Answer.next(c), SchemaWords)
	}
}

func (s SchemaStage) next(c *Complaint) SchemaStage {
	if c.Structure {
		return max(s+1, SchemaProto)
	}
	return s + 1
}

// and is both remedies at once.
func (r Remedies) and(other Remedies) Remedies {
	r.Unsigned = max(r.Unsigned, other.Unsigned)
	r.SignAll = r.SignAll || other.SignAll
	r.NoIDs = r.NoIDs || other.NoIDs
	r.Parameters = max(r.Parameters, other.Parameters)
	r.Answer = max(r.Answer, other.Answer)
	r.FreeCalls = r.FreeCalls || other.FreeCalls
	r.Incurable = r.Incurable || other.Incurable
	r.NoPenalties = r.NoPenalties || other.NoPenalties
	if other.Thinking != (ThinkingRemedy{}) {
		r.Thinking = other.Thinking
	}
	return r
}

// Place is where a request is encoded for: what one host of a backend takes, another may not.
type Place struct {
	Backend translate.Backend
	Host    string // empty where it makes no difference
}
