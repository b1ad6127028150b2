package googlesim

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Backend is one of the services simulated.
type Backend string

// The backends, and the token endpoint as a place where calls are made.
const (
	Developer  Backend = "gemini_api"
	Vertex     Backend = "vertex"
	CodeAssist Backend = "code_assist"
	OAuth      Backend = "oauth"
)

// Options of a Server. The zero value is ready to use.
type Options struct {
	// Now is the simulator's clock, on which tokens expire and quotas renew; time.Now when nil.
	Now func() time.Time
	// TokenLifetime is how long access tokens live; 3599 s when zero, as at Google.
	TokenLifetime time.Duration
	// Pace is the pause before each event of an ordinary streamed answer.
	Pace time.Duration
	// TrustSignatures accepts every well-formed thought signature instead of only those this package issued. For recorded
	// requests.
	TrustSignatures bool
	// SlidingMinute counts the quotas of a minute over the last sixty seconds, instead of from full minute to full minute: which of the
	// two Google does is not documented.
	SlidingMinute bool
	// CloudCallIDs lets Vertex AI and Code Assist accept functionCall.id and functionResponse.id, as some deployments do.
	CloudCallIDs bool
}

// Server is the simulated Google. It is an http.Handler, and all its methods are safe for concurrent use.
type Server struct {
	opts     Options
	now      func() time.Time
	accounts accounts
	quota    quota
	script   script
	log      callLog
	quirks   atomic.Pointer[Quirks]
	prompts  promptCache

	callOutput atomic.Int64 // see CallOutput

	mu   sync.Mutex
	http *http.Server // nil unless started
	url  string
	done chan struct{}
}

// New makes a Server without any account: see AddKey, AddUser and AddServiceAccount.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = 3599 * time.Second
	}
	s := &Server{opts: o, now: o.Now}
	s.accounts.init()
	s.quota.init(o.SlidingMinute)
	s.quirks.Store(new(Quirks))
	s.prompts.init()
	return s
}

// Start serves on a free port of 127.0.0.1 until Close, and returns the base URL that stands for every host of Google's.
func (s *Server) Start() (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		l.Close()
		return "", errors.New("googlesim: already started")
	}
	s.url = "http://" + l.Addr().String()
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.done = make(chan struct{})
	go func(server *http.Server, done chan struct{}) {
		defer close(done)
		_ = server.Serve(l) // http.ErrServerClosed, once closed
	}(s.http, s.done)
	return s.url, nil
}

// URL is the base URL, empty unless the server was started.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// Close stops a started server and breaks the connections it has.
func (s *Server) Close() {
	s.mu.Lock()
	server, done := s.http, s.done
	s.mu.Unlock()
	if server == nil {
		return
	}
	server.Close()
	<-done
}

// maxBody is the size of request Google accepts, in bytes.
const maxBody = 100 << 20

// ServeHTTP answers one call to any of Google's hosts.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, known := route(r)
	if !known {
		serveNotFound(w, r)
		return
	}
	var err error
	c.payload, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	s.log.begin(c, r, s.now())
	defer func() { s.log.end(c, s.now(), r.Context().Err() != nil) }()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		s.refuse(w, c, newError(http.StatusBadRequest, "Request payload size exceeds the limit: 104857600 bytes."))
	case err != nil: // the client is gone
	case c.Backend == OAuth:
		s.serveToken(w, r, c)
	default:
		s.serveCall(w, r, c)
	}
}

// serveCall answers a call of one of the three services. What is wrong with a call is looked for in the order credentials, JSON,
// permission, fields, model, rules, quota, length.
func (s *Server) serveCall(w http.ResponseWriter, r *http.Request, c *exchange) {
	who, refused := s.authenticate(r, c)
	c.identify(who)
	if refused == nil {
		refused = c.parse()
	}
	s.log.note(c)
	if s.answerScripted(w, r, c) {
		return
	}
	if refused == nil {
		refused = s.authorize(who, c)
	}
	if refused == nil && c.Backend == CodeAssist && c.generates() {
		refused = s.accounts.licensed(who)
	}
	if refused != nil {
		s.refuse(w, c, refused)
		return
	}
	switch c.Method {
	case "generateContent", "streamGenerateContent":
		s.serveGenerate(w, r, c)
	case "countTokens":
		s.serveCount(w, c)
	case "models.list", "models.get":
		s.serveModels(w, r, c)
	default:
		s.serveAssist(w, c, who)
	}
}

// pause waits, unless the client goes away first, which it reports.
func pause(ctx context.Context, d time.Duration) (ok bool) {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
