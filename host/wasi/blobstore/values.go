package blobstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiblob "github.com/mrt-wasm/mrt-wasm/abi/wasi/blobstore"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// incoming is the resource of an object's bytes, or a part of them.
type incoming struct {
	o    Object
	r    *io.SectionReader
	size uint64
}

// Size is the number of bytes.
func (v *incoming) Size(context.Context) uint64 { return v.size }

// Drop releases the object.
func (v *incoming) Drop(context.Context) { _ = v.o.Close() } // it was only read

// IncomingValueIncomingValueConsumeSync gives all bytes at once, if they are not too many.
func (h *Host) IncomingValueIncomingValueConsumeSync(_ context.Context, this abiblob.IncomingValue) ([]byte, *abiblob.Error) {
	v := this.(*incoming)
	defer func() { _ = v.o.Close() }() // it was only read
	if v.size > abi.MaxBytes {
		return nil, text(fmt.Errorf("expected at most %d bytes, found %d; read the value as a stream (consume-async)", abi.MaxBytes, v.size))
	}
	out := make([]byte, v.size)
	if _, err := io.ReadFull(v.r, out); err != nil {
		return nil, text(fmt.Errorf("the object cannot be read: %w", plain(err)))
	}
	return out, nil
}

// IncomingValueIncomingValueConsumeAsync gives the bytes as a stream.
func (h *Host) IncomingValueIncomingValueConsumeAsync(_ context.Context, this abiblob.IncomingValue) (abiblob.InputStream, *abiblob.Error) {
	v := this.(*incoming)
	read := func(_ context.Context, p []byte) (int, error) {
		n, err := v.r.Read(p)
		if err != nil && !errors.Is(err, io.EOF) {
			err = plain(err)
		}
		return n, err
	}
	return wasiio.NewSyncInput(read, func() { _ = v.o.Close() }), nil
}

// outgoing is the resource of a value that is being written. It becomes an object when it is finished.
type outgoing struct {
	h     *Host
	draft Draft // nil until there is something to write
	names []ObjectID
	// taken tells that the stream was given to the guest, streaming that the guest has it still, ended that the value is
	// finished or dropped.
	taken, streaming, ended bool
	err                     error
}

// maxTargets bounds how many objects one value becomes.
const maxTargets = 64

// OutgoingValueNewOutgoingValue makes an empty value.
func (h *Host) OutgoingValueNewOutgoingValue(context.Context) abiblob.OutgoingValue {
	return &outgoing{h: h}
}

// name has the value become an object, too.
func (v *outgoing) name(id ObjectID) error {
	if slices.Contains(v.names, id) {
		return nil
	}
	if len(v.names) == maxTargets {
		return id.wrap(fmt.Errorf("expected at most %d objects that are written with one value, found more", maxTargets))
	}
	v.names = append(v.names, id)
	return nil
}

// OutgoingValueWriteBody gives the stream to write to, once.
func (v *outgoing) OutgoingValueWriteBody(ctx context.Context) (abiblob.OutputStream, bool) {
	if v.taken || v.create(ctx) != nil {
		return nil, false
	}
	v.taken, v.streaming = true, true
	write := func(_ context.Context, p []byte) error {
		if v.ended {
			return io.EOF
		}
		_, err := v.draft.Write(p)
		if err != nil && v.err == nil {
			v.err = err
		}
		return err
	}
	return wasiio.NewSyncOutput(write, nil, func() { v.streaming = false }), true
}

func (v *outgoing) create(ctx context.Context) (err error) {
	if v.draft == nil {
		v.draft, err = v.h.store.Create(ctx)
	}
	return err
}

// OutgoingValueFinish makes the value the object that write-data named; without one its bytes are gone. It fails, and
// writes nothing, if not all bytes were taken.
func (h *Host) OutgoingValueFinish(ctx context.Context, this abiblob.OutgoingValue) *abiblob.Error {
	v := this.(*outgoing)
	if v.streaming {
		v.Drop(ctx)
		abi.Trapf("outgoing-value.finish: expected that the value's output-stream was dropped before, found it open")
	}
	v.ended = true
	if err := v.create(ctx); err != nil {
		return text(err)
	}
	defer v.draft.Discard() // nothing after Commit
	if v.err != nil {
		return text(fmt.Errorf("not all bytes could be written: %w", v.err))
	}
	return do(ctx, h, "write-data", func(ctx context.Context) error { return v.draft.Commit(ctx, v.names) })
}

// Drop gives the value up.
func (v *outgoing) Drop(context.Context) {
	v.ended = true
	if v.draft != nil {
		v.draft.Discard()
	}
}
