package schedule

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
)

// group is how many operations share a transaction at most.
const group = 1024

type opKind uint8

const (
	opPut opKind = iota
	opAdd
	opDelete
	opDeletePrefix
	opFinish
)

// op is what a caller wants written. The writer goroutine fills found and changes, before it sends to reply.
type op struct {
	kind    opKind
	entry   Entry  // of all but opFinish
	jobs    []*job // of opFinish
	found   bool
	changes []change
	reply   chan error
}

type writeStatements struct {
	begin, commit, rollback               *sql.Stmt
	put, add, del, delPrefix, done, again *sql.Stmt

	all []*sql.Stmt
}

// migrate makes the table. Rows lie in the order of keys, so that those of one owner are together.
func migrate(ctx context.Context, conn *sql.Conn) error {
	for _, text := range []string{
		`CREATE TABLE IF NOT EXISTS entries (
			key TEXT NOT NULL PRIMARY KEY,
			due INTEGER NOT NULL,
			version INTEGER NOT NULL,
			data BLOB) WITHOUT ROWID`,
		`CREATE INDEX IF NOT EXISTS entries_due ON entries (due)`,
	} {
		if _, err := conn.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

func prepareWrite(ctx context.Context, conn *sql.Conn) (*writeStatements, error) {
	const insert = `INSERT INTO entries (key, due, version, data) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO `
	w := &writeStatements{}
	for _, p := range []struct {
		dst  **sql.Stmt
		text string
	}{
		{&w.begin, `BEGIN IMMEDIATE`},
		{&w.commit, `COMMIT`},
		{&w.rollback, `ROLLBACK`},
		{&w.put, insert + `UPDATE SET due = excluded.due, version = excluded.version, data = excluded.data`},
		{&w.add, insert + `NOTHING`},
		{&w.del, `DELETE FROM entries WHERE key = ?`},
		{&w.delPrefix, `DELETE FROM entries WHERE key >= ? AND (key < ? OR ? = '') RETURNING key`},
		{&w.done, `DELETE FROM entries WHERE key = ? AND version = ?`},
		{&w.again, `UPDATE entries SET due = ?, version = ?, data = ? WHERE key = ? AND version = ?`},
	} {
		stmt, err := conn.PrepareContext(ctx, p.text)
		if err != nil {
			return w, err
		}
		*p.dst = stmt
		w.all = append(w.all, stmt)
	}
	return w, nil
}

func (w *writeStatements) close() error {
	if w == nil {
		return nil
	}
	var errs []error
	for _, stmt := range w.all {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}

// do hands an operation to the writer and waits until it is committed.
func (s *Store) do(ctx context.Context, o *op) (found bool, err error) {
	o.reply = make(chan error, 1)
	select {
	case <-s.closed:
		return false, ErrClosed
	default:
	}
	select {
	case s.ops <- o:
	case <-s.closed:
		return false, ErrClosed
	case <-ctx.Done():
		return false, ctx.Err()
	}
	// From here on the writer has it and answers for sure; giving up would leave open whether it is stored.
	err = <-o.reply
	return o.found, err
}

// finish writes what came of jobs that were fired, where their entries are still those that were fired.
func (s *Store) finish(ctx context.Context, jobs []*job) error {
	_, err := s.do(ctx, &op{kind: opFinish, jobs: jobs})
	return err
}

// writeAll is the only writer, until the store is closed. It takes what waits into one transaction.
func (s *Store) writeAll(ctx context.Context) {
	defer close(s.done)
	ops := make([]*op, 0, group)
	for {
		select {
		case o := <-s.ops:
			ops = append(ops[:0], o)
		case <-s.closed:
			return
		}
		// Those who were just answered come again once they get to run; let them, as long as that brings more.
		for had := 0; had < len(ops) && len(ops) < group; {
			had = len(ops)
			runtime.Gosched()
			ops = s.gather(ops)
		}
		s.commit(ctx, ops)
		clear(ops)
	}
}

// gather takes what waits right now.
func (s *Store) gather(ops []*op) []*op {
	for len(ops) < group {
		select {
		case o := <-s.ops:
			ops = append(ops, o)
		default:
			return ops
		}
	}
	return ops
}

// commit answers all operations: with their own outcome, or with why none is stored. The context has no end: to watch
// one costs the library more than a statement does.
func (s *Store) commit(ctx context.Context, ops []*op) {
	errs, err := s.transact(ctx, ops)
	if err == nil {
		s.tell(ops)
	}
	for i, o := range ops {
		if err != nil {
			o.reply <- s.failure(err)
		} else {
			o.reply <- errs[i]
		}
	}
}

func (s *Store) transact(ctx context.Context, ops []*op) (errs []error, err error) {
	if _, err := s.w.begin.ExecContext(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			// The database may have rolled back by itself, as when the disk is full.
			_, _ = s.w.rollback.ExecContext(ctx)
		}
	}()
	errs = make([]error, len(ops))
	for i, o := range ops {
		if err := s.apply(ctx, o); errors.Is(err, ErrExists) {
			errs[i] = err
		} else if err != nil {
			return nil, err
		}
	}
	_, err = s.w.commit.ExecContext(ctx)
	return errs, err
}

func (s *Store) apply(ctx context.Context, o *op) (err error) {
	e := &o.entry
	switch o.kind {
	case opPut, opAdd:
		stmt := s.w.put
		if o.kind == opAdd {
			stmt = s.w.add
		}
		s.version++
		if o.found, err = affected(stmt.ExecContext(ctx, e.Key, micros(e.Due), s.version, e.Data)); err != nil {
			return err
		}
		if !o.found {
			return ErrExists
		}
		o.changes = []change{{e.Key, e.Due, s.version}}
	case opDelete:
		if o.found, err = affected(s.w.del.ExecContext(ctx, e.Key)); o.found {
			o.changes = []change{{key: e.Key}}
		}
	case opDeletePrefix:
		err = s.deletePrefix(ctx, o)
	case opFinish:
		err = s.applyFinish(ctx, o.jobs)
	}
	return err
}

func (s *Store) deletePrefix(ctx context.Context, o *op) error {
	end := prefixEnd(o.entry.Key)
	rows, err := s.w.delPrefix.QueryContext(ctx, o.entry.Key, end, end)
	if err != nil {
		return err
	}
	defer rows.Close()
	o.changes = nil
	for rows.Next() {
		var c change
		if err := rows.Scan(&c.key); err != nil {
			return err
		}
		o.changes = append(o.changes, c)
	}
	return rows.Err()
}

func (s *Store) applyFinish(ctx context.Context, jobs []*job) (err error) {
	for _, j := range jobs {
		if j.result.Due.IsZero() {
			_, err = s.w.done.ExecContext(ctx, j.entry.Key, j.version)
		} else {
			s.version++
			_, err = s.w.again.ExecContext(ctx, micros(j.result.Due), s.version, j.result.Data, j.entry.Key, j.version)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func affected(res sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// tell gives the scheduler, if there is one, what was changed, before those who changed it know.
func (s *Store) tell(ops []*op) {
	s.mu.Lock()
	watch := s.watch
	s.mu.Unlock()
	if watch == nil {
		return
	}
	var changes []change
	for _, o := range ops {
		changes = append(changes, o.changes...)
	}
	if len(changes) > 0 {
		watch(changes)
	}
}
