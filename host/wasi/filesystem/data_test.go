package filesystem_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/filesystem"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

func TestRead(t *testing.T) {
	ctx := t.Context()
	f := openAt(t, open(t, tree(t), true), "file", 0, read)
	defer f.Drop(ctx)
	for _, c := range []struct {
		length, offset uint64
		want, code     string
		end            bool
	}{
		{10, 0, "0123456789", "ok", false},
		{11, 0, "0123456789", "ok", true},
		{3, 2, "234", "ok", false},
		{math.MaxUint64, 8, "89", "ok", true},
		{1, 10, "", "ok", true},
		{1, 1 << 40, "", "ok", true},
		{0, 0, "", "ok", false},
		{0, 10, "", "ok", true},
		{1, math.MaxUint64, "", "invalid", false},
	} {
		got, err := f.Read(ctx, c.length, c.offset)
		wantCode(t, "read", err, c.code)
		if string(got.F0) != c.want || got.F1 != c.end {
			t.Errorf("read of %d at %d: got %q, end %v; want %q, %v", c.length, c.offset, got.F0, got.F1, c.want, c.end)
		}
	}
}

func TestReadIsBounded(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "big"), make([]byte, 3<<20), 0o644))
	f := openAt(t, open(t, dir, true), "big", 0, read)
	defer f.Drop(ctx)
	got, err := f.Read(ctx, math.MaxUint64, 0)
	wantCode(t, "read", err, "ok")
	if len(got.F0) != 1<<20 || got.F1 {
		t.Errorf("got %d bytes, end %v; want 1 MiB and more to come", len(got.F0), got.F1)
	}
}

func TestWriteAndSize(t *testing.T) {
	ctx := t.Context()
	dir := tree(t)
	f := openAt(t, open(t, dir, false), "file", 0, read|write)
	defer f.Drop(ctx)
	n, err := f.Write(ctx, []byte("ab"), 3)
	wantCode(t, "write", err, "ok")
	if n != 2 {
		t.Errorf("got %d written, want 2", n)
	}
	_, err = f.Write(ctx, []byte("z"), 12)
	wantCode(t, "write behind the end", err, "ok")
	if got := content(t, dir, "file"); got != "012ab56789\x00\x00z" {
		t.Errorf("got %q", got)
	}
	_, err = f.Write(ctx, []byte("z"), math.MaxUint64)
	wantCode(t, "write at the end of the world", err, "file-too-large")
	wantCode(t, "set-size", f.SetSize(ctx, 4), "ok")
	wantCode(t, "set-size", f.SetSize(ctx, 6), "ok")
	wantCode(t, "set-size", f.SetSize(ctx, math.MaxUint64), "file-too-large")
	if got := content(t, dir, "file"); got != "012a\x00\x00" {
		t.Errorf("got %q", got)
	}
	for _, a := range []abifs.Advice{
		abifs.AdviceNormal, abifs.AdviceSequential, abifs.AdviceRandom, abifs.AdviceWillNeed, abifs.AdviceDontNeed, abifs.AdviceNoReuse,
	} {
		wantCode(t, "advise "+a.String(), f.Advise(ctx, 0, 4, a), "ok")
	}
	wantCode(t, "advise", f.Advise(ctx, math.MaxUint64, 1, 0), "invalid")
	wantCode(t, "sync", f.Sync(ctx), "ok")
	wantCode(t, "sync-data", f.SyncData(ctx), "ok")
}

