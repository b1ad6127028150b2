package openai

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// filesAPI is where files uploaded to Google are found under their names.
const filesAPI = "https://generativelanguage.googleapis.com/v1beta/"

// fetchMedia reads a URL that stands for a picture or file: a data URL is decoded, any other is left for Google to fetch. Nothing is
// fetched here, but addresses inside somebody's network are refused all the same: what a client asks for must be public.
func fetchMedia(text string) (*translate.Media, error) {
	text = strings.TrimSpace(text)
	if isDataURL(text) {
		mediaType, data, err := parseDataURL(text)
		if err != nil {
			return nil, err
		}
		return inline(mediaType, "", data)
	}
	if strings.HasPrefix(text, "files/") {
		return &translate.Media{URI: filesAPI + text}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("it is not a URL")
	}
	switch u.Scheme {
	case "gs":
	case "http", "https":
		if !public(u.Hostname()) {
			return nil, errors.New("its host is not a public one")
		}
	default:
		return nil, errors.New("it must be a data:, https: or gs: URL")
	}
	mediaType := extensionType(u.Path)
	if isYouTube(u.Hostname()) {
		mediaType = "video/mp4"
	}
	return &translate.Media{URI: text, MIME: mediaType}, nil
}

// inline makes media of data that came with the request.
func inline(declared, fileName string, data []byte) (*translate.Media, error) {
	mediaType := mediaTypeOf(declared, fileName, data)
	if mediaType == "" {
		return nil, errors.New("its media type is neither declared nor recognisable")
	}
	return &translate.Media{MIME: mediaType, Data: data, Name: fileName}, nil
}

func isYouTube(host string) bool {
	host = strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(host), "www."), "m.")
	return host == "youtube.com" || host == "youtu.be"
}

// public reports whether a host can be one on the Internet, as far as its name tells.
func public(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if addr, err := netip.ParseAddr(host); err == nil {
		return publicAddr(addr.Unmap())
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	switch {
	case last == host: // a name without a dot is looked up in the local domain
		return false
	case last == "localhost" || last == "local" || last == "internal":
		return false
	case last == "" || strings.HasPrefix(last, "0x") || strings.Trim(last, "0123456789") == "":
		return false // another way of writing an IPv4 address, such as 127.1
	}
	return true
}

func publicAddr(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, reserved := range reservedNetworks {
		if reserved.Contains(a) {
			return false
		}
	}
	return true
}

// reservedNetworks are those of IANA's special-purpose registries that netip does not already tell apart.
var reservedNetworks = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
}
