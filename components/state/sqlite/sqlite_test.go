package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/state/statetest"
)

func opened(t testing.TB, dir string, metadata component.Metadata) *store {
	t.Helper()
	s, err := Spec.New(t.Context(), component.Config{Name: "statestore", Type: Spec.Type, DataDir: dir, Metadata: metadata})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	st, ok := s.(*store)
	if !ok {
		t.Fatalf("open: got %T, want *store", s)
	}
	return st
}

func TestConformance(t *testing.T) {
	for name, metadata := range map[string]component.Metadata{
		"file":       nil,
		"withoutWAL": {"disableWAL": "true", "busyTimeout": "1m", "timeout": "2m", "connectionString": "file:" + filepath.Join(t.TempDir(), "no wal.db")},
		"memory":     {"connectionString": ":memory:"},
	} {
		t.Run(name, func(t *testing.T) {
			statetest.Run(t, func(t *testing.T) state.Store { return opened(t, t.TempDir(), metadata) }, statetest.Caps{})
		})
	}
}

func TestSurvivesReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	s := opened(t, dir, nil)
	if err := s.Set(t.Context(), state.SetRequest{Key: "app||k", Value: []byte("\x00v")}); err != nil {
		t.Fatal(err)
	}
	before, err := s.Get(t.Context(), state.GetRequest{Key: "app||k"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "state.db")); err != nil {
		t.Errorf("default file: %v", err)
	}
	s = opened(t, dir, nil)
	defer closed(t, s)
	after, err := s.Get(t.Context(), state.GetRequest{Key: "app||k"})
	if err != nil || after == nil || string(after.Value) != "\x00v" || *after.ETag != *before.ETag {
		t.Errorf("after reopening: got %+v, error %v, want the value and etag of before", after, err)
	}
}

func closed(t testing.TB, s *store) {
	t.Helper()
	if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestTableLayout reads and writes the table as Dapr's driver does.
func TestTableLayout(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir, component.Metadata{"tableName": "my_state", "metadataTableName": "my_meta"})
	defer closed(t, s)
	ttl := time.Hour
	for key, value := range map[string]string{"text": `{"a":1}`, "binary": "\xff\x00"} {
		if err := s.Set(t.Context(), state.SetRequest{Key: key, Value: []byte(value), TTL: &ttl}); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for key, want := range map[string]struct {
		value  string
		binary bool
	}{"text": {`{"a":1}`, false}, "binary": {"/wA=", true}} {
		var value, etag string
		var binary, inTime bool
		err := db.QueryRowContext(t.Context(), `SELECT value, is_binary, etag, expiration_time > DATETIME(CURRENT_TIMESTAMP, '+3590 seconds')
			AND expiration_time < DATETIME(CURRENT_TIMESTAMP, '+3610 seconds') FROM my_state WHERE key = ?`, key).Scan(&value, &binary, &etag, &inTime)
		if err != nil || value != want.value || binary != want.binary || etag == "" || !inTime {
			t.Errorf("row %s: got value %q, binary %t, etag %q, expires in an hour %t, error %v", key, value, binary, etag, inTime, err)
		}
	}
	var level string
	if err := db.QueryRowContext(t.Context(), `SELECT value FROM my_meta WHERE key = 'migrations'`).Scan(&level); err != nil || level != "1" {
		t.Errorf("migration level: got %q, error %v, want 1", level, err)
	}
	_, err = db.ExecContext(t.Context(), `INSERT INTO my_state (key, value, is_binary, etag, expiration_time) VALUES
		('theirs', 'AAE=', 1, 'e1', DATETIME(CURRENT_TIMESTAMP, '+60 seconds')), ('gone', 'x', 0, 'e2', DATETIME(CURRENT_TIMESTAMP, '-60 seconds'))`)
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.Get(t.Context(), state.GetRequest{Key: "theirs"})
	if err != nil || e == nil || string(e.Value) != "\x00\x01" || *e.ETag != "e1" || e.Expires.IsZero() {
		t.Errorf("row of another writer: got %+v, error %v", e, err)
	}
	if e, err := s.Get(t.Context(), state.GetRequest{Key: "gone"}); err != nil || e != nil {
		t.Errorf("expired row of another writer: got %+v, error %v, want nothing", e, err)
	}
}

func TestExpiredRowsAreDeleted(t *testing.T) {
	s := opened(t, t.TempDir(), component.Metadata{"cleanupInterval": "20ms"})
	defer closed(t, s)
	ttl := time.Millisecond
	for _, key := range []string{"a", "b"} {
		if err := s.Set(t.Context(), state.SetRequest{Key: key, TTL: &ttl}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Set(t.Context(), state.SetRequest{Key: "stays"}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var n int
		if err := s.db.handles[1].QueryRowContext(t.Context(), `SELECT count(*) FROM state`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("rows: got %d, want 1", n)
		}
	}
}

func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		name     string
		metadata component.Metadata
		want     string
	}{
		{"table name", component.Metadata{"tableName": "a; DROP TABLE b"}, `metadata field tableName: want letters, digits and underscores, found "a; DROP TABLE b"`},
		{"same tables", component.Metadata{"tableName": "x", "metadataTableName": "X"}, `metadata fields tableName and metadataTableName: want two tables, found "x" twice`},
		{"timeout", component.Metadata{"timeout": "10ms"}, "metadata field timeout: want 1s or more, found 10ms"},
		{"journal mode", component.Metadata{"connectionString": "file:x?_pragma=journal_mode(OFF)"}, "metadata field connectionString: _pragma=journal_mode is not allowed; use the field disableWAL"},
		{"busy timeout", component.Metadata{"connectionString": "x?_pragma=busy_timeout(1)"}, "metadata field connectionString: _pragma=busy_timeout is not allowed; use the field busyTimeout"},
		{"txlock", component.Metadata{"connectionString": "x?_txlock=deferred"}, `metadata field connectionString: want _txlock=immediate or none, found "deferred": a transaction that first reads could not be repeated`},
		{"no folder", nil, "metadata field connectionString is missing, and the host has no data folder to put state.db in"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Spec.New(t.Context(), component.Config{Metadata: tc.metadata})
			if err == nil || err.Error() != tc.want {
				t.Errorf("open: got error %v, want %q", err, tc.want)
			}
			if _, ok := errors.AsType[*component.PermanentError](err); !ok {
				t.Errorf("open: error %v is not permanent", err)
			}
		})
	}
}

