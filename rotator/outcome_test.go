package rotator

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestDecide(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) // four in the morning in California
	midnight := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	in := func(d time.Duration) time.Time { return now.Add(d) }
	never := time.Time{}
	tests := []struct {
		name     string
		fault    Fault
		attempts Attempts
		streak   int
		refusals int
		want     Decision // Reason is checked apart
	}{
		{name: "an API key that is revoked disables its account for good",
			fault: Fault{Kind: FaultDead, Status: 400, Reason: "API_KEY_INVALID"},
			want:  Decision{Next: Elsewhere, Mark: MarkAccount, Until: never, State: "disabled"}},
		{name: "a minute's quota cools the group for as long as Google says",
			fault: Fault{Kind: FaultRateShort, Status: 429, PerMinute: true, Delay: 37 * time.Second},
			want:  Decision{Next: Elsewhere, Mark: MarkGroup, Until: in(37 * time.Second), State: "rate_short"}},
		{name: "a delay of milliseconds is a second",
			fault: Fault{Kind: FaultRateShort, Delay: 539 * time.Millisecond},
			want:  Decision{Next: Elsewhere, Mark: MarkGroup, Until: in(time.Second), State: "rate_short"}},
		{name: "a delay goes before the moment of a short quota's reset",
			fault: Fault{Kind: FaultRateShort, Delay: 20 * time.Second, Until: in(time.Minute)},
			want:  Decision{Next: Elsewhere, Mark: MarkGroup, Until: in(20 * time.Second), State: "rate_short"}},
		{name: "a minute's quota without a time is back after a minute",
			fault:  Fault{Kind: FaultRateShort, PerMinute: true},
			streak: 3,
			want:   Decision{Next: Elsewhere, Mark: MarkGroup, Until: in(time.Minute), State: "rate_short"}},
		{name: "a refusal without a time starts at the shortest cooldown",
			fault: Fault{Kind: FaultRateShort},
			want:  Decision{Next: Elsewhere, Mark: MarkGroup, Until: in(5 * time.Second), State: "rate_short"}},
		{name: "and doubles it each time",
			fault:  Fault{Kind: FaultRateShort},
			streak: 3,
			want:   Decision{Next: Elsewhere, Mark: MarkGroup, Until: in(40 * time.Second), State: "rate_short"}},
		{name: "up to the longest",
			fault:  Fault{Kind: FaultRateShort},
			streak: 100,
			want:   Decision{Next: Elsewhere, Mark: MarkGroup, Until: in(time.Hour), State: "rate_short"}},
		{name: "a day's quota with a delay of nothing is back at midnight in California",
			fault: Fault{Kind: FaultQuotaLong, PerDay: true},
			want:  Decision{Next: Elsewhere, Mark: MarkGroup, Until: midnight, State: "quota_long"}},
		{name: "so it is with a delay of seconds, which is the minute's",
			fault: Fault{Kind: FaultQuotaLong, PerDay: true, Delay: 37 * time.Second},
			want:  Decision{Next: Elsewhere, Mark: MarkGroup, Until: midnight, State: "quota_long"}},
		{name: "a day's quota with a delay of hours is believed",
			fault: Fault{Kind: FaultQuotaLong, PerDay: true, Delay: 3 * time.Hour},
			want:  Decision{Next: Elsewhere, Mark: MarkGroup, Until: in(3 * time.Hour), State: "quota_long"}},
		{name: "the moment of the reset goes before a delay",
			fault: Fault{Kind: FaultQuotaLong, Delay: 9 * time.Hour, Until: in(10 * time.Hour)},
			want:  Decision{Next: Elsewhere, Mark: MarkGroup, Until: in(10 * time.Hour), State: "quota_long"}},
		{name: "a moment that has passed does not count",
			fault: Fault{Kind: FaultQuotaLong, PerDay: true, Until: in(-time.Hour)},
			want:  Decision{Next: Elsewhere, Mark: MarkGroup, Until: midnight, State: "quota_long"}},
		{name: "nothing is believed beyond a day and a bit",
			fault: Fault{Kind: FaultQuotaLong, Delay: 1000 * time.Hour},
			want:  Decision{Next: Elsewhere, Mark: MarkGroup, Until: in(26 * time.Hour), State: "quota_long"}},
		{name: "a spend limit is looked at after a minute",
			fault: Fault{Kind: FaultQuotaLong},
			want:  Decision{Next: Elsewhere, Mark: MarkGroup, Until: in(time.Minute), State: "quota_long"}},
		{name: "and then ever less often",
			fault:  Fault{Kind: FaultQuotaLong},
			streak: 2,
			want:   Decision{Next: Elsewhere, Mark: MarkGroup, Until: in(4 * time.Minute), State: "quota_long"}},
		{name: "a limit of zero: the group does not have the model",
			fault: Fault{Kind: FaultNotEntitled, Status: 429},
			want:  Decision{Next: Elsewhere, Mark: MarkGroup, Until: in(6 * time.Hour), State: "not_entitled"}},
		{name: "nor when it is not found",
			fault: Fault{Kind: FaultNotEntitled, Status: 404},
			want:  Decision{Next: Elsewhere, Mark: MarkGroup, Until: in(6 * time.Hour), State: "not_entitled"}},
		{name: "an overloaded model is tried again after a second, and nobody is to blame",
			fault:    Fault{Kind: FaultModelCapacity, Status: 503},
			attempts: Attempts{Made: 1, Capacity: 1},
			want:     Decision{Next: Anywhere, After: time.Second}},
		{name: "then after three, and others keep away",
			fault:    Fault{Kind: FaultModelCapacity, Status: 503},
			attempts: Attempts{Made: 2, Capacity: 2},
			want: Decision{
				Next: Anywhere, After: 3 * time.Second, Mark: MarkModel, Until: in(15 * time.Second), State: "overloaded",
			}},
		{name: "then no more",
			fault:    Fault{Kind: FaultModelCapacity, Status: 503},
			attempts: Attempts{Made: 3, Capacity: 3},
			want:     Decision{Next: GiveUp, Mark: MarkModel, Until: in(15 * time.Second), State: "overloaded"}},
		{name: "Google's own pause is kept when it is short",
			fault:    Fault{Kind: FaultModelCapacity, Delay: 4 * time.Second},
			attempts: Attempts{Made: 1, Capacity: 1},
			want:     Decision{Next: Anywhere, After: 4 * time.Second}},
		{name: "a longer one is the client's to make",
			fault:    Fault{Kind: FaultModelCapacity, Delay: 9 * time.Second},
			attempts: Attempts{Made: 1, Capacity: 1},
			want:     Decision{Next: GiveUp, Mark: MarkModel, Until: in(10 * time.Second), State: "overloaded"}},
		{name: "for half a minute at most",
			fault:    Fault{Kind: FaultModelCapacity, Delay: 40 * time.Second},
			attempts: Attempts{Made: 1, Capacity: 1},
			want:     Decision{Next: GiveUp, Mark: MarkModel, Until: in(30 * time.Second), State: "overloaded"}},
		{name: "a refused token is renewed",
			fault:    Fault{Kind: FaultUnauthorized, Status: 401},
			attempts: Attempts{Made: 1},
			want:     Decision{Next: SameAccount, Mark: MarkToken}},
		{name: "a fresh one refused puts the account aside",
			fault:    Fault{Kind: FaultUnauthorized, Status: 401},
			attempts: Attempts{Made: 2, Refreshed: true},
			refusals: 1,
			want:     Decision{Next: Elsewhere, Mark: MarkAccount, Until: in(10 * time.Minute), State: "disabled"}},
		{name: "for good the third time",
			fault:    Fault{Kind: FaultUnauthorized, Status: 401},
			attempts: Attempts{Made: 2, Refreshed: true},
			refusals: 2,
			want:     Decision{Next: Elsewhere, Mark: MarkAccount, Until: never, State: "disabled"}},
		{name: "a refused OAuth client takes all its accounts along",
			fault: Fault{Kind: FaultClientDead, Status: 401, Reason: "invalid_client"},
			want:  Decision{Next: Elsewhere, Mark: MarkClient, Until: never, State: "disabled"}},
		{name: "a project that is not set up is looked at again",
			fault: Fault{Kind: FaultSetup, Status: 403, Reason: "SERVICE_DISABLED"},
			want:  Decision{Next: Elsewhere, Mark: MarkAccount, Until: in(30 * time.Minute), State: "disabled"}},
		{name: "a fault of the request is the client's",
			fault: Fault{Kind: FaultRequest, Status: 400}},
		{name: "so is a corrupted thought signature: only another request could do better",
			fault: Fault{Kind: FaultRequest, Status: 400, Message: "Corrupted thought signature."}},
		{name: "and a prompt that is too long",
			fault: Fault{Kind: FaultTooLong, Status: 400}},
		{name: "a client that went away",
			fault: Fault{Kind: FaultCanceled}},
		{name: "a broken connection is tried elsewhere at once",
			fault:    Fault{Kind: FaultTransient},
			attempts: Attempts{Made: 1, Transient: 1},
			want:     Decision{Next: Anywhere}},
		{name: "a second one after a moment",
			fault:    Fault{Kind: FaultTransient, Status: 502},
			attempts: Attempts{Made: 2, Transient: 2},
			want:     Decision{Next: Anywhere, After: 500 * time.Millisecond}},
		{name: "a third one is the answer",
			fault:    Fault{Kind: FaultTransient, Status: 500},
			attempts: Attempts{Made: 3, Transient: 3},
			want:     Decision{Next: GiveUp}},
		{name: "a deadline of Google's is tried again once",
			fault:    Fault{Kind: FaultTransient, Status: 504},
			attempts: Attempts{Made: 1, Transient: 1},
			want:     Decision{Next: Anywhere}},
		{name: "and no more",
			fault:    Fault{Kind: FaultTransient, Status: 504},
			attempts: Attempts{Made: 2, Transient: 2},
			want:     Decision{Next: GiveUp}},
		{name: "an empty answer is tried again once",
			fault:    Fault{Kind: FaultEmpty},
			attempts: Attempts{Made: 1, Transient: 1},
			want:     Decision{Next: Anywhere}},
		{name: "and no more when empty again",
			fault:    Fault{Kind: FaultEmpty},
			attempts: Attempts{Made: 2, Transient: 2},
			want:     Decision{Next: GiveUp}},
		{name: "a malformed call is tried again once",
			fault:    Fault{Kind: FaultUnusable},
			attempts: Attempts{Made: 1, Transient: 1},
			want:     Decision{Next: Anywhere}},
		{name: "and no more when malformed again",
			fault:    Fault{Kind: FaultUnusable},
			attempts: Attempts{Made: 2, Transient: 2},
			want:     Decision{Next: GiveUp}},
		{name: "a stream that broke off unseen is tried again once",
			fault:    Fault{Kind: FaultIncomplete},
			attempts: Attempts{Made: 1, Transient: 1},
			want:     Decision{Next: Anywhere}},
		{name: "and no more when broken off again",
			fault:    Fault{Kind: FaultIncomplete},
			attempts: Attempts{Made: 2, Transient: 2},
			want:     Decision{Next: GiveUp}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Decide(&test.fault, test.attempts, Env{
				Now: now, CooldownMin: 5 * time.Second, CooldownMax: time.Hour, Streak: test.streak, Refusals: test.refusals,
			})
			if got.Next != test.want.Next || got.After != test.want.After {
				t.Errorf("next %d after %v, want %d after %v", got.Next, got.After, test.want.Next, test.want.After)
			}
			if got.Mark != test.want.Mark || !got.Until.Equal(test.want.Until) || got.State != test.want.State {
				t.Errorf("mark %d until %v as %q, want %d until %v as %q",
					got.Mark, got.Until, got.State, test.want.Mark, test.want.Until, test.want.State)
			}
		})
	}
}

