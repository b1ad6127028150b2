// Package google talks to Google: it builds calls for the three backends, reads their event streams, understands their errors, mints
// access tokens and finds out which project a Code Assist account belongs to. It decides nothing: what a fault means for a request
// or an account is package rotator's business, what an answer means is package gemini's.
package google

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Options configure a Client. The zero value calls Google itself.
type Options struct {
	Endpoints Endpoints
	// HTTP carries every call; nil means NewTransport. Redirects are never followed, whatever it is.
	HTTP http.RoundTripper
	// UserAgent names this program and its version to Google, for example caddy-gemini-proxy/1.2.3.
	UserAgent string
}

// Client makes calls to Google. It holds no credentials: every call carries its own. All it remembers is which hosts cannot be reached.
// Safe for concurrent use.
type Client struct {
	endpoints Endpoints
	http      http.RoundTripper
	userAgent string
	breaker   breaker
}

// product is how we call ourselves when Options name nothing better.
const product = "caddy-gemini-proxy"

// New returns a Client.
func New(o Options) *Client {
	c := &Client{endpoints: o.Endpoints.trimmed(), http: o.HTTP, userAgent: o.UserAgent}
	if c.http == nil {
		c.http = NewTransport()
	}
	if c.userAgent == "" {
		c.userAgent = product
	}
	return c
}

// CloseIdleConnections closes the connections nobody uses at the moment, when the Client is not going to be used for more.
func (c *Client) CloseIdleConnections() {
	if t, ok := c.http.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// NewTransport returns the transport used unless another is given: HTTP/2, proxies from the environment, and no limit on how long
// an answer may take to begin, because whoever waits for it has limits of their own.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		ForceAttemptHTTP2:   true,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConns:        400,
		MaxIdleConnsPerHost: 100,
		IdleConnTimeout:     90 * time.Second,
		// A connection that a firewall forgot would otherwise swallow every stream on it until the kernel gives up.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
}

// Call is one generateContent call.
type Call struct {
	Backend  translate.Backend
	Model    string // Google's name, without models/
	Project  string // vertex and code_assist
	Location string // vertex; empty means global
	// Token authorises the call. With an API key, Vertex is called in express mode, which has no project in its path; a project that
	// the token knows goes before Project.
	Token *rotator.Token
	// Body is the encoded GenerateContentRequest. It is only read, so attempts may share it.
	Body []byte
	// Tier is how Vertex is to treat the call. The Developer API reads it in the Body, and Code Assist knows of none.
	Tier translate.ServiceTier
	// RequestID is any string that tells requests apart; Code Assist takes one.
	RequestID string
}

// maxErrorBody bounds what is read of an error answer, in bytes.
const maxErrorBody = 1 << 20

// Stream makes the call, always by the streaming method, and returns once Google's headers are there. The error is always *Error.
// The context bounds the whole answer, not only its beginning. The caller must Close the Stream.
func (c *Client) Stream(ctx context.Context, call Call) (*Stream, error) {
	req, failed := c.newGenerate(ctx, &call)
	if failed != nil {
		return nil, failed
	}
	body, failed := c.send(req, call.Token)
	if failed != nil {
		return nil, failed
	}
	return newStream(ctx, body, call.Token.APIKey), nil
}

// send makes a call and returns the body of Google's answer if that is a success. It is the caller's to close.
func (c *Client) send(req *http.Request, t *rotator.Token) (io.ReadCloser, *Error) {
	ctx := req.Context()
	if wait := c.breaker.wait(req.URL.Host); wait > 0 {
		return nil, unreachableHost(wait)
	}
	resp, err := c.http.RoundTrip(req)
	if err != nil {
		if ctx.Err() == nil {
			c.breaker.failed(req.URL.Host)
		}
		return nil, broken(ctx, false, err)
	}
	c.breaker.answered(req.URL.Host)
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	// Whatever arrived of the body is read for what it says; the status alone would do.
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil && ctx.Err() != nil {
		return nil, broken(ctx, false, err)
	}
	return nil, parseError(answer{status: resp.StatusCode, body: body, isKey: t.APIKey})
}

// newGenerate builds the HTTP request of a call.
func (c *Client) newGenerate(ctx context.Context, call *Call) (*http.Request, *Error) {
	url, refusal := c.endpoints.methodURL(call, streamMethod)
	if refusal != nil {
		return nil, refusal
	}
	body := call.Body
	if call.Backend == translate.CodeAssist {
		wrapped, err := envelope(call)
		if err != nil {
			return nil, refused(rotator.FaultRequest, "REQUEST_NOT_JSON", "the encoded request is not JSON: %v", err)
		}
		body = wrapped
	}
	req, refusal := c.newPost(ctx, url, body, call.Token)
	if refusal == nil && call.Backend == translate.Vertex && call.Tier != "" {
		req.Header.Set("X-Vertex-Ai-Llm-Shared-Request-Type", string(call.Tier))
	}
	return req, refusal
}

// newPost builds a POST of JSON. Bytes bodies can be replayed, which HTTP/2 needs when a connection is going away.
func (c *Client) newPost(ctx context.Context, url string, body []byte, t *rotator.Token) (*http.Request, *Error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, refused(rotator.FaultDead, "ENDPOINT_INVALID", "%v", err)
	}
	req.Header.Set("Content-Type", "application/json")
	c.authorize(req, t)
	return req, nil
}

// authorize sets the headers that say who calls. A key and a bearer token together would be refused.
func (c *Client) authorize(req *http.Request, t *rotator.Token) {
	req.Header.Set("User-Agent", c.userAgent)
	if t.APIKey {
		req.Header.Set("X-Goog-Api-Key", t.Secret)
		return
	}
	req.Header.Set("Authorization", "Bearer "+t.Secret)
	if t.QuotaProject != "" {
		req.Header.Set("X-Goog-User-Project", t.QuotaProject)
	}
}

// project is the Google Cloud project the call is made in.
func (call *Call) project() string { return cmp.Or(call.Token.Project, call.Project) }
