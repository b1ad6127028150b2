package openai

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// errNoData is the error of a data URL, or of base64, that cannot be read or is empty.
var errNoData = errors.New("it is not valid base64-encoded data")

// parseDataURL reads a data: URL (RFC 2397). Clients are careless with them, so white space inside, the URL-safe alphabet and missing
// padding are accepted. The media type is in lower case, without parameters, and empty where the URL names none.
func parseDataURL(text string) (mediaType string, data []byte, err error) {
	head, payload, ok := strings.Cut(text[len("data:"):], ",")
	if !ok {
		return "", nil, errors.New("it is a data URL without data")
	}
	mediaType, params, _ := strings.Cut(head, ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	if !hasBase64(params) {
		unescaped, err := url.PathUnescape(payload)
		if err != nil || unescaped == "" {
			return "", nil, errNoData
		}
		return mediaType, []byte(unescaped), nil
	}
	data, err = decodeBase64(payload)
	return mediaType, data, err
}

func isDataURL(text string) bool { return len(text) > 5 && strings.EqualFold(text[:5], "data:") }

func hasBase64(params string) bool {
	last := params[strings.LastIndexByte(params, ';')+1:]
	return strings.EqualFold(strings.TrimSpace(last), "base64")
}

// decodeBase64 reads base64 in either alphabet, padded or not, with white space anywhere and percent-encoding as data URLs allow.
func decodeBase64(text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		data, err = base64.RawStdEncoding.DecodeString(base64Repair.Replace(text))
	}
	if err != nil || len(data) == 0 {
		return nil, errNoData
	}
	return data, nil
}

var base64Repair = strings.NewReplacer(
	"-", "+", "_", "/", " ", "", "\t", "", "\r", "", "\n", "",
	"%2B", "+", "%2b", "+", "%2F", "/", "%2f", "/", "%3D", "", "%3d", "", "=", "")

// mediaTypeOf settles what data is: what the client declared, unless that says too little or the data itself says otherwise, then
// what the data begins with, then what the file's name ends with. It is empty when nothing tells.
func mediaTypeOf(declared, fileName string, data []byte) string {
	declared = canonicalType(declared)
	sniffed := sniff(data)
	vague := declared == "" || declared == "application/octet-stream" || strings.HasSuffix(declared, "/*")
	if !vague && (sniffed == "" || !strings.HasPrefix(declared, "image/")) {
		return declared // formats other than pictures nest in each other (zip, mp4, ogg), and the client knows better
	}
	if strings.HasPrefix(sniffed, "image/") || sniffed == "application/pdf" {
		return sniffed
	}
	if byName := extensionType(fileName); byName != "" {
		return byName
	}
	if sniffed != "" {
		return sniffed
	}
	return documentType(data)
}

// documentType tells office documents and plain text by what they contain; empty for everything else.
func documentType(data []byte) string {
	switch t := http.DetectContentType(data); {
	case t == "application/zip":
		for _, office := range [...]struct{ member, extension string }{
			{"word/document.xml", ".docx"}, {"xl/workbook.xml", ".xlsx"}, {"ppt/presentation.xml", ".pptx"},
		} {
			if bytes.Contains(data, []byte(office.member)) {
				return extensions[office.extension]
			}
		}
	case strings.HasPrefix(t, "text/"):
		return "text/plain"
	}
	return ""
}

// canonicalType is the name Google knows a media type by.
func canonicalType(t string) string {
	switch t = strings.ToLower(t); t {
	case "image/jpg", "image/pjpeg":
		return "image/jpeg"
	case "audio/x-wav", "audio/wave", "audio/vnd.wave":
		return "audio/wav"
	default:
		return t
	}
}

// sniff tells pictures, sound, film and PDF by their first bytes; empty for everything else.
func sniff(data []byte) string {
	if len(data) > 12 && string(data[4:8]) == "ftyp" {
		switch string(data[8:12]) {
		case "heic", "heix", "hevc":
			return "image/heic"
		case "mif1", "msf1", "heif":
			return "image/heif"
		}
	}
	t, _, _ := strings.Cut(http.DetectContentType(data), ";")
	if t == "application/pdf" || strings.HasPrefix(t, "image/") || strings.HasPrefix(t, "audio/") || strings.HasPrefix(t, "video/") {
		return canonicalType(t)
	}
	return ""
}

// extensionType is the media type a file name or URL path promises; empty when it promises none. The table is ours because the
// system's differs between machines.
func extensionType(name string) string { return extensions[strings.ToLower(path.Ext(name))] }

var extensions = map[string]string{
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif",
	".heic": "image/heic", ".heif": "image/heif", ".bmp": "image/bmp",
	".wav": "audio/wav", ".mp3": "audio/mp3", ".aiff": "audio/aiff", ".aac": "audio/aac", ".ogg": "audio/ogg", ".opus": "audio/opus",
	".flac": "audio/flac", ".m4a": "audio/m4a",
	".mp4": "video/mp4", ".mpeg": "video/mpeg", ".mpg": "video/mpg", ".mov": "video/mov", ".avi": "video/avi", ".flv": "video/x-flv",
	".webm": "video/webm", ".wmv": "video/wmv", ".3gp": "video/3gpp", ".3gpp": "video/3gpp",
	".pdf": "application/pdf", ".txt": "text/plain", ".log": "text/plain", ".csv": "text/csv", ".md": "text/md", ".html": "text/html",
	".htm": "text/html", ".xml": "text/xml", ".css": "text/css", ".rtf": "text/rtf", ".json": "application/json",
	".js": "text/javascript", ".ts": "text/plain", ".py": "text/x-python", ".go": "text/plain", ".yaml": "text/plain", ".yml": "text/plain",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	".odt":  "application/vnd.oasis.opendocument.text",
}

// audioTypes are the formats an input_audio part may name.
var audioTypes = map[string]string{
	"wav": "audio/wav", "mp3": "audio/mp3", "mpeg": "audio/mp3", "ogg": "audio/ogg", "opus": "audio/opus", "flac": "audio/flac",
	"aac": "audio/aac", "aiff": "audio/aiff", "m4a": "audio/m4a", "mp4": "audio/mp4", "webm": "audio/webm",
}
