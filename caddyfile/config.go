// Package caddyfile is what can be configured about gemini_proxy, in both spellings: Config is the JSON shape, UnmarshalCaddyfile
// reads the Caddyfile's.
package caddyfile

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
)

// Config is the configuration of one gemini_proxy handler.
type Config struct {
	// The sources of the credentials that pay for requests. Several sources make one pool.
	//
	// Default: `[{"source": "env"}]`
	CredentialsRaw []json.RawMessage `json:"credentials,omitempty" caddy:"namespace=http.gemini_proxy.credentials inline_key=source"`

	// How to choose among the accounts that could serve a request.
	//
	// Default: `{"policy": "headroom"}`
	PolicyRaw json.RawMessage `json:"policy,omitempty" caddy:"namespace=http.gemini_proxy.policies inline_key=policy"`

	// How long a conversation stays with the account that served it last, after its latest request: Google keeps the beginnings of
	// prompts cached per project, and charges less for what it has cached. A conversation moves to another account when its own is out
	// of quota. `0` lets the policy choose for each request anew.
	//
	// Default: `1h`
	Affinity *caddy.Duration `json:"affinity,omitempty"`

	// Ceilings on what is spent per quota group and model. Of several whose patterns match a model, all hold.
	Limits []Limit `json:"limit,omitempty"`

	// How long an account rests for a model when Google refuses it without naming a time.
	Cooldown Cooldown `json:"cooldown,omitzero"`

	// How often, and for how long, a request is tried or waits before its client sees an error.
	Retry Retry `json:"retry,omitzero"`

	// How many requests may be sent to a second account as well, in percent, when the first takes longer to begin its answer than
	// 95 % of answers lately did. The answer that begins first is taken, and the other call is cancelled; Google may charge for both.
	//
	// Default: none
	Hedge int `json:"hedge,omitempty"`

	// The model that answers requests which name none.
	//
	// Default: `gemini-3-flash-preview`
	DefaultModel string `json:"default_model,omitempty"`

	// Models to offer besides the built-in catalogue, or to change in it.
	Models []Model `json:"model,omitempty"`

	// The client protocols to serve. There is one so far: `chat`.
	//
	// Default: all of them
	Surfaces []string `json:"surfaces,omitempty"`

	// What happens to the thoughts of thinking models:
	//
	// - `auto` returns them, beside the answer, to clients that ask for reasoning.
	// - `off` turns thinking down as far as the model allows.
	// - `hidden` never shows them.
	// - `reasoning` always returns them, beside the answer.
	// - `content` always returns them, within the answer's text between `<thinking>` and `</thinking>`.
	//
	// Default: `auto`; where the environment variable ENABLE_REAL_THINKING is `true`, `reasoning`, and with
	// STREAM_THINKING_AS_CONTENT `true` as well, `content`
	Thinking string `json:"thinking,omitempty"`

	// What happens to parameters of a request that cannot have their effect, such as `frequency_penalty` where a model has none:
	//
	// - `lenient` ignores them, and names them in the response header `x-gemini-proxy-ignored`.
	// - `strict` refuses the request, naming the parameter, where ignoring it could change the answer.
	//
	// Default: `lenient`
	Compat string `json:"compat,omitempty"`

	// How Google is to filter content, for requests that say nothing about it themselves.
	//
	// Default: none, which leaves it to Google
	Safety []Safety `json:"safety,omitempty"`

	// Base URLs to use instead of Google's own, by service: `gemini_api`, `vertex`, `code_assist` or `oauth`.
	Endpoints map[string]string `json:"endpoint,omitempty"`

	// How to connect to Google. Any transport of the `reverse_proxy` handler will do.
	TransportRaw json.RawMessage `json:"transport,omitempty" caddy:"namespace=http.reverse_proxy.transport inline_key=protocol"`

	// Also serve requests whose user no authentication handler has identified. Whoever reaches the server may then spend what the
	// credentials pay for.
	Anonymous bool `json:"anonymous,omitempty"`

	// The largest request body to accept, in bytes.
	//
	// Default: `33554432` (32 MiB)
	MaxBody int64 `json:"max_body,omitempty"`

	// How long a stream may be silent before a comment is sent to keep the client's connection open. `0` sends none.
	//
	// Default: `15s`
	Keepalive *caddy.Duration `json:"keepalive,omitempty"`

	// How long Google may take to begin its answer.
	//
	// Default: `5m`
	FirstTokenTimeout caddy.Duration `json:"first_token_timeout,omitempty"`

	// How long Google may pause within an answer.
	//
	// Default: `2m`
	IdleTimeout caddy.Duration `json:"idle_timeout,omitempty"`

	// Where to keep what is known about the accounts, so that it outlives the process: access tokens, cooldowns, what was used of
	// quotas, learned limits, and what operators have disabled. Never the credentials themselves.
	//
	// Default: `{"state": "storage"}`
	StateRaw json.RawMessage `json:"state,omitempty" caddy:"namespace=http.gemini_proxy.state inline_key=state"`
}

// Limit is what one quota group may spend on the models a pattern matches, each model counted on its own. Requests beyond it go to
// another group, without asking Google. A number left out sets no ceiling.
type Limit struct {
	// The models, as a pattern in which `*` stands for any characters and `?` for one.
	Model string `json:"model"`
	// Requests per minute.
	RPM int64 `json:"rpm,omitempty"`
	// Requests per day. Google's days begin at midnight Pacific time.
	RPD int64 `json:"rpd,omitempty"`
	// Prompt tokens per minute.
	TPM int64 `json:"tpm,omitempty"`
}

// Cooldown is how long an account rests for a model after a refusal that names no time. It starts at the minimum and doubles with
// every further refusal up to the maximum.
type Cooldown struct {
	// Default: `5s`
	Min caddy.Duration `json:"min,omitempty"`
	// Default: `1h`
	Max caddy.Duration `json:"max,omitempty"`
}

// Retry bounds what is done for one request. An attempt is repeated only while nothing of an answer has reached the client.
type Retry struct {
	// Calls to Google per request, the first one included.
	//
	// Default: `4`
	Attempts int `json:"attempts,omitempty"`
	// No new attempt begins when a request is older than this, the time it waited included.
	//
	// Default: `60s`, or `max_wait` if that is longer
	Duration caddy.Duration `json:"duration,omitempty"`
	// How many calls may be repeated because they failed or found the model overloaded, in percent of all requests. Beyond that, such
	// requests fail at once. It does not limit how often another account is tried because one is out of quota or unusable.
	//
	// Default: `20`
	Budget int `json:"budget,omitempty"`
	// How long a request waits for a quota to come back, when every account is out of it, rather than be refused at once. A request
	// whose quota comes back later than that is refused at once anyway. `0` never waits.
	//
	// Default: `10s`
	MaxWait *caddy.Duration `json:"max_wait,omitempty"`
	// How many requests may wait at the same time.
	//
	// Default: `1000`
	Queue int `json:"queue,omitempty"`
}

// Model adds a name that clients may ask for, or changes what one does.
type Model struct {
	// What clients ask for.
	Name string `json:"name"`
	// The model of Google's that answers. Answers still carry the name the client asked for.
	//
	// Default: the name
	UpstreamName string `json:"upstream_name,omitempty"`
	// Models to try in order when no account can serve this one.
	Fallback []string `json:"fallback,omitempty"`
}
