package rotator

import (
	"maps"
	"slices"
	"time"
)

// AccountState is what must outlive the process of one account and of its quota group: what Candidate.Export gives and Candidate.Restore
// takes. It is made of plain values with names for JSON. It holds an access token, so it is a secret; it never holds an API key.
//
// Every account of a quota group carries what is known of the group, so the group survives as long as one of them does.
type AccountState struct {
	// Token is the access token at hand; nil for none, and for API keys, which the configuration has.
	Token *TokenState `json:"token,omitempty"`
	// Outage is why the account is not to be used; nil when it is, or when only its token cannot be had at the moment.
	Outage *OutageState `json:"outage,omitempty"`
	// Refusals is how often in a row a fresh token was refused.
	Refusals int32 `json:"refusals,omitzero"`
	// Project is Credential.Project. Under another, the account spends another quota: Consumer and Models are not its own then.
	Project string `json:"project,omitzero"`
	// Consumer is the Google Cloud project that calls of the quota group are counted for, as Google named it; empty while it has not.
	// It is that of the whole group, so that accounts whose groups were joined find each other again.
	Consumer string `json:"consumer,omitzero"`
	// Requests and Errors are the calls that were made, and those of them that failed.
	Requests int64 `json:"requests,omitzero"`
	Errors   int64 `json:"errors,omitzero"`
	// Models is what is known of the account's quota group, by model.
	Models map[string]ModelState `json:"models,omitempty"`
}

// TokenState is a Token that ends: see there.
type TokenState struct {
	Secret       string    `json:"secret"`
	Expiry       time.Time `json:"expiry"`
	Project      string    `json:"project,omitzero"`
	QuotaProject string    `json:"quota_project,omitzero"`
}

// OutageState is why an account is not to be used.
type OutageState struct {
	// Until is when it may be tried again; zero for never.
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitzero"`
	// Operator is that an operator disabled it.
	Operator bool `json:"operator,omitzero"`
}

// ModelState is what is known of one model in a quota group.
type ModelState struct {
	// Bucket is another model that this one is counted as. Everything else is there then.
	Bucket string `json:"bucket,omitzero"`
	// Day is what was spent of the day of Google's that ends then; nil for nothing.
	Day *DayState `json:"day,omitempty"`
	// Minute is what was spent in the last minute, the oldest first.
	Minute []SpanState `json:"minute,omitempty"`
	// Cooldown is until when the model is not asked for; nil when it is.
	Cooldown *CooldownState `json:"cooldown,omitempty"`
	// Streak is how often in a row the model was refused without a time.
	Streak int `json:"streak,omitzero"`
	// The limits that Google has named; nil for those it has not.
	RPM *LimitState `json:"rpm,omitempty"`
	RPD *LimitState `json:"rpd,omitempty"`
	TPM *LimitState `json:"tpm,omitempty"`
	TPD *LimitState `json:"tpd,omitempty"`
}

// DayState is what was spent of a day of Google's.
type DayState struct {
	Ends   time.Time `json:"ends"`
	Calls  int64     `json:"calls"`
	Tokens int64     `json:"tokens,omitzero"` // of prompts
}

// SpanState is calls that began within a second of each other: when the first of them began, as a Unix time in milliseconds, how many
// milliseconds later the last did, how many there were, and the tokens of their prompts.
type SpanState [4]int64

// CooldownState is until when a model is not asked for, and why.
type CooldownState struct {
	Until time.Time `json:"until"`
	// State is rate_short, quota_long or not_entitled.
	State string `json:"state"`
	// Absent is that the model is not there, rather than there without a quota.
	Absent bool `json:"absent,omitzero"`
}

// LimitState is a limit that Google has named.
type LimitState struct {
	// Quota is Google's name of it.
	Quota string `json:"quota"`
	Value int64  `json:"value"`
	// Until is when it is doubted.
	Until time.Time `json:"until"`
}

