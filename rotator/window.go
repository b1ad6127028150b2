package rotator

import (
	"time"
	_ "time/tzdata" // a day must begin at the right hour on machines and in images without a zone database too
)

const (
	minute = int64(time.Minute)
	grain  = int64(time.Second)
	// margin is how much sooner a later call may reach Google's counters than an earlier one, compared to when they were made: whatever the
	// way there takes, a call must not arrive within a minute of one that it is to follow. Unverified; that of ordinary networks.
	margin = int64(250 * time.Millisecond)
	// lasting is how long a call counts here.
	lasting = minute + margin
)

// window is what was spent in the last minute, and a little longer: see margin. It slides: whatever a minute Google counts by, it never
// holds more than this one allowed. Calls that begin within a second of each other share an entry and leave together, when the last of
// them is old enough; so a window has at most some sixty entries, and is exact for calls further apart. Moments are Unix times in nanoseconds.
type window struct {
	spans         []span // the oldest first, from head on
	head          int
	left          int64 // spans that have left: the number of spans[head]
	calls, tokens int64 // sums of what has not left
}

type span struct {
	first, last   int64
	calls, tokens int64
}

// slide lets go of what counts no longer.
func (w *window) slide(now int64) {
	for w.head < len(w.spans) && w.spans[w.head].last+lasting <= now {
		w.calls -= w.spans[w.head].calls
		w.tokens -= w.spans[w.head].tokens
		w.head++
		w.left++
	}
	if w.head == len(w.spans) {
		w.spans, w.head = w.spans[:0], 0
	}
}

// shift moves all entries in time.
func (w *window) shift(by int64) {
	for i := range w.spans {
		w.spans[i].first += by
		w.spans[i].last += by
	}
}

// add counts a call and returns the number of its entry, for adjust.
func (w *window) add(now, tokens int64) int64 {
	w.calls++
	w.tokens += tokens
	if n := len(w.spans); n > w.head && now-w.spans[n-1].first < grain {
		s := &w.spans[n-1]
		s.last = max(s.last, now)
		s.calls++
		s.tokens += tokens
	} else {
		if n == cap(w.spans) && w.head > 0 {
			w.spans = w.spans[:copy(w.spans, w.spans[w.head:])]
			w.head = 0
		}
		w.spans = append(w.spans, span{first: now, last: now, calls: 1, tokens: tokens})
	}
	return w.left + int64(len(w.spans)-w.head) - 1
}

// adjust corrects an entry, unless it has left.
func (w *window) adjust(number, calls, tokens int64) {
	if number < w.left {
		return
	}
	s := &w.spans[w.head+int(number-w.left)]
	s.calls += calls
	s.tokens += tokens
	w.calls += calls
	w.tokens += tokens
}

// freed returns when so many calls and tokens will have left; now when nothing has to.
func (w *window) freed(now, calls, tokens int64) int64 {
	at := now
	for _, s := range w.spans[w.head:] {
		if calls <= 0 && tokens <= 0 {
			break
		}
		calls -= s.calls
		tokens -= s.tokens
		at = s.last + lasting
	}
	return at
}

// day counts the calls of a day of Google's, and the tokens of their prompts.
type day struct {
	ends          int64
	calls, tokens int64
}

// longestDay is the one on which clocks go back in California.
const longestDay = int64(25 * time.Hour)

// roll begins a new day when the old one is over, and when it cannot have begun because the clock was set back.
func (d *day) roll(now int64) {
	if now >= d.ends || d.ends-now > longestDay {
		*d = day{ends: nextMidnight(time.Unix(0, now)).UnixNano()}
	}
}

// pacific is the time zone at whose midnight Google's daily quotas are renewed, by Google's documentation.
var pacific = func() *time.Location {
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		panic(err) // cannot happen: the zone is compiled in
	}
	return zone
}()

// nextMidnight is when the day of Google's quotas that now belongs to ends.
func nextMidnight(now time.Time) time.Time {
	return midnight(now, 1)
}

// lastMidnight is when it began.
func lastMidnight(now time.Time) time.Time { return midnight(now, 0) }

func midnight(now time.Time, days int) time.Time {
	y, m, d := now.In(pacific).Date()
	return time.Date(y, m, d+days, 0, 0, 0, 0, pacific)
}
