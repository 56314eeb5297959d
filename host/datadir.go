package host

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/mrt-wasm/mrt-wasm/host/engine"
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

// seedFile has the secret from which the starts of apps are made, if their instances are to go on after a restart of the
// host: secret and time of day, in that order.
const seedFile = "start.seed"

// bootSeed gives the data folder's seed, made once.
func (d *dataDir) bootSeed() (*engine.BootSeed, error) {
	file := filepath.Join(d.path, seedFile)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		data = make([]byte, 32, 40)
		_, _ = rand.Read(data) // it does not fail
		data = binary.BigEndian.AppendUint64(data, uint64(time.Now().Unix()))
		// Written whole or not at all: half a seed would be another one.
		if err = os.WriteFile(file+".new", data, 0o600); err == nil {
			err = os.Rename(file+".new", file)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("data folder %s: the seed of the apps' starts: %w", d.path, err)
	}
	if len(data) != 40 {
		return nil, fmt.Errorf("data folder %s: %s: want 40 bytes, found %d; remove it: actors that sleep then lose their memory, not their state",
			d.path, seedFile, len(data))
	}
	return &engine.BootSeed{Secret: [32]byte(data), Epoch: time.Unix(int64(binary.BigEndian.Uint64(data[32:])), 0)}, nil
}
