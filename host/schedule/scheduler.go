package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	defaultWorkers = 256
	defaultBatch   = 1024
	// recheck bounds how long a change of the wall clock goes unnoticed.
	recheck = time.Minute

	firstWait, longestWait = 50 * time.Millisecond, 10 * time.Second
)

// Result is what comes of an entry that was fired. The zero Result is that it is done: it is deleted.
type Result struct {
	// Due is when it is due again; zero is never.
	Due time.Time
	// Data takes the place of the entry's data.
	Data []byte
}

// Options of a [Scheduler]; the zero value has the defaults.
type Options struct {
	// Workers bounds how many entries are fired at the same time; 256 by default.
	Workers int
	// Batch is how many due entries are read ahead of those that are being fired; 1024 by default.
	Batch int
	// Log takes what goes wrong with the store; [slog.Default] by default.
	Log *slog.Logger
	// Clock gives the wall time; [time.Now] by default. For tests.
	Clock func() time.Time
}

// Scheduler fires the entries of a store when they are due, at least once: an entry that was fired when the process
// ended, and whose result was not written yet, is fired again. It is being fired once at a time. If it is overwritten
// or deleted meanwhile, that counts and the result is dropped. Entries are taken by their due time, and fired at the
// same time up to a bound; their order is not kept further than that.
//
// A store that fails is tried again, with growing waits, until it works or the scheduler is stopped.
type Scheduler struct {
	store *Store
	fire  func(ctx context.Context, e Entry) Result
	opts  Options

	begin func()             // starts the taker and the finisher
	halt  context.CancelFunc // ends reading due entries
	hurry context.CancelFunc // ends fires and writing results
	wake  chan struct{}      // to the taker: look again
	ended chan struct{}      // to the finisher: a fire ended
	work  sync.WaitGroup

	mu sync.Mutex
	// jobs are the entries that were taken, until their result is written.
	jobs    map[string]*job
	ready   []*job // of jobs, those that wait for a worker, in order of due time
	fired   []*job // of jobs, those whose result is to be written
	workers int
	// full says that the taker waits for room.
	full    bool
	stopped bool
	// until is to when the taker sleeps; zero if it is not.
	until time.Time
	// While the taker reads, touched are the keys that were written, since it may see what was before, and earliest
	// the earliest due time among them.
	touched  map[string]struct{}
	earliest time.Time
}

// job is an entry that was taken.
type job struct {
	entry   Entry
	version int64
	result  Result
	started bool
	// changed says that the entry was overwritten or deleted since.
	changed bool
}

// New makes a scheduler; there is at most one for a store. The caller starts and stops it. What fire returns is
// written; its context ends when Stop gives up waiting for it.
func New(store *Store, fire func(ctx context.Context, e Entry) Result, opts Options) *Scheduler {
	if opts.Workers <= 0 {
		opts.Workers = defaultWorkers
	}
	if opts.Batch <= 0 {
		opts.Batch = defaultBatch
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	s := &Scheduler{
		store: store, fire: fire, opts: opts,
		wake: make(chan struct{}, 1), ended: make(chan struct{}, 1),
		jobs: map[string]*job{},
	}
	taking, halt := context.WithCancel(context.Background())
	firing, hurry := context.WithCancel(context.Background())
	s.halt, s.hurry = halt, hurry
	s.begin = func() {
		go s.takeAll(taking, firing)
		go s.finishAll(firing)
	}
	return s
}

// Start begins to fire; it is called once.
func (s *Scheduler) Start() {
	s.store.mu.Lock()
	s.store.watch = s.noticed
	s.store.mu.Unlock()
	s.work.Add(2)
	s.begin()
}

// Stop takes no more entries and waits for those that are being fired, and for their results to be written. When ctx
// ends before, the contexts of the fires end too and the error says how many there are; they will be fired again.
// Entries that no worker had begun stay in the store as they are.
func (s *Scheduler) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	for _, j := range s.ready {
		delete(s.jobs, j.entry.Key)
	}
	s.ready = nil
	s.mu.Unlock()
	s.halt()
	signal(s.ended)
	done := make(chan struct{})
	go func() {
		s.work.Wait()
		close(done)
	}()
	defer s.hurry()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Errorf("%d entries were still being fired when the scheduler was stopped; they will be fired again: %w", len(s.jobs), ctx.Err())
	}
}

// takeAll takes what is due and sleeps until more is; firing is the context of fires.
func (s *Scheduler) takeAll(ctx, firing context.Context) {
	defer s.work.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, err := backoff.Retry(ctx, func() (time.Duration, error) {
			return s.take(ctx, firing)
		}, s.patience("due entries could not be read")...)
		if err != nil {
			s.gaveUp(err)
			return
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-s.wake:
		case <-ctx.Done():
			return
		}
	}
}

