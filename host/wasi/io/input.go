package io

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
)

// maxChunk bounds what one read gives, in bytes; a guest that asks for more comes again.
const maxChunk = 64 << 10

// reader is where an Input reads from.
type reader interface {
	Source
	// take gives up to n bytes, at least 1, that are there now; none and no error if there are none.
	take(ctx context.Context, n int) ([]byte, error)
	// block is take, but waits for the first byte; it panics with a trap when ctx ends.
	block(ctx context.Context, n int) ([]byte, error)
	fail(err error)
	drop()
}

// Input is the resource wasi:io/streams.input-stream.
type Input struct {
	r reader
	// closed tells that the end or an error was reported, failed that Fail was called without an error.
	closed atomic.Bool
}

// NewSyncInput makes an input stream of a function that does not block for long and reads like io.Reader. closeFn, if
// any, is called once, at Drop.
func NewSyncInput(read func(ctx context.Context, p []byte) (int, error), closeFn func()) *Input {
	return &Input{r: &syncReader{read: read, close: closeFn}}
}

// EmptyInput is an input stream without a byte.
func EmptyInput() *Input {
	return NewSyncInput(func(context.Context, []byte) (int, error) { return 0, io.EOF }, nil)
}

// Fail ends the stream from outside: its next operation fails with err, or closed if err is nil. Safe for concurrent
// use.
func (i *Input) Fail(err error) {
	if err == nil {
		err = io.EOF
	}
	i.r.fail(err)
}

// Read gives up to n bytes that are there now.
func (i *Input) Read(ctx context.Context, n uint64) ([]byte, *abiio.StreamError) {
	if i.closed.Load() {
		return nil, Closed()
	}
	if n == 0 {
		return nil, nil
	}
	return i.result(i.r.take(ctx, int(min(n, maxChunk))))
}

// BlockingRead is Read that waits for the first byte.
func (i *Input) BlockingRead(ctx context.Context, n uint64) ([]byte, *abiio.StreamError) {
	if i.closed.Load() {
		return nil, Closed()
	}
	if n == 0 {
		Wait(ctx, i)
		return nil, nil
	}
	return i.result(i.r.block(ctx, int(min(n, maxChunk))))
}

// Skip is Read that gives the number of bytes only.
func (i *Input) Skip(ctx context.Context, n uint64) (uint64, *abiio.StreamError) {
	b, err := i.Read(ctx, n)
	return uint64(len(b)), err
}

// BlockingSkip is BlockingRead that gives the number of bytes only.
func (i *Input) BlockingSkip(ctx context.Context, n uint64) (uint64, *abiio.StreamError) {
	b, err := i.BlockingRead(ctx, n)
	return uint64(len(b)), err
}

// Subscribe gives a pollable that is ready when there are bytes, or the end or an error.
func (i *Input) Subscribe(context.Context) abiio.Pollable { return NewPollable(i) }

// Drop releases what the stream reads from.
func (i *Input) Drop(context.Context) {
	i.closed.Store(true)
	i.r.drop()
}

// Ready implements Source.
func (i *Input) Ready(ctx context.Context) bool { return i.closed.Load() || i.r.Ready(ctx) }

// Watch implements Source.
func (i *Input) Watch(ctx context.Context, wake func()) func() { return i.r.Watch(ctx, wake) }

func (i *Input) result(b []byte, err error) ([]byte, *abiio.StreamError) {
	if err == nil {
		return b, nil
	}
	if i.closed.Swap(true) || err == io.EOF { //nolint:errorlint // io.Reader's contract: the bare value
		return nil, Closed()
	}
	return nil, Failed(err)
}

// syncReader reads in the guest's goroutine.
type syncReader struct {
	read  func(ctx context.Context, p []byte) (int, error)
	close func()
	// outside is what Fail gave, err what read gave beside bytes.
	outside atomic.Pointer[error]
	err     error
}

func (*syncReader) Ready(context.Context) bool                  { return true }
func (*syncReader) Watch(_ context.Context, wake func()) func() { wake(); return func() {} }

func (r *syncReader) take(ctx context.Context, n int) ([]byte, error) {
	if err := r.outside.Load(); err != nil {
		return nil, *err
	}
	if r.err != nil {
		return nil, r.err
	}
	p := make([]byte, n)
	n, err := r.read(ctx, p)
	if n > 0 {
		r.err = err
		return p[:n], nil
	}
	return nil, err
}

func (r *syncReader) block(ctx context.Context, n int) ([]byte, error) {
	for {
		b, err := r.take(ctx, n)
		if len(b) > 0 || err != nil {
			return b, err
		}
		if ctx.Err() != nil {
			Ended(ctx)
		}
	}
}

func (r *syncReader) fail(err error) { r.outside.Store(&err) }

func (r *syncReader) drop() {
	if r.close != nil {
		r.close()
		r.close = nil
	}
}

// SharedInput is an input stream that all instances have in common, such as standard input; a handle of it may be in an
// image.
type SharedInput struct {
	*Input
	// Name is the stream's among all, for example "stdin".
	Name string
}

var _ canon.Shared = SharedInput{}

// SharedResource implements canon.Shared.
func (s SharedInput) SharedResource() string { return s.Name }

// Drop forgets the handle; the stream stays.
func (SharedInput) Drop(context.Context) {}
