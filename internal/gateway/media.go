package gateway

import (
	"errors"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/fetch"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// gather downloads the media that the client named by URL, once for all attempts, and each URL once. Google could read some of them by
// itself, on some of its backends with some models; like this they are the same for every account. There is as much room for them as the
// client has for a request that holds them.
func (x *exchange) gather() *translate.Error {
	var urls []string
	wanted := map[string][]*translate.Media{}
	for m := range x.request.Media() {
		if m.Source == nil {
			continue
		}
		if wanted[m.Source.URL] == nil {
			urls = append(urls, m.Source.URL)
		}
		wanted[m.Source.URL] = append(wanted[m.Source.URL], m)
	}
	if urls == nil {
		return nil
	}
	files, err := x.gateway.Fetch.Get(x.ctx, urls, x.gateway.MaxBody)
	if err != nil {
		e, ok := errors.AsType[*fetch.Error](err)
		if !ok {
			return asClientError(err) // nobody is there to read it
		}
		return wanted[urls[e.Index]][0].Source.Invalid(e.Reason)
	}
	for i := range files {
		for _, m := range wanted[urls[i]] {
			if failed := fill(m, &files[i]); failed != nil {
				return failed
			}
		}
	}
	return nil
}

// errNoMedia is about a server's answer that is something else than was asked for, such as a page that says what is wrong.
var errNoMedia = errors.New("what is there is neither a picture nor anything else that can be seen or heard")

// fill makes media of a file. Of pictures, servers say all sorts of things: what they are is in the data.
func fill(m *translate.Media, file *fetch.File) *translate.Error {
	mediaType := translate.SniffMediaType(file.Data)
	if !m.Source.Picture {
		mediaType = translate.MediaType(file.Type, file.Name, file.Data)
	}
	if mediaType == "" {
		return m.Source.Invalid(errNoMedia)
	}
	m.MIME, m.Data, m.Source = mediaType, file.Data, nil
	return nil
}
