// Package postgresql is the configuration store configuration.postgresql: a table of PostgreSQL with the columns key,
// value, version and, if it is there, metadata (JSON), as Dapr has it. Of several rows with one key the one with the
// highest number as its version counts.
//
// Changes are told by a trigger of the table, which notifies a channel (LISTEN and NOTIFY). What is notified is only
// which key to look at. Every time that the connection has to be made anew, everything is compared.
package postgresql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mrt-wasm/mrt-wasm/components/internal/postgresconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

// Spec is the driver.
var Spec = component.Spec[configuration.Store]{
	Type:    "configuration.postgresql",
	Aliases: []string{"configuration.postgres"},
	Doc: `Reads configuration from a table of PostgreSQL, and is told of changes by LISTEN and NOTIFY.

The table and its trigger are the user's, as in Dapr:
CREATE TABLE config (key VARCHAR NOT NULL, value VARCHAR NOT NULL, version VARCHAR NOT NULL, metadata JSON);
CREATE FUNCTION config_notify() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
PERFORM pg_notify('config', json_build_object('table', TG_TABLE_NAME, 'action', TG_OP, 'data', CASE TG_OP WHEN 'DELETE'
THEN row_to_json(OLD) ELSE row_to_json(NEW) END)::text); RETURN NULL; END $$;
CREATE TRIGGER config_notify AFTER INSERT OR UPDATE OR DELETE ON config FOR EACH ROW EXECUTE FUNCTION config_notify();
A notification has less than 8000 bytes; for longer values, notify of json_build_object('key', NEW.key) as the data. Without
a channel or a trigger, changes are seen by comparing (metadata field pollInterval). Subscriptions keep one connection.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are Dapr's metadata fields.
type settings struct {
	postgresconn.Settings
	Table         string `metadata:"table,required" doc:"table of the items, with a schema before it or without"`
	NotifyChannel string `metadata:"notifyChannel" alias:"pgNotifyChannel" doc:"channel that the table's trigger notifies; if it is missing, a subscription may name one in its metadata as pgNotifyChannel"`
}

// store is a pool of connections, and one more for each channel that is listened to.
type store struct {
	db    *postgresconn.DB
	table postgresconn.Table
	// sql is the table's name in statements; columns are those of an item.
	sql, columns string
	channel      string
	log          *slog.Logger
	// live gives a context for a listener, which outlives the call that begins it and has nothing of that call.
	live func() (context.Context, context.CancelFunc)

	mu        sync.Mutex
	listeners map[string]*listener // by channel
	closed    bool
}

var (
	_ configuration.Store      = (*store)(nil)
	_ configuration.Subscriber = (*store)(nil)
	_ configuration.Setter     = (*store)(nil)
	_ configuration.Pinger     = (*store)(nil)
)

func open(ctx context.Context, cfg component.Config) (configuration.Store, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	table, err := postgresconn.ParseTable(set.Table)
	if err != nil {
		return nil, component.Permanent(fmt.Errorf("metadata field table: %w", err))
	}
	if err := checkChannel(set.NotifyChannel); err != nil {
		return nil, component.Permanent(fmt.Errorf("metadata field notifyChannel: %w", err))
	}
	db, err := postgresconn.Open(ctx, &set.Settings, configuration.ErrUnavailable)
	if err != nil {
		return nil, err
	}
	life := context.WithoutCancel(ctx)
	s := &store{
		db: db, table: table, sql: table.SQL(), channel: set.NotifyChannel, log: cfg.Log, listeners: map[string]*listener{},
		live: func() (context.Context, context.CancelFunc) { return context.WithCancel(life) },
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.look(ctx); err != nil {
		return nil, errors.Join(err, db.Close(ctx))
	}
	return s, nil
}

// look checks the table.
func (s *store) look(ctx context.Context) error {
	return s.db.Do(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		columns, err := s.table.Columns(ctx, pool)
		if err != nil {
			return err
		}
		if len(columns) == 0 { // not for ever: somebody may be about to make it
			return postgresconn.Stop(fmt.Errorf("postgresql at %s has no table %s; make it: CREATE TABLE %s (key VARCHAR NOT NULL, value VARCHAR NOT NULL, version VARCHAR NOT NULL, metadata JSON)",
				s.db.Where(), s.table, s.sql))
		}
		for _, name := range []string{"key", "value", "version"} {
			if _, ok := columns[name]; !ok {
				return postgresconn.Stop(component.Permanent(fmt.Errorf("table %s at postgresql at %s: want the columns key, value and version, found no %s", s.table, s.db.Where(), name)))
			}
		}
		s.columns = `key::text, coalesce(value::text, ''), coalesce(version::text, ''), NULL`
		if _, ok := columns["metadata"]; ok {
			s.columns = strings.Replace(s.columns, "NULL", "metadata::text", 1)
		}
		return nil
	})
}

// Get reads keys or everything by one statement.
func (s *store) Get(ctx context.Context, keys []string, _ map[string]string) ([]configuration.Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sql, args := `SELECT `+s.columns+` FROM `+s.sql, []any{}
	if len(keys) > 0 {
		keys = slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return !postgresconn.Storable(k) })
		if len(keys) == 0 {
			return nil, nil // no row can have them
		}
		sql, args = sql+` WHERE key = ANY($1)`, []any{keys}
	}
	var out []configuration.Item
	err := s.db.Do(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		rows, err := pool.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		items, err := pgx.CollectRows(rows, item)
		out = newest(items)
		return err
	})
	return out, err
}

func item(row pgx.CollectableRow) (configuration.Item, error) {
	var i configuration.Item
	var metadata *string
	if err := row.Scan(&i.Key, &i.Value, &i.Version, &metadata); err != nil {
		return i, err
	}
	if metadata != nil {
		i.Metadata = facts(*metadata)
	}
	return i, nil
}

// facts reads the fields of a JSON object; those that are no texts are given as JSON.
func facts(text string) map[string]string {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &fields) != nil {
		return nil // it is the user's column: what is no object says nothing
	}
	out := make(map[string]string, len(fields))
	for name, raw := range fields {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			s = string(raw)
		}
		out[name] = s
	}
	return out
}

// newest leaves each key in once.
func newest(items []configuration.Item) []configuration.Item {
	best := make(map[string]int, len(items))
	kept := items[:0]
	for _, i := range items {
		at, ok := best[i.Key]
		switch {
		case !ok:
			best[i.Key] = len(kept)
			kept = append(kept, i)
		case newer(&i, &kept[at]):
			kept[at] = i
		}
	}
	return kept
}

// newer tells whether a row counts more than another of the same key: by its number, and that any number counts more
// than other texts is Dapr's rule. The rest is only so that reading twice gives the same.
func newer(a, b *configuration.Item) bool {
	if na, nb := number(a.Version), number(b.Version); na != nb {
		return na > nb
	}
	if a.Version != b.Version {
		return a.Version > b.Version
	}
	return a.Value > b.Value
}

// number gives a version's number, -1 if it is none.
func number(version string) int {
	n, err := strconv.Atoi(version)
	if err != nil {
		return -1
	}
	return n
}

// Set writes a value with the next number as its version: 1 for a key that is new or had none. It changes the row that
// counts.
func (s *store) Set(ctx context.Context, key, value string, _ map[string]string) error {
	if !postgresconn.Storable(key) || !postgresconn.Storable(value) {
		return fmt.Errorf("%w: key %q: PostgreSQL takes UTF-8 without zero bytes", configuration.ErrInvalid, key)
	}
	err := s.db.Transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// The table need not have a unique key, so two writers of a new one would not meet.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, s.sql+" "+key); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT ctid::text, `+s.columns+` FROM `+s.sql+` WHERE key = $1 FOR UPDATE`, key)
		if err != nil {
			return err
		}
		var at, row string
		var found, i configuration.Item
		_, err = pgx.ForEachRow(rows, []any{&row, &i.Key, &i.Value, &i.Version, new(*string)}, func() error {
			if at == "" || newer(&i, &found) {
				at, found = row, i
			}
			return nil
		})
		if err != nil {
			return err
		}
		version := strconv.Itoa(max(0, number(found.Version)) + 1)
		if at == "" {
			_, err = tx.Exec(ctx, `INSERT INTO `+s.sql+` (key, value, version) VALUES ($1, $2, $3)`, key, value, version)
		} else {
			_, err = tx.Exec(ctx, `UPDATE `+s.sql+` SET value = $2, version = $3 WHERE ctid = $1::text::tid`, at, value, version)
		}
		return err
	})
	if postgresconn.BadValue(err) {
		return fmt.Errorf("%w: key %q: %w", configuration.ErrInvalid, key, err)
	}
	return err
}

// Delete deletes all rows of keys.
func (s *store) Delete(ctx context.Context, keys []string, _ map[string]string) error {
	keys = slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return !postgresconn.Storable(k) })
	if err := ctx.Err(); err != nil || len(keys) == 0 {
		return err
	}
	return s.db.Do(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		_, err := pool.Exec(ctx, `DELETE FROM `+s.sql+` WHERE key = ANY($1)`, keys)
		return err
	})
}

// Ping asks the server.
func (s *store) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// Close ends all watches and closes all connections.
func (s *store) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	listeners := make([]*listener, 0, len(s.listeners))
	for _, l := range s.listeners {
		listeners = append(listeners, l)
	}
	clear(s.listeners)
	s.mu.Unlock()
	for _, l := range listeners {
		l.end()
	}
	return s.db.Close(ctx)
}
