// Package postgresql is the state store state.postgresql, in both versions of Dapr's component; the tables are Dapr's,
// so that either can go on with what the other has written. The library is pgx, the usual driver of PostgreSQL in Go.
//
// Version v1 keeps a value that is JSON as jsonb: queries run in the server and other programs can read it, but it comes
// back in the form that PostgreSQL gives it. Anything else is kept as base64 in a JSON string, and marked so. The etag
// is the id of the transaction that wrote the row (xmin). Version v2 keeps bytes as they are, and an etag of its own.
//
// Times are the server's. An entry that has expired is invisible at once and deleted later.
package postgresql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mrt-wasm/mrt-wasm/components/internal/postgresconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// Spec is the driver.
var Spec = component.Spec[state.Store]{
	Type:     "state.postgresql",
	Aliases:  []string{"state.postgres"},
	Versions: []string{"v1", "v2"},
	Doc: `Keeps state in a table of PostgreSQL, in the layouts of Dapr's component: version v1 (jsonb) or v2 (bytea).

Etags, transactions, time to live, listing and queries all work. With v1 a query runs in the server, and a value that is a
JSON object or array comes back as PostgreSQL writes it: with other spaces and order of fields. With v2 values are exactly
as they were written, and a query reads all entries of the app. Tables are made if they are not there; several hosts may
start at the same time. Listing uses an index of the keys in byte order, which is made with the table. Where Dapr
has made the table, add it: CREATE INDEX CONCURRENTLY ON state (key COLLATE "C").`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are Dapr's metadata fields of both versions.
type settings struct {
	postgresconn.Settings
	TableName       string        `metadata:"tableName" doc:"v1: table of the entries, with a schema before it or without; default state"`
	TablePrefix     string        `metadata:"tablePrefix" doc:"v2: what stands before the name of the table state, for example my_ or schema."`
	MetadataTable   string        `metadata:"metadataTableName" default:"dapr_metadata" doc:"table in which drivers note which changes of the tables were made"`
	CleanupInterval time.Duration `metadata:"cleanupInterval,s" alias:"cleanupIntervalInSeconds" default:"1h" doc:"how often expired entries, which are invisible already, are deleted; 0 or less for never"`
}

// store is a pool of connections and the statements of a layout.
type store struct {
	db     *postgresconn.DB
	layout *layout
	// stop ends the cleaner, and cleaned is closed when it has ended.
	stop    context.CancelFunc
	cleaned chan struct{}
}

var (
	_ state.Store      = (*store)(nil)
	_ state.Transactor = (*store)(nil)
	_ state.BulkGetter = (*store)(nil)
	_ state.Lister     = (*store)(nil)
	_ state.Querier    = (*store)(nil)
	_ state.Expirer    = (*store)(nil)
	_ state.Pinger     = (*store)(nil)
)

func open(ctx context.Context, cfg component.Config) (state.Store, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	l, err := set.layout(cfg.Version)
	if err != nil {
		return nil, component.Permanent(err)
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if cfg.Version == "v2" && set.TableName != "" {
		log.Warn("metadata field tableName has no effect with version v2, as in Dapr; the table is tablePrefix and state", "table", l.table)
	} else if cfg.Version != "v2" && set.TablePrefix != "" {
		log.Warn("metadata field tablePrefix has no effect with version v1, as in Dapr; the table is tableName", "table", l.table)
	}
	db, err := postgresconn.Open(ctx, &set.Settings, state.ErrUnavailable)
	if err != nil {
		return nil, err
	}
	if err := l.migrate(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close(ctx))
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &store{db: db, layout: l, stop: stop, cleaned: make(chan struct{})}
	go s.clean(life, set.CleanupInterval, log)
	return s, nil
}

func checkKey(key string) error {
	if postgresconn.Storable(key) {
		return nil
	}
	return fmt.Errorf("%w: PostgreSQL takes UTF-8 without zero bytes, found %q", state.ErrInvalidKey, key)
}

// Get reads one key.
func (s *store) Get(ctx context.Context, req state.GetRequest) (*state.Entry, error) {
	if err := checkKey(req.Key); err != nil {
		return nil, err
	}
	var e *state.Entry
	err := s.db.Do(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		e = nil
		_, found, err := s.layout.scan(pool.QueryRow(ctx, s.layout.get, req.Key))
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		e = found
		return err
	})
	return e, err
}

// BulkGet reads many keys by one statement.
func (s *store) BulkGet(ctx context.Context, reqs []state.GetRequest) ([]*state.Entry, error) {
	if err := ctx.Err(); err != nil || len(reqs) == 0 {
		return nil, err
	}
	keys := make([]string, len(reqs))
	for i, req := range reqs {
		if err := checkKey(req.Key); err != nil {
			return nil, err
		}
		keys[i] = req.Key
	}
	found := make(map[string]*state.Entry, len(keys))
	err := s.db.Do(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		rows, err := pool.Query(ctx, s.layout.bulkGet, keys)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			key, e, err := s.layout.scan(rows)
			if err != nil {
				return err
			}
			found[key] = e
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	out := make([]*state.Entry, len(reqs))
	for i, key := range keys {
		out[i] = found[key]
	}
	return out, nil
}

// Set writes one key.
func (s *store) Set(ctx context.Context, req state.SetRequest) error {
	return s.one(ctx, &state.Operation{Upsert: &req})
}

// Delete deletes one key.
func (s *store) Delete(ctx context.Context, req state.DeleteRequest) error {
	return s.one(ctx, &state.Operation{Delete: &req})
}

// one does one operation without a transaction around it.
func (s *store) one(ctx context.Context, op *state.Operation) error {
	st, err := s.layout.statement(op)
	if err != nil {
		return err
	}
	var changed int64
	err = s.db.Do(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		tag, err := pool.Exec(ctx, st.sql, st.args...)
		changed = tag.RowsAffected()
		return err
	})
	if err == nil && changed == 0 {
		return st.none
	}
	return err
}

// Expires marks that entries expire by themselves.
func (s *store) Expires() {}

// Ping asks the server.
func (s *store) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// Close ends the cleaner and closes all connections.
func (s *store) Close(ctx context.Context) error {
	s.stop()
	<-s.cleaned // what it does ends with its context
	return s.db.Close(ctx)
}
