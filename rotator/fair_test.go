package rotator

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// grants has tickets served one by one as a window frees, and returns the clients in the order in which they were.
func grants(t *testing.T, tickets map[string][]*Ticket, n int) []string {
	t.Helper()
	var order []string
	for len(order) < n {
		time.Sleep(aMinute)
		synctest.Wait()
		before := len(order)
		for client, list := range tickets {
			kept := list[:0]
			for _, ticket := range list {
				if !isReady(ticket) {
					kept = append(kept, ticket)
					continue
				}
				leaseOf(t, ticket).Settle(Outcome{Called: true, Tokens: ticket.query.Tokens})
				order = append(order, client)
			}
			tickets[client] = kept
		}
		if len(order) == before {
			t.Fatalf("nobody was served for a minute after %d", before)
		}
	}
	return order
}

func count(order []string) map[string]int {
	n := make(map[string]int)
	for _, client := range order {
		n[client]++
	}
	return n
}

func TestAFloodDoesNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 1}}, Queue: 2000})
		call(t, p, "m")
		tickets := make(map[string][]*Ticket)
		for range 1000 {
			tickets["flood"] = append(tickets["flood"], join(t, p, Query{Model: "m", Client: "flood"}, 100*time.Hour))
		}
		first := grants(t, tickets, 3) // it has the line for itself for a while
		for i := range 9 {
			client := fmt.Sprint("other-", i)
			tickets[client] = []*Ticket{join(t, p, Query{Model: "m", Client: client}, 100*time.Hour)}
		}
		n := count(grants(t, tickets, 20))
		if len(first) != 3 || len(n) != 10 || n["flood"] != 11 {
			t.Errorf("among twenty served were %v, want all nine others", n)
		}
		for _, list := range tickets {
			for _, ticket := range list {
				ticket.Leave()
			}
		}
		empty(t, p)
	})
}

func TestClientsThatAlwaysWaitGetEqualShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(3), Options{Limits: []Limit{{Model: "*", RPM: 4}}, Queue: 500})
		began := time.Now()
		n := make(map[string]float64)
		tickets := make(map[string][]*Ticket)
		for time.Since(began) < time.Hour {
			for i := range 10 {
				client := fmt.Sprint("client-", i)
				for len(tickets[client]) < 3+10*i { // some have many more places than others
					tickets[client] = append(tickets[client], join(t, p, Query{Model: "m", Client: client}, 100*time.Hour))
				}
				// Those with most change their mind often, which costs them nothing and gains them nothing.
				if i > 5 {
					tickets[client][len(tickets[client])-1].Leave()
					tickets[client] = tickets[client][:len(tickets[client])-1]
				}
			}
			for _, client := range grants(t, tickets, 1) {
				n[client]++
			}
		}
		if j := jain(slices.Collect(maps.Values(n))); j < 0.99 {
			t.Errorf("fairness %.4f: %v", j, n)
		}
		for _, list := range tickets {
			for _, ticket := range list {
				ticket.Leave()
			}
		}
		empty(t, p)
	})
}

func TestLongPromptsCostMoreTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 1}}, Queue: 1000})
		call(t, p, "m")
		tickets := make(map[string][]*Ticket)
		for range 100 {
			tickets["short"] = append(tickets["short"], join(t, p, Query{Model: "m", Client: "short"}, 100*time.Hour))
			tickets["long"] = append(tickets["long"], join(t, p, Query{Model: "m", Client: "long", Tokens: 2 * tokensOfACall}, 100*time.Hour))
		}
		if n := count(grants(t, tickets, 80)); n["short"] != 60 || n["long"] != 20 {
			t.Errorf("served %v, want three times as many short ones", n)
		}
		for _, list := range tickets {
			for _, ticket := range list {
				ticket.Leave()
			}
		}
	})
}

// A client that waits for one thing at a time has no advantage over one that has it all in the line.
func TestComingBackAtOnceBringsNoAdvantage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 1}}, Queue: 1000})
		call(t, p, "m")
		tickets := make(map[string][]*Ticket)
		for range 100 {
			tickets["many"] = append(tickets["many"], join(t, p, Query{Model: "m", Client: "many"}, 100*time.Hour))
		}
		var order []string
		for range 60 {
			if len(tickets["one"]) == 0 {
				tickets["one"] = []*Ticket{join(t, p, Query{Model: "m", Client: "one"}, 100*time.Hour)}
			}
			order = append(order, grants(t, tickets, 1)...)
		}
		if n := count(order); n["one"] < 29 || n["one"] > 31 {
			t.Errorf("served %v, want half each", n)
		}
		for _, list := range tickets {
			for _, ticket := range list {
				ticket.Leave()
			}
		}
	})
}

// What was refused did not cost anything: who asked for too much is not behind afterwards.
func TestOnlyWhatWasServedCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 1}}, Queue: 1000})
		call(t, p, "m")
		calm := join(t, p, Query{Model: "m", Client: "calm"}, 100*time.Hour)
		for range 500 {
			ticket := join(t, p, Query{Model: "m", Client: "eager"}, 100*time.Hour)
			ticket.Leave()
		}
		eager := join(t, p, Query{Model: "m", Client: "eager"}, 100*time.Hour)
		time.Sleep(aMinute)
		synctest.Wait()
		leaseOf(t, calm).Settle(Outcome{Called: true})
		calm = join(t, p, Query{Model: "m", Client: "calm"}, 100*time.Hour)
		time.Sleep(aMinute)
		synctest.Wait()
		leaseOf(t, eager).Settle(Outcome{Called: true})
		calm.Leave()
		empty(t, p)
	})
}

func TestClientsThatWereServedAreForgottenInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 1 << 30, RPD: 1 << 30}}, Queue: 100})
		// A prompt that never fits keeps the line from becoming empty.
		p.options.Limits = append(p.options.Limits, Limit{Model: "*", TPM: 100})
		lease := take(t, p, Query{Model: "m", Tokens: 50})
		stuck := join(t, p, Query{Model: "m", Tokens: 90, Client: "stuck"}, 2*time.Minute)
		for i := range 10_000 {
			ticket := join(t, p, Query{Model: "m", Client: fmt.Sprint(i)}, 2*time.Minute)
			leaseOf(t, ticket).Settle(Outcome{Called: true})
		}
		p.lines.mu.Lock()
		if n := len(p.lines.models["m"].flows); n > 2*maxRested {
			t.Errorf("%d clients are remembered", n)
		}
		p.lines.mu.Unlock()
		stuck.Leave()
		lease.Settle(Outcome{Called: true})
		empty(t, p)
	})
}

func TestNobodySavesUpByStayingAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(fleet(1), Options{Limits: []Limit{{Model: "*", RPM: 1}}, Queue: 1000})
		call(t, p, "m")
		tickets := make(map[string][]*Ticket)
		for range 100 {
			tickets["early"] = append(tickets["early"], join(t, p, Query{Model: "m", Client: "early"}, 100*time.Hour))
		}
		grants(t, tickets, 50)
		for range 50 {
			tickets["late"] = append(tickets["late"], join(t, p, Query{Model: "m", Client: "late"}, 100*time.Hour))
		}
		if n := count(grants(t, tickets, 20)); n["early"] < 9 || n["early"] > 11 {
			t.Errorf("served %v, want half each", n)
		}
		for _, list := range tickets {
			for _, ticket := range list {
				ticket.Leave()
			}
		}
	})
}
