package translate

// Ender is a Writer that may know before Google does that an answer is over.
type Ender interface {
	Writer
	// Ended reports whether nothing that still comes of the answer would be written, but its usage; and how it ended.
	Ended() (Finish, bool)
}

// nativeStops is how many stop sequences Google enforces.
const nativeStops = 5

// Trim makes a Writer that sees of an answer what the request allows, where Google has no field for that: text up to a stop sequence
// beyond those Google takes, one call where there may be one only, and JSON without the code fence that models like to put around it.
// It is w itself when nothing can need that.
func Trim(w Writer, r *Request) Writer {
	t := trimmer{Writer: w, oneCall: r.OneCall, fences: r.Format.Kind != FormatText}
	if len(r.Sampling.Stop) > nativeStops {
		t.stops = r.Sampling.Stop
	}
	if t.stops == nil && !t.oneCall && !t.fences {
		return w
	}
	t.choices = make([]trimmed, max(1, r.Sampling.Candidates))
	for i := range t.choices {
		t.choices[i].fence.open = t.fences
	}
	return &t
}

type trimmer struct {
	Writer
	stops   []string
	oneCall bool
	fences  bool
	choices []trimmed
}

// trimmed is the state of one candidate.
type trimmed struct {
	fence  fence
	held   string // the beginning of a stop sequence, perhaps
	calls  int
	over   bool
	finish Finish
}

// Append implements Writer.
func (t *trimmer) Append(dst []byte, ev *Event) []byte {
	if ev.Kind == EventUsage || ev.Candidate < 0 || ev.Candidate >= len(t.choices) {
		return t.Writer.Append(dst, ev)
	}
	c := &t.choices[ev.Candidate]
	if c.over {
		return dst
	}
	switch ev.Kind {
	case EventText:
		return t.text(dst, ev.Candidate, c.fence.strip(ev.Text))
	case EventSignature, EventCitation, EventLogProbs: // belong to text that may still be held back, and have no place among it
		return t.Writer.Append(dst, ev)
	case EventFinish:
		dst = t.release(dst, ev.Candidate)
		c.over, c.finish = true, ev.Finish
		return t.Writer.Append(dst, ev)
	case EventCall:
		dst = t.Writer.Append(t.release(dst, ev.Candidate), ev)
		if c.calls++; t.oneCall {
			dst = t.end(dst, ev.Candidate)
		}
		return dst
	default: // no stop sequence goes across anything else
		return t.Writer.Append(t.release(dst, ev.Candidate), ev)
	}
}

// Ended implements Ender.
func (t *trimmer) Ended() (Finish, bool) {
	for i := range t.choices {
		if !t.choices[i].over {
			return 0, false
		}
	}
	return t.choices[0].finish, true
}

// text writes a piece up to a stop sequence, and keeps back what may be the beginning of one.
func (t *trimmer) text(dst []byte, candidate int, piece string) []byte {
	c := &t.choices[candidate]
	text := c.held + piece
	at, stopped := firstStop(text, t.stops)
	if !stopped {
		at = len(text) - longestBeginning(text, t.stops)
	}
	dst = t.write(dst, candidate, text[:at])
	c.held = text[at:]
	if stopped {
		c.held = ""
		dst = t.end(dst, candidate)
	}
	return dst
}

// release writes what was kept back: it is nothing to keep back for.
func (t *trimmer) release(dst []byte, candidate int) []byte {
	c := &t.choices[candidate]
	dst = t.text(dst, candidate, c.fence.close())
	held := c.held
	c.held = ""
	return t.write(dst, candidate, held)
}

func (t *trimmer) write(dst []byte, candidate int, text string) []byte {
	if text == "" {
		return dst
	}
	return t.Writer.Append(dst, &Event{Kind: EventText, Candidate: candidate, Text: text})
}

// end finishes a candidate before Google does.
func (t *trimmer) end(dst []byte, candidate int) []byte {
	c := &t.choices[candidate]
	c.over, c.finish = true, FinishStop
	if c.calls > 0 {
		c.finish = FinishCalls
	}
	return t.Writer.Append(dst, &Event{Kind: EventFinish, Candidate: candidate, Finish: c.finish})
}
