package rotator

import "slices"

// Tried is what one request has tried. The zero Tried is empty. It is for one goroutine at a time.
type Tried struct {
	few  [4]trial
	n    int
	more []trial // beyond what most requests need

	place place // it had in the line when it waited last
}

type trial struct {
	account *Account
	group   *Group
	next    Next
	whole   bool // the group was at fault
	backend string
	silent  bool // it did not answer, or cannot
}

func (t *Tried) empty() bool { return t == nil || t.n == 0 }

func (t *Tried) add(c *Candidate, d *Decision) {
	if t == nil || d.Next != Elsewhere && d.Next != Anywhere {
		return
	}
	one := trial{account: c.Account, group: c.Group, next: d.Next, whole: d.Mark == MarkGroup, backend: c.Backend, silent: d.silent || d.unfit}
	if t.n < len(t.few) {
		t.few[t.n] = one
	} else {
		t.more = append(t.more, one)
	}
	t.n++
}

// forgive forgets what was the fault of groups: for a request that waits, their time is over, or they are put aside until it is.
func (t *Tried) forgive() {
	if t.empty() {
		return
	}
	trials := append(slices.Clone(t.few[:min(t.n, len(t.few))]), t.more...)
	trials = slices.DeleteFunc(trials, func(one trial) bool { return one.whole })
	*t = Tried{n: len(trials), place: t.place}
	t.more = slices.Clone(trials[copy(t.few[:], trials):])
}

// avoidance is how strictly what was tried is kept away from.
type avoidance uint8

const (
	avoidHost  avoidance = iota // another backend would be better: this one does not answer, or cannot
	avoidAll                    // anything else would be better
	avoidSome                   // only that account, not its group
	avoidFault                  // only what was at fault
)

// strictest is how to begin. Only a backend that did not answer, or cannot, is avoided as a whole.
func (t *Tried) strictest() avoidance {
	if t.any(func(one *trial) bool { return one.silent }) {
		return avoidHost
	}
	return avoidAll
}

// backend reports whether a backend is one that did not answer, or cannot.
func (t *Tried) backend(b string) bool {
	return t.any(func(one *trial) bool { return one.silent && one.backend == b })
}

// group reports whether to keep away from a group.
func (t *Tried) group(g *Group, a avoidance) bool {
	return t.any(func(one *trial) bool {
		return one.group.whole() == g.whole() && (one.whole || a <= avoidAll && one.next == Anywhere)
	})
}

// account reports whether to keep away from an account.
func (t *Tried) account(c *Account, a avoidance) bool {
	return t.any(func(one *trial) bool {
		return one.account == c && (one.next == Elsewhere || a != avoidFault)
	})
}

func (t *Tried) any(is func(*trial) bool) bool {
	if t.empty() {
		return false
	}
	for i := range t.few[:min(t.n, len(t.few))] {
		if is(&t.few[i]) {
			return true
		}
	}
	for i := range t.more {
		if is(&t.more[i]) {
			return true
		}
	}
	return false
}
