package io

import (
	"context"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
)

// maxBlockingWrite is the most that the blocking writes take, in bytes, as WASI says.
const maxBlockingWrite = 4096

// writer is where an Output writes to. It is ready when room is not 0 or there is an error.
type writer interface {
	Source
	// room is how many bytes write takes now. It fails with io.EOF when the stream is closed, else with the error of an
	// earlier operation.
	room(ctx context.Context) (uint64, error)
	// write takes p, which fits into the room. p is the caller's again afterwards.
	write(ctx context.Context, p []byte) error
	// flush begins to write all that was taken; until that is done there is no room.
	flush(ctx context.Context) error
	// writeThrough writes and flushes p, which has at most maxBlockingWrite bytes, and waits until that is done.
	writeThrough(ctx context.Context, p []byte) error
	drop()
}

// Output is the resource wasi:io/streams.output-stream.
type Output struct {
	w writer
	// permit is what check-write granted and write has not used, in bytes.
	permit uint64
	closed bool
}

// CheckWrite gives how many bytes the next Write may have.
func (o *Output) CheckWrite(ctx context.Context) (uint64, *abiio.StreamError) {
	n, err := o.room(ctx)
	o.permit = n
	return n, err
}

func (o *Output) room(ctx context.Context) (uint64, *abiio.StreamError) {
	if o.closed {
		return 0, Closed()
	}
	n, err := o.w.room(ctx)
	return n, o.result(err)
}

// Write writes p, which must be within what CheckWrite granted.
func (o *Output) Write(ctx context.Context, p []byte) *abiio.StreamError {
	if o.closed {
		return Closed()
	}
	if uint64(len(p)) > o.permit {
		abi.Trapf("write: expected at most the %d bytes that check-write permitted, found %d", o.permit, len(p))
	}
	o.permit -= uint64(len(p))
	return o.result(o.w.write(ctx, p))
}

// WriteZeroes writes n zero bytes like Write.
func (o *Output) WriteZeroes(ctx context.Context, n uint64) *abiio.StreamError {
	if o.closed {
		return Closed()
	}
	if n > o.permit {
		abi.Trapf("write-zeroes: expected at most the %d bytes that check-write permitted, found %d", o.permit, n)
	}
	return o.Write(ctx, make([]byte, n))
}

// BlockingWriteAndFlush writes p, at most 4096 bytes, and waits until it is flushed.
func (o *Output) BlockingWriteAndFlush(ctx context.Context, p []byte) *abiio.StreamError {
	if len(p) > maxBlockingWrite {
		abi.Trapf("blocking-write-and-flush: expected at most %d bytes, found %d", maxBlockingWrite, len(p))
	}
	if o.closed {
		return Closed()
	}
	o.permit = 0
	return o.result(o.w.writeThrough(ctx, p))
}

// BlockingWriteZeroesAndFlush writes n zero bytes, at most 4096, and waits until they are flushed.
func (o *Output) BlockingWriteZeroesAndFlush(ctx context.Context, n uint64) *abiio.StreamError {
	if n > maxBlockingWrite {
		abi.Trapf("blocking-write-zeroes-and-flush: expected at most %d bytes, found %d", maxBlockingWrite, n)
	}
	return o.BlockingWriteAndFlush(ctx, make([]byte, n))
}

// Flush begins to flush; CheckWrite grants nothing until that is done.
func (o *Output) Flush(ctx context.Context) *abiio.StreamError {
	if o.closed {
		return Closed()
	}
	o.permit = 0
	return o.result(o.w.flush(ctx))
}

// BlockingFlush flushes and waits until that is done.
func (o *Output) BlockingFlush(ctx context.Context) *abiio.StreamError {
	if err := o.Flush(ctx); err != nil {
		return err
	}
	_, err := o.waitRoom(ctx)
	return err
}

// waitRoom waits until something can be written and gives how much.
func (o *Output) waitRoom(ctx context.Context) (uint64, *abiio.StreamError) {
	for {
		if n, err := o.room(ctx); n > 0 || err != nil {
			return n, err
		}
		Wait(ctx, o)
	}
}

// Subscribe gives a pollable that is ready when CheckWrite grants something or fails.
func (o *Output) Subscribe(context.Context) abiio.Pollable { return NewPollable(o) }

// Splice moves up to n bytes that are there now from src.
func (o *Output) Splice(ctx context.Context, src abiio.InputStream, n uint64) (uint64, *abiio.StreamError) {
	room, err := o.room(ctx)
	if err != nil {
		return 0, err
	}
	p, err := src.Read(ctx, min(room, n))
	if err != nil {
		return 0, err
	}
	return o.spliced(ctx, p)
}

