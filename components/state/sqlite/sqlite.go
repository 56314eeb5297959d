// Package sqlite is the state store state.sqlite: one file, no server. It is what an app gets that imports state when
// no store is declared. The library is modernc.org/sqlite: SQLite itself, translated to Go, so the host needs no C
// compiler and no shared library; it follows SQLite's releases and is what other pure-Go projects build on.
//
// The tables are those of Dapr's driver, so either can open the other's file. One connection writes, several read; in
// write-ahead-log mode they do not wait for each other. A write is durable against a crash of the host when it
// returns; against a power cut it is after the next checkpoint (synchronous=NORMAL), unless the connection string
// asks for _pragma=synchronous(FULL).
package sqlite

import (
	"context"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// Spec is the driver.
var Spec = component.Spec[state.Store]{
	Type:    "state.sqlite",
	Aliases: []string{"state.sqlite3"},
	Doc: `Keeps state in an SQLite file; the default store.

Etags, transactions, time to live, listing and queries all work. A query reads all entries of the app. Several hosts on
one machine may share the file; put it on a local disk, not on a network share.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are Dapr's metadata fields.
type settings struct {
	ConnectionString string        `metadata:"connectionString" alias:"url" doc:"path of the file, or a file: URI of SQLite, or :memory:; default: state.db in the host's data folder, for a store not called statestore state-<name>.db"`
	Timeout          time.Duration `metadata:"timeout,s" alias:"timeoutInSeconds" default:"20s" doc:"how long one operation may take, waiting for others included"`
	BusyTimeout      time.Duration `metadata:"busyTimeout,ms" default:"2s" doc:"how long to wait for a lock that another process holds"`
	DisableWAL       bool          `metadata:"disableWAL" default:"false" doc:"no write-ahead log: slower, but the file may lie on a network share"`
	TableName        string        `metadata:"tableName" default:"state" doc:"table of the entries"`
	MetadataTable    string        `metadata:"metadataTableName" default:"metadata" doc:"table of the driver's own facts"`
	CleanupInterval  time.Duration `metadata:"cleanupInterval,s" alias:"cleanupIntervalInSeconds" default:"1h" doc:"how often expired entries, which are invisible already, are deleted; 0 for never (Dapr's default)"`
}

// store is an open database.
type store struct {
	cfg settings
	db  *database
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
	if err := set.check(); err != nil {
		return nil, component.Permanent(err)
	}
	db, err := openDatabase(ctx, &set, cfg)
	if err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &store{cfg: set, db: db, stop: stop, cleaned: make(chan struct{})}
	go s.clean(life, cfg.Log)
	return s, nil
}

// Get reads one key.
func (s *store) Get(ctx context.Context, req state.GetRequest) (*state.Entry, error) {
	release, err := s.db.readers.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return s.db.read.get(ctx, req.Key)
}

// BulkGet reads many keys over one connection.
func (s *store) BulkGet(ctx context.Context, reqs []state.GetRequest) ([]*state.Entry, error) {
	release, err := s.db.readers.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	out := make([]*state.Entry, len(reqs))
	for i, req := range reqs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if out[i], err = s.db.read.get(ctx, req.Key); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Set writes one key.
func (s *store) Set(ctx context.Context, req state.SetRequest) error {
	release, err := s.db.writer.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	return s.db.write.set(ctx, &req)
}

// Delete deletes one key.
func (s *store) Delete(ctx context.Context, req state.DeleteRequest) error {
	release, err := s.db.writer.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	return s.db.write.delete(ctx, &req)
}

// Transact does all operations in one transaction.
func (s *store) Transact(ctx context.Context, ops []state.Operation, _ map[string]string) error {
	if len(ops) == 0 {
		return ctx.Err()
	}
	release, err := s.db.writer.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	return s.db.write.transact(ctx, ops)
}

// ListKeys gives a page of keys from the table's index.
func (s *store) ListKeys(ctx context.Context, req state.ListRequest) (state.KeyPage, error) {
	after, err := req.After()
	if err != nil {
		return state.KeyPage{}, err
	}
	release, err := s.db.readers.acquire(ctx)
	if err != nil {
		return state.KeyPage{}, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	return s.db.read.list(ctx, req, after)
}

// Query evaluates the query over all entries with its prefix, by the evaluator that all drivers share: comparing by
// SQL's json_extract would treat types and missing fields differently from the other stores.
func (s *store) Query(ctx context.Context, q state.Query) (state.QueryPage, error) {
	release, err := s.db.readers.acquire(ctx)
	if err != nil {
		return state.QueryPage{}, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	return state.RunQuery(s.db.read.scan(ctx, q.Prefix), q)
}

// Expires marks that entries expire by themselves.
func (s *store) Expires() {}

// Ping reads from the file.
func (s *store) Ping(ctx context.Context) error {
	_, err := s.Get(ctx, state.GetRequest{})
	return err
}

// Close waits for what runs and closes the file.
func (s *store) Close(ctx context.Context) error {
	s.stop()
	select {
	case <-s.cleaned:
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.db.close(ctx)
}
