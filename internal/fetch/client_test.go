package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// internet is servers by host name, in memory. Whatever else is dialed, by name or by address, is judged by the guard and reaches nobody.
type internet struct {
	*testing.T
	hosts  map[string]http.HandlerFunc
	server *http.Server
	conns  chan net.Conn
	closed chan struct{}
	served sync.WaitGroup
	client *Client
}

// online runs a test in a bubble of fake time.
func online(t *testing.T, hosts map[string]http.HandlerFunc, test func(n *internet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { connected(t, hosts, test) })
}

// connected runs a test in real time: looking names up shares a semaphore with the whole process, which no bubble can hold.
func connected(t *testing.T, hosts map[string]http.HandlerFunc, test func(n *internet)) {
	t.Helper()
	n := &internet{T: t, hosts: hosts, conns: make(chan net.Conn), closed: make(chan struct{})}
	n.server = &http.Server{Handler: n}
	n.served.Go(func() { _ = n.server.Serve(n) })
	n.client = New(Options{Dial: n.dial})
	defer n.served.Wait()
	defer n.server.Close()
	defer n.client.CloseIdleConnections()
	test(n)
}

func (n *internet) ServeHTTP(w http.ResponseWriter, r *http.Request) { n.hosts[r.Host](w, r) }

func (n *internet) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	if n.hosts[host] == nil {
		leads := map[string]string{"inside.example": "10.0.0.7", "rebound.example": "169.254.169.254"}
		return guarded(names(n, func(name string) []netip.Addr {
			if to, ok := leads[name]; ok {
				return []netip.Addr{netip.MustParseAddr(to)}
			}
			return nil
		})).DialContext(ctx, network, address)
	}
	here, there := net.Pipe()
	select {
	case n.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept, Close and Addr make it a net.Listener.
func (n *internet) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *internet) Close() error   { close(n.closed); return nil }
func (n *internet) Addr() net.Addr { return &net.TCPAddr{} }

// refused is the reason why a URL was not downloaded.
func (n *internet) refused(urls ...string) *Error { n.Helper(); return n.refusedIn(1<<30, urls...) }

func (n *internet) refusedIn(room int64, urls ...string) *Error {
	n.Helper()
	files, err := n.client.Get(n.Context(), urls, room)
	e, ok := errors.AsType[*Error](err)
	if !ok || files != nil {
		n.Fatalf("%q: %d files, %v", urls, len(files), err)
	}
	return e
}

func says(body, mediaType string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write([]byte(body))
	}
}

// pause is a server at rest, as long as its client waits.
func pause(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}

func TestFilesComeInTheOrderOfTheirURLs(t *testing.T) {
	hosts := map[string]http.HandlerFunc{}
	var urls []string
	for i := range 20 {
		host := fmt.Sprintf("host%d.example", i)
		hosts[host] = func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Duration(20-i) * time.Millisecond)
			says("picture "+host, "IMAGE/PNG; charset=x")(w, r)
		}
		urls = append(urls, "http://"+host+"/a/b.png?x=y.z")
	}
	online(t, hosts, func(n *internet) {
		files, err := n.client.Get(n.Context(), urls, 1<<20)
		if err != nil || len(files) != len(urls) {
			n.Fatalf("%d files, %v", len(files), err)
		}
		for i, f := range files {
			if string(f.Data) != fmt.Sprintf("picture host%d.example", i) || f.Type != "image/png" || f.Name != "b.png" {
				n.Errorf("file %d: %s %s %q", i, f.Type, f.Name, f.Data)
			}
		}
	})
}

