package accounts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// shelf is a store that counts what is done to it.
type shelf struct {
	place   string
	latency time.Duration // of whatever is done

	mu      sync.Mutex
	objects map[string]string
	saves   map[string][]time.Time
	loads   int
	tries   int
	fails   map[string]error // by account; "" is all
	dead    bool             // it never answers
	busy    time.Duration    // altogether, while anything was done
	active  int
	since   time.Time
	pruned  []time.Time
}

func newShelf(place string) *shelf {
	return &shelf{place: place, objects: make(map[string]string), saves: make(map[string][]time.Time), fails: make(map[string]error)}
}

func (s *shelf) Place() string { return s.place }

func (s *shelf) Name(id string) string { return "shelf/" + id }

// begin is the wait for anything.
func (s *shelf) begin(ctx context.Context, id string) error {
	s.mu.Lock()
	latency, dead := s.latency, s.dead
	if s.active++; s.active == 1 {
		s.since = time.Now()
	}
	s.tries++
	s.mu.Unlock()
	if dead {
		<-ctx.Done()
	}
	time.Sleep(latency)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active--; s.active == 0 {
		s.busy += time.Since(s.since)
	}
	return errors.Join(ctx.Err(), s.fails[id], s.fails[""])
}

func (s *shelf) Load(ctx context.Context, id string) ([]byte, error) {
	if err := s.begin(ctx, id); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	text, ok := s.objects[id]
	if !ok {
		return nil, fmt.Errorf("no %s: %w", id, fs.ErrNotExist)
	}
	return []byte(text), nil
}

func (s *shelf) Save(ctx context.Context, id string, object []byte) error {
	if err := s.begin(ctx, id); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[id] = string(object)
	s.saves[id] = append(s.saves[id], time.Now())
	return nil
}

func (s *shelf) Prune(_ context.Context, before time.Time, _ int, inUse func(string) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pruned = append(s.pruned, before)
	maps.DeleteFunc(s.objects, func(id, _ string) bool { return !inUse(id) })
	return nil
}

// fail has an account's object fail from now on; "" is all of them, nil none.
func (s *shelf) fail(id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails[id] = err
}

// set changes how the shelf behaves.
func (s *shelf) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// tried is how often anything was loaded or saved, or would have been.
func (s *shelf) tried() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries
}

// worked is for how long anything was done.
func (s *shelf) worked() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy
}

// saved is when an object was saved.
func (s *shelf) saved(id string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.saves[id])
}

// requests is how many an object says the account had.
func (s *shelf) requests(t *testing.T, id string) (n int64) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var o struct{ Version, Requests int64 }
	if err := json.Unmarshal([]byte(s.objects[id]), &o); err != nil || o.Version != 1 {
		t.Fatalf("%s: %v: %q", id, err, s.objects[id])
	}
	return o.Requests
}

// kept is a handler with accounts that are kept.
type keptHandler struct {
	*testing.T
	*Hold
	pool       *rotator.Pool
	candidates []rotator.Candidate
	logs       *observer.ObservedLogs
}

func keep(t *testing.T, store Store, ids ...string) *keptHandler {
	t.Helper()
	h := &keptHandler{T: t, Hold: new(Hold)}
	var credentials []*rotator.Credential
	for _, id := range ids {
		credentials = append(credentials, &rotator.Credential{ID: id, Label: id, Backend: "vertex", QuotaGroup: id, Weight: 1, Minter: key(id)})
	}
	core, logs := observer.New(zap.DebugLevel)
	h.candidates, h.logs = h.Candidates(credentials), logs
	ctx, cancel := context.WithCancel(t.Context())
	h.Keep(ctx, store, h.candidates, zap.New(core))
	cancel() // that of Provision is over long before the handler is
	h.pool = rotator.NewPool(h.candidates, rotator.Options{Models: h.Models(), Projects: h.Projects()})
	h.Pool(h.pool)
	return h
}

// call has each account of the pool make a call, if they take turns.
func (h *keptHandler) call() {
	h.Helper()
	for range h.candidates {
		if !serves(h.pool) {
			h.Fatal("no account is ready")
		}
	}
}

