package rotator

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Candidate is an account a pool may use: what the operator said about it, and what has been learned about it and its quota group.
type Candidate struct {
	*Credential
	*Account
	*Group
}

// Options are what a handler thinks about its accounts. The zero Options will do.
type Options struct {
	// Policy is headroom if nil.
	Policy Policy
	Limits []Limit
	// CooldownMin and CooldownMax bound a cooldown for which Google names no time; 5 s and 1 h if 0.
	CooldownMin, CooldownMax time.Duration
	// Retries is how many retries of failed calls there may be for each request, over all requests; 0.2 if 0.
	Retries float64
	// Models is shared with all other pools; one of its own if nil.
	Models *Models
	// Projects is shared with all other pools that share groups; one of its own if nil.
	Projects *Projects
	// Notify is told of changes, by the goroutine that noticed and without a lock held; nil for nobody.
	Notify func(Change)
	// Queue is how many requests may wait at once, over all models: see Wait. None may if 0.
	Queue int
	// QueueBytes is how many bytes they may keep in memory together, by Query.Bytes; 256 MiB if 0. One may wait whatever it keeps.
	QueueBytes int64
	// Affinity is who served a conversation last, and AffinityFor for how long that counts. It is shared with all other pools, as it is
	// a fact. Conversations do not matter if either is 0.
	Affinity    *Affinity
	AffinityFor time.Duration
	// Hedge is the share of requests for which a second call may be made while the first is under way: see Pool.Hedge. None may if 0.
	Hedge float64
}

const (
	defaultCooldownMin = 5 * time.Second
	defaultCooldownMax = time.Hour
	defaultRetries     = 0.2
	defaultQueueBytes  = 256 << 20
)

// Change is that an account, or its quota group for one model, began or ceased to be usable.
type Change struct {
	Credential *Credential
	// State is ready, cooling or disabled.
	State string
	// Model is the model it is about; empty for the account as a whole.
	Model string
	// Until is when it will be usable again by itself; zero for never, and for ready.
	Until  time.Time
	Reason string
}

// maxIndexes bounds the models that a pool keeps in order: clients can name any model.
const maxIndexes = 64

// Pool is the accounts of one handler. It is made anew with each configuration; all it holds is opinions, and an order among the
// candidates that can be made again from the facts in Account, Group and Models. It is safe for concurrent use.
type Pool struct {
	options  Options
	volatile bool // see Volatile
	retries  *Budget
	hedges   *Budget
	paces    paces
	lines    *lines

	mu   sync.Mutex           // for replacing the view
	view atomic.Pointer[view] // never changed in place, so that reading it takes no lock
}

// view is the candidates of a pool, and the orders that were made of them, by model.
type view struct {
	candidates []Candidate
	numbers    map[string]int32 // see seats
	indexes    map[string]*index
}

// NewPool returns a pool of the candidates, which are in the order of the configuration.
func NewPool(candidates []Candidate, o Options) *Pool {
	if o.Policy == nil {
		o.Policy = headroom{}
	}
	if o.CooldownMin <= 0 {
		o.CooldownMin = defaultCooldownMin
	}
	if o.CooldownMax <= 0 {
		o.CooldownMax = defaultCooldownMax
	}
	o.CooldownMax = max(o.CooldownMax, o.CooldownMin)
	if o.Retries <= 0 {
		o.Retries = defaultRetries
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = defaultQueueBytes
	}
	if o.Models == nil {
		o.Models = NewModels()
	}
	if o.Projects == nil {
		o.Projects = NewProjects()
	}
	if o.Notify == nil {
		o.Notify = func(Change) {}
	}
	p := &Pool{options: o, retries: NewBudget(o.Retries), hedges: &Budget{share: o.Hedge, most: maxHedges}}
	p.paces.models = make(map[string]*pace)
	p.lines = newLines(p)
	if v, ok := o.Policy.(Volatile); ok {
		p.volatile = v.Volatile()
	}
	p.look(candidates)
	return p
}

// Replace gives the pool other candidates, because what they were made from has changed. What is known of accounts and groups stays,
// and so do requests that wait, leases and budgets.
func (p *Pool) Replace(candidates []Candidate) {
	p.mu.Lock()
	p.look(candidates)
	p.mu.Unlock()
	p.lines.serve()
}

// look begins a view of the candidates. The caller holds the lock.
func (p *Pool) look(candidates []Candidate) {
	for i := range candidates {
		candidates[i].bell.Store(&p.options.Models.bell)
		if h, ok := candidates[i].Minter.(Holder); ok {
			candidates[i].current.CompareAndSwap(nil, h.Held())
		}
	}
	p.view.Store(&view{slices.Clone(candidates), p.options.Affinity.numbers(candidates), make(map[string]*index)})
}

// candidates are those there are at the moment. They must not be changed.
func (p *Pool) candidates() []Candidate { return p.view.Load().candidates }

