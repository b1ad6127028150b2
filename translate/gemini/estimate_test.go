package gemini

import (
	"cmp"
	"encoding/binary"

	"encoding/json"

	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// recordedPrompt is a recorded request, as far as it has tokens.
type recordedPrompt struct {
	Contents          json.RawMessage `json:"contents"`
	SystemInstruction recordedContent `json:"systemInstruction"`
	Tools             []struct {
		FunctionDeclarations []struct {
			Name, Description                string
			Parameters, ParametersJSONSchema jsontext.Value
			Response, ResponseJSONSchema     json.RawMessage
		} `json:"functionDeclarations"`
		GoogleSearch *struct{} `json:"googleSearch"`
	} `json:"tools"`
	CachedContent string `json:"cachedContent"`
}

type recordedContent struct {
	Role  string         `json:"role"`
	Parts []recordedPart `json:"parts"`
}

type recordedPart struct {
	Text             string         `json:"text"`
	Thought          bool           `json:"thought"`
	ThoughtSignature string         `json:"thoughtSignature"`
	InlineData       *recordedBlob  `json:"inlineData"`
	FileData         *recordedFile  `json:"fileData"`
	FunctionCall     *recordedCall  `json:"functionCall"`
	FunctionResponse *recordedReply `json:"functionResponse"`
}

type (
	recordedBlob struct {
		MIMEType string `json:"mimeType"`
		Data     []byte `json:"data"`
	}
	recordedFile struct {
		MIMEType string `json:"mimeType"`
		FileURI  string `json:"fileUri"`
	}
	recordedCall struct {
		Name string         `json:"name"`
		Args jsontext.Value `json:"args"`
	}
	recordedReply struct {
		Name     string         `json:"name"`
		Response jsontext.Value `json:"response"`
		Parts    []recordedPart `json:"parts"`
	}
)

// camelCase are the names that proto3 JSON takes in two forms.
var camelCase = strings.NewReplacer(`"inline_data"`, `"inlineData"`, `"mime_type"`, `"mimeType"`, `"file_data"`, `"fileData"`,
	`"file_uri"`, `"fileUri"`, `"system_instruction"`, `"systemInstruction"`)

// promptOf is a recorded request in the form surfaces decode to, and what kind of prompt it is. It reports false for what no surface
// can ask for.
func promptOf(raw []byte) (req *translate.Request, kind string, ok bool) {
	var recorded recordedPrompt
	if json.Unmarshal([]byte(camelCase.Replace(string(raw))), &recorded) != nil || recorded.CachedContent != "" {
		return nil, "", false
	}
	var contents []recordedContent
	if json.Unmarshal(recorded.Contents, &contents) != nil {
		contents = make([]recordedContent, 1)
		if json.Unmarshal(recorded.Contents, &contents[0]) != nil {
			return nil, "", false
		}
	}
	req, kind = &translate.Request{}, "text"
	if len(recorded.SystemInstruction.Parts) > 0 {
		kind = "system"
		contents = append([]recordedContent{recorded.SystemInstruction}, contents...)
	}
	for _, tool := range recorded.Tools {
		for _, d := range tool.FunctionDeclarations {
			if d.Response != nil || d.ResponseJSONSchema != nil {
				return nil, "", false
			}
			kind = "tools"
			schema := d.Parameters
			if schema == nil {
				schema = d.ParametersJSONSchema
			}
			req.Tools = append(req.Tools, translate.Tool{Name: d.Name, Description: d.Description, Schema: schema})
		}
		if len(tool.FunctionDeclarations) == 0 && tool.GoogleSearch == nil {
			return nil, "", false
		}
	}
	var media bool
	for _, c := range contents {
		m := translate.Message{}
		for _, p := range c.Parts {
			part := p.translated()
			switch part.Kind {
			case translate.PartCall:
				kind = "calls"
			case translate.PartMedia:
				media = true
			case translate.PartResult:
				media = media || part.Result.Media != nil
			}
			m.Parts = append(m.Parts, part)
		}
		req.Messages = append(req.Messages, m)
	}
	if media {
		kind = "media"
	}
	return req, kind, true
}

func (p *recordedPart) translated() translate.Part {
	signature := translate.Signature{Value: p.ThoughtSignature}
	part := translate.Part{Text: p.Text, Signature: signature}
	switch {
	case p.Thought:
		part.Kind = translate.PartThought
	case p.InlineData != nil:
		part.Kind, part.Media = translate.PartMedia, &translate.Media{MIME: p.InlineData.MIMEType, Data: p.InlineData.Data}
	case p.FileData != nil:
		part.Kind, part.Media = translate.PartMedia, &translate.Media{MIME: p.FileData.MIMEType, URI: p.FileData.FileURI}
	case p.FunctionCall != nil:
		part.Kind, part.Call = translate.PartCall, &translate.Call{Name: p.FunctionCall.Name, Args: p.FunctionCall.Args, Signature: signature}
	case p.FunctionResponse != nil:
		part.Kind = translate.PartResult
		part.Result = &translate.Result{Name: p.FunctionResponse.Name, Output: p.FunctionResponse.Response}
		for i := range p.FunctionResponse.Parts {
			if inner := p.FunctionResponse.Parts[i].translated(); inner.Media != nil {
				part.Result.Media = append(part.Result.Media, *inner.Media)
			}
		}
	}
	return part
}

// countedPrompt is the prompt's tokens as Google counted them; 0 when the answer does not say.
func countedPrompt(t *testing.T, r *conformance.Recording) int {
	var count int
	for _, event := range eventsOf(t, r) {
		var answer struct {
			UsageMetadata struct{ PromptTokenCount int }
		}
		if json.Unmarshal(event, &answer) == nil {
			count = max(count, answer.UsageMetadata.PromptTokenCount)
		}
	}
	return count
}

func TestEstimatesAreWithinATenthOfWhatGoogleCounted(t *testing.T) {
	const worst = 0.10 // of the median
	catalogue := NewCatalogue()
	errors := map[string][]float64{}
	seen := map[string]bool{}
	for _, r := range conformance.Recordings(t) {
		if r.Status != http.StatusOK || !r.Generates() || r.Provenance != "recorded" || seen[r.Model+string(r.Request)] {
			continue
		}
		seen[r.Model+string(r.Request)] = true
		req, kind, ok := promptOf(r.Request)
		m, known := catalogue.Find(r.Model)
		counted := countedPrompt(t, &r)
		if !ok || !known || counted == 0 {
			continue
		}
		e := float64(EstimateTokens(req, m))/float64(counted) - 1
		errors[kind], errors["all"] = append(errors[kind], e), append(errors["all"], e)
		if math.Abs(e) > .3 {
			t.Logf("%-7s %+4.0f %% of %5d  %s %s", kind, 100*e, counted, r.Model, r.ID)
		}
	}
	t.Log("kind       number  median error  p75  p90  bias (the median with its sign)")
	for _, kind := range slices.Sorted(maps.Keys(errors)) {
		signed := slices.Sorted(slices.Values(errors[kind]))
		bias := signed[len(signed)/2]
		slices.SortFunc(signed, func(a, b float64) int { return cmp.Compare(math.Abs(a), math.Abs(b)) })
		at := func(percent int) float64 { return 100 * math.Abs(signed[len(signed)*percent/100]) }
		t.Logf("%-10s %6d %11.1f %% %4.0f %4.0f  %+.1f %%", kind, len(signed), at(50), at(75), at(90), 100*bias)
		if at(50) > 100*worst {
			t.Errorf("%s: the median error is %.1f %%", kind, at(50))
		}
	}
	if n := len(errors["all"]); n < 300 {
		t.Errorf("only %d prompts", n)
	}
}

func TestTokensOfText(t *testing.T) {
	for _, c := range []struct {
		text  string
		least int
		most  int
	}{ // what Google counts for English, and what is known of other scripts
		{"", 0, 0},
		{"What is the capital of France?", 7, 7},
		{"What is 4200 + 42?", 12, 12},
		{"Say exactly: \"Hello\"", 6, 6},
		{"def f(x):\n    return x\n", 10, 12},
		{"HTTPServer getUserName NASA", 6, 7},
		{"Привет, как дела?", 4, 8},
		{"今天天气怎么样，我们去公园吧", 7, 12},
		{"안녕하세요 반갑습니다", 5, 9},
		{"こんにちは、元気ですか", 5, 9},
		{"नमस्ते आप कैसे हैं", 4, 9},
		{"développement économique", 3, 5},
		{"🙂🙂", 2, 4},
		{strings.Repeat("\u00a0", 3), 1, 6},
		{"\x80\x80\xff", 0, 2},
	} {
		if got := textTokens(c.text); got < c.least || got > c.most {
			t.Errorf("%q: %d tokens, want %d to %d", c.text, got, c.least, c.most)
		}
	}
}

// Tool results and arguments are JSON. A client that escapes all but ASCII says nothing else.
func TestTokensOfEscapedTextAreThoseOfTheText(t *testing.T) {
	for _, text := range []string{"今天天气怎么样，我们去公园吧", "one\n\n\ntwo\nthree", `say "hello" to C:\temp`} {
		escaped := jsontext.Value(jsonASCII(text))
		plain, quoted := textTokens(text), textTokens(escaped)-2
		if diff := plain - quoted; diff < -1 || diff > 1 {
			t.Errorf("%q is %d tokens, but %d as %s", text, plain, quoted, escaped)
		}
	}
}

// jsonASCII is a JSON string without characters beyond ASCII.
func jsonASCII(text string) string {
	var b strings.Builder
	quoted, _ := json.Marshal(text)
	for _, r := range string(quoted) {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// Of a long prompt samples are read. They must not miss that what is said changes, and must not depend on how it is cut into messages.
func TestTokensOfALongPromptAreEstimatedFromSamples(t *testing.T) {
	english, chinese := "The gateway keeps a conversation, 12 times.\n", "今天天气怎么样，我们去公园吧"
	perEnglish, perChinese := textTokens(strings.Repeat(english, 100)), textTokens(strings.Repeat(chinese, 100))
	for _, hundreds := range []int{1, 3, 4, 5, 10, 100, 1000} {
		first, second := strings.Repeat(english, 100*hundreds), strings.Repeat(chinese, 100*hundreds)
		want := float64(hundreds * (perEnglish + perChinese))
		var pieces []translate.Part
		for i := range 100 * hundreds {
			pieces = append(pieces, text(first[i*len(english):][:len(english)]))
		}
		for name, req := range map[string]*translate.Request{
			"as two texts": talk(user(text(first), text(second))),
			"as one text":  talk(user(text(first + second))),
			"as many":      talk(user(append(pieces, text(second))...)),
		} {
			if off := float64(EstimateTokens(req, model(t, newest)))/want - 1; math.Abs(off) > .06 {
				t.Errorf("%d times, %s: off by %.0f %%", hundreds, name, 100*off)
			}
		}
	}
}

func TestTokensOfASchema(t *testing.T) {
	base := schemaTokens([]byte(`{"type":"object","properties":{}}`))
	for name, c := range map[string]struct {
		schema string
		want   int
	}{
		"a property":                   {`{"type":"object","properties":{"city":{"type":"string"}}}`, tokensPerProperty + 1},
		"what is required costs none":  {`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`, tokensPerProperty + 1},
		"a description":                {`{"type":"object","properties":{"city":{"type":"string","description":"The city"}}}`, tokensPerProperty + 3},
		"an escaped quotation mark":    {`{"type":"object","properties":{"city":{"type":"string","description":"a\": b"}}}`, tokensPerProperty + 5},
		"an enumeration":               {`{"type":"object","properties":{"unit":{"enum":["c","f"]}}}`, tokensPerProperty + 1 + 2*(tokensPerValue+1)},
		"an object in it":              {`{"type":"object","properties":{"a":{"type":"object","properties":{"b":{}}}}}`, 2*tokensPerProperty + 2 + tokensPerObject},
		"white space":                  {"{\n \"properties\" :\n{ \"city\" : { \"type\" : \"string\" } } }", tokensPerProperty + 1},
		"references are not counted":   {`{"type":"object","properties":{},"$schema":"http://json-schema.org/draft-07/schema#"}`, 0},
		"a string that does not end":   {`{"properties":{"city`, 0},
		"an escape at the end of all":  {`{"properties":{"city\`, 0},
		"a name that does not end yet": {`{"properties":{"city"`, 0},
	} {
		if got := schemaTokens([]byte(c.schema)) - base; got != c.want {
			t.Errorf("%s: %d tokens, want %d", name, got, c.want)
		}
	}
}

// Of many tools not all schemas are read.
func TestTokensOfManyToolsAreEstimatedFromSome(t *testing.T) {
	properties := func(n int) jsontext.Value {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"p%d":{"type":"string","description":"What the caller wants to find there"}`, i)
		}
		return jsontext.Value(`{"type":"object","properties":{` + b.String()[1:] + `}}`)
	}
	req := &translate.Request{}
	var want int
	for i := range 100 {
		tool := translate.Tool{Name: "f", Schema: properties(1 + i%7)}
		req.Tools = append(req.Tools, tool)
		want += tokensPerTool + 1 + tokensPerSchema + schemaTokens(tool.Schema)
	}
	if got := EstimateTokens(req, model(t, newest)); math.Abs(float64(got)/float64(want)-1) > .05 {
		t.Errorf("%d tokens, want about %d", got, want)
	}
}

// be and le are integers in a file.
func be(width int, n uint32) string {
	return string(binary.BigEndian.AppendUint32(nil, n)[4-width:])
}

func le(width int, n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)[:width]) }

func TestTokensOfMedia(t *testing.T) {
	png := func(width, height uint32) string {
		return "\x89PNG\r\n\x1a\n" + be(4, 13) + "IHDR" + be(4, width) + be(4, height) + "\x08\x06\x00\x00\x00"
	}
	jpeg := func(width, height uint32) string {
		return "\xff\xd8" + "\xff\xe0" + be(2, 16) + strings.Repeat("\xc0", 14) + "\xff\xff\xc2" + be(2, 17) + "\x08" + be(2, height) + be(2, width) + "\x03"
	}
	webp := func(kind, rest string) string { return "RIFF" + le(4, 99) + "WEBP" + kind + le(4, 20) + rest }
	wav := "RIFF" + le(4, 99) + "WAVEfmt " + le(4, 16) + le(2, 1) + le(2, 1) + le(4, 16_000) + le(4, 32_000) + le(2, 2) + le(2, 16) + "data" + le(4, 320_000)
	movie := func(header string) string {
		return be(4, 16) + "ftypmp42" + be(4, 0) + be(4, 8) + "free" + be(4, uint32(16+len(header))) + "moov" + be(4, uint32(8+len(header))) + "mvhd" + header
	}
	version0 := movie(strings.Repeat("\x00", 12) + be(4, 1000) + be(4, 60_000))
	version1 := movie("\x01" + strings.Repeat("\x00", 19) + be(4, 1000) + be(4, 0) + be(4, 60_000))
	for _, c := range []struct {
		name, mime, data string
		older, newest    int // of Gemini 2.5, and of 3
	}{
		{"a small picture", "image/png", png(384, 100), 258, 1120},
		{"a wide picture", "image/png", png(960, 540), 6 * 258, 1120},
		{"a picture that is long", "image/png", png(385, 100), 2 * 258, 1120},
		{"a huge picture", "image/png", png(100_000, 100_000), 64 * 258, 1120},
		{"a picture of nothing", "image/png", png(0, 10), 4 * 258, 1120},
		{"JPEG", "image/jpeg", jpeg(960, 540), 6 * 258, 1120},
		{"a JPEG that breaks off", "image/jpeg", jpeg(960, 540)[:20], 4 * 258, 1120},
		{"GIF", "image/gif", "GIF89a" + le(2, 960) + le(2, 540), 6 * 258, 1120},
		{"WebP, lossy", "image/webp", webp("VP8 ", strings.Repeat("\x00", 6)+le(2, 960)+le(2, 540)), 6 * 258, 1120},
		{"WebP, lossless", "image/webp", webp("VP8L", "\x2f"+le(4, 959|539<<14)+strings.Repeat("\x00", 5)), 6 * 258, 1120},
		{"WebP, extended", "image/webp", webp("VP8X", "\x00\x00\x00\x00"+le(3, 959)+le(3, 539)), 6 * 258, 1120},
		{"a picture of a kind of its own", "image/heic", "heic", 4 * 258, 1120},

		{"WAV", "audio/wav", wav + strings.Repeat("\x00", 320_000-len(wav)), 320, 320},
		{"a WAV without a rate", "audio/wav", strings.Replace(wav, le(4, 32_000), le(4, 0), 1) + strings.Repeat("\x00", 16_000-len(wav)), 32, 32},
		{"MP3 of 64 kbit/s", "audio/mpeg", "ID3\x04\x00\x00" + be(4, 4) + "\x00\x00\x00\x00" + "\xff\xfb\x50\xc4" + strings.Repeat("\x00", 79_996), 320, 320},
		{"MP3 of MPEG-2", "audio/mpeg", "\xff\xf3\x80\xc4" + strings.Repeat("\x00", 79_996), 320, 320},
		{"MP3 of no rate", "audio/mpeg", "\xff\xfb\x00\xc4" + strings.Repeat("\x00", 159_996), 320, 320},
		{"Ogg", "audio/ogg", "OggS" + strings.Repeat("\x00", 159_996), 320, 320},
		{"MPEG-4 audio", "audio/mp4", version0, 60 * 32, 60 * 32},

		{"MPEG-4", "video/mp4", version0, 60 * 290, 60 * 102},
		{"MPEG-4 with long numbers", "video/mp4", version1, 60 * 290, 60 * 102},
		{"an MPEG-4 file of years", "video/mp4", movie(strings.Repeat("\x00", 12) + be(4, 1) + be(4, 1<<31)), 0, 0},
		{"a film of another kind", "video/webm", strings.Repeat("\x00", 600_000), 2 * 290, 2 * 102},

		{"PDF", "application/pdf", "%PDF-1.4 /Type /Pages /Type /Page /Type/Page>> /Type\n/Page/ /Page", 3 * 258, 3 * 560},
		{"a PDF in pieces", "application/pdf", strings.Repeat("x", 120_000), 3 * 258, 3 * 560},
		{"other media", "text/csv", strings.Repeat("x", 400), 100, 100},
	} {
		for name, want := range map[string]int{older: c.older, newest: c.newest} {
			req := talk(user(translate.Part{Kind: translate.PartMedia, Media: &translate.Media{MIME: c.mime, Data: []byte(c.data)}}))
			if got := EstimateTokens(req, model(t, name)) - tokensPerPrompt; got != int64(want) {
				t.Errorf("%s: %d tokens with %s, want %d", c.name, got, name, want)
			}
		}
	}
}

func TestTokensOfMediaByReference(t *testing.T) {
	for mime, want := range map[string]int64{"image/png": 4 * 258, "video/mp4": tokensPerReference, "": tokensPerReference} {
		req := talk(user(translate.Part{Kind: translate.PartMedia, Media: &translate.Media{MIME: mime, URI: "gs://bucket/object"}}))
		if got := EstimateTokens(req, model(t, older)) - tokensPerPrompt; got != want {
			t.Errorf("%q: %d tokens, want %d", mime, got, want)
		}
	}
}

func TestWhatElseIsInAPrompt(t *testing.T) {
	long := strings.Repeat("word ", 100)
	tools := func(r *translate.Request) { r.Tools = []translate.Tool{{Name: "f"}} }
	schema := func(r *translate.Request) { r.Format.Schema = jsontext.Value(`"` + long + `"`) }
	for name, c := range map[string]struct {
		set           func(*translate.Request)
		older, newest int64
	}{
		"nothing":                     {func(*translate.Request) {}, 0, 0},
		"thoughts are not repeated":   {says(translate.Part{Kind: translate.PartThought, Text: long}), 0, 0},
		"a call's signature":          {says(call("a", "f", `{}`, strings.Repeat("A", 600))), 3, 103},
		"a text's signature":          {says(translate.Part{Text: "a", Signature: translate.Signature{Value: long}}), 1, 1},
		"a result":                    {says(result("a", `"`+long+`"`)), 102, 102},
		"a result's picture":          {says(translate.Part{Kind: translate.PartResult, Result: &translate.Result{Media: []translate.Media{{MIME: "image/x"}}}}), 1032, 1120},
		"a tool":                      {tools, tokensPerTool + 1, tokensPerTool + 1},
		"a tool of free text":         {func(r *translate.Request) { r.Tools = []translate.Tool{{Name: "f", Freeform: true}} }, 31, 31},
		"an answer's schema":          {schema, 0, 0},
		"an answer's schema in words": {func(r *translate.Request) { tools(r); schema(r) }, tokensPerTool + 1 + 102, tokensPerTool + 1},
	} {
		req := &translate.Request{}
		c.set(req)
		for name2, want := range map[string]int64{older: c.older, newest: c.newest} {
			if got := EstimateTokens(req, model(t, name2)) - tokensPerPrompt; got != want {
				t.Errorf("%s: %d tokens with %s, want %d", name, got, name2, want)
			}
		}
	}
}

func says(p translate.Part) func(*translate.Request) {
	return func(r *translate.Request) { r.Messages = talk(assistant(p)).Messages }
}

func TestEstimatingAllocatesNothing(t *testing.T) {
	req, m := longRequest(), model(t, newest)
	if n := testing.AllocsPerRun(10, func() { EstimateTokens(req, m) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEstimateTokens(b *testing.B) {
	m := model(b, newest)
	b.Run("conversation", func(b *testing.B) {
		req := longRequest()
		b.ReportAllocs()
		for b.Loop() {
			EstimateTokens(req, m)
		}
	})
	b.Run("book", func(b *testing.B) {
		req := talk(user(text(strings.Repeat("It was the best of times, it was the worst of times. ", 80_000))))
		b.ReportAllocs()
		for b.Loop() {
			EstimateTokens(req, m)
		}
	})
}
