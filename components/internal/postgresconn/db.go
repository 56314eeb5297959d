package postgresconn

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// DB is a pool of connections to one database.
type DB struct {
	pool *pgxpool.Pool
	// where is the server's address, for errors.
	where   string
	timeout time.Duration
	// unavailable is the block's error for a server that cannot be reached.
	unavailable error
	closed      atomic.Bool
}

// Open makes a pool and checks that the server answers and takes the credentials. A *component.PermanentError is one
// that waiting cannot mend. ctx bounds the start only. unavailable is what errors of a server that cannot be reached
// are wrapped in later.
func Open(ctx context.Context, s *Settings, unavailable error) (*DB, error) {
	cfg, err := s.config()
	if err != nil {
		return nil, component.Permanent(err)
	}
	db := &DB{where: where(cfg.ConnConfig), timeout: s.Timeout, unavailable: unavailable}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	if db.pool, err = pgxpool.NewWithConfig(ctx, cfg); err == nil {
		err = db.pool.Ping(ctx)
	}
	if err != nil {
		if db.pool != nil {
			db.pool.Close()
		}
		return nil, explain(db.where, cfg.ConnConfig.Database, err)
	}
	return db, nil
}

func where(cfg *pgx.ConnConfig) string {
	out := []string{address(cfg.Host, cfg.Port)}
	for _, f := range cfg.Fallbacks {
		if a := address(f.Host, f.Port); !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return strings.Join(out, ",")
}

func address(host string, port uint16) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }

// Where is the server's address, for messages.
func (db *DB) Where() string { return db.where }

// stop is an error that is the caller's own.
type stop struct{ err error }

func (s *stop) Error() string { return s.err.Error() }

// Stop marks an error that ends a function given to Do or Transact; it comes back as it is.
func Stop(err error) error { return &stop{err} }

// Do runs fn, which may use the pool until the timeout of the settings. If the server undid what it did in favour of
// another transaction, or if a connection turns out to be closed before anything was sent, it runs again. The error
// says which server, and wraps the block's own for one that cannot be reached.
func (db *DB) Do(ctx context.Context, fn func(ctx context.Context, pool *pgxpool.Pool) error) error {
	if db.closed.Load() {
		return fmt.Errorf("%w: the connection to postgresql at %s is closed", db.unavailable, db.where)
	}
	bounded, cancel := context.WithTimeout(ctx, db.timeout)
	defer cancel()
	const shortest, longest = time.Millisecond, 100 * time.Millisecond
	var err error
	for pause := shortest; ; pause = min(2*pause, longest) {
		err = fn(bounded, db.pool)
		if Code(err) == readOnly {
			db.pool.Reset() // another server may be the primary now, and these connections would stay with the old one
		}
		if err == nil || bounded.Err() != nil || !conflict(err) && !unsent(err) {
			break
		}
		select {
		case <-bounded.Done():
		case <-time.After(pause/2 + rand.N(pause)): // so that two that met do not meet again
		}
	}
	return db.failure(ctx, err)
}

// Once is Do for what nobody but the caller can repeat: fn runs again only if nothing was sent.
func (db *DB) Once(ctx context.Context, fn func(ctx context.Context, pool *pgxpool.Pool) error) error {
	return db.Do(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		err := fn(ctx, pool)
		if conflict(err) {
			return Stop(db.failure(ctx, err))
		}
		return err
	})
}

// unsent tells that the statement did not leave because a connection of the pool had been closed.
func unsent(err error) bool {
	_, dial := errors.AsType[*pgconn.ConnectError](err)
	return !dial && errors.Is(err, pgconn.ErrConnClosed) && pgconn.SafeToRetry(err)
}

// Transact runs fn in a transaction, which is committed unless fn fails.
func (db *DB) Transact(ctx context.Context, fn func(ctx context.Context, tx pgx.Tx) error) error {
	return db.Do(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error { return fn(ctx, tx) })
	})
}

// failure classifies an error; nil stays nil.
func (db *DB) failure(ctx context.Context, err error) error {
	if s, ok := errors.AsType[*stop](err); ok {
		return s.err
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), hide(err))
	case db.closed.Load(), Unreachable(err):
		return fmt.Errorf("%w: postgresql at %s: %w", db.unavailable, db.where, hide(err))
	default:
		return fmt.Errorf("postgresql at %s: %w", db.where, hide(err))
	}
}

// Ping asks the server whether it is there.
func (db *DB) Ping(ctx context.Context) error {
	return db.Do(ctx, func(ctx context.Context, pool *pgxpool.Pool) error { return pool.Ping(ctx) })
}

// Dial makes a connection that is not one of the pool, for what needs one for itself. The caller closes it.
func (db *DB) Dial(ctx context.Context) (*pgx.Conn, error) {
	bounded, cancel := context.WithTimeout(ctx, db.timeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(bounded, db.pool.Config().ConnConfig)
	return conn, db.failure(ctx, err)
}

// Reset closes all connections; those that are needed again are made anew.
func (db *DB) Reset() { db.pool.Reset() }

// Close closes all connections, when what uses them has ended; operations do so by their timeout. What comes later fails.
func (db *DB) Close(ctx context.Context) error {
	db.closed.Store(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		db.pool.Close()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("postgresql at %s: operations still run: %w", db.where, ctx.Err())
	}
}
