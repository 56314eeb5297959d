package plugin

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// errTimeout is why a call that took too long was ended.
var errTimeout = errors.New("the plugin's timeout is over")

// place lets one call run at a time, and bounds how long. It is used for one call after the other, and a call costs it two
// atomic operations: a context with a deadline for each, or a timer that is set for each, would cost more than that.
type place struct {
	limit  time.Duration
	epoch  time.Time
	ctx    context.Context //nolint:containedctx // it is what the place is for
	cancel context.CancelCauseFunc
	// began is when the call began that runs, in nanoseconds from epoch on; 0 if none runs, and ended once it ran too long.
	began atomic.Int64
	// watched tells that watch is going to look at the call, or at a later one.
	watched atomic.Bool
}

// ended stands in began for a call that took too long.
const ended = -1

func newPlace(limit time.Duration) *place {
	p := &place{limit: limit, epoch: time.Now().Add(-time.Second)}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	return p
}

// begin starts a call: its context has the values of ctx, but not its end.
func (p *place) begin(ctx context.Context) context.Context {
	p.began.Store(int64(time.Since(p.epoch)))
	if !p.watched.Load() && p.watched.CompareAndSwap(false, true) {
		time.AfterFunc(p.limit, p.watch)
	}
	return &bounded{Context: ctx, place: p}
}

// watch ends the call that runs if it has run too long, and else looks again when it will have.
func (p *place) watch() {
	began := p.began.Load()
	if began <= 0 {
		p.watched.Store(false)
		if p.began.Load() > 0 && p.watched.CompareAndSwap(false, true) { // one has begun meanwhile
			time.AfterFunc(p.limit, p.watch)
		}
		return
	}
	left := p.limit - (time.Since(p.epoch) - time.Duration(began))
	switch {
	case left > 0:
		time.AfterFunc(left, p.watch)
	case p.began.CompareAndSwap(began, ended): // and not a later call
		p.cancel(errTimeout)
	default:
		time.AfterFunc(p.limit, p.watch)
	}
}

// end ends a call and gives the place of the next one.
func (p *place) end() *place {
	for began := p.began.Load(); began != ended; began = p.began.Load() {
		if p.began.CompareAndSwap(began, 0) {
			return p
		}
	}
	p.cancel(nil) // its time was over
	return newPlace(p.limit)
}

// over tells that the call's time was over.
func (p *place) over() bool { return errors.Is(context.Cause(p.ctx), errTimeout) }

// bounded is the context of a call.
type bounded struct {
	context.Context //nolint:containedctx // it is a context
	place           *place
}

// Deadline is none: the caller's is not the plugin's.
func (b *bounded) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done is closed when the plugin's timeout is over.
func (b *bounded) Done() <-chan struct{} { return b.place.ctx.Done() }

// Err says that it is.
func (b *bounded) Err() error { return b.place.ctx.Err() }

// Value gives what the context package keeps in the place's context, and else the caller's values.
func (b *bounded) Value(key any) any {
	if v := b.place.ctx.Value(key); v != nil {
		return v
	}
	return b.Context.Value(key)
}
