package observe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// listener is a handler of events that remembers them, after it has done what a test wants it to do.
type listener struct {
	do func(ctx context.Context)

	mu   sync.Mutex
	told []string
}

func (l *listener) Handle(ctx context.Context, e caddy.Event) error {
	if l.do != nil {
		l.do(ctx)
	}
	repl := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	line := repl.ReplaceKnown("{event.name} {event.data.label}|{event.data.model}|{event.data.until}|{event.data.reason}", "")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, line)
	return nil
}

func (l *listener) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.told)
}

// world is a Caddy with an events app that somebody listens to, and with a log that can be read.
type world struct {
	*Changes
	logs *observer.ObservedLogs
	end  context.CancelFunc
}

func newWorld(t *testing.T, subscriptions ...*caddyevents.Subscription) world {
	t.Helper()
	ctx, err := caddy.ProvisionContext(&caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := caddy.NewContext(ctx)
	t.Cleanup(end)
	app, err := ctx.App("events")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range subscriptions {
		if err := app.(*caddyevents.App).Subscribe(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.(*caddyevents.App).Start(); err != nil {
		t.Fatal(err)
	}
	changes, err := NewChanges(ctx)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.DebugLevel)
	changes.logger, changes.events.logger = zap.New(core), zap.New(core)
	return world{Changes: changes, logs: logs, end: end}
}

// everything subscribes to all events.
func everything(l *listener) *caddyevents.Subscription {
	return &caddyevents.Subscription{Handlers: []caddyevents.Handler{l}}
}

var account = &rotator.Credential{ID: "fingerprint", Label: "env-7", Project: "hidden", ClientID: "hidden"}

func TestEachChangeIsAnEventOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := time.Date(2026, 11, 24, 0, 0, 0, 0, time.FixedZone("California", -8*60*60))
		for _, test := range []struct {
			change rotator.Change
			want   string
		}{
			{rotator.Change{Credential: account, State: "cooling", Model: "m", Until: until, Reason: "quota_long"},
				"gemini_proxy.account_cooling env-7|m|2026-11-24T08:00:00Z|quota_long"},
			{rotator.Change{Credential: account, State: "disabled", Reason: "invalid key"}, "gemini_proxy.account_disabled env-7|||invalid key"},
			{rotator.Change{Credential: account, State: "ready", Model: "m"}, "gemini_proxy.account_ready env-7|m||"},
			{rotator.Change{State: "exhausted", Model: "m", Until: until}, "gemini_proxy.pool_exhausted |m|2026-11-24T08:00:00Z|"},
		} {
			var l listener
			w := newWorld(t, everything(&l))
			w.Notify(test.change)
			synctest.Wait()
			if got := l.lines(); !slices.Equal(got, []string{test.want}) {
				t.Errorf("%s: got %q, want %q", test.change.State, got, test.want)
			}
		}
	})
}

func TestASubscriptionToOneEventHearsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l listener
		w := newWorld(t, &caddyevents.Subscription{Events: []string{"gemini_proxy.account_disabled"}, Handlers: []caddyevents.Handler{&l}})
		w.Notify(rotator.Change{Credential: account, State: "cooling"})
		w.Notify(rotator.Change{Credential: account, State: "disabled"})
		synctest.Wait()
		if got := l.lines(); !slices.Equal(got, []string{"gemini_proxy.account_disabled env-7|||"}) {
			t.Errorf("told: %q", got)
		}
	})
}

func TestAHandlerThatTakesItsTimeHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listener{do: func(context.Context) { time.Sleep(time.Hour) }}
		w := newWorld(t, everything(&l))
		began := time.Now()
		for range 3 {
			w.Notify(rotator.Change{Credential: account, State: "cooling"})
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("changes took %v", took)
		}
		time.Sleep(4 * time.Hour)
		if n := len(l.lines()); n != 3 {
			t.Errorf("%d events of 3 were told in the end", n)
		}
	})
}

func TestEventsAreToldInTheOrderOfTheChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listener{do: func(context.Context) { time.Sleep(time.Millisecond) }}
		w := newWorld(t, everything(&l))
		for n := range 100 {
			w.Notify(rotator.Change{Credential: account, State: "ready", Model: fmt.Sprintf("%03d", n)})
		}
		time.Sleep(time.Second)
		if got := l.lines(); len(got) != 100 || !slices.IsSorted(got) {
			t.Errorf("%d events: %q", len(got), got)
		}
	})
}

func TestTooManyEventsAreDroppedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listener{do: func(context.Context) { time.Sleep(time.Second) }}
		w := newWorld(t, everything(&l))
		w.Notify(rotator.Change{Credential: account, State: "ready"})
		synctest.Wait() // the handler is at work
		for range maxEvents + 7 {
			w.Notify(rotator.Change{Credential: account, State: "cooling"})
		}
		time.Sleep(2 * maxEvents * time.Second)
		if n := len(l.lines()); n != maxEvents+1 {
			t.Errorf("%d events were told, want %d", n, maxEvents+1)
		}
		said := w.logs.FilterLevelExact(zap.WarnLevel).All()
		if len(said) != 1 || said[0].ContextMap()["events"] != int64(7) {
			t.Errorf("of 7 dropped events the log says: %v", said)
		}
	})
}

func TestAHandlerThatPanicsTakesNothingDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listener{}
		l.do = func(context.Context) {
			if l.do = nil; true {
				panic("no")
			}
		}
		w := newWorld(t, everything(&l))
		w.Notify(rotator.Change{Credential: account, State: "cooling"})
		w.Notify(rotator.Change{Credential: account, State: "ready"})
		synctest.Wait()
		if got := l.lines(); !slices.Equal(got, []string{"gemini_proxy.account_ready env-7|||"}) {
			t.Errorf("after the panic: %q", got)
		}
		if n := w.logs.FilterLevelExact(zap.ErrorLevel).FilterMessageSnippet("panicked").Len(); n != 1 {
			t.Errorf("logs: %v", w.logs.All())
		}
	})
}

// A goroutine that goes on after Close would deadlock the bubble.
func TestNothingIsToldAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listener{do: func(ctx context.Context) { <-ctx.Done() }}
		w := newWorld(t, everything(&l))
		w.Notify(rotator.Change{Credential: account, State: "cooling", Model: "first"})
		w.Notify(rotator.Change{Credential: account, State: "cooling", Model: "second"})
		synctest.Wait() // the handler is at work
		w.Close()
		w.Notify(rotator.Change{Credential: account, State: "cooling", Model: "third"})
		w.end()
		synctest.Wait()
		if got := l.lines(); len(got) != 1 || !strings.Contains(got[0], "first") {
			t.Errorf("told: %q", got)
		}
		if n := w.logs.FilterMessageSnippet("account is cooling").Len(); n != 3 {
			t.Errorf("%d of 3 changes are in the log", n)
		}
	})
}

func TestEventsOfAConfigurationThatIsGoneAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l listener
		w := newWorld(t, everything(&l))
		w.end()
		w.Notify(rotator.Change{Credential: account, State: "cooling"})
		synctest.Wait()
		if got := l.lines(); len(got) != 0 {
			t.Errorf("told: %q", got)
		}
	})
}

func TestWithoutAListenerThereIsNothingToDo(t *testing.T) {
	w := newWorld(t)
	w.Notify(rotator.Change{Credential: account, State: "cooling"})
	w.events.mu.Lock()
	defer w.events.mu.Unlock()
	if w.events.emitting || w.events.waiting != nil {
		t.Error("an event nobody hears is kept")
	}
}

func TestTheLogSaysWhatOperatorsHaveToKnow(t *testing.T) {
	until := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		change rotator.Change
		level  zapcore.Level
		want   string
	}{
		{rotator.Change{Credential: account, State: "cooling", Model: "m", Until: until, Reason: "rate_short"},
			zap.InfoLevel, "account is cooling map[account:env-7 model:m reason:rate_short until:2026-11-24 08:00:00 +0000 UTC]"},
		{rotator.Change{Credential: account, State: "ready"}, zap.InfoLevel, "account is ready map[account:env-7]"},
		{rotator.Change{Credential: account, State: "disabled", Reason: "invalid key"},
			zap.ErrorLevel, "account is disabled map[account:env-7 reason:invalid key]"},
		{rotator.Change{Credential: account, State: "disabled", Reason: rotator.ByOperator},
			zap.InfoLevel, "account is disabled map[account:env-7 reason:" + rotator.ByOperator + "]"},
		{rotator.Change{State: "exhausted", Model: "m", Until: until, Reason: "quota"},
			zap.WarnLevel, "every account is out of the model map[model:m reason:quota until:2026-11-24 08:00:00 +0000 UTC]"},
	} {
		w := newWorld(t)
		w.Notify(test.change)
		entries := w.logs.All()
		if len(entries) != 1 {
			t.Fatalf("%s: %d entries", test.change.State, len(entries))
		}
		if got := entries[0].Message + " " + fmt.Sprint(entries[0].ContextMap()); got != test.want || entries[0].Level != test.level {
			t.Errorf("%s:\ngot  %v %s\nwant %v %s", test.change.State, entries[0].Level, got, test.level, test.want)
		}
	}
}
