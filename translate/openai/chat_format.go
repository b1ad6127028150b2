package openai

import (
	"cmp"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// responseFormat is the form the client wants the answer in.
type responseFormat struct {
	Type       string      `json:"type"`
	JSONSchema *jsonSchema `json:"json_schema"`
	// given tells {} from a field that is not there.
	given bool
}

type jsonSchema struct {
	Name   string         `json:"name"`
	Schema jsontext.Value `json:"schema"`
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (f *responseFormat) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type plain responseFormat
	f.given = dec.PeekKind() != 'n'
	if f.given && dec.PeekKind() != '{' {
		return expected("an object").refuse(dec)
	}
	return json.UnmarshalDecode(dec, (*plain)(f))
}

func (r *chatRequest) addFormat(to *translate.Request) *translate.Error {
	f := r.ResponseFormat
	if !f.given {
		return nil
	}
	switch f.Type {
	case "":
		return missingParameter("response_format.type")
	case "text":
		return nil
	case "json_object":
		to.Format.Kind = translate.FormatJSON
		return nil
	case "json_schema":
	default:
		return invalidValue("response_format.type", f.Type, "'json_object', 'json_schema', and 'text'")
	}
	if f.JSONSchema == nil {
		return missingParameter("response_format.json_schema")
	}
	if f.JSONSchema.Name == "" {
		return missingParameter("response_format.json_schema.name")
	}
	to.Format = translate.Format{Kind: translate.FormatSchema, Name: f.JSONSchema.Name, Schema: freeJSON(f.JSONSchema.Schema)}
	switch to.Format.Schema.Kind() {
	case '{':
	case jsontext.KindInvalid, 'n': // no schema: any JSON obeys it
		to.Format = translate.Format{Kind: translate.FormatJSON, Name: f.JSONSchema.Name}
	default:
		return wrongType("response_format.json_schema.schema", "an object")
	}
	return nil
}

// audioOptions is how an answer is to sound.
type audioOptions struct {
	Voice  voice  `json:"voice"`
	Format string `json:"format"`
}

// voice is a voice's name, or an object with its id.
type voice string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (v *voice) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*v = ""
	switch dec.PeekKind() {
	case '"', 'n':
		return json.UnmarshalDecode(dec, (*string)(v))
	case '{':
		var object struct {
			ID string `json:"id"`
		}
		err := json.UnmarshalDecode(dec, &object)
		*v = voice(object.ID)
		return err
	default:
		return expected("one of a string or object").refuse(dec)
	}
}

// imageOptions is what a picture is to look like, in both spellings of Google's APIs.
type imageOptions struct {
	AspectRatio      string `json:"aspect_ratio"`
	ImageSize        string `json:"image_size"`
	AspectRatioCamel string `json:"aspectRatio"`
	ImageSizeCamel   string `json:"imageSize"`
}

// audioFormats are those in which audio can be had: the others would need an encoder.
var audioFormats = map[string]string{"": "", "wav": "wav", "pcm": "pcm16", "pcm16": "pcm16"}

// encodedFormats are OpenAI's other formats.
var encodedFormats = []string{"mp3", "opus", "aac", "flac"}

// addOutput asks for what an answer is made of beside text.
func (r *chatRequest) addOutput(to *translate.Request) *translate.Error {
	for _, name := range r.Modalities {
		switch name {
		case "text":
			to.Output.Modalities = append(to.Output.Modalities, translate.ModalityText)
		case "image":
			to.Output.Modalities = append(to.Output.Modalities, translate.ModalityImage)
		case "audio":
			to.Output.Modalities = append(to.Output.Modalities, translate.ModalityAudio)
		default:
			return unsupportedValue("modalities", name, "answers are text, images and audio")
		}
	}
	for _, image := range []imageOptions{r.ExtraBody.or().Google.image(), r.Google.or().image(), r.ImageConfig.or()} {
		to.Output.AspectRatio = cmp.Or(to.Output.AspectRatio, image.AspectRatio, image.AspectRatioCamel)
		to.Output.ImageSize = cmp.Or(to.Output.ImageSize, image.ImageSize, image.ImageSizeCamel)
	}
	if r.Audio == nil {
		return nil
	}
	to.Output.Voice = string(r.Audio.Voice)
	var known bool
	if to.Output.AudioFormat, known = audioFormats[r.Audio.Format]; known {
		return nil
	}
	if slices.Contains(encodedFormats, r.Audio.Format) {
		return unsupportedValue("audio.format", r.Audio.Format, "audio comes as wav or pcm16")
	}
	return invalidValue("audio.format", r.Audio.Format, "'wav' and 'pcm16'")
}
