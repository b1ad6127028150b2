package accounts

import "time"

const (
	// sharePart is that one part of so many of the time may go into writing: however slow a storage is, and however much there is to
	// write, it has rest.
	sharePart = 10
	// shareMax can be saved up while there is nothing to write: much is urgent at once when a pool begins to work, or to run dry.
	shareMax = 2 * time.Second
	// shareReserve is left for what is urgent.
	shareReserve = shareMax - 50*time.Millisecond
)

// share is a share of time.
type share struct {
	left time.Duration // below zero when something took longer
	at   time.Time     // then
}

func newShare(now time.Time) share { return share{left: shareMax, at: now} }

// wait is how long until more than the reserve is left.
func (s *share) wait(now time.Time, reserve time.Duration) time.Duration {
	left := min(s.left+now.Sub(s.at)/sharePart, shareMax)
	if left > reserve {
		return 0
	}
	return (reserve-left)*sharePart + time.Millisecond
}

// spend takes what went into writing.
func (s *share) spend(from, to time.Time) {
	s.left = min(s.left+from.Sub(s.at)/sharePart, shareMax) - to.Sub(from)
	s.at = to
}
