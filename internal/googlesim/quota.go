package googlesim

import (
	"path"
	"slices"
	"sync"
	"time"
	_ "time/tzdata" // Pacific time, wherever this runs
)

// Limits are a quota per project and model. Zero means no limit; NoQuota means that the project has none at all, which Google
// words as "limit: 0".
type Limits struct {
	RPM int64 // requests a minute
	RPD int64 // requests a day, which ends at midnight Pacific; on Code Assist 24 hours from the first one
	TPM int64 // input tokens a minute
}

func (l Limits) of(what resource) int64 { return [...]int64{l.RPM, l.RPD, l.TPM}[what] }

// NoQuota as a limit means that nothing is allowed.
const NoQuota = -1

// SetLimits gives a project a quota for the models that match a glob. A later call takes precedence over an earlier one. The
// empty project stands for every project that has no limits of its own for the model.
func (s *Server) SetLimits(project, model string, l Limits) {
	s.quota.mu.Lock()
	defer s.quota.mu.Unlock()
	s.quota.rules[project] = append(s.quota.rules[project], quotaRule{model, l})
}

// SetPaid says that a project pays, which shows in the names of its quotas.
func (s *Server) SetPaid(project string) {
	s.quota.mu.Lock()
	defer s.quota.mu.Unlock()
	s.quota.paid[project] = true
}

// SetClassicQuotas has the Developer API refuse a project's calls in the classic form of Google Cloud's quotas, which is Vertex AI's
// anyway: it names the project as consumer, but no time to come back.
func (s *Server) SetClassicQuotas(project string) {
	s.quota.mu.Lock()
	defer s.quota.mu.Unlock()
	s.quota.classic[project] = true
}

// Room reports whether a call of that many input tokens would be within the quotas at this moment. Nothing is counted.
func (s *Server) Room(b Backend, project, model string, tokens int64) bool {
	s.quota.mu.Lock()
	defer s.quota.mu.Unlock()
	l, limited := s.quota.limits(project, model)
	if !limited {
		return true
	}
	var w window
	if known := s.quota.windows[quotaKey{project, model}]; known != nil {
		w = *known
	}
	w.roll(b, s.now(), s.quota.sliding)
	_, over := w.exceeds(l, tokens)
	return !over
}

type quotaRule struct {
	model  string // glob
	limits Limits
}

type quotaKey struct{ project, model string }

// window counts what a project used of a model in the current minute and day.
type window struct {
	minute           time.Time
	requests, tokens int64
	recent           []spending // in the last sixty seconds, oldest first; only where the minute slides
	dayEnd           time.Time
	dayRequests      int64
}

type spending struct {
	at     time.Time
	tokens int64
}

type quota struct {
	sliding bool
	mu      sync.Mutex
	rules   map[string][]quotaRule // by project
	paid    map[string]bool        // projects
	classic map[string]bool        // projects
	windows map[quotaKey]*window
}

func (q *quota) init(sliding bool) {
	q.sliding = sliding
	q.rules, q.windows = map[string][]quotaRule{}, map[quotaKey]*window{}
	q.paid, q.classic = map[string]bool{}, map[string]bool{}
}

// resource is what a quota counts.
type resource uint8

const (
	requestsPerMinute resource = iota
	requestsPerDay
	tokensPerMinute
)

func (r resource) String() string { return [...]string{"rpm", "rpd", "tpm"}[r] }

// excess is a quota that a call would exceed.
type excess struct {
	what          resource
	limit         int64
	reset         time.Duration // until the window ends
	paid, classic bool
}

// take counts one call, or says which quota it would exceed. Calls that are refused are not counted.
func (q *quota) take(c *exchange, tokens int64, now time.Time) *excess {
	q.mu.Lock()
	defer q.mu.Unlock()
	l, limited := q.limits(c.Project, c.Model)
	if !limited {
		return nil
	}
	w := q.window(quotaKey{c.Project, c.Model}, c.Backend, now)
	if what, over := w.exceeds(l, tokens); over {
		return &excess{what, max(l.of(what), 0), w.end(what).Sub(now), q.paid[c.Project], q.classic[c.Project]}
	}
	w.requests++
	w.tokens += tokens
	w.dayRequests++
	if q.sliding {
		w.recent = append(w.recent, spending{now, tokens})
	}
	return nil
}

func (q *quota) limits(project, model string) (Limits, bool) {
	for _, rules := range [][]quotaRule{q.rules[project], q.rules[""]} {
		for _, r := range slices.Backward(rules) {
			if match(r.model, model) {
				return r.limits, true
			}
		}
	}
	return Limits{}, false
}

// window is the current one of a project and model.
func (q *quota) window(key quotaKey, b Backend, now time.Time) *window {
	w := q.windows[key]
	if w == nil {
		w = &window{}
		q.windows[key] = w
	}
	w.roll(b, now, q.sliding)
	return w
}

// roll begins anew where the minute or the day is over.
func (w *window) roll(b Backend, now time.Time, sliding bool) {
	if sliding {
		w.slide(now)
	} else if minute := now.Truncate(time.Minute); !minute.Equal(w.minute) {
		w.minute, w.requests, w.tokens = minute, 0, 0
	}
	if !now.Before(w.dayEnd) {
		w.dayEnd, w.dayRequests = nextMidnight(now), 0
		if b == CodeAssist {
			w.dayEnd = now.Add(24 * time.Hour)
		}
	}
}

// slide lets go of what is a minute old. The minute begins with the oldest of the rest.
func (w *window) slide(now time.Time) {
	for len(w.recent) > 0 && !now.Before(w.recent[0].at.Add(time.Minute)) {
		w.requests--
		w.tokens -= w.recent[0].tokens
		w.recent = w.recent[1:]
	}
	w.minute = now
	if len(w.recent) > 0 {
		w.minute = w.recent[0].at
	}
}

// exceeds finds the quota that one more call would be too much for.
func (w *window) exceeds(l Limits, tokens int64) (what resource, over bool) {
	switch {
	case l.RPD != 0 && w.dayRequests >= l.RPD:
		return requestsPerDay, true
	case l.RPM != 0 && w.requests >= l.RPM:
		return requestsPerMinute, true
	default:
		return tokensPerMinute, l.TPM != 0 && w.tokens+tokens > l.TPM
	}
}

// end is when a quota renews.
func (w *window) end(what resource) time.Time {
	if what == requestsPerDay {
		return w.dayEnd
	}
	return w.minute.Add(time.Minute)
}

// pacific is where the Developer API's days begin and end.
var pacific = mustLoad("America/Los_Angeles")

func mustLoad(name string) *time.Location {
	l, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return l
}

func nextMidnight(now time.Time) time.Time {
	y, m, d := now.In(pacific).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, pacific)
}

// match reports whether a name fits a glob; the empty glob fits all.
func match(glob, name string) bool {
	if glob == "" || glob == name {
		return true
	}
	ok, _ := path.Match(glob, name)
	return ok
}
