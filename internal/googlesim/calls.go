package googlesim

import (
	"net/http"
	"sync"
	"time"
)

// Call is one call the simulator received. Methods are named as in the URL; the token endpoint's is "token" on backend OAuth,
// listing models is "models.list" or "models.get", polling an onboarding is "operations.get".
type Call struct {
	Began, Ended time.Time // Ended is zero while the call is being answered
	Backend      Backend
	Method       string
	Account      string // API key, user's name or service account's e-mail address; empty when the credential is unknown
	Project      string // that pays
	Model        string
	Location     string // Vertex AI's
	Path, Query  string
	Header       http.Header // as received; not to be changed
	Body         []byte      // as received; nil once too much was received since
	Status       int         // that was answered; 0 when the connection was broken first
	Canceled     bool        // the client went away before the answer was complete
	Quota        string      // that was used up and the call refused for: rpm, rpd or tpm
	Signature    string      // the thought signature of the function calls it was answered with; empty when there were none
}

// Match says which calls are meant. Empty fields match every call; Model is a glob.
type Match struct {
	Backend Backend
	Method  string
	Account string
	Project string
	Model   string
}

func (m Match) fits(c *Call) bool {
	return (m.Backend == "" || m.Backend == c.Backend) && (m.Method == "" || m.Method == c.Method) &&
		(m.Account == "" || m.Account == c.Account) && (m.Project == "" || m.Project == c.Project) && match(m.Model, c.Model)
}

// How much is remembered: the demo runs for long.
const (
	maxCalls     = 100_000
	maxCallBytes = 64 << 20 // of bodies
)

// callLog remembers the latest calls.
type callLog struct {
	mu     sync.Mutex
	calls  []*Call // oldest first
	bodies int     // index in calls of the oldest whose body is kept
	bytes  int     // of the bodies kept
	active int
}

// begin notes a call that has just arrived.
func (l *callLog) begin(c *exchange, r *http.Request, now time.Time) {
	call := &Call{
		Began: now, Backend: c.Backend, Method: c.Method, Project: c.Project, Model: c.Model, Location: c.Location,
		Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: c.payload,
	}
	c.record = call
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.calls) == maxCalls {
		l.calls = append(make([]*Call, 0, maxCalls), l.calls[maxCalls/4:]...)
		l.bodies = max(l.bodies-maxCalls/4, 0)
		l.bytes = 0
		for _, kept := range l.calls[l.bodies:] {
			l.bytes += len(kept.Body)
		}
	}
	l.calls = append(l.calls, call)
	l.active++
	for l.bytes += len(call.Body); l.bytes > maxCallBytes; l.bodies++ {
		l.bytes -= len(l.calls[l.bodies].Body)
		l.calls[l.bodies].Body = nil
	}
}

// note keeps what was found out about a call.
func (l *callLog) note(c *exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.record.Account, c.record.Project, c.record.Model = c.account, c.Project, c.Model
}

// answered notes the status of the answer.
func (l *callLog) answered(c *exchange, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.record.Status = status
}

// refused notes the quota for which the call is refused.
func (l *callLog) refused(c *exchange, what resource) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.record.Quota = what.String()
}

// signed notes with what the function calls of the answer are signed.
func (l *callLog) signed(c *exchange, signature string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.record.Signature = signature
}

func (l *callLog) end(c *exchange, now time.Time, canceled bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active--
	c.record.Ended, c.record.Canceled = now, canceled
}

// Calls returns the calls that match, oldest first, of the latest hundred thousand.
func (s *Server) Calls(m Match) []Call {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	var found []Call
	for _, c := range s.log.calls {
		if m.fits(c) {
			found = append(found, *c)
		}
	}
	return found
}

// Count is how many calls match, of the latest hundred thousand.
func (s *Server) Count(m Match) int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	n := 0
	for _, c := range s.log.calls {
		if m.fits(c) {
			n++
		}
	}
	return n
}

// Active is how many calls are being answered at this moment.
func (s *Server) Active() int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.active
}

// ForgetCalls empties the memory of calls.
func (s *Server) ForgetCalls() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.calls, s.log.bodies, s.log.bytes = nil, 0, 0
}
