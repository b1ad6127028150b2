package guests

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
)

// watched is a directory of credentials that is watched, by a clock that only runs while the test waits.
type watched struct {
	*FileCredentials

	t       *testing.T
	dir     string
	changes atomic.Int64
	logs    *observer.ObservedLogs
}

// watch starts to watch the paths, which are of a new directory that has these files.
func watch(t *testing.T, files map[string]string, paths ...string) *watched {
	t.Helper()
	w := &watched{t: t, dir: t.TempDir()}
	for name, content := range files {
		w.write(name, content)
	}
	for i, path := range paths {
		paths[i] = filepath.Join(w.dir, path)
	}
	w.FileCredentials = &FileCredentials{Paths: paths}
	if err := w.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.DebugLevel)
	w.logger, w.logs = zap.New(core), logs
	go w.Watch(t.Context(), func() { w.changes.Add(1) })
	return w
}

// write replaces the content of a file in place.
func (w *watched) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// age makes a file look as if it had last been written at a moment that never changes.
func (w *watched) age(name string) {
	w.t.Helper()
	moment := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(w.dir, name), moment, moment); err != nil {
		w.t.Fatal(err)
	}
}

// link makes a symbolic link, in the place of an older one if need be, as Kubernetes does.
func (w *watched) link(target, name string) {
	w.t.Helper()
	if err := os.Symlink(target, filepath.Join(w.dir, "new")); err != nil {
		w.t.Fatal(err)
	}
	w.rename("new", name)
}

func (w *watched) rename(from, to string) {
	w.t.Helper()
	if err := os.Rename(filepath.Join(w.dir, from), filepath.Join(w.dir, to)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) remove(name string) {
	w.t.Helper()
	if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
		w.t.Fatal(err)
	}
}

// after waits for so many looks, and compares what there is then: the values, how many changes were told and errors logged so far.
func (w *watched) after(looks int, values string, changes, errors int) {
	w.t.Helper()
	time.Sleep(time.Duration(looks) * 5 * time.Second)
	synctest.Wait()
	var got []string
	for _, secret := range w.Secrets() {
		got = append(got, secret.Value)
	}
	if strings.Join(got, " ") != values || w.changes.Load() != int64(changes) {
		w.t.Errorf("values %q after %d changes, want %q after %d", got, w.changes.Load(), values, changes)
	}
	if n := w.logs.FilterLevelExact(zap.ErrorLevel).Len(); n != errors {
		w.t.Errorf("%d errors in the log, want %d: %v", n, errors, w.logs.All())
	}
}

func TestAFileThatChangesIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, map[string]string{"a": "key-a", "b": "key-b"}, "*")
		w.after(3, "key-a key-b", 0, 0)
		w.write("a", "another\n")
		w.after(1, "another key-b", 1, 0)
		w.write("a", "another") // but for the line's end
		w.after(2, "another key-b", 1, 0)
		w.write("b", "key-c")
		w.after(1, "another key-c", 2, 0)
	})
}

func TestFilesMayComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, map[string]string{"a.key": "key-a", "c.key": "key-c", "z": "key-z"}, "z", "*.key")
		w.after(1, "key-z key-a key-c", 0, 0)
		w.write("b.key", "key-b")
		w.write("b.txt", "no")
		w.after(1, "key-z key-a key-b key-c", 1, 0)
		w.remove("a.key")
		w.after(1, "key-z key-b key-c", 2, 0)
		w.remove("b.key")
		w.remove("c.key") // now there is none of the second path
		w.after(2, "key-z", 3, 0)
		w.write("a.key", "key-a")
		w.after(1, "key-z key-a", 4, 0)
	})
}

func TestAFileThatIsOnlyTouchedIsNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, map[string]string{"a": "key-a"}, "a")
		w.after(2, "key-a", 0, 0)
		w.age("a")
		w.after(2, "key-a", 0, 0)
	})
}

func TestAHalfWrittenFileIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, map[string]string{"a": "key-a"}, "*")
		half := refreshToken[:len(refreshToken)/2]
		for _, piece := range []string{"", half[:5], half} {
			w.write("a", piece)
			w.after(1, "key-a", 0, 0)
		}
		w.write("a", refreshToken)
		w.after(1, refreshToken, 1, 0)
	})
}

