package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// dataDir is a locked data folder: embedded stores bear one process at a time.
type dataDir struct {
	path string
	lock *flock.Flock
}

// openDataDir makes the folder if it is not there and takes its lock.
func openDataDir(path string) (*dataDir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", path, err)
	}
	if err := os.MkdirAll(abs, 0o750); err != nil {
		return nil, fmt.Errorf("data folder %s cannot be made: %w; give another one with --data", path, err)
	}
	file := filepath.Join(abs, "lock")
	lock := flock.New(file)
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("data folder %s cannot be locked: %w", path, err)
	}
	if !ok {
		return nil, fmt.Errorf("data folder %s is in use by %s: stop it, or give this one its own folder with --data",
			path, owner(file+".pid"))
	}
	if err := os.WriteFile(file+".pid", []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("data folder %s cannot be written: %w", path, err), lock.Unlock())
	}
	return &dataDir{abs, lock}, nil
}

// CheckDataDir fails if another process has the data folder, or if it cannot be used. New finds that out too; a caller
// that writes into the folder before, for example what it builds, asks first. An empty path is DefaultDataDir.
func CheckDataDir(path string) error {
	if path == "" {
		path = DefaultDataDir
	}
	d, err := openDataDir(path)
	if err != nil {
		return err
	}
	return d.close()
}

func owner(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "another mrt-wasm"
	}
	return "another mrt-wasm, process " + strings.TrimSpace(string(text))
}

func (d *dataDir) close() error {
	return errors.Join(os.Remove(filepath.Join(d.path, "lock.pid")), d.lock.Unlock())
}

// cacheDir is where compiled code is kept.
func (h *Host) cacheDir() string {
	if h.opts.CacheDir != "" {
		return h.opts.CacheDir
	}
	return filepath.Join(h.data.path, "cache")
}
