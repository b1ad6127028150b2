// Package fetch downloads what clients name by a URL, such as the pictures in a prompt. The URLs are strangers', and the gateway stands
// where strangers do not: it asks public addresses only, and bounds what comes back in size, time and number.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"path"
	"sync"
	"sync/atomic"
	"time"
)

// What one request may have downloaded, beside the total that the caller gives.
const (
	MaxFiles = 100
	MaxBytes = 20 << 20 // of one file; it is also what Google's older models take inline altogether

	fileTime  = 10 * time.Second // for one file
	totalTime = 30 * time.Second // for all of them

	maxRedirects = 3
	maxHeaders   = 64 << 10 // bytes

	together  = 8  // downloads at a time for one request
	allAtOnce = 64 // and for all of them
)

// firstBuffer is what is set aside for a file before any of it has come, in bytes: its announced size is a promise.
const firstBuffer = 512 << 10

// userAgent is what servers are told of who asks; some refuse those who do not say where to complain.
const userAgent = "caddy-gemini-proxy (+https://github.com/gemini-proxy/caddy-gemini-proxy)"

// Options are the ways to set a Client up.
type Options struct {
	// Dial opens connections, and so decides what can be reached; nil stands for Public(nil).
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client downloads files. It is safe for concurrent use.
type Client struct {
	http  http.Client
	slots chan struct{} // one for each download under way
}

// New makes a Client. It keeps no cookies and knows no credentials, and it goes through no proxy: that would look names up behind the
// back of the guard.
func New(o Options) *Client {
	if o.Dial == nil {
		o.Dial = Public(nil).DialContext
	}
	return &Client{
		slots: make(chan struct{}, allAtOnce),
		http: http.Client{
			CheckRedirect: redirect,
			Transport: &http.Transport{
				DialContext:            o.Dial,
				ForceAttemptHTTP2:      true,
				DisableCompression:     true, // what comes is what is counted
				TLSHandshakeTimeout:    connectTime,
				MaxResponseHeaderBytes: maxHeaders,
				MaxIdleConns:           allAtOnce,
				MaxIdleConnsPerHost:    together,
				IdleConnTimeout:        fileTime,
			},
		},
	}
}

// CloseIdleConnections closes the connections that no download uses.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// redirect judges where a server sends a download on to, and tells nobody where it came from: that address may be a secret.
func redirect(to *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return refusal("it is redirected more than " + fmt.Sprint(maxRedirects) + " times")
	}
	to.Header.Del("Referer")
	return check(to.URL)
}

// File is what a URL gave.
type File struct {
	Type string // the media type its server says it has, without parameters; empty when it says none that can be read
	Name string // the last piece of its URL's path
	Data []byte // never empty
}

// Error is why a download failed. Its text may be shown to whoever named the URL: it says nothing of what is reachable from here.
type Error struct {
	Index  int // of the URL at fault
	Reason error
}

func (e *Error) Error() string { return e.Reason.Error() }

// refusal is a reason why something is not downloaded.
type refusal string

func (r refusal) Error() string { return string(r) }

// Reasons that need no words of their own.
const (
	errUnreachable = refusal("no public server answers there")
	errSlow        = refusal("downloading it takes too long")
	errBroken      = refusal("its download broke off")
	errTotal       = refusal("together with the others it is larger than this gateway accepts")
)

// Get downloads all of urls, several at a time, and returns their files in the same order. They may have total bytes together. The
// first failure ends the other downloads; it is an *Error, or that of ctx when ctx is done.
func (c *Client) Get(ctx context.Context, urls []string, total int64) ([]File, error) {
	if len(urls) > MaxFiles {
		return nil, &Error{MaxFiles, refusal(fmt.Sprintf("a request may name at most %d", MaxFiles))}
	}
	limited, cancel := context.WithTimeout(ctx, totalTime)
	defer cancel()
	var (
		left, next atomic.Int64
		files      = make([]File, len(urls))
		workers    sync.WaitGroup
		once       sync.Once
		failed     error
	)
	left.Store(total)
	for range min(together, len(urls)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(urls); i = int(next.Add(1)) - 1 {
				var err error
				if files[i], err = c.file(limited, urls[i], &left); err != nil {
					once.Do(func() { failed = &Error{i, err} })
					cancel()
					return
				}
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, failed
	}
	return files, nil
}

// file downloads one file when it is its turn.
func (c *Client) file(ctx context.Context, address string, left *atomic.Int64) (File, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return File{}, errSlow
	}
	ctx, cancel := context.WithTimeout(ctx, fileTime)
	defer cancel()
	u, err := parse(address)
	if err != nil {
		return File{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return File{}, refusal("it is not a URL")
	}
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("Accept", "image/png, image/jpeg, image/webp, image/heic, application/pdf, */*;q=0.5") // first what Google reads
	request.Header.Set("Accept-Encoding", "identity")
	response, err := c.http.Do(request)
	if err != nil {
		return File{}, reason(ctx, err, errUnreachable)
	}
	defer response.Body.Close()
	data, err := read(response, left)
	if err != nil {
		return File{}, reason(ctx, err, errBroken)
	}
	mediaType, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")) // one that cannot be read is none
	return File{Type: mediaType, Name: path.Base(response.Request.URL.Path), Data: data}, nil
}

// read takes the body of an answer, as far as there is room for it.
func read(response *http.Response, left *atomic.Int64) ([]byte, error) {
	tooLarge := refusal(fmt.Sprintf("it is larger than %d MiB", MaxBytes>>20))
	encoding := response.Header.Get("Content-Encoding")
	switch {
	case response.StatusCode != http.StatusOK:
		return nil, refusal(fmt.Sprintf("its server answers with HTTP status %d", response.StatusCode))
	case encoding != "" && encoding != "identity":
		return nil, refusal("its server sends it compressed")
	case response.ContentLength > MaxBytes:
		return nil, tooLarge
	case response.ContentLength > left.Load():
		return nil, errTotal
	}
	data := make([]byte, 0, min(max(response.ContentLength+1, 512), firstBuffer))
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := response.Body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case len(data) > MaxBytes:
			return nil, tooLarge
		case left.Add(int64(-n)) < 0:
			return nil, errTotal
		case err == io.EOF && len(data) == 0:
			return nil, refusal("it is empty")
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, err
		}
	}
}

// reason is what may be said of a failure: our own words, and of what the network says only which stage it was in. Anything more would
// tell strangers what can be reached from here.
func reason(ctx context.Context, err error, stage refusal) error {
	if r, ok := errors.AsType[refusal](err); ok {
		return r
	}
	if ctx.Err() != nil {
		return errSlow
	}
	return stage
}
