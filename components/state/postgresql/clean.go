package postgresql

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// sweepRows is how many expired entries are deleted at a time, so that no statement takes long.
const sweepRows = 1000

// clean deletes expired entries until life ends.
func (s *store) clean(life context.Context, every time.Duration, log *slog.Logger) {
	defer close(s.cleaned)
	if every <= 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-life.Done():
			return
		case <-tick.C:
		}
		if err := s.sweep(life, every); err != nil && life.Err() == nil {
			log.Warn("expired entries could not be deleted; trying again later", "error", err)
		}
	}
}

// sweep deletes what has expired, unless another host or daprd did so within the interval: the time stands in the
// metadata table, as Dapr has it.
func (s *store) sweep(ctx context.Context, every time.Duration) error {
	const slack = 100 * time.Millisecond // of a ticker
	turn := `INSERT INTO ` + s.layout.meta.SQL() + ` AS m (key, value) VALUES ($1, now()::text)
		ON CONFLICT (key) DO UPDATE SET value = now()::text
		WHERE m.value::timestamptz < now() - make_interval(secs => $2::float8)`
	n, err := s.exec(ctx, turn, s.layout.cleanupKey, max(0, every-slack).Seconds())
	if err != nil || n == 0 {
		return err
	}
	for {
		n, err := s.exec(ctx, s.layout.sweep, sweepRows)
		if err != nil || n < sweepRows {
			return err
		}
	}
}

// exec runs a statement and gives how many rows it changed.
func (s *store) exec(ctx context.Context, sql string, args ...any) (n int64, err error) {
	err = s.db.Do(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		tag, err := pool.Exec(ctx, sql, args...)
		n = tag.RowsAffected()
		return err
	})
	return n, err
}
