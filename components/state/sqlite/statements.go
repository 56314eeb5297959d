package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// timeFormat is SQLite's own, in UTC. The fraction keeps an entry of one second from expiring within it; as text it
// compares rightly with Dapr's times, which have none.
const timeFormat = "2006-01-02 15:04:05.000"

func timestamp(t time.Time) string { return t.UTC().Format(timeFormat) }

// live is the condition of an entry that has not expired; it takes the time as a parameter.
const live = `(expiration_time IS NULL OR expiration_time > ?)`

// statements are the prepared statements of reading, of writing or of both.
type statements struct {
	all []*sql.Stmt

	getStmt, listFrom, listAfter, scanStmt *sql.Stmt

	put, putAbsent, putMatch, del, delMatch *sql.Stmt
	begin, commit, rollback, sweep          *sql.Stmt
}

// preparer is a pool or a single connection.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

func (s *statements) prepare(ctx context.Context, on preparer, text map[**sql.Stmt]string) error {
	for dst, query := range text {
		stmt, err := on.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		*dst = stmt
		s.all = append(s.all, stmt)
	}
	return nil
}

func (s *statements) prepareRead(ctx context.Context, on preparer, table string) error {
	return s.prepare(ctx, on, map[**sql.Stmt]string{
		&s.getStmt:   `SELECT value, is_binary, etag, expiration_time FROM ` + table + ` WHERE key = ? AND ` + live,
		&s.listFrom:  `SELECT key FROM ` + table + ` WHERE key >= ? AND key < ? AND ` + live + ` ORDER BY key LIMIT ?`,
		&s.listAfter: `SELECT key FROM ` + table + ` WHERE key > ? AND key < ? AND ` + live + ` ORDER BY key LIMIT ?`,
		&s.scanStmt:  `SELECT key, value, is_binary, etag FROM ` + table + ` WHERE key >= ? AND key < ? AND ` + live,
	})
}

func prepareWrite(ctx context.Context, on preparer, table string) (*statements, error) {
	s := &statements{}
	insert := `INSERT INTO ` + table + ` (key, value, is_binary, etag, expiration_time, update_time)
		VALUES (?, ?, ?, ?, ?, CURRENT_TIMESTAMP)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, is_binary = excluded.is_binary, etag = excluded.etag,
		expiration_time = excluded.expiration_time, update_time = CURRENT_TIMESTAMP`
	err := s.prepare(ctx, on, map[**sql.Stmt]string{
		&s.put:       insert,
		&s.putAbsent: insert + ` WHERE ` + table + `.expiration_time <= ?`,
		&s.putMatch: `UPDATE ` + table + ` SET value = ?, is_binary = ?, etag = ?, expiration_time = ?,
			update_time = CURRENT_TIMESTAMP WHERE key = ? AND etag = ? AND ` + live,
		&s.del:      `DELETE FROM ` + table + ` WHERE key = ?`,
		&s.delMatch: `DELETE FROM ` + table + ` WHERE key = ? AND etag = ? AND ` + live,
		&s.begin:    `BEGIN IMMEDIATE`,
		&s.commit:   `COMMIT`,
		&s.rollback: `ROLLBACK`,
		&s.sweep: `DELETE FROM ` + table + ` WHERE key IN
			(SELECT key FROM ` + table + ` WHERE expiration_time <= ? LIMIT ?)`,
	})
	return s, errors.Join(err)
}

