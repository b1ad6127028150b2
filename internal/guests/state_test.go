package guests

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

// inFiles is the accounts in Caddy's storage of files.
func inFiles(t *testing.T) (store *storageStore, dir string) {
	t.Helper()
	root := t.TempDir()
	return &storageStore{storage: &certmagic.FileStorage{Path: root}}, filepath.Join(root, "gemini_proxy", "accounts")
}

func (s *storageStore) save(t *testing.T, id, object string) {
	t.Helper()
	if err := s.Save(t.Context(), id, []byte(object)); err != nil {
		t.Fatal(err)
	}
}

func TestObjectsAreForNobodyElseToRead(t *testing.T) {
	store, dir := inFiles(t)
	for range 2 { // made, and replaced
		store.save(t, "one", "secret")
		for path, want := range map[string]fs.FileMode{dir: 0o700 | fs.ModeDir, filepath.Join(dir, "one.json"): 0o600} {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != want {
				t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
			}
		}
	}
}

func TestObjectsAreFoundAgain(t *testing.T) {
	store, _ := inFiles(t)
	if _, err := store.Load(t.Context(), "one"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("loading what is not there: %v", err)
	}
	store.save(t, "one", "1")
	store.save(t, "two", "2")
	store.save(t, "one", "3")
	for id, want := range map[string]string{"one": "3", "two": "2"} {
		if got, err := store.Load(t.Context(), id); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", id, got, err)
		}
	}
}

func TestOldObjectsAreDeletedUnlessInUse(t *testing.T) {
	store, dir := inFiles(t)
	inUse := func(id string) bool { return id == "used" }
	if err := store.Prune(t.Context(), time.Now(), 10, inUse); err != nil {
		t.Errorf("pruning what is not there: %v", err)
	}
	now := time.Now()
	for id, age := range map[string]time.Duration{"new": time.Hour, "old": 31 * 24 * time.Hour, "used": 31 * 24 * time.Hour} {
		store.save(t, id, "{}")
		if err := os.Chtimes(filepath.Join(dir, id+".json"), time.Time{}, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	// What is left of a write that was killed.
	if err := os.WriteFile(filepath.Join(dir, "1234567890"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := store.Prune(t.Context(), now.Add(-30*24*time.Hour), 10, inUse); err != nil {
		t.Error(err)
	}
	if got, want := names(t, dir), []string{"1234567890", "new.json", "used.json"}; !slices.Equal(got, want) {
		t.Errorf("%q are left, want %q", got, want)
	}
	if err := store.Prune(t.Context(), time.Now().Add(time.Hour), 10, inUse); err != nil {
		t.Error(err)
	}
	if got, want := names(t, dir), []string{"used.json"}; !slices.Equal(got, want) {
		t.Errorf("%q are left, want %q", got, want)
	}
}

func TestDeletingIsBounded(t *testing.T) {
	store, dir := inFiles(t)
	for n := range 10 {
		store.save(t, strconv.Itoa(n), "{}")
	}
	if err := store.Prune(t.Context(), time.Now().Add(time.Hour), 3, func(string) bool { return false }); err != nil {
		t.Error(err)
	}
	if got := names(t, dir); len(got) != 7 {
		t.Errorf("%q are left", got)
	}
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// With each configuration there is a new value of the same storage.
func TestPlacesAreToldApartByWhatIsConfigured(t *testing.T) {
	a, again, b := &certmagic.FileStorage{Path: "a"}, &certmagic.FileStorage{Path: "a"}, &certmagic.FileStorage{Path: "b"}
	if place(a) != place(again) {
		t.Error("the same storage is another place")
	}
	if place(a) == place(b) {
		t.Error("two storages are one place")
	}
}
