// Package sqlitefile opens SQLite databases that other processes may be opening too.
package sqlitefile

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Connector makes connections to the database of a DSN. Where another process has the file locked it tries again for as
// long as busy: to set the journal's mode is the one thing that SQLite does not wait for by itself, whatever its
// busy_timeout, since two who change the mode at once would wait for each other.
func Connector(dsn string, busy time.Duration) (driver.Connector, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return &connector{c, busy}, nil
}

type connector struct {
	driver.Connector

	busy time.Duration
}

// Connect opens a connection.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if c.busy <= 0 {
		return c.Connector.Connect(ctx)
	}
	pause := &backoff.ExponentialBackOff{
		InitialInterval: time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 50 * time.Millisecond,
	}
	return backoff.Retry(ctx, func() (driver.Conn, error) {
		conn, err := c.Connector.Connect(ctx)
		if err != nil && !isBusy(err) {
			err = backoff.Permanent(err)
		}
		return conn, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(c.busy))
}

// isBusy tells that another connection, of this process or another one, holds a lock that is needed.
func isBusy(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	const primary = 0xff
	code := e.Code() & primary
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
}
