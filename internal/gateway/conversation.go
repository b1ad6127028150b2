package gateway

import (
	"encoding/binary"
	"hash/maphash"
	"net/http"
	"slices"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// sessionHeaders are the headers in which clients name the conversation a request belongs to. Google caches the beginning of a prompt
// per project, so the requests of a conversation are better off with one account. Those with an underscore get here only where a server's
// expected_underscore_headers names them, and then the same name with a hyphen does not: Caddy drops it.
var sessionHeaders = [...]string{
	"X-Claude-Code-Session-Id", // Claude Code
	"Session-Id",               // Codex
	"Session_id",               // Codex before 2026, and what is modelled on it
	"Conversation_id",          // the same
	"X-Session-Affinity",       // opencode; customary with several providers
	"X-Session-Id",             // OpenRouter's, and what talks to it
	"X-Opencode-Session",       // opencode
	"X-Conversation-Id",        // CodeBuddy
	"X-Openwebui-Chat-Id",      // Open WebUI, where it is told to forward it
	"X-Grok-Conv-Id",           // xAI's, and what talks to it
}

// seed makes the hashes differ from process to process: nobody outside can make conversations collide.
var seed = maphash.MakeSeed()

// What is hashed, so that a conversation's name and its beginning cannot be mistaken for each other.
const (
	hashName = iota
	hashMessage
	hashText
	hashMedia
	hashTool
	hashResult
)

// conversation identifies the conversation a request belongs to: by what the client calls it, else by how it begins, which is the
// same in every turn. The model has no part in it. It is 0 for a request without a user's message: it begins with nothing to be known by.
func conversation(request *translate.Request, header http.Header) uint64 {
	h := hasher{}
	h.SetSeed(seed)
	if name := conversationName(request, header); name != "" {
		h.text(hashName, name)
		return h.Sum64()
	}
	first := slices.IndexFunc(request.Messages, func(m translate.Message) bool { return m.Role == translate.RoleUser })
	if first < 0 {
		return 0
	}
	for i := range request.Messages[:first+1] {
		h.message(&request.Messages[i])
	}
	for i := range request.Tools {
		h.text(hashTool, request.Tools[i].Name)
		h.text(hashTool, request.Tools[i].Description)
		h.bytes(hashTool, request.Tools[i].Schema)
	}
	return h.Sum64()
}

// conversationName is what the client calls the conversation; empty when it does not say.
func conversationName(request *translate.Request, header http.Header) string {
	if request.Conversation != "" {
		return request.Conversation
	}
	for _, name := range sessionHeaders {
		if v := header[name]; len(v) > 0 && v[0] != "" {
			return v[0]
		}
	}
	return ""
}

// leastCached is how many tokens a prompt has at least of which Google caches anything, by its documentation: it depends on the model, and
// this is the least of them.
const leastCached = 1024

// opening reports whether a request seems to begin its conversation: the client has no name for it, and the model has not spoken. The same
// question may well be asked again and again, by a script or by many clients. Such requests are spread like any others, unless they
// are so long that Google may have cached how they begin.
func opening(request *translate.Request, header http.Header, tokens int64) bool {
	return tokens < leastCached && conversationName(request, header) == "" &&
		!slices.ContainsFunc(request.Messages, func(m translate.Message) bool { return m.Role == translate.RoleModel })
}

// hasher hashes piece by piece: prompts are large, and need not be put together for it.
type hasher struct {
	maphash.Hash
	scratch [8]byte
}

func (h *hasher) message(m *translate.Message) {
	h.begin(hashMessage, int(m.Role))
	for i := range m.Parts {
		switch p := &m.Parts[i]; p.Kind {
		case translate.PartText:
			h.text(hashText, p.Text)
		case translate.PartMedia:
			h.text(hashMedia, p.Media.URI)
			h.bytes(hashMedia, p.Media.Data)
		case translate.PartResult:
			h.bytes(hashResult, p.Result.Output)
		default: // what the model said and did is not how a conversation begins
		}
	}
}

func (h *hasher) text(kind byte, s string) {
	h.begin(kind, len(s))
	_, _ = h.WriteString(s) // never fails
}

func (h *hasher) bytes(kind byte, b []byte) {
	h.begin(kind, len(b))
	_, _ = h.Write(b) // never fails
}

// begin keeps pieces apart, whatever they hold.
func (h *hasher) begin(kind byte, n int) {
	_ = h.WriteByte(kind) // never fails, nor does the other
	binary.LittleEndian.PutUint64(h.scratch[:], uint64(n))
	_, _ = h.Write(h.scratch[:])
}
