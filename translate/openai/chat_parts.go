package openai

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// chatPart is one part of a message's content: OpenAI's own types, the same parts as the Responses API and Anthropic's spell them, and
// the films and documents that other gateways take. Fields of all types lie side by side; Type says which counts.
type chatPart struct {
	Type        string               `json:"type"`
	Text        string               `json:"text"`
	Refusal     string               `json:"refusal"`
	ImageURL    mediaURL             `json:"image_url"`
	Detail      optional[string]     `json:"detail"` // of an input_image
	VideoURL    mediaURL             `json:"video_url"`
	FileURL     mediaURL             `json:"file_url"`
	DocumentURL mediaURL             `json:"document_url"`
	InputAudio  inputAudio           `json:"input_audio"`
	File        filePart             `json:"file"`
	Source      optional[fileSource] `json:"source"`    // of Anthropic's image and document
	Signature   optional[string]     `json:"signature"` // of Anthropic's thinking
	filePart
}

// filePart is the object of a file part, and the members beside the type of the Responses API's input_file.
type filePart struct {
	FileData string `json:"file_data"`
	FileID   string `json:"file_id"`
	Filename string `json:"filename"`
}

type inputAudio struct {
	Data   string `json:"data"`
	Format string `json:"format"`
}

// fileSource is where Anthropic's protocol has the data of a part.
type fileSource struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type"`
	Data      string `json:"data"`
	URL       string `json:"url"`
}

// mediaURL is a URL, or an object around one.
type mediaURL struct {
	url    string
	detail string
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (u *mediaURL) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*u = mediaURL{}
	switch dec.PeekKind() {
	case '"', 'n':
		return json.UnmarshalDecode(dec, &u.url)
	case '{':
		var object struct {
			URL    string           `json:"url"`
			Detail optional[string] `json:"detail"`
		}
		err := json.UnmarshalDecode(dec, &object)
		*u = mediaURL{object.URL, object.Detail.or()}
		return err
	default:
		return expected("one of a string or object").refuse(dec)
	}
}

// partTypes are those named to a client that sent another.
const partTypes = "'text', 'image_url', 'input_audio', 'refusal', 'file', 'video_url', 'file_url', 'document_url', 'image', and 'document'"

func textPart(text string) translate.Part {
	return translate.Part{Kind: translate.PartText, Text: text}
}

// translate makes the parts of message i. Empty texts are left out: Google refuses them, and they say nothing.
func (c *messageContent) translate(i int) ([]translate.Part, *translate.Error) {
	if c.text != "" {
		return []translate.Part{textPart(c.text)}, nil
	}
	var parts []translate.Part
	for j := range c.parts {
		part, failed := c.parts[j].translate(partPlace{i, j})
		if failed != nil {
			return nil, failed
		}
		if part.Text != "" || part.Media != nil {
			parts = append(parts, part)
		}
	}
	return parts, nil
}

// partPlace is where a part stands, for errors.
type partPlace struct{ message, part int }

func (p partPlace) field(name string) string {
	return fmt.Sprintf("messages[%d].content[%d].%s", p.message, p.part, name)
}

func (p *chatPart) translate(at partPlace) (translate.Part, *translate.Error) {
	switch p.Type {
	case "text", "input_text", "output_text":
		return textPart(p.Text), nil
	case "refusal":
		return textPart(p.Refusal), nil
	case "thinking", "redacted_thinking", "reasoning": // thoughts are not replayed
		return translate.Part{}, nil
	case "image_url", "input_image":
		if p.ImageURL.detail == "" {
			p.ImageURL.detail = p.Detail.or()
		}
		return p.ImageURL.translate(at, "image_url.url", true)
	case "image":
		return p.Source.or().translate(at, true)
	case "document":
		return p.Source.or().translate(at, false)
	case "video_url":
		return p.VideoURL.translate(at, "video_url.url", false)
	case "document_url":
		return p.DocumentURL.translate(at, "document_url", false)
	case "file_url":
		return p.FileURL.file(at)
	case "input_audio":
		return p.InputAudio.translate(at)
	case "file":
		return p.File.translate(at, "file.")
	case "input_file":
		if p.FileURL.url != "" {
			return p.FileURL.file(at)
		}
		return p.filePart.translate(at, "")
	case "":
		return translate.Part{}, missingParameter(at.field("type"))
	default:
		return translate.Part{}, invalidValue(at.field("type"), p.Type, partTypes)
	}
}

