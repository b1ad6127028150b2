package translate

import (
	"bytes"
	"net/http"
	"path"
	"strings"
)

// MediaType settles what data is: what was declared, unless that says too little or the data itself says otherwise, then
// what the data begins with, then what the file's name ends with. It is empty when nothing tells.
func MediaType(declared, fileName string, data []byte) string {
	declared = canonicalType(declared)
	sniffed := SniffMediaType(data)
	vague := declared == "" || declared == "application/octet-stream" || strings.HasSuffix(declared, "/*")
	if !vague && (sniffed == "" || !strings.HasPrefix(declared, "image/")) {
		return declared // formats other than pictures nest in each other (zip, mp4, ogg), and the client knows better
	}
	if strings.HasPrefix(sniffed, "image/") || sniffed == "application/pdf" {
		return sniffed
	}
	if byName := MediaTypeByName(fileName); byName != "" {
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

// SniffMediaType tells pictures, sound, film and PDF by their first bytes; empty for everything else.
func SniffMediaType(data []byte) string {
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

// MediaTypeByName is the media type a file name or URL path promises; empty when it promises none. The table is ours because the
// system's differs between machines.
func MediaTypeByName(name string) string { return extensions[strings.ToLower(path.Ext(name))] }

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
