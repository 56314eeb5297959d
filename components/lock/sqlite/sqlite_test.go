package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
	"github.com/mrt-wasm/mrt-wasm/host/lock/locktest"
)

func opened(t testing.TB, file string) *store {
	t.Helper()
	s, err := Spec.New(t.Context(), component.Config{Metadata: component.Metadata{"connectionString": file, "busyTimeout": "60s"}})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*store)
}

func closed(t testing.TB, s lock.Store) {
	t.Helper()
	if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestConformance(t *testing.T) {
	file := filepath.Join(t.TempDir(), "with space & ünïcode.db")
	locktest.Run(t, func(t *testing.T) lock.Store { return opened(t, file) }, locktest.Caps{})
}

// TestSweep: locks that nobody gives back or asks for again do not stay in the file.
func TestSweep(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "lock.db"))
	defer closed(t, s)
	rows := func() (n int) {
		t.Helper()
		if err := s.db.QueryRowContext(t.Context(), `SELECT count(*) FROM locks`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	take := func(resource string, expiry time.Duration) {
		t.Helper()
		if got, err := s.TryLock(t.Context(), resource, "ann", expiry); err != nil || !got {
			t.Fatalf("try-lock of %s: got %t, error %v", resource, got, err)
		}
	}
	take("kept", time.Hour)
	for i := range 100 {
		take(fmt.Sprint("forgotten", i), time.Millisecond)
	}
	time.Sleep(2 * time.Millisecond)
	for i := range 20 {
		take(fmt.Sprint("new", i), time.Hour)
	}
	if got := rows(); got != 21 {
		t.Errorf("the file has %d locks, want the 21 that are held", got)
	}
}

// TestFileIsLocked: a file that somebody keeps locked is an error that says so, within the time that is set.
func TestFileIsLocked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock.db")
	closed(t, opened(t, file))
	other, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	other.SetMaxOpenConns(1)
	s, err := Spec.New(t.Context(), component.Config{Metadata: component.Metadata{"connectionString": file, "busyTimeout": "10ms"}})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	if _, err := other.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.TryLock(t.Context(), "r", "ann", time.Hour); !errors.Is(err, lock.ErrUnavailable) || !strings.Contains(err.Error(), "is locked by another process (busyTimeout)") {
		t.Errorf("try-lock: got error %v, want %v", err, lock.ErrUnavailable)
	}
	if err := s.(lock.Pinger).Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
	if _, err := other.ExecContext(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if status, err := s.Unlock(t.Context(), "r", "ann"); err != nil || status != lock.DoesNotExist {
		t.Errorf("unlock: got %s, error %v", status, err)
	}
}

func TestDefaultFile(t *testing.T) {
	for name, want := range map[string]string{"": "lock.db", "lockstore": "lock.db", "a/b": "lock-a%2Fb.db"} {
		dir := filepath.Join(t.TempDir(), "data")
		s, err := Spec.New(t.Context(), component.Config{Name: name, DataDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, want)); err != nil {
			t.Errorf("component %q: %v", name, err)
		}
		closed(t, s)
	}
}

func TestBadSettings(t *testing.T) {
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
