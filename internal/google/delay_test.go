package google

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestParseDelay(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"0.539477544s":     539477544,
		"539.477544ms":     539477544,
		"1.5s":             1500 * time.Millisecond,
		"56s":              56 * time.Second,
		"68940s":           68940 * time.Second,
		"33740.910400305s": 33740910400305,
		"19h14m47s":        19*time.Hour + 14*time.Minute + 47*time.Second,
		"0s":               0,
		"-5s":              0,
		"172800s":          maxDelay,
		"":                 0,
		"56":               0,
		"soon":             0,
	} {
		if got := parseDelay(s); got != want {
			t.Errorf("%q: %v; want %v", s, got, want)
		}
	}
}

func TestDelayByWhereItStands(t *testing.T) {
	meta := func(pairs ...text) map[string]text {
		m := make(map[string]text)
		for i := 0; i < len(pairs); i += 2 {
			m[string(pairs[i])] = pairs[i+1]
		}
		return m
	}
	for _, test := range []struct {
		name string
		report
		want time.Duration
	}{
		{"the retry delay", report{retry: 3 * time.Second, message: "Please retry in 9s."}, 3 * time.Second},
		{"the retry delay and its fraction", report{retry: 56 * time.Second, message: "Please retry in 56.09774s."}, 56097740 * time.Microsecond},
		{"the retry delay, not a sentence before it", report{retry: 56 * time.Second, message: "Please retry in 55.9s."}, 56 * time.Second},
		{"the longer of two", report{retry: 3 * time.Second, metadata: meta("quotaResetDelay", "7s")}, 7 * time.Second},
		{"the longer of two, the other way", report{retry: 8 * time.Second, metadata: meta("quotaResetDelay", "7s")}, 8 * time.Second},
		{"the quota's delay before its moment", report{metadata: meta("quotaResetDelay", "7s", "quotaResetTimeStamp", "2000-01-01T01:00:00Z")}, 7 * time.Second},
		{"the quota's moment", report{metadata: meta("quotaResetTimeStamp", "2000-01-01T01:00:00Z"), message: "Please retry in 9s."}, time.Hour},
		{"a moment far off", report{metadata: meta("quotaResetTimeStamp", "2000-02-01T01:00:00Z")}, maxDelay},
		{"a moment past", report{metadata: meta("quotaResetTimeStamp", "1970-01-01T00:00:00Z"), message: "Please retry in 9s."}, 9 * time.Second},
		{"retry in, in words", report{message: "Please retry in 56.09774s."}, 56097740 * time.Microsecond},
		{"retry in milliseconds", report{message: "please retry in 120ms"}, 120 * time.Millisecond},
		{"reset after, in words", report{message: "Your quota will reset after 19h14m47s."}, 19*time.Hour + 14*time.Minute + 47*time.Second},
		{"resets in, in words", report{message: "Resets in 9h22m20s."}, 9*time.Hour + 22*time.Minute + 20*time.Second},
		{"nought, in words", report{message: "Your quota will reset after 0s."}, 0},
		{"nowhere", report{message: "Try again."}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			if got := test.delay(time.Now()); got != test.want {
				t.Errorf("%s: %v; want %v", test.name, got, test.want)
			}
		})
	}
}
