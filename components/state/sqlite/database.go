package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/sqlitefile"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// database is one file with its connections and prepared statements. An in-memory database exists in one connection
// only, so there reading and writing share it.
type database struct {
	handles []*sql.DB
	conn    *sql.Conn
	writer  *gate
	readers *gate
	write   *statements
	read    *statements
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (s *settings) check() error {
	var errs []error
	for field, name := range map[string]string{"tableName": s.TableName, "metadataTableName": s.MetadataTable} {
		if !identifier.MatchString(name) {
			errs = append(errs, fmt.Errorf("metadata field %s: want letters, digits and underscores, found %q", field, name))
		}
	}
	if strings.EqualFold(s.TableName, s.MetadataTable) {
		errs = append(errs, fmt.Errorf("metadata fields tableName and metadataTableName: want two tables, found %q twice", s.TableName))
	}
	const shortest = time.Second
	if s.Timeout < shortest {
		errs = append(errs, fmt.Errorf("metadata field timeout: want 1s or more, found %s", s.Timeout))
	}
	if s.BusyTimeout < 0 {
		errs = append(errs, fmt.Errorf("metadata field busyTimeout: want 0 or more, found %s", s.BusyTimeout))
	}
	return errors.Join(errs...)
}

func openDatabase(ctx context.Context, set *settings, cfg component.Config) (*database, error) {
	dsn, memory, err := set.dsn(cfg)
	if err != nil {
		return nil, component.Permanent(err)
	}
	db := &database{}
	if err := db.open(ctx, set, dsn, memory); err != nil {
		_ = db.close(ctx)
		return nil, fmt.Errorf("SQLite database %s cannot be opened; check that its folder exists and can be written: %w", shown(dsn), err)
	}
	return db, nil
}

func (db *database) open(ctx context.Context, set *settings, dsn string, memory bool) error {
	writer, err := handle(dsn, 1, set.BusyTimeout)
	if err != nil {
		return err
	}
	db.handles = append(db.handles, writer)
	if db.conn, err = writer.Conn(ctx); err != nil {
		return err
	}
	if err := migrate(ctx, db.conn, set); err != nil {
		return err
	}
	db.writer = newGate(1, set.Timeout)
	if db.write, err = prepareWrite(ctx, db.conn, set.TableName); err != nil {
		return err
	}
	if memory {
		db.readers, db.read = db.writer, db.write
		return db.read.prepareRead(ctx, db.conn, set.TableName)
	}
	const fewest = 4
	n := max(fewest, 2*runtime.GOMAXPROCS(0))
	readers, err := handle(dsn, n, set.BusyTimeout)
	if err != nil {
		return err
	}
	db.handles = append(db.handles, readers)
	db.readers, db.read = newGate(n, set.Timeout), &statements{}
	return db.read.prepareRead(ctx, readers, set.TableName)
}

func handle(dsn string, conns int, busy time.Duration) (*sql.DB, error) {
	connector, err := sqlitefile.Connector(dsn, busy)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// migrate makes the tables of Dapr's driver if they are not there.
func migrate(ctx context.Context, conn *sql.Conn, set *settings) (err error) {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	for _, text := range []string{
		`CREATE TABLE IF NOT EXISTS ` + set.MetadataTable + ` (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS ` + set.TableName + ` (
			key TEXT NOT NULL PRIMARY KEY,
			value TEXT NOT NULL,
			is_binary BOOLEAN NOT NULL,
			etag TEXT NOT NULL,
			expiration_time TIMESTAMP DEFAULT NULL,
			update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)`,
		`INSERT INTO ` + set.MetadataTable + ` (key, value) VALUES ('migrations', '1') ON CONFLICT (key) DO NOTHING`,
	} {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// dsn gives the file as the library takes it, and whether it is in memory.
func (s *settings) dsn(cfg component.Config) (dsn string, memory bool, err error) {
	name, query, _ := strings.Cut(s.ConnectionString, "?")
	switch {
	case name == "":
		if name, err = defaultFile(cfg); err != nil {
			return "", false, err
		}
		name = fileURI(name)
	case name == ":memory:":
		name = "file::memory:"
	case !strings.HasPrefix(name, "file:"):
		name = fileURI(name)
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		return "", false, fmt.Errorf("metadata field connectionString: what follows the question mark is not a query: %w", err)
	}
	memory = strings.HasPrefix(name, "file::memory:") || params.Get("mode") == "memory"
	if err := s.pragmas(params, memory); err != nil {
		return "", false, err
	}
	return name + "?" + params.Encode(), memory, nil
}

// pragmas adds what the metadata fields say to the user's own parameters.
func (s *settings) pragmas(params url.Values, memory bool) error {
	given := params["_pragma"]
	has := func(pragma string) bool {
		return slices.ContainsFunc(given, func(p string) bool { return strings.HasPrefix(strings.ToLower(p), pragma) })
	}
	for pragma, field := range map[string]string{"busy_timeout": "busyTimeout", "journal_mode": "disableWAL"} {
		if has(pragma) {
			return fmt.Errorf("metadata field connectionString: _pragma=%s is not allowed; use the field %s", pragma, field)
		}
	}
	if lock := params.Get("_txlock"); lock != "" && lock != "immediate" {
		return fmt.Errorf("metadata field connectionString: want _txlock=immediate or none, found %q: a transaction that first reads could not be repeated", lock)
	}
	params.Set("_txlock", "immediate")
	// Where to wait comes first, so that setting the rest can wait.
	params["_pragma"] = append([]string{fmt.Sprintf("busy_timeout(%d)", s.BusyTimeout.Milliseconds())}, given...)
	if memory {
		return nil
	}
	mode := "WAL"
	if s.DisableWAL {
		mode = "DELETE"
	}
	params.Add("_pragma", "journal_mode("+mode+")")
	if !has("synchronous") && !s.DisableWAL {
		params.Add("_pragma", "synchronous(NORMAL)")
	}
	return nil
}

// defaultFile is in the data folder, which is made if it is not there.
func defaultFile(cfg component.Config) (string, error) {
	if cfg.DataDir == "" {
		return "", errors.New("metadata field connectionString is missing, and the host has no data folder to put state.db in")
	}
	const onlyOwner = 0o700
	if err := os.MkdirAll(cfg.DataDir, onlyOwner); err != nil {
		return "", fmt.Errorf("the host's data folder: %w", err)
	}
	file := "state.db"
	if cfg.Name != "" && cfg.Name != "statestore" {
		file = "state-" + url.PathEscape(cfg.Name) + ".db"
	}
	return filepath.Join(cfg.DataDir, file), nil
}

func fileURI(path string) string {
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
}

func shown(dsn string) string {
	name, _, _ := strings.Cut(dsn, "?")
	return strings.TrimPrefix(name, "file:")
}

// close waits until nothing runs and closes everything that was opened.
func (db *database) close(ctx context.Context) error {
	for _, g := range []*gate{db.writer, db.readers} {
		if g == nil {
			continue
		}
		if err := g.close(ctx); err != nil {
			return err
		}
	}
	errs := []error{db.read.close()}
	if db.write != db.read {
		errs = append(errs, db.write.close())
	}
	if db.conn != nil {
		errs = append(errs, db.conn.Close())
	}
	for _, h := range slices.Backward(db.handles) {
		errs = append(errs, h.Close())
	}
	return errors.Join(errs...)
}

// gate admits so many callers at a time. Waiting happens here, where the caller's context ends it, so that statements
// can run without one: watching a context costs the library more than a short statement does.
type gate struct {
	slots   chan struct{}
	timeout time.Duration
	closed  atomic.Bool
	// free is made once, so that acquire allocates nothing.
	free func()
}

func newGate(n int, timeout time.Duration) *gate {
	g := &gate{slots: make(chan struct{}, n), timeout: timeout}
	g.free = func() { <-g.slots }
	return g
}

// acquire gives the function that leaves the gate again.
func (g *gate) acquire(ctx context.Context) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case g.slots <- struct{}{}:
	default:
		if err := g.wait(ctx); err != nil {
			return nil, err
		}
	}
	if g.closed.Load() {
		g.free()
		return nil, fmt.Errorf("%w: the store is closed", state.ErrUnavailable)
	}
	return g.free, nil
}

func (g *gate) wait(ctx context.Context) error {
	timer := time.NewTimer(g.timeout)
	defer timer.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("%w: other operations kept the database busy for %s (metadata field timeout)", state.ErrUnavailable, g.timeout)
	}
}

// close waits until all callers have left; who comes later is refused.
func (g *gate) close(ctx context.Context) error {
	if g.closed.Swap(true) {
		return nil
	}
	for range cap(g.slots) {
		select {
		case g.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for range cap(g.slots) {
		<-g.slots
	}
	return nil
}
