package rotator

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestAllowancesAddUpTheTightestWindows(t *testing.T) {
	midnight := func() time.Duration { return time.Until(nextMidnight(time.Now())) }
	for _, test := range []struct {
		name   string
		limit  Limit
		do     func(t *testing.T, p *Pool)
		want   Allowances
		resets func() time.Duration // of requests, when it is midnight
	}{
		{name: "nothing used", limit: Limit{RPM: 5, RPD: 20, TPM: 1000},
			want: Allowances{Requests: Allowance{Limit: 15, Remaining: 15}, Tokens: Allowance{Limit: 3000, Remaining: 3000}}},
		{name: "a minute's", limit: Limit{RPM: 5, TPM: 1000},
			do: func(t *testing.T, p *Pool) {
				call(t, p, "m")
				time.Sleep(20 * time.Second)
				call(t, p, "m")
				time.Sleep(10 * time.Second)
			},
			want: Allowances{
				Requests: Allowance{Limit: 15, Remaining: 13, Reset: aMinute - 10*time.Second},
				Tokens:   Allowance{Limit: 3000, Remaining: 2980, Reset: aMinute - 10*time.Second},
			}},
		{name: "a day's", limit: Limit{RPM: 5, RPD: 5},
			do: func(t *testing.T, p *Pool) {
				call(t, p, "m")
				time.Sleep(aMinute)
			},
			want: Allowances{Requests: Allowance{Limit: 15, Remaining: 14}}, resets: midnight},
		{name: "only one is unknown", do: func(t *testing.T, p *Pool) {
			fail(t, p, Query{Model: "m"}, refusal(QuotaRPM, 5))
			fail(t, p, Query{Model: "m"}, refusal(QuotaRPM, 5))
			time.Sleep(aMinute)
		}},
		{name: "all are learned", do: func(t *testing.T, p *Pool) {
			for range 3 {
				fail(t, p, Query{Model: "m"}, refusal(QuotaRPM, 5))
			}
			time.Sleep(45 * time.Second)
		}, want: Allowances{Requests: Allowance{Limit: 15, Reset: aMinute - 45*time.Second}}},
		{name: "one does not have the model", limit: Limit{RPM: 5, TPM: 100},
			do: func(t *testing.T, p *Pool) { fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultNotEntitled}) },
			want: Allowances{
				Requests: Allowance{Limit: 10, Remaining: 10}, Tokens: Allowance{Limit: 200, Remaining: 200},
			}},
		{name: "one is disabled", limit: Limit{RPM: 5},
			do: func(t *testing.T, p *Pool) {
				fail(t, p, Query{Model: "m"}, &Fault{Kind: FaultDead})
				time.Sleep(aMinute)
			},
			want: Allowances{Requests: Allowance{Limit: 10, Remaining: 10}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.limit.Model = "*"
				p := NewPool(fleet(3), Options{Limits: []Limit{test.limit}})
				if test.do != nil {
					test.do(t, p)
				}
				if test.resets != nil {
					test.want.Requests.Reset = test.resets()
				}
				if got := p.Allowances("m"); got != test.want {
					t.Errorf("got  %+v\nwant %+v", got, test.want)
				}
			})
		})
	}
}

// However often it is asked for, the groups are looked at no more often than the pause allows.
func TestAllowancesAreLookedAtInPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(50), Options{Limits: []Limit{{Model: "*", RPM: 5}}})
		left := func() int64 { return p.Allowances("m").Requests.Remaining }
		if got := left(); got != 250 {
			t.Fatalf("%d remaining", got)
		}
		call(t, p, "m")
		time.Sleep(50*surveyPause - 1)
		if got := left(); got != 250 {
			t.Errorf("%d remaining before the pause is over", got)
		}
		time.Sleep(1)
		if got := left(); got != 249 {
			t.Errorf("%d remaining after the pause", got)
		}
	})
}

func BenchmarkAllowances(b *testing.B) {
	for _, n := range []int{25, 5000} {
		b.Run(fmt.Sprintf("accounts=%d", n), func(b *testing.B) {
			p := benchmarkPool(b, n, 0, Options{Limits: []Limit{{Model: "*", RPM: 5, RPD: 20, TPM: 250_000}}})
			for b.Loop() {
				p.Allowances("m")
			}
		})
	}
}
