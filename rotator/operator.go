package rotator

import (
	"slices"
	"time"
)

// ByOperator is the Reason of accounts that an operator has disabled.
const ByOperator = "disabled by the operator"

// Disable puts the accounts with a label out of use until Enable, here and in every other pool that has them: no call of theirs
// begins any more, and their tokens are not refreshed. Calls under way go on. It reports whether there is such an account.
func (p *Pool) Disable(label string) bool {
	return p.labelled(label, func(c *Candidate) {
		c.disable()
		p.announce(c)
	})
}

// Enable makes the accounts with a label usable again, whether an operator or a fault disabled them. It reports whether there is
// such an account. Other pools that have it see that when they look again: see Review.
func (p *Pool) Enable(label string) bool {
	return p.labelled(label, func(c *Candidate) { p.announceEnd(c, c.forgive(true)) })
}

// Reset forgets what keeps the accounts with a label from being used, so that the next request may try them: faults and cooldowns
// of the account, the cooldowns and learned limits of its quota group, which others may share, and that models are overloaded. What
// was counted stays counted, because spent quota is spent, and so do the limits of the configuration; what an operator disabled
// stays disabled. It reports whether there is such an account. Other pools see it when they look again: see Review.
func (p *Pool) Reset(label string) bool {
	found := p.labelled(label, p.reset)
	if found {
		p.options.Models.reset()
	}
	return found
}

// ResetAll is Reset for all accounts.
func (p *Pool) ResetAll() {
	for _, c := range p.candidates() {
		p.reset(&c)
	}
	p.options.Models.reset()
}

// Review looks again at everything that was put aside, because accounts, groups or models were made usable without a call. It takes
// a few steps for each account of each model.
func (p *Pool) Review() {
	for _, ix := range p.view.Load().indexes {
		for _, change := range ix.reviewAll(time.Now()) {
			p.options.Notify(change)
		}
	}
	p.lines.serve()
}

func (p *Pool) labelled(label string, do func(*Candidate)) (found bool) {
	for _, c := range p.candidates() {
		if c.Label == label {
			do(&c)
			found = true
		}
	}
	return found
}

func (p *Pool) reset(c *Candidate) {
	p.announceEnd(c, c.forgive(false))
	for _, model := range c.Group.reset() {
		p.options.Notify(Change{Credential: c.Credential, State: StateReady, Model: model})
	}
}

// announce tells that an account is out of use, if nobody has.
func (p *Pool) announce(c *Candidate) {
	o := c.unusable(time.Now())
	if o == nil {
		return
	}
	if change, first := o.announce(c); first {
		p.options.Notify(change)
	}
}

// announceEnd tells that an outage is over, if it was told that it began.
func (p *Pool) announceEnd(c *Candidate, o *outage) {
	if o != nil && o.told.Load() && o.toldEnd.CompareAndSwap(false, true) {
		p.options.Notify(Change{Credential: c.Credential, State: StateReady})
	}
}

// disable puts the account out of use until an operator says otherwise.
func (a *Account) disable() {
	for {
		old := a.out.Load()
		if old != nil && old.operator {
			return
		}
		if a.out.CompareAndSwap(old, &outage{reason: ByOperator, operator: true}) {
			a.urgent()
			return
		}
	}
}

// forgive ends the outage of the account, and forgets how often it failed before. What an operator disabled stays so unless asked
// for. It returns the outage that it ended; nil for none.
func (a *Account) forgive(operators bool) *outage {
	a.refusals.Store(0)
	a.changed()
	a.refresh.mu.Lock()
	a.refresh.failures = 0
	a.refresh.mu.Unlock()
	for {
		o := a.out.Load()
		if o == nil || o.operator && !operators {
			return nil
		}
		if a.out.CompareAndSwap(o, nil) {
			a.urgent()
			return o
		}
	}
}

// held reports whether an operator has disabled the account.
func (a *Account) held() bool {
	o := a.out.Load()
	return o != nil && o.operator
}

// reset ends the cooldowns of all models. It returns those of which it was told that they cool, in alphabetical order.
func (g *Group) reset() []string {
	g = g.lock()
	defer g.mu.Unlock()
	g.changes.Add(1)
	var told []string
	for model, f := range g.models {
		if f.reset() {
			told = append(told, model)
		}
	}
	slices.Sort(told)
	return told
}

// reset ends the cooldown and forgets what was learned. It reports whether it was told that the model cools.
func (f *facts) reset() (told bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	told = f.told
	f.until, f.state, f.streak, f.told = 0, "", 0, false
	for q := range quotaKinds {
		if f.learned != nil {
			f.unlearn(q)
		}
	}
	f.probing.above = [quotaKinds]int64{}
	f.learned = nil // learned anew if they still hold, at the price of a refused call each
	return told
}

// reset forgets that models are overloaded.
func (m *Models) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.until.Store(&map[string]time.Time{})
}

// reviewAll looks again at all lanes and members, and returns what is to be told about them.
func (ix *index) reviewAll(now time.Time) []Change {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	for i := range ix.members {
		id, m := int32(i), &ix.members[i]
		l := &ix.lanes[ix.owner[id]]
		if m.outage != nil {
			ix.reviewMember(id, now)
		} else if o := m.candidate.unusable(now); o != nil {
			ix.putAway(l, id, o)
		}
	}
	for i := range ix.lanes {
		switch id := int32(i); ix.lanes[id].class {
		case classNarrow:
			ix.move(id, classReady, 0)
		case classProbing, classMinute, classDay, classNotEntitled, classAbsent:
			ix.review(id, now.UnixNano())
		case classReady, classDisabled, classes: // checked when it comes to the head; brought back by its members
		}
	}
	news := ix.news
	ix.news = nil
	return news
}
