package io

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// defaultBuffer bounds a stream's buffer, in bytes.
const defaultBuffer = 64 << 10

// InputOptions are those of an Input that reads from a blocking io.Reader.
type InputOptions struct {
	// Interrupt unblocks a Read in flight, for good; nil if that cannot be done. Safe for concurrent use.
	Interrupt func()
	// Close is called once, after Drop, when no Read runs any more; nil for none.
	Close func()
	// Buffer bounds what is read ahead, in bytes; 0 for 64 KiB.
	Buffer int
}

// NewInput makes an input stream of r, whose Read may block. r is read by one goroutine at a time: the guest's in a
// blocking read if the Read can be interrupted, else one that is started on demand and ends when the buffer is full, so
// what the guest does not take is not read.
func NewInput(r io.Reader, o InputOptions) *Input {
	if o.Buffer <= 0 {
		o.Buffer = defaultBuffer
	}
	return &Input{r: &ahead{r: r, o: o}}
}

// ahead reads ahead.
type ahead struct {
	r io.Reader
	o InputOptions
	Notifier

	mu sync.Mutex
	// buf is what was read and not taken, err what came after it.
	buf []byte
	err error
	// busy tells that a Read runs.
	busy, dropped bool
}

// Ready tells whether there is something to take; if not it starts reading.
func (a *ahead) Ready(context.Context) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.buf) > 0 || a.err != nil {
		return true
	}
	a.startLocked()
	return false
}

// Watch implements Source.
func (a *ahead) Watch(_ context.Context, wake func()) func() { return a.Notifier.Watch(wake) }

func (a *ahead) take(_ context.Context, n int) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.buf) == 0 {
		if a.err == nil {
			a.startLocked()
		}
		return nil, a.err
	}
	b := a.buf[:min(n, len(a.buf)):min(n, len(a.buf))]
	if a.buf = a.buf[len(b):]; len(a.buf) == 0 {
		a.buf = nil // the guest's now
		a.startLocked()
	}
	return b, nil
}

func (a *ahead) block(ctx context.Context, n int) ([]byte, error) {
	for {
		b, err := a.takeOnly(n)
		if len(b) == 0 && err == nil {
			b, err = a.direct(ctx, n)
		}
		if len(b) > 0 || err != nil {
			return b, err
		}
		Wait(ctx, a)
	}
}

// takeOnly is take that does not read ahead afterwards: a guest that only ever blocks reads by itself.
func (a *ahead) takeOnly(n int) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.buf) == 0 {
		return nil, a.err
	}
	end := min(n, len(a.buf))
	b := a.buf[:end:end]
	if a.buf = a.buf[end:]; len(a.buf) == 0 {
		a.buf = nil
	}
	return b, nil
}

// direct reads in the guest's goroutine. It gives nothing if that cannot be done or there are bytes already.
func (a *ahead) direct(ctx context.Context, n int) ([]byte, error) {
	a.mu.Lock()
	if a.busy || len(a.buf) > 0 || a.err != nil || a.o.Interrupt == nil {
		a.mu.Unlock()
		return nil, nil
	}
	a.busy = true
	a.mu.Unlock()
	stop := context.AfterFunc(ctx, a.o.Interrupt)
	p := make([]byte, n)
	got, err := a.readFull(p)
	stop()
	a.mu.Lock()
	a.busy = false
	if a.err == nil {
		a.err = err
	}
	err = a.err
	a.mu.Unlock()
	a.Notify() // others may wait to read
	if ctx.Err() != nil {
		Ended(ctx)
	}
	if got > 0 {
		return p[:got], nil
	}
	return nil, err
}

// readFull reads until there is a byte or an error; a panic of the reader becomes one.
func (a *ahead) readFull(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			n, err = 0, fmt.Errorf("the stream's reader panicked: %v", v)
		}
	}()
	// A Reader may give nothing; one that does so for ever is broken.
	for range 100 {
		if n, err = a.r.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// startLocked starts the goroutine that fills the buffer, if none does.
func (a *ahead) startLocked() {
	if a.busy || a.dropped || a.err != nil {
		return
	}
	a.busy = true
	go a.fill()
}

// fill reads until the buffer is full, the reader ends or nobody wants it any more.
func (a *ahead) fill() {
	p := make([]byte, min(a.o.Buffer, 32<<10))
	for room := len(p); ; {
		n, err := a.readFull(p[:room])
		a.mu.Lock()
		a.buf = append(a.buf, p[:n]...)
		if a.err == nil {
			a.err = err
		}
		more := a.err == nil && !a.dropped && len(a.buf) < a.o.Buffer
		a.busy = more
		closeFn := func() {}
		room = min(len(p), a.o.Buffer-len(a.buf))
		if !more && a.dropped {
			closeFn = a.takeCloseLocked()
		}
		a.mu.Unlock()
		closeFn()
		a.Notify()
		if !more {
			return
		}
	}
}

func (a *ahead) fail(err error) {
	a.mu.Lock()
	a.err, a.buf = err, nil
	a.mu.Unlock()
	a.Notify()
}

func (a *ahead) drop() {
	a.mu.Lock()
	a.dropped, a.buf = true, nil
	end := a.o.Interrupt
	if !a.busy {
		end = a.takeCloseLocked()
	}
	a.mu.Unlock()
	if end != nil {
		end()
	}
}

// takeCloseLocked gives what is to be called, without the lock, at the end.
func (a *ahead) takeCloseLocked() func() {
	f := a.o.Close
	a.o.Close = nil
	if f == nil {
		return func() {}
	}
	return f
}
