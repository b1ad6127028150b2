package rotator

import (
	"cmp"
	"slices"
)

// Join is a snapshot of several pools as one. An account that several of them have is shown once, with the label that the first of
// them gives it.
func Join(pools []*Pool) PoolSnapshot {
	joined := PoolSnapshot{Accounts: []AccountSnapshot{}, Models: []ModelSnapshot{}}
	at := make(map[string]int) // by fingerprint
	for _, p := range pools {
		candidates := p.candidates()
		s := p.snapshot(candidates)
		for i := range s.Accounts {
			id := candidates[i].Credential.ID
			if n, known := at[id]; known {
				joined.Accounts[n].join(&s.Accounts[i])
				continue
			}
			at[id] = len(joined.Accounts)
			joined.Accounts = append(joined.Accounts, s.Accounts[i])
		}
		joined.Pool.Queued += s.Pool.Queued
		joined.Models = union(joined.Models, s.Models, func(m *ModelSnapshot) string { return m.Model })
	}
	joined.Pool.Accounts = len(joined.Accounts)
	for i := range joined.Accounts {
		joined.Pool.add(&joined.Accounts[i])
	}
	joined.Notes = nameJoined(joined.Accounts)
	return joined
}

// join adds how another pool sees the same account. What was counted is the account's and so the same; limits and the models it may
// serve are opinions.
func (a *AccountSnapshot) join(other *AccountSnapshot) {
	if !a.Named(other.Label) {
		a.Aliases = append(a.Aliases, other.Label)
	}
	if a.State == StateCooling && other.State == StateReady {
		a.State, a.Reason = other.State, other.Reason
	}
	a.Models = union(a.Models, other.Models, func(m *ModelAccount) string { return m.Model })
}

// Named reports whether a label is the account's, whichever pool gave it.
func (a *AccountSnapshot) Named(label string) bool {
	return a.Label == label || slices.Contains(a.Aliases, label)
}

// union adds to a list what another has and it does not, in the order of names.
func union[T any](list, other []T, name func(*T) string) []T {
	for i := range other {
		if !slices.ContainsFunc(list, func(t T) bool { return name(&t) == name(&other[i]) }) {
			list = append(list, other[i])
		}
	}
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(name(&a), name(&b)) })
	return list
}