// Query is what a request wants of a pool.
type Query struct {
	Model  string
	Tokens int64 // estimate of the prompt
	// Tried is what this request has tried before; nil for nothing. Settle adds to it.
	Tried *Tried
	// Bytes are what the request keeps in memory while it waits, besides what all do. They are for the bound of all that wait.
	Bytes int64
	// Client is whose request it is, for fairness between those that wait. It may be empty, which is a client like any other.
	Client string
	// Conversation is a hash of what the request continues, the same for all requests of a conversation; 0 for none. See Affinity.
	Conversation uint64
	// Opening is that the conversation begins here, as far as can be told, so that no account is better for it than others. Whoever
	// serves it is remembered.
	Opening bool
	// Trace takes notes of what is considered; nil for nobody.
	Trace *Trace
}

// Acquire chooses an account and counts the call against the quotas of its group. It never waits, and it does not go before those that
// do. The lease must be settled. The error is always an *Exhausted.
func (p *Pool) Acquire(q Query) (*Lease, error) {
	now := time.Now()
	if e := p.lines.ahead(q.Model, now); e != nil {
		if q.Trace != nil {
			p.note(&q, step{at: now}, nil, e)
		}
		return nil, e
	}
	lease, exhausted, news := p.acquire(now, &q)
	p.tell(news)
	if q.Trace != nil {
		p.note(&q, step{at: now}, lease, exhausted)
	}
	if exhausted != nil {
		return nil, exhausted
	}
	return lease, nil
}

// acquire is Acquire, whoever waits. The changes are to be told once no lock is held.
func (p *Pool) acquire(now time.Time, q *Query) (*Lease, *Exhausted, []Change) {
	if until := p.options.Models.overloaded(q.Model, now); !until.IsZero() && q.Tried.empty() {
		return nil, &Exhausted{Model: q.Model, Cause: CauseOverloaded, RetryAfter: until.Sub(now)}, nil
	}
	ix := p.index(q.Model, now)
	var chosen choice
	corrected := *q
	corrected.Tokens = ix.estimates.Load().correct(q.Tokens)
	exhausted, news := ix.choose(now, &corrected, &chosen)
	if exhausted != nil && exhausted.Cause == CauseTooLarge && corrected.Tokens > q.Tokens {
		// What other prompts were like is no reason to turn one away for good: Google knows how large it is.
		exhausted, news = ix.choose(now, q, &chosen)
	}
	if exhausted != nil {
		return nil, exhausted, news
	}
	return p.lease(ix, &chosen, q, now), nil, news
}

// lease begins the call that a choice was booked for.
func (p *Pool) lease(ix *index, chosen *choice, q *Query, now time.Time) *Lease {
	c := chosen.candidate
	if c.config.Load() != c.Credential {
		c.config.Store(c.Credential)
	}
	c.requests.Add(1)
	if p.options.Hedge > 0 && chosen.why != byHedge && q.Tried.empty() {
		p.hedges.Earn()
	}
	return &Lease{index: ix, choice: *chosen, tried: q.Tried, estimate: q.Tokens, began: now.UnixNano()}
}

func (p *Pool) tell(news []Change) {
	for _, change := range news {
		p.options.Notify(change)
	}
}

// RetryAfter is how long until a call for the model can be served; 0 when one can be now, and when none ever will be.
func (p *Pool) RetryAfter(model string) time.Duration {
	now := time.Now()
	wait := p.index(model, now).retryAfter(now)
	if until := p.options.Models.overloaded(model, now); !until.IsZero() {
		wait = max(wait, until.Sub(now))
	}
	return wait
}

// Retries is the budget for trying again what failed for no reason that the pool could learn from: see Anywhere.
func (p *Pool) Retries() *Budget { return p.retries }

// Ready reports whether at least one account is usable for one model or another.
func (p *Pool) Ready() bool {
	now := time.Now()
	limits := make(map[string]*rules)
	candidates := p.candidates()
	for i := range candidates {
		if c := &candidates[i]; c.unusable(now) == nil && !c.Group.cooling(c.Credential, now.UnixNano(), func(model string) *rules {
			return p.limitsOnce(model, limits)
		}) {
			return true
		}
	}
	return false
}

// limitsOnce is limits for who asks for the same models again and again.
func (p *Pool) limitsOnce(model string, known map[string]*rules) *rules {
	if l := known[model]; l != nil {
		return l
	}
	l := p.limits(model)
	known[model] = &l
	return &l
}

