package rotator

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// What is believed of a state at most: it comes from a disk, or from whoever can write there.
const (
	maxCount     = 1 << 40        // calls or tokens
	maxSpans     = 128            // of a minute: there are some sixty
	maxName      = 256            // bytes of a model's or a quota's name
	maxReason    = 1 << 10        // bytes
	maxSecret    = 16 << 10       // bytes of an access token
	maxTokenLife = 26 * time.Hour // Google's live for an hour, at most for twelve
	maxStreak    = 32
)

// Restore adds what another process, or this one before, knew. It never makes anything better than it is known to be: the later token,
// the later cooldown, the larger count of the same day hold, so restoring the same twice, or the group of several accounts from each
// of them, counts nothing twice. What is over, or cannot be true, is left out: state comes from a disk. A token that is restored is
// refreshed ahead of its end like any other. projects is what the pool has, or will have, in its Options.
func (c *Candidate) Restore(s *AccountState, projects *Projects) {
	if s == nil {
		return
	}
	now := time.Now()
	c.restoreToken(s.Token, now)
	c.restoreOutage(s.Outage, now)
	raise(&c.requests, s.Requests)
	raise(&c.errors, s.Errors)
	if n := min(s.Refusals, maxRefusals); n > c.refusals.Load() {
		c.refusals.Store(n)
	}
	if s.Project != c.Project {
		return
	}
	projects.learn(c, s.Consumer, now) // before what is known of the group: that is then the same of all accounts, and not added up
	c.Group.restore(s.Models, now.UnixNano())
}

func raise(n *atomic.Int64, to int64) {
	for old := n.Load(); old < to && to <= maxCount; old = n.Load() {
		if n.CompareAndSwap(old, to) {
			return
		}
	}
}

// printable reports whether a text has so many bytes at most, all of which are visible ASCII: whatever is sent to Google must be.
func printable(s string, most int) bool {
	return len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// token returns the token if it can be used.
func (s *TokenState) token(now time.Time) *Token {
	if s == nil || s.Secret == "" || !printable(s.Secret, maxSecret) || !printable(s.Project, maxName) || !printable(s.QuotaProject, maxName) {
		return nil
	}
	if !s.Expiry.After(now) || s.Expiry.After(now.Add(maxTokenLife)) {
		return nil
	}
	return &Token{Secret: s.Secret, Expiry: s.Expiry, Project: s.Project, QuotaProject: s.QuotaProject}
}

func (c *Candidate) restoreToken(s *TokenState, now time.Time) {
	t := s.token(now)
	if t == nil {
		return
	}
	c.refresh.mu.Lock()
	defer c.refresh.mu.Unlock()
	if old := c.current.Load(); old.usable(now) && (old.Expiry.IsZero() || !old.Expiry.Before(t.Expiry)) {
		return
	}
	c.current.Store(t)
	c.config.CompareAndSwap(nil, c.Credential)
	c.planAhead(t, now)
}

func (c *Candidate) restoreOutage(s *OutageState, now time.Time) {
	switch {
	case s == nil:
	case s.Operator:
		c.disable()
	case len(s.Reason) > maxReason, s.Until.After(now.Add(maxDelay)):
	case s.Until.IsZero() || s.Until.After(now):
		c.suspend(&outage{until: s.Until, reason: s.Reason}, now)
	}
}

// restore merges what is known of models. It forgets none to make room.
func (g *Group) restore(models map[string]ModelState, now int64) {
	if len(models) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(models))
	names = names[:min(len(names), maxFacts)]
	g = g.lock()
	for _, model := range names {
		m := models[model]
		if f := m.facts(now); f != nil && validModel(model) {
			g.restoreModel(model, f, now)
		}
	}
	g.mu.Unlock()
	for _, model := range names {
		if bucket := models[model].Bucket; bucket != model && validModel(model) && validModel(bucket) && g.hasRoom(2) {
			g.share(model, bucket, now)
		}
	}
}

func validModel(name string) bool { return name != "" && printable(name, maxName) }

func (g *Group) hasRoom(models int) bool {
	g = g.lock()
	defer g.mu.Unlock()
	return len(g.models)+models <= maxFacts
}

// restoreModel merges what is known of a model. The caller holds the lock.
func (g *Group) restoreModel(model string, f *facts, now int64) {
	if own := g.models[model]; own != nil {
		own.merge(f, now)
	} else if len(g.models) < maxFacts {
		g.models[model] = f
	}
}

