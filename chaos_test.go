package geminiproxy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// chaosFor is short for everyday runs; a long one is: go test -race -run Chaos -chaos 10m -timeout 20m .
var chaosFor = flag.Duration("chaos", 3*time.Second, "how long the chaos test goes on")

const (
	chaosClients  = 16
	chaosKeys     = 8
	chaosAttempts = 4
	chaosModel    = "gemini-2.5-flash"
)

// chaos is a gateway whose Google fails at random while it is reloaded and operated, and clients that keep the books: each question
// carries a mark of its own, which the simulated Google repeats in its answer.
type chaos struct {
	*operated
	counted *httptest.Server // the simulated Google, behind a counter of calls by mark

	mu    sync.Mutex
	calls map[string]int

	whole, broken, refused, left atomic.Int64
}

var chaosMark = regexp.MustCompile(`mark-\d+-\d+`)

func newChaos(t *testing.T) *chaos {
	c := &chaos{operated: newOperated(t), calls: make(map[string]int)}
	for n := 4; n <= chaosKeys; n++ {
		key := secret + "-key-" + strconv.Itoa(n)
		c.google.AddKey(key, "project-"+strconv.Itoa(n))
		t.Setenv("TEST_KEY_"+strconv.Itoa(n), key)
	}
	c.counted = httptest.NewServer(http.HandlerFunc(c.count))
	t.Cleanup(c.counted.Close)
	return c
}

// count notes a call before Google answers it.
func (c *chaos) count(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the gateway has given the call up
	}
	if mark := chaosMark.Find(body); mark != nil {
		c.mu.Lock()
		c.calls[string(mark)]++
		c.mu.Unlock()
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.google.ServeHTTP(w, r)
}

// called is how many calls came for a mark; they are forgotten.
func (c *chaos) called(mark string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer delete(c.calls, mark)
	return c.calls[mark]
}

// reload loads one of several configurations, which differ in accounts, policies, limits and the number of handlers.
func (c *chaos) reload(random *rand.Rand) {
	common := `
		endpoint gemini_api ` + c.counted.URL + `
		anonymous
		cooldown 50ms 200ms
		first_token_timeout 500ms
		idle_timeout 500ms
		keepalive 100ms
		retry {
			attempts ` + strconv.Itoa(chaosAttempts) + `
			budget 100
			max_wait 1s
			queue 8
		}
	}`
	extra := []string{"affinity off", "hedge 10", "state memory", "limit * rpm 600"}
	handler := func(accounts, policy string) string {
		return "gemini_proxy {\n" + "credentials env " + accounts + "\npolicy " + policy + "\n" + extra[random.IntN(len(extra))] + common
	}
	accounts := []string{"TEST_KEY_*", "TEST_KEY_1 TEST_KEY_2 TEST_KEY_3 TEST_KEY_4", "TEST_KEY_3 TEST_KEY_5 TEST_KEY_7"}
	policies := []string{"headroom", "round_robin", "random", "weighted"}
	one := func() string {
		return handler(accounts[random.IntN(len(accounts))], policies[random.IntN(len(policies))])
	}
	c.run(c.config("handle_path /other/* {\n" + one() + "\n}\n" + one()))
}

// fail has Google fail some calls from now on, in all the ways in which an account, a model or a connection can.
func (c *chaos) fail(random *rand.Rand) {
	replies := []googlesim.Reply{
		googlesim.RateMinute(chaosModel, time.Second), googlesim.QuotaDay(chaosModel), googlesim.Exhausted(), googlesim.Internal(),
		googlesim.HTML502(), googlesim.Cancelled(), googlesim.Unauthorized(), googlesim.HighDemand(), googlesim.Reset(), googlesim.ResetAfter(1),
		googlesim.EmptyStream(), googlesim.NoFinish(1), googlesim.MidStream(1, googlesim.Internal()), googlesim.FirstEvent(googlesim.Internal()),
		googlesim.Slow(20*time.Millisecond, 5*time.Millisecond), googlesim.Stall(), googlesim.StallAfter(1),
	}
	for c.google.Pending() < 4 {
		account := googlesim.Match{Account: secret + "-key-" + strconv.Itoa(1+random.IntN(chaosKeys))}
		c.google.Script(account, replies[random.IntN(len(replies))])
	}
}

// meddle is an operator who cannot leave it alone.
func (c *chaos) meddle(random *rand.Rand) {
	body := fmt.Sprintf(`{"label": "env-%d"}`, 1+random.IntN(chaosKeys))
	path := []string{"disable", "enable", "enable", "reset"}[random.IntN(4)]
	if path == "reset" {
		body = `{"all": true}`
	}
	response, err := http.Post("http://127.0.0.1:"+c.admin+"/gemini_proxy/accounts/"+path, "application/json", strings.NewReader(body))
	if err == nil { // else a reload has just closed the connection
		response.Body.Close()
	}
}

