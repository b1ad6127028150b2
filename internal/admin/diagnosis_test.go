package admin

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

func TestADiagnosisNamesAMomentOnlyWhereItCanBeBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the year 2000 begins
		soon, tomorrow := time.Now().Add(30*time.Second), time.Now().Add(24*time.Hour)
		for _, c := range []struct {
			fault rotator.Fault
			want  time.Time
		}{
			{rotator.Fault{Kind: rotator.FaultRateShort, Delay: 30 * time.Second}, soon},
			{rotator.Fault{Kind: rotator.FaultQuotaLong, Delay: 30 * time.Second, Until: tomorrow}, tomorrow},
			{rotator.Fault{Kind: rotator.FaultQuotaLong, Delay: 30 * time.Second, PerDay: true}, time.Time{}},
			{rotator.Fault{Kind: rotator.FaultModelCapacity}, time.Time{}},
			{rotator.Fault{Kind: rotator.FaultTransient, Delay: 30 * time.Second}, time.Time{}},
			{rotator.Fault{Kind: rotator.FaultDead, Until: tomorrow}, time.Time{}},
		} {
			var d Diagnosis
			if d.faulty(&c.fault); !d.Until.Equal(c.want) {
				t.Errorf("%+v: until %s, want %s", c.fault, d.Until, c.want)
			}
		}
	})
}

func TestADiagnosisRepeatsNoErrorThatMayHoldASecret(t *testing.T) {
	proxy := errors.New(`invalid proxy address "http://me:` + sentinel + `@proxy"`)
	refused := fmt.Errorf("calling: %w", &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")})
	for want, err := range map[string]error{"the connection failed": proxy, "dial tcp: connection refused": refused} {
		var d Diagnosis
		d.faulty(&rotator.Fault{Kind: rotator.FaultTransient, Reason: "CONNECTION_FAILED", Message: "the connection failed", Err: err})
		if d.Message != want || d.State != stateUnknown {
			t.Errorf("%+v, want %s", d, want)
		}
	}
}

func TestAQuotaOfAnotherModelIsNoTrouble(t *testing.T) {
	d := Diagnosis{Backend: "code_assist", Model: "a"}
	d.healthy(&google.Finding{Project: "p", Left: []google.Left{{Model: "b"}, {Model: "a", Fraction: 0.999}}})
	if want := "Code Assist serves this account; left: b 0 %, a 99 %"; d.State != stateGood || d.sentence() != want || d.Project != "p" {
		t.Errorf("%s %s", d.State, d.sentence())
	}
}

func TestEveryStateOfADiagnosisComesWithWords(t *testing.T) {
	for kind := rotator.FaultTransient; kind <= rotator.FaultCanceled; kind++ {
		var d Diagnosis
		if d.faulty(&rotator.Fault{Kind: kind}); d.State == "" || d.State == stateGood || d.Words == "" {
			t.Errorf("kind %d: %+v", kind, d)
		}
	}
}
