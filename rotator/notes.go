package rotator

import (
	"fmt"
	"slices"
	"strings"
)

// maxNamed bounds the names in a note.
const maxNamed = 12

// shared is the accounts whose groups are counted as one.
type shared struct {
	groups []*Group
	labels []string
	named  []string // names of the groups that an operator gave, or a project
}

// nameJoined gives the accounts of groups that were joined the name of the first one's group, and returns what to say about them.
func nameJoined(accounts []AccountSnapshot) (notes []string) {
	joined := make(map[*Group]*shared)
	for i := range accounts {
		if a := &accounts[i]; a.group != a.whole {
			joined[a.whole] = &shared{}
		}
	}
	if len(joined) == 0 {
		return nil
	}
	names := make(map[*Group]string)
	var order []*shared
	for i := range accounts {
		a := &accounts[i]
		s := joined[a.whole]
		if s == nil {
			continue
		}
		if len(s.labels) == 0 {
			names[a.whole] = a.QuotaGroup
			order = append(order, s)
		}
		s.add(a)
		a.QuotaGroup = names[a.whole]
	}
	for _, s := range order {
		if len(s.groups) > 1 {
			notes = append(notes, s.note())
		}
	}
	return notes
}

func (s *shared) add(a *AccountSnapshot) {
	if !slices.Contains(s.groups, a.group) {
		s.groups = append(s.groups, a.group)
	}
	if a.QuotaGroup != a.Label && !slices.Contains(s.named, a.QuotaGroup) {
		s.named = append(s.named, a.QuotaGroup)
	}
	s.labels = append(s.labels, a.Label)
}

func (s *shared) note() string {
	note := fmt.Sprintf("these %d accounts share one project, so Google counts them as one: %s", len(s.labels), listed(s.labels))
	if len(s.named) > 1 {
		note += fmt.Sprintf(" (configured as the quota groups %s)", listed(s.named))
	}
	return note
}

func listed(names []string) string {
	if more := len(names) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), more)
	}
	return strings.Join(names, ", ")
}
