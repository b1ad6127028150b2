package accounts

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

func TestWhatChangesIsWrittenWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf("a")
		h := keep(t, store, "one", "two", "idle")
		defer h.end()
		h.pool.Disable("idle")
		time.Sleep(10 * saveEvery)
		idle := len(store.saved("idle"))
		for range 10 {
			h.candidates = h.candidates[:2]
			h.call()
			time.Sleep(saveEvery)
		}
		time.Sleep(saveEvery)
		if n := store.requests(t, "one") + store.requests(t, "two"); n != 20 {
			t.Errorf("%d requests are kept, want 20", n)
		}
		if n := len(store.saved("one")); n < 9 || n > 12 {
			t.Errorf("an account that changed for 10 s is written %d times", n)
		}
		if n := len(store.saved("idle")); n != idle {
			t.Errorf("an account that did not change is written %d times", n-idle)
		}
		saves := len(store.saved("one"))
		time.Sleep(time.Hour)
		if n := len(store.saved("one")); n != saves {
			t.Errorf("an account that no longer changes is written %d times more", n-saves)
		}
	})
}

func TestWhatIsUrgentIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf("a")
		store.set(func() { store.latency = 4 * time.Millisecond })
		var ids []string
		for n := range 1000 {
			ids = append(ids, fmt.Sprint(n))
		}
		h := keep(t, store, ids...)
		defer h.end()
		for round := range 20 {
			h.call() // all of them wait to be written: a second's work, of which a tenth is done in a second
			time.Sleep(time.Duration(round) * 97 * time.Millisecond)
			id := ids[round*40]
			before := time.Now()
			Disable(id)
			time.Sleep(50 * time.Millisecond)
			if saved := store.saved(id); len(saved) == 0 || saved[len(saved)-1].Before(before) {
				t.Errorf("round %d: a disabled account is not written within 50 ms", round)
			}
			Enable(id)
			time.Sleep(time.Second)
		}
	})
}

func TestMuchThatIsUrgentAtOnceIsWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf("a")
		ids := []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"}
		h := keep(t, store, ids...)
		defer h.end()
		time.Sleep(10 * time.Second)
		store.set(func() { store.latency = 100 * time.Millisecond }) // a disk that has much else to do
		for round := 1; round <= 5; round++ {
			for _, id := range ids {
				Disable(id)
				Enable(id)
			}
			time.Sleep(store.latency + 50*time.Millisecond)
			for _, id := range ids {
				if n := len(store.saved(id)); n != round {
					t.Errorf("round %d: %s is written %d times", round, id, n)
				}
			}
		}
	})
}

func TestWritingTakesNoMoreThanATenthOfTheTime(t *testing.T) {
	for _, latency := range []time.Duration{time.Millisecond, 30 * time.Millisecond, 700 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			store := newShelf("a")
			var ids []string
			for n := range 40 {
				ids = append(ids, fmt.Sprint(n))
			}
			h := keep(t, store, ids...)
			defer h.end()
			store.set(func() { store.latency = latency })
			const period = 6 * time.Minute
			for start := time.Now(); time.Since(start) < period; time.Sleep(200 * time.Millisecond) {
				h.call()
				id := ids[int(time.Since(start)/time.Second)%len(ids)]
				Disable(id) // which is urgent
				Enable(id)
			}
			busy := store.worked()
			if most := period/10 + shareMax + latency; busy > most {
				t.Errorf("latency %v: %v of %v went into writing", latency, busy, period)
			}
			if least := min(period/10*9/10, 40*latency*time.Duration(period/saveEvery)*9/10); busy < least {
				t.Errorf("latency %v: only %v of %v went into writing", latency, busy, period)
			}
			for _, id := range ids {
				if len(store.saved(id)) == 0 {
					t.Errorf("latency %v: account %s has had no turn", latency, id)
				}
			}
			store.set(func() { store.latency = 0 })
		})
	}
}

func TestAHandlerThatGoesLeavesNothingUnwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf("a")
		store.set(func() { store.latency = 10 * time.Millisecond })
		stays := keep(t, store, "stays")
		goes := keep(t, store, "goes", "stays")
		goes.call()
		start := time.Now()
		goes.end()
		if took := time.Since(start); took != store.latency {
			t.Errorf("letting go took %v", took)
		}
		if n := store.requests(t, "goes"); n != 1 {
			t.Errorf("%d requests are kept, want 1", n)
		}
		if len(store.saved("stays")) != 0 {
			t.Error("an account that stays is written early")
		}
		stays.end()
		if n := store.requests(t, "stays"); n != 1 {
			t.Errorf("%d requests are kept, want 1", n)
		}
	})
}

