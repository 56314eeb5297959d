package schedule

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

type readStatements struct {
	get, list, listAll, count, countAll, due, next *sql.Stmt

	all []*sql.Stmt
}

func prepareRead(ctx context.Context, db *sql.DB) (*readStatements, error) {
	r := &readStatements{}
	for _, p := range []struct {
		dst  **sql.Stmt
		text string
	}{
		{&r.get, `SELECT due, data FROM entries WHERE key = ?`},
		{&r.list, `SELECT key, due, data FROM entries WHERE key >= ? AND key < ? ORDER BY key LIMIT ?`},
		{&r.listAll, `SELECT key, due, data FROM entries WHERE key >= ? ORDER BY key LIMIT ?`},
		{&r.count, `SELECT count(*) FROM entries WHERE key >= ? AND key < ?`},
		{&r.countAll, `SELECT count(*) FROM entries WHERE key >= ?`},
		{&r.due, `SELECT key, due, data, version FROM entries WHERE due <= ? ORDER BY due LIMIT ?`},
		{&r.next, `SELECT due FROM entries WHERE due > ? ORDER BY due LIMIT 1`},
	} {
		stmt, err := db.PrepareContext(ctx, p.text)
		if err != nil {
			return r, err
		}
		*p.dst = stmt
		r.all = append(r.all, stmt)
	}
	return r, nil
}

func (r *readStatements) close() error {
	if r == nil {
		return nil
	}
	var errs []error
	for _, stmt := range r.all {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}

// Get reads an entry. Errors: [ErrNotFound], [ErrClosed], the database's.
func (s *Store) Get(ctx context.Context, key string) (Entry, error) {
	if err := s.usable(); err != nil {
		return Entry{}, err
	}
	e := Entry{Key: key}
	var due int64
	err := s.r.get.QueryRowContext(ctx, key).Scan(&due, &e.Data)
	if errors.Is(err, sql.ErrNoRows) {
		return Entry{}, fmt.Errorf("%w: %s", ErrNotFound, shown(key))
	}
	e.Due = fromMicros(due)
	return e, s.failure(err)
}

// List gives the entries whose keys begin with a prefix and come after a key, in the order of keys, at most limit of
// them. For the next page, after is the last key of the one before. Errors: [ErrClosed], the database's.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]Entry, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	from := prefix
	if after >= from {
		from = after + "\x00" // what comes next in the order of keys
	}
	var rows *sql.Rows
	var err error
	if end := prefixEnd(prefix); end != "" {
		rows, err = s.r.list.QueryContext(ctx, from, end, limit)
	} else {
		rows, err = s.r.listAll.QueryContext(ctx, from, limit)
	}
	if err != nil {
		return nil, s.failure(err)
	}
	defer rows.Close()
	var entries []Entry
	for rows.Next() {
		var e Entry
		var due int64
		if err := rows.Scan(&e.Key, &due, &e.Data); err != nil {
			return nil, s.failure(err)
		}
		e.Due = fromMicros(due)
		entries = append(entries, e)
	}
	return entries, s.failure(rows.Err())
}

// Count tells how many entries have keys that begin with a prefix; it looks at all of them. Errors: [ErrClosed], the
// database's.
func (s *Store) Count(ctx context.Context, prefix string) (int, error) {
	if err := s.usable(); err != nil {
		return 0, err
	}
	var n int
	var err error
	if end := prefixEnd(prefix); end != "" {
		err = s.r.count.QueryRowContext(ctx, prefix, end).Scan(&n)
	} else {
		err = s.r.countAll.QueryRowContext(ctx, prefix).Scan(&n)
	}
	return n, s.failure(err)
}

// due gives the entries that are due, the oldest first.
func (s *Store) due(ctx context.Context, now time.Time, limit int) ([]*job, error) {
	rows, err := s.r.due.QueryContext(ctx, now.UnixMicro(), limit)
	if err != nil {
		return nil, s.failure(err)
	}
	defer rows.Close()
	var jobs []*job
	for rows.Next() {
		j := &job{}
		var due int64
		if err := rows.Scan(&j.entry.Key, &due, &j.entry.Data, &j.version); err != nil {
			return nil, s.failure(err)
		}
		j.entry.Due = fromMicros(due)
		jobs = append(jobs, j)
	}
	return jobs, s.failure(rows.Err())
}

// usable is [ErrClosed] if the store is closed.
func (s *Store) usable() error {
	select {
	case <-s.closed:
		return ErrClosed
	default:
		return nil
	}
}

// next gives the first due time after now; zero is none.
func (s *Store) next(ctx context.Context, now time.Time) (time.Time, error) {
	var due int64
	err := s.r.next.QueryRowContext(ctx, now.UnixMicro()).Scan(&due)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return fromMicros(due), s.failure(err)
}

// failure names the file in an error of the database.
func (s *Store) failure(err error) error {
	if err == nil {
		return nil
	}
	select {
	case <-s.closed:
		return ErrClosed
	default:
		return fmt.Errorf("schedule %s: %w", s.path, err)
	}
}

// prefixEnd is the first key after all that begin with a prefix; empty if there is no such key.
func prefixEnd(prefix string) string {
	end := []byte(prefix)
	for i, b := range slices.Backward(end) {
		if b < 0xff {
			end[i]++
			return string(end[:i+1])
		}
	}
	return ""
}
