package gateway

import "testing"

// Conversation is what identifies the conversation of a request.
var Conversation = conversation

// SessionHeaders are those that name one.
var SessionHeaders = sessionHeaders[:]

// SetMaxAnswer changes the bound for one test.
func SetMaxAnswer(t testing.TB, n int) {
	before := maxAnswer
	maxAnswer = n
	t.Cleanup(func() { maxAnswer = before })
}
