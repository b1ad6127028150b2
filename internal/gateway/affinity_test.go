package gateway_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// talks is a world of five accounts, used in turn but for conversations, and a way to take a turn of one of several conversations.
func talks(t *testing.T, test func(w *world, turn func(conversation, turn int) *answer)) {
	t.Helper()
	both(t, func(w *world, _ func() *answer) {
		w.policy = "round_robin"
		w.pool.Affinity, w.pool.AffinityFor = rotator.NewAffinity(), time.Hour
		w.options.Affinity = true
		for n := range 5 {
			w.key(n + 1)
		}
		w.start()
		test(w, func(conversation, turn int) *answer {
			messages := []any{
				map[string]any{"role": "system", "content": "Be brief."},
				map[string]any{"role": "user", "content": "Question " + strconv.Itoa(conversation)},
			}
			for range turn {
				messages = append(messages, map[string]any{"role": "assistant", "content": "Answer"}, map[string]any{"role": "user", "content": "And?"})
			}
			body := plain()
			if isStream(w) {
				body = stream()
			}
			body["messages"] = messages
			a := w.ask(body)
			w.text(a)
			return a
		})
	})
}

func TestConversationStaysOnItsAccount(t *testing.T) {
	talks(t, func(w *world, turn func(conversation, turn int) *answer) {
		account := map[int]string{}
		used := map[string]bool{}
		for n := range 4 {
			for conversation := range 3 {
				got := turn(conversation, n).record.Account
				if n == 0 {
					account[conversation] = got
				} else if got != account[conversation] {
					w.Errorf("turn %d of conversation %d went to %s, want %s", n, conversation, got, account[conversation])
				}
				used[got] = true
			}
		}
		if len(used) != 3 {
			w.Errorf("%d accounts were used for three conversations", len(used))
		}
	})
}

// A script asks the same again and again. That is five conversations, as far as anybody knows, until Google has a use for their being one.
func TestTheSameShortQuestionIsSpread(t *testing.T) {
	for size, want := range map[int]int{1: 5, 8192: 1} {
		talks(t, func(w *world, turn func(conversation, turn int) *answer) {
			body := plain()
			body["messages"] = []any{map[string]any{"role": "user", "content": strings.Repeat("Hello ", size)}}
			accounts := map[string]bool{}
			for range 5 {
				accounts[w.ask(body).record.Account] = true
			}
			if len(accounts) != want {
				w.Errorf("a question of %d words went to %d accounts, want %d", size, len(accounts), want)
			}
		})
	}
}

func TestConversationMovesWhenItsAccountIsOutAndStaysThere(t *testing.T) {
	talks(t, func(w *world, turn func(conversation, turn int) *answer) {
		first := turn(1, 0).record.Account
		w.script("key-"+first[len("env-"):], googlesim.RateMinute(model, 10*time.Second))
		second := turn(1, 1)
		if second.record.Account == first || second.record.Attempts != 2 {
			w.Errorf("the turn after %s went to %s with %d attempts", first, second.record.Account, second.record.Attempts)
		}
		time.Sleep(time.Minute)
		for n := 2; n < 5; n++ {
			if got := turn(1, n).record.Account; got != second.record.Account {
				w.Errorf("turn %d went to %s, want %s", n, got, second.record.Account)
			}
		}
	})
}

func TestNamedConversationStaysWhateverItBeginsWith(t *testing.T) {
	talks(t, func(w *world, _ func(conversation, turn int) *answer) {
		accounts := map[string]bool{}
		for n := range 5 {
			r := request(http.MethodPost, chatPath, chat(numbered(plain(), n)))
			r.Header.Set("X-Claude-Code-Session-Id", "one")
			accounts[w.gateway.Route(r).Serve(newTimedRecorder(), r, known).Account] = true
		}
		if len(accounts) != 1 {
			w.Errorf("one conversation went to %d accounts", len(accounts))
		}
	})
}

func TestConversationsDoNotMatterWhenTheyAreSwitchedOff(t *testing.T) {
	talks(t, func(w *world, turn func(conversation, turn int) *answer) {
		w.options.Affinity = false
		w.reconfigure()
		accounts := map[string]bool{}
		for n := range 5 {
			accounts[turn(1, n).record.Account] = true
		}
		if len(accounts) != 5 {
			w.Errorf("%d accounts were used in turn, want 5", len(accounts))
		}
	})
}
