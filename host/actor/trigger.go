package actor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/schedule"
	"github.com/mrt-wasm/mrt-wasm/host/trigger"
)

// How often idle actors are looked for: a quarter of the shortest idle timeout, within these.
const (
	shortestSweep = 10 * time.Millisecond
	longestSweep  = 5 * time.Second
)

// drainPoll is how often a drain looks whether the running turns have ended.
const drainPoll = 5 * time.Millisecond

// reminderWorkers bounds the reminders whose turns run or are waited for at a time.
const reminderWorkers = 512

// Triggers gives the one trigger of the block: reminders and the sweeper of idle actors. Without types there is none.
func (b *Block) Triggers(context.Context) ([]trigger.Trigger, error) {
	if len(b.types) == 0 {
		return nil, nil
	}
	return []trigger.Trigger{&runner{b: b}}, nil
}

// runner is what actors do by themselves.
type runner struct {
	b         *Block
	scheduler *schedule.Scheduler
	stop      context.CancelFunc
	sweeping  sync.WaitGroup
}

// Name is "actors".
func (*runner) Name() string { return "actors" }

// StopLast tells that requests which are still running may call actors.
func (*runner) StopLast() {}

// Start begins to fire reminders and to look for idle actors.
func (r *runner) Start(ctx context.Context) error {
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.sweeping.Go(func() { r.sweepAll(ctx) })
	if r.b.cfg.Reminders != nil {
		r.scheduler = schedule.New(r.b.cfg.Reminders, r.b.fireReminder, schedule.Options{Workers: reminderWorkers, Log: r.b.log}) //nolint:contextcheck // it outlives the start
		r.scheduler.Start()
	}
	return nil
}

func (r *runner) sweepAll(ctx context.Context) {
	every := longestSweep
	for _, typ := range r.b.types {
		every = min(every, typ.IdleTimeout/4)
	}
	ticker := time.NewTicker(max(every, shortestSweep))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.b.sweep(ctx)
		}
	}
}

// Stop takes no new calls, waits for the turns that run up to the types' DrainTimeout, and puts all actors away, until
// ctx ends. The error names actors that were left.
func (r *runner) Stop(ctx context.Context) error {
	r.b.close()
	if r.stop != nil {
		r.stop()
	}
	var errs []error
	var wg sync.WaitGroup
	if r.scheduler != nil {
		wg.Go(func() { errs = append(errs, r.scheduler.Stop(ctx)) })
	}
	drained := r.b.drain(ctx)
	wg.Wait()
	r.sweeping.Wait()
	return errors.Join(append(errs, drained)...)
}

// close takes no new calls from outside of turns; those that wait are refused.
func (b *Block) close() {
	b.closing.Store(true)
	for _, typ := range b.types {
		typ.each(func(a *actor) { a.refuse(errStopping(a.id)) })
	}
}

// drain waits for the turns that run and puts all actors away. Each turn that ends puts its own actor away.
func (b *Block) drain(ctx context.Context) error {
	began := time.Now()
	for {
		left, waited := b.putRestAway(ctx, time.Since(began))
		if len(left) == 0 {
			return nil
		}
		if !waited || ctx.Err() != nil {
			return leftBehind(left)
		}
		pause := time.NewTimer(drainPoll)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// putRestAway puts away what is idle, and gives what is left and whether any of that is still to be waited for.
func (b *Block) putRestAway(ctx context.Context, since time.Duration) (left []*actor, wait bool) {
	var all []*actor
	for _, typ := range b.types {
		typ.each(func(a *actor) {
			a.refuse(errStopping(a.id)) // it may have come while the host began to stop
			all = append(all, a)
		})
	}
	b.putIdleAway(ctx, all)
	for _, a := range all {
		if a.isGone() {
			continue
		}
		left = append(left, a)
		wait = wait || since < a.typ.DrainTimeout
	}
	return left, wait
}

func (a *actor) isGone() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.gone
}

func leftBehind(left []*actor) error {
	var names []string
	for _, a := range left[:min(5, len(left))] {
		names = append(names, a.id.String())
	}
	if len(left) > len(names) {
		names = append(names, "...")
	}
	return fmt.Errorf("actors: %d were still in a turn or active when the time to stop was up, and were not put away: %s; their state is that of their last turn", len(left), strings.Join(names, ", "))
}

// putAllAway is for a block whose trigger was never started.
func (b *Block) putAllAway(ctx context.Context) error {
	b.close()
	err := b.drain(ctx)
	return errors.Join(err, b.timers.Stop(ctx))
}
