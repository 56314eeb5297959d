package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/configuration/configurationtest"
)

func opened(t *testing.T, file string) *Store {
	t.Helper()
	s, err := Spec.New(t.Context(), component.Config{Metadata: component.Metadata{"connectionString": file, "checkInterval": "20"}})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Store)
}

func closed(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestConformance: an operator writes through the same store.
func TestConformance(t *testing.T) {
	configurationtest.Run(t, func(t *testing.T) configurationtest.Fixture {
		s := opened(t, filepath.Join(t.TempDir(), "config.db"))
		return configurationtest.Fixture{
			Store: s,
			Set:   func(key, value string) error { return s.Set(t.Context(), key, value, nil) },
			Delete: func(key string) error {
				return s.Delete(t.Context(), []string{key}, nil)
			},
		}
	}, configurationtest.Caps{})
}

// TestConformanceOtherTool: somebody else's SQLite writes, without any care for versions.
func TestConformanceOtherTool(t *testing.T) {
	configurationtest.Run(t, func(t *testing.T) configurationtest.Fixture {
		file := filepath.Join(t.TempDir(), "with space & ünïcode.db")
		s := opened(t, file)
		other, err := sql.Open("sqlite", file)
		if err != nil {
			t.Fatal(err)
		}
		other.SetMaxOpenConns(1)
		if _, err := other.ExecContext(t.Context(), `PRAGMA busy_timeout = 30000`); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = other.Close() })
		var version atomic.Int64
		return configurationtest.Fixture{
			Store: s,
			Set: func(key, value string) error {
				_, err := other.ExecContext(t.Context(), `INSERT OR REPLACE INTO config (key, value, version) VALUES (?, ?, ?)`, key, value, version.Add(1))
				return err
			},
			Delete: func(key string) error {
				_, err := other.ExecContext(t.Context(), `DELETE FROM config WHERE key = ?`, key)
				return err
			},
		}
	}, configurationtest.Caps{})
}

// TestVersionsGrow: also when a key was deleted in between, and after the file was closed.
func TestVersionsGrow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.db")
	last := 0
	for range 3 {
		s := opened(t, file)
		for _, key := range []string{"a", "b", "a"} {
			if err := s.Set(t.Context(), key, "v", nil); err != nil {
				t.Fatal(err)
			}
			items, err := s.Get(t.Context(), []string{key}, nil)
			if err != nil || len(items) != 1 {
				t.Fatalf("get: got %v, error %v", items, err)
			}
			n, err := strconv.Atoi(items[0].Version)
			if err != nil || n <= last {
				t.Errorf("version of %s: got %q, want a number above %d", key, items[0].Version, last)
			}
			last = n
			if err := s.Delete(t.Context(), []string{key}, nil); err != nil {
				t.Fatal(err)
			}
		}
		closed(t, s)
	}
}

func TestDefaultFile(t *testing.T) {
	for name, want := range map[string]string{"": "config.db", "configstore": "config.db", "a/b": "config-a%2Fb.db"} {
		dir := filepath.Join(t.TempDir(), "data")
		s, err := Spec.New(t.Context(), component.Config{Name: name, DataDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, want)); err != nil {
			t.Errorf("component %q: %v", name, err)
		}
		closed(t, s.(*Store))
	}
}

func TestOpenFails(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk.db")
	if err := os.WriteFile(junk, []byte(strings.Repeat("this is not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name      string
		metadata  component.Metadata
		want      string
		permanent bool
	}{
		{"no folder", nil, "metadata field connectionString is missing, and the host has no data folder", true},
		{"memory", component.Metadata{"connectionString": ":memory:"}, `want the path of a file, found ":memory:"`, true},
		{"interval", component.Metadata{"connectionString": "x.db", "checkInterval": "1ms"}, "metadata field checkInterval: want 10ms or more, found 1ms", true},
		{"busy", component.Metadata{"connectionString": "x.db", "busyTimeout": "-5s"}, "metadata field busyTimeout: want 0 or more", true},
		{"no such folder", component.Metadata{"connectionString": filepath.Join(t.TempDir(), "none", "x.db")}, "check that it is one, and that its folder exists", false},
		{"junk", component.Metadata{"connectionString": junk}, "junk.db cannot be opened", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Spec.New(t.Context(), component.Config{Metadata: tc.metadata})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("open: got error %v, want %q", err, tc.want)
			}
			if _, ok := errors.AsType[*component.PermanentError](err); ok != tc.permanent {
				t.Errorf("open: error %v: permanent %t, want %t", err, ok, tc.permanent)
			}
		})
	}
}

// TestLocked: another process that holds the file makes writing unavailable, not reading.
func TestLocked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.db")
	first := opened(t, file)
	defer closed(t, first)
	made, err := Spec.New(t.Context(), component.Config{Metadata: component.Metadata{"connectionString": file, "busyTimeout": "1ms"}})
	if err != nil {
		t.Fatal(err)
	}
	second := made.(*Store)
	defer closed(t, second)
	err = first.write(t.Context(), func(ctx context.Context, _ *sql.Tx) error {
		err := second.Set(ctx, "a", "1", nil)
		if !errors.Is(err, configuration.ErrUnavailable) || !strings.Contains(err.Error(), "locked by another process") {
			t.Errorf("set: got error %v, want %v", err, configuration.ErrUnavailable)
		}
		_, err = second.Get(ctx, nil, nil)
		return err
	})
	if err != nil {
		t.Errorf("get while another writes: %v", err)
	}
}