func (h *keptHandler) end() {
	h.Helper()
	if err := h.Release(); err != nil {
		h.Fatal(err)
	}
}

func (h *keptHandler) logged(level fmt.Stringer) (lines []string) {
	for _, e := range h.logs.All() {
		if e.Level.String() == level.String() {
			lines = append(lines, fmt.Sprint(e.Message, e.ContextMap()))
		}
	}
	return lines
}

func TestWhatIsKnownOutlivesThoseWhoKnewIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf("a")
		h := keep(t, store, "one", "two")
		h.call()
		Disable("two")
		h.end()
		h = keep(t, store, "one", "two")
		defer h.end()
		snapshot := h.pool.Snapshot()
		if a := snapshot.Accounts[0]; a.Requests != 1 || a.State != rotator.StateReady || len(a.Models) != 1 || a.Models[0].RPD.Used != 1 {
			t.Errorf("the first is %+v", a)
		}
		if a := snapshot.Accounts[1]; a.State != rotator.StateDisabled || a.Reason != rotator.ByOperator {
			t.Errorf("the second is %+v", a)
		}
	})
}

func TestOnlyAccountsThatAreNewAreLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf("a")
		running := keep(t, store, "one", "two")
		next := keep(t, store, "one", "two", "three") // a reload
		running.end()
		defer next.end()
		if store.loads != 3 {
			t.Errorf("%d loads of 3 accounts", store.loads)
		}
	})
}

func TestAnAccountIsKeptIfAnyHandlerSaysSo(t *testing.T) {
	for name, stores := range map[string][2]Store{"memory first": {nil, newShelf("a")}, "memory last": {newShelf("a"), nil}} {
		synctest.Test(t, func(t *testing.T) {
			one, two := keep(t, stores[0], "shared", "own"), keep(t, stores[1], "shared")
			one.call()
			two.call()
			one.end()
			two.end()
			store, _ := stores[0].(*shelf)
			if store == nil {
				store = stores[1].(*shelf)
			}
			if n := store.requests(t, "shared"); n != 2 {
				t.Errorf("%s: %d requests are kept, want 2", name, n)
			}
		})
	}
}

func TestWhatWasLearnedInMemoryIsKeptOnceThereIsAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf("a")
		running := keep(t, nil, "one")
		running.call()
		next := keep(t, store, "one")
		running.end()
		time.Sleep(saveEvery + saveEvery/10)
		if n := store.requests(t, "one"); n != 1 {
			t.Errorf("%d requests are kept, want 1", n)
		}
		next.end()
	})
}

func TestAConfigurationThatFailsWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf("a")
		running := keep(t, nil, "one")
		defer running.end()
		running.call()
		keep(t, store, "one", "two").end()
		if len(store.objects) != 0 {
			t.Errorf("it wrote %q", store.objects)
		}
	})
}

func TestANewPlaceGetsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, place := newShelf("a"), newShelf("b")
		running := keep(t, old, "one")
		running.call()
		next := keep(t, place, "one")
		running.end()
		time.Sleep(saveEvery + saveEvery/10)
		next.call()
		next.end()
		if n := old.requests(t, "one"); n != 1 {
			t.Errorf("%d requests are kept in the old place, want 1", n)
		}
		if n := place.requests(t, "one"); n != 2 {
			t.Errorf("%d requests are kept in the new place, want 2", n)
		}
	})
}

// A storage may be closed with the configuration it belongs to.
func TestTheStoreOfTheLatestConfigurationIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := newShelf("a"), newShelf("a")
		running := keep(t, before, "one", "gone")
		next := keep(t, after, "one")
		running.call()
		running.end()
		if len(before.saved("gone")) != 0 || len(after.saved("gone")) != 1 {
			t.Error("what a handler leaves is not written to the store that stays")
		}
		next.call()
		time.Sleep(2 * saveEvery)
		if len(before.saved("one")) != 0 || len(after.saved("one")) == 0 {
			t.Error("a store is used after its configuration")
		}
		next.end()
	})
}

