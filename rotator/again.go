package rotator

import "time"

// Again counts the next call of the same request on the account: Google gives a very long answer in several. used are the prompt tokens
// that Google counted of the call before, 0 when it did not say, and tokens an estimate of those of the next. It reports false when the
// account's quota has no room for that. Otherwise the lease is that of the next call from then on.
func (l *Lease) Again(used, tokens int64) bool {
	f, now, before := l.choice.facts, time.Now().UnixNano(), &l.choice.booking
	if used > 0 && l.estimate > 0 {
		l.index.observe(l.estimate, used)
	}
	l.estimate = 0 // the calls that follow are not estimated from the request
	if f.settle(before, &Outcome{Called: true, Tokens: used}, l.began) {
		l.giveBack()
		l.index.pool.options.Models.bell.settled(l, true)
	}
	if used > 0 {
		before.tokens = used // as is settled now
	}
	var b booking
	if _, _, ok := f.reserve(now, tokens, &l.index.limits, &b); !ok {
		return false
	}
	l.choice.booking, l.began = b, now
	l.choice.candidate.requests.Add(1)
	l.choice.candidate.Account.changed()
	return true
}