// patience is how a failing store is tried again.
func (s *Scheduler) patience(what string) []backoff.RetryOption {
	growing := backoff.NewExponentialBackOff()
	growing.InitialInterval, growing.MaxInterval = firstWait, longestWait
	return []backoff.RetryOption{
		backoff.WithBackOff(growing), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, wait time.Duration) {
			s.opts.Log.Warn(what+"; trying again", "error", err, "in", wait.Round(time.Millisecond))
		}),
	}
}

func (s *Scheduler) gaveUp(err error) {
	if errors.Is(err, ErrClosed) {
		s.opts.Log.Error("the scheduler ends: its store was closed before it was stopped", "error", err)
	}
}

// take takes entries that are due, as many as there is room for, and says how long to sleep.
func (s *Scheduler) take(ctx, firing context.Context) (time.Duration, error) {
	s.mu.Lock()
	room := s.opts.Workers + s.opts.Batch - len(s.jobs)
	// Not for a handful: each read also sees the entries that were taken and are not finished.
	if s.full = room < (s.opts.Batch+1)/2; s.full {
		s.until = time.Time{}
		s.mu.Unlock()
		return recheck, nil
	}
	limit := room + len(s.jobs)
	s.touched, s.earliest, s.until = map[string]struct{}{}, time.Time{}, time.Time{}
	s.mu.Unlock()

	now := wall(s.opts.Clock())
	due, err := s.store.due(ctx, now, limit)
	var next time.Time
	if err == nil && len(due) < limit {
		next, err = s.store.next(ctx, now)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	touched := s.touched
	s.touched = nil
	if err != nil {
		return 0, final(err)
	}
	if s.stopped {
		return recheck, nil
	}
	s.accept(firing, due, touched)
	if len(due) == limit {
		return 0, nil
	}
	next = sooner(next, s.earliest)
	s.until = now.Add(recheck)
	if !next.IsZero() && next.Before(s.until) {
		s.until = next
	}
	return max(0, s.until.Sub(wall(s.opts.Clock()))), nil
}

// accept makes jobs of entries that are not jobs yet and were not written since they were read; those are read again.
// The caller holds mu.
func (s *Scheduler) accept(firing context.Context, due []*job, touched map[string]struct{}) {
	for _, j := range due {
		if _, ok := touched[j.entry.Key]; ok {
			s.earliest = sooner(s.earliest, j.entry.Due)
			continue
		}
		if _, ok := s.jobs[j.entry.Key]; ok {
			continue
		}
		s.jobs[j.entry.Key] = j
		s.ready = append(s.ready, j)
	}
	for n := min(len(s.ready), s.opts.Workers) - s.workers; n > 0; n-- {
		s.workers++
		s.work.Add(1)
		go s.run(firing)
	}
}

// run is a worker: it fires what is ready and ends when nothing is.
func (s *Scheduler) run(ctx context.Context) {
	defer s.work.Done()
	for {
		j := s.pick()
		if j == nil {
			return
		}
		j.result = s.fire(ctx, j.entry)
		if ctx.Err() != nil {
			return // it may have given up for that, and is to be fired again
		}
		s.mu.Lock()
		s.fired = append(s.fired, j)
		s.mu.Unlock()
		signal(s.ended)
	}
}

// pick gives the next job, or nil when the worker is to end.
func (s *Scheduler) pick() *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ready) > 0 {
		j := s.ready[0]
		s.ready[0] = nil
		s.ready = s.ready[1:]
		if !j.changed {
			j.started = true
			return j
		}
		s.forget(j)
	}
	s.workers--
	if s.stopped {
		signal(s.ended)
	}
	return nil
}

// noticed is told by the store what was written.
func (s *Scheduler) noticed(changes []change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		if j := s.jobs[c.key]; j != nil && c.version != j.version {
			j.changed = true
		}
		if s.touched != nil {
			s.touched[c.key] = struct{}{}
		}
		if !c.due.IsZero() {
			s.notice(wall(c.due))
		}
	}
}

// notice sees to it that the taker looks again when something is due. The caller holds mu.
func (s *Scheduler) notice(due time.Time) {
	switch {
	case s.touched != nil:
		s.earliest = sooner(s.earliest, due)
	case due.Before(s.until):
		s.until = due
		signal(s.wake)
	}
}

// final marks errors that do not go away.
func final(err error) error {
	if errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled) {
		return backoff.Permanent(err)
	}
	return err
}

// sooner gives the earlier of two times, of which zero is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
