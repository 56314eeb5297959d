package filesystem

import (
	"context"
	"errors"
	"io"
	"math"
	"os"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// maxRead bounds what one read gives, in bytes; a guest that asks for more comes again.
const maxRead = 1 << 20

// ReadViaStream gives a stream of the file's bytes from offset on.
func (d *Descriptor) ReadViaStream(_ context.Context, offset uint64) (abifs.InputStream, *abifs.ErrorCode) {
	f, err := d.opened(abifs.DescriptorFlagsRead)
	if err != nil {
		return nil, fail(err)
	}
	if offset > math.MaxInt64 {
		return nil, fail(code(abifs.ErrorCodeInvalid))
	}
	at := int64(offset)
	read := func(_ context.Context, p []byte) (int, error) {
		n, err := f.ReadAt(p, at)
		at += int64(n)
		if n > 0 {
			return n, nil
		}
		return n, streamError(err)
	}
	return wasiio.NewSyncInput(read, f.retain().release), nil
}

// WriteViaStream gives a stream that writes to the file from offset on.
func (d *Descriptor) WriteViaStream(_ context.Context, offset uint64) (abifs.OutputStream, *abifs.ErrorCode) {
	f, err := d.opened(abifs.DescriptorFlagsWrite)
	if err != nil {
		return nil, fail(err)
	}
	if offset > math.MaxInt64 {
		return nil, fail(code(abifs.ErrorCodeInvalid))
	}
	at := offset
	return outputStream(f, func(p []byte) error {
		n, err := writeAt(f.File, p, at)
		at += uint64(n)
		return err
	}), nil
}

// AppendViaStream gives a stream that writes to the file's end, wherever it is then.
func (d *Descriptor) AppendViaStream(context.Context) (abifs.OutputStream, *abifs.ErrorCode) {
	f, err := d.opened(abifs.DescriptorFlagsWrite)
	if err != nil {
		return nil, fail(err)
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, fail(err)
	}
	// Others than plain files have no end, and might block.
	if !fi.Mode().IsRegular() {
		return nil, fail(code(abifs.ErrorCodeInvalidSeek))
	}
	return outputStream(f, func(p []byte) error { return appendTo(f.File, p) }), nil
}

// outputStream makes a stream of write; it holds f.
func outputStream(f *file, write func(p []byte) error) *wasiio.Output {
	return wasiio.NewSyncOutput(func(_ context.Context, p []byte) error {
		return streamError(write(p))
	}, nil, f.retain().release)
}

// streamError marks a file's error, so that filesystem-error-code knows it.
func streamError(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &streamFault{err}
}

// writeAt writes all of p at offset or fails; it gives how much it wrote.
func writeAt(f *os.File, p []byte, offset uint64) (int, error) {
	if offset > math.MaxInt64-uint64(len(p)) {
		return 0, code(abifs.ErrorCodeFileTooLarge)
	}
	return f.WriteAt(p, int64(offset))
}

// appendAtSize writes p where the file ends now, for systems that cannot do that in one go.
func appendAtSize(f *os.File, p []byte) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	_, err = f.WriteAt(p, fi.Size())
	return err
}

// Read gives up to length bytes at offset, and whether they end the file.
func (d *Descriptor) Read(_ context.Context, length, offset uint64) (canon.Tuple2[[]byte, bool], *abifs.ErrorCode) {
	var out canon.Tuple2[[]byte, bool]
	f, err := d.opened(abifs.DescriptorFlagsRead)
	if err != nil {
		return out, fail(err)
	}
	if offset > math.MaxInt64-maxRead {
		return out, fail(code(abifs.ErrorCodeInvalid))
	}
	length = min(length, maxRead)
	fi, err := f.Stat()
	if err != nil {
		return out, fail(err)
	}
	if fi.Mode().IsRegular() {
		// One byte more than there is finds the end.
		length = min(length, uint64(max(fi.Size()-int64(offset), 0))+1)
	}
	p := make([]byte, length)
	n, err := f.ReadAt(p, int64(offset))
	switch {
	case errors.Is(err, io.EOF):
		out.F1 = true
	case err != nil && n == 0:
		return out, fail(err)
	case length == 0:
		out.F1 = fi.Mode().IsRegular() && int64(offset) >= fi.Size()
	}
	out.F0 = p[:n]
	return out, nil
}

// Write writes p at offset and gives how much of it.
func (d *Descriptor) Write(_ context.Context, p []byte, offset uint64) (uint64, *abifs.ErrorCode) {
	f, err := d.opened(abifs.DescriptorFlagsWrite)
	if err != nil {
		return 0, fail(err)
	}
	n, err := writeAt(f.File, p, offset)
	if err != nil && n == 0 {
		return 0, fail(err)
	}
	return uint64(n), nil
}

// SetSize cuts the file or adds zero bytes to it.
func (d *Descriptor) SetSize(_ context.Context, size uint64) *abifs.ErrorCode {
	switch {
	case d.file == nil:
		return fail(code(abifs.ErrorCodeBadDescriptor))
	case d.readOnly:
		return fail(code(abifs.ErrorCodeReadOnly))
	case !d.flags.Has(abifs.DescriptorFlagsWrite):
		return fail(code(abifs.ErrorCodeInvalid))
	case size > math.MaxInt64:
		return fail(code(abifs.ErrorCodeFileTooLarge))
	}
	return fail(d.file.Truncate(int64(size)))
}

// Advise passes on how the file will be used.
func (d *Descriptor) Advise(_ context.Context, offset, length uint64, advice abifs.Advice) *abifs.ErrorCode {
	switch {
	case d.file == nil:
		return fail(code(abifs.ErrorCodeBadDescriptor))
	case offset > math.MaxInt64 || length > math.MaxInt64-offset:
		return fail(code(abifs.ErrorCodeInvalid))
	}
	return fail(advise(d.file.File, int64(offset), int64(length), advice))
}