// TestWrongDescriptor runs what does not fit the descriptor.
func TestWrongDescriptor(t *testing.T) {
	ctx := t.Context()
	dir := tree(t)
	d, frozen := open(t, dir, false), open(t, dir, true)
	reader, writer := openAt(t, d, "file", 0, read), openAt(t, d, "file", 0, write)
	frozenFile := openAt(t, frozen, "file", 0, read)
	none := abifs.NewTimestamp{}
	for what, c := range map[string]struct {
		do                                               func(d abifs.Descriptor) *abifs.ErrorCode
		folder, reader, writer, frozenFolder, frozenFile string
	}{
		"read": {
			func(d abifs.Descriptor) *abifs.ErrorCode { _, err := d.Read(ctx, 1, 0); return err },
			"bad-descriptor", "ok", "bad-descriptor", "bad-descriptor", "ok",
		},
		"write": {
			func(d abifs.Descriptor) *abifs.ErrorCode { _, err := d.Write(ctx, []byte("0"), 0); return err },
			"bad-descriptor", "bad-descriptor", "ok", "bad-descriptor", "bad-descriptor",
		},
		"read-via-stream": {
			func(d abifs.Descriptor) *abifs.ErrorCode { _, err := d.ReadViaStream(ctx, 0); return err },
			"bad-descriptor", "ok", "bad-descriptor", "bad-descriptor", "ok",
		},
		"write-via-stream": {
			func(d abifs.Descriptor) *abifs.ErrorCode { _, err := d.WriteViaStream(ctx, 0); return err },
			"bad-descriptor", "bad-descriptor", "ok", "bad-descriptor", "bad-descriptor",
		},
		"append-via-stream": {
			func(d abifs.Descriptor) *abifs.ErrorCode { _, err := d.AppendViaStream(ctx); return err },
			"bad-descriptor", "bad-descriptor", "ok", "bad-descriptor", "bad-descriptor",
		},
		"set-size": {
			func(d abifs.Descriptor) *abifs.ErrorCode { return d.SetSize(ctx, 10) },
			"bad-descriptor", "invalid", "ok", "bad-descriptor", "read-only",
		},
		"set-times": {
			func(d abifs.Descriptor) *abifs.ErrorCode { return d.SetTimes(ctx, none, none) },
			"ok", "ok", "ok", "read-only", "read-only",
		},
		"set-times-at": {
			func(d abifs.Descriptor) *abifs.ErrorCode { return d.SetTimesAt(ctx, 0, "file", none, none) },
			"ok", "not-directory", "not-directory", "read-only", "not-directory",
		},
		"advise": {
			func(d abifs.Descriptor) *abifs.ErrorCode { return d.Advise(ctx, 0, 0, 0) },
			"bad-descriptor", "ok", "ok", "bad-descriptor", "ok",
		},
		"sync":      {func(d abifs.Descriptor) *abifs.ErrorCode { return d.Sync(ctx) }, "ok", "ok", "ok", "ok", "ok"},
		"sync-data": {func(d abifs.Descriptor) *abifs.ErrorCode { return d.SyncData(ctx) }, "ok", "ok", "ok", "ok", "ok"},
		"open-at": {
			func(d abifs.Descriptor) *abifs.ErrorCode { _, err := d.OpenAt(ctx, 0, "file", 0, read); return err },
			"ok", "not-directory", "not-directory", "ok", "not-directory",
		},
		"open-at for writing": {
			func(d abifs.Descriptor) *abifs.ErrorCode { _, err := d.OpenAt(ctx, 0, "file", 0, write); return err },
			"ok", "not-directory", "not-directory", "read-only", "not-directory",
		},
		"open-at for changes": {
			func(d abifs.Descriptor) *abifs.ErrorCode { _, err := d.OpenAt(ctx, 0, "sub", 0, mutate); return err },
			"ok", "not-directory", "not-directory", "read-only", "not-directory",
		},
		"open-at to create": {
			func(d abifs.Descriptor) *abifs.ErrorCode {
				_, err := d.OpenAt(ctx, 0, "file", create, read)
				return err
			},
			"ok", "not-directory", "not-directory", "read-only", "not-directory",
		},
		"open-at to truncate": {
			func(d abifs.Descriptor) *abifs.ErrorCode {
				_, err := d.OpenAt(ctx, 0, "empty", truncate, read)
				return err
			},
			"is-directory", "not-directory", "not-directory", "read-only", "not-directory",
		},
		"stat-at": {
			func(d abifs.Descriptor) *abifs.ErrorCode { _, err := d.StatAt(ctx, 0, "file"); return err },
			"ok", "not-directory", "not-directory", "ok", "not-directory",
		},
		"metadata-hash-at": {
			func(d abifs.Descriptor) *abifs.ErrorCode { _, err := d.MetadataHashAt(ctx, 0, "file"); return err },
			"ok", "not-directory", "not-directory", "ok", "not-directory",
		},
		"readlink-at": {
			func(d abifs.Descriptor) *abifs.ErrorCode { _, err := d.ReadlinkAt(ctx, "link"); return err },
			"ok", "not-directory", "not-directory", "ok", "not-directory",
		},
	} {
		t.Run(what, func(t *testing.T) {
			wantCode(t, "folder", c.do(d), c.folder)
			wantCode(t, "reader", c.do(reader), c.reader)
			wantCode(t, "writer", c.do(writer), c.writer)
			wantCode(t, "read-only folder", c.do(frozen), c.frozenFolder)
			wantCode(t, "file of a read-only folder", c.do(frozenFile), c.frozenFile)
		})
	}
}

