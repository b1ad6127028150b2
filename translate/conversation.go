package translate

import "github.com/go-json-experiment/json/jsontext"

// Request is one question to a model, in the form every surface decodes to and every backend encodes from. It is immutable once the
// gateway has resolved its model and thinking mode, and found the signatures its client has not carried: attempts on several accounts share it.
type Request struct {
	// Model is what the client asked for, without decoration; empty means the operator's default. Answers repeat it.
	Model string
	// Stream is true when the client wants the answer as it comes.
	Stream bool
	// Conversation is the client's own name for what the request continues; empty when it gives none. It is only compared.
	Conversation string

	Messages   []Message
	Tools      []Tool
	ToolChoice ToolChoice
	Builtins   []Builtin
	Sampling   Sampling
	Format     Format
	Output     Output
	Reasoning  Reasoning
	// OneCall is set when an answer may hold one tool call at most.
	OneCall bool

	// Safety is how Google is to filter; none leaves it to the operator, and then to Google.
	Safety []SafetySetting
	Tier   ServiceTier
	// Labels are names the cost is to be booked under, a JSON object of strings; nil for none.
	Labels jsontext.Value
	// CachedContent is the name of content the client has had Google keep before; empty for none.
	CachedContent string

	// Thinking is how thoughts are to be treated, resolved: never ThinkingAuto when a request is encoded or written.
	Thinking Thinking

	// Ignored names the client's parameters that were accepted and have no effect, for the x-gemini-proxy-ignored header.
	Ignored []string
	// Strict is set when a parameter that cannot have its effect is to be refused, not ignored.
	Strict bool
}

// Role says who speaks in a Message.
type Role uint8

// The roles. A system message may stand anywhere in a conversation; only the leading ones become Google's system instruction.
const (
	RoleUser Role = iota
	RoleModel
	RoleSystem
	RoleTool // results of calls; its parts are of kind PartResult
)

// Message is one turn as the client sent it. Merging, reordering and repairing turns for Google is the encoder's work.
type Message struct {
	Role  Role
	Name  string // of the participant; optional
	Parts []Part
	// Origin is the index of the client's own list entry this message came from, for error messages that name a field.
	Origin int
}

// NoOrigin is the Origin of a message that is in no list of the client's.
const NoOrigin = -1

// PartKind says which field of a Part is set.
type PartKind uint8

// The kinds of Part.
const (
	PartText PartKind = iota
	PartThought
	PartMedia
	PartCall
	PartResult
)

// Part is one piece of a message.
type Part struct {
	Kind      PartKind
	Text      string    // PartText, PartThought
	Media     *Media    // PartMedia
	Call      *Call     // PartCall
	Result    *Result   // PartResult
	Signature Signature // a model's part may carry one; that of a call is in the Call
}

// Call is a model's request to run one of the client's tools.
type Call struct {
	// ID pairs the call with its result. Empty on an event when Google sent none: the surface makes one.
	ID   string
	Name string // as the client declared it
	// Args is always a JSON object.
	Args      jsontext.Value
	Signature Signature
}

// Result is what one of the client's tools answered.
type Result struct {
	CallID string
	Name   string // of the tool; may be empty when the client's protocol pairs by ID alone
	// Output is any JSON value; plain text is a JSON string.
	Output jsontext.Value
	Media  []Media // pictures and files the tool returned
	Error  bool    // the tool failed and Output says how
}

// Tool is a function the model may call.
type Tool struct {
	Name        string
	Description string
	// Schema is the JSON Schema of the arguments as the client wrote it; nil when the function takes none.
	Schema jsontext.Value
	Strict bool
	// Freeform is set when the tool takes text and no JSON: calls carry it as the argument named FreeformArg.
	Freeform bool
	Origin   int // index in the client's list
}

// FreeformArg is the one argument of a freeform tool.
const FreeformArg = "input"

// ChoiceMode says whether the model may, must or must not call tools.
type ChoiceMode uint8

// The modes of a ToolChoice.
const (
	ChoiceUnset ChoiceMode = iota
	ChoiceAuto
	ChoiceNone
	ChoiceRequired
)

// ToolChoice restricts which tools the model may call. Names, when set, are the only ones allowed.
type ToolChoice struct {
	Mode  ChoiceMode
	Names []string
}

// Sampling holds the knobs of generation. Nil means that the client did not say.
type Sampling struct {
	Temperature      *float64
	TopP             *float64
	TopK             *int
	Seed             *int64
	PresencePenalty  *float64
	FrequencyPenalty *float64
	MaxTokens        *int // visible and thinking tokens together
	Stop             []string
	// Candidates is how many alternative answers the client wants; 0 and 1 are one answer. Events name theirs by index.
	Candidates int
	// LogProbs asks for the probability of each token, and of as many others in its place; nil for none.
	LogProbs *int
}

// FormatKind is the form the answer must have.
type FormatKind uint8

// The forms.
const (
	FormatText   FormatKind = iota
	FormatJSON              // any JSON
	FormatSchema            // JSON that obeys Format.Schema
)

// Format constrains the text of the answer.
type Format struct {
	Kind   FormatKind
	Name   string
	Schema jsontext.Value
}

// Effort is how hard the model should think, in the words clients share. The empty Effort leaves it to the model.
type Effort string

// The efforts, least first. What a model supports of them is data in package gemini.
const (
	EffortNone    Effort = "none"
	EffortMinimal Effort = "minimal"
	EffortLow     Effort = "low"
	EffortMedium  Effort = "medium"
	EffortHigh    Effort = "high"
	EffortXHigh   Effort = "xhigh"
	EffortMax     Effort = "max"
)

// Reasoning is what the client said about thinking.
type Reasoning struct {
	// Effort and Budget (tokens; -1 lets the model decide) are alternatives; Budget wins where the model takes budgets.
	Effort Effort
	Budget *int
	// Show is set when the client explicitly asked for, or declined, the thoughts themselves.
	Show *bool
}

// Asked reports whether the client asked for reasoning, which is when ThinkingAuto returns thoughts.
func (r Reasoning) Asked() bool {
	if r.Show != nil {
		return *r.Show
	}
	if r.Budget != nil {
		return *r.Budget != 0
	}
	return r.Effort != "" && r.Effort != EffortNone
}

// Thinking is the operator's choice of what happens to a model's thoughts.
type Thinking uint8

// The choices. Auto resolves to Reasoning or Hidden per request.
const (
	ThinkingAuto      Thinking = iota
	ThinkingOff                // turned down as far as the model allows
	ThinkingHidden             // not asked for, not shown
	ThinkingReasoning          // shown beside the answer, in the surface's own field for reasoning
	ThinkingContent            // shown inside the answer's text, between <thinking> and </thinking>
)

// Resolve settles ThinkingAuto for one request.
func (t Thinking) Resolve(r Reasoning) Thinking {
	if t != ThinkingAuto {
		return t
	}
	if r.Asked() {
		return ThinkingReasoning
	}
	return ThinkingHidden
}
