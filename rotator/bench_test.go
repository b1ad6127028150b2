package rotator

import (
	"fmt"
	"testing"
	"time"
)

// benchmarkPool returns n accounts, each a quota group of its own, of which the first limited ones cool.
func benchmarkPool(b *testing.B, n, limited int, o Options) *Pool {
	b.Helper()
	candidates := fleet(n)
	p := NewPool(candidates, o)
	until := time.Now().Add(time.Hour)
	for _, c := range candidates[:limited] {
		c.Group.facts("m").cool(Decision{Until: until, State: StateRateShort}, time.Now().UnixNano(), 1)
	}
	for _, c := range candidates {
		c.current.Store(&Token{Secret: "t", Expiry: until})
	}
	return p
}

func BenchmarkAcquireSettle(b *testing.B) {
	for _, size := range []struct{ accounts, limited int }{{25, 0}, {501, 500}, {501, 0}, {5000, 0}, {10000, 0}} {
		b.Run(fmt.Sprintf("accounts=%d/cooling=%d", size.accounts, size.limited), func(b *testing.B) {
			acquireSettle(b, benchmarkPool(b, size.accounts, size.limited, Options{}))
		})
	}
}

func BenchmarkAcquireSettlePolicy(b *testing.B) {
	for _, name := range []string{"headroom", "round_robin", "fill_first", "weighted", "random"} {
		b.Run(name, func(b *testing.B) {
			policy, err := NewPolicy(name, nil)
			if err != nil {
				b.Fatal(err)
			}
			acquireSettle(b, benchmarkPool(b, 5000, 0, Options{Policy: policy}))
		})
	}
}

func BenchmarkAcquireSettleLimits(b *testing.B) {
	acquireSettle(b, benchmarkPool(b, 5000, 0, Options{Limits: []Limit{{Model: "*", RPM: 1 << 40, RPD: 1 << 40, TPM: 1 << 50}}}))
}

// acquireSettle runs a request's share of the pool's work in eight goroutines.
func acquireSettle(b *testing.B, p *Pool) {
	for range len(p.candidates()) { // every account has been used once, so all that is made on first use is there
		lease, err := p.Acquire(Query{Model: "m", Tokens: 1000})
		if err != nil {
			b.Fatal(err)
		}
		lease.Settle(Outcome{Called: true, Tokens: 1000})
	}
	b.SetParallelism(4) // with GOMAXPROCS=2: eight goroutines
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			lease, err := p.Acquire(Query{Model: "m", Tokens: 1000})
			if err != nil {
				b.Error(err)
				return
			}
			lease.Settle(Outcome{Called: true, Tokens: 1100})
		}
	})
}

// Ten thousand conversations, or none, take turns: what affinity costs is the difference.
func BenchmarkConversation(b *testing.B) {
	for name, conversations := range map[string]uint64{"none": 0, "many": 10_000} {
		b.Run(name, func(b *testing.B) {
			p := benchmarkPool(b, 5000, 0, Options{Affinity: NewAffinity(), AffinityFor: time.Hour})
			turn := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				q := Query{Model: "m", Tokens: 1000}
				if conversations > 0 {
					turn++
					q.Conversation = turn%conversations + 1
				}
				lease, err := p.Acquire(q)
				if err != nil {
					b.Fatal(err)
				}
				lease.Settle(Outcome{Called: true, Tokens: 1100})
			}
		})
	}
}

func BenchmarkExhausted(b *testing.B) {
	p := benchmarkPool(b, 5000, 5000, Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Acquire(Query{Model: "m", Tokens: 1000}); err == nil {
			b.Fatal("got a lease")
		}
	}
}

func BenchmarkCachedToken(b *testing.B) {
	p := benchmarkPool(b, 1, 0, Options{})
	lease, err := p.Acquire(Query{Model: "m"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if t, err := lease.Token(b.Context()); err != nil || t.Secret != "t" {
			b.Fatal(err)
		}
	}
}

func BenchmarkReady(b *testing.B) {
	p := benchmarkPool(b, 10_000, 10_000, Options{})
	b.ReportAllocs()
	for b.Loop() {
		if p.Ready() {
			b.Fatal("ready")
		}
	}
}