// The client's faults, and its going away, are no errors of the account.
func TestDecideWhoseErrorItIs(t *testing.T) {
	for kind := FaultTransient; kind <= FaultCanceled; kind++ {
		d := Decide(&Fault{Kind: kind}, Attempts{Made: 1, Transient: 1}, Env{Now: time.Now(), CooldownMax: time.Hour})
		if want := kind != FaultRequest && kind != FaultTooLong && kind != FaultCanceled; d.failed != want {
			t.Errorf("kind %d: counts as an error is %v, want %v", kind, d.failed, want)
		}
	}
}

func TestDecideReasonIsWhatGoogleSays(t *testing.T) {
	f := &Fault{Kind: FaultDead, Reason: "TOS_VIOLATION", Message: "This account was closed."}
	if d := Decide(f, Attempts{}, Env{}); d.Reason != "TOS_VIOLATION: This account was closed." {
		t.Errorf("reason is %q", d.Reason)
	}
}

func TestDayThatBeginsLateIsNotLost(t *testing.T) {
	spent := func(value int64) *Fault {
		return &Fault{Kind: FaultQuotaLong, PerDay: true, Delay: time.Second, Violations: []Violation{{Quota: QuotaRPD, Value: value}}}
	}
	tokens := func(value int64) *Fault {
		return &Fault{Kind: FaultQuotaLong, PerDay: true, Violations: []Violation{{Quota: QuotaTPD, Value: value}}}
	}
	midnight := time.Date(2026, 11, 23, 0, 0, 0, 0, pacific)
	for _, test := range []struct {
		name  string
		fault *Fault
		after time.Duration // midnight
		today int64         // calls, and ten times as many tokens
		soon  bool
	}{
		{"the first call of the day", spent(20), 0, 1, true},
		{"less was spent than is allowed", spent(20), 10*time.Minute - 1, 20, true},
		{"less tokens were spent than are allowed", tokens(200), time.Minute, 20, true},
		{"all tokens were spent", tokens(200), time.Minute, 21, false},
		{"all was spent", spent(20), time.Minute, 21, false},
		{"the day is not young any more", spent(20), 10 * time.Minute, 1, false},
		{"Google does not say what is allowed", spent(-1), time.Minute, 1, false},
		{"another quota is spent", &Fault{Kind: FaultQuotaLong, PerDay: true, Violations: []Violation{{Value: 20}}}, time.Minute, 1, false},
	} {
		now := midnight.Add(test.after)
		want := midnight.AddDate(0, 0, 1)
		if test.soon {
			want = now.Add(2 * time.Minute)
		}
		if d := Decide(test.fault, Attempts{Made: 1}, Env{Now: now, Today: test.today, TodayTokens: 10 * test.today}); !d.Until.Equal(want) || d.State != StateQuotaLong {
			t.Errorf("%s: %s until %v, want %v", test.name, d.State, d.Until, want)
		}
	}
}

