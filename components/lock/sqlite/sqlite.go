// Package sqlite is the lock store lock.sqlite: one file, no server. It is what an app gets that imports lock when no
// store is declared. The library is modernc.org/sqlite: SQLite itself, translated to Go.
//
// Every change is a transaction that has the file's write lock from its beginning, so that several processes on one
// machine may share the file. Time is the machine's clock.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/mrt-wasm/mrt-wasm/components/internal/sqlitefile"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
)

// Spec is the driver.
var Spec = component.Spec[lock.Store]{
	Type:    "lock.sqlite",
	Aliases: []string{"lock.sqlite3"},
	Doc: `Keeps locks in an SQLite file; the default store.

Locks outlive the process and are shared by all processes on one machine that use the file; put it on a local disk, not
on a network share. For locks between machines use lock.redis.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are the metadata fields.
type settings struct {
	File        string        `metadata:"connectionString" alias:"file" doc:"path of the file; default: lock.db in the host's data folder, for a store not called lockstore lock-<name>.db"`
	BusyTimeout time.Duration `metadata:"busyTimeout,ms" default:"5s" doc:"how long to wait for a lock of the file that another process holds"`
}

// store is an open file.
type store struct {
	db   *sql.DB
	file string
	// turn is the right to write, of which this process has one: its goroutines take turns, where SQLite has them poll.
	turn chan struct{}
}

var (
	_ lock.Store  = (*store)(nil)
	_ lock.Pinger = (*store)(nil)
)

func open(ctx context.Context, cfg component.Config) (lock.Store, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	file, err := set.path(cfg)
	if err != nil {
		return nil, component.Permanent(err)
	}
	s := &store{file: file, turn: make(chan struct{}, 1)}
	if err := s.open(ctx, set.BusyTimeout); err != nil {
		return nil, fmt.Errorf("SQLite database %s cannot be opened; check that it is one, and that its folder exists and can be written: %w", file, err)
	}
	return s, nil
}

func (set *settings) path(cfg component.Config) (string, error) {
	if set.BusyTimeout < 0 {
		return "", fmt.Errorf("metadata field busyTimeout: want 0 or more, found %s", set.BusyTimeout)
	}
	if set.File == ":memory:" || strings.HasPrefix(set.File, "file:") || strings.Contains(set.File, "?") {
		return "", fmt.Errorf("metadata field connectionString: want the path of a file, found %q", set.File)
	}
	if set.File != "" {
		return set.File, nil
	}
	if cfg.DataDir == "" {
		return "", errors.New("metadata field connectionString is missing, and the host has no data folder to put lock.db in")
	}
	const onlyOwner = 0o700
	if err := os.MkdirAll(cfg.DataDir, onlyOwner); err != nil {
		return "", fmt.Errorf("the host's data folder: %w", err)
	}
	return filepath.Join(cfg.DataDir, fileName(cfg.Name)), nil
}

// fileName gives the name of a component's file in the data folder.
func fileName(component string) string {
	if component == "" || component == "lockstore" {
		return "lock.db"
	}
	return "lock-" + url.PathEscape(component) + ".db"
}

func (s *store) open(ctx context.Context, busy time.Duration) (err error) {
	params := url.Values{"_txlock": {"immediate"}}
	// With NORMAL a lock outlives its process but not, in the last moment, the machine; and who shares the file ends with it.
	for _, p := range []string{fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()), "journal_mode(WAL)", "synchronous(NORMAL)"} {
		params.Add("_pragma", p)
	}
	name := "file:" + (&url.URL{Path: filepath.ToSlash(s.file)}).EscapedPath() + "?" + params.Encode()
	connector, err := sqlitefile.Connector(name, busy)
	if err != nil {
		return err
	}
	s.db = sql.OpenDB(connector)
	const conns = 4
	s.db.SetMaxOpenConns(conns)
	s.db.SetMaxIdleConns(conns)
	defer func() {
		if err != nil {
			_ = s.db.Close()
		}
	}()
	return s.write(ctx, migrate)
}

// migrate makes the table if it is not there. ends is in microseconds since 1970.
func migrate(ctx context.Context, tx *sql.Tx) error {
	for _, text := range []string{
		`CREATE TABLE IF NOT EXISTS locks (resource TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, ends INTEGER NOT NULL) WITHOUT ROWID`,
		`CREATE INDEX IF NOT EXISTS locks_ends ON locks (ends)`,
	} {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// write runs fn in a transaction that has the write lock from its beginning.
func (s *store) write(ctx context.Context, fn func(context.Context, *sql.Tx) error) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return s.failure(ctx.Err())
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return s.failure(err)
	}
	if err := fn(ctx, tx); err != nil {
		return s.failure(errors.Join(err, tx.Rollback()))
	}
	return s.failure(tx.Commit())
}

// querier is a transaction, or the file outside of one.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// holder gives who has a resource at a time; false for nobody.
func holder(ctx context.Context, q querier, resource string, now time.Time) (owner string, held bool, err error) {
	err = q.QueryRowContext(ctx, `SELECT owner FROM locks WHERE resource = ? AND ends > ?`, resource, now.UnixMicro()).Scan(&owner)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return owner, err == nil, err
}

// TryLock looks first without the file's write lock: those who wait for a lock do not hold up those who give one back.
func (s *store) TryLock(ctx context.Context, resource, owner string, expiry time.Duration) (bool, error) {
	if _, held, err := holder(ctx, s.db, resource, time.Now()); held || err != nil {
		return false, s.failure(err)
	}
	got := false
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		// The time counts from here, when nobody else can write: waiting for that does not make it shorter.
		now := time.Now()
		_, held, err := holder(ctx, tx, resource, now)
		if held || err != nil {
			return err
		}
		got = true
		if err := sweep(ctx, tx, now); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO locks (resource, owner, ends) VALUES (?, ?, ?)`,
			resource, owner, now.Add(expiry).UnixMicro())
		return err
	})
	return got && err == nil, err
}

