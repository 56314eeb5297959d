package wasmplugin

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// How long an idle source is waited for in one call, how often one is asked while something of it is handled, and how
// long a source that fails is left alone.
const (
	idleWait  = 250 * time.Millisecond
	busyPause = 10 * time.Millisecond
	failPause = 250 * time.Millisecond
)

// Source is what a Pump takes items from and brings them to.
type Source[T any] struct {
	// Pull takes at most limit items, waiting at most wait for the first.
	Pull func(ctx context.Context, limit int, wait time.Duration) ([]T, error)
	// Handle takes one item and tells whether it is done with; it may be called concurrently.
	Handle func(ctx context.Context, item T) bool
	// Settle tells the source.
	Settle func(ctx context.Context, item T, done bool) error
	// End ends the source; nothing else is called afterwards.
	End func(ctx context.Context) error
	// InFlight is how many items are handled at a time.
	InFlight int
	Log      *slog.Logger
}

// Pump takes items from a plugin that is asked for them, in an instance of its own, and settles them there.
type Pump[T any] struct {
	src     Source[T]
	results chan result[T]
	stop    chan struct{}
	once    sync.Once
	ended   chan struct{}
	err     error // of End; read after ended

	ctx    context.Context //nolint:containedctx // it is the life of the handlers
	cancel context.CancelFunc
}

type result[T any] struct {
	item T
	done bool
}

// Start starts a pump.
func Start[T any](src Source[T]) *Pump[T] {
	p := &Pump[T]{src: src, results: make(chan result[T], src.InFlight), stop: make(chan struct{}), ended: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	go p.run()
	return p
}

// Stop takes nothing more, waits for what is handled until ctx ends, and ends the source. What is not handled by then
// goes back to it.
func (p *Pump[T]) Stop(ctx context.Context) error {
	p.once.Do(func() { close(p.stop) })
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		p.cancel()
		return ctx.Err()
	}
}

func (p *Pump[T]) run() {
	defer close(p.ended)
	defer p.cancel()
	running := 0
	for failed := false; ; {
		running -= p.settled()
		select {
		case <-p.stop:
			p.finish(running)
			return
		default:
		}
		if running == p.src.InFlight {
			running -= p.await(0)
			continue
		}
		wait := idleWait
		if running > 0 {
			wait = 0
		}
		items, err := p.src.Pull(context.WithoutCancel(p.ctx), p.src.InFlight-running, wait)
		switch {
		case err != nil:
			if !failed {
				p.src.Log.Warn("the plugin gives nothing; it is asked again", "error", err)
			}
			running -= p.await(failPause)
		case len(items) == 0 && running > 0:
			running -= p.await(busyPause)
		}
		failed = err != nil
		for _, item := range items {
			running++
			go func() { p.results <- result[T]{item, p.src.Handle(p.ctx, item)} }()
		}
	}
}

// settled settles what has been handled and gives its number.
func (p *Pump[T]) settled() int {
	n := 0
	for {
		select {
		case r := <-p.results:
			p.settle(r)
			n++
		default:
			return n
		}
	}
}

// await waits for something to be handled, for stop, or for the pause to be over, and gives what was handled.
func (p *Pump[T]) await(pause time.Duration) int {
	var over <-chan time.Time
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case r := <-p.results:
		p.settle(r)
		return 1
	case <-over:
	case <-p.stop:
	}
	return 0
}

func (p *Pump[T]) settle(r result[T]) {
	// What ends after Stop has given up is not ours any more.
	if err := p.src.Settle(context.WithoutCancel(p.ctx), r.item, r.done && p.ctx.Err() == nil); err != nil {
		p.src.Log.Warn("what was handled could not be settled; it may come again", "error", err)
	}
}

// finish waits for what is handled and ends the source.
func (p *Pump[T]) finish(running int) {
	for ; running > 0; running-- {
		p.settle(<-p.results)
	}
	p.err = p.src.End(context.WithoutCancel(p.ctx))
}
