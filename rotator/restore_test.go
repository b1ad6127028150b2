package rotator

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzRestore restores what could be found on a disk into an account that is used, and into one of which nothing is known. Whatever it
// is, nothing gets better than it was, and the pool comes to itself within the time that Google's longest quota takes.
func FuzzRestore(f *testing.F) {
	const now = "946684800000" // synctest begins then
	for _, seed := range []string{
		`{}`,
		`{"token":{"secret":"s","expiry":"2000-01-01T01:00:00Z","project":"p"},"refusals":2,"consumer":"123","requests":10,"errors":1}`,
		`{"outage":{"operator":true}}`,
		`{"outage":{"until":"2000-01-01T00:30:00Z","reason":"SERVICE_DISABLED: x"}}`,
		`{"outage":{"until":"9999-01-01T00:30:00Z"},"models":{"m":{"cooldown":{"until":"9999-01-01T00:30:00Z","state":"quota_long"}}}}`,
		`{"models":{"m":{"day":{"ends":"2000-01-01T08:00:00Z","calls":19,"tokens":100},"minute":[[` + now + `,10,3,300]],"streak":2,
		  "rpm":{"quota":"a","value":5,"until":"2000-01-10T00:00:00Z"},"rpd":{"quota":"b","value":20,"until":"2000-01-10T00:00:00Z"},
		  "tpm":{"quota":"c","value":1000,"until":"2000-01-10T00:00:00Z"},"tpd":{"quota":"d","value":5000,"until":"2000-01-10T00:00:00Z"}},
		  "n":{"bucket":"m"},"o":{"bucket":"n"},"n2":{"bucket":"n2"}}}`,
		`{"models":{"m":{"cooldown":{"until":"2000-01-01T05:00:00Z","state":"not_entitled","absent":true}}}}`,
		`{"models":{"m":{"day":{"ends":"2000-01-01T08:00:00Z","calls":-5,"tokens":9223372036854775807},
		  "minute":[[9223372036854775807,9223372036854775807,9223372036854775807,1],[-1,-1,-1,-1],[` + now + `,-9223372036854775808,1,9]]}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		s := new(AccountState)
		if json.Unmarshal(object, s) != nil {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			projects := NewProjects()
			used, fresh := candidate(1, NewGroup()), candidate(2, NewGroup())
			p := NewPool([]Candidate{used, fresh}, Options{Policy: fillFirst{}, Projects: projects, Limits: []Limit{{Model: "*", RPD: 1 << 50}}})
			lease := take(t, p, Query{Model: "m", Tokens: 5})
			call(t, p, "m")
			fail(t, p, Query{Model: "cool"}, &Fault{Kind: FaultRateShort, Delay: time.Minute})
			before := status(p)[1]

			for _, c := range []Candidate{used, fresh, used} {
				c.Restore(s, projects)
			}
			lease.Settle(Outcome{Called: true, Tokens: 7})

			after := p.Snapshot().Accounts[0]
			for _, m := range after.Models {
				switch {
				case m.Model == "m" && (m.RPM.Used < before.RPM.Used || m.RPD.Used < before.RPD.Used || m.TPM.Used < before.TPM.Used):
					t.Errorf("%+v, before %+v", m, before)
				case m.Model == "cool" && m.State != StateCooling:
					t.Errorf("%+v", m)
				case m.Until.After(time.Now().Add(maxDelay + time.Second)):
					t.Errorf("out until %v", m.Until)
				}
			}
			if n := len(after.Models); n > maxFacts {
				t.Errorf("%d models", n)
			}
			for _, c := range []Candidate{used, fresh} {
				checkGroup(t, c.Group)
				again := *reborn(&c)
				again.Restore(written(t, c.Export()), NewProjects()) // what is written can be read
				again.Close()
				c.Close()
			}
			if s.Outage == nil {
				time.Sleep(maxDelay)
				call(t, p, "m")
			}
		})
	})
}

// checkGroup checks that the sums of windows are those of their entries.
func checkGroup(t *testing.T, g *Group) {
	t.Helper()
	g = g.lock()
	defer g.mu.Unlock()
	for model, f := range g.models {
		var calls, tokens, last int64
		for _, s := range f.minute.spans[f.minute.head:] {
			calls, tokens = calls+s.calls, tokens+s.tokens
			if s.first < last || s.last < s.first || s.last-s.first > grain || s.first > time.Now().UnixNano() {
				t.Errorf("%s: a span from %d to %d, after %d", model, s.first, s.last, last)
			}
			last = s.first
		}
		if calls != f.minute.calls || tokens != f.minute.tokens || f.day.calls < 0 || f.day.tokens < 0 {
			t.Errorf("%s: %d calls and %d tokens in a window of %+v", model, calls, tokens, f.minute)
		}
	}
}
