package postgresql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mrt-wasm/mrt-wasm/components/internal/postgresconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// What Dapr's driver has changed in its tables over time, it counts in the metadata table. v1: 1 makes the table, 2 adds
// expiredate, 3 adds row_id. v2: 1 makes the table, 2 adds row_id. It does what is above the number there, once.
//
// A table that is made here is one of the last level. One that is there gets what is needed and no more: row_id is not,
// and adding it would give every row another etag; Dapr adds it when it starts.

// advisoryLock is the lock that hosts take in turn; the number is of no meaning.
const advisoryLock = 0x6d72742d7761736d

// migrate makes sure that the tables are there.
func (l *layout) migrate(ctx context.Context, db *postgresconn.DB) error {
	var ready bool
	err := db.Do(ctx, func(ctx context.Context, pool *pgxpool.Pool) (err error) {
		found, err := l.look(ctx, pool)
		ready = found.ready(l)
		return err
	})
	if err != nil || ready {
		return err
	}
	const most = 5 // Dapr may make the same table at the same time, without our lock
	for range most {
		if err = db.Transact(ctx, l.change); !postgresconn.Exists(err) {
			break
		}
	}
	if postgresconn.Denied(err) {
		return component.Permanent(fmt.Errorf("tables %s and %s cannot be made or changed; let the user do so (GRANT CREATE ON SCHEMA ...) or have it done once by another: %w", l.table, l.meta, err))
	}
	return err
}

// found is what there is in the database.
type found struct {
	columns map[string]string // none if there is no table
	meta    bool
	level   int // 0 if none is noted
}

// actual gives the level of the table as it is.
func (f *found) actual(l *layout) int {
	level := 0
	if len(f.columns) > 0 {
		level++
	}
	if _, ok := f.columns["expiredate"]; ok && l.version != "v2" {
		level++
	}
	if _, ok := f.columns["row_id"]; ok {
		level++
	}
	return level
}

// lacks lists the columns that are missing.
func (f *found) lacks(l *layout) []string {
	var out []string
	for name := range l.needs {
		if _, ok := f.columns[name]; !ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (f *found) ready(l *layout) bool {
	return f.meta && len(f.columns) > 0 && len(f.lacks(l)) == 0 && f.level >= f.actual(l)
}

// check refuses a table that is something else than this layout.
func (f *found) check(l *layout) error {
	if len(f.columns) == 0 {
		return nil
	}
	for name, typ := range f.columns {
		if want := l.needs[name]; want != "" && want != typ {
			return fmt.Errorf("table %s is not of version %s: want column %s of type %s, found %s; set the component's spec.version to the one that the table was made with, or use another table",
				l.table, l.version, name, want, typ)
		}
	}
	if lacks := f.lacks(l); len(lacks) > 0 && (l.version == "v2" || !slices.Equal(lacks, []string{"expiredate"})) {
		return fmt.Errorf("table %s is not one of a state store of version %s: it has no columns %s; use another table", l.table, l.version, strings.Join(lacks, ", "))
	}
	return nil
}

// look finds out what there is. The error is permanent when it is something else than this layout.
func (l *layout) look(ctx context.Context, q postgresconn.Querier) (found, error) {
	var f found
	var err error
	if f.columns, err = l.table.Columns(ctx, q); err != nil {
		return f, err
	}
	if err := f.check(l); err != nil {
		return f, postgresconn.Stop(component.Permanent(err))
	}
	meta, err := l.meta.Columns(ctx, q)
	if err != nil || len(meta) == 0 {
		return f, err
	}
	f.meta = true
	rows, err := q.Query(ctx, `SELECT value FROM `+l.meta.SQL()+` WHERE key = $1`, l.levelKey)
	if err != nil {
		return f, err
	}
	text, err := pgx.CollectOneRow(rows, pgx.RowTo[string])
	if errors.Is(err, pgx.ErrNoRows) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	if f.level, err = strconv.Atoi(text); err != nil {
		return f, postgresconn.Stop(component.Permanent(fmt.Errorf("table %s: key %s: want the number of changes that were made to table %s, found %q", l.meta, l.levelKey, l.table, text)))
	}
	return f, nil
}

// change makes what is missing, alone among all hosts and daprds.
func (l *layout) change(ctx context.Context, tx pgx.Tx) error {
	// Poolers and databases like PostgreSQL know locks of transactions, if any.
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1::bigint)`, int64(advisoryLock)); err != nil {
		return err
	}
	meta := l.meta.SQL()
	if f, err := l.look(ctx, tx); err != nil {
		return err
	} else if !f.meta {
		if _, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS `+meta+` (key text NOT NULL PRIMARY KEY, value text NOT NULL)`); err != nil {
			return err
		}
	}
	// The lock of Dapr's driver is a row.
	if _, err := tx.Exec(ctx, `INSERT INTO `+meta+` (key, value) VALUES ('lock', 'lock') ON CONFLICT (key) DO NOTHING`); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `SELECT value FROM `+meta+` WHERE key = 'lock' FOR UPDATE`); err != nil {
		return err
	}
	f, err := l.look(ctx, tx) // somebody else may have been first
	if err != nil || f.ready(l) {
		return err
	}
	for _, sql := range l.missing(&f) {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return l.note(ctx, tx, &f)
}

// missing gives the statements that make what is missing.
func (l *layout) missing(f *found) []string {
	t := l.table.SQL()
	if len(f.columns) > 0 {
		if len(f.lacks(l)) == 0 {
			return nil
		}
		return []string{`ALTER TABLE ` + t + ` ADD expiredate timestamp with time zone`} // nothing else can be missing: see check
	}
	const rowID = `row_id bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY`
	out := []string{`CREATE TABLE ` + t + ` (
		key text NOT NULL PRIMARY KEY,
		value jsonb NOT NULL,
		isbinary boolean NOT NULL,
		insertdate timestamp with time zone NOT NULL DEFAULT now(),
		updatedate timestamp with time zone,
		expiredate timestamp with time zone,
		` + rowID + `)`}
	if l.version == "v2" {
		out = []string{`CREATE TABLE ` + t + ` (
			key text NOT NULL PRIMARY KEY,
			value bytea NOT NULL,
			etag uuid NOT NULL DEFAULT gen_random_uuid(),
			created_at timestamp with time zone NOT NULL DEFAULT now(),
			updated_at timestamp with time zone,
			expires_at timestamp with time zone,
			` + rowID + `)`, `CREATE INDEX ON ` + t + ` (expires_at)`}
	}
	return append(out,
		`CREATE UNIQUE INDEX IF NOT EXISTS `+pgx.Identifier{l.table.Name + "_row_id_uidx"}.Sanitize()+` ON `+t+` (row_id)`,
		`CREATE INDEX ON `+t+` (`+byteOrder+`)`)
}

// note writes the level of the table, so that Dapr does not do again what is done. A level that is noted for a table
// that was not there is that of another table, for which Dapr has used the same metadata table.
func (l *layout) note(ctx context.Context, tx pgx.Tx, before *found) error {
	if len(before.columns) == 0 && before.level > 0 {
		return nil
	}
	f, err := l.look(ctx, tx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO `+l.meta.SQL()+` (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
		l.levelKey, strconv.Itoa(max(f.level, f.actual(l))))
	return err
}