func TestAFileThatStaysBadIsReportedOnceAndChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, map[string]string{"a": "key-a", "b": "key-b"}, "*")
		w.write("a", `{"refresh_token": "`+sentinel)
		w.write("new", "two words "+sentinel)
		w.write("b", "key-c") // does not wait for the others
		w.after(1, "key-a key-c", 1, 0)
		w.after(1, "key-a key-c", 1, 2)
		w.after(9, "key-a key-c", 1, 2)
		for _, entry := range w.logs.All() {
			text, _ := entry.ContextMap()["error"].(string)
			if !strings.Contains(text, w.dir) || strings.Contains(text, sentinel) {
				t.Errorf("the error is to name the file and not to show what is in it: %s", text)
			}
		}
		w.write("a", "still not a key") // a new attempt
		w.after(3, "key-a key-c", 1, 3)
		w.write("a", "key-d")
		w.after(1, "key-d key-c", 2, 3)
	})
}

func TestAFileThatCannotBeOpenedIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, map[string]string{"a": "key-a", "b": "key-b"}, "*")
		w.link("nowhere", "a")
		w.link("nowhere", "c")
		w.after(1, "key-a key-b", 0, 0)
		w.after(5, "key-a key-b", 0, 2)
		w.link("b", "a")
		w.after(1, "key-b key-b", 1, 2)
	})
}

// Kubernetes writes new secrets into a new directory, and then replaces the symbolic link that all files lead through.
func TestASwapOfSymbolicLinksIsAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		for _, version := range []string{"..1", "..2"} {
			if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		w := &watched{t: t, dir: dir}
		for version, key := range map[string]string{"..1": "key-1", "..2": "key-2"} {
			w.write(version+"/key", key)
			w.age(version + "/key") // sizes and times are equal
		}
		w.link("..1", "..data")
		w.link("..data/key", "key")
		w.FileCredentials = &FileCredentials{Paths: []string{filepath.Join(dir, "*")}} // the directories, too
		if err := w.Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
		core, logs := observer.New(zap.DebugLevel)
		w.logger, w.logs = zap.New(core), logs
		go w.Watch(t.Context(), func() { w.changes.Add(1) })
		w.after(3, "key-1", 0, 0)
		w.link("..2", "..data")
		w.after(1, "key-2", 1, 0)
	})
}

func TestWithoutAnyUsableFileWhatWasThereStaysInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, map[string]string{"a": "key-a", "b": "key-b"}, "*")
		w.remove("a")
		w.remove("b")
		w.after(3, "key-a key-b", 0, 1)
		w.write("c", "not a key")
		w.after(3, "key-a key-b", 0, 2)
		w.write("b", "key-b")
		w.after(1, "key-b", 1, 2)
		w.remove("b")
		w.after(3, "key-b", 1, 3)
	})
}

func TestAFileIsReadTwiceAndThenOnlyIfItLooksDifferent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, map[string]string{"a": "key-a"}, "a")
		w.age("a")
		w.after(1, "key-a", 0, 0)
		w.write("a", "key-b") // within the resolution of the clock, as it were
		w.age("a")
		w.after(1, "key-b", 1, 0)
		w.write("a", "key-c")
		w.age("a")
		w.after(5, "key-b", 1, 0) // nothing shows that it changed, and nothing is read for no reason
		w.write("b", "key-d")
		w.age("b")
		w.rename("b", "a") // another file of the same size and time
		w.after(2, "key-d", 2, 0)
		w.write("a", "key-longer")
		w.age("a")
		w.after(1, "key-longer", 3, 0)
	})
}

func TestWatchingEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := FileCredentials{}
		ctx, cancel := context.WithCancel(t.Context())
		var ended atomic.Bool
		go func() {
			f.Watch(ctx, func() {})
			ended.Store(true)
		}()
		synctest.Wait()
		cancel()
		if synctest.Wait(); !ended.Load() {
			t.Error("it goes on")
		}
	})
}

func TestAccountsKeepTheirNumbersWhenFilesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, map[string]string{"b": "key-b", "d": "key-d"}, "*")
		names := func(want string) {
			t.Helper()
			credentials, err := Credentials([]proxyconfig.CredentialSource{w}, google.New(google.Options{}), zap.NewNop())
			if err != nil || labels(credentials) != want {
				t.Errorf("got %s, %v; want %s", labels(credentials), err, want)
			}
		}
		names("files-1 files-2")
		w.write("a", "key-a")
		w.write("c", "key-c")
		w.after(1, "key-a key-b key-c key-d", 1, 0)
		names("files-3 files-1 files-4 files-2")
		w.remove("b")
		w.after(1, "key-a key-c key-d", 2, 0)
		names("files-3 files-4 files-2")
		w.write("b", "key-b")
		w.write("c", "key-e")
		w.after(1, "key-a key-b key-e key-d", 3, 0)
		names("files-3 files-5 files-4 files-2")
		w.after(1, "key-a key-b key-e key-d", 3, 0)
	})
}
