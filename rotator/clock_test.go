package rotator

import (
	"testing"
	"time"
)

// right is when it really is, where the clock was set back.
var right = time.Date(2026, 7, 15, 12, 0, 0, 0, pacific)

// Machines that boot with a wrong clock have it set right while the process runs.
func TestAClockSetBackLocksNothing(t *testing.T) {
	for name, test := range map[string]struct {
		back time.Duration
		want int
	}{
		"an hour": {time.Hour, 2}, // the same day
		"a day":   {24 * time.Hour, 4},
		"years":   {9999 * 24 * time.Hour, 4},
	} {
		p := NewPool(fleet(2), Options{Limits: []Limit{{Model: "m", RPM: 2, RPD: 3}}})
		get := func(now time.Time) (*Lease, *Exhausted) {
			lease, e, _ := p.acquire(now, &Query{Model: "m"})
			return lease, e
		}
		for range 4 {
			get(right.Add(test.back))
		}
		if _, e := get(right.Add(test.back)); e == nil || e.RetryAfter != aMinute {
			t.Fatalf("%s: %+v, want the minute to be used up", name, e)
		}
		if _, e := get(right); e == nil || e.RetryAfter != aMinute {
			t.Errorf("%s: %+v, want the minute to be used up for one more", name, e)
		}
		served := 0
		for second := range 90 {
			if lease, _ := get(right.Add(time.Duration(second) * time.Second)); lease != nil {
				served++
			}
		}
		if served != test.want {
			t.Errorf("%s: %d calls within a minute and a half, want %d", name, served, test.want)
		}
	}
}

func TestACooldownLastsNoLongerForAClockSetBack(t *testing.T) {
	p := NewPool(fleet(1), Options{})
	wrong := right.Add(time.Hour)
	lease, _, _ := p.acquire(wrong, &Query{Model: "m"})
	lease.choice.facts.cool(Decision{Until: wrong.Add(time.Minute), State: StateRateShort}, wrong.UnixNano(), lease.began)
	for _, at := range []time.Duration{0, 59 * time.Second, time.Minute} {
		if s := lease.choice.facts.shortage(right.Add(at).UnixNano(), &rules{}); (s.state == "") != (at == time.Minute) {
			t.Errorf("after %v: %+v", at, s)
		}
	}
}

func TestCallsAreSpreadWhenTheClockWasSetBack(t *testing.T) {
	p := NewPool(fleet(2), Options{})
	calls := make(map[int]int)
	for i := range 43 {
		now := right
		if i < 3 { // the first account has one more
			now = right.Add(time.Hour)
		}
		lease, _, _ := p.acquire(now, &Query{Model: "m"})
		calls[lease.Credential().Index]++
		lease.Settle(Outcome{Called: true})
	}
	if calls[1] < 20 || calls[2] < 20 {
		t.Errorf("calls by account: %v", calls)
	}
}
