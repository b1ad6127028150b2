package rotator

import (
	"testing"
	"time"
)

func TestNextMidnightIsCalifornias(t *testing.T) {
	tests := []struct{ name, now, want string }{
		{"in winter", "2026-01-15T12:00:00Z", "2026-01-16T08:00:00Z"},
		{"in summer", "2026-07-15T12:00:00Z", "2026-07-16T07:00:00Z"},
		{"when it is still yesterday there", "2026-07-15T06:59:59Z", "2026-07-15T07:00:00Z"},
		{"at midnight the next day begins", "2026-07-15T07:00:00Z", "2026-07-16T07:00:00Z"},
		{"the day clocks go forward has 23 hours", "2026-03-08T08:00:00Z", "2026-03-09T07:00:00Z"},
		{"the day clocks go back has 25 hours", "2026-11-01T07:00:00Z", "2026-11-02T08:00:00Z"},
		{"over the end of a year", "2026-12-31T20:00:00Z", "2027-01-01T08:00:00Z"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now, _ := time.Parse(time.RFC3339, test.now)
			if got := nextMidnight(now).UTC().Format(time.RFC3339); got != test.want {
				t.Errorf("the day of %s ends %s, want %s", test.now, got, test.want)
			}
		})
	}
}

func TestWindowNeverHoldsLessThanTheLastMinute(t *testing.T) {
	var w window
	type made struct{ at, tokens int64 }
	var log []made
	for now := int64(0); now < 5*minute; now += 137 * int64(time.Millisecond) {
		w.slide(now)
		var calls, tokens int64
		for _, m := range log {
			if m.at+lasting > now {
				calls++
				tokens += m.tokens
			}
		}
		// Calls leave together with others of the same second, so at most a second's worth is held longer.
		if w.calls < calls || w.calls > calls+8 || w.tokens < tokens || w.tokens > tokens+8*99 {
			t.Fatalf("at %v: the window holds %d calls, %d tokens; the last minute %d, %d", time.Duration(now), w.calls, w.tokens, calls, tokens)
		}
		if now%3 != 0 {
			tokens := now % 100
			w.add(now, tokens)
			log = append(log, made{now, tokens})
		}
	}
	if len(w.spans) > 200 {
		t.Errorf("the window has grown to %d entries", len(w.spans))
	}
}

func TestWindowIsExactForCallsFarApart(t *testing.T) {
	var w window
	w.add(0, 1)
	w.add(10*grain, 1)
	if got := w.freed(20*grain, 1, 0); got != lasting {
		t.Errorf("one call leaves at %v, want a minute after it was made", time.Duration(got))
	}
	if got := w.freed(20*grain, 2, 0); got != lasting+10*grain {
		t.Errorf("two calls have left at %v", time.Duration(got))
	}
	w.slide(lasting)
	if w.calls != 1 {
		t.Errorf("after a minute %d calls are left, want 1", w.calls)
	}
}

// A call may overtake one that was made before it, and so reach Google less than a minute after one that was made a minute before.
func TestWindowHoldsCallsUntilNoOtherCanOvertakeThem(t *testing.T) {
	var w window
	w.add(0, 1)
	w.slide(minute + 200*int64(time.Millisecond))
	if w.calls != 1 {
		t.Error("another call may arrive within the minute of the first")
	}
}

func TestWindowCorrectsOnlyWhatItHolds(t *testing.T) {
	var w window
	first := w.add(0, 100)
	second := w.add(30*grain, 100)
	w.slide(lasting)
	w.adjust(first, -1, -100)
	if w.calls != 1 || w.tokens != 100 {
		t.Errorf("%d calls, %d tokens: a call that had left was given back", w.calls, w.tokens)
	}
	w.adjust(second, 0, 50)
	if w.calls != 1 || w.tokens != 150 {
		t.Errorf("%d calls, %d tokens, want 1 and 150", w.calls, w.tokens)
	}
	w.slide(2 * lasting)
	if w.calls != 0 || w.tokens != 0 {
		t.Errorf("%d calls, %d tokens left of nothing", w.calls, w.tokens)
	}
}

func TestLoadHalvesAndAdds(t *testing.T) {
	none := newLoad(t, nil)
	one := newLoad(t, []float64{0})
	two := newLoad(t, []float64{0, 0})
	old := newLoad(t, []float64{-40, -40})
	if !(none < one && one < two) {
		t.Errorf("no call %v, one %v, two %v: want them in order", none, one, two)
	}
	if two-one != 1 {
		t.Errorf("two calls weigh 2^%v of one, want twice", two-one)
	}
	if old != one {
		t.Errorf("two calls of 40 seconds ago are %v, want them to weigh as one of now: %v", old, one)
	}
}

// newLoad is the load after calls at so many seconds from now.
func newLoad(t *testing.T, at []float64) float64 {
	t.Helper()
	const now = 44_000_000 * halfLife
	load := NewGroup().facts("m").load
	for _, s := range at {
		load = addCall(load, now+int64(s*float64(time.Second)))
	}
	return load
}
