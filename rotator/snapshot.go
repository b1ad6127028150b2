package rotator

import (
	"cmp"
	"slices"
	"time"
)

// PoolSnapshot is what status shows of a pool. It names accounts as the operator does, and holds no secret.
type PoolSnapshot struct {
	Pool     PoolCounts        `json:"pool"`
	Accounts []AccountSnapshot `json:"accounts"`
	// Models are those that were overloaded lately.
	Models []ModelSnapshot `json:"models"`
	// Notes say in words what the numbers do not: which accounts turned out to share one quota.
	Notes []string `json:"notes,omitempty"`
}

// PoolCounts sums up the accounts.
type PoolCounts struct {
	Accounts     int   `json:"accounts"`
	Ready        int   `json:"ready"`
	Cooling      int   `json:"cooling"`
	Disabled     int   `json:"disabled"`
	CachedTokens int   `json:"cached_tokens"`
	InFlight     int64 `json:"in_flight"`
	Queued       int   `json:"queued"`
}

// AccountSnapshot is one account. It is ready if it is usable for at least one model, cooling if each model it was used for is
// out of quota or its token cannot be had at the moment, and disabled if it is not used for anything.
type AccountSnapshot struct {
	Index      int            `json:"index"`
	Label      string         `json:"label"`
	Aliases    []string       `json:"aliases,omitempty"` // other labels it has, where several pools are shown as one
	Backend    string         `json:"backend"`
	QuotaGroup string         `json:"quota_group"`
	State      string         `json:"state"`
	Reason     string         `json:"reason"`
	Token      TokenSnapshot  `json:"token"`
	Requests   int64          `json:"requests"`
	Errors     int64          `json:"errors"`
	InFlight   int64          `json:"in_flight"`
	Models     []ModelAccount `json:"models"`

	group, whole *Group // as configured, and as counted
}

// TokenSnapshot says whether an access token is at hand and for how many seconds; an API key does not expire.
type TokenSnapshot struct {
	Cached    bool  `json:"cached"`
	ExpiresIn int64 `json:"expires_in,omitzero"`
}

// ModelAccount is what is known about an account's quota group for one model. Reason is rate_short, quota_long,
// not_entitled or probing.
type ModelAccount struct {
	Model  string    `json:"model"`
	State  string    `json:"state"`
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitzero"`
	RPM    Usage     `json:"rpm"`
	RPD    Usage     `json:"rpd"`
	TPM    Usage     `json:"tpm"`
}

// Usage is what was used of a quota; Limit is 0 when it is not known.
type Usage struct {
	Used     int64     `json:"used"`
	Limit    int64     `json:"limit,omitzero"`
	ResetsAt time.Time `json:"resets_at,omitzero"`
}

// ModelSnapshot is a model as a whole.
type ModelSnapshot struct {
	Model string    `json:"model"`
	State string    `json:"state"`
	Until time.Time `json:"until,omitzero"`
}

// Snapshot returns the state of the pool as it is now. It looks at every account.
func (p *Pool) Snapshot() PoolSnapshot { return p.snapshot(p.candidates()) }

func (p *Pool) snapshot(candidates []Candidate) PoolSnapshot {
	now := time.Now()
	s := PoolSnapshot{Accounts: make([]AccountSnapshot, 0, len(candidates)), Models: p.options.Models.snapshot(now)}
	s.Pool.Accounts, s.Pool.Queued = len(candidates), p.queued()
	limits := make(map[string]*rules)
	groups := make(map[*Group][]ModelAccount)
	for i := range candidates {
		c := &candidates[i]
		models, seen := groups[c.Group]
		if !seen {
			models = c.Group.snapshot(now, func(model string) *rules { return p.limitsOnce(model, limits) })
			groups[c.Group] = models
		}
		a := c.snapshot(models, now)
		s.Accounts = append(s.Accounts, a)
		s.Pool.add(&a)
	}
	s.Notes = nameJoined(s.Accounts)
	return s
}

func (n *PoolCounts) add(a *AccountSnapshot) {
	switch a.State {
	case StateReady:
		n.Ready++
	case StateCooling:
		n.Cooling++
	case StateDisabled:
		n.Disabled++
	}
	if a.Token.Cached {
		n.CachedTokens++
	}
	n.InFlight += a.InFlight
}

// groupName is the quota group for people: an account that has none but its own is a group by its label, not by its fingerprint.
func (c *Credential) groupName() string {
	if c.QuotaGroup == c.ID {
		return c.Label
	}
	return c.QuotaGroup
}