func (s *statements) close() error {
	if s == nil {
		return nil
	}
	errs := make([]error, 0, len(s.all))
	for _, stmt := range s.all {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}

// Point reads and writes run without the caller's cancellation: see gate.

func (s *statements) get(ctx context.Context, key string) (*state.Entry, error) {
	var (
		value   []byte
		binary  bool
		etag    string
		expires sql.NullTime
	)
	err := s.getStmt.QueryRowContext(context.WithoutCancel(ctx), key, timestamp(time.Now())).Scan(&value, &binary, &etag, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, failure(err)
	}
	if value, err = decode(value, binary); err != nil {
		return nil, fmt.Errorf("key %q: %w", key, err)
	}
	return &state.Entry{Value: value, ETag: &etag, Expires: expires.Time}, nil
}

func (s *statements) set(ctx context.Context, req *state.SetRequest) error {
	value, binary := encode(req.Value)
	now := time.Now()
	var expires any
	if req.TTL != nil && *req.TTL > 0 {
		expires = timestamp(now.Add(*req.TTL))
	}
	etag := rand.Text()
	switch cond, old := req.Condition(); cond {
	case state.IfMatch:
		return affect(ctx, state.Mismatch(req.Key), s.putMatch, value, binary, etag, expires, req.Key, old, timestamp(now))
	case state.IfAbsent:
		return affect(ctx, state.Exists(req.Key), s.putAbsent, req.Key, value, binary, etag, expires, timestamp(now))
	default:
		return affect(ctx, nil, s.put, req.Key, value, binary, etag, expires)
	}
}

func (s *statements) delete(ctx context.Context, req *state.DeleteRequest) error {
	if cond, etag := req.Condition(); cond == state.IfMatch {
		return affect(ctx, state.Mismatch(req.Key), s.delMatch, req.Key, etag, timestamp(time.Now()))
	}
	return affect(ctx, nil, s.del, req.Key)
}

// affect runs a write; none is the error when it changed no row, if that is one.
func affect(ctx context.Context, none error, stmt *sql.Stmt, args ...any) error {
	res, err := stmt.ExecContext(context.WithoutCancel(ctx), args...)
	if err != nil {
		return failure(err)
	}
	if none == nil {
		return nil
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return none
}

func (s *statements) transact(ctx context.Context, ops []state.Operation) error {
	if err := affect(ctx, nil, s.begin); err != nil {
		return err
	}
	err := s.steps(ctx, ops)
	if err == nil {
		if err = affect(ctx, nil, s.commit); err == nil {
			return nil
		}
	}
	if undo := affect(ctx, nil, s.rollback); undo != nil {
		return errors.Join(err, fmt.Errorf("rollback: %w", undo))
	}
	return err
}

func (s *statements) steps(ctx context.Context, ops []state.Operation) error {
	for i, op := range ops {
		err := ctx.Err()
		switch {
		case err != nil:
		case op.Upsert != nil:
			err = s.set(ctx, op.Upsert)
		case op.Delete != nil:
			err = s.delete(ctx, op.Delete)
		default:
			err = fmt.Errorf("%w: operation %d is neither upsert nor delete", state.ErrInvalid, i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *statements) list(ctx context.Context, req state.ListRequest, after string) (page state.KeyPage, err error) {
	stmt, from := s.listFrom, req.Prefix
	if after != "" {
		stmt, from = s.listAfter, after
	}
	rows, err := stmt.QueryContext(ctx, from, upper(req.Prefix), timestamp(time.Now()), req.Limit+1)
	if err != nil {
		return page, failure(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return page, failure(err)
		}
		if len(page.Keys) == req.Limit {
			page.Next = state.PageToken(page.Keys[req.Limit-1])
			break
		}
		page.Keys = append(page.Keys, key)
	}
	return page, failure(rows.Err())
}

// upper is what every key with the prefix is less than. SQLite orders every blob behind every text.
func upper(prefix string) any {
	if end, ok := state.PrefixEnd(prefix); ok {
		return end
	}
	return []byte{}
}

// scan reads all entries with the prefix while they are asked for.
func (s *statements) scan(ctx context.Context, prefix string) iter.Seq2[state.QueryItem, error] {
	return func(yield func(state.QueryItem, error) bool) {
		rows, err := s.scanStmt.QueryContext(ctx, prefix, upper(prefix), timestamp(time.Now()))
		if err != nil {
			yield(state.QueryItem{}, failure(err))
			return
		}
		defer func() { _ = rows.Close() }() // what went wrong is in rows.Err already
		for rows.Next() {
			item, err := scanItem(rows)
			if !yield(item, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(state.QueryItem{}, failure(err))
		}
	}
}

func scanItem(rows *sql.Rows) (state.QueryItem, error) {
	var (
		item   state.QueryItem
		binary bool
		etag   string
	)
	if err := rows.Scan(&item.Key, &item.Value, &binary, &etag); err != nil {
		return item, failure(err)
	}
	item.ETag = &etag
	value, err := decode(item.Value, binary)
	item.Value = value
	return item, err
}

// encode gives a value as the table has it: text as it is, anything else in base64.
func encode(value []byte) (text string, binary bool) {
	text = string(value)
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text, false
	}
	return base64.StdEncoding.EncodeToString(value), true
}

func decode(text []byte, binary bool) ([]byte, error) {
	if !binary {
		if text == nil {
			text = []byte{}
		}
		return text, nil
	}
	n, err := base64.StdEncoding.Decode(text, text)
	if err != nil {
		return nil, fmt.Errorf("the table says that the value is binary, but it is not base64: %w", err)
	}
	return text[:n], nil
}

// failure classifies an error of the library; nil stays nil.
func failure(err error) error {
	if err == nil {
		return nil
	}
	const primary = 0xff // the rest of a result code is detail
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & primary {
		case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED:
			return fmt.Errorf("%w: another process holds the database's lock for longer than busyTimeout: %w", state.ErrUnavailable, err)
		case sqlitelib.SQLITE_FULL:
			return fmt.Errorf("%w: the disk is full: %w", state.ErrUnavailable, err)
		}
	}
	return err
}
