// Package file is the driver bindings.file: events of files that come, change and go in a folder. What the system tells
// is only a hint to look: an event is the difference between what a file is now and what the app was told last. So a
// change that the app did not handle is told again, and with a data folder also changes that happened while the host
// was down are told.
package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Spec is the driver.
var Spec = component.Spec[binding.Binding]{
	Type: "bindings.file",
	Doc: `Events of files that come, change and go in a folder.

The data is the file's content; the metadata are event (created, modified or removed), name (the path within the
folder), and, but for removed, size and modTime. Changes in quick succession are one event. An event whose handler
failed is told again, with pauses that grow from 100 ms to 30 s. Links are not followed. What an app was told is kept in
the data folder, so that changes while the host was down are told when it is back.`,
	Fields: func() any { return &settings{} },
	New:    open,
}

func open(_ context.Context, cfg component.Config) (binding.Binding, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, component.Permanent(err)
	}
	root, err := filepath.Abs(s.Path)
	if err != nil {
		return nil, component.Permanent(err)
	}
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		// Not for good: a drive may be mounted later.
		return nil, fmt.Errorf("metadata field path: want a folder that exists, found %q", s.Path)
	}
	w := &watcher{s: s, root: root, log: cfg.Log, told: map[string]*memory{}}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	if cfg.DataDir != "" {
		w.dir = filepath.Join(cfg.DataDir, "bindings")
		w.key = cfg.Name + "\x00" + root
	}
	return w, nil
}

type watcher struct {
	s    *settings
	root string
	// dir is where memories are kept, key what they are of; empty to keep none.
	dir, key string
	log      *slog.Logger

	mu   sync.Mutex
	told map[string]*memory // by consumer
}

var (
	_ binding.Binding = (*watcher)(nil)
	_ binding.Input   = (*watcher)(nil)
)

func (w *watcher) Close(context.Context) error { return nil }

// state is what a file was when the app was told.
type state struct {
	Size int64     `json:"s"`
	Time time.Time `json:"t"`
}

func (s state) same(other state) bool { return s.Size == other.Size && s.Time.Equal(other.Time) }

// memory is what one app was told.
type memory struct {
	files map[string]state
	fresh bool // nothing was ever told
	busy  bool // somebody reads
	dirty bool // not saved
}

// recall gives the memory of a consumer: from this process, else from the data folder, else a fresh one. A second
// reader of the same consumer has to wait for the first to stop.
func (w *watcher) recall(consumer string) (*memory, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.told[consumer]
	if m == nil {
		m = &memory{files: map[string]state{}, fresh: true}
		data, err := os.ReadFile(w.file(consumer))
		if w.dir != "" && err == nil {
			if err := json.Unmarshal(data, &m.files); err != nil {
				w.log.Warn("what the app was told about files is not readable; beginning anew", "app", consumer, "error", err)
				m.files = map[string]state{}
			} else {
				m.fresh = false
			}
		}
		w.told[consumer] = m
	}
	if m.busy {
		return nil, fmt.Errorf("%s is watched for app %s already", w.root, consumer)
	}
	m.busy = true
	return m, nil
}

// file is where the memory of a consumer is kept. Names may be any text.
func (w *watcher) file(consumer string) string {
	sum := sha256.Sum256([]byte(w.key + "\x00" + consumer))
	return filepath.Join(w.dir, "file-"+hex.EncodeToString(sum[:12])+".json")
}

// save keeps a memory for the next start.
func (w *watcher) save(consumer string, m *memory) {
	if w.dir == "" || !m.dirty {
		return
	}
	data, err := json.Marshal(m.files)
	if err == nil {
		err = os.MkdirAll(w.dir, 0o700)
	}
	name := w.file(consumer)
	if err == nil {
		err = os.WriteFile(name+".tmp", data, 0o600)
	}
	if err == nil {
		err = os.Rename(name+".tmp", name)
	}
	if err != nil {
		w.log.Warn("what the app was told about files is not saved; after a restart it may be told again", "app", consumer, "error", err)
		return
	}
	m.dirty = false
}
