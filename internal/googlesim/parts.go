package googlesim

import (
	"fmt"
	"slices"
	"strings"
)

// Messages about parts that Google's documentation does not quote, so that their wording here is a guess.
const (
	mediaResponseMessage   = "Multimodal function responses are not supported for this model."
	partResolutionMessage  = "Media resolution of a part is not supported for this model."
	videoMetadataMessage   = "video_metadata is only allowed beside media"
	emptyMediaMessage      = "cannot be empty"
	fileURIMessage         = "Invalid or unsupported file uri: %s"
	instructionTextMessage = "system_instruction takes text only"
	cachedNameMessage      = "Invalid cached content name: %s"
)

// dataFields are those of which a part has one.
var dataFields = []string{
	"text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult", "toolCall",
	"toolResponse",
}

// speaks reports whether there is more to a part than an empty text.
func speaks(p *node) bool { return !p.has("text") || p.get("text").str() != "" }

// part checks one part of a content, which is at that path.
func (j *judge) part(p *node, path string) *apiError {
	// Google sends parts that hold nothing but a signature, and takes them back.
	if !p.has("thoughtSignature") && !slices.ContainsFunc(dataFields, p.has) {
		return field(path+".data", "required oneof field 'data' must have one initialized field")
	}
	for _, member := range []string{"functionCall", "functionResponse"} {
		f := p.get(member)
		if f == nil {
			continue
		}
		switch name := f.get("name").str(); {
		case name == "":
			return invalid(fmt.Sprintf("GenerateContentRequest.%s.%s.name: Name cannot be empty.", path, snake(member)))
		case !j.functionName(name):
			return field(path+"."+snake(member)+".name", functionNameMessage)
		}
	}
	if j.model.generation < 30 && len(p.at("functionResponse", "parts").list()) > 0 {
		return invalid(mediaResponseMessage)
	}
	if refused := j.media(p, path); refused != nil {
		return refused
	}
	for i, inner := range p.at("functionResponse", "parts").list() {
		if refused := j.media(inner, fmt.Sprintf("%s.function_response.parts[%d]", path, i)); refused != nil {
			return refused
		}
	}
	return nil
}

// media checks what a part has that can be seen or heard, and what it says of it.
func (j *judge) media(p *node, path string) *apiError {
	blob, file := p.get("inlineData"), p.get("fileData")
	mime, uri := blob.get("mimeType").str(), file.get("fileUri").str()
	switch {
	case blob != nil && !j.model.reads(mime):
		return invalid("Unsupported MIME type: " + mime)
	case blob != nil && blob.get("data").str() == "":
		return field(path+".inline_data.data", emptyMediaMessage)
	case file != nil && uri == "":
		return field(path+".file_data.file_uri", emptyMediaMessage)
	case file != nil && strings.HasPrefix(uri, j.foreignFiles()):
		return invalid(fmt.Sprintf(fileURIMessage, uri))
	case p.has("videoMetadata") && blob == nil && file == nil:
		return field(path, videoMetadataMessage)
	case p.has("mediaResolution") && j.model.generation < 30:
		return invalid(partResolutionMessage)
	}
	return nil
}

// foreignFiles are those of which only the other service knows: the Developer API keeps files of its own, the cloud's are in buckets.
func (j *judge) foreignFiles() string {
	if j.developer() {
		return "gs://"
	}
	return "https://generativelanguage.googleapis.com/"
}

// mimeTypes are those Google's documentation lists for inline data, besides text/*.
var mimeTypes = []string{
	"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif", "application/pdf", "application/json",
	"audio/wav", "audio/x-wav", "audio/mp3", "audio/mpeg", "audio/aiff", "audio/aac", "audio/ogg", "audio/flac",
	"video/mp4", "video/mpeg", "video/mov", "video/quicktime", "video/avi", "video/x-flv", "video/mpg", "video/webm", "video/wmv",
	"video/3gpp",
}

// officeTypes begin the types of documents that Gemini 4 reads, too.
var officeTypes = []string{"application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument."}

// reads reports whether the model takes data of a type.
func (m *model) reads(mime string) bool {
	mime, _, _ = strings.Cut(strings.ToLower(mime), ";")
	mime = strings.TrimSpace(mime)
	office := slices.ContainsFunc(officeTypes, func(prefix string) bool { return strings.HasPrefix(mime, prefix) })
	return strings.HasPrefix(mime, "text/") || slices.Contains(mimeTypes, mime) || office && m.generation >= 40
}

// instruction checks the system instruction.
func (j *judge) instruction() *apiError {
	system := j.request.get("systemInstruction")
	if system == nil {
		return nil
	}
	parts := system.get("parts").list()
	switch {
	case len(parts) == 0:
		return invalid("GenerateContentRequest.system_instruction.parts: contents.parts must not be empty.")
	case j.model.gemma():
		return invalid("Developer instruction is not enabled for models/" + j.model.name)
	case slices.ContainsFunc(parts, func(p *node) bool { return !p.has("text") }):
		return invalid(instructionTextMessage)
	case !j.developer() && !slices.ContainsFunc(parts, speaks):
		return invalid(textMessage)
	}
	return nil
}

func (j *judge) cache() *apiError {
	name := j.request.get("cachedContent").str()
	if name == "" {
		return nil
	}
	if slices.ContainsFunc([]string{"systemInstruction", "tools", "toolConfig"}, j.request.has) {
		return invalid("CachedContent can not be used with GenerateContent request setting system_instruction, tools or tool_config.\n\n" +
			"Proposed fix: move those values to CachedContent from GenerateContent request.")
	}
	if strings.HasPrefix(name, "cachedContents/") != j.developer() {
		return invalid(fmt.Sprintf(cachedNameMessage, name))
	}
	return nil
}
