package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// A model that gives one answer a call is called once for each that is asked for.
func TestSeveralChoices(t *testing.T) {
	w := watch(t)
	client, params := w.client(), question("Say hello.")
	params.N = openai.Int(2)
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}

	stream := client.Chat.Completions.NewStreaming(t.Context(), params)
	defer stream.Close()
	var streamed openai.ChatCompletionAccumulator
	for stream.Next() {
		if !streamed.AddChunk(stream.Current()) {
			t.Fatalf("the accumulator refuses %s", stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
	whole, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}

	for _, answer := range []openai.ChatCompletion{streamed.ChatCompletion, *whole} {
		if len(answer.Choices) != 2 {
			t.Fatalf("%d choices", len(answer.Choices))
		}
		for i, choice := range answer.Choices {
			if choice.Index != int64(i) || choice.Message.Content == "" || choice.FinishReason != "stop" {
				t.Errorf("choice %d is number %d, %q (%s)", i, choice.Index, choice.Message.Content, choice.FinishReason)
			}
		}
		checkUsage(t, answer.Usage)
	}
	if n := w.google.Count(googlesim.Match{Model: model}); n != 4 {
		t.Errorf("%d calls to Google for two times two answers", n)
	}
}

func TestLogProbs(t *testing.T) {
	client, params := watch(t).client(), question("Say hello.")
	params.Model = likelyModel
	params.Logprobs, params.TopLogprobs = openai.Bool(true), openai.Int(2)
	for name, ask := range ways {
		t.Run(name, func(t *testing.T) {
			tokens := ask(t, client, params).Choices[0].Logprobs.Content
			if len(tokens) != 1 || tokens[0].Token != "Hi" || tokens[0].Logprob != -0.25 || len(tokens[0].TopLogprobs) != 2 {
				t.Fatalf("tokens %+v", tokens)
			}
			if other := tokens[0].TopLogprobs[1]; other.Token != "Yo" || other.Logprob != -1.5 || !slices.Equal(other.Bytes, []int64{'Y', 'o'}) {
				t.Errorf("the other token is %+v", other)
			}
		})
	}
}

// Google takes five.
func TestMoreStopsThanGoogleTakes(t *testing.T) {
	client, params := watch(t).client(), question("Say hello.")
	params.Stop = openai.ChatCompletionNewParamsStopUnion{
		OfStringArray: []string{"one", "two", "three", "four", "five", "six", "simulated", "eight"},
	}
	for name, ask := range ways {
		t.Run(name, func(t *testing.T) {
			choice := ask(t, client, params).Choices[0]
			if text := choice.Message.Content; choice.FinishReason != "stop" || !strings.HasSuffix(text, model+", ") {
				t.Errorf("%q (%s)", text, choice.FinishReason)
			}
		})
	}
}

// A picture in a data URL reaches Google as the bytes it is.
func TestPicture(t *testing.T) {
	w := watch(t)
	const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	params := openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{
		openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
			openai.TextContentPart("What is this?"),
			openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "data:image/png;base64," + pixel}),
		}),
	}}
	client := w.client()
	if _, err := client.Chat.Completions.New(t.Context(), params); err != nil {
		t.Fatal(err)
	}
	var request struct {
		Contents []struct {
			Parts []struct {
				Text       string
				InlineData struct {
					MIMEType string
					Data     []byte
				}
			}
		}
	}
	if err := json.Unmarshal(w.google.Calls(googlesim.Match{Model: model})[0].Body, &request); err != nil {
		t.Fatal(err)
	}
	want, err := base64.StdEncoding.DecodeString(pixel)
	if err != nil {
		t.Fatal(err)
	}
	parts := request.Contents[0].Parts
	if len(parts) != 2 || parts[0].Text != "What is this?" || parts[1].InlineData.MIMEType != "image/png" ||
		!slices.Equal(parts[1].InlineData.Data, want) {
		t.Errorf("Google was shown %+v", parts)
	}
}

// What has no effect on Google is said in a header, which the library shows.
func TestIgnoredParameters(t *testing.T) {
	client, params := watch(t).client(), question("Say hello.")
	params.LogitBias = map[string]int64{"1": 2}
	var response *http.Response
	if _, err := client.Chat.Completions.New(t.Context(), params, option.WithResponseInto(&response)); err != nil {
		t.Fatal(err)
	}
	if ignored := response.Header.Values("X-Gemini-Proxy-Ignored"); !reflect.DeepEqual(ignored, []string{"logit_bias"}) {
		t.Errorf("ignored %q", ignored)
	}
}