func TestNothingInsideIsReached(t *testing.T) {
	connected(t, map[string]http.HandlerFunc{
		"to-address.example": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
		},
		"to-name.example": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://rebound.example/", http.StatusMovedPermanently)
		},
		"to-file.example": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		},
		"to-port.example": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://to-port.example:6379/", http.StatusTemporaryRedirect)
		},
		"to-user.example": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://a:b@to-user.example/", http.StatusPermanentRedirect)
		},
	}, func(n *internet) {
		for url, want := range map[string]string{
			"http://127.0.0.1/":               "no public server",
			"http://[::1]/":                   "no public server",
			"http://[::ffff:169.254.169.254]": "no public server",
			"https://10.0.0.1/":               "no public server",
			"http://inside.example/":          "no public server",
			"https://rebound.example/":        "no public server",
			"http://localhost/":               "no public server",
			"http://nowhere.example/":         "no public server", // in the same words: nobody learns what names mean here
			"http://to-address.example/":      "no public server",
			"http://to-name.example/":         "no public server",
			"http://to-file.example/":         "http or https",
			"http://to-port.example/":         "port",
			"http://to-user.example/":         "user name",
			"file:///etc/passwd":              "http or https",
		} {
			if e := n.refused(url); !strings.Contains(e.Error(), want) {
				n.Errorf("%s: %v, want something about %q", url, e, want)
			}
		}
	})
}

func TestRedirectsAreFollowedThreeTimesWithoutTellingWhereFrom(t *testing.T) {
	chain := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Referer") != "" || r.Header.Get("Cookie") != "" {
			t.Errorf("headers %v", r.Header)
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		if left := strings.TrimPrefix(r.URL.Path, "/"); left != "" {
			http.Redirect(w, r, "/"+left[1:]+"?secret=y", http.StatusFound)
			return
		}
		says("x", "image/png")(w, r)
	}
	online(t, map[string]http.HandlerFunc{"a.example": chain}, func(n *internet) {
		if _, err := n.client.Get(n.Context(), []string{"http://a.example/iii?secret=x"}, 1<<20); err != nil {
			n.Errorf("three redirects: %v", err)
		}
		if e := n.refused("http://a.example/iiii"); !strings.Contains(e.Error(), "redirected more than 3 times") {
			n.Errorf("four redirects: %v", e)
		}
	})
}

func TestWhatIsAskedSaysWhoAsksAndNothingElse(t *testing.T) {
	var got http.Header
	online(t, map[string]http.HandlerFunc{"a.example": func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		says("x", "image/png")(w, r)
	}}, func(n *internet) {
		if _, err := n.client.Get(n.Context(), []string{"http://a.example/"}, 1<<20); err != nil {
			n.Fatal(err)
		}
	})
	if got.Get("User-Agent") != userAgent || got.Get("Accept-Encoding") != "identity" || len(got) != 3 {
		t.Errorf("%v", got)
	}
}

func TestAnswersThatAreNoFiles(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 1<<20)
	endless := func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(large); err != nil {
				return
			}
		}
	}
	online(t, map[string]http.HandlerFunc{
		"absent.example": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte("secret"))
		},
		"empty.example":   says("", "image/png"),
		"endless.example": endless,
		"huge.example": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(MaxBytes+1))
			w.(http.Flusher).Flush()
			<-r.Context().Done() // whoever waits for it waits for ever
		},
		"zipped.example": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(large)
		},
		"broken.example": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte("x"))
		},
		"headers.example": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", maxHeaders))
		},
	}, func(n *internet) {
		for host, want := range map[string]string{
			"absent": "HTTP status 404", "empty": "empty", "endless": "larger than 20 MiB", "huge": "larger than 20 MiB",
			"zipped": "compressed", "broken": "broke off", "headers": "no public server",
		} {
			began := time.Now()
			if e := n.refused("http://" + host + ".example/"); !strings.Contains(e.Error(), want) || time.Since(began) > time.Second {
				n.Errorf("%s: %v after %v, want something about %q", host, e, time.Since(began), want)
			}
		}
	})
}

func TestFilesShareARoom(t *testing.T) {
	online(t, map[string]http.HandlerFunc{
		"a.example": says(strings.Repeat("x", 600), "image/png"),
		"b.example": func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush() // without a Content-Length
			_, _ = w.Write(bytes.Repeat([]byte("x"), 600))
		},
	}, func(n *internet) {
		for _, urls := range [][]string{{"http://a.example/", "http://b.example/"}, {"http://b.example/1", "http://b.example/2"}} {
			if _, err := n.client.Get(n.Context(), urls, 1200); err != nil {
				n.Errorf("%q: %v", urls, err)
			}
			if e := n.refusedIn(1199, urls...); e.Reason != errTotal {
				n.Errorf("%q in too little room: %v", urls, e)
			}
		}
		if e := n.refusedIn(599, "http://a.example/"); e.Reason != errTotal {
			n.Errorf("too large by its announcement: %v", e)
		}
	})
}

