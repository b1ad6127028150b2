package gateway

import (
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/signatures"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

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

// Recall gives the calls of a request their signatures back.
func Recall(cache *signatures.Cache, c Client, request *translate.Request, m *gemini.Model) {
	newMemory(cache, c, request).recall(m)
}

// Keep remembers the signature of a call that a request was answered with.
func Keep(cache *signatures.Cache, c Client, request *translate.Request, ev *translate.Event) {
	newMemory(cache, c, request).keep(ev)
}
