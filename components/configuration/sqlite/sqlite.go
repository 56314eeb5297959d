// Package sqlite is the configuration store configuration.sqlite: one file, no server. It is what an app gets that
// imports configuration when no store is declared; `mrt-wasm config` reads and writes it. The library is
// modernc.org/sqlite: SQLite itself, translated to Go.
//
// A change by this process is told at once; one by any other, be it `mrt-wasm config` or SQLite's own shell, as soon
// as the file's change counter is looked at again, which is done while somebody watches.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/mrt-wasm/mrt-wasm/components/internal/sqlitefile"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

// Spec is the driver.
var Spec = component.Spec[configuration.Store]{
	Type:    "configuration.sqlite",
	Aliases: []string{"configuration.sqlite3"},
	Doc: `Keeps configuration in an SQLite file; the default store.

Versions are numbers that grow with every change in the file. Write with 'mrt-wasm config set', with the HTTP API, or
with any SQLite tool: the table config has the columns key, value and version. Several hosts on one machine may share
the file; put it on a local disk, not on a network share.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are the metadata fields.
type settings struct {
	File          string        `metadata:"connectionString" alias:"file" doc:"path of the file; default: config.db in the host's data folder, for a store not called configstore config-<name>.db"`
	BusyTimeout   time.Duration `metadata:"busyTimeout,ms" default:"5s" doc:"how long to wait for a lock that another process holds"`
	CheckInterval time.Duration `metadata:"checkInterval,ms" default:"250ms" doc:"how often to look for changes by other processes while somebody watches"`
}

// Store is an open file.
type Store struct {
	db    *sql.DB
	file  string
	every time.Duration
	log   *slog.Logger
	// life ends with Close; poke has the watcher look at once.
	stop    context.CancelFunc
	watcher sync.WaitGroup
	poke    chan struct{}

	mu      sync.Mutex
	watches map[*watch]struct{}
	seen    map[string]entry // what the watches know; nil while there are none
}

var (
	_ configuration.Store      = (*Store)(nil)
	_ configuration.Subscriber = (*Store)(nil)
	_ configuration.Setter     = (*Store)(nil)
	_ configuration.Pinger     = (*Store)(nil)
)

// Open opens the store of a component in a data folder with the defaults, as a host without a manifest's component
// does; beside a host that runs, too. Close it in the end.
func Open(ctx context.Context, dataDir, name string) (*Store, error) {
	return openStore(ctx, component.Config{Name: name, DataDir: dataDir})
}

func open(ctx context.Context, cfg component.Config) (configuration.Store, error) {
	s, err := openStore(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func openStore(ctx context.Context, cfg component.Config) (*Store, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	file, err := set.path(cfg)
	if err != nil {
		return nil, component.Permanent(err)
	}
	s := &Store{
		file: file, every: set.CheckInterval, log: cfg.Log, poke: make(chan struct{}, 1), watches: map[*watch]struct{}{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.open(ctx, set.BusyTimeout); err != nil {
		return nil, fmt.Errorf("SQLite database %s cannot be opened; check that it is one, and that its folder exists and can be written: %w", file, err)
	}
	return s, nil
}

func (set *settings) path(cfg component.Config) (string, error) {
	const shortest = 10 * time.Millisecond
	if set.CheckInterval < shortest {
		return "", fmt.Errorf("metadata field checkInterval: want %s or more, found %s", shortest, set.CheckInterval)
	}
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
		return "", errors.New("metadata field connectionString is missing, and the host has no data folder to put config.db in")
	}
	const onlyOwner = 0o700
	if err := os.MkdirAll(cfg.DataDir, onlyOwner); err != nil {
		return "", fmt.Errorf("the host's data folder: %w", err)
	}
	return filepath.Join(cfg.DataDir, FileName(cfg.Name)), nil
}

// FileName gives the name of a component's file in the data folder.
func FileName(component string) string {
	if component == "" || component == "configstore" {
		return "config.db"
	}
	return "config-" + url.PathEscape(component) + ".db"
}

func (s *Store) open(ctx context.Context, busy time.Duration) (err error) {
	params := url.Values{"_txlock": {"immediate"}}
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
	if err := s.write(ctx, migrate); err != nil {
		return err
	}
	// A connection of its own: the change counter tells of the commits of all others.
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.watcher.Go(func() {
		s.look(life, conn)
		_ = conn.Close()
	})
	return nil
}

// migrate makes the tables if they are not there. The revision is the last version that was given.
func migrate(ctx context.Context, tx *sql.Tx) error {
	for _, text := range []string{
		`CREATE TABLE IF NOT EXISTS config (
			key TEXT NOT NULL PRIMARY KEY,
			value TEXT NOT NULL,
			version INTEGER NOT NULL,
			update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)`,
		`CREATE TABLE IF NOT EXISTS revision (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), n INTEGER NOT NULL)`,
		`INSERT INTO revision (id, n) VALUES (1, 0) ON CONFLICT (id) DO NOTHING`,
	} {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// write runs fn in a transaction that has the write lock from its beginning.
func (s *Store) write(ctx context.Context, fn func(context.Context, *sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return s.failure(err)
	}
	if err := fn(ctx, tx); err != nil {
		return s.failure(errors.Join(err, tx.Rollback()))
	}
	return s.failure(tx.Commit())
}

// Get reads keys, each alone and all as they were at about the same time.
func (s *Store) Get(ctx context.Context, keys []string, _ map[string]string) ([]configuration.Item, error) {
	if len(keys) == 0 {
		return s.rows(ctx, `SELECT key, value, version FROM config ORDER BY key`)
	}
	const most = 500 // parameters of one statement
	var out []configuration.Item
	for len(keys) > 0 {
		n := min(len(keys), most)
		args := make([]any, n)
		for i, k := range keys[:n] {
			args[i] = k
		}
		items, err := s.rows(ctx, `SELECT key, value, version FROM config WHERE key IN (?`+strings.Repeat(", ?", n-1)+`)`, args...)
		if err != nil {
			return nil, err
		}
		out, keys = append(out, items...), keys[n:]
	}
	return out, nil
}

func (s *Store) rows(ctx context.Context, query string, args ...any) ([]configuration.Item, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.failure(err)
	}
	defer func() { _ = rows.Close() }()
	var out []configuration.Item
	for rows.Next() {
		var item configuration.Item
		var version int64
		if err := rows.Scan(&item.Key, &item.Value, &version); err != nil {
			return nil, s.failure(err)
		}
		item.Version = strconv.FormatInt(version, 10)
		out = append(out, item)
	}
	return out, s.failure(rows.Err())
}

// Set writes a value under the next version.
func (s *Store) Set(ctx context.Context, key, value string, _ map[string]string) error {
	defer s.wake()
	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE revision SET n = n + 1`)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO config (key, value, version) SELECT ?, ?, n FROM revision WHERE true
			ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, update_time = CURRENT_TIMESTAMP`, key, value)
		return err
	})
}

// Delete deletes keys. A key that is made again gets a higher version than it had.
func (s *Store) Delete(ctx context.Context, keys []string, _ map[string]string) error {
	if len(keys) == 0 {
		return nil
	}
	defer s.wake()
	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, k := range keys {
			if _, err := tx.ExecContext(ctx, `DELETE FROM config WHERE key = ?`, k); err != nil {
				return err
			}
		}
		return nil
	})
}

// Ping reads from the file.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.Get(ctx, []string{""}, nil)
	return err
}

// Close ends all watches and closes the file.
func (s *Store) Close(context.Context) error {
	s.stop()
	s.watcher.Wait()
	return s.db.Close()
}

// failure classifies an error of the library; nil stays nil.
func (s *Store) failure(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		const primary = 0xff
		switch e.Code() & primary {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return fmt.Errorf("%w: SQLite database %s is locked by another process (busyTimeout): %w", configuration.ErrUnavailable, s.file, err)
		case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY:
			return fmt.Errorf("%w: SQLite database %s: %w", configuration.ErrUnavailable, s.file, err)
		}
	}
	return fmt.Errorf("SQLite database %s: %w", s.file, err)
}
