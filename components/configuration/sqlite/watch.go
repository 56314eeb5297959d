package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

// entry is what tells one state of a key from another. The value is part of it, because other tools may change it and
// leave the version as it is.
type entry struct{ version, value string }

// watch is one watch.
type watch struct {
	keys    []string // none for all
	changed configuration.Changed
	// calling is held while changed runs, so that stop can wait for it.
	calling sync.Mutex
	over    bool
}

func (w *watch) tell(keys []string) {
	if len(w.keys) > 0 {
		keys = slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return !slices.Contains(w.keys, k) })
	}
	w.calling.Lock()
	defer w.calling.Unlock()
	if len(keys) > 0 && !w.over {
		w.changed(keys)
	}
}

// Subscribe begins a watch.
func (s *Store) Subscribe(ctx context.Context, keys []string, _ map[string]string, changed configuration.Changed) (func(), error) {
	w := &watch{keys: slices.Clone(keys), changed: changed}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		seen, err := s.snapshot(ctx)
		if err != nil {
			return nil, err
		}
		s.seen = seen
	}
	s.watches[w] = struct{}{}
	s.wake() // so that the watcher sets its alarm
	return func() { s.unsubscribe(w) }, nil
}

func (s *Store) unsubscribe(w *watch) {
	s.mu.Lock()
	delete(s.watches, w)
	if len(s.watches) == 0 {
		s.seen = nil
	}
	s.mu.Unlock()
	w.calling.Lock()
	defer w.calling.Unlock()
	w.over = true
}

func (s *Store) wake() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

func (s *Store) watched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.watches) > 0
}

// look is the watcher: it looks at the file's change counter when it is woken, and at an interval while somebody
// watches. conn is its own.
func (s *Store) look(ctx context.Context, conn *sql.Conn) {
	counter, failing := int64(-1), false
	for {
		var alarm <-chan time.Time
		if s.watched() {
			alarm = time.After(s.every)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.poke:
		case <-alarm:
		}
		now := int64(-1)
		err := conn.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&now)
		if err == nil && now != counter {
			err = s.tell(ctx)
		}
		if err == nil {
			counter = now
		} else if !failing && ctx.Err() == nil {
			s.log.Warn("changes of the configuration cannot be looked for; trying again", "file", s.file, "error", err)
		}
		failing = err != nil
	}
}

// tell compares the file with what the watches know, and tells them the difference.
func (s *Store) tell(ctx context.Context) error {
	s.mu.Lock()
	if s.seen == nil {
		s.mu.Unlock()
		return nil
	}
	now, err := s.snapshot(ctx)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	keys := difference(s.seen, now)
	s.seen = now
	watches := make([]*watch, 0, len(s.watches))
	for w := range s.watches {
		watches = append(watches, w)
	}
	s.mu.Unlock()
	if len(keys) == 0 {
		return nil
	}
	for _, w := range watches {
		w.tell(keys)
	}
	return nil
}

func (s *Store) snapshot(ctx context.Context) (map[string]entry, error) {
	items, err := s.Get(ctx, nil, nil)
	if err != nil {
		return nil, err
	}
	out := make(map[string]entry, len(items))
	for _, item := range items {
		out[item.Key] = entry{item.Version, item.Value}
	}
	return out, nil
}

// difference gives the keys that are in one and not in the other, or not the same.
func difference(was, now map[string]entry) []string {
	var out []string
	for k, e := range now {
		if old, had := was[k]; !had || old != e {
			out = append(out, k)
		}
	}
	for k := range was {
		if _, has := now[k]; !has {
			out = append(out, k)
		}
	}
	return out
}