// ask sends one question and checks that it is answered once: whole, or with an error that says so.
func (c *chaos) ask(random *rand.Rand, client *http.Client, mark string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	impatient := random.IntN(10) == 0
	if impatient {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(30))*time.Millisecond)
		defer cancel()
	}
	stream := random.IntN(2) == 0
	path := []string{"/v1/chat/completions", "/other/v1/chat/completions"}[random.IntN(2)]
	body := fmt.Sprintf(`{"model": %q, "stream": %t, "messages": [{"role": "user", "content": "Repeat %s, please."}]}`, chaosModel, stream, mark)
	response, err := client.Do(c.request(ctx, http.MethodPost, path, body))
	if err != nil {
		return c.leave(impatient, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return c.leave(impatient, err)
	}
	calls, attempts := c.called(mark), response.Header.Get("X-Gemini-Proxy-Attempts")
	// One more may have been begun, as a hedge, and given up before it was on its way.
	if calls > chaosAttempts || !waited(text) && attempts != strconv.Itoa(calls) && attempts != strconv.Itoa(calls+1) {
		return fmt.Errorf("%d calls, %q attempts: %s", calls, attempts, text)
	}
	switch {
	case response.StatusCode != http.StatusOK:
		return c.checkError(response.StatusCode, text)
	case stream:
		return c.checkStream(mark, text)
	case strings.Count(string(text), mark) != 1:
		return fmt.Errorf("not the answer to %s: %s", mark, text)
	}
	c.whole.Add(1)
	return nil
}

// waited reports whether a stream's headers were sent before its answer, with the attempts made until then.
func waited(stream []byte) bool { return bytes.HasPrefix(stream, []byte(":")) }

func (c *chaos) leave(impatient bool, err error) error {
	if !impatient {
		return err
	}
	c.left.Add(1)
	return nil
}

func (c *chaos) checkError(status int, text []byte) error {
	var body struct {
		Error struct{ Message, Type string }
	}
	if err := json.Unmarshal(text, &body); err != nil || body.Error.Message == "" || status < 429 || status > 504 {
		return fmt.Errorf("%d is no honest refusal: %s", status, text)
	}
	c.refused.Add(1)
	return nil
}

// checkStream wants all of the answer and the end of it, or an error in place of the end.
func (c *chaos) checkStream(mark string, text []byte) error {
	var said strings.Builder
	ends, failed := 0, 0
	err := events(bytes.NewReader(text), func(data string) {
		var event struct {
			Error   *struct{ Message string }
			Choices []struct{ Delta struct{ Content string } }
		}
		switch {
		case data == "[DONE]":
			ends++
		case json.Unmarshal([]byte(data), &event) != nil:
			ends = -100
		case event.Error != nil:
			failed++
		case len(event.Choices) > 0:
			said.WriteString(event.Choices[0].Delta.Content)
		}
	})
	switch times := strings.Count(said.String(), mark); {
	case err == nil && ends == 1 && failed == 0 && times == 1:
		c.whole.Add(1)
	case err == nil && ends == 0 && failed == 1 && times <= 1:
		c.broken.Add(1)
	default:
		return fmt.Errorf("%d ends, %d errors, %s %d times: %v: %s", ends, failed, mark, times, err, text)
	}
	return nil
}

// Whatever fails, and whatever is changed meanwhile, each request has one answer: the whole one, or an error. None is asked of Google
// more often than it may be, and when all is over nothing is left behind.
func TestNothingIsLostOrDoubledInChaos(t *testing.T) {
	c := newChaos(t)
	c.reload(rand.New(rand.NewPCG(0, 0)))
	client := c.client(2)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	again := func(seed int, pause time.Duration, do func(random *rand.Rand)) {
		random := rand.New(rand.NewPCG(7, uint64(seed)))
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(pause):
					do(random)
				}
			}
		})
	}
	again(-1, 200*time.Millisecond, c.reload)
	again(-2, time.Millisecond, c.fail)
	again(-3, 30*time.Millisecond, c.meddle)
	for n := range chaosClients {
		i := 0
		again(n, 2*time.Millisecond, func(random *rand.Rand) {
			i++
			if err := c.ask(random, client, fmt.Sprintf("mark-%d-%d", n, i)); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(*chaosFor)
	close(stop)
	wg.Wait()
	t.Logf("%d answered, %d broken off, %d refused, %d given up by their clients", c.whole.Load(), c.broken.Load(), c.refused.Load(), c.left.Load())
	if c.whole.Load() < 100 || c.broken.Load()+c.refused.Load() == 0 || c.left.Load() == 0 {
		t.Error("too little happened")
	}
	c.wantQuiet()
}

// wantQuiet checks that nothing is under way any more, and that nothing runs when Caddy has stopped.
func (c *chaos) wantQuiet() {
	c.Helper()
	var shown struct {
		Pool struct {
			InFlight int `json:"in_flight"`
			Queued   int
		}
	}
	c.eventually("calls under way", func() string {
		_, text := c.operate(http.MethodGet, "", "")
		if err := json.Unmarshal([]byte(text), &shown); err != nil || shown.Pool.InFlight != 0 || shown.Pool.Queued != 0 {
			return text
		}
		return ""
	})
	if err := caddy.Stop(); err != nil {
		c.Error(err)
	}
	c.eventually("goroutines", func() string {
		var stacks bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&stacks, 1); err != nil {
			return err.Error()
		}
		var left []string
		for stack := range strings.SplitSeq(stacks.String(), "\n\n") {
			if strings.Contains(stack, "caddy-gemini-proxy") && !strings.Contains(stack, "_test.") && !strings.Contains(stack, "googlesim") {
				left = append(left, stack)
			}
		}
		return strings.Join(left, "\n\n")
	})
}

// eventually waits until there is nothing left.
func (c *chaos) eventually(what string, left func() string) {
	c.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		rest := left()
		if rest == "" {
			return
		}
		if time.Now().After(deadline) {
			c.Errorf("%s are left: %s", what, rest)
			return
		}
	}
}
