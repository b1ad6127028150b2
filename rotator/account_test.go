package rotator

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestGraverOutagePrevails(t *testing.T) {
	now := time.Now()
	short := &outage{until: now.Add(time.Second), passing: true}
	long := &outage{until: now.Add(time.Minute), passing: true}
	timed := &outage{until: now.Add(10 * time.Minute)}
	later := &outage{until: now.Add(30 * time.Minute)}
	dead := &outage{}
	past := &outage{until: now.Add(-time.Second)}
	tests := []struct {
		name     string
		old, new *outage
		replaced bool
	}{
		{"the first", nil, short, true},
		{"after one that is over", past, short, true},
		{"a longer wait for a token", short, long, true},
		{"a shorter one", long, short, false},
		{"disabled while waiting for a token", long, timed, true},
		{"waiting for a token while disabled", timed, long, false},
		{"disabled again", timed, later, false}, // by another call that was under way
		{"for good", timed, dead, true},
		{"no longer for good", dead, timed, false},
		{"for good again", dead, &outage{}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := NewAccount("a")
			a.out.Store(test.old)
			if got := a.suspend(test.new, now); got != test.replaced {
				t.Errorf("replaced: %v, want %v", got, test.replaced)
			}
			if got := a.out.Load() == test.new; got != test.replaced {
				t.Errorf("the new one holds: %v, want %v", got, test.replaced)
			}
		})
	}
}

func TestModelsAreBounded(t *testing.T) {
	m, now := NewModels(), time.Now()
	for i := range 1000 {
		m.overload(fmt.Sprint(i), now.Add(time.Minute), now)
	}
	if n := len(m.snapshot(now)); n != maxOverloaded {
		t.Errorf("%d models are marked, want %d", n, maxOverloaded)
	}
	later := now.Add(time.Minute)
	if !m.overload("new", later.Add(time.Minute), later) || len(m.snapshot(later)) != 1 {
		t.Error("marks that are over keep a new one out")
	}
	m.overload("new", later.Add(time.Second), later)
	if got := m.overloaded("new", later); !got.Equal(later.Add(time.Minute)) {
		t.Errorf("a shorter mark replaced a longer one: until %v", got)
	}
}

// An account is put aside by one handler and, before it is due back, disabled for good by another.
func TestOutageThatGrewIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := fleet(1)
		p := NewPool(candidates, Options{})
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultSetup})
		refused(t, p, Query{Model: "m"})
		time.Sleep(aMinute)
		candidates[0].suspend(&outage{reason: "dead"}, time.Now())
		time.Sleep(time.Hour)
		for range 2 {
			if e := refused(t, p, Query{Model: "m"}); e.Cause != CauseDisabled || e.RetryAfter != 0 {
				t.Errorf("cause %v, retry after %v", e.Cause, e.RetryAfter)
			}
		}
	})
}