func TestAConfigurationThatIsOnlyLookedAtWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf("a")
		h := keep(t, store, "one", "two")
		h.call()
		Disable("two")
		h.end()
		saves := len(store.saved("one")) + len(store.saved("two"))
		store.objects["abandoned"] = "{}"
		store.pruned = nil
		h = keep(t, store, "one", "two", "three") // caddy validate
		h.end()
		h = keep(t, store, "one", "two", "three")
		time.Sleep(time.Minute)
		h.end()
		if n := len(store.saved("one")) + len(store.saved("two")) + len(store.saved("three")); n != saves {
			t.Errorf("%d saves", n-saves)
		}
		if len(store.pruned) != 0 || store.objects["abandoned"] == "" {
			t.Error("something is deleted")
		}
	})
}

func TestWhatCannotBeReadIsReportedOnceAndReplaced(t *testing.T) {
	const token = "ya29.secret"
	for name, text := range map[string]string{
		"empty": "", "cut short": `{"version":1,"token":{"secret":"` + token + `"`, "not JSON": token, "another type": `{"version":1,"requests":"` + token + `"}`,
		"no version": `{"requests":1000}`, "another version": `{"version":2,"requests":1000}`, "null": "null", "a list": "[]",
		"no time": `{"version":1,"token":{"secret":"x","expiry":"` + token + `"}}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			store := newShelf("a")
			store.objects["one"] = text
			h := keep(t, store, "one", "two")
			if snapshot := h.pool.Snapshot(); snapshot.Accounts[0].Requests != 0 {
				t.Errorf("%s: it is believed", name)
			}
			time.Sleep(time.Minute)
			lines := h.logged(zap.WarnLevel)
			if len(lines) != 1 || !strings.Contains(lines[0], "shelf/one") || strings.Contains(lines[0], token) {
				t.Errorf("%s: the log says %q", name, lines)
			}
			h.call()
			h.end()
			if n := store.requests(t, "one"); n != 1 {
				t.Errorf("%s: %d requests are kept, want 1", name, n)
			}
		})
	}
}

func TestLoadingIsDoneSideBySideAndWithinItsTime(t *testing.T) {
	var ids []string
	for n := range 100 {
		ids = append(ids, fmt.Sprint(n))
	}
	for name, c := range map[string]struct {
		latency time.Duration
		dead    bool
		most    time.Duration
		errors  int
	}{
		"quick": {0, false, 0, 0}, "slow": {100 * time.Millisecond, false, 400 * time.Millisecond, 0}, "too slow": {3 * time.Second, false, 6 * time.Second, 1},
		"dead": {0, true, loadTimeout, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			store := newShelf("a")
			store.set(func() { store.latency, store.dead = c.latency, c.dead })
			start := time.Now()
			h := keep(t, store, ids...)
			if took := time.Since(start); took > c.most {
				t.Errorf("%s: it took %v", name, took)
			}
			if lines := h.logged(zap.ErrorLevel); len(lines) != c.errors {
				t.Errorf("%s: the log says %q", name, lines)
			}
			store.set(func() { store.latency, store.dead = 0, false })
			h.end()
		})
	}
}

// A store that was away when the handler began knows things that must not be overwritten.
func TestWhatCouldNotBeLoadedIsLoadedBeforeItIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf("a")
		h := keep(t, store, "one")
		for range 3 {
			h.call()
		}
		Disable("one")
		h.end()
		store.fail("", errors.New("away"))
		h = keep(t, store, "one")
		h.call()
		time.Sleep(time.Minute)
		store.fail("", nil)
		time.Sleep(2 * maxSaveWait)
		if serves(h.pool) {
			t.Error("what was kept is not known now")
		}
		h.end()
		if n := store.requests(t, "one"); n != 3 {
			t.Errorf("%d requests are kept, want 3", n)
		}
		ResetAll()
	})
}

func TestTwoHandlersHaveOneGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
		store := newShelf("a")
		one, two := keep(t, store, "a", "b"), keep(t, store, "b", "c")
		if n := len(allKeepers()); n != 1 {
			t.Errorf("%d keepers", n)
		}
		one.end()
		two.end()
		if n := len(allKeepers()); n != 0 {
			t.Errorf("%d keepers are left", n)
		}
	})
}
