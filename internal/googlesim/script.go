package googlesim

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Reply says how a call is to be answered. The zero Reply is an empty stream. What Google would refuse anyway is refused, unless
// the reply is itself a failure.
type Reply struct {
	// Status is 200 when zero. Body is the whole answer of a call that does not stream, or of one that fails.
	Status int
	Header http.Header
	Body   string

	// Lead is how many events of the ordinary answer come first; All means the whole of it.
	Lead int
	// Events are the answer's further events, as GenerateContentResponse in JSON; they are wrapped and framed as the call asks. A
	// call that does not stream gets the first of them.
	Events []string
	// Frames are sent after them, byte for byte, each flushed.
	Frames []string

	// Delay is the pause before anything is sent, Pace the one before each event or frame. EarlyHeaders sends the headers before
	// the first of these pauses.
	Delay, Pace  time.Duration
	EarlyHeaders bool
	// End is what happens to the connection after all that.
	End End
}

// All as Reply.Lead stands for every event of the ordinary answer.
const All = 1 << 30

// End is how the answer to a scripted call ends.
type End uint8

// The ways to end.
const (
	EndClean End = iota
	EndReset     // the connection is reset when nothing was sent yet, else closed in the middle of the body
	EndHang      // nothing more comes, until the client gives up
)

func (r *Reply) status() int {
	if r.Status == 0 {
		return http.StatusOK
	}
	return r.Status
}

// fails reports whether the reply takes the place of everything Google would do, checks included.
func (r *Reply) fails() bool {
	return r.status() != http.StatusOK || r.Lead == 0 && len(r.Events) == 0 && len(r.Frames) == 0 && r.Body == ""
}

// rule is one line of the script.
type rule struct {
	match   Match
	replies []Reply
	always  bool // the one reply stays
}

type script struct {
	mu    sync.Mutex
	rules []*rule
}

// Script answers the next calls that match with these replies, one each in order. Where several scripts match, the oldest is used
// up first.
func (s *Server) Script(m Match, replies ...Reply) {
	if len(replies) == 0 {
		return
	}
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	s.script.rules = append(s.script.rules, &rule{match: m, replies: replies})
}

// Always answers every call that matches with this reply until stop is called. Scripts declared earlier go first.
func (s *Server) Always(m Match, r Reply) (stop func()) {
	added := &rule{match: m, replies: []Reply{r}, always: true}
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	s.script.rules = append(s.script.rules, added)
	return func() {
		s.script.mu.Lock()
		defer s.script.mu.Unlock()
		s.script.rules = slices.DeleteFunc(s.script.rules, func(r *rule) bool { return r == added })
	}
}

// Pending is how many scripted replies have not been used yet, those of Always not counted.
func (s *Server) Pending() int {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	n := 0
	for _, r := range s.script.rules {
		if !r.always {
			n += len(r.replies)
		}
	}
	return n
}

// next takes the reply that the script has for a call; nil for none.
func (t *script) next(c *Call) *Reply {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, r := range t.rules {
		if !r.match.fits(c) {
			continue
		}
		reply := r.replies[0]
		if !r.always {
			if r.replies = r.replies[1:]; len(r.replies) == 0 {
				t.rules = slices.Delete(t.rules, i, i+1)
			}
		}
		return &reply
	}
	return nil
}
