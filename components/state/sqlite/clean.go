package sqlite

import (
	"context"
	"log/slog"
	"time"
)

// sweepRows is how many expired entries are deleted at a time, so that writers do not wait long.
const sweepRows = 1000

// clean deletes expired entries until life ends.
func (s *store) clean(life context.Context, log *slog.Logger) {
	defer close(s.cleaned)
	if s.cfg.CleanupInterval <= 0 {
		return
	}
	tick := time.NewTicker(s.cfg.CleanupInterval)
	defer tick.Stop()
	for {
		select {
		case <-life.Done():
			return
		case <-tick.C:
		}
		if err := s.sweep(life); err != nil && life.Err() == nil && log != nil {
			log.Warn("expired entries could not be deleted; trying again later", "error", err)
		}
	}
}

func (s *store) sweep(life context.Context) error {
	now := timestamp(time.Now())
	for {
		n, err := s.sweepSome(life, now)
		if err != nil || n < sweepRows {
			return err
		}
	}
}

func (s *store) sweepSome(life context.Context, now string) (int64, error) {
	release, err := s.db.writer.acquire(life)
	if err != nil {
		return 0, err
	}
	defer release()
	res, err := s.db.write.sweep.ExecContext(life, now, sweepRows)
	if err != nil {
		return 0, failure(err)
	}
	return res.RowsAffected()
}