func TestAHandlerMayGoWhileItsAccountsWaitToBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			store := newShelf("a")
			h := keep(t, store, "one", "two", "three", "four")
			store.set(func() { store.latency = 60 * time.Millisecond })
			h.call()
			time.Sleep(saveEvery + 2*store.latency) // one is written, and the others wait for their share of time
			store.set(func() { store.latency = time.Second })
			store.fail("", errors.New("no room"))
			h.end()
			if store.tried() != 4+1+3 {
				t.Fatalf("%d tries: 4 accounts were loaded, one was written, and 3 when the handler went", store.tried())
			}
		}
	})
}

func TestLettingGoIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf("a")
		h := keep(t, store, "one", "two")
		h.call()
		store.set(func() { store.dead = true })
		time.Sleep(saveEvery + time.Millisecond) // a write is under way
		start := time.Now()
		h.end()
		if took := time.Since(start); took > saveTimeout+flushTimeout {
			t.Errorf("letting go took %v", took)
		}
	})
}

func TestAStoreThatFailsIsToldOfOnceAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf("a")
		h := keep(t, store, "one", "two", "three")
		defer h.end()
		for round := range 2 {
			h.logs.TakeAll()
			store.set(func() { store.tries = 0 })
			store.fail("", errors.New("no room"))
			for range 100 {
				h.call()
				Disable("two") // which is urgent
				Enable("two")
				time.Sleep(3 * time.Second)
			}
			lines := h.logged(zap.ErrorLevel)
			if len(lines) != 1 || !strings.Contains(lines[0], "no room") || !strings.Contains(lines[0], "shelf/") {
				t.Errorf("round %d: the log says %q", round, lines)
			}
			if n := store.tried(); n < 3*8 || n > 3*12 { // after 1, 2, 4, … s and then every minute, for 5 minutes
				t.Errorf("round %d: 3 accounts were tried %d times", round, n)
			}
			store.fail("one", errors.New("not this one"))
			store.fail("", nil)
			time.Sleep(2 * maxSaveWait)
			if lines := h.logged(zap.InfoLevel); len(lines) != 0 {
				t.Errorf("round %d: all is well, it says, and one still fails: %q", round, lines)
			}
			store.fail("one", nil)
			time.Sleep(2 * maxSaveWait)
			if lines := h.logged(zap.InfoLevel); len(lines) != 1 {
				t.Errorf("round %d: when all is well the log says %q", round, lines)
			}
			for _, id := range []string{"one", "two", "three"} {
				if n := store.requests(t, id); n != int64(round+1)*100 {
					t.Errorf("round %d: %d requests of %s are kept", round, n, id)
				}
			}
		}
	})
}

func TestWhatIsAbandonedIsDeletedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf("a")
		store.objects["abandoned"], store.objects["idle"] = "{}", "{}"
		h := keep(t, store, "one", "idle")
		h.pool.Disable("idle")
		h.candidates = h.candidates[:1]
		for range 3 {
			h.call()
			time.Sleep(2 * saveEvery)
		}
		h.end()
		if len(store.pruned) != 1 || time.Since(store.pruned[0]) < unusedFor || time.Since(store.pruned[0]) > unusedFor+time.Minute {
			t.Errorf("pruned at %v", store.pruned)
		}
		if store.objects["abandoned"] != "" || store.objects["idle"] == "" {
			t.Error("the wrong objects are deleted")
		}
	})
}

func TestAnAccountThatGoesIsNoFailureAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf("a")
		running := keep(t, store, "one", "two")
		store.fail("two", errors.New("no room"))
		running.call()
		time.Sleep(2 * saveEvery)
		next := keep(t, store, "one")
		defer next.end()
		running.end()
		store.fail("one", errors.New("no room"))
		next.call()
		time.Sleep(2 * saveEvery)
		if lines := next.logged(zap.ErrorLevel); len(lines) != 1 {
			t.Errorf("the log says %q", lines)
		}
		store.fail("one", nil)
	})
}

func TestWhatChangesWhileItIsWrittenIsWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf("a")
		store.set(func() { store.latency = 100 * time.Millisecond })
		h := keep(t, store, "one")
		h.call()
		time.Sleep(saveEvery - store.latency/2) // loading took as long: a write is under way, and what it writes is fixed
		store.mu.Lock()
		if store.active != 1 {
			t.Error("no write is under way")
		}
		store.mu.Unlock()
		h.call()
		time.Sleep(10 * saveEvery)
		if n := store.requests(t, "one"); n != 2 {
			t.Errorf("%d requests are kept, want 2", n)
		}
		h.end()
	})
}