// sweep deletes some of the locks whose time is over: more than are made, so that the file does not grow by resources
// that nobody asks for again.
func sweep(ctx context.Context, tx *sql.Tx, now time.Time) error {
	const some = 8
	_, err := tx.ExecContext(ctx, `DELETE FROM locks WHERE resource IN (SELECT resource FROM locks WHERE ends <= ? ORDER BY ends LIMIT ?)`,
		now.UnixMicro(), some)
	return err
}

// Unlock deletes the lock if it is the owner's.
func (s *store) Unlock(ctx context.Context, resource, owner string) (lock.Status, error) {
	status := lock.DoesNotExist
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		has, held, err := holder(ctx, tx, resource, time.Now())
		switch {
		case err != nil || !held:
			return err
		case has != owner:
			status = lock.BelongsToOthers
			return nil
		}
		status = lock.Success
		_, err = tx.ExecContext(ctx, `DELETE FROM locks WHERE resource = ?`, resource)
		return err
	})
	return status, err
}

// Ping reads from the file.
func (s *store) Ping(ctx context.Context) error {
	_, _, err := holder(ctx, s.db, "", time.Now())
	return s.failure(err)
}

// Close closes the file.
func (s *store) Close(context.Context) error { return s.db.Close() }

// failure classifies an error of the library; nil stays nil.
func (s *store) failure(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		const primary = 0xff
		switch e.Code() & primary {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return fmt.Errorf("%w: SQLite database %s is locked by another process (busyTimeout): %w", lock.ErrUnavailable, s.file, err)
		case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY:
			return fmt.Errorf("%w: SQLite database %s: %w", lock.ErrUnavailable, s.file, err)
		}
	}
	return fmt.Errorf("SQLite database %s: %w", s.file, err)
}
