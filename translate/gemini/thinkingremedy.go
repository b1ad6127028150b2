package gemini

import "slices"

// ThinkingRemedy is what refusals have said about the control of a model's thinking, where the catalogue does not know better. The zero
// value is nothing.
type ThinkingRemedy struct {
	control     thinkingControl
	refused     uint8 // the levels not taken, a bit for each of levels
	least, most int   // bounds of the budget in tokens; most is 0 when they are not known
	always      bool  // the model cannot be kept from thinking
}

type thinkingControl uint8

const (
	controlAsKnown thinkingControl = iota
	controlNone
	controlLevels
	controlBudget
)

// What a model takes of which nothing is known but that it has levels, or a budget.
var (
	usualLevels = []string{"LOW", "MEDIUM", "HIGH"}
	usualBudget = Budget{Min: 512, Max: 24576, Minimal: 512}
)

// learn adds what a complaint says.
func (r ThinkingRemedy) learn(c *Complaint) ThinkingRemedy {
	switch {
	case c.Kind == ComplaintThinking:
		r.control = controlNone
	case c.Kind == ComplaintDisable:
		r.always = true
	case c.Kind == ComplaintLevel && len(c.Levels) > 0:
		r.refused = 0
		for i, level := range levels {
			if !slices.Contains(c.Levels, level) {
				r.refused |= 1 << i
			}
		}
	case c.Kind == ComplaintLevel && c.Level != "":
		if i := slices.Index(levels, c.Level); i >= 0 {
			r.refused |= 1 << i
		}
	case c.Kind == ComplaintLevel:
		r.control = r.control.instead(controlBudget)
	case c.Kind == ComplaintBudget && c.Most > 0:
		r.least, r.most = c.Least, c.Most
		r.always = r.always || c.Off
	case c.Kind == ComplaintBudget:
		r.control = r.control.instead(controlLevels)
	}
	return r
}

// instead is the other control, once: a model that takes neither has none.
func (t thinkingControl) instead(other thinkingControl) thinkingControl {
	if t == controlAsKnown || t == other {
		return other
	}
	return controlNone
}

// correct is what the catalogue says, corrected.
func (r ThinkingRemedy) correct(t *Thinking) *Thinking {
	if t == nil || r == (ThinkingRemedy{}) {
		return t
	}
	c := *t
	switch r.control {
	case controlNone:
		return nil
	case controlLevels:
		c.Levels, c.Budget = usualLevels, nil
	case controlBudget:
		c.Levels, c.Budget = nil, &usualBudget
	case controlAsKnown:
	}
	if c.Budget != nil && r.most > 0 {
		c.Budget = &Budget{Min: r.least, Max: r.most, Minimal: max(c.Budget.Minimal, r.least)}
	}
	c.Levels = slices.DeleteFunc(slices.Clone(c.Levels), func(level string) bool {
		return r.refused&(1<<slices.Index(levels, level)) != 0
	})
	c.CanDisable = c.CanDisable && !r.always
	return &c
}
