package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// demand is how requests come.
type demand struct {
	times float64 // of what the groups may serve in a day, on average
	burst int     // so many at once; the bursts come at random moments, as single requests do in a Poisson process
	rush  bool    // all come within rushTakes after noon, close to what the minute's quotas allow
}

const rushTakes = 15 * time.Minute

func (d demand) String() string {
	switch {
	case d.rush:
		return fmt.Sprintf("%.1f× rush", d.times)
	case d.burst == 1:
		return fmt.Sprintf("%.1f× Poisson", d.times)
	default:
		return fmt.Sprintf("%.1f× bursts of %d", d.times, d.burst)
	}
}

// pacific is where the days of Google's quotas begin and end.
var pacific = func() *time.Location {
	l, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		panic(err) // the rotator links the time zones
	}
	return l
}()

func dayOf(t time.Time) string { return t.In(pacific).Format(time.DateOnly) }

func nextMidnight(now time.Time) time.Time {
	y, m, d := now.In(pacific).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, pacific)
}

// newRandom makes chance that is the same each time.
func newRandom(a, b int) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(a), uint64(b))) //nolint:gosec // chance, not secrecy
}

// filler is the text of which prompts are cut.
var filler = strings.Repeat("What shall we talk about? ", 10_000)

// bytesPerToken is how the simulated Google counts text.
const bytesPerToken = 4

// talks is how many conversations there are at a time.
const talks = 200

// prompt is one request's.
type prompt struct {
	talk   int // which conversation it belongs to
	tokens int64
	stream bool
}

// newPrompt is mostly small. One in twenty is of 20,000 to 60,000 tokens, so that a few of them fill a group's minute.
func newPrompt(random *rand.Rand) prompt {
	p := prompt{talk: random.IntN(talks), tokens: 50 + random.Int64N(1000), stream: random.IntN(2) == 0}
	if random.IntN(20) == 0 {
		p.tokens = 20_000 + random.Int64N(40_000)
	}
	return p
}

// body is the request. What was said first tells the conversation.
func (p prompt) body() io.Reader {
	first := fmt.Sprintf("This is conversation %08d.", p.talk)
	return io.MultiReader(
		strings.NewReader(fmt.Sprintf(`{"model":%q,"stream":%t,"messages":[{"role":"user","content":%q},{"role":"user","content":"`,
			model, p.stream, first)),
		strings.NewReader(filler[:int(p.tokens)*bytesPerToken-len(first)]),
		strings.NewReader(`"}]}`),
	)
}
