package schedule

import (
	"context"

	"github.com/cenkalti/backoff/v5"
)

// finishAll writes results, those of a moment together.
func (s *Scheduler) finishAll(ctx context.Context) {
	defer s.work.Done()
	for {
		select {
		case <-s.ended:
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
		jobs, idle := s.fired, s.stopped && s.workers == 0
		s.fired = nil
		s.mu.Unlock()
		if len(jobs) == 0 {
			if idle {
				return
			}
			continue
		}
		_, err := backoff.Retry(ctx, func() (struct{}, error) {
			return struct{}{}, final(s.store.finish(ctx, jobs))
		}, s.patience("what came of entries that were fired could not be written")...)
		if err != nil {
			s.gaveUp(err)
			return
		}
		s.mu.Lock()
		for _, j := range jobs {
			s.forget(j)
		}
		if s.stopped {
			signal(s.ended)
		}
		s.mu.Unlock()
	}
}

// forget ends a job whose result is written or does not count. The caller holds mu.
func (s *Scheduler) forget(j *job) {
	delete(s.jobs, j.entry.Key)
	if s.touched != nil {
		s.touched[j.entry.Key] = struct{}{}
	}
	if j.changed {
		// What it was overwritten with may be due and was passed over.
		s.notice(wall(s.opts.Clock()))
	} else if !j.result.Due.IsZero() {
		s.notice(wall(j.result.Due))
	}
	if s.full && len(s.jobs) <= s.opts.Workers+s.opts.Batch/2 {
		s.full = false
		signal(s.wake)
	}
}