func mediaPart(media *translate.Media) translate.Part {
	return translate.Part{Kind: translate.PartMedia, Media: media}
}

func (u mediaURL) translate(at partPlace, field string, picture bool) (translate.Part, *translate.Error) {
	if u.url == "" {
		return translate.Part{}, missingParameter(at.field(field))
	}
	source := translate.Source{Param: at.field(field), Picture: picture}
	media, err := mediaAt(u.url, source)
	if err != nil {
		return translate.Part{}, source.Invalid(err)
	}
	media.Detail = details[u.detail]
	return mediaPart(media), nil
}

// details are the values of OpenAI's that Google has a word for.
var details = map[string]translate.Detail{"low": translate.DetailLow, "high": translate.DetailHigh}

// file is a URL that may also be the bare base64 of a document, as Perplexity's protocol has it.
func (u mediaURL) file(at partPlace) (translate.Part, *translate.Error) {
	if data, err := decodeBase64(u.url); err == nil {
		return inlinePart(at.field("file_url.url"), "application/octet-stream", "", data)
	}
	return u.translate(at, "file_url.url", false)
}

func (s fileSource) translate(at partPlace, picture bool) (translate.Part, *translate.Error) {
	switch {
	case s.Type == "url" || s.Data == "" && s.URL != "":
		return mediaURL{url: s.URL}.translate(at, "source.url", picture)
	case s.Data == "":
		return translate.Part{}, missingParameter(at.field("source.data"))
	case s.Type == "text":
		return textPart(s.Data), nil
	}
	data, err := decodeBase64(s.Data)
	if err != nil {
		return translate.Part{}, invalidData(at.field("source.data"), err)
	}
	return inlinePart(at.field("source.data"), s.MediaType, "", data)
}

func (a *inputAudio) translate(at partPlace) (translate.Part, *translate.Error) {
	if a.Data == "" {
		return translate.Part{}, missingParameter(at.field("input_audio.data"))
	}
	if isDataURL(a.Data) {
		return mediaURL{url: a.Data}.translate(at, "input_audio.data", false)
	}
	mediaType, ok := audioTypes[a.Format]
	if !ok {
		return translate.Part{}, invalidValue(at.field("input_audio.format"), a.Format, "'wav' and 'mp3'")
	}
	data, err := decodeBase64(a.Data)
	if err != nil {
		return translate.Part{}, invalidData(at.field("input_audio.data"), err)
	}
	return mediaPart(&translate.Media{MIME: mediaType, Data: data}), nil
}

// translate reads a file: its data as a data URL or bare base64, or the name of one uploaded to Google before.
func (f *filePart) translate(at partPlace, prefix string) (translate.Part, *translate.Error) {
	param := at.field(prefix + "file_data")
	switch {
	case f.FileData == "" && f.FileID == "":
		return translate.Part{}, missingParameter(param)
	case f.FileData == "":
		return f.reference(at.field(prefix + "file_id"))
	}
	var declared string
	var data []byte
	var err error
	if isDataURL(f.FileData) {
		declared, data, err = parseDataURL(f.FileData)
	} else {
		data, err = decodeBase64(f.FileData)
	}
	if err != nil {
		return translate.Part{}, invalidData(param, err)
	}
	return inlinePart(param, declared, f.Filename, data)
}

// reference is a file that is somewhere else: its id is what Google calls it, or its URL.
func (f *filePart) reference(param string) (translate.Part, *translate.Error) {
	media, err := mediaAt(f.FileID, translate.Source{Param: param})
	if err != nil || media.Data != nil {
		return translate.Part{}, translate.Invalid(param, "invalid_value",
			"Invalid '%s': only names of files at Google (files/…) and https URLs are known here.", param)
	}
	media.Name = f.Filename
	if media.MIME == "" {
		media.MIME = translate.MediaTypeByName(f.Filename)
	}
	return mediaPart(media), nil
}

func invalidData(param string, err error) *translate.Error {
	return translate.Invalid(param, "invalid_value", "Invalid '%s': %v.", param, err)
}

func inlinePart(param, declared, fileName string, data []byte) (translate.Part, *translate.Error) {
	media, err := inline(declared, fileName, data)
	if err != nil {
		return translate.Part{}, invalidData(param, err)
	}
	return mediaPart(media), nil
}
