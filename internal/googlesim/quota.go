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

type quotaRule struct {
	model  string // glob
	limits Limits
}

type quotaKey struct{ project, model string }

// window counts what a project used of a model in the current minute and day.
type window struct {
	minute           time.Time
	requests, tokens int64
	dayEnd           time.Time
	dayRequests      int64
}

type quota struct {
	mu      sync.Mutex
	rules   map[string][]quotaRule // by project
	paid    map[string]bool
	windows map[quotaKey]*window
}

func (q *quota) init() {
	q.rules, q.paid, q.windows = map[string][]quotaRule{}, map[string]bool{}, map[quotaKey]*window{}
}

// resource is what a quota counts.
type resource uint8

const (
	requestsPerMinute resource = iota
	requestsPerDay
	tokensPerMinute
)

// excess is a quota that a call would exceed.
type excess struct {
	what  resource
	limit int64
	reset time.Duration // until the window ends
	paid  bool
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
	minute := w.minute.Add(time.Minute).Sub(now)
	paid := q.paid[c.Project]
	switch {
	case l.RPD != 0 && w.dayRequests >= l.RPD:
		return &excess{requestsPerDay, max(l.RPD, 0), w.dayEnd.Sub(now), paid}
	case l.RPM != 0 && w.requests >= l.RPM:
		return &excess{requestsPerMinute, max(l.RPM, 0), minute, paid}
	case l.TPM != 0 && w.tokens+tokens > l.TPM:
		return &excess{tokensPerMinute, max(l.TPM, 0), minute, paid}
	}
	w.requests++
	w.tokens += tokens
	w.dayRequests++
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

// window is the current one of a project and model, started anew where its minute or day is over.
func (q *quota) window(key quotaKey, b Backend, now time.Time) *window {
	w := q.windows[key]
	if w == nil {
		w = &window{}
		q.windows[key] = w
	}
	if minute := now.Truncate(time.Minute); !minute.Equal(w.minute) {
		w.minute, w.requests, w.tokens = minute, 0, 0
	}
	if !now.Before(w.dayEnd) {
		w.dayEnd, w.dayRequests = nextMidnight(now), 0
		if b == CodeAssist {
			w.dayEnd = now.Add(24 * time.Hour)
		}
	}
	return w
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
