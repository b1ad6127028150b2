package openai

import (
	"encoding/base64"
	"errors"
	"net/url"
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

// audioTypes are the formats an input_audio part may name.
var audioTypes = map[string]string{
	"wav": "audio/wav", "mp3": "audio/mp3", "mpeg": "audio/mp3", "ogg": "audio/ogg", "opus": "audio/opus", "flac": "audio/flac",
	"aac": "audio/aac", "aiff": "audio/aiff", "m4a": "audio/m4a", "mp4": "audio/mp4", "webm": "audio/webm",
}
