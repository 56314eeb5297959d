package schedule

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func put(t testing.TB, s *Store, key string, due time.Time, data string) {
	t.Helper()
	if err := s.Put(t.Context(), Entry{Key: key, Due: due, Data: []byte(data)}, true); err != nil {
		t.Fatal(err)
	}
}

func count(t testing.TB, s *Store, prefix string) int {
	t.Helper()
	n, err := s.Count(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func keys(t testing.TB, s *Store, prefix, after string, limit int) string {
	t.Helper()
	list, err := s.List(t.Context(), prefix, after, limit)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, fmt.Sprintf("%q", e.Key))
	}
	return strings.Join(out, " ")
}

func TestStoreKeepsEntries(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a folder", "b?c#d")
	s := openStore(t, dir)
	ctx := t.Context()
	due := time.Date(2030, 1, 2, 3, 4, 5, 6789, time.FixedZone("", 3600))
	put(t, s, "k", due, "one")
	if err := s.Put(ctx, Entry{Key: "k", Data: []byte("two")}, false); !errors.Is(err, ErrExists) {
		t.Errorf("put of what is there, not to be overwritten: got %v, want ErrExists", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	got, err := s.Get(ctx, "k")
	if want := due.Truncate(time.Microsecond).Add(time.Microsecond); err != nil || string(got.Data) != "one" || !got.Due.Equal(want) {
		t.Errorf("after reopening: got %+v, %v; want one, due %s (never early)", got, err, want)
	}
	put(t, s, "k", due, "three")
	if got, err := s.Get(ctx, "k"); err != nil || string(got.Data) != "three" {
		t.Errorf("overwritten: got %+v, %v; want three", got, err)
	}
	for _, want := range []bool{true, false} {
		if found, err := s.Delete(ctx, "k"); err != nil || found != want {
			t.Errorf("delete: got %t, %v; want %t", found, err, want)
		}
	}
	if _, err := s.Get(ctx, "k"); !errors.Is(err, ErrNotFound) {
		t.Errorf("get of what was deleted: got %v, want ErrNotFound", err)
	}
	if err := s.Put(ctx, Entry{Key: "k", Data: nil}, false); err != nil {
		t.Errorf("put after delete: %v", err)
	}
}

func TestStoreLists(t *testing.T) {
	s := openStore(t, t.TempDir())
	for _, k := range []string{"a", "a\x00", "a\x00b", "ab", "b", "b\xff", "b\xffc", "c", "\xff", "\xff\xffz"} {
		put(t, s, k, time.Now(), "")
	}
	for _, tc := range []struct {
		prefix, after string
		limit         int
		want          string
	}{
		{"a", "", 10, `"a" "a\x00" "a\x00b" "ab"`},
		{"a", "a", 2, `"a\x00" "a\x00b"`},
		{"a", "a\x00b", 10, `"ab"`},
		{"a", "ab", 10, ``},
		{"b\xff", "", 10, `"b\xff" "b\xffc"`},
		{"\xff", "", 10, `"\xff" "\xff\xffz"`},
		{"", "c", 10, `"\xff" "\xff\xffz"`},
		{"", "", 3, `"a" "a\x00" "a\x00b"`},
		{"b", "a", 1, `"b"`},
		{"x", "", 10, ``},
	} {
		if got := keys(t, s, tc.prefix, tc.after, tc.limit); got != tc.want {
			t.Errorf("list %q after %q, %d: got %s, want %s", tc.prefix, tc.after, tc.limit, got, tc.want)
		}
	}
	for prefix, want := range map[string]int{"": 10, "a": 4, "b\xff": 2, "\xff": 2, "x": 0} {
		if got := count(t, s, prefix); got != want {
			t.Errorf("count %q: got %d, want %d", prefix, got, want)
		}
	}
	for prefix, want := range map[string]int{"a\x00": 2, "\xff": 2, "x": 0} {
		if got, err := s.DeletePrefix(t.Context(), prefix); err != nil || got != want {
			t.Errorf("delete prefix %q: got %d, %v; want %d", prefix, got, err, want)
		}
	}
	if got, want := keys(t, s, "", "", 10), `"a" "ab" "b" "b\xff" "b\xffc" "c"`; got != want {
		t.Errorf("after the deletes: got %s, want %s", got, want)
	}
	if _, err := s.DeletePrefix(t.Context(), ""); !errors.Is(err, ErrInvalid) {
		t.Errorf("delete of everything: got %v, want ErrInvalid", err)
	}
}

func TestStoreRefuses(t *testing.T) {
	s := openStore(t, t.TempDir())
	for name, e := range map[string]Entry{
		"no key":       {},
		"key too long": {Key: strings.Repeat("k", MaxKey+1)},
		"data":         {Key: "k", Data: make([]byte, MaxData+1)},
		"year":         {Key: "k", Due: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if err := s.Put(t.Context(), e, true); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.Close()
	if err := s.Put(ended, Entry{Key: "k"}, true); !errors.Is(err, ErrClosed) {
		t.Errorf("put after close: got %v, want ErrClosed", err)
	}
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, ErrClosed) {
		t.Errorf("get after close: got %v, want ErrClosed", err)
	}
	bad := t.TempDir()
	if err := os.WriteFile(filepath.Join(bad, "schedule.db"), []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "schedule.db") {
		t.Errorf("open of what is no database: got %v, want an error that names the file", err)
	}
}

// One of many that add the same key wins, and all that succeeded are there.
func TestStoreManyWriters(t *testing.T) {
	s := openStore(t, t.TempDir())
	const writers, rounds = 16, 50
	var added atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := range rounds {
				err := s.Put(t.Context(), Entry{Key: fmt.Sprint("k", i)}, false)
				if err == nil {
					added.Add(1)
				} else if !errors.Is(err, ErrExists) {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if got := added.Load(); got != rounds {
		t.Errorf("successful adds: got %d, want %d", got, rounds)
	}
	if got := count(t, s, ""); got != rounds {
		t.Errorf("entries: got %d, want %d", got, rounds)
	}
}

// Who waits while the store is closed gets an answer.
func TestStoreCloseUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	var stored sync.Map
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d-%d", w, i)
				if err := s.Put(t.Context(), Entry{Key: key}, true); err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Errorf("put: %v", err)
					}
					return
				}
				stored.Store(key, true)
			}
		})
	}
	for count(t, s, "") < 100 {
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	wg.Wait()
	s = openStore(t, dir)
	stored.Range(func(key, _ any) bool {
		if _, err := s.Get(t.Context(), key.(string)); err != nil {
			t.Errorf("%v was stored: %v", key, err)
		}
		return true
	})
}
