package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// deadlines end the calls of a pool that take longer than the app's timeout. One timer serves them all: all calls have
// the same time, so that they are due in the order in which they began, and most have ended long before. A timer of its
// own would be a good part of what a short call costs.
type deadlines struct {
	timeout time.Duration

	mu sync.Mutex
	// first and last are the calls that run, in the order in which they are due.
	first, last *timedContext
	timer       *time.Timer
	// armed tells that the timer will fire, though maybe before anything is due.
	armed bool
}

// timedContext is the context of a call that ends at its deadline: what context.WithDeadlineCause gives, which is made
// only when somebody asks for the channel, or when the context ends before the call does.
type timedContext struct {
	context.Context //nolint:containedctx // it is a context; this one is the caller's
	due             time.Time
	// over tells that the call has ended without any made.
	over atomic.Bool
	made atomic.Pointer[madeContext]
	// making guards the change of made, and of over.
	making sync.Mutex

	// Guarded by the mutex of deadlines.
	next, prev *timedContext
	running    bool
}

// madeContext is the standard library's context of a call.
type madeContext struct {
	context.Context //nolint:containedctx // it is a context
	cancel          context.CancelFunc
}

var _ context.Context = (*timedContext)(nil)

// begin makes c the context of a call that begins now, and gives it.
func (d *deadlines) begin(ctx context.Context, c *timedContext) context.Context {
	c.Context = ctx
	d.mu.Lock()
	defer d.mu.Unlock()
	c.due = time.Now().Add(d.timeout)
	c.prev, c.running = d.last, true
	if d.last != nil {
		d.last.next = c
	} else {
		d.first = c
	}
	d.last = c
	switch {
	case d.armed:
	case d.timer == nil:
		d.timer = time.AfterFunc(d.timeout, d.fire)
	default:
		d.timer.Reset(d.timeout)
	}
	d.armed = true
	return c
}

// end ends the call's context, as the cancel function of a context does.
func (d *deadlines) end(c *timedContext) {
	d.mu.Lock()
	d.removeLocked(c)
	d.mu.Unlock()
	c.end()
}

func (d *deadlines) removeLocked(c *timedContext) {
	if !c.running {
		return
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		d.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		d.last = c.prev
	}
	c.next, c.prev, c.running = nil, nil, false
}

// fire ends the contexts of the calls that are due.
func (d *deadlines) fire() {
	d.mu.Lock()
	var due []*timedContext
	now := time.Now()
	for c := d.first; c != nil && !now.Before(c.due); c = d.first {
		d.removeLocked(c)
		due = append(due, c)
	}
	if d.armed = d.first != nil; d.armed {
		d.timer.Reset(d.first.due.Sub(now))
	}
	d.mu.Unlock()
	for _, c := range due {
		c.make() // it ends at once
	}
}

// stop gives up the timer once no call runs any more.
func (d *deadlines) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
}

// make gives the standard library's context.
func (c *timedContext) make() *madeContext {
	c.making.Lock()
	defer c.making.Unlock()
	if m := c.made.Load(); m != nil {
		return m
	}
	m := &madeContext{}
	if c.over.Load() {
		m.Context, m.cancel = context.WithCancel(context.WithoutCancel(c.Context))
		m.cancel()
	} else {
		m.Context, m.cancel = context.WithDeadlineCause(c.Context, c.due, errTimeout)
	}
	c.made.Store(m)
	return m
}

// end ends the context with the call, unless it has ended before.
func (c *timedContext) end() {
	c.making.Lock()
	over := c.made.Load() == nil && c.Context.Err() == nil
	c.over.Store(over)
	c.making.Unlock()
	if !over {
		c.make().cancel()
	}
}

// Deadline gives the end of the call's time, or the caller's if that is before.
func (c *timedContext) Deadline() (time.Time, bool) {
	if at, ok := c.Context.Deadline(); ok && at.Before(c.due) {
		return at, true
	}
	return c.due, true
}

// Done gives the channel that is closed when the context ends.
func (c *timedContext) Done() <-chan struct{} { return c.make().Done() }

// Err tells whether and why the context has ended.
func (c *timedContext) Err() error {
	if m := c.made.Load(); m != nil {
		return m.Err()
	}
	if c.over.Load() {
		return context.Canceled
	}
	return c.Context.Err()
}

// Value asks the context that was made, for what the standard library knows of it.
func (c *timedContext) Value(key any) any {
	if m := c.made.Load(); m != nil {
		return m.Value(key)
	}
	return c.Context.Value(key)
}
