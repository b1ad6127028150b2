package guests

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"go.uber.org/zap"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/google"
)

// watchInterval is how often files of credentials are looked at. Asking the filesystem to tell would be quicker, but does not work for
// network filesystems and mounted volumes, where secrets often are.
const watchInterval = 5 * time.Second

// secretFile is a file of credentials as it was last looked at.
type secretFile struct {
	path  string
	info  fs.FileInfo // nil when it could not be had
	value string      // the last that was good; empty for none
	sure  bool        // it was looked into twice since it last looked different
}

// Watch looks at the files until ctx ends, and calls changed each time that Secrets has something else to return.
func (f *FileCredentials) Watch(ctx context.Context, changed func()) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if f.refresh() {
				changed()
			}
		}
	}
}

// refresh looks at the files again, and reports whether there are other secrets in them. Having none at all changes nothing, because
// nobody means to have none: a volume may be gone for a moment.
func (f *FileCredentials) refresh() bool {
	f.files = f.look()
	secrets := secretsOf(f.files)
	if len(secrets) == 0 {
		if !f.missing {
			f.logger.Error("no path leads to a usable file of credentials any more; what was found before stays in use",
				zap.Strings("paths", f.patterns))
		}
		f.missing = true
		return false
	}
	f.missing = false
	if slices.Equal(secrets, f.secrets) {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.secrets = secrets
	numbers := make(map[string]int, len(secrets)) // without those of files that are gone
	for _, secret := range secrets {
		numbers[secret.Origin] = f.numbers[secret.Origin]
	}
	f.numbers = numbers
	return true
}

// secretsOf returns the secrets of the files that something good was read from.
func secretsOf(files []secretFile) []proxyconfig.Secret {
	secrets := make([]proxyconfig.Secret, 0, len(files))
	for _, file := range files {
		if file.value != "" {
			secrets = append(secrets, proxyconfig.Secret{Value: file.value, Origin: file.path})
		}
	}
	return secrets
}

// look returns the files that are there now. What is known of them already is read again only if need be.
func (f *FileCredentials) look() []secretFile {
	known := make(map[string]secretFile, len(f.files))
	for _, file := range f.files {
		known[file.path] = file
	}
	paths := f.find()
	files := make([]secretFile, len(paths))
	for i, path := range paths {
		file, old := known[path]
		if !old {
			file.path = path
		}
		if err := file.look(old); err != nil {
			f.logger.Error("a file of credentials cannot be used; what it held before stays in use", zap.Error(err))
		}
		files[i] = file
	}
	return files
}

// look reads the file if it looks different from when it was last read, and once more the next time: it may have been written only in
// part, or again within the resolution of its filesystem's clock. So what is wrong with it is an error only the second time.
func (s *secretFile) look(known bool) error {
	info := fileInfo(s.path)
	same := known && looksSame(info, s.info)
	if same && s.sure {
		return nil
	}
	s.info, s.sure = info, same
	secret, err := readSecret(s.path)
	if err != nil {
		return s.wrong(err)
	}
	if _, err := google.ParseSecret(secret.Value); err != nil {
		return s.wrong(fmt.Errorf("%s: %w", s.path, err))
	}
	s.value = secret.Value
	return nil
}

// wrong is what is wrong with the file, if that is for sure.
func (s *secretFile) wrong(err error) error {
	if s.sure {
		return err
	}
	return nil
}

// fileInfo is how a file looks from outside, through symbolic links; nil when that cannot be had.
func fileInfo(path string) fs.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

func looksSame(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