func TestOpenFailsClearly(t *testing.T) {
	_, err := Spec.New(t.Context(), component.Config{Metadata: component.Metadata{"connectionString": "/does/not/exist/x.db"}})
	const want = "SQLite database /does/not/exist/x.db cannot be opened; check that its folder exists and can be written: "
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("open: got error %v, want %q...", err, want)
	}
}

// TestLockedByAnotherProcess: a lock that stays is ErrUnavailable after busyTimeout, and goes away with the lock.
func TestLockedByAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir, component.Metadata{"busyTimeout": "20ms"})
	defer closed(t, s)
	db, err := sql.Open("sqlite", filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec := func(text string) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	exec("BEGIN IMMEDIATE")
	if err := s.Set(t.Context(), state.SetRequest{Key: "k"}); !errors.Is(err, state.ErrUnavailable) {
		t.Errorf("set while another process writes: got error %v, want %v", err, state.ErrUnavailable)
	}
	op := []state.Operation{{Upsert: &state.SetRequest{Key: "k"}}}
	if err := s.Transact(t.Context(), op, nil); !errors.Is(err, state.ErrUnavailable) {
		t.Errorf("transact while another process writes: got error %v, want %v", err, state.ErrUnavailable)
	}
	exec("ROLLBACK")
	if err := s.Transact(t.Context(), op, nil); err != nil {
		t.Errorf("transact after the other process: %v", err)
	}
}

// TestWaitingEndsWithTheContext: who waits for the writer does not wait longer than it wants to.
func TestWaitingEndsWithTheContext(t *testing.T) {
	s := opened(t, t.TempDir(), nil)
	defer closed(t, s)
	release, err := s.db.writer.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Set(ctx, state.SetRequest{Key: "k"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("set while another writes: got error %v, want %v", err, context.DeadlineExceeded)
	}
	release()
	if err := s.Set(t.Context(), state.SetRequest{Key: "k"}); err != nil {
		t.Errorf("set after the other: %v", err)
	}
}

func TestStoresOfOtherNamesHaveOtherFiles(t *testing.T) {
	dir := t.TempDir()
	for name, file := range map[string]string{"": "state.db", "statestore": "state.db", "other": "state-other.db", "a/../b": "state-a%2F..%2Fb.db"} {
		got, err := defaultFile(component.Config{Name: name, DataDir: dir})
		if want := filepath.Join(dir, file); err != nil || got != want {
			t.Errorf("file of store %q: got %q, error %v, want %q", name, got, err, want)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := opened(b, b.TempDir(), nil)
	defer closed(b, s)
	statetest.BenchmarkGet(b, s)
}

func BenchmarkSet(b *testing.B) {
	s := opened(b, b.TempDir(), nil)
	defer closed(b, s)
	statetest.BenchmarkSet(b, s)
}
