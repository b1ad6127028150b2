package main

import (
	"testing"
	"time"
)

// spring is midnight before days of which the second has 23 hours.
var spring = time.Date(2027, 3, 13, 0, 0, 0, 0, pacific)

// Days at the limit keep every promise, also those on which clocks go forward.
func TestDaysAtTheLimit(t *testing.T) {
	for _, s := range scenarios(spring, 2) {
		t.Run(s.demand.String()+", "+s.name, func(t *testing.T) {
			t.Parallel()
			for _, miss := range s.run(t).misses() {
				t.Error(miss)
			}
		})
	}
}

// Who asks for little is served beside a flood.
func TestFloodLeavesRoomForOthers(t *testing.T) {
	for _, f := range fairnessRuns() {
		f.play(t)
		for _, miss := range f.misses() {
			t.Error(miss)
		}
	}
}

// A conversation stays where its prompt is cached.
func TestAffinityKeepsThePromptCache(t *testing.T) {
	runs := affinityRuns()
	for _, a := range runs {
		a.play(t)
	}
	for _, miss := range affinityMisses(runs) {
		t.Error(miss)
	}
}

// Hedging cuts off the tail, within its share.
func TestHedgingCutsTheTail(t *testing.T) {
	runs := hedgeRuns()[:2]
	for _, h := range runs {
		h.play(t)
	}
	for _, miss := range hedgeMisses(runs) {
		t.Error(miss)
	}
}
