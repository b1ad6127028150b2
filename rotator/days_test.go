package rotator

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// quotas is a Google that counts by fixed minutes and by days of California, and does not count what it refuses.
type quotas struct {
	rpm, rpd, tpm int64
	groups        map[int]*counters
	refused       map[string]int // by group and quota
	served        map[int]float64
	today         int // served since midnight in California
}

type counters struct {
	minute        time.Time
	day           string
	rpm, rpd, tpm int64
}

func (g *quotas) call(group int, tokens int64) *Fault {
	c := g.groups[group]
	if c == nil {
		c = &counters{}
		g.groups[group] = c
	}
	if minute := time.Now().Truncate(time.Minute); !minute.Equal(c.minute) {
		c.minute, c.rpm, c.tpm = minute, 0, 0
	}
	if day := time.Now().In(pacific).Format(time.DateOnly); day != c.day {
		c.day, c.rpd = day, 0
	}
	var f *Fault
	switch {
	case c.rpd >= g.rpd:
		f = refusal(QuotaRPD, g.rpd)
	case c.rpm >= g.rpm:
		f = refusal(QuotaRPM, g.rpm)
	case c.tpm+tokens > g.tpm:
		f = refusal(QuotaTPM, g.tpm)
	default:
		c.rpm, c.rpd, c.tpm = c.rpm+1, c.rpd+1, c.tpm+tokens
		g.served[group]++
		g.today++
		return nil
	}
	if f.PerMinute {
		f.Delay = time.Until(c.minute.Add(time.Minute))
	}
	g.refused[fmt.Sprint(group, f.Violations[0].QuotaID)]++
	return f
}

// request tries up to four groups.
func (g *quotas) request(t *testing.T, p *Pool, tokens int64) (served bool) {
	var tried Tried
	for n := range 4 {
		lease, err := p.Acquire(Query{Model: "m", Tokens: tokens, Tried: &tried})
		if err != nil {
			return false
		}
		f := g.call(lease.Credential().Index, tokens)
		if f == nil {
			lease.Settle(Outcome{Called: true, Tokens: tokens})
			return true
		}
		lease.Settle(Outcome{Called: true, Decision: lease.Decide(f, Attempts{Made: n + 1})})
	}
	return false
}

// Nothing is configured. Over days in which the clocks change, Google refuses each group once for each kind of quota, and nothing
// is left unused that is asked for.
func TestDaysAtTheLimit(t *testing.T) {
	const groups, rpd, days = 25, 20, 8
	const capacity = groups * rpd
	for _, begin := range []time.Time{ // days before a Sunday on which the clocks change
		time.Date(2026, 3, 5, 0, 0, 0, 0, pacific), time.Date(2026, 10, 29, 0, 0, 0, 0, pacific),
	} {
		for _, demand := range []float64{1, 3} {
			for _, burst := range []int{1, 60} {
				t.Run(fmt.Sprintf("%s/%vx/%d", begin.Format("January"), demand, burst), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						time.Sleep(time.Until(begin))
						google := &quotas{
							rpm: 5, rpd: rpd, tpm: 250_000, groups: map[int]*counters{}, refused: map[string]int{}, served: map[int]float64{},
						}
						p := NewPool(fleet(groups), Options{})
						random := rand.New(rand.NewPCG(1, uint64(burst)))
						for day := range days {
							google.today = 0
							asked, ends := simulateDay(t, google, p, random, demand*capacity, burst), time.Now()
							if want := 0.995 * float64(min(asked, capacity)); float64(google.today) < want {
								t.Errorf("day %d, until %v: %d of %d served, want %.1f", day, ends, google.today, asked, want)
							}
						}
						for quota, n := range google.refused {
							if n > 1 {
								t.Errorf("refused %d times: %s", n, quota)
							}
						}
						shares := make([]float64, 0, groups)
						for _, n := range google.served {
							shares = append(shares, n)
						}
						if len(shares) != groups || jain(shares) < 0.99 {
							t.Errorf("%d groups with shares %v", len(shares), shares)
						}
					})
				})
			}
		}
	}
}

// simulateDay has requests come in bursts at random until midnight in California, so many on average. It returns how many came.
func simulateDay(t *testing.T, google *quotas, p *Pool, random *rand.Rand, average float64, burst int) (asked int) {
	y, m, d := time.Now().In(pacific).Date()
	ends := time.Date(y, m, d+1, 0, 0, 0, 0, pacific)
	pause := float64(time.Until(ends)) * float64(burst) / average
	for {
		next := time.Now().Add(time.Duration(random.ExpFloat64() * pause))
		if !next.Before(ends) {
			break
		}
		time.Sleep(time.Until(next))
		for range burst {
			asked++
			google.request(t, p, 1000+random.Int64N(80_000))
		}
	}
	time.Sleep(time.Until(ends))
	return asked
}