// snapshot returns the account, of whose group models are known.
func (c *Candidate) snapshot(models []ModelAccount, now time.Time) AccountSnapshot {
	a := AccountSnapshot{
		Index: c.Index, Label: c.Label, Backend: c.Backend, QuotaGroup: c.groupName(), State: StateReady,
		Requests: c.requests.Load(), Errors: c.errors.Load(), InFlight: c.inFlight.Load(), Models: []ModelAccount{},
		group: c.Group, whole: c.Group.whole(),
	}
	if t := c.current.Load(); t.usable(now) {
		a.Token.Cached = true
		if !t.Expiry.IsZero() {
			a.Token.ExpiresIn = int64(t.Expiry.Sub(now) / time.Second)
		}
	}
	for _, m := range models {
		if c.serves(m.Model) {
			a.Models = append(a.Models, m)
		}
	}
	if out := c.unusable(now); out != nil {
		a.State, a.Reason = out.state(), out.reason
	} else if reason, cooling := allCooling(a.Models); cooling {
		a.State, a.Reason = StateCooling, reason
	}
	return a
}

// allCooling reports whether all models cool, and if so why the one does that is back first.
func allCooling(models []ModelAccount) (reason string, yes bool) {
	// A model that the account does not have says nothing about the others: any client can ask for one.
	models = slices.DeleteFunc(slices.Clone(models), func(m ModelAccount) bool { return m.Reason == StateNotEntitled })
	if len(models) == 0 || slices.ContainsFunc(models, func(m ModelAccount) bool { return m.State != StateCooling }) {
		return "", false
	}
	return slices.MinFunc(models, func(a, b ModelAccount) int { return a.Until.Compare(b.Until) }).Reason, true
}

// cooling is allCooling for the models that the group is known for and the credential may serve.
func (g *Group) cooling(c *Credential, now int64, limits func(model string) *rules) bool {
	g = g.lock()
	defer g.mu.Unlock()
	all := false
	for model, f := range g.models {
		if !c.serves(model) {
			continue
		}
		switch f.status(now, limits(model)) {
		case StateNotEntitled:
		case "":
			return false
		default:
			all = true
		}
	}
	return all
}

// status is the word for why no call can be served; empty when some can. A moment's patience is no state of the group.
func (f *facts) status(now int64, l *rules) string {
	hasty := *l
	hasty.patient = false
	return f.shortage(now, &hasty).state
}

// snapshot returns the group's models in alphabetical order. limits says what a model's limits are.
func (g *Group) snapshot(now time.Time, limits func(model string) *rules) []ModelAccount {
	g = g.lock()
	defer g.mu.Unlock()
	models := make([]ModelAccount, 0, len(g.models))
	for model, f := range g.models {
		models = append(models, f.snapshot(model, now.UnixNano(), limits(model)))
	}
	slices.SortFunc(models, func(a, b ModelAccount) int { return cmp.Compare(a.Model, b.Model) })
	return models
}

func (f *facts) snapshot(model string, now int64, l *rules) ModelAccount {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := ModelAccount{Model: model, State: StateReady}
	limit := f.learned.within(now, l)
	limit.patient = false // a moment's patience is no state of the group
	if s := f.missing(now, &limit); s.state != "" {
		m.State, m.Reason, m.Until = StateCooling, s.state, seconds(s.until)
	}
	m.RPM = Usage{Used: f.minute.calls, Limit: limit.RPM}
	m.TPM = Usage{Used: f.minute.tokens, Limit: limit.TPM}
	m.RPD = Usage{Used: f.day.calls, Limit: limit.RPD, ResetsAt: seconds(f.day.ends)}
	return m
}

// seconds is a moment as status shows it: rounded up to a second, so that it is not too early.
func seconds(nanos int64) time.Time {
	return time.Unix(0, nanos+int64(time.Second)-1).UTC().Truncate(time.Second)
}

// snapshot returns the models that are overloaded, in alphabetical order.
func (m *Models) snapshot(now time.Time) []ModelSnapshot {
	marks := *m.until.Load()
	list := make([]ModelSnapshot, 0, len(marks))
	for model, until := range marks {
		s := ModelSnapshot{Model: model, State: StateReady}
		if until.After(now) {
			s.State, s.Until = StateOverloaded, seconds(until.UnixNano())
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b ModelSnapshot) int { return cmp.Compare(a.Model, b.Model) })
	return list
}
