// Package mysql is the state store state.mysql: MariaDB or MySQL.
//
// The tables are those of Dapr's driver, so either can work on the other's. Values that are JSON stand in the table as
// they are, all others as a JSON string in base64, with isbinary set. MySQL, unlike MariaDB, does not keep the text of
// JSON but its meaning; so that apps get back the bytes that they wrote, all values stand there in base64, as those do
// that Dapr gets by gRPC.
//
// Where this driver makes the table, keys are bytes (VARBINARY), so that they are compared and listed byte by byte and
// may be long. In a table that Dapr has made, keys are text under the database's collation, which often takes "a" and
// "A" for the same key. There a key is never mixed up with another: a write that the table cannot tell from another
// key's fails, and says what to do. Listing looks at all rows of such a table.
package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/mysqlconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// Spec is the driver.
var Spec = component.Spec[state.Store]{
	Type: "state.mysql",
	Doc: `Keeps state in MariaDB or MySQL.

Etags, transactions, time to live, listing and queries all work. A query reads all entries of the app. The database and
its tables are made if they are not there; the user needs the rights to that, or finds them made. A time to live cannot
end after January 2038, the end of TIMESTAMP on most servers; in tables made by Dapr it is rounded to whole seconds.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are Dapr's metadata fields.
type settings struct {
	ConnectionString string `metadata:"connectionString,required,secret" doc:"user:password@tcp(host:3306)/?name=value, the form of the Go driver, without a database; time_zone, sql_mode and charset are the driver's own"`
	mysqlconn.Trust
	SchemaName      string        `metadata:"schemaName" default:"dapr_state_store" doc:"database of the tables"`
	TableName       string        `metadata:"tableName" default:"state" doc:"table of the entries"`
	MetadataTable   string        `metadata:"metadataTableName" default:"dapr_metadata" doc:"table of the driver's own facts"`
	Timeout         time.Duration `metadata:"timeoutInSeconds,s" default:"20s" doc:"how long one operation may take"`
	CleanupInterval time.Duration `metadata:"cleanupInterval,s" alias:"cleanupIntervalInSeconds" default:"1h" doc:"how often expired entries, which are invisible already, are deleted; 0 for never"`
}

// store is a pool of connections.
type store struct {
	cfg settings
	db  *sql.DB
	// where is the server's address, for errors.
	where string
	table layout
	text  statements
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
	server, err := set.server()
	if err != nil {
		return nil, component.Permanent(err)
	}
	db, err := connect(ctx, server)
	if err != nil {
		return nil, err
	}
	s := &store{cfg: set, db: db, where: server.Addr, cleaned: make(chan struct{})}
	if s.table, err = s.migrate(ctx, cfg.Log); err != nil {
		_ = db.Close()
		return nil, err
	}
	s.text = newStatements(set.TableName, s.table)
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go s.clean(life, cfg.Log)
	return s, nil
}

// Get reads one key.
func (s *store) Get(ctx context.Context, req state.GetRequest) (*state.Entry, error) {
	out, err := s.BulkGet(ctx, []state.GetRequest{req})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// bulk is how many keys one statement reads.
const bulk = 500

// BulkGet reads many keys by few statements.
func (s *store) BulkGet(ctx context.Context, reqs []state.GetRequest) ([]*state.Entry, error) {
	bounded, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	found := make(map[string]*state.Entry, len(reqs))
	for begin := 0; begin < len(reqs); begin += bulk {
		chunk := reqs[begin:min(begin+bulk, len(reqs))]
		if err := s.read(bounded, chunk, found); err != nil {
			return nil, s.failure(ctx, err)
		}
	}
	out := make([]*state.Entry, len(reqs))
	for i, req := range reqs {
		out[i] = found[req.Key]
	}
	return out, nil
}

// Set writes one key.
func (s *store) Set(ctx context.Context, req state.SetRequest) error {
	return s.do(ctx, func(ctx context.Context) error { return s.set(ctx, s.db, &req) })
}

// Delete deletes one key.
func (s *store) Delete(ctx context.Context, req state.DeleteRequest) error {
	return s.do(ctx, func(ctx context.Context) error { return s.delete(ctx, s.db, &req) })
}

// Transact does all operations in one transaction.
func (s *store) Transact(ctx context.Context, ops []state.Operation, _ map[string]string) error {
	if len(ops) == 0 {
		return ctx.Err()
	}
	return s.do(ctx, func(ctx context.Context) error {
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if err := s.steps(ctx, tx, ops); err != nil {
			// A connection on which the rollback fails is closed, which undoes all as well.
			_ = tx.Rollback()
			return err
		}
		return tx.Commit()
	})
}

func (s *store) steps(ctx context.Context, tx *sql.Tx, ops []state.Operation) error {
	for i, op := range ops {
		var err error
		switch {
		case op.Upsert != nil:
			err = s.set(ctx, tx, op.Upsert)
		case op.Delete != nil:
			err = s.delete(ctx, tx, op.Delete)
		default:
			err = fmt.Errorf("%w: operation %d is neither upsert nor delete", state.ErrInvalid, i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// do runs a write, and again when the server has undone it because of another's (a deadlock): that is not the caller's
// fault, and nothing of it has happened.
func (s *store) do(ctx context.Context, write func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	const most = 50 * time.Millisecond
	for pause := time.Millisecond; ; pause = min(2*pause, most) {
		err := write(bounded)
		if !mysqlconn.Conflict(err) {
			return s.failure(ctx, err)
		}
		select {
		case <-bounded.Done():
			return s.failure(ctx, err)
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}

// ListKeys gives a page of keys.
func (s *store) ListKeys(ctx context.Context, req state.ListRequest) (state.KeyPage, error) {
	after, err := req.After()
	if err != nil {
		return state.KeyPage{}, err
	}
	bounded, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	page, err := s.list(bounded, req, after)
	return page, s.failure(ctx, err)
}

// Query evaluates the query over all entries with its prefix, by the evaluator that all drivers share: comparing by
// the server's JSON functions would treat types and missing fields differently from the other stores.
func (s *store) Query(ctx context.Context, q state.Query) (state.QueryPage, error) {
	bounded, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	page, err := state.RunQuery(s.scan(bounded, q.Prefix), q)
	return page, s.failure(ctx, err)
}

// Expires marks that entries expire by themselves.
func (s *store) Expires() {}

// Ping asks the server.
func (s *store) Ping(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	return s.failure(ctx, s.db.PingContext(bounded))
}

// Close ends the cleaner and closes all connections.
func (s *store) Close(ctx context.Context) error {
	s.stop()
	select {
	case <-s.cleaned:
	case <-ctx.Done():
		return errors.Join(ctx.Err(), s.db.Close())
	}
	return s.db.Close()
}

// failure classifies an error; nil and those of the block stay as they are.
func (s *store) failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{state.ErrETagMismatch, state.ErrInvalidETag, state.ErrInvalidKey, state.ErrInvalid, state.ErrNotSupported} {
		if errors.Is(err, known) {
			return err
		}
	}
	switch {
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	case mysqlconn.Closed(err):
		return fmt.Errorf("%w: the store is closed: %w", state.ErrUnavailable, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: mysql at %s: not done within %s (metadata field timeoutInSeconds): %w", state.ErrUnavailable, s.where, s.cfg.Timeout, err)
	case mysqlconn.Unreachable(err):
		return fmt.Errorf("%w: mysql at %s: %w", state.ErrUnavailable, s.where, err)
	case mysqlconn.TooLarge(err):
		return fmt.Errorf("%w: mysql at %s: the value is larger than the server takes (max_allowed_packet): %w", state.ErrInvalid, s.where, err)
	default:
		return fmt.Errorf("mysql at %s: %w", s.where, err)
	}
}