// index returns the order of the candidates for a model, and makes it when the model is asked for the first time, and anew when groups
// have been joined since or the clock was set back.
func (p *Pool) index(model string, now time.Time) *index {
	if ix := p.view.Load().indexes[model]; ix != nil && ix.joins == p.options.Projects.joins.Load() && !ix.ahead(now) {
		return ix
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	joins, old := p.options.Projects.joins.Load(), p.view.Load()
	stale := old.indexes[model]
	if stale != nil && stale.joins == joins && !stale.ahead(now) {
		return stale
	}
	next := &view{old.candidates, old.numbers, maps.Clone(old.indexes)}
	if len(next.indexes) >= maxIndexes && stale == nil {
		delete(next.indexes, leastUsed(next.indexes))
	}
	ix := newIndex(p, next.candidates, model, now)
	ix.joins = joins
	p.options.Affinity.seat(ix, next.numbers, len(next.candidates))
	next.indexes[model] = ix
	p.view.Store(next)
	return ix
}

// ahead reports whether the clock was set back since the order was used last. Then nothing of it would come up until it is as late again.
func (ix *index) ahead(now time.Time) bool { return ix.used.Load()-now.UnixNano() > clockMoved }

func leastUsed(indexes map[string]*index) string {
	var model string
	var least int64
	for m, ix := range indexes {
		if used := ix.used.Load(); model == "" || used < least {
			model, least = m, used
		}
	}
	return model
}

// rules is what a pool makes of a model, whatever the group.
type rules struct {
	Limit
	// patient is that calls can wait, so that a group of which nothing is known can be found out in good order: see proofs.
	patient bool
}

// limits returns what the configuration allows for a model, all matching limits taken together.
func (p *Pool) limits(model string) rules {
	l := rules{Limit: Limit{Model: model}, patient: p.options.Queue > 0}
	for _, one := range p.options.Limits {
		if !matches(one.Model, model) {
			continue
		}
		l.RPM, l.RPD, l.TPM = tighter(l.RPM, one.RPM), tighter(l.RPD, one.RPD), tighter(l.TPM, one.TPM)
	}
	return l
}

func tighter(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

func matches(glob, model string) bool {
	ok, err := path.Match(glob, model)
	return ok && err == nil
}

// serves reports whether the operator lets the credential serve a model.
func (c *Credential) serves(model string) bool {
	return len(c.Models) == 0 || slices.ContainsFunc(c.Models, func(glob string) bool { return matches(glob, model) })
}

// Cause is why no account can be had.
type Cause uint8

// The causes.
const (
	CauseUnknownModel Cause = iota // no account may serve the model
	CauseDisabled                  // all that may are disabled
	CauseNotEntitled               // no quota group has a quota for the model
	CauseAbsent                    // no quota group has the model
	CauseQuota                     // all are out of the model, and the soonest is back when a day's quota or the like is
	CauseRate                      // all are out of the model, and the soonest is back when a minute's quota is
	CauseTooLarge                  // the prompt is larger than the limit of a minute: waiting does not help
	CauseOverloaded                // the model is overloaded for everybody
	CauseTried                     // all that are ready have been tried by this request
	CauseCrowded                   // too many wait already
)

func (c Cause) String() string {
	return [...]string{
		"no account serves it", "all accounts are disabled", "no quota group has a quota for it", "no quota group has it", "quota", "rate limit",
		"prompt over the limit of a minute", "model overloaded", "all ready accounts tried", "too many requests wait",
	}[c]
}

// Exhausted is the error for a request that no account can serve.
type Exhausted struct { //nolint:errname // it says what happened to the pool; *Exhausted reads well where it is handled
	Model string
	Cause Cause
	// RetryAfter is when the first account is expected back; 0 when none is.
	RetryAfter time.Duration

	nothing bool // no account is ready, so the same is true of any other call
}

func (e *Exhausted) Error() string {
	return fmt.Sprintf("no account for model %s: %s", e.Model, e.Cause)
}

// mark remembers what a decision says about the world.
func (p *Pool) mark(l *Lease, d *Decision, now time.Time) {
	p.options.Projects.learn(l.choice.candidate, d.consumer, now)
	switch c := l.choice.candidate; d.Mark {
	case MarkGroup:
		if c.Group.refuse(l.index.model, d, now.UnixNano(), l.began) {
			p.options.Notify(Change{Credential: c.Credential, State: StateCooling, Model: l.index.model, Until: d.Until, Reason: d.Reason})
		}
	case MarkAccount:
		p.disable(c, d, now)
	case MarkClient:
		p.disable(c, d, now)
		for _, other := range p.candidates() {
			if c.ClientID != "" && other.ClientID == c.ClientID {
				p.disable(&other, d, now)
			}
		}
	case MarkModel:
		p.options.Models.overload(l.index.model, d.Until, now)
	case MarkToken:
		l.Renew(l.token)
	case MarkNothing:
	}
	if d.Mark == MarkGroup || d.Mark == MarkAccount || d.Mark == MarkClient {
		l.index.takeBack(&l.choice, now)
	}
}

// disable puts an account out of use.
func (p *Pool) disable(c *Candidate, d *Decision, now time.Time) {
	if c.suspend(&outage{until: d.Until, reason: d.Reason}, now) && d.refused {
		c.refusals.Add(1)
	}
	if o := c.unusable(now); o != nil {
		if change, first := o.announce(c); first {
			p.options.Notify(change)
		}
	}
}
