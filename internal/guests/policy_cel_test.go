package guests

import (
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// celPolicy is a provisioned policy, and what it logs.
func celPolicy(tb testing.TB, expression string) (*CEL, *observer.ObservedLogs) {
	tb.Helper()
	c := &CEL{Expression: expression}
	if err := c.Provision(caddy.Context{}); err != nil {
		tb.Fatal(err)
	}
	core, logs := observer.New(zap.DebugLevel)
	c.logger = zap.New(core)
	return c, logs
}

// someone is a candidate all of whose properties are different.
var someone = rotator.Standing{
	Credential: &rotator.Credential{Label: "paid-7", Project: "p1", Backend: "vertex", QuotaGroup: "g1"},
	Index:      2, Weight: 3, Errors: 5, InFlight: 7, Load: 11.5, Left: -0.5, RPMLeft: 13, RPDLeft: 17, TPMLeft: 19000,
}

func TestAnExpressionSeesEveryPropertyOfACandidate(t *testing.T) {
	for expression, want := range map[string]float64{
		`label == "paid-7" && project == "p1" && backend == "vertex" && quota_group == "g1" ? 1 : 0`: 1,
		"index": 2, "weight": 3, "errors": 5, "in_flight": 7, "load": 11.5, "left": -0.5,
		"rpm_left": 13, "rpd_left": 17, "tpm_left": 19000,
		"rpd_left - 10.0 * double(in_flight)":              -53,
		"in_flight > 6.5 ? 1 : 0":                          1,
		"math.least(rpm_left, rpd_left)":                   13,
		`label.matches("^paid-[0-9]+$") ? rpd_left : -1.0`: 17,
	} {
		c, logs := celPolicy(t, expression)
		if got := c.Rank(someone); got != -want {
			t.Errorf("%s: rank %v, want %v, because the highest value goes first", expression, got, -want)
		}
		if logs.Len() > 0 {
			t.Errorf("%s: %v", expression, logs.All())
		}
	}
}

func TestWhatCannotRankIsRefusedWithItsPlace(t *testing.T) {
	for expression, says := range map[string]string{
		" \n":                        "policy cel needs an expression",
		"rpd_left +":                 "line 1, column 11",
		"rpd_left + lable":           "line 1, column 12: undeclared reference to 'lable'",
		"rpd_left > 3":               "line 1, column 10: the result must be a number, not bool",
		"label":                      "line 1, column 1: the result must be a number, not string",
		"index ==\n0 ? 1 :\n  'two'": "line 2, column 3",
		"[1, 2.0][index]":            "the result must be a number, not dyn",
		"rpd_left * weight":          "line 1, column 10: found no matching overload for '_*_' applied to '(double, int)'",
		"size([1,2,3,4,5,6,7,8].map(a, [1,2,3,4,5,6,7,8].map(b, [1,2,3,4,5,6,7,8].map(c, a*b*c))))": "take too long",
	} {
		err := (&CEL{Expression: expression}).Provision(caddy.Context{})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v does not say %q", expression, err, says)
		}
	}
}

// What passes at the start cannot stall the pool: its cost is known, whatever the names and numbers are.
func TestTheCostOfAnExpressionIsBoundedWhateverTheNamesAre(t *testing.T) {
	for expression, fits := range map[string]bool{
		"rpd_left * double(weight) / (1.0 + double(in_flight)) - load":   true,
		`label in ["a", "b", "c", "d"] ? 1 : 0`:                          true,
		`{"a": 1, "b": 2}[label]`:                                        true,
		`label.matches("^paid-[0-9]+$") ? 1 : 0`:                         true,
		`label.matches("` + strings.Repeat("(a|b)+", 100) + `") ? 1 : 0`: false,
	} {
		if err := (&CEL{Expression: expression}).Provision(caddy.Context{}); (err == nil) != fits {
			t.Errorf("%s: %v", expression, err)
		}
	}
}

