package gemini

import (
	"net/http"
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// What a request says beside its conversation becomes the field Google has for it, where it has one, and the strict simulator takes it.
func TestOptionsBecomeGooglesFields(t *testing.T) {
	google := newStrictGoogle(t)
	function := []translate.Tool{{Name: "f"}}
	search := []translate.Builtin{{Kind: translate.BuiltinSearch, Param: "web_search_options"}, {Kind: translate.BuiltinSearch, Param: "tools[1]"}}
	const declared = `{"functionDeclarations":[{"name":"f"}]}`
	for _, c := range []struct {
		name    string
		model   string
		backend translate.Backend
		set     func(r *translate.Request)
		want    map[string]string
		ignored []string
	}{
		{
			name: "search", model: older, set: func(r *translate.Request) { r.Builtins = search },
			want: map[string]string{"tools": `[{"googleSearch":{}}]`, "toolConfig": ""},
		}, {
			name: "every tool of Google's", set: func(r *translate.Request) {
				r.Builtins = []translate.Builtin{{Kind: translate.BuiltinCode}, {Kind: translate.BuiltinURLs}, {Kind: translate.BuiltinMaps}}
			},
			want: map[string]string{"tools": `[{"codeExecution":{}},{"urlContext":{}},{"googleMaps":{}}]`},
		}, {
			// js-genai#435, go-genai#323
			name: "functions win over search on 2.5", model: older,
			set:     func(r *translate.Request) { r.Builtins, r.Tools = search, function },
			want:    map[string]string{"tools": "[" + declared + "]", "toolConfig": ""},
			ignored: []string{"web_search_options", "tools[1]"},
		}, {
			name: "functions and search from 3 on", set: func(r *translate.Request) { r.Builtins, r.Tools = search, function },
			want: map[string]string{
				"tools":      "[" + declared + `,{"googleSearch":{}}]`,
				"toolConfig": `{"functionCallingConfig":{"mode":"VALIDATED"},"includeServerSideToolInvocations":true}`,
			},
		}, {
			name: "functions and search on Vertex, a call being required", backend: translate.Vertex, set: func(r *translate.Request) {
				r.Builtins, r.Tools, r.ToolChoice.Mode = search, function, translate.ChoiceRequired
			},
			want: map[string]string{
				"tools":      "[" + declared + `,{"googleSearch":{}}]`,
				"toolConfig": `{"functionCallingConfig":{"mode":"ANY"}}`,
			},
		}, {
			name: "functions win over search on Code Assist", model: "gemini-3-flash-preview", backend: translate.CodeAssist,
			set:     func(r *translate.Request) { r.Builtins, r.Tools = search[:1], function },
			want:    map[string]string{"tools": "[" + declared + "]"},
			ignored: []string{"web_search_options"},
		}, {
			name: "JSON beside search on 2.5 is asked for in words", model: older,
			set:  func(r *translate.Request) { r.Builtins, r.Format.Kind = search, translate.FormatJSON },
			want: map[string]string{"generationConfig": ""},
		}, {
			name: "a tool that takes text",
			set: func(r *translate.Request) {
				r.Tools = []translate.Tool{{Name: "f", Freeform: true, Schema: jsontext.Value(`{"type":"object"}`)}}
			},
			want: map[string]string{"tools": `[{"functionDeclarations":[{"name":"f","parametersJsonSchema":` +
				`{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}}]}]`},
		}, {
			name: "safety", set: func(r *translate.Request) {
				r.Safety = []translate.SafetySetting{{Category: "HARM_CATEGORY_HARASSMENT", Threshold: "BLOCK_NONE"}}
			},
			want: map[string]string{"safetySettings": `[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"}]`},
		}, {
			name: "a conversation of Code Assist's", model: "gemini-3-flash-preview", backend: translate.CodeAssist,
			set:  func(r *translate.Request) { r.Conversation = "alice's" },
			want: map[string]string{"session_id": `"339f694a-faae-86da-aea8-2f200af9b636"`},
		}, {
			name: "a conversation of Vertex's", backend: translate.Vertex, set: func(r *translate.Request) { r.Conversation = "alice's" },
			want: map[string]string{"session_id": ""},
		}, {
			name: "labels", backend: translate.Vertex, set: func(r *translate.Request) { r.Labels = jsontext.Value(`{"team":"a"}`) },
			want: map[string]string{"labels": `{"team":"a"}`},
		}, {
			name: "labels of the Developer API", set: func(r *translate.Request) { r.Labels = jsontext.Value(`{"team":"a"}`) },
			want: map[string]string{"labels": ""}, ignored: []string{"labels"},
		}, {
			name: "a service tier", set: func(r *translate.Request) { r.Tier = translate.TierFlex },
			want: map[string]string{"serviceTier": `"flex"`},
		}, {
			name: "a service tier is no field of Vertex's", backend: translate.Vertex, set: func(r *translate.Request) { r.Tier = translate.TierPriority },
			want: map[string]string{"serviceTier": ""},
		}, {
			name: "no service tier on Code Assist", model: "gemini-3-flash-preview", backend: translate.CodeAssist, set: func(r *translate.Request) { r.Tier = translate.TierPriority },
			want: map[string]string{"serviceTier": ""}, ignored: []string{"service_tier"},
		}, {
			name: "log probabilities", model: older, backend: translate.Vertex,
			set:  func(r *translate.Request) { r.Sampling.LogProbs = new(3) },
			want: map[string]string{"generationConfig": `{"responseLogprobs":true,"logprobs":3}`},
		}, {
			name: "log probabilities of the tokens alone", model: older, backend: translate.Vertex,
			set:  func(r *translate.Request) { r.Sampling.LogProbs = new(0) },
			want: map[string]string{"generationConfig": `{"responseLogprobs":true}`},
		}, {
			name: "pictures of a model of words",
			set: func(r *translate.Request) {
				r.Output.Modalities = []translate.Modality{translate.ModalityText, translate.ModalityImage}
			},
			want: map[string]string{"generationConfig": ""}, ignored: []string{"modalities"},
		}, {
			name: "a voice of a model of words", set: func(r *translate.Request) { r.Output.Voice = "alloy" },
			want: map[string]string{"generationConfig": ""}, ignored: []string{"audio"},
		}, {
			name: "effort of a model that does not think", model: "gemini-2.0-flash",
			set:  func(r *translate.Request) { r.Reasoning.Effort = translate.EffortHigh },
			want: map[string]string{"generationConfig": ""}, ignored: []string{"reasoning_effort"},
		}, {
			name: "no effort of such a model", model: "gemini-2.0-flash",
			set:  func(r *translate.Request) { r.Reasoning.Effort = translate.EffortNone },
			want: map[string]string{"generationConfig": ""},
		}, {
			name: "a close look", set: func(r *translate.Request) { r.Messages = talk(user(pictureIn(translate.DetailHigh))).Messages },
			want: map[string]string{"contents": `[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"eA=="},` +
				`"mediaResolution":{"level":"MEDIA_RESOLUTION_HIGH"}}]}]`},
		}, {
			name: "a glance", backend: translate.Vertex,
			set: func(r *translate.Request) { r.Messages = talk(user(pictureIn(translate.DetailLow))).Messages },
			want: map[string]string{"contents": `[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"eA=="},` +
				`"mediaResolution":{"level":"MEDIA_RESOLUTION_LOW"}}]}]`},
		}, {
			name: "as closely as 2.5 looks", model: older,
			set:  func(r *translate.Request) { r.Messages = talk(user(pictureIn(translate.DetailLow))).Messages },
			want: map[string]string{"contents": `[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"eA=="}}]}]`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := talk(user(text("hi")))
			c.set(req)
			backend, name := translate.Backend(cmpOr(string(c.backend), string(translate.GeminiAPI))), cmpOr(c.model, newest)
			e := encoded(t, req, backend, name)
			for member, want := range c.want {
				if got := e.member(t, member); got != want {
					t.Errorf("%s is %s, want %s", member, got, want)
				}
			}
			if !slices.Equal(e.Ignored, c.ignored) {
				t.Errorf("ignored %q, want %q", e.Ignored, c.ignored)
			}
			if status, answer := google.ask(t, backend, name, e.Body); status != http.StatusOK {
				t.Errorf("%d %s\n%s", status, answer, e.Body)
			}
		})
	}
}

func pictureIn(d translate.Detail) translate.Part {
	p := picture("x")
	p.Media.Detail = d
	return p
}

// Models that draw or speak are no part of the simulator.
func TestPicturesAndSoundAreAskedForInGooglesWords(t *testing.T) {
	for _, c := range []struct {
		name, model string
		backend     translate.Backend
		output      translate.Output
		want        string
		ignored     []string
	}{
		{name: "a picture as the model likes", model: "gemini-3.1-flash-image"},
		{
			name: "a picture", model: "gemini-3.1-flash-image",
			output: translate.Output{
				Modalities: []translate.Modality{translate.ModalityImage, translate.ModalityText}, AspectRatio: "16:9", ImageSize: "2K",
			},
			want: `{"responseModalities":["IMAGE","TEXT"],"imageConfig":{"aspectRatio":"16:9","imageSize":"2K"}}`,
		},
		{
			name: "a picture of a shape on Code Assist", model: "gemini-3.1-flash-image", backend: translate.CodeAssist,
			output: translate.Output{AspectRatio: "16:9"}, ignored: []string{"image_config"},
		},
		{
			name: "speech in OpenAI's voice", model: "gemini-3.8-flash-tts", output: translate.Output{Voice: "Alloy"},
			want: `{"responseModalities":["AUDIO"],"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Kore"}}}}`,
		},
		{
			name: "speech in Google's voice", model: "gemini-3.8-flash-tts", output: translate.Output{Voice: "Puck"},
			want: `{"responseModalities":["AUDIO"],"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Puck"}}}}`,
		},
		{name: "speech", model: "gemini-2.5-flash-preview-tts", want: `{"responseModalities":["AUDIO"]}`},
	} {
		req := talk(user(text("hi")))
		req.Output = c.output
		e := encoded(t, req, translate.Backend(cmpOr(string(c.backend), string(translate.GeminiAPI))), c.model)
		if got := e.member(t, "generationConfig"); got != c.want || !slices.Equal(e.Ignored, c.ignored) {
			t.Errorf("%s: %s, want %s; ignored %q", c.name, got, c.want, e.Ignored)
		}
	}
}
