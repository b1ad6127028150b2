package openai

import (
	"errors"
	"net/url"
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// filesHost is where files uploaded to Google are found, filesAPI under their names.
const (
	filesHost = "generativelanguage.googleapis.com"
	filesAPI  = "https://" + filesHost + "/v1beta/"
)

// mediaAt reads a URL that stands for a picture or file. A data URL is decoded. What is at Google already, in Cloud Storage, among the
// files uploaded to it or on YouTube, is left for Google to read; where anything else is to be got from is noted in the media.
func mediaAt(text string, source translate.Source) (*translate.Media, error) {
	text = strings.TrimSpace(text)
	if isDataURL(text) {
		mediaType, data, err := parseDataURL(text)
		if err != nil {
			return nil, err
		}
		return inline(mediaType, "", data)
	}
	if strings.HasPrefix(text, "files/") {
		return &translate.Media{URI: filesAPI + text, Param: source.Param}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("it is not a URL")
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case u.Scheme == "gs":
		return &translate.Media{URI: text, MIME: translate.MediaTypeByName(u.Path), Param: source.Param}, nil
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("it must be a data:, https: or gs: URL")
	case isYouTube(host):
		return &translate.Media{URI: text, MIME: "video/mp4", Param: source.Param}, nil
	case host == filesHost:
		return &translate.Media{URI: text, MIME: translate.MediaTypeByName(u.Path), Param: source.Param}, nil
	}
	source.URL = text
	return &translate.Media{Source: &source}, nil
}

// inline makes media of data that came with the request.
func inline(declared, fileName string, data []byte) (*translate.Media, error) {
	mediaType := translate.MediaType(declared, fileName, data)
	if mediaType == "" {
		return nil, errors.New("its media type is neither declared nor recognisable")
	}
	return &translate.Media{MIME: mediaType, Data: data, Name: fileName}, nil
}

func isYouTube(host string) bool {
	host = strings.TrimPrefix(strings.TrimPrefix(host, "www."), "m.")
	return host == "youtube.com" || host == "youtu.be"
}
