package google

import (
	"strings"
	"testing"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// recordedErrors are the kinds of the recorded answers that are not 200, by the record's name.
var recordedErrors = map[string]rotator.FaultKind{
	"g-3256002c8548": rotator.FaultRequest, "g-70be301c0382": rotator.FaultDead, "g-bfd1da945b0f": rotator.FaultSetup,
	"g-dfd484ed6fb4": rotator.FaultNotEntitled, "g-125c89ea50cc": rotator.FaultDead, "g-4ce551a28b66": rotator.FaultSetup,
	"g-9c048ce7cb44": rotator.FaultNotEntitled, "g-ab17f4bdc9bb": rotator.FaultDead, "g-00ef86b6f17c": rotator.FaultRequest,
	"g-b68d74760a08": rotator.FaultRequest, "g-0353d6210c54": rotator.FaultSetup, "g-78cb74fb9edc": rotator.FaultSetup,
	"g-2c23bc02b3bc": rotator.FaultRequest, "g-8e0b9556c488": rotator.FaultSetup, "g-e67e7909c8cb": rotator.FaultSetup,
	"g-23c162bae527": rotator.FaultRequest, "g-1319ae27570e": rotator.FaultRequest, "g-86901e30a2fd": rotator.FaultTransient,
	"g-c176ef11df33": rotator.FaultNotEntitled, "g-cf894934527d": rotator.FaultNotEntitled, "g-4cf3dd0a160e": rotator.FaultNotEntitled,
	"g-88ae04f23630": rotator.FaultSetup, "g-39a97da1bdef": rotator.FaultDead, "g-0da054490e40": rotator.FaultRateShort,
	"g-c621578e2c98": rotator.FaultTooLong, "g-0c82863a523c": rotator.FaultTransient, "g-e942da8b1e63": rotator.FaultNotEntitled,
	"g-765d1b8e7db5": rotator.FaultDead, "g-6325c7995384": rotator.FaultDead, "g-8d60e239be4c": rotator.FaultNotEntitled,
	"g-ef7b7c9803df": rotator.FaultNotEntitled, "g-fe85a38b6a72": rotator.FaultNotEntitled, "g-b89ffd09461a": rotator.FaultUnauthorized,
}

func TestRecordedErrors(t *testing.T) {
	seen := 0
	for _, record := range conformance.Recordings(t) {
		if record.Status == 200 {
			continue
		}
		seen++
		kind, known := recordedErrors[record.ID]
		if !known {
			t.Errorf("%s: unknown record %d %s", record.ID, record.Status, record.Response)
			continue
		}
		e := parseError(answer{status: record.Status, body: record.Response})
		if e.Fault.Kind != kind {
			t.Errorf("%s: kind %d; want %d: %s", record.ID, e.Fault.Kind, kind, record.Response)
		}
		if e.Client.Status == 401 || e.Client.Message == "" {
			t.Errorf("%s: %+v", record.ID, e.Client)
		}
		for _, owner := range owners {
			if strings.Contains(e.Client.Message, owner) {
				t.Errorf("%s: the client sees %q", record.ID, e.Client.Message)
			}
		}
	}
	if seen != len(recordedErrors) {
		t.Errorf("%d recorded errors; want %d", seen, len(recordedErrors))
	}
}
