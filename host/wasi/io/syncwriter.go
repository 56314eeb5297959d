package io

import (
	"context"
	"errors"
	"io"
)

// syncRoom is what a synchronous output stream takes in one write, in bytes.
const syncRoom = 1 << 20

// NewSyncOutput makes an output stream of a function that does not block for long and writes all of p or fails. flush
// and closeFn may be nil; closeFn is called once, at Drop.
func NewSyncOutput(write func(ctx context.Context, p []byte) error, flush func(ctx context.Context) error, closeFn func()) *Output {
	return &Output{w: &syncWriter{writeFn: write, flushFn: flush, closeFn: closeFn}}
}

// syncWriter writes in the guest's goroutine.
type syncWriter struct {
	writeFn func(ctx context.Context, p []byte) error
	flushFn func(ctx context.Context) error
	closeFn func()
}

func (*syncWriter) Ready(context.Context) bool                  { return true }
func (*syncWriter) Watch(_ context.Context, wake func()) func() { wake(); return func() {} }
func (*syncWriter) room(context.Context) (uint64, error)        { return syncRoom, nil }

func (w *syncWriter) write(ctx context.Context, p []byte) error { return w.writeFn(ctx, p) }

func (w *syncWriter) flush(ctx context.Context) error {
	if w.flushFn == nil {
		return nil
	}
	return w.flushFn(ctx)
}

func (w *syncWriter) writeThrough(ctx context.Context, p []byte) error {
	if err := w.writeFn(ctx, p); err != nil {
		return err
	}
	return w.flush(ctx)
}

func (w *syncWriter) drop() {
	if w.closeFn != nil {
		w.closeFn()
		w.closeFn = nil
	}
}

// isClosed tells whether a writer's error means that the stream is closed.
func isClosed(err error) bool { return errors.Is(err, io.EOF) }