func TestStreams(t *testing.T) {
	ctx := t.Context()
	dir := tree(t)
	f := openAt(t, open(t, dir, false), "file", 0, read|write)
	in, err := f.ReadViaStream(ctx, 4)
	wantCode(t, "read-via-stream", err, "ok")
	at, err := f.WriteViaStream(ctx, 8)
	wantCode(t, "write-via-stream", err, "ok")
	end, err := f.AppendViaStream(ctx)
	wantCode(t, "append-via-stream", err, "ok")
	f.Drop(ctx) // the streams go on

	put(ctx, t, end, "EE")
	put(ctx, t, at, "abc")
	put(ctx, t, end, "FF")
	put(ctx, t, at, "d")
	if got := content(t, dir, "file"); got != "01234567abcdFF" {
		t.Errorf("got %q", got)
	}
	b, fault := in.BlockingRead(ctx, 3)
	if string(b) != "456" || fault != nil {
		t.Errorf("got %q, %v; want 456", b, fault)
	}
	n, fault := in.Skip(ctx, 1<<40)
	if n != 7 || fault != nil {
		t.Errorf("got %d skipped, %v; want 7", n, fault)
	}
	if _, fault = in.Read(ctx, 1); fault == nil || fault.Tag != abiio.StreamErrorClosed {
		t.Errorf("got %v at the end, want closed", fault)
	}
	for _, s := range []interface{ Drop(context.Context) }{in, at, end} {
		s.Drop(ctx)
	}
	for _, offset := range []uint64{math.MaxUint64, 1 << 63} {
		f := openAt(t, open(t, dir, false), "file", 0, read|write)
		_, err := f.ReadViaStream(ctx, offset)
		wantCode(t, "read-via-stream", err, "invalid")
		_, err = f.WriteViaStream(ctx, offset)
		wantCode(t, "write-via-stream", err, "invalid")
		f.Drop(ctx)
	}
}

func put(ctx context.Context, t *testing.T, out abiio.OutputStream, s string) {
	t.Helper()
	if n, err := out.CheckWrite(ctx); err != nil || n < uint64(len(s)) {
		t.Fatalf("check-write: got %d, %v", n, err)
	}
	if err := out.Write(ctx, []byte(s)); err != nil {
		t.Fatalf("write: got %v", err)
	}
}

// TestAppendIsAtomic appends from many streams, as many instances do.
func TestAppendIsAtomic(t *testing.T) {
	ctx := t.Context()
	dir := tree(t)
	d := open(t, dir, false)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			f, _ := d.OpenAt(ctx, 0, "log", create, write)
			out, _ := f.AppendViaStream(ctx)
			for range 200 {
				if err := out.BlockingWriteAndFlush(ctx, []byte("line\n")); err != nil {
					t.Error(err)
				}
			}
			out.Drop(ctx)
			f.Drop(ctx)
		})
	}
	wg.Wait()
	if got := len(content(t, dir, "log")); got != 4*200*5 {
		t.Errorf("got %d bytes, want %d", got, 4*200*5)
	}
}

func TestFilesystemErrorCode(t *testing.T) {
	ctx := t.Context()
	fs := newFS(t, filesystem.Config{Dirs: []filesystem.Dir{{Guest: "/", Host: tree(t)}}})
	f := openAt(t, fs.GetDirectories(ctx)[0].F0, "file", 0, read|write)
	out, _ := f.WriteViaStream(ctx, math.MaxInt64)
	fault := out.BlockingWriteAndFlush(ctx, []byte("x"))
	if fault == nil || fault.Tag != abiio.StreamErrorLastOperationFailed {
		t.Fatalf("got %v, want last-operation-failed", fault)
	}
	wantCode(t, "filesystem-error-code", fs.FilesystemErrorCode(ctx, fault.Value), "file-too-large")
	if got := fault.Value.ToDebugString(ctx); got != "file-too-large" {
		t.Errorf("got %q, want the code's name", got)
	}
	wantCode(t, "filesystem-error-code of another error", fs.FilesystemErrorCode(ctx, wasiio.NewError(os.ErrNotExist)), "ok")
}
