//go:build linux || darwin

package filesystem_test

import (
	"path/filepath"
	"syscall"
	"testing"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
)

func TestOpenDoesNotWaitForAPipe(t *testing.T) {
	ctx := t.Context()
	dir := tree(t)
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644))
	d := open(t, dir, false)
	_, err := d.OpenAt(ctx, follow, "pipe", 0, write)
	wantCode(t, "open for writing without a reader", err, "no-such-device")
	_, err = d.OpenAt(ctx, 0, "pipe", folder, read)
	wantCode(t, "open as a folder", err, "not-directory")
	f := openAt(t, d, "pipe", 0, read|write)
	kind, err := f.GetType(ctx)
	if err != nil || kind != abifs.DescriptorTypeFifo {
		t.Errorf("got %v, %v; want a fifo", kind, err)
	}
	_, err = f.Read(ctx, 1, 0)
	wantCode(t, "read", err, "invalid-seek")
	_, err = f.Write(ctx, []byte("x"), 0)
	wantCode(t, "write", err, "invalid-seek")
	_, err = f.AppendViaStream(ctx)
	wantCode(t, "append", err, "invalid-seek")
	f.Drop(ctx)
}