// Google's day begins five minutes late: the pool waits for it and then has the whole of it.
func TestPoolWaitsForALateDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{})
		time.Sleep(time.Until(nextMidnight(time.Now())))
		late := time.Now().Add(5 * time.Minute)
		refusals := 0
		for time.Now().Before(late) {
			fail(t, p, Query{Model: "m"}, refusal(QuotaRPD, 20))
			refusals++
			time.Sleep(refused(t, p, Query{Model: "m"}).RetryAfter)
		}
		for range 20 {
			call(t, p, "m")
		}
		if refusals > 3 {
			t.Errorf("%d refusals while waiting", refusals)
		}
		if e := refused(t, p, Query{Model: "m"}); e.Cause != CauseQuota {
			t.Errorf("cause %v", e.Cause)
		}
	})
}

func TestPausesAreSpreadUnlessGoogleNamesTheTime(t *testing.T) {
	for _, test := range []struct {
		fault    Fault
		attempts Attempts
		least    time.Duration
		most     time.Duration
	}{
		{Fault{Kind: FaultTransient, Status: 500}, Attempts{Transient: 1}, 0, 0},
		{Fault{Kind: FaultTransient, Status: 500}, Attempts{Transient: 2}, transientWait, transientWait * 3 / 2},
		{Fault{Kind: FaultModelCapacity}, Attempts{Capacity: 1}, capacityPauses[0], capacityPauses[0] * 3 / 2},
		{Fault{Kind: FaultModelCapacity}, Attempts{Capacity: 2}, capacityPauses[1], capacityPauses[1] * 3 / 2},
		{Fault{Kind: FaultModelCapacity, Delay: 4 * time.Second}, Attempts{Capacity: 1}, 4 * time.Second, 4 * time.Second},
	} {
		if d := Decide(&test.fault, test.attempts, Env{}); d.After != test.least {
			t.Errorf("%+v: %s, want %s", test.fault, d.After, test.least)
		}
		if d := Decide(&test.fault, test.attempts, Env{Chance: 1}); d.After != test.most {
			t.Errorf("%+v: %s, want %s", test.fault, d.After, test.most)
		}
	}
	lease := take(t, NewPool(fleet(1), Options{}), Query{Model: "m"})
	seen := make(map[time.Duration]bool)
	for range 10 {
		seen[lease.Decide(&Fault{Kind: FaultModelCapacity}, Attempts{Capacity: 1}).After] = true
	}
	if len(seen) < 5 {
		t.Errorf("ten requests that failed together come back at %d moments", len(seen))
	}
}
