package openai

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

var update = flag.Bool("update", false, "write the golden files anew")

// answer is a question's settings and the events that answer it.
type answer struct {
	request translate.Request
	form    chatForm
	events  []translate.Event
}

const created = 1_700_000_000

// write renders the answer. Every event goes into a buffer that is scribbled over afterwards, as a connection's buffer is: a writer
// must not keep any of it, nor of the event's own memory.
func (a answer) write(stream bool) []byte {
	form := a.form
	form.stream = stream
	w := newChatWriter(&a.request, form, created)
	var sent, buffer []byte
	for _, ev := range a.events {
		if ev.Call != nil {
			args := append([]byte(nil), ev.Call.Args...)
			ev.Call = &translate.Call{ID: ev.Call.ID, Name: ev.Call.Name, Args: args, Signature: ev.Call.Signature}
			defer func() { _ = args }()
			buffer = w.Append(buffer[:0], &ev)
			clear(args)
		} else {
			buffer = w.Append(buffer[:0], &ev)
		}
		sent = append(sent, buffer...)
		clear(buffer)
	}
	return append(sent, w.Finish(buffer[:0])...)
}

func text(s string) translate.Event      { return translate.Event{Kind: translate.EventText, Text: s} }
