package mysql

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
			log.Warn("expired entries could not be deleted; trying again later", "error", s.failure(life, err))
		}
	}
}

// sweep deletes all expired entries, unless another host, or Dapr, has done so within the interval.
func (s *store) sweep(life context.Context) error {
	// A time that is ahead is one of another clock.
	turn, err := s.run(life, "INSERT INTO `"+s.cfg.MetadataTable+"` (id, value) VALUES ('last-cleanup', CURRENT_TIMESTAMP) ON DUPLICATE KEY UPDATE"+
		" value = IF(value > CURRENT_TIMESTAMP OR CURRENT_TIMESTAMP >= DATE_ADD(value, INTERVAL ? MICROSECOND), CURRENT_TIMESTAMP, value)",
		s.cfg.CleanupInterval.Microseconds())
	if err != nil || turn == 0 {
		return err
	}
	for {
		n, err := s.run(life, `DELETE FROM `+s.text.table+` WHERE expiredate <= CURRENT_TIMESTAMP(3) ORDER BY expiredate LIMIT ?`, sweepRows)
		if err != nil || n < sweepRows {
			return err
		}
	}
}

func (s *store) run(life context.Context, text string, args ...any) (int64, error) {
	ctx, cancel := context.WithTimeout(life, s.cfg.Timeout)
	defer cancel()
	res, err := s.db.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
