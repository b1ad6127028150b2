package gateway_test

import (
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

func TestExplanationTellsWhatHappened(t *testing.T) {
	both(t, func(w *world, ask func() *answer) {
		w.patient()
		w.key(1)
		w.key(2)
		w.start()
		w.script("key-1", googlesim.AssistRate(model, 30*time.Second, time.Now()))
		w.text(ask())
		w.script("key-2", googlesim.AssistRate(model, 3*time.Second, time.Now()), googlesim.Internal())
		a := ask()
		w.text(a)
		e := a.record.Explain()
		if e.RequestID != a.record.RequestID || e.WaitMS != 3000 || e.DurationMS != a.took.Milliseconds() || e.Attempts != 3 ||
			e.Model != model || e.Account != "env-2" || e.Error != "" {
			w.Errorf("explanation: %+v", e)
		}
		var outcomes []string
		for _, try := range e.Tries {
			if try.Account != "env-2" || !try.Called || try.Model != model {
				w.Errorf("try: %+v", try)
			}
			outcomes = append(outcomes, try.Outcome)
		}
		if len(outcomes) != 3 || outcomes[2] != gateway.OutcomeAnswered || e.Tries[0].Status != 429 || e.Tries[1].Status != 500 {
			w.Errorf("tries: %+v", e.Tries)
		}
		asked := map[string]int{}
		for _, c := range e.Choices {
			asked[c.What]++
		}
		if asked["acquire"] == 0 || asked["wait"] != 1 {
			w.Errorf("choices: %+v", e.Choices)
		}
		if first := e.Choices[0]; first.Account != "env-2" || len(first.Skipped) != 1 || first.Skipped[0].Account != "env-1" {
			w.Errorf("the first choice: %+v", first)
		}
	})
}
