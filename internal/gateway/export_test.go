package gateway

import "testing"

// SetMaxAnswer changes the bound for one test.
func SetMaxAnswer(t testing.TB, n int) {
	before := maxAnswer
	maxAnswer = n
	t.Cleanup(func() { maxAnswer = before })
}
