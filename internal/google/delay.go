package google

import (
	"regexp"
	"time"
)

// maxDelay is the longest delay believed: a day's quota is back within it, whatever the time zone.
const maxDelay = 26 * time.Hour

// Delays within Google's sentences, such as "Please retry in 56.09774s." and "Your quota will reset after 19h14m47s."
var delayInText = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\bretry in ((?:[0-9]+(?:\.[0-9]+)?(?:h|ms|m|s))+)`),
	regexp.MustCompile(`(?i)\bresets? (?:after|in) ((?:[0-9]+(?:\.[0-9]+)?(?:h|ms|m|s))+)`),
}

// parseDelay reads a duration as Google writes them: proto JSON's "1.5s", "539.477544ms", or Go's "19h14m47s". It is 0 for anything
// else and for negative ones, and at most maxDelay.
func parseDelay(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0
	}
	return min(max(d, 0), maxDelay)
}

// delay is how long Google says to wait, 0 when it names no time: the longer of the retry delay and the quota's reset delay, else
// the moment of the reset, else what the sentence says.
func (r *report) delay(now time.Time) time.Duration {
	said := r.delayInWords()
	if d := max(r.retry, parseDelay(string(r.metadata["quotaResetDelay"]))); d > 0 {
		if said > d && said-d < time.Second {
			return said // the Developer API's retry delay is without what goes beyond whole seconds, and so too early
		}
		return d
	}
	if at := r.until(now); !at.IsZero() {
		return at.Sub(now)
	}
	return said
}

// delayInWords is the delay that the sentence names, 0 when it names none.
func (r *report) delayInWords() time.Duration {
	for _, pattern := range delayInText {
		if m := pattern.FindStringSubmatch(r.message); m != nil {
			return parseDelay(m[1])
		}
	}
	return 0
}

// until is the moment at which Google says the quota is back; the zero time when it names none that is still to come.
func (r *report) until(now time.Time) time.Time {
	at, err := time.Parse(time.RFC3339, string(r.metadata["quotaResetTimeStamp"]))
	if err != nil || !at.After(now) {
		return time.Time{}
	}
	if latest := now.Add(maxDelay); at.After(latest) {
		return latest
	}
	return at
}