// facts returns what of the state is credible and not over; nil if nothing is.
func (m *ModelState) facts(now int64) *facts {
	f := &facts{load: math.Inf(-1), used: now, streak: min(max(m.Streak, 0), maxStreak)}
	f.day.roll(now)
	f.minute.restore(m.Minute, now)
	if d := m.Day; d != nil && d.Ends.Equal(moment(f.day.ends)) && credible(d.Calls) && credible(d.Tokens) {
		f.day.calls, f.day.tokens = d.Calls, d.Tokens
	}
	if c := m.Cooldown; c != nil && c.credible(moment(now)) {
		f.until, f.state, f.absent, f.marked, f.told = c.Until.UnixNano(), c.State, c.Absent, now, true
	}
	for q, l := range m.limits() {
		if *l != nil && (*l).credible(moment(now)) {
			f.restoreLimit(Quota(q), *l, now)
		}
	}
	if len(f.minute.spans) == 0 && f.day.calls == 0 && f.until == 0 && f.learned == nil && f.streak == 0 {
		return nil
	}
	return f
}

func credible(count int64) bool { return count >= 0 && count <= maxCount }

func (c *CooldownState) credible(now time.Time) bool {
	known := c.State == StateRateShort || c.State == StateQuotaLong || c.State == StateNotEntitled
	return known && c.Until.After(now) && !c.Until.After(now.Add(maxDelay))
}

func (l *LimitState) credible(now time.Time) bool {
	return len(l.Quota) <= maxName && l.Value > 0 && l.Value <= maxCount &&
		l.Until.After(now.Add(-believed)) && !l.Until.After(now.Add(believed))
}

func (f *facts) restoreLimit(q Quota, l *LimitState, now int64) {
	if f.learned == nil {
		f.learned = &learned{}
	}
	f.learned.limits[q] = learnedLimit{id: l.Quota, value: l.Value, until: l.Until.UnixNano()}
	f.learned.believe(&f.learned.limits[q], now)
}

// merge adds what is restored to what is known. Where both know something, the worse holds; of one limit, the later word.
func (f *facts) merge(restored *facts, now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pass(now)
	f.minute.merge(restored.minute.spans)
	if f.day.ends == restored.day.ends {
		f.day.calls = max(f.day.calls, restored.day.calls)
		f.day.tokens = max(f.day.tokens, restored.day.tokens)
	}
	if restored.until > f.until {
		f.until, f.state, f.absent, f.told = restored.until, restored.state, restored.absent, true
	}
	f.streak = max(f.streak, restored.streak)
	switch {
	case restored.learned == nil:
	case f.learned == nil:
		f.learned = restored.learned
	default:
		f.learned.merge(restored.learned, now)
	}
}

// merge takes over the limits that were named later, and those on another quota that are tighter.
func (n *learned) merge(other *learned, now int64) {
	for q := range n.limits {
		own, l := &n.limits[q], &other.limits[q]
		later := own.id == l.id && (own.until < l.until || own.until == l.until && own.value > l.value)
		if l.value > 0 && (own.value == 0 || later || own.id != l.id && own.value > l.value) {
			*own = *l
			n.believe(own, now)
		}
	}
}

// restore fills an empty window with what of the spans can be true. A clock that was set back since counts as now.
func (w *window) restore(spans []SpanState, now int64) {
	for _, s := range spans[max(len(spans)-maxSpans, 0):] {
		if s[0] < 0 || s[0] > (now+minute)/millisecond || !credible(s[2]) || !credible(s[3]) || s[2] == 0 {
			continue
		}
		first := min(s[0]*millisecond, now)
		last := first + min(max(s[1], 0), grain/millisecond)*millisecond
		if last+lasting > now {
			w.spans = append(w.spans, span{first: first, last: last, calls: s[2], tokens: s[3]})
		}
	}
	slices.SortFunc(w.spans, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	w.sum()
}

// merge adds spans, which are in order. Those that began in the same millisecond are the same calls, seen at different times. Calls
// that were under way stay as they were counted.
func (w *window) merge(restored []span) {
	if len(restored) == 0 {
		return
	}
	own := w.spans[w.head:]
	merged := make([]span, 0, len(own)+len(restored))
	for len(own) > 0 && len(restored) > 0 {
		switch a, b := own[0], restored[0]; cmp.Compare(a.first/millisecond, b.first/millisecond) {
		case -1:
			merged, own = append(merged, a), own[1:]
		case 1:
			merged, restored = append(merged, b), restored[1:]
		default:
			merged = append(merged, span{
				first: a.first, last: max(a.last, b.last), calls: max(a.calls, b.calls), tokens: max(a.tokens, b.tokens),
			})
			own, restored = own[1:], restored[1:]
		}
	}
	w.left += int64(len(w.spans) - w.head)
	w.spans, w.head = append(append(merged, own...), restored...), 0
	w.sum()
}

// sum counts what is in a window that begins at its first span.
func (w *window) sum() {
	w.calls, w.tokens = 0, 0
	for _, s := range w.spans {
		w.calls += s.calls
		w.tokens += s.tokens
	}
}
