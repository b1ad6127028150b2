package rotator

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestATraceTellsWhoWasChosenAndWhoWasNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		candidates := append(fleet(5), candidate(6, NewGroup()))
		p := NewPool(candidates, affine(Options{Policy: fillFirst{}, Queue: 10, Hedge: 1}))
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultRateShort, Delay: 3 * time.Second})
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultDead, Reason: "API_KEY_INVALID"})
		fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultNotEntitled})
		began := time.Now().UTC()
		var trace Trace
		tried := &Tried{}
		fail(t, p, Query{Model: "m", Tried: tried}, &Fault{Kind: FaultTransient, Status: 500})
		q := Query{Model: "m", Trace: &trace, Tried: tried, Conversation: 7}
		first := take(t, p, q)
		if second, ok := p.Hedge(q, first); !ok {
			t.Fatal("not hedged")
		} else {
			second.Settle(Outcome{Called: true})
		}
		first.Settle(Outcome{Called: true})
		take(t, p, Query{Model: "m", Trace: &trace, Conversation: 7}).Settle(Outcome{Called: true})
		for i := 3; i < 6; i++ {
			candidates[i].Group.facts("m").cool(Decision{Until: began.Add(time.Hour), State: StateQuotaLong}, began.UnixNano(), 1)
		}
		q = Query{Model: "m", Trace: &trace}
		refused(t, p, q)
		ticket := join(t, p, q, time.Minute)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		leaseOf(t, ticket).Settle(Outcome{Called: true})

		got, err := json.Marshal(trace.Steps())
		if err != nil {
			t.Fatal(err)
		}
		cooling := `{"account":"account-1","reason":"rate_short","until":"2000-01-01T00:00:03Z"},`
		others := `{"account":"account-2","reason":"API_KEY_INVALID"},{"account":"account-3","reason":"not_entitled","until":"2000-01-01T06:00:00Z"}`
		day := func(n string) string {
			return `,{"account":"account-` + n + `","reason":"quota_long","until":"2000-01-01T01:00:00Z"}`
		}
		tried4 := `,{"account":"account-4","reason":"tried before"}`
		want := []string{
			`{"at":"2000-01-01T00:00:00Z","what":"acquire","model":"m","account":"account-5","why":"policy",` +
				`"groups":{"disabled":1,"not_entitled":1,"rate_short":1,"ready":3},"skipped":[` + cooling + others + tried4 + `]}`,
			`{"at":"2000-01-01T00:00:00Z","what":"hedge","model":"m","account":"account-6","why":"hedge: its group has plenty",` +
				`"groups":{"disabled":1,"not_entitled":1,"rate_short":1,"ready":3},"skipped":[` + cooling + others + tried4 + `]}`,
			`{"at":"2000-01-01T00:00:00Z","what":"acquire","model":"m","account":"account-5","why":"affinity: it served the conversation before",` +
				`"groups":{"disabled":1,"not_entitled":1,"rate_short":1,"ready":3},"skipped":[` + cooling + others + `]}`,
			`{"at":"2000-01-01T00:00:00Z","what":"acquire","model":"m","why":"rate limit","retry_after":3,` +
				`"groups":{"disabled":1,"not_entitled":1,"quota_long":3,"rate_short":1},"skipped":[` + cooling + others + day("4") + day("5") + day("6") + `]}`,
			`{"at":"2000-01-01T00:00:03Z","what":"wait","model":"m","account":"account-1","why":"policy","waited":3,` +
				`"groups":{"disabled":1,"not_entitled":1,"quota_long":3,"ready":1},"skipped":[` + others + day("4") + day("5") + day("6") + `]}`,
		}
		if want := "[" + strings.Join(want, ",") + "]"; string(got) != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

func TestATraceIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1000), Options{})
		for _, c := range p.candidates() {
			c.suspend(&outage{reason: "dead"}, time.Now())
		}
		var trace Trace
		for range 100 {
			refused(t, p, Query{Model: "m", Trace: &trace})
		}
		time.Sleep(time.Second)
		refused(t, p, Query{Model: "last", Trace: &trace})
		steps := trace.Steps()
		if len(steps) != maxSteps || steps[0].Model != "m" || steps[maxSteps-1].Model != "last" {
			t.Errorf("%d steps, want the first and the last", len(steps))
		}
		if n := len(steps[0].Skipped); n != maxSkips {
			t.Errorf("%d accounts skipped in a step", n)
		}
	})
}