// BlockingSplice is Splice that waits until something can be written and read.
func (o *Output) BlockingSplice(ctx context.Context, src abiio.InputStream, n uint64) (uint64, *abiio.StreamError) {
	room, err := o.waitRoom(ctx)
	if err != nil {
		return 0, err
	}
	p, err := src.BlockingRead(ctx, min(room, n))
	if err != nil {
		return 0, err
	}
	return o.spliced(ctx, p)
}

func (o *Output) spliced(ctx context.Context, p []byte) (uint64, *abiio.StreamError) {
	o.permit = 0
	if len(p) == 0 {
		return 0, nil
	}
	if err := o.result(o.w.write(ctx, p)); err != nil {
		return 0, err
	}
	return uint64(len(p)), nil
}

// Drop lets what was written be written to its end, and then releases what the stream writes to.
func (o *Output) Drop(context.Context) {
	o.closed = true
	o.w.drop()
}

// Ready implements Source.
func (o *Output) Ready(ctx context.Context) bool { return o.closed || o.w.Ready(ctx) }

// Watch implements Source.
func (o *Output) Watch(ctx context.Context, wake func()) func() { return o.w.Watch(ctx, wake) }

// result makes the guest's error of err and closes the stream if there is one.
func (o *Output) result(err error) *abiio.StreamError {
	if err == nil {
		return nil
	}
	o.closed, o.permit = true, 0
	if isClosed(err) {
		return Closed()
	}
	return Failed(err)
}

// SharedOutput is an output stream that all instances have in common, such as standard output. It has no state: it
// always grants the same, also without CheckWrite, and an error does not close it. A handle of it may be in an image.
type SharedOutput struct {
	name  string
	write func(ctx context.Context, p []byte) error
}

var _ canon.Shared = (*SharedOutput)(nil)

// NewSharedOutput makes an output stream of a function that does not block for long and is safe for concurrent use. name
// is the stream's among all, for example "stdout".
func NewSharedOutput(name string, write func(ctx context.Context, p []byte) error) *SharedOutput {
	return &SharedOutput{name: name, write: write}
}

// SharedResource implements canon.Shared.
func (s *SharedOutput) SharedResource() string { return s.name }

// call is the stream for one operation.
func (s *SharedOutput) call() *Output {
	return &Output{w: &syncWriter{writeFn: s.write}, permit: syncRoom}
}

// CheckWrite gives how many bytes the next Write may have.
func (s *SharedOutput) CheckWrite(ctx context.Context) (uint64, *abiio.StreamError) {
	return s.call().CheckWrite(ctx)
}

// Write writes p, at most what CheckWrite gives.
func (s *SharedOutput) Write(ctx context.Context, p []byte) *abiio.StreamError {
	return s.call().Write(ctx, p)
}

// BlockingWriteAndFlush writes p, at most 4096 bytes.
func (s *SharedOutput) BlockingWriteAndFlush(ctx context.Context, p []byte) *abiio.StreamError {
	return s.call().BlockingWriteAndFlush(ctx, p)
}

// Flush does nothing: nothing is held back.
func (*SharedOutput) Flush(context.Context) *abiio.StreamError { return nil }

// BlockingFlush does nothing.
func (*SharedOutput) BlockingFlush(context.Context) *abiio.StreamError { return nil }

// Subscribe gives a pollable that is ready.
func (*SharedOutput) Subscribe(context.Context) abiio.Pollable { return NewPollable(Always()) }

// WriteZeroes writes n zero bytes like Write.
func (s *SharedOutput) WriteZeroes(ctx context.Context, n uint64) *abiio.StreamError {
	return s.call().WriteZeroes(ctx, n)
}

// BlockingWriteZeroesAndFlush writes n zero bytes, at most 4096.
func (s *SharedOutput) BlockingWriteZeroesAndFlush(ctx context.Context, n uint64) *abiio.StreamError {
	return s.call().BlockingWriteZeroesAndFlush(ctx, n)
}

// Splice moves up to n bytes that are there now from src.
func (s *SharedOutput) Splice(ctx context.Context, src abiio.InputStream, n uint64) (uint64, *abiio.StreamError) {
	return s.call().Splice(ctx, src, n)
}

// BlockingSplice is Splice that waits until something can be read.
func (s *SharedOutput) BlockingSplice(ctx context.Context, src abiio.InputStream, n uint64) (uint64, *abiio.StreamError) {
	return s.call().BlockingSplice(ctx, src, n)
}

// Drop forgets the handle; the stream stays.
func (*SharedOutput) Drop(context.Context) {}
