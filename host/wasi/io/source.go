package io

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// Source is something that becomes ready.
type Source interface {
	// Ready tells whether it is ready. It never blocks.
	Ready(ctx context.Context) bool
	// Watch has wake called, from any goroutine, when the source may have become ready after Watch began; more calls
	// than needed do no harm. stop ends it.
	Watch(ctx context.Context, wake func()) (stop func())
}

// Timer is a Source that becomes ready as time passes. Where time is simulated, waiting for it takes none.
type Timer interface {
	Source
	// Remaining is how long it takes until the source is ready.
	Remaining(ctx context.Context) time.Duration
	// Skip lets d pass at once if time is simulated, else it does nothing and gives false.
	Skip(ctx context.Context, d time.Duration) bool
}

// Wait blocks until one of the sources is ready. When ctx ends it panics with an *abi.Trap of kind TrapTimeout.
func Wait(ctx context.Context, sources ...Source) {
	for {
		if anyReady(ctx, sources) {
			return
		}
		if ctx.Err() != nil {
			Ended(ctx)
		}
		if !skip(ctx, sources) {
			sleep(ctx, sources)
		}
	}
}

// Ended panics with the *abi.Trap of a call that blocked when its context ended.
func Ended(ctx context.Context) {
	cause := context.Cause(ctx)
	panic(&abi.Trap{Kind: abi.TrapTimeout, Reason: fmt.Sprintf("the call ended while the guest waited: %v", cause), Cause: cause})
}

func anyReady(ctx context.Context, sources []Source) bool {
	for _, s := range sources {
		if s.Ready(ctx) {
			return true
		}
	}
	return false
}

// sleep blocks until one of the sources may have become ready or ctx ended.
func sleep(ctx context.Context, sources []Source) {
	if len(sources) == 1 {
		if c, ok := sources[0].(channel); ok {
			select {
			case <-c():
			case <-ctx.Done():
			}
			return
		}
	}
	woken := make(chan struct{}, 1)
	wake := func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	}
	stops := make([]func(), len(sources))
	for i, s := range sources {
		stops[i] = s.Watch(ctx, wake)
	}
	// What became ready before its Watch is not told.
	if !anyReady(ctx, sources) {
		select {
		case <-woken:
		case <-ctx.Done():
		}
	}
	for _, stop := range stops {
		stop()
	}
}

// skip lets time pass up to the first timer if time is simulated.
func skip(ctx context.Context, sources []Source) bool {
	var first Timer
	var least time.Duration
	for _, s := range sources {
		t, ok := s.(Timer)
		if !ok {
			continue
		}
		if d := t.Remaining(ctx); first == nil || d < least {
			first, least = t, d
		}
	}
	return first != nil && first.Skip(ctx, least)
}

// channel is a Source of channels.
type channel func() <-chan struct{}

// Channel makes a Source that is ready when the channel that ready gives is closed. It is asked anew each time, so
// readiness may go away again. Nothing may be sent on the channel. A nil channel is never ready.
func Channel(ready func() <-chan struct{}) Source { return channel(ready) }

// Ready implements Source.
func (c channel) Ready(context.Context) bool {
	select {
	case <-c():
		return true
	default:
		return false
	}
}

// Watch implements Source; it has a goroutine until stop.
func (c channel) Watch(_ context.Context, wake func()) func() {
	stop := make(chan struct{})
	ready := c()
	go func() {
		select {
		case <-ready:
			wake()
		case <-stop:
		}
	}()
	return func() { close(stop) }
}

// Always is a Source that is ready.
func Always() Source { return always{} }

type always struct{}

func (always) Ready(context.Context) bool                  { return true }
func (always) Watch(_ context.Context, wake func()) func() { wake(); return func() {} }

// Notifier is the list of those who watch a Source. The zero value is ready for use; it is safe for concurrent use.
type Notifier struct {
	mu       sync.Mutex
	watchers map[*func()]struct{}
}

// Watch adds wake until stop is called.
func (n *Notifier) Watch(wake func()) (stop func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.watchers == nil {
		n.watchers = map[*func()]struct{}{}
	}
	key := &wake
	n.watchers[key] = struct{}{}
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.watchers, key)
	}
}

// Notify wakes all who watch.
func (n *Notifier) Notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for wake := range n.watchers {
		(*wake)()
	}
}
