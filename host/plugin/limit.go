package plugin

import (
	"context"
	"errors"
	"time"
)

// errTimeout is why a call that took too long was ended.
var errTimeout = errors.New("the plugin's timeout is over")

// place lets one call run, and bounds how long. It is used for one call after the other, which costs less than a context
// with a deadline for each.
type place struct {
	limit  time.Duration
	timer  *time.Timer
	ctx    context.Context //nolint:containedctx // it is what the place is for
	cancel context.CancelCauseFunc
}

func newPlace(limit time.Duration) *place {
	p := &place{limit: limit}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	p.timer = time.AfterFunc(limit, func() { p.cancel(errTimeout) })
	p.timer.Stop()
	return p
}

// begin starts a call: its context has the values of ctx, but not its end.
func (p *place) begin(ctx context.Context) context.Context {
	p.timer.Reset(p.limit)
	return &bounded{Context: ctx, place: p}
}

// end ends a call and gives the place of the next one.
func (p *place) end() *place {
	if p.timer.Stop() {
		return p
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
