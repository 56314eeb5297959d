package binding

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Work is the events that a Reader hands to its handler, for drivers whose client library does not keep count of
// them. Make it with NewWork.
type Work struct {
	ctx      context.Context //nolint:containedctx // of all handlers; ends when Stop waits no longer
	cancel   context.CancelFunc
	stopping chan struct{}

	mu      sync.Mutex
	stopped bool
	running int
	idle    chan struct{} // closed when stopped and nothing runs
}

// NewWork makes a Work that takes events until Stop.
func NewWork() *Work {
	ctx, cancel := context.WithCancel(context.Background())
	return &Work{ctx: ctx, cancel: cancel, stopping: make(chan struct{}), idle: make(chan struct{})}
}

// Stopping is closed when Stop is called.
func (w *Work) Stopping() <-chan struct{} { return w.stopping }

// Do runs fn, whose ctx ends when Stop waits no longer. It is false, and fn is not run, after Stop was called.
func (w *Work) Do(fn func(ctx context.Context)) bool {
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		return false
	}
	w.running++
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.running--; w.stopped && w.running == 0 {
			close(w.idle)
		}
	}()
	fn(w.ctx)
	return true
}

// Go is Do on a goroutine of its own: what is begun before Stop is waited for.
func (w *Work) Go(fn func(ctx context.Context)) bool {
	began := make(chan struct{})
	result := make(chan bool, 1)
	go func() {
		result <- w.Do(func(ctx context.Context) {
			close(began)
			fn(ctx)
		})
	}()
	select {
	case <-began:
		return true
	case ok := <-result:
		return ok
	}
}

// Stop takes no new events and waits for those that run; when ctx ends their context ends too, and Stop still waits
// until they have returned. It may be called more than once.
func (w *Work) Stop(ctx context.Context) error {
	w.mu.Lock()
	if !w.stopped {
		w.stopped = true
		close(w.stopping)
		if w.running == 0 {
			close(w.idle)
		}
	}
	w.mu.Unlock()
	defer w.cancel()
	select {
	case <-w.idle:
		return nil
	case <-ctx.Done():
		w.cancel()
		<-w.idle
		return ctx.Err()
	}
}

// How long an event waits for a place in the app's queue before it is tried again.
const (
	minWait = 10 * time.Millisecond
	maxWait = time.Second
)

// Admitted hands an event to h, again and again while the app is overloaded: for sources that cannot deliver again.
func Admitted(ctx context.Context, h Handler, ev *Event) ([]byte, error) {
	for {
		answer, err := h(ctx, ev)
		full, ok := errors.AsType[*OverloadedError](err)
		if !ok || !sleep(ctx, min(max(full.After, minWait), maxWait)) {
			return answer, err
		}
	}
}

// sleep is false when ctx ended before the pause.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
