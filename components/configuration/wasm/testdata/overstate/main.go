// A configuration store over the state store that metadata "store" names: a value is an entry whose key begins with
// "c/", and its version the entry's etag. The entry "changes" is written after each change.
package main

import (
	"errors"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/configuration"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/configuration/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/configuration/driver/watch"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

type store struct{ inner state.Store }

func init() {
	s := &store{}
	driver.Register(s)
	watch.Register(s)
}

func main() {}

const prefix = "c/"

func (s *store) Init(metadata map[string]string) error {
	s.inner = state.Open(metadata["store"])
	return nil
}

func (s *store) Get(keys []string, metadata map[string]string) ([]driver.Item, error) {
	var names []string
	for _, k := range keys {
		if k == "" {
			return nil, configuration.ErrInvalidRequest
		}
		names = append(names, prefix+k)
	}
	if len(keys) == 0 {
		for k, err := range s.inner.Keys(prefix) {
			if err != nil {
				return nil, err
			}
			names = append(names, k)
		}
	}
	found, err := s.inner.BulkGet(names...)
	if err != nil {
		return nil, err
	}
	var out []driver.Item
	seen := map[string]bool{}
	for _, r := range found {
		switch {
		case errors.Is(r.Err, state.ErrNotFound), seen[r.Key]:
		case r.Err != nil:
			return nil, r.Err
		default:
			seen[r.Key] = true
			out = append(out, driver.Item{Key: strings.TrimPrefix(r.Key, prefix), Value: string(r.Value), Version: r.ETag})
		}
	}
	return out, nil
}

func (s *store) Watch(keys []string, metadata map[string]string) (watch.Watch, error) {
	w := &watcher{store: s, keys: keys}
	_, err := w.changed()
	return w, err
}

type watcher struct {
	store    *store
	keys     []string
	at       string
	versions map[string]string
}

// changed gives the keys that have changed since it was called last.
func (w *watcher) changed() ([]string, error) {
	e, err := w.store.inner.Get("changes")
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return nil, err
	}
	if e.ETag == w.at && w.versions != nil {
		return nil, nil
	}
	items, err := w.store.Get(w.keys, nil)
	if err != nil {
		return nil, err
	}
	w.at = e.ETag
	now := map[string]string{}
	var keys []string
	for _, item := range items {
		now[item.Key] = item.Version
		if w.versions[item.Key] != item.Version {
			keys = append(keys, item.Key)
		}
	}
	for key := range w.versions {
		if _, there := now[key]; !there {
			keys = append(keys, key)
		}
	}
	w.versions = now
	return keys, nil
}

func (w *watcher) Pull(wait time.Duration) ([]string, error) {
	for end := time.Now().Add(wait); ; time.Sleep(2 * time.Millisecond) {
		keys, err := w.changed()
		if err != nil || len(keys) > 0 || !time.Now().Before(end) {
			return keys, err
		}
	}
}

func (w *watcher) Close() error { return nil }
