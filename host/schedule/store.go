package schedule

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"
)

// Errors of a [Store].
var (
	// ErrExists says that there is an entry of this key and it is not to be overwritten.
	ErrExists = errors.New("an entry of this key exists")
	// ErrNotFound says that there is no entry of this key.
	ErrNotFound = errors.New("no entry of this key")
	// ErrClosed says that the store is closed.
	ErrClosed = errors.New("the schedule is closed")
)

const (
	// MaxKey is the longest key, in bytes.
	MaxKey = 8 << 10
	// MaxData is the most data of an entry, in bytes.
	MaxData = 16 << 20

	busyTimeout = 5 * time.Second
	readers     = 4
)

// Entry is something that is due.
type Entry struct {
	// Key names it; not empty.
	Key string
	// Due is when, by wall time, kept to the microsecond.
	Due time.Time
	// Data is the caller's. Whoever gets an Entry may keep and change it.
	Data []byte
}

// Store keeps entries in a file, schedule.db, with an index on when they are due. What a method has confirmed survives
// the end of the process, however it ends; a power cut may lose the last moments (write-ahead log, synchronous=NORMAL).
// All methods may be called at the same time; what is written at the same time shares a transaction.
type Store struct {
	path   string
	write  *sql.DB
	read   *sql.DB
	conn   *sql.Conn
	w      *writeStatements
	r      *readStatements
	ops    chan *op
	closed chan struct{}
	done   chan struct{}
	once   sync.Once

	// version is of the last row written; only the writer goroutine uses it. A row's version changes with every
	// write, so that the outcome of a fire meets the row that was fired, or none. It starts at random, as versions
	// of an earlier process are in the file.
	version int64

	mu    sync.Mutex
	watch func([]change)
}

// change is what was written to a key; no due time says that it was deleted.
type change struct {
	key     string
	due     time.Time
	version int64
}

// Open opens the store in a folder, which is made if it is not there. One process may have it open; that is not
// checked here. The caller closes it, after any [Scheduler] on it was stopped.
func Open(ctx context.Context, dir string) (*Store, error) {
	const onlyOwner = 0o700
	if err := os.MkdirAll(dir, onlyOwner); err != nil {
		return nil, fmt.Errorf("folder of the schedule: %w", err)
	}
	s := &Store{
		path:    filepath.Join(dir, "schedule.db"),
		ops:     make(chan *op),
		closed:  make(chan struct{}),
		done:    make(chan struct{}),
		version: rand.Int64() / 2,
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("schedule %s cannot be opened; check that it is a database and that its folder can be written: %w", s.path, err), s.release())
	}
	go s.writeAll(context.WithoutCancel(ctx))
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	params := url.Values{"_txlock": {"immediate"}, "_pragma": {
		// Where to wait comes first, so that setting the rest can wait.
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
		"journal_mode(WAL)", "synchronous(NORMAL)", "cache_size(-16384)", "wal_autocheckpoint(4000)",
	}}
	dsn := "file:" + (&url.URL{Path: filepath.ToSlash(s.path)}).EscapedPath() + "?" + params.Encode()
	var err error
	if s.write, err = pool(dsn, 1); err != nil {
		return err
	}
	if s.conn, err = s.write.Conn(ctx); err != nil {
		return err
	}
	if err := migrate(ctx, s.conn); err != nil {
		return err
	}
	if s.w, err = prepareWrite(ctx, s.conn); err != nil {
		return err
	}
	if s.read, err = pool(dsn, readers); err != nil {
		return err
	}
	s.r, err = prepareRead(ctx, s.read)
	return err
}

func pool(dsn string, conns int) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// Put writes an entry. If there is one of this key it is overwritten, or the error is [ErrExists]. It is stored when
// Put returns without error, and not stored otherwise. The context bounds the waiting for other writers, not the
// writing itself. Other errors: [ErrInvalid] (key or data too long), [ErrClosed], the database's.
func (s *Store) Put(ctx context.Context, e Entry, overwrite bool) error {
	if err := check(e); err != nil {
		return err
	}
	kind := opAdd
	if overwrite {
		kind = opPut
	}
	_, err := s.do(ctx, &op{kind: kind, entry: e})
	return err
}

// Delete removes an entry and tells whether it was there. Errors: [ErrClosed], the database's.
func (s *Store) Delete(ctx context.Context, key string) (bool, error) {
	return s.do(ctx, &op{kind: opDelete, entry: Entry{Key: key}})
}

// DeletePrefix removes all entries whose keys begin with a prefix that is not empty, and tells how many. Errors:
// [ErrInvalid], [ErrClosed], the database's.
func (s *Store) DeletePrefix(ctx context.Context, prefix string) (int, error) {
	if prefix == "" {
		return 0, invalid("prefix of keys: want one, found none")
	}
	o := &op{kind: opDeletePrefix, entry: Entry{Key: prefix}}
	_, err := s.do(ctx, o)
	return len(o.changes), err
}

// Close waits for what is being written and closes the file. Calling it again does nothing.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		<-s.done
		err = s.release()
	})
	return err
}

func (s *Store) release() error {
	errs := []error{s.w.close(), s.r.close()}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

func check(e Entry) error {
	if e.Key == "" || len(e.Key) > MaxKey {
		return invalid("key of an entry: want 1 to %d bytes, found %d", MaxKey, len(e.Key))
	}
	if len(e.Data) > MaxData {
		return invalid("data of entry %s: want at most %d bytes, found %d", shown(e.Key), MaxData, len(e.Data))
	}
	if y := e.Due.UTC().Year(); y < 1 || y > lastYear {
		return invalid("due time of entry %s: want a year from 1 to %d, found %d", shown(e.Key), lastYear, y)
	}
	return nil
}
