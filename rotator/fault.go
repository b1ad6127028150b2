package rotator

import (
	"fmt"
	"time"
)

// FaultKind is what went wrong with one upstream call, as a fact: what to do about it is Decide's business alone.
type FaultKind uint8

// The kinds of Fault, named after the classes of the decision table.
const (
	FaultTransient     FaultKind = iota // 408, 409, 500, 502, 504, a broken connection, a time-out before the answer began
	FaultRateShort                      // a minute's quota is spent, or too many at once
	FaultQuotaLong                      // a day's quota is spent, or Google names more than five minutes
	FaultNotEntitled                    // the group has no quota for the model at all, or does not have the model
	FaultModelCapacity                  // the model is overloaded for everybody
	FaultUnauthorized                   // 401: the access token is no longer accepted
	FaultDead                           // the credential is useless until the operator changes it
	FaultSetup                          // the credential is useless until someone changes the project it belongs to
	FaultClientDead                     // the OAuth client is refused: all its accounts are useless until its secret changes
	FaultRequest                        // the request itself is at fault: no other account would do better
	FaultTooLong                        // the request exceeds the model's context window
	FaultEmpty                          // an answer without a single event
	FaultUnusable                       // an answer that ended in a malformed call, or with nothing in it
	FaultIncomplete                     // a stream that broke off after it began
	FaultCanceled                       // the client went away
)

// Fault is one failed upstream call, read from Google's answer. It is an error. Reason and Message are for operators: they may name
// a project, so they never reach a client.
type Fault struct { //nolint:errname // it is a fact first, and an error because calls return it
	Kind FaultKind
	// Status is the HTTP status; 0 when there was no answer.
	Status int
	// Reason is a short word for logs and status, such as API_KEY_INVALID; Message is Google's sentence, without secrets.
	Reason, Message string
	// Delay is when Google says to come back; 0 when it named no time. Until is the same as a moment, when it named one.
	Delay time.Duration
	Until time.Time
	// PerDay is set when the quota that ran out is a day's.
	PerDay bool
	// PerMinute is set when the quota that ran out is a minute's.
	PerMinute bool
	// Violations are the quotas Google says were exceeded.
	Violations []Violation
	// Model is the model that Google's error is about, when it says so.
	Model string
	// Consumer is the project, by number or ID, whose quota calls of the account are counted against, when Google's error says so.
	Consumer string
	// Err is the cause when it was not an answer of Google's.
	Err error
}

// Violation is one exceeded quota (google.rpc.QuotaFailure).
type Violation struct {
	QuotaID, Metric string
	// Value is the quota's limit; -1 when Google did not say.
	Value      int64
	Dimensions map[string]string
	// Quota is what it counts, and Model the model whose calls it counts; empty when Google did not say.
	Quota Quota
	Model string
}

// Quota is what a quota counts, and over which time.
type Quota uint8

// The quotas that can be counted here. Others, such as those of a user or on what is answered, are known only by being refused.
const (
	QuotaOther Quota = iota
	QuotaRPM         // calls of a minute
	QuotaRPD         // calls of a day
	QuotaTPM         // prompt tokens of a minute
	QuotaTPD         // prompt tokens of a day
	quotaKinds
)

func (f *Fault) Error() string {
	if f.Err != nil {
		return fmt.Sprintf("%s: %v", f.Reason, f.Err)
	}
	return fmt.Sprintf("%s (HTTP %d): %s", f.Reason, f.Status, f.Message)
}

func (f *Fault) Unwrap() error { return f.Err }
