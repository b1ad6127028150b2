package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// model is the gateway's default.
const model = "gemini-3-flash-preview"

// gateway is a running gateway as a client sees it.
type gateway struct {
	url string // with /v1
	key string
}

// client is OpenAI's library without its own retries, so that every failure is seen.
func (g gateway) client() openai.Client {
	return openai.NewClient(option.WithBaseURL(g.url), option.WithAPIKey(g.key), option.WithMaxRetries(0))
}

// What TestMain finds or makes for all tests.
var (
	binary          string // the built Caddy
	scratch         string // a folder for what it writes
	demoGateway     gateway
	troubledGateway gateway
	missing         string // why there are no gateways
)

// demo is `caddy gemini-proxy demo`: everything works and every request is served.
func demo(t *testing.T) gateway {
	t.Helper()
	if missing != "" {
		t.Skip(missing)
	}
	return demoGateway
}

// troubled is a gateway with a Caddyfile and client_keys, whose Google refuses some models.
func troubled(t *testing.T) gateway {
	t.Helper()
	if missing != "" {
		t.Skip(missing)
	}
	return troubledGateway
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	binary, err = filepath.Abs(cmp.Or(os.Getenv("CADDY_BIN"), "../caddy"))
	if err == nil {
		_, err = os.Stat(binary)
	}
	if errors.Is(err, fs.ErrNotExist) {
		missing = "there is no " + binary + ": build it with ./xcaddy.sh"
		return m.Run()
	}
	if scratch, err = os.MkdirTemp("", "e2e"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)

	var stop func()
	if demoGateway, stop, err = startDemo(); err == nil {
		defer stop()
		if troubledGateway, stop, err = startTroubled(); err == nil {
			defer stop()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func startDemo() (gateway, func(), error) {
	address, err := freeAddress()
	if err != nil {
		return gateway{}, nil, err
	}
	return start(address, "gemini-proxy", "demo", "--listen", address)
}

// start runs Caddy and waits until its gateway is ready. The function it returns ends it.
func start(address string, arguments ...string) (gateway, func(), error) {
	var output lockedBuffer
	command := exec.Command(binary, arguments...)
	command.Env = append(os.Environ(), "HOME="+scratch, "XDG_CONFIG_HOME="+scratch, "XDG_DATA_HOME="+scratch)
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		return gateway{}, nil, err
	}
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	stop := func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
			_ = command.Process.Kill()
			<-exited
		}
	}

	g := gateway{url: "http://" + address + "/v1", key: clientKey}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for !g.healthy(ctx) {
		select {
		case err := <-exited:
			return gateway{}, nil, fmt.Errorf("caddy %v ended: %v\n%s", arguments, err, output.String())
		case <-ctx.Done():
			stop()
			return gateway{}, nil, fmt.Errorf("caddy %v is not ready after 30 s\n%s", arguments, output.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return g, stop, nil
}

func (g gateway) healthy(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url+"/health", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// lockedBuffer holds a process's output, which may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
