package google

import (
	"context"
	"io"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Finding is what Google lets be known of a credential that it accepts.
type Finding struct {
	// Project is the Google Cloud project that calls are made in; empty where only Google knows it, as of an API key.
	Project string
	// Left is what the account has left of its quotas. Only Code Assist tells, and Google's own client takes it for a hint.
	Left []Left
}

// Left is what is left of a quota of requests.
type Left struct {
	Model    string
	Fraction float64   // of the whole quota, from 0 to 1
	Resets   time.Time // zero when Google names no moment that is still to come
}

// Probe asks Google one question that spends no quota for generating, to find out whether a credential can be used for a model: on
// the Developer API and Vertex AI how many tokens a word is, on Code Assist what is left of the account's quotas. The credential gets
// a new access token first, even where its file came with one that lasts. The error is a *rotator.Fault, or an *Error that holds one.
//
// The credential must not be in use by anything else meanwhile.
func (c *Client) Probe(ctx context.Context, cred *rotator.Credential, model string) (*Finding, error) {
	forgetSeed(cred.Minter)
	token, err := cred.Minter.Mint(ctx)
	if err != nil {
		return nil, err
	}
	call := Call{
		Backend: translate.Backend(cred.Backend), Model: model, Project: cred.Project, Location: cred.Location, Token: token,
	}
	finding := &Finding{Project: call.project()}
	var failed *Error
	if call.Backend == translate.CodeAssist {
		finding.Left, failed = c.askQuota(ctx, &call)
	} else {
		failed = c.askCount(ctx, &call)
	}
	if failed != nil {
		return nil, failed
	}
	return finding, nil
}

// forgetSeed has the next token of a minter come from Google: the one in hand proves nothing about those to come.
func forgetSeed(m rotator.Minter) {
	switch m := m.(type) {
	case withQuotaProject:
		forgetSeed(m.Minter)
	case *codeAssist:
		forgetSeed(m.inner)
	case *refreshToken:
		m.take()
	}
}

// countQuestion is the shortest there is; Google counts its tokens without generating anything.
const countQuestion = `{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}`

func (c *Client) askCount(ctx context.Context, call *Call) *Error {
	url, failed := c.endpoints.methodURL(call, countMethod)
	if failed != nil {
		return failed
	}
	var count struct {
		TotalTokens int `json:"totalTokens"`
	}
	if failed := c.ask(ctx, url, []byte(countQuestion), call.Token, &count); failed != nil {
		return failed
	}
	if count.TotalTokens <= 0 {
		return misunderstood()
	}
	return nil
}

func (c *Client) askQuota(ctx context.Context, call *Call) ([]Left, *Error) {
	question, err := json.Marshal(struct {
		Project string `json:"project,omitzero"`
	}{call.project()})
	if err != nil {
		return nil, refused(rotator.FaultDead, "PROJECT_INVALID", "the project is no name of a Google Cloud project")
	}
	var quotas struct {
		Buckets []struct {
			Model    text    `json:"modelId"`
			Fraction float64 `json:"remainingFraction"`
			Resets   text    `json:"resetTime"`
		} `json:"buckets"`
	}
	if failed := c.ask(ctx, c.endpoints.codeAssist(quotaMethod), question, call.Token, &quotas); failed != nil {
		return nil, failed
	}
	var left []Left
	for _, b := range quotas.Buckets {
		l := Left{Model: string(b.Model), Fraction: min(max(b.Fraction, 0), 1)}
		// Used-up quotas have been seen that reset in 1970.
		if at, err := time.Parse(time.RFC3339, string(b.Resets)); err == nil && at.After(time.Now()) {
			l.Resets = at
		}
		left = append(left, l)
	}
	return left, nil
}

// ask makes one call that is not a stream, and decodes the answer.
func (c *Client) ask(ctx context.Context, url string, question []byte, t *rotator.Token, out any) *Error {
	req, failed := c.newPost(ctx, url, question, t)
	if failed != nil {
		return failed
	}
	body, failed := c.send(req, t)
	if failed != nil {
		return failed
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, maxErrorBody))
	if err != nil {
		return broken(ctx, false, err)
	}
	if json.Unmarshal(content, out, lenient) != nil {
		return misunderstood()
	}
	return nil
}

// misunderstood is the Error for a success that is none of Google's: something in between answered.
func misunderstood() *Error {
	return garbled(false, "ANSWER_NOT_UNDERSTOOD", "the answer is not one of Google's")
}
