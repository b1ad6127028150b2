package observe

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
)

func record(n int) *gateway.Record {
	return &gateway.Record{RequestID: fmt.Sprint("req_", n), Model: "m"}
}

func TestJournalKeepsTheNewest(t *testing.T) {
	var j journal
	for n := range maxExchanges + 10 {
		j.add(record(n))
	}
	for n, want := range map[int]bool{0: false, 9: false, 10: true, 500: true, maxExchanges + 9: true, maxExchanges + 10: false} {
		id := fmt.Sprint("req_", n)
		if found := j.find(id); (found != nil) != want || want && found.RequestID != id {
			t.Errorf("%s: %v, want it found: %v", id, found, want)
		}
	}
}

func TestJournalIsBoundedInBytes(t *testing.T) {
	var j journal
	held := func() (n int) {
		for _, r := range j.records {
			if r != nil {
				n += weight(r)
			}
		}
		return n
	}
	for n := range 3 * maxExchanges {
		r := record(n)
		switch n % 4 {
		case 0:
			r.Model = strings.Repeat("m", maxBytes/100)
		case 1:
			r.Tries = []gateway.Try{{Outcome: strings.Repeat("X", maxBytes/100)}}
		case 2:
			r.Tries = make([]gateway.Try, 100)
		}
		j.add(r)
		if j.find(r.RequestID) != r {
			t.Fatalf("the newest, %s, is not there", r.RequestID)
		}
	}
	if n := held(); n > maxBytes || n != j.bytes || n < maxBytes/2 {
		t.Errorf("%d bytes are held, %d are counted, %d are allowed", n, j.bytes, maxBytes)
	}
	last := record(-1)
	last.Model = strings.Repeat("m", maxBytes)
	j.add(last)
	if j.find(last.RequestID) != nil || j.count == 0 {
		t.Errorf("one that is too large: %d are left", j.count)
	}
}

func TestJournalKeepsOnlyWhatIsAboutAModel(t *testing.T) {
	var j journal
	j.add(&gateway.Record{RequestID: "req_health"})
	if j.count != 0 {
		t.Errorf("%d are kept", j.count)
	}
}

func TestJournalIsSafeForConcurrentUse(t *testing.T) {
	var j journal
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 2 * maxExchanges {
				r := record(g*100_000 + n)
				j.add(r)
				if n%100 == 0 {
					j.find(r.RequestID)
				}
			}
		})
	}
	wg.Wait()
	if j.count != maxExchanges {
		t.Errorf("%d are kept, want %d", j.count, maxExchanges)
	}
}

func BenchmarkJournal(b *testing.B) {
	var j journal
	r := record(1)
	r.Tries = make([]gateway.Try, 2)
	b.ReportAllocs()
	for b.Loop() {
		j.add(r)
	}
}
