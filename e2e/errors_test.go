package e2e

import (
	"errors"
	"net/http"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/ssestream"
)

// Each failure arrives as OpenAI's own error, with the status and code its users test for, whether or not they stream.
func TestErrorClasses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*openai.ChatCompletionNewParams)
		key    string
		status int
		kind   string
		code   string
		param  string
	}{
		{
			name:   "unknown model",
			change: func(p *openai.ChatCompletionNewParams) { p.Model = "no-such-model" },
			status: http.StatusNotFound, kind: "invalid_request_error", code: "model_not_found", param: "model",
		},
		{
			name:   "temperature out of range",
			change: func(p *openai.ChatCompletionNewParams) { p.Temperature = openai.Float(3) },
			status: http.StatusBadRequest, kind: "invalid_request_error", code: "decimal_above_max_value", param: "temperature",
		},
		{
			name:   "no messages",
			change: func(p *openai.ChatCompletionNewParams) { p.Messages = nil },
			status: http.StatusBadRequest, kind: "invalid_request_error", code: "missing_required_parameter", param: "messages",
		},
		{
			name:   "wrong key",
			key:    "not-the-key",
			status: http.StatusUnauthorized, kind: "invalid_request_error", code: "invalid_api_key",
		},
		{
			name:   "quota of the day spent",
			change: func(p *openai.ChatCompletionNewParams) { p.Model = spentModel },
			status: http.StatusTooManyRequests, kind: "insufficient_quota", code: "insufficient_quota",
		},
		{
			name:   "model overloaded",
			change: func(p *openai.ChatCompletionNewParams) { p.Model = overloadedModel },
			status: http.StatusServiceUnavailable, kind: "server_error", code: "server_is_overloaded",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			gateway := troubled(t)
			if c.key != "" {
				gateway.key = c.key
			}
			client := gateway.client()
			params := question("Say hello.")
			if c.change != nil {
				c.change(&params)
			}
			check := func(err error) {
				t.Helper()
				failure, ok := errors.AsType[*openai.Error](err)
				if !ok {
					t.Fatalf("error %v (%T)", err, err)
				}
				if failure.StatusCode != c.status || failure.Type != c.kind || failure.Code != c.code || failure.Param != c.param {
					t.Errorf("%d %s", failure.StatusCode, failure.RawJSON())
				}
				if failure.Message == "" || failure.Response.Header.Get("X-Request-Id") == "" {
					t.Errorf("message %q, headers %v", failure.Message, failure.Response.Header)
				}
				wait := failure.Response.Header.Get("Retry-After")
				if late := c.status == http.StatusTooManyRequests || c.status == http.StatusServiceUnavailable; late != (wait != "") {
					t.Errorf("Retry-After is %q", wait)
				}
			}
			_, err := client.Chat.Completions.New(t.Context(), params)
			check(err)
			stream := client.Chat.Completions.NewStreaming(t.Context(), params)
			defer stream.Close()
			if stream.Next() {
				t.Errorf("a first chunk: %s", stream.Current().RawJSON())
			}
			check(stream.Err())
		})
	}
}

// What fails after the first byte cannot have a status any more: the client must still see a failure, not a short answer.
func TestErrorInStream(t *testing.T) {
	client := troubled(t).client()
	params := question("Say hello.")
	params.Model = brokenModel
	stream := client.Chat.Completions.NewStreaming(t.Context(), params)
	defer stream.Close()
	var text string
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			text += choice.Delta.Content
			if choice.FinishReason != "" {
				t.Errorf("finish reason %q", choice.FinishReason)
			}
		}
	}
	if text == "" {
		t.Error("nothing arrived before the failure")
	}
	if _, ok := errors.AsType[*ssestream.StreamError](stream.Err()); !ok {
		t.Errorf("error %v (%T)", stream.Err(), stream.Err())
	}
}