func TestWithoutAValueACandidateComesLastAndOneErrorIsLogged(t *testing.T) {
	for _, expression := range []string{"10 / in_flight", "0.0 / double(in_flight)", `{"other": 1}[label]`, "rpd_left - rpm_left"} {
		synctest.Test(t, func(t *testing.T) {
			c, logs := celPolicy(t, expression)
			for range 3 {
				s := rotator.Standing{Credential: someone.Credential, RPMLeft: math.Inf(1), RPDLeft: math.Inf(1)}
				if got := c.Rank(s); !math.IsInf(got, 1) {
					t.Errorf("%s: rank %v", expression, got)
				}
			}
			synctest.Wait()
			if logs.Len() != 1 || logs.All()[0].Level != zap.ErrorLevel || logs.All()[0].ContextMap()["account"] != "paid-7" {
				t.Errorf("%s: logs %v", expression, logs.All())
			}
		})
	}
}

func TestAPolicyIsVolatileIfItNeedsWhatOnlyThoseAreTold(t *testing.T) {
	for expression, want := range map[string]bool{
		"1": false, "index": false, "weight": false, "load - left": false, "math.least(index, weight)": false,
		"label.size()": true, "size(project)": true, "size(backend)": true, "size(quota_group)": true,
		"errors": true, "in_flight + index": true, "rpm_left": true, "rpd_left": true, "tpm_left": true,
	} {
		if c, _ := celPolicy(t, expression); c.Volatile() != want {
			t.Errorf("%s: volatile is %v", expression, c.Volatile())
		}
	}
}

func TestAPolicyThatIsNotVolatileDoesWithLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, logs := celPolicy(t, "10 / index")
		if got := c.Rank(rotator.Standing{Index: 5}); got != -2 {
			t.Errorf("rank %v", got)
		}
		c.Rank(rotator.Standing{})
		if synctest.Wait(); logs.Len() != 1 {
			t.Errorf("logs %v", logs.All())
		}
	})
}

func TestManyMayRankAtOnce(t *testing.T) {
	c, _ := celPolicy(t, "rpd_left + double(index)")
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for range 1000 {
				if got := c.Rank(rotator.Standing{Credential: someone.Credential, RPDLeft: 10, Index: n}); got != -float64(10+n) {
					t.Errorf("rank %v for number %d", got, n)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestAnExpressionIsReadQuotedAsAWholeOrNotAtAll(t *testing.T) {
	for line, want := range map[string]string{
		"cel rpd_left":                                 "rpd_left",
		"cel rpd_left - double(in_flight)":             "rpd_left - double(in_flight)",
		`cel "rpd_left - double(in_flight)"`:           "rpd_left - double(in_flight)",
		`cel label == "a" ? 1 : 0`:                     `label == "a" ? 1 : 0`,
		"cel `label == \"a\" ? {\"b\": 1}[label] : 0`": `label == "a" ? {"b": 1}[label] : 0`,
	} {
		var c CEL
		if err := c.UnmarshalCaddyfile(caddyfile.NewTestDispenser(line)); err != nil || c.Expression != want {
			t.Errorf("%s: got %q, %v", line, c.Expression, err)
		}
	}
	for _, line := range []string{"cel", `cel ""`, "cel rpd_left {\n label\n}", "cel { label }", "cel lable"} {
		if err := new(CEL).UnmarshalCaddyfile(caddyfile.NewTestDispenser(line)); err == nil {
			t.Errorf("%s passes", line)
		}
	}
}

func BenchmarkRank(b *testing.B) {
	for _, expression := range []string{
		"rpd_left", "-in_flight", "rpd_left - 10.0 * double(in_flight)", `label.startsWith("paid") ? 100.0 : 0.0`,
		`(label == "a" ? 1000.0 : 0.0) + (in_flight > 3 ? -50.0 : 0.0) + math.least(rpd_left, 100.0) * 2.0`,
	} {
		b.Run(expression, func(b *testing.B) {
			c, _ := celPolicy(b, expression)
			b.ReportAllocs()
			for b.Loop() {
				c.Rank(someone)
			}
		})
	}
}
