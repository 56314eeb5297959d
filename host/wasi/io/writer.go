package io

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// OutputOptions are those of an Output that writes to a blocking io.Writer.
type OutputOptions struct {
	// Flush passes on what the writer holds back; nil for none.
	Flush func() error
	// Interrupt unblocks a Write or Flush in flight, for good; nil if that cannot be done. Safe for concurrent use.
	Interrupt func()
	// Bounded tells that a Write or Flush ends by itself, or as if by Interrupt, when the context of the guest's call does.
	Bounded bool
	// Close is called once, after Drop, when all is written or failed and no Write runs any more; nil for none.
	Close func()
	// Buffer is how much may be taken and not yet written, in bytes; 0 for 64 KiB.
	Buffer int
}

// NewOutput makes an output stream to w, whose Write may block. One goroutine at a time writes: the guest's in a blocking
// write if it can be interrupted and nothing is pending, else one that is started on demand and ends when all is written.
func NewOutput(w io.Writer, o OutputOptions) *Output {
	if o.Buffer <= 0 {
		o.Buffer = defaultBuffer
	}
	both := &struct {
		out Output
		to  behind
	}{to: behind{w: w, o: o}}
	both.out.w = &both.to
	return &both.out
}

// Finish ends the stream of NewOutput: it takes no more, and Finish returns when all is written and no goroutine uses the
// writer any more. When ctx ends it interrupts the writer, still waits for the goroutine, and gives ctx's error. It
// gives the writer's error otherwise.
func (o *Output) Finish(ctx context.Context) error {
	if b, ok := o.w.(*behind); ok {
		return b.finish(ctx)
	}
	return nil
}

// Fail ends the stream of NewOutput from outside: what is pending is dropped and the next operation fails with err, or
// closed if err is nil. Safe for concurrent use.
func (o *Output) Fail(err error) {
	if b, ok := o.w.(*behind); ok {
		if err == nil {
			err = io.EOF
		}
		b.fail(err)
	}
}

// behind writes what it took in a goroutine.
type behind struct {
	w io.Writer
	o OutputOptions
	Notifier

	mu sync.Mutex
	// buf is what was taken and is not being written, writing how much is.
	buf     []byte
	writing int
	// err is the end of the stream: no more is taken or written.
	err error
	// flushing tells that the guest asked for a flush that is not done, ended that no more is taken.
	flushing, ended bool
	// busy tells that a Write or Flush runs.
	busy, dropped bool
}

// Ready implements Source.
func (b *behind) Ready(context.Context) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err != nil || b.ended || b.roomLocked() > 0
}

// Watch implements Source.
func (b *behind) Watch(_ context.Context, wake func()) func() { return b.Notifier.Watch(wake) }

func (b *behind) roomLocked() int {
	if b.flushing {
		return 0
	}
	return max(0, b.o.Buffer-len(b.buf)-b.writing)
}

func (b *behind) room(context.Context) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.endLocked(); err != nil {
		return 0, err
	}
	return uint64(b.roomLocked()), nil
}

// endLocked gives the error if the stream takes no more.
func (b *behind) endLocked() error {
	if b.err == nil && b.ended {
		return io.EOF
	}
	return b.err
}

func (b *behind) write(_ context.Context, p []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.endLocked(); err != nil {
		return err
	}
	b.buf = append(b.buf, p...)
	b.startLocked()
	return nil
}

func (b *behind) flush(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.endLocked(); err != nil {
		return err
	}
	if b.o.Flush != nil || b.busy || len(b.buf) > 0 {
		b.flushing = true
		b.startLocked()
	}
	return nil
}