func TestAFileTakesTenSecondsAndAllOfThemThirty(t *testing.T) {
	stalls := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	trickles := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			pause(r, time.Second)
			_, _ = w.Write([]byte("x"))
			w.(http.Flusher).Flush()
		}
	}
	late := func(w http.ResponseWriter, r *http.Request) {
		pause(r, 9*time.Second)
		says("x", "image/png")(w, r)
	}
	online(t, map[string]http.HandlerFunc{"stalls.example": stalls, "trickles.example": trickles, "late.example": late}, func(n *internet) {
		for _, host := range []string{"stalls", "trickles"} {
			began := time.Now()
			if e := n.refused("http://" + host + ".example/"); e.Reason != errSlow || time.Since(began) != fileTime {
				n.Errorf("%s: %v after %v", host, e, time.Since(began))
			}
		}
		var urls []string
		for i := range together * 3 {
			urls = append(urls, fmt.Sprintf("http://late.example/%d", i))
		}
		if _, err := n.client.Get(n.Context(), urls, 1<<20); err != nil {
			n.Errorf("three times as many as at once: %v", err)
		}
		began := time.Now()
		if e := n.refused(append(urls, "http://late.example/more")...); e.Reason != errSlow || time.Since(began) != totalTime {
			n.Errorf("and one more: %v after %v", e, time.Since(began))
		}
	})
}

func TestTheFirstFailureEndsTheOthers(t *testing.T) {
	online(t, map[string]http.HandlerFunc{
		"stalls.example": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"absent.example": func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			w.WriteHeader(http.StatusNotFound)
		},
	}, func(n *internet) {
		began := time.Now()
		e := n.refused("http://stalls.example/", "http://absent.example/", "http://stalls.example/2")
		if e.Index != 1 || !strings.Contains(e.Error(), "404") || time.Since(began) != time.Second {
			n.Errorf("%d: %v after %v", e.Index, e, time.Since(began))
		}
	})
}

func TestADownloadEndsWithWhoAskedForIt(t *testing.T) {
	ended := make(chan time.Duration, 1)
	began := time.Now()
	online(t, map[string]http.HandlerFunc{"stalls.example": func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		ended <- time.Since(began)
	}}, func(n *internet) {
		began = time.Now()
		ctx, cancel := context.WithTimeout(n.Context(), time.Second)
		defer cancel()
		_, err := n.client.Get(ctx, []string{"http://stalls.example/"}, 1<<20)
		synctest.Wait()
		if err != context.DeadlineExceeded || <-ended != time.Second {
			n.Errorf("%v", err)
		}
	})
}

func TestDownloadsAreBoundedInNumber(t *testing.T) {
	var now, most, served atomic.Int64
	online(t, map[string]http.HandlerFunc{"a.example": func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(time.Second)
		now.Add(-1)
		says("x", "image/png")(w, r)
	}}, func(n *internet) {
		urls := make([]string, MaxFiles)
		for i := range urls {
			urls[i] = fmt.Sprintf("http://a.example/%d", i)
		}
		if _, err := n.client.Get(n.Context(), urls, 1<<20); err != nil || most.Load() != together {
			n.Errorf("%d at a time, %v", most.Load(), err)
		}
		before := served.Load()
		if e := n.refused(append(urls, "http://a.example/more")...); e.Index != MaxFiles || served.Load() != before {
			n.Errorf("one too many: %d: %v, and %d were downloaded", e.Index, e, served.Load()-before)
		}
		var all sync.WaitGroup
		for range 2 * allAtOnce / together {
			all.Go(func() {
				if _, err := n.client.Get(n.Context(), urls[:together], 1<<20); err != nil {
					n.Error(err)
				}
			})
		}
		all.Wait()
		if most.Load() != allAtOnce {
			n.Errorf("%d at a time for all requests", most.Load())
		}
	})
}
