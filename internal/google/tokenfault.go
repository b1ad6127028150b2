package google

import (
	"context"
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"golang.org/x/oauth2"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// tokenErrors are the OAuth errors that time does not heal. Others, and answers that are not OAuth's, are judged by their status.
var tokenErrors = map[string]rotator.FaultKind{
	"invalid_grant":          rotator.FaultDead, // expired, revoked, account deleted, or the user has to sign in again
	"invalid_request":        rotator.FaultDead,
	"unsupported_grant_type": rotator.FaultDead,
	"invalid_scope":          rotator.FaultDead,
	"unauthorized_client":    rotator.FaultDead, // for this token; other accounts of the client may be served
	"access_denied":          rotator.FaultDead,
	"org_internal":           rotator.FaultDead,
	"admin_policy_enforced":  rotator.FaultDead,
	"invalid_client":         rotator.FaultClientDead,
	"deleted_client":         rotator.FaultClientDead,
	"disabled_client":        rotator.FaultClientDead,
}

// tokenFault says what kept a token from being minted.
func tokenFault(ctx context.Context, err error) *rotator.Fault {
	refused, isAnswer := errors.AsType[*oauth2.RetrieveError](err)
	if !isAnswer || refused.Response == nil {
		return unreachable(ctx, err)
	}
	var body struct {
		Error       text `json:"error"`
		Description text `json:"error_description"`
		Subtype     text `json:"error_subtype"`
	}
	_ = json.Unmarshal(refused.Body, &body, lenient) // what is not JSON names no error
	f := &rotator.Fault{
		Kind:    rotator.FaultTransient, // also a 429: it is the endpoint's limit, not a model's
		Status:  refused.Response.StatusCode,
		Reason:  strings.ToUpper(shorten(string(body.Error))),
		Message: scrubSecrets(string(body.Description)),
	}
	if kind, known := tokenErrors[string(body.Error)]; known && f.Status < 500 {
		f.Kind = kind
	}
	switch {
	case f.Reason == "":
		f.Reason = "TOKEN_REFUSED"
	case body.Subtype != "":
		f.Reason = strings.ToUpper(shorten(string(body.Subtype)))
	}
	if strings.Contains(f.Message, "short-lived token") {
		// The one invalid_grant that heals: Google says so when an assertion is dated in its future or past.
		f.Kind, f.Reason, f.Message = rotator.FaultSetup, "CLOCK_SKEW", "this machine's clock is wrong: "+f.Message
	}
	return f
}

// unreachable is the fault of a token endpoint that did not answer, or not sensibly.
func unreachable(ctx context.Context, err error) *rotator.Fault {
	f := &rotator.Fault{Kind: rotator.FaultTransient, Reason: "TOKEN_UNAVAILABLE", Message: "no token could be had", Err: err}
	if ctx.Err() != nil {
		f.Reason, f.Err = reasonTimeout, context.Cause(ctx)
	}
	return f
}
