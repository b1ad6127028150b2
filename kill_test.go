package geminiproxy_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
)

// killInterval is what a process that is killed may lose of what is urgent: it is written within 50 ms. The rest is for machines that have
// much else to do.
const killInterval = 500 * time.Millisecond

// process is Caddy in a process of its own.
type process struct {
	*site
	binary, config, storage string
	running                 *exec.Cmd
}

func newProcess(t *testing.T) *process {
	p := &process{site: newSite(t, 0), storage: t.TempDir()}
	p.binary = filepath.Join(p.dir, "caddy")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", p.binary, "./cmd/caddy")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return p
}

// start runs Caddy with the directives until it serves.
func (p *process) start(directives string) {
	p.Helper()
	p.config = filepath.Join(p.dir, "config.json")
	config := strings.ReplaceAll(string(p.site.config(directives)), storage, p.storage)
	if err := os.WriteFile(p.config, []byte(config), 0o600); err != nil {
		p.Fatal(err)
	}
	p.running = exec.CommandContext(context.Background(), p.binary, "run", "--config", p.config)
	p.running.Env = append(os.Environ(), "HOME="+p.dir, "XDG_CONFIG_HOME="+p.dir, "XDG_DATA_HOME="+p.dir)
	if err := p.running.Start(); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = p.running.Process.Kill() })
	client := p.client(1)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		answer, err := client.Do(p.request(p.Context(), http.MethodGet, "/v1/health", ""))
		if err == nil {
			answer.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(p.log)
			p.Fatalf("%v\n%s", err, log)
		}
	}
}

// kill ends Caddy in the way that leaves it no time for anything.
func (p *process) kill() {
	p.Helper()
	if err := p.running.Process.Kill(); err != nil {
		p.Fatal(err)
	}
	if err := p.running.Wait(); err == nil {
		p.Fatal("it ended by itself")
	}
}

// traffic asks from several sides until stopped. Requests that the gateway answers must be answered well.
func (p *process) traffic() (stop func()) {
	ctx, cancel := context.WithCancel(p.Context())
	client := p.client(1)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				answer, err := client.Do(p.request(ctx, http.MethodPost, "/v1/chat/completions", ask))
				if err != nil {
					time.Sleep(10 * time.Millisecond) // nobody is there
					continue
				}
				answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					p.Errorf("%s", answer.Status)
				}
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

// until waits for something that comes of the traffic.
func (p *process) until(what string, is func() bool) {
	p.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.Fatalf("%s: it does not come", what)
		}
	}
}

// A process that is killed in the middle of its work, again and again, has asked Google for nothing twice: quotas that are used up are known
// to the next process, and so are access tokens.
func TestAProcessThatIsKilledLosesNothingThatCostsACall(t *testing.T) {
	if testing.Short() {
		t.Skip("builds Caddy")
	}
	p := newProcess(t)
	p.addUsers()
	// Two groups run out in the first life, and one in each that follows.
	const lives = 3
	for n := 4; n <= 4+lives; n++ {
		key := secret + "-key-" + strconv.Itoa(n)
		p.google.AddKey(key, "project-"+strconv.Itoa(n))
		t.Setenv("TEST_KEY_"+strconv.Itoa(n), key)
	}
	p.google.SetLimits("project-1", "*", googlesim.Limits{RPD: 2})
	p.google.SetLimits("project-2", "*", googlesim.Limits{RPD: 5})
	directives := strings.Replace(everyKind, "anonymous", "anonymous\n policy round_robin", 1)

	refused := make(map[string]time.Time) // by project: when it was, for the day
	minted := make(map[string]time.Time)  // by account
	for life := range lives {
		p.google.SetLimits("project-"+strconv.Itoa(4+life), "*", googlesim.Limits{RPD: 3})
		p.start(directives)
		stop := p.traffic()
		p.until("running out", func() bool { return len(p.refusals()) > life+2 })
		p.until("a token for each", func() bool { return p.google.Count(googlesim.Match{Backend: googlesim.OAuth, Method: "token"}) >= 2 })
		p.until("some more traffic", func() bool { return p.google.Count(googlesim.Match{Project: "project-3"}) > 10*(life+1) })
		time.Sleep(killInterval) // of traffic, in which nothing new is learned
		p.kill()
		killed := time.Now()
		stop()
		for _, c := range p.google.Calls(googlesim.Match{}) {
			if at, out := refused[c.Project]; out && c.Began.After(at.Add(killInterval)) {
				t.Errorf("life %d: %s is asked again: it was refused %v before", life, c.Project, c.Began.Sub(at))
			}
		}
		for project, at := range p.refusals() {
			if _, known := refused[project]; !known && at.Before(killed.Add(-killInterval)) {
				refused[project] = at
			}
		}
		for _, c := range p.google.Calls(googlesim.Match{Backend: googlesim.OAuth, Method: "token"}) {
			if at, known := minted[c.Account]; known && c.Began.After(at) {
				t.Errorf("life %d: the token of %s is refreshed again", life, c.Account)
			}
			minted[c.Account] = c.Began
		}
	}
	if len(refused) < 2+lives-1 || len(minted) != 2 {
		t.Errorf("%d projects ran out, and %d accounts got tokens: was this a test at all?", len(refused), len(minted))
	}
}

// refusals is when each project was first refused for its day's quota.
func (p *process) refusals() map[string]time.Time {
	first := make(map[string]time.Time)
	for _, c := range p.google.Calls(googlesim.Match{}) {
		if _, known := first[c.Project]; !known && c.Status == http.StatusTooManyRequests && c.Quota == "rpd" {
			first[c.Project] = c.Began
		}
	}
	return first
}