// Export returns what must outlive the process. It may be called at any time, by any goroutine.
func (c *Candidate) Export() *AccountState {
	now := time.Now()
	s := &AccountState{
		Refusals: c.refusals.Load(), Requests: c.requests.Load(), Errors: c.errors.Load(), Project: c.Project,
	}
	s.Models, s.Consumer = c.Group.export(now.UnixNano())
	if t := c.current.Load(); t.usable(now) && !t.APIKey && !t.Expiry.IsZero() {
		s.Token = &TokenState{Secret: t.Secret, Expiry: t.Expiry, Project: t.Project, QuotaProject: t.QuotaProject}
	}
	if o := c.unusable(now); o != nil && !o.passing {
		s.Outage = &OutageState{Until: o.until, Reason: o.reason, Operator: o.operator}
	}
	return s
}

// export returns what is known of the group's models, nil for nothing, and for which project they are counted.
func (g *Group) export(now int64) (models map[string]ModelState, consumer string) {
	g = g.lock()
	defer g.mu.Unlock()
	buckets := make(map[*facts]string, len(g.models))
	for _, model := range slices.Sorted(maps.Keys(g.models)) {
		f := g.models[model]
		m := ModelState{Bucket: buckets[f]}
		if m.Bucket == "" {
			m = f.export(now)
			buckets[f] = model
		}
		if m.empty() {
			continue
		}
		if models == nil {
			models = make(map[string]ModelState, len(g.models))
		}
		models[model] = m
	}
	return models, g.consumer
}

func (m *ModelState) empty() bool {
	return m.Bucket == "" && m.Day == nil && m.Minute == nil && m.Cooldown == nil && m.Streak == 0 &&
		m.RPM == nil && m.RPD == nil && m.TPM == nil && m.TPD == nil
}

func (f *facts) export(now int64) ModelState {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pass(now)
	m := ModelState{Minute: f.minute.export(), Streak: f.streak}
	if f.day.calls > 0 {
		m.Day = &DayState{Ends: moment(f.day.ends), Calls: f.day.calls, Tokens: f.day.tokens}
	}
	if f.until > now {
		m.Cooldown = &CooldownState{Until: moment(f.until), State: f.state, Absent: f.absent}
	}
	if f.learned != nil {
		for q, field := range m.limits() {
			if l := &f.learned.limits[q]; l.value > 0 {
				*field = &LimitState{Quota: l.id, Value: l.value, Until: moment(l.until)}
			}
		}
	}
	return m
}

// limits are the fields for the limits, by quota. That of QuotaOther, of which no limit is learned, is nowhere.
func (m *ModelState) limits() [quotaKinds]**LimitState {
	return [...]**LimitState{QuotaOther: new(*LimitState), QuotaRPM: &m.RPM, QuotaRPD: &m.RPD, QuotaTPM: &m.TPM, QuotaTPD: &m.TPD}
}

func (w *window) export() []SpanState {
	if w.head == len(w.spans) {
		return nil
	}
	spans := make([]SpanState, 0, len(w.spans)-w.head)
	for _, s := range w.spans[w.head:] {
		if s.calls > 0 {
			first := s.first / millisecond
			spans = append(spans, SpanState{first, (s.last+millisecond-1)/millisecond - first, s.calls, s.tokens})
		}
	}
	return spans
}

const millisecond = int64(time.Millisecond)

func moment(nanos int64) time.Time { return time.Unix(0, nanos).UTC() }

// Changes is a number that moves, upwards, whenever Export would give something else; 0 when nothing was ever learned. What an account
// changes of its quota group by its calls moves its own number only: it is in its own state, and states of the same group are merged.
// It costs a few atomic reads.
func (c *Candidate) Changes() uint64 {
	n := uint64(c.requests.Load()) + c.Account.changes.Load() + c.Group.changes.Load()
	if whole := c.Group.whole(); whole != c.Group {
		n += whole.changes.Load()
	}
	return n
}

// Watch has a function called, without arguments, when the account or its quota group changed in a way that should be kept soon: a new
// token, a cooldown, an outage, an operator's word, a learned limit, a day's quota just used up. It is called by whoever made the
// change, perhaps with a lock of the account held, so it must not block and not call back. There is at most one; nil ends it.
func (a *Account) Watch(urgent func()) {
	if urgent == nil {
		a.watcher.Store(nil)
		return
	}
	a.watcher.Store(&urgent)
}

// changed notes a change that is kept when it suits.
func (a *Account) changed() { a.changes.Add(1) }

// urgent notes a change that should be kept soon.
func (a *Account) urgent() {
	a.changes.Add(1)
	if f := a.watcher.Load(); f != nil {
		(*f)()
	}
}
