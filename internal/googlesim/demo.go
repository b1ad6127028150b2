package googlesim

import (
	"fmt"
	"time"
)

// DemoLimits are the free quotas of the demo's projects: together they let a newcomer try things at leisure, and one project
// alone runs out within a minute of trying.
var DemoLimits = Limits{RPM: 5, RPD: 20, TPM: 250_000}

const demoKeys = 25

// Demo is a Server with 25 API keys, each of a project of its own that has DemoLimits for every model, and the keys. It streams
// at the speed of a fast model. It is not started yet.
func Demo() (s *Server, keys []string) {
	s = New(Options{Pace: 25 * time.Millisecond})
	s.SetLimits("", "*", DemoLimits)
	for i := range demoKeys {
		key := fmt.Sprintf("AQ.simulated-key-%02d", i+1)
		s.AddKey(key, fmt.Sprintf("demo-project-%02d", i+1))
		keys = append(keys, key)
	}
	return s, keys
}