func (b *behind) writeThrough(ctx context.Context, p []byte) error {
	if ok, err := b.direct(ctx, p); ok {
		return err
	}
	for len(p) > 0 {
		n, err := b.waitRoom(ctx)
		if err != nil {
			return err
		}
		n = min(n, uint64(len(p)))
		if err := b.write(ctx, p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	if err := b.flush(ctx); err != nil {
		return err
	}
	_, err := b.waitRoom(ctx)
	return err
}

func (b *behind) waitRoom(ctx context.Context) (uint64, error) {
	for {
		if n, err := b.room(ctx); n > 0 || err != nil {
			return n, err
		}
		Wait(ctx, b)
	}
}

// direct writes and flushes in the guest's goroutine. It is false if that cannot be done or something is pending.
func (b *behind) direct(ctx context.Context, p []byte) (bool, error) {
	b.mu.Lock()
	if b.busy || len(b.buf) > 0 || b.err != nil || b.ended || b.o.Interrupt == nil {
		b.mu.Unlock()
		return false, nil
	}
	b.busy = true
	b.mu.Unlock()
	var stop func() bool
	if !b.o.Bounded {
		stop = context.AfterFunc(ctx, b.o.Interrupt)
	}
	err := b.put(p, true)
	if stop != nil {
		stop()
	}
	b.mu.Lock()
	b.doneLocked(err)
	b.busy = false
	b.mu.Unlock()
	b.Notify()
	if ctx.Err() != nil {
		Ended(ctx)
	}
	return true, err
}

// put writes p and flushes; a panic of the writer becomes an error.
func (b *behind) put(p []byte, flush bool) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the stream's writer panicked: %v", v)
		}
	}()
	if len(p) > 0 {
		n, err := b.w.Write(p)
		if err != nil {
			return err
		}
		if n < len(p) {
			return io.ErrShortWrite
		}
	}
	if flush && b.o.Flush != nil {
		return b.o.Flush()
	}
	return nil
}

// doneLocked notes how a Write ended.
func (b *behind) doneLocked(err error) {
	if b.err == nil {
		b.err = err
	}
	if b.err != nil {
		b.buf, b.flushing = nil, false
	}
}

// startLocked starts the goroutine that writes, if none does.
func (b *behind) startLocked() {
	if b.busy {
		return
	}
	b.busy = true
	go b.drain()
}

// drain writes until nothing is left to do.
func (b *behind) drain() {
	for b.step() {
		b.Notify()
	}
	b.Notify()
}

// step writes what is pending; it is false if that was nothing, and then the goroutine is over.
func (b *behind) step() bool {
	b.mu.Lock()
	closeFn := func() {}
	defer func() { closeFn() }()
	defer b.mu.Unlock()
	if b.err != nil || len(b.buf) == 0 && !b.flushing {
		b.busy = false
		if b.dropped {
			closeFn = b.takeCloseLocked()
		}
		return false
	}
	p := b.buf
	b.buf, b.writing = nil, len(p)
	flush := b.flushing
	b.mu.Unlock()
	err := b.put(p, flush)
	b.mu.Lock()
	b.writing = 0
	b.doneLocked(err)
	// What came while it was flushed was not asked to be: flush forbids writes.
	if flush {
		b.flushing = false
	}
	return true
}

func (b *behind) fail(err error) {
	b.mu.Lock()
	if b.err == nil {
		b.doneLocked(err)
	}
	b.mu.Unlock()
	b.Notify()
}

func (b *behind) finish(ctx context.Context) error {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	b.Notify()
	idle := idle{b}
	if !waitOr(ctx, idle) {
		b.fail(context.Cause(ctx))
		if b.o.Interrupt != nil {
			b.o.Interrupt()
		}
		waitOr(context.WithoutCancel(ctx), idle)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == io.EOF { //nolint:errorlint // Fail's own value
		return nil
	}
	return b.err
}

// idle is ready when nothing is written.
type idle struct{ b *behind }

// Ready implements Source.
func (i idle) Ready(context.Context) bool {
	i.b.mu.Lock()
	defer i.b.mu.Unlock()
	return !i.b.busy
}

// Watch implements Source.
func (i idle) Watch(ctx context.Context, wake func()) func() { return i.b.Watch(ctx, wake) }

// waitOr is Wait that gives false when ctx ends.
func waitOr(ctx context.Context, s Source) bool {
	for !s.Ready(ctx) {
		if ctx.Err() != nil {
			return false
		}
		sleep(ctx, []Source{s})
	}
	return true
}

func (b *behind) drop() {
	b.mu.Lock()
	b.dropped, b.ended = true, true
	closeFn := func() {}
	if !b.busy {
		closeFn = b.takeCloseLocked()
	}
	b.mu.Unlock()
	closeFn()
}

// takeCloseLocked gives what is to be called, without the lock, at the end.
func (b *behind) takeCloseLocked() func() {
	f := b.o.Close
	b.o.Close = nil
	if f == nil {
		return func() {}
	}
	return f
}
