package translate

// EventKind says what an Event reports.
type EventKind uint8

// The kinds, in the order an answer may hold them. Content events (Text to Signature) come in any number and order; then, for each
// candidate, exactly one Finish; last, exactly one Usage. Package gemini's fold guarantees this, so surfaces only write.
const (
	EventText      EventKind = iota // Text: a piece of the answer
	EventThought                    // Text: a piece of the model's thoughts
	EventCall                       // Call: one complete tool call
	EventMedia                      // Media: a picture or sound the model made
	EventCitation                   // Citation: a source of the text so far
	EventSignature                  // Signature: belongs to the text or thought before it
	EventLogProbs                   // LogProbs: of tokens of the text before it
	EventTier                       // Tier: how the request was treated; before all else where Google says so in time
	EventBlocked                    // Text: why the prompt was refused; a Finish with FinishFilter follows
	EventFinish                     // Finish, and Text: Google's own words about it, if any
	EventUsage                      // Usage of the whole request
)

// Event is one thing an answer consists of.
type Event struct {
	Kind      EventKind
	Candidate int // index of the choice it belongs to; 0 unless the client asked for several
	Text      string
	Call      *Call
	Media     *Media
	Citation  *Citation
	LogProbs  []LogProb
	Signature Signature // EventSignature; EventMedia may carry its own, and a call's is in the Call
	Tier      ServiceTier
	Finish    Finish
	Usage     Usage
}

// Finish is why an answer ended.
type Finish uint8

// The reasons.
const (
	FinishStop   Finish = iota // the model was done, or met a stop sequence
	FinishLength               // the token limit was reached
	FinishCalls                // the model wants tools run
	FinishFilter               // a safety filter ended it
)

// String is the word for logs.
func (f Finish) String() string {
	return [...]string{"stop", "length", "tool_calls", "content_filter"}[f]
}

// Citation is a source the answer rests on. Start and End are offsets in Unicode code points into the candidate's text so far.
type Citation struct {
	Start, End int
	URI, Title string
}

// LogProb is how likely the model held a token in its place, as a natural logarithm.
type LogProb struct {
	Token string
	Log   float64
	Top   []LogProb // the likeliest tokens in that place, if the client asked for them; they have no Top of their own
}

// Usage counts tokens of one request. Prompt includes Cached; Completion includes Reasoning.
type Usage struct {
	Prompt, Cached, PromptAudio            int
	Completion, Reasoning, CompletionAudio int
}

// Total is what the request cost.
func (u Usage) Total() int { return u.Prompt + u.Completion }
